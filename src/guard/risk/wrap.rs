//! Programs that run other programs: what stands behind their own flags is the command.

/// How a wrapper holds its command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapper {
    names: &'static [&'static str],
    /// Flags that take the next word with them.
    values: &'static [&'static str],
    /// Words between the flags and the command.
    skips: usize,
    /// `NAME=value` may stand before the command.
    sets: bool,
    /// Words of its own may stand before the command (`poetry run`).
    has_verbs: bool,
}

const fn wrapper(names: &'static [&'static str], values: &'static [&'static str], skips: usize) -> Wrapper {
    Wrapper { names, values, skips, sets: false, has_verbs: false }
}

const fn with_verbs(names: &'static [&'static str], values: &'static [&'static str]) -> Wrapper {
    Wrapper { has_verbs: true, ..wrapper(names, values, 0) }
}

const FLAGS_OF_TOOLS: &[&str] =
    &["-C", "--prefix", "-w", "--filter", "-n", "-p", "--with", "--python", "--env-file", "--project"];
const FLAGS_OF_WATCHERS: &[&str] = &["-n", "-o", "-e", "-p", "-d", "-j", "-S", "-t", "-s", "-f", "-c"];

const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        names: &["sudo", "doas", "pkexec", "sudoedit", "gosu", "su-exec", "run0", "dzdo", "please"],
        values: &["-u", "-g", "-p", "-C", "-h", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group", "--prompt"],
        skips: 0,
        sets: true,
        has_verbs: false,
    },
    Wrapper {
        names: &["env", "/usr/bin/env", "dotenv", "envdir", "with-env"],
        values: &["-u", "-C", "-f", "-e", "--unset", "--chdir", "--argv0"],
        skips: 0,
        sets: true,
        has_verbs: false,
    },
    wrapper(&["timeout", "gtimeout"], &["-k", "-s", "--kill-after", "--signal"], 1),
    wrapper(&["nice", "ionice", "chrt", "renice"], &["-n", "-c", "-p", "-t"], 0),
    wrapper(
        &["nohup", "setsid", "command", "builtin", "exec", "time", "gtime", "busybox", "toybox", "eatmydata"],
        &["-f", "-o", "-a"],
        0,
    ),
    wrapper(
        &[
            "stdbuf",
            "unbuffer",
            "chronic",
            "caffeinate",
            "systemd-inhibit",
            "faketime",
            "proxychains",
            "proxychains4",
            "torsocks",
            "rlwrap",
            "winpty",
            "fakeroot",
            "sg",
            "catchsegv",
            "hyperfine",
            "perf-stat",
            "entr",
            "ts",
            "retry",
            "direnv-exec",
            "daemonize",
            "start-stop-daemon",
            "annotate-output",
        ],
        &["-i", "-o", "-e", "-w", "-t", "-f"],
        0,
    ),
    wrapper(
        &["taskset", "numactl", "chpst", "setarch", "linux64", "linux32", "prlimit", "cpulimit"],
        &["-c", "-p", "-l"],
        0,
    ),
    wrapper(&["flock"], &["-w", "-E", "-c", "--timeout"], 1),
    wrapper(&["chroot", "arch-chroot", "schroot", "proot"], &["--userspec", "-c", "-u"], 1),
    wrapper(
        &["nsenter", "unshare", "firejail", "bwrap", "setpriv"],
        &["-t", "-S", "-G", "--target", "--bind", "--ro-bind", "--dev", "--proc", "--chdir"],
        0,
    ),
    with_verbs(
        &[
            "poetry",
            "pipenv",
            "uv",
            "pdm",
            "rye",
            "hatch",
            "bundle",
            "rbenv",
            "pyenv",
            "nvm",
            "volta",
            "asdf",
            "mise",
            "direnv",
            "conda",
            "micromamba",
            "npm",
            "pnpm",
            "yarn",
            "bun",
            "dotenvx",
            "doppler",
            "op",
            "aws-vault",
            "chamber",
            "infisical",
            "nix",
            "devbox",
            "opam",
            "stack",
            "cabal",
            "lerna",
            "turbo",
            "nx",
        ],
        FLAGS_OF_TOOLS,
    ),
    wrapper(&["npx", "pnpx", "bunx", "uvx", "pipx", "nix-shell", "dlx", "corepack"], FLAGS_OF_TOOLS, 0),
    with_verbs(&["screen", "tmux"], FLAGS_OF_WATCHERS),
    wrapper(
        &[
            "watch",
            "viddy",
            "parallel",
            "xpanes",
            "rust-parallel",
            "ltrace",
            "strace",
            "gdb",
            "valgrind",
            "script",
            "expect",
            "dtach",
            "abduco",
            "systemd-run",
            "at",
            "batch",
            "dbus-run-session",
            "xvfb-run",
            "cross-env",
            "wsl",
            "cmd",
            "start",
        ],
        FLAGS_OF_WATCHERS,
        0,
    ),
];

/// Where the command of a wrapper may begin, in its arguments; nothing where the program is no wrapper.
///
/// A program with words of its own before the command (`poetry run`, `docker exec NAME`) gives more than one place.
pub(super) fn command_at(program: &str, args: &[String]) -> Option<usize> {
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&program))?;
    let (mut at, mut skips) = (0, wrapper.skips);
    while let Some(arg) = args.get(at) {
        if arg == "--" {
            at += 1;
            break;
        }
        if arg.starts_with('-') && arg.len() > 1 {
            at += if wrapper.values.contains(&arg.as_str()) { 2 } else { 1 };
            continue;
        }
        if wrapper.sets && arg.split_once('=').is_some_and(|(name, _)| is_name(name)) {
            at += 1;
            continue;
        }
        if skips == 0 {
            break;
        }
        skips -= 1;
        at += 1;
    }
    while wrapper.sets && args.get(at).and_then(|arg| arg.split_once('=')).is_some_and(|(name, _)| is_name(name)) {
        at += 1;
    }
    Some(at)
}

/// Whether words of its own may stand before the command of a wrapper.
pub(super) fn has_verbs(program: &str) -> bool {
    WRAPPERS.iter().any(|wrapper| wrapper.has_verbs && wrapper.names.contains(&program))
}

/// Programs that take more rights.
pub(super) fn takes_rights(program: &str) -> bool {
    ["sudo", "doas", "pkexec", "sudoedit", "gosu", "su-exec", "run0", "dzdo", "please", "su", "runuser"]
        .contains(&program)
}

/// See `is_destroyer`.
const DESTROYERS: &[&str] = &[
    "rm",
    "grm",
    "rmdir",
    "unlink",
    "shred",
    "dd",
    "mkfs",
    "wipefs",
    "fdisk",
    "sudo",
    "doas",
    "su",
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "eval",
    "terraform",
    "kubectl",
    "dropdb",
    "psql",
    "mysql",
    "curl",
    "wget",
    "nc",
    "ncat",
    "ssh",
    "scp",
    "chmod",
    "chown",
    "kill",
    "killall",
    "pkill",
    "shutdown",
    "reboot",
    "crontab",
    "git",
    "find",
    "xargs",
    "python",
    "python3",
    "perl",
    "ruby",
    "node",
    "php",
    "aws",
    "gcloud",
    "docker",
    "npm",
    "cargo",
    "helm",
    "truncate",
    "tee",
    "mv",
    "cp",
    "env",
    "cat",
    "redis-cli",
    "mongosh",
    "mongo",
    "sqlite3",
    "iptables",
    "systemctl",
    "prisma",
    "rails",
    "rake",
    "alembic",
    "twine",
    "gh",
    "heroku",
    "fly",
    "flyctl",
    "vercel",
    "pulumi",
    "ansible",
    "drizzle-kit",
    "sequelize",
    "knex",
    "rsync",
    "tar",
    "printenv",
    "orch",
    "openssl",
    "base64",
    "timeout",
    "nohup",
    "exec",
    "command",
    "mkfs.ext4",
    "manage.py",
    "supabase",
    "serverless",
    "cdk",
    "wrangler",
    "netlify",
    "railway",
];

/// Programs that are dangerous wherever their name stands as a word: an unknown program may well run its arguments.
pub(super) fn is_destroyer(word: &str) -> bool {
    let name = super::programs::base_name(word);
    DESTROYERS.contains(&name.as_str())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
