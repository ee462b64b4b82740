//! Words that say what a program does, for the many programs that no row of the tables knows: `delete`, `purge`,
//! `drop-all`. Knows no program by what it does, only some whose words are names of tests, files or packages.

use std::ops::Range;

use super::{
    judge::Judge,
    programs::{is_network, is_reader, is_writer},
    tables::positionals,
};
use crate::definition::policy::{Level, RiskClass};

/// How many words behind a program are looked at.
const WORDS_MAX: usize = 6;
/// The longest word that may be a name of something to do.
const LETTERS_MAX: usize = 60;

/// Words that destroy, whatever program is told them.
const DESTROYS: &[&str] = &[
    "annihilate",
    "clobber",
    "decommission",
    "delete",
    "deprovision",
    "deregister",
    "destroy",
    "drop",
    "erase",
    "expunge",
    "flush",
    "flushall",
    "flushdb",
    "nuke",
    "obliterate",
    "payout",
    "refund",
    "purge",
    "revoke",
    "scrub",
    "shred",
    "teardown",
    "terminate",
    "truncate",
    "undeploy",
    "unpublish",
    "unregister",
    "wipe",
    "wipeout",
    "yank",
    "zap",
    "zeroize",
];
/// Words that destroy, except where they take a package out of a project.
const REMOVES: &[&str] = &[
    "del",
    "discard",
    "downgrade",
    "evict",
    "forget",
    "prune",
    "remove",
    "rm",
    "rmr",
    "rmi",
    "rollback",
    "undefine",
    "uninstall",
];
/// Words that destroy what stands beside them, if that is one of `HELD`.
const EMPTIES: &[&str] = &[
    "clean", "cleanup", "clear", "empty", "fresh", "init", "rebuild", "recreate", "refresh", "reinit", "reset",
    "restore", "revert", "rewind",
];
/// What holds what cannot be made again.
const HELD: &[&str] = &[
    "account",
    "accounts",
    "bucket",
    "buckets",
    "cluster",
    "database",
    "databases",
    "datastore",
    "db",
    "dbs",
    "factory",
    "hard",
    "index",
    "indices",
    "keyspace",
    "namespace",
    "prod",
    "production",
    "project",
    "queue",
    "queues",
    "schema",
    "site",
    "storage",
    "store",
    "system",
    "table",
    "tables",
    "tenant",
    "tenants",
    "topic",
    "topics",
    "users",
    "volume",
    "volumes",
];
/// Words that change what others use where they are said of production.
const CHANGES: &[&str] = &[
    "apply",
    "copy",
    "import",
    "load",
    "migrate",
    "migration",
    "migrations",
    "overwrite",
    "push",
    "release",
    "restore",
    "rollout",
    "seed",
    "sync",
];
/// What others use.
const LIVE: &[&str] = &["live", "prd", "prod", "production"];
/// A word with such a part only looks, or tests.
const HARMLESS: &[&str] = &[
    "check", "docs", "dry", "fixture", "fixtures", "lint", "list", "mock", "preview", "show", "spec", "test", "tests",
    "no",
];
/// What stands behind such a word is a name.
const STOPS: &[&str] = &[
    "bench", "describe", "diff", "explain", "get", "grep", "help", "lint", "list", "ls", "preview", "search", "show",
    "spec", "status", "test", "tests", "validate", "view", "which", "add", "create", "g", "generate", "new",
    "revision",
];
/// Flags behind which stands a name.
const NAMING: &[&str] = &[
    "--name",
    "-m",
    "--message",
    "--title",
    "--description",
    "--body",
    "--label",
    "--filter",
    "--grep",
    "-k",
    "-t",
    "--tag",
];
/// Parts of flags that say that a program asks before it does such a thing, and shall not.
const WILLING: &[&str] = &[
    "data-loss",
    "really-mean",
    "i-am-sure",
    "im-sure",
    "i-understand",
    "i-know-what",
    "skip-final",
    "no-backup",
    "without-backup",
    "skip-backup",
    "delete-data",
    "force-new-deployment",
];
/// Programs whose words are names of tests and files, or that have rows of their own for what they do.
const NAMES: &[&str] = &[
    "ava",
    "bazel",
    "biome",
    "black",
    "cargo",
    "clang-format",
    "clang-tidy",
    "cmake",
    "code",
    "codespell",
    "ctest",
    "cypress",
    "emacs",
    "eslint",
    "flake8",
    "gcc",
    "git",
    "go",
    "gofmt",
    "golangci-lint",
    "hadolint",
    "hg",
    "isort",
    "javac",
    "jest",
    "jj",
    "make-test",
    "mocha",
    "mypy",
    "nano",
    "nextest",
    "ninja",
    "nox",
    "nvim",
    "open",
    "orch",
    "phpunit",
    "pip-compile",
    "playwright",
    "pre-commit",
    "prettier",
    "purgecss",
    "pylint",
    "pyright",
    "pytest",
    "rspec",
    "rubocop",
    "ruff",
    "rustc",
    "rustfmt",
    "semgrep",
    "shellcheck",
    "shfmt",
    "swiftlint",
    "tox",
    "tsc",
    "vale",
    "vi",
    "vim",
    "vitest",
    "watchman",
    "xdg-open",
];
/// Programs that take packages in and out.
const PACKAGES: &[&str] = &[
    "apt", "apt-get", "asdf", "brew", "bun", "bundle", "cabal", "composer", "conda", "dart", "deno", "dotnet",
    "flutter", "gem", "mamba", "mise", "mix", "ng", "npm", "nuget", "nvm", "nx", "opam", "pdm", "pip", "pip3",
    "pipenv", "pipx", "pnpm", "poetry", "pyenv", "rbenv", "rustup", "sdk", "stack", "uv", "vcpkg", "volta", "yarn",
];
/// Ends of names of scripts.
const SCRIPTS: &[&str] = &[
    ".sh", ".bash", ".zsh", ".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb", ".pl", ".php", ".ps1", ".bat", ".cmd",
    ".sql", ".lua", ".exs", ".r", ".jl", ".groovy", ".kts", ".scala",
];

impl Judge<'_> {
    /// What the words of a program that no row is about say that it does.
    pub fn destroying_words(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        if is_reader(name) || is_writer(name) || is_network(name) || NAMES.contains(&name) {
            return;
        }
        if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help") {
            return;
        }
        let is_package = PACKAGES.contains(&name);
        let word = script_name(name)
            .or_else(|| positionals_say(name, args, is_package))
            .or_else(|| args.iter().find(|arg| flag_says(arg)).map(String::as_str));
        let Some(word) = word else { return };
        let is_dry = args.iter().any(|arg| matches!(arg.as_str(), "--dry-run" | "--dryrun" | "--dry_run"));
        let level = if is_dry { Level::L2 } else { Level::L3 };
        let shown = super::targets::show(word);
        let why = format!("`{shown}` says that `{}` destroys or takes something away", super::targets::show(name));
        self.find(level, RiskClass::Infra, "destroying-word", why, "let a person do it", span);
    }

    /// A file that is run: its name may say what it does.
    pub fn destroying_file(&mut self, path: &str, span: &Range<usize>) {
        let name = super::programs::base_name(path);
        if let Some(word) = script_name(&name) {
            let why = format!("the name `{}` says that it destroys something", super::targets::show(word));
            self.find(Level::L3, RiskClass::Infra, "destroying-word", why, "let a person run it", span);
        }
    }
}

/// A program, or a file with a script, whose own name destroys.
fn script_name(name: &str) -> Option<&str> {
    let stem = SCRIPTS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    if stem.contains('.') && !stem.starts_with('.') && stem == name {
        return None;
    }
    let ends = ["delete", "destroy", "purge", "erase", "remove", "flush", "wipe", "shred"];
    let begins = ["delete", "destroy", "purge", "erase", "wipe", "nuke"];
    let is_joined = stem.is_ascii()
        && (ends.iter().any(|verb| stem.len() > verb.len() && stem.ends_with(verb))
            || begins.iter().any(|verb| stem.len() > verb.len() + 1 && stem.starts_with(verb)))
        && !parts_of(stem).iter().any(|part| HARMLESS.contains(&part.as_str()));
    // A script that rolls back or prunes is part of many a deployment; one that removes says what it removes.
    let removes = parts_of(stem).iter().any(|part| matches!(part.as_str(), "remove" | "rm" | "del" | "uninstall"))
        && !parts_of(stem).iter().any(|part| HARMLESS.contains(&part.as_str()));
    (is_joined || removes || word_says(stem, true)).then_some(name)
}

/// The first of the words behind a program that destroys, alone or together with the one beside it.
fn positionals_say<'a>(name: &str, args: &'a [String], is_package: bool) -> Option<&'a str> {
    let mut before = Vec::new();
    let is_given = |word: &str| args.windows(2).any(|pair| NAMING.contains(&pair[0].as_str()) && pair[1] == word);
    for word in positionals(name, args).into_iter().filter(|word| !is_given(word)).take(WORDS_MAX) {
        let makes = word.starts_with("make:") || word.ends_with(":make") || word.contains(".gen");
        if makes || STOPS.contains(&word) || NAMES.contains(&word) {
            return None;
        }
        let is_name = word.len() > LETTERS_MAX || word.contains(['=', ' ', '\n', '@', ',', '(', '{']);
        // Behind a point stands the kind of a file, unless it is a verb: `ecto.drop`.
        let is_file = word.contains('/') || word.rsplit_once('.').is_some_and(|(_, last)| !is_verb(last, is_package));
        if is_name || is_file {
            continue;
        }
        let parts = parts_of(word);
        if word_says(word, is_package) || (!is_package && emptied(&before, &parts)) {
            return Some(word);
        }
        before = parts;
    }
    None
}

/// Whether two neighbours together empty something: `db reset`, `reset database`.
fn emptied(before: &[String], parts: &[String]) -> bool {
    let has = |parts: &[String], words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
    let is_plain = !has(before, HARMLESS) && !has(parts, HARMLESS);
    is_plain && ((has(before, HELD) && has(parts, EMPTIES)) || (has(before, EMPTIES) && has(parts, HELD)))
}

fn is_verb(part: &str, is_package: bool) -> bool {
    let is_joined = || {
        ["delete", "destroy", "drop", "purge", "wipe", "erase", "truncate", "nuke", "terminate", "remove"].iter().any(
            |verb| {
                part.strip_prefix(verb)
                    .is_some_and(|rest| matches!(rest, "all" | "s") || HELD.contains(&rest) || rest == "user")
            },
        )
    };
    DESTROYS.contains(&part) || (!is_package && REMOVES.contains(&part)) || is_joined()
}

/// Whether one word destroys: a verb among its parts, or a verb and what it is done to.
fn word_says(word: &str, is_package: bool) -> bool {
    let parts = parts_of(word);
    if parts.iter().any(|part| HARMLESS.contains(&part.as_str())) {
        return false;
    }
    let has = |words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
    parts.iter().any(|part| is_verb(part, is_package)) || (has(EMPTIES) && has(HELD)) || (has(CHANGES) && has(LIVE))
}

/// Whether a flag destroys: `--delete-all`, `--purge`, `--accept-data-loss`.
fn flag_says(arg: &str) -> bool {
    let Some(flag) = arg.strip_prefix("--") else { return false };
    let flag = flag.split('=').next().unwrap_or("");
    if flag.len() > LETTERS_MAX || !flag.is_ascii() {
        return false;
    }
    let parts = parts_of(flag);
    let has = |words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
    let is_mild = has(HARMLESS) || has(&["cache", "caches", "dangling", "comments", "whitespace", "prefix", "console"]);
    let verbs = [
        "delete",
        "destroy",
        "drop",
        "erase",
        "nuke",
        "purge",
        "unregister",
        "wipe",
        "decommission",
        "terminate",
        "obliterate",
    ];
    // `--drop=column` names what is left out of an output.
    let is_verb = has(&verbs) && !(arg.contains('=') && parts.len() == 1);
    !is_mild
        && (is_verb
            || WILLING.iter().any(|phrase| flag.contains(phrase))
            || (has(&["reset"]) && has(&["force", "db", "database", "hard"])))
}

/// The parts of a word, in small letters: `dropAll`, `db:drop_all`, `delete-user`.
fn parts_of(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for letter in word.chars().take(LETTERS_MAX * 2) {
        let is_part = letter.is_alphanumeric();
        if (!is_part || (letter.is_uppercase() && was_small)) && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        was_small = letter.is_lowercase();
        if is_part && let Some(part) = parts.last_mut() {
            part.extend(letter.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(command: &str) -> bool {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let is_package = PACKAGES.contains(&words[0].as_str());
        script_name(&words[0]).is_some()
            || positionals_say(&words[0], &words[1..], is_package).is_some()
            || words.iter().any(|word| flag_says(word))
    }

    #[test]
    fn words_that_destroy_are_found_in_every_spelling() {
        for command in [
            "acme delete",
            "acme volumes purge --yes",
            "acme dropAll",
            "acme db:drop",
            "acme x.drop",
            "acme db reset",
            "acme reset-database",
            "acme --delete-all",
            "acme x --accept-data-loss",
            "wipe_tenants.py",
            "ldapdelete x",
            "npm run wipe",
            "make nuke",
            "acme migrate-prod",
            "acme env remove x",
            "acme storage empty",
            "acme deleteall /x",
        ] {
            assert!(says(command), "{command}");
        }
        for command in [
            "acme test delete",
            "acme list drop",
            "acme test:delete",
            "npm uninstall left-pad",
            "pnpm prune",
            "acme build",
            "acme src/delete.rs",
            "acme delete.txt",
            "acme undeleted",
            "acme --no-delete",
            "acme reset",
            "acme clean all",
            "acme dropdown",
            "acme --purge-cache",
            "npm run clean",
            "acme --drop=column",
            "poetry remove requests",
        ] {
            assert!(!says(command), "{command}");
        }
    }
}
