//! What one program with its words does: its own reader where it has one, the tables, and what it runs in turn.

use std::ops::Range;

use super::{
    expand::UNKNOWN,
    judge::{Io, Judge},
    programs::{base_name, interpreter, is_assigner, is_network, is_reader, is_shell, is_writer},
    tables::{Asked, RuleRow, rows},
    wrap::{command_at, has_verbs, is_destroyer, takes_rights},
};
use crate::definition::policy::{Level, RiskClass};

/// How many words of an unknown program may be the program that it runs.
const PLACES_MAX: usize = 12;
/// Programs that only take tables into account when they are told what to do.
const DRY: &[&str] =
    &["git", "npm", "pnpm", "yarn", "cargo", "kubectl", "helm", "aws", "twine", "poetry", "goreleaser"];

impl Judge<'_> {
    /// A program with its words.
    pub fn argv(&mut self, argv: &[String], io: &Io) {
        let is_given = std::mem::take(&mut self.is_given);
        let Some((program, args)) = argv.split_first() else { return };
        if !self.counts(&io.span) {
            return;
        }
        let name = base_name(program);
        let prefix = name.split(UNKNOWN).next().unwrap_or("");
        let is_own = prefix.len() >= 3 && self.variables.has_functions(prefix);
        if (is_given || is_own) && (name.contains(UNKNOWN) || name.is_empty()) {
            return self.find(
                Level::L2,
                RiskClass::Execute,
                "runs",
                "runs what its function is given, or a function of its own",
                "",
                &io.span,
            );
        }
        let is_pattern = name.contains(['*', '?']) || (name.len() > 2 && name.contains('['));
        if is_pattern && !name.contains(UNKNOWN) {
            self.opaque("which program this pattern means is only known when it runs", &io.span);
        }
        if name.contains(UNKNOWN) || name.is_empty() {
            self.opaque("which program this is is only known when it runs", &io.span);
            // It may well be the first of its words, where the variable is empty.
            let span = io.span.clone();
            return self.deeper(&span, |judge| judge.argv(args, io));
        }
        if (self.variables.is_function(program) || name == "set") && !args.is_empty() {
            let span = io.span.clone();
            let given = args.iter().position(|arg| arg == "--").map_or(args, |at| &args[at + 1..]);
            self.only_serious(&span, |judge| judge.argv(given, io));
        }
        self.everywhere(program, &name, args, io);
        self.judged(&name, args, io);
    }

    /// What counts whatever the program is.
    fn everywhere(&mut self, program: &str, name: &str, args: &[String], io: &Io) {
        self.secrets(name, args, &io.span);
        self.mounted(name, args, &io.span);
        self.devices(name, args, &io.span);
        self.code_in_words(name, args, &io.span);
        self.fed_lines(name, args, io);
        if program.contains('/') && self.is_fetched(program) {
            self.remote_code("runs what this command has just fetched", &io.span);
        }
        if takes_rights(name) && !args.is_empty() {
            let why = format!("`{name}` works with more rights than its user's");
            self.find(Level::L3, RiskClass::Privilege, "more-rights", why, "let a person do it", &io.span);
        }
    }

    /// What this program with these words does, and what it runs in turn.
    fn judged(&mut self, name: &str, args: &[String], io: &Io) {
        let is_known = self.own(name, args, io);
        let mark = self.mark();
        let is_listed = self.listed(name, args, &io.span);
        let span = io.span.clone();
        if !self.is_serious_since(mark) && interpreter(name).is_none() && !is_shell(name) {
            // What a wrapper runs is judged for itself.
            if command_at(name, args).is_none() || has_verbs(name) {
                self.destroying_words(name, args, &span);
            }
            self.remote_change(name, args, &span);
        }
        if let Some(at) = command_at(name, args) {
            // `npm run`, `poetry run`: the words before the command are scanned below.
            let rest = &args[at.min(args.len())..];
            if rest.first().is_some_and(|word| is_destroyer(word) || is_known_word(word, name)) {
                self.deeper(&span, |judge| judge.argv(rest, io));
            }
            // `pnpm dlx PROGRAM`, `uv run PROGRAM`; what `npm run` names is no program.
            let runs_scripts = ["npm", "pnpm", "yarn", "bun", "lerna", "nx", "turbo"].contains(&name);
            let is_verb = |word: &String| {
                matches!(word.as_str(), "exec" | "dlx" | "x" | "execute") || (word == "run" && !runs_scripts)
            };
            if let Some((_, behind)) = rest.split_first().filter(|(verb, _)| is_verb(verb)) {
                let at = behind.iter().position(|word| !word.starts_with('-')).unwrap_or(behind.len());
                self.deeper(&span, |judge| judge.argv(&behind[at..], io));
            }
        }
        if !is_reader(name) && !is_writer(name) && !["git", "gh", "glab", "jj", "hg"].contains(&name) {
            self.words_that_run(args, io);
        }
        if !is_known && !is_listed {
            self.everyday(name, args, &span);
        }
    }

    /// What a program is that no rule is about.
    fn everyday(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        if is_reader(name) || is_assigner(name) {
            return self.find(Level::L0, RiskClass::Read, "reads", format!("`{name}` looks"), "", span);
        }
        if is_writer(name) {
            return self.find(Level::L1, RiskClass::Write, "writes", format!("`{name}` changes files"), "", span);
        }
        let asked = Asked::new(name, args);
        if asked.is_unknown() && rows().any(|row| row.programs.contains(&name) && row.level >= Level::L3) {
            return self.opaque("what this program is told to do is only known when it runs", span);
        }
        let class = if is_network(name) { RiskClass::Network } else { RiskClass::Execute };
        self.find(Level::L2, class, "runs", format!("runs `{name}`"), "", span);
    }

    /// The rows of the tables; whether there was one.
    fn listed(&mut self, name: &str, args: &[String], span: &Range<usize>) -> bool {
        let asked = Asked::new(name, args);
        let fits: Vec<&RuleRow> = rows().filter(|row| asked.fits(row)).collect();
        if matches!(args, [only] if only == "--version" || only == "--help") {
            self.find(Level::L0, RiskClass::Read, "reads", format!("`{name}` says what it is"), "", span);
            return true;
        }
        let flags: Vec<&String> = args.iter().filter(|arg| arg.starts_with('-')).collect();
        // A row that only looks counts alone, if nothing else is asked for.
        let look = fits.iter().find(|row| {
            (row.id.ends_with("-list") || row.id.ends_with("-look"))
                && !row.flags.is_empty()
                && flags.iter().all(|flag| row.flags.contains(&flag.as_str()))
        });
        let is_dry = DRY.contains(&name)
            && args.iter().take_while(|arg| *arg != "--").any(|arg| {
                matches!(arg.as_str(), "--dry-run" | "--dryrun" | "--dry-run=client" | "--dry-run=server" | "--help")
            });
        for row in look.map_or(fits.clone(), |row| vec![*row]) {
            let level = if is_dry { row.level.min(Level::L2) } else { row.level };
            self.find(level, row.class, row.id, format!("`{name}` {}", row.why), row.instead, span);
        }
        !fits.is_empty()
    }

    /// Programs that are read word by word; whether this is one.
    fn own(&mut self, name: &str, args: &[String], io: &Io) -> bool {
        if is_shell(name) {
            self.shell(args, io);
            return true;
        }
        if interpreter(name).is_some() {
            self.interpreter(name, args, io);
            return true;
        }
        match name {
            "cd" | "pushd" | "popd" | "chdir" => {
                let path = args.iter().find(|arg| !arg.starts_with('-') || *arg == "-").map(String::as_str);
                self.stand(if name == "popd" { Some("-") } else { path });
                return false;
            }
            "eval" => self.evaluated(args, io),
            "." | "source" => self.sourced(args, io),
            "trap" | "alias" => self.kept_for_later(name, args, io),
            "su" | "runuser" | "script" | "flock" | "nix-shell" | "npx" | "sem" => self.text_flag(args, io),
            "ssh" | "slogin" | "rsh" | "wsl" => self.remote_shell(args, io),
            "xargs" | "gxargs" => self.xargs(args, io),
            "find" | "gfind" | "bfs" => self.find_files(args, io),
            "fd" | "fdfind" => self.fd(args, io),
            "export" | "declare" | "typeset" | "local" | "readonly" => self.set_variables(args, &io.span),
            _ if name.starts_with("mkfs.") => {
                let why = "writes to disks or what is below the files";
                self.find(Level::L4, RiskClass::Disk, "disk-format", why, "leave disks to a person", &io.span);
            }
            "kill" => self.kill(args, &io.span),
            "pkill" | "killall" | "skill" => self.kill_named(args, &io.span),
            "git" => self.git(args, io),
            "curl" | "wget" | "http" | "https" | "xh" | "curlie" | "aria2c" => self.fetch(name, args, io),
            "dig" | "nslookup" | "host" | "drill" | "ping" | "ping6" | "whois" | "nc" | "ncat" | "telnet" => {
                self.names_of_hosts(args, io);
            }
            "awk" | "gawk" | "mawk" | "nawk" => self.awk(args, io),
            _ if self.data(name, args, io) => {}
            _ => return self.files(name, args, io),
        }
        !is_reader(name) || matches!(name, "trap" | "alias" | "export" | "declare" | "local" | "readonly" | "typeset")
    }

    /// Words of a program that may be commands: a program that nobody knows may well run them.
    fn words_that_run(&mut self, args: &[String], io: &Io) {
        let span = io.span.clone();
        let mut places = 0;
        for (place, arg) in args.iter().enumerate() {
            if places >= PLACES_MAX {
                break;
            }
            let text = arg.trim_start_matches([':', '!']).trim_start();
            // The value of a flag, or of a variable: `make SHELL='…'`.
            let is_set = |name: &str| {
                name.starts_with('-')
                    || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
            };
            let text = text.split_once('=').filter(|(name, _)| is_set(name)).map_or(text, |(_, value)| value);
            let first = text.split([' ', '\t', '\n', ';', '&', '|']).next().unwrap_or("");
            if text.len() > first.len()
                && (is_destroyer(first) || first.contains('=') || text.contains(";") || text.contains("&&"))
            {
                places += 1;
                self.only_serious(&span, |judge| judge.inner(text, &io.stdin, &span));
            } else if is_destroyer(arg) && place + 1 < args.len() {
                places += 1;
                self.only_serious(&span, |judge| judge.argv(&args[place..], io));
            }
        }
    }

    /// Keeps of what is found only what a person must see: the words are perhaps no commands at all.
    pub fn only_serious(&mut self, span: &Range<usize>, work: impl FnOnce(&mut Self)) {
        let folders = self.folders.clone();
        let mark = self.mark();
        self.deeper(span, work);
        self.keep_after(mark, |finding| {
            finding.level >= Level::L3 && !["unreadable", "opaque", "remote-change"].contains(&finding.rule)
        });
        self.folders = folders;
    }

    /// Files that hold credentials, wherever their names stand.
    fn secrets(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        const ONLY_NAMES: &[&str] = &[
            "echo",
            "printf",
            "test",
            "[",
            "[[",
            "ls",
            "ll",
            "touch",
            "mkdir",
            "git",
            "stat",
            "cd",
            "export",
            "alias",
            "chmod",
            "chown",
            "rm",
            "basename",
            "dirname",
            "realpath",
            "readlink",
            "file",
            "find",
            "fd",
            "rmdir",
            "npm",
            "grep-l",
            "which",
            "pushd",
            "trap",
            "eval",
            "set",
            "docker",
            "docker-compose",
            "podman",
            ":",
            "unlink",
            "tree",
        ];
        if ONLY_NAMES.contains(&name) || is_shell(name) {
            return;
        }
        // The place to copy to is written, not read.
        let last = matches!(name, "cp" | "mv" | "ln" | "tee" | "install") && args.len() > 1;
        let count = if last { args.len() - 1 } else { args.len() };
        for arg in args.iter().take(count) {
            if arg.len() > 4096 || arg.contains('\n') {
                continue;
            }
            let value = arg.split_once('=').map_or(arg.as_str(), |(_, value)| value);
            for path in [arg.as_str(), value] {
                let path = path.trim_start_matches('@');
                // `host:path` and `user@host:path` are elsewhere, but their ends are read all the same.
                let path = if path.contains("://") && !path.starts_with("file:") { continue } else { path };
                if !path.is_empty() && !path.contains(' ') {
                    let is_env = path.ends_with(".env") || path.contains(".env.");
                    if is_env && matches!(name, "source" | "." | "tee" | "dotenv" | "cp" | "sed" | "direnv") {
                        continue;
                    }
                    self.reads(path, span);
                }
            }
        }
    }

    fn set_variables(&mut self, args: &[String], span: &Range<usize>) {
        const LOADED: &[&str] = &["LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "PROMPT_COMMAND"];
        for (name, value) in args.iter().filter_map(|arg| arg.split_once('=')) {
            if LOADED.contains(&name) && !value.is_empty() {
                let why = format!("`{name}` makes other programs load or run what it names");
                self.find(Level::L3, RiskClass::Persistence, "loaded", why, "give it to one program", span);
            }
        }
    }

    fn kill(&mut self, args: &[String], span: &Range<usize>) {
        let after_signal =
            args.iter().position(|arg| arg != "--" && arg.starts_with('-') && arg != "-1").map_or(0, |at| at + 1);
        let targets = args.iter().skip(after_signal).filter(|arg| *arg != "--" && *arg != "-s");
        for target in targets {
            if target == "-1" && (args.len() > 1) || matches!(target.as_str(), "1" | "0") {
                let why = "ends every process that it may end";
                self.find(
                    Level::L3,
                    RiskClass::Process,
                    "process-every",
                    why,
                    "`kill PID` of what you have started",
                    span,
                );
            }
            if target == "PPID" {
                let why = "ends the process that watches over this run";
                self.find(Level::L4, RiskClass::Guard, "guard-process", why, "end your own command instead", span);
            }
        }
        self.find(Level::L2, RiskClass::Process, "process-one", "ends a process", "", span);
    }

    fn kill_named(&mut self, args: &[String], span: &Range<usize>) {
        if args.iter().any(|arg| arg.split(|letter: char| !letter.is_alphanumeric()).any(|part| part == "orch")) {
            let why = "ends orch itself";
            self.find(Level::L4, RiskClass::Guard, "guard-process", why, "end your own command instead", span);
        }
    }
}

/// Whether a word behind a wrapper is a program of its own, and no word of the wrapper.
fn is_known_word(word: &str, wrapper: &str) -> bool {
    !has_verbs(wrapper) && !word.is_empty() && !word.contains(char::is_whitespace)
}
