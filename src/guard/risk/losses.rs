//! What is lost without a program that deletes: files that are emptied, data that no history keeps, values that are
//! printed, folders that are unpacked over, and code that a command has fetched before it runs it.

use std::ops::Range;

use super::{
    expand::UNKNOWN,
    judge::{Judge, programs_of},
    paths::{below, resolve},
    programs::{base_name, is_network, is_reader},
    shell::{Piece, RedirectKind, Simple, Word},
    targets,
};
use crate::definition::policy::{Level, RiskClass};

/// How many fetched files are kept in mind.
const FETCHED_MAX: usize = 64;

/// Ends of the names of files that a project's history seldom keeps, and nothing makes again.
const DATA: &[&str] = &[
    ".db",
    ".db3",
    ".sqlite",
    ".sqlite3",
    ".mdb",
    ".accdb",
    ".rdb",
    ".aof",
    ".tfstate",
    ".tfstate.backup",
    ".dump",
    ".pgdump",
    ".sql.gz",
    ".bson",
    ".parquet",
    ".ckpt",
    ".safetensors",
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".duckdb",
    ".realm",
    ".ibd",
    ".frm",
    ".mdf",
    ".ldf",
    ".vmdk",
    ".qcow2",
    ".vdi",
    ".pst",
    ".mbox",
    ".asc",
    ".gpg",
];
/// Parts of names of data that is made for a test.
const PASSING: &[&str] = &[
    "test",
    "tmp",
    "temp",
    "cache",
    "fixture",
    "mock",
    "scratch",
    "example",
    "sample",
    "demo",
    "coverage",
    "storybook",
];

/// Whether a file holds data that nothing makes again.
pub(super) fn is_data(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("").to_lowercase();
    let is_env = name == ".env"
        || (name.starts_with(".env.")
            && !PASSING.iter().any(|part| name.contains(part))
            && name != ".env.template"
            && name != ".env.dist");
    let passes = path.to_lowercase().split('/').any(|part| PASSING.iter().any(|word| part.contains(word)));
    is_env || (!passes && DATA.iter().any(|end| name.ends_with(end)))
}

/// Whether a variable's name says that its value is secret.
fn is_secret_name(name: &str) -> bool {
    let small = name.to_lowercase();
    let parts: Vec<&str> = small.split('_').collect();
    let has = |words: &[&str]| parts.iter().any(|part| words.contains(part));
    has(&["token", "secret", "password", "passwd", "passphrase", "apikey", "credential", "credentials", "pat", "pwd"])
        && small != "pwd"
        && small != "oldpwd"
        || (has(&["key", "keys"])
            && has(&["api", "access", "private", "secret", "encryption", "signing", "account", "ssh", "auth"]))
        || small.ends_with("password")
        || small.ends_with("_dsn")
}

fn shows_secret(word: &Word) -> bool {
    word.pieces.iter().any(|piece| match piece {
        Piece::Variable { name, default: None, is_altered: false, .. } => is_secret_name(name),
        Piece::Variable { .. }
        | Piece::Text { .. }
        | Piece::Commands { .. }
        | Piece::Process { .. }
        | Piece::Number { .. } => false,
    })
}

/// The programs that a word starts to make its text.
fn makers(word: &Word) -> Vec<String> {
    let mut names = Vec::new();
    for piece in &word.pieces {
        if let Piece::Commands { body, .. } = piece {
            body.iter().flat_map(|pipeline| &pipeline.stages).for_each(|stage| programs_of(stage, &mut names, 0));
        }
    }
    names
}

impl Judge<'_> {
    /// What a command with its redirections empties, prints or ends.
    pub fn lost(&mut self, simple: &Simple) {
        let words: Vec<String> = simple.words.iter().take(4).map(Word::plain).collect();
        let program = words.first().map(|word| base_name(word)).unwrap_or_default();
        let says_nothing = match program.as_str() {
            "" | ":" | "true" => true,
            "cat" => words.get(1).is_some_and(|word| word == "/dev/null") && words.len() == 2,
            "echo" => words.len() == 1 || words.len() == 2 && matches!(words[1].as_str(), "-n" | ""),
            "printf" => words.len() == 2 && words[1].is_empty(),
            _ => false,
        };
        for redirect in simple.redirects.iter().filter(|one| one.kind == RedirectKind::Write) {
            for way in self.variables.expand(std::slice::from_ref(&redirect.target)) {
                let path = way.join(" ");
                if says_nothing {
                    self.empties(&path, &simple.span);
                }
                if is_network(&program) {
                    self.keep_fetched(&path);
                }
            }
        }
        let is_kept = simple.redirects.iter().any(|one| matches!(one.kind, RedirectKind::Write | RedirectKind::Append));
        let is_shown = matches!(program.as_str(), "echo" | "printf" | "print") && !self.is_taken && !is_kept;
        if is_shown && simple.words.iter().any(shows_secret) {
            let why = "prints a value whose name says that it is secret";
            self.find(
                Level::L3,
                RiskClass::Secrets,
                "secret-printed",
                why,
                "`test -n \"$NAME\"` says whether it is there",
                &simple.span,
            );
        }
        let by_name = |word: &Word| makers(word).iter().any(|name| matches!(name.as_str(), "pgrep" | "pidof"));
        if program == "kill" && simple.words.iter().any(by_name) {
            let why = "ends processes by name, also those of others";
            self.find(
                Level::L3,
                RiskClass::Process,
                "process-all",
                why,
                "`kill PID` of the process that you have started",
                &simple.span,
            );
        }
    }

    /// A file whose content goes: what would be lost by deleting it is lost.
    pub fn empties(&mut self, path: &str, span: &Range<usize>) {
        for folder in self.folders.clone() {
            let place = resolve(path, &folder, &self.context.home);
            if place.is_adrift || below(&place.path, "/dev").is_some() {
                continue;
            }
            let touch = targets::delete(path, &folder, false, self.context);
            if touch.level >= Level::L3 {
                self.add(touch.at(span.clone()));
            }
        }
    }

    /// A folder that files are unpacked or copied over: all of a home or a system is no place for that.
    pub fn overlays(&mut self, folder: &str, span: &Range<usize>) {
        for from in self.folders.clone() {
            let place = resolve(folder, &from, &self.context.home).path;
            if place == "/"
                || place == self.context.home
                || (place != self.context.root && below(&self.context.root, &place).is_some())
            {
                let why = format!("writes over whatever is in `{}`", targets::show(folder));
                self.find(Level::L3, RiskClass::Write, "write-over", why, "unpack it into a folder of its own", span);
            }
        }
    }

    /// A disk among the words of a program that does not only look at it.
    pub fn devices(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        const LOOKS: &[&str] = &["blkid", "smartctl", "udevadm", "lsblk", "df", "findmnt", "hexdump", "dmidecode"];
        const DISKS: &[&str] = &[
            "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "mapper/", "md", "dm-", "rdisk", "mem", "kmem", "port",
        ];
        if is_reader(name) || LOOKS.contains(&name) {
            return;
        }
        for arg in args.iter().filter(|arg| arg.len() < 4096) {
            let path = arg.rsplit_once('=').map_or(arg.as_str(), |(_, path)| path);
            if path.strip_prefix("/dev/").is_some_and(|device| DISKS.iter().any(|disk| device.starts_with(disk))) {
                let why = format!("`{}` is told a disk, below its files", targets::show(name));
                self.find(Level::L3, RiskClass::Disk, "device", why, "leave disks to a person", span);
            }
        }
    }

    /// Folders of the machine that a container is given.
    pub fn mounted(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        if !matches!(name, "docker" | "podman" | "nerdctl" | "docker-compose") {
            return;
        }
        for arg in args.iter().filter(|arg| arg.len() < 4096 && !arg.contains('\n')) {
            let source =
                arg.split(',').find_map(|part| part.strip_prefix("src=").or_else(|| part.strip_prefix("source=")));
            let value = arg.strip_prefix("--volume=").or_else(|| arg.strip_prefix("-v")).unwrap_or(arg);
            let host = source
                .or_else(|| value.split_once(':').map(|(host, _)| host))
                .filter(|host| host.starts_with(['/', '~']));
            if let Some(host) = host {
                self.reads(host, span);
            }
        }
    }

    /// A file that comes from another machine.
    pub fn keep_fetched(&mut self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or("").split(['?', '#']).next().unwrap_or("");
        if !name.is_empty()
            && name != "null"
            && name != "-"
            && !name.contains(UNKNOWN)
            && self.fetched.len() < FETCHED_MAX
        {
            self.fetched.push(name.to_owned());
        }
    }

    /// Whether the same text has fetched this file before.
    pub fn is_fetched(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or("");
        self.fetched.iter().any(|one| one == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_data_and_of_secrets() {
        for path in ["prod.db", "data/app.sqlite3", ".env", ".env.production", "terraform.tfstate"] {
            assert!(is_data(path), "{path}");
        }
        for path in ["test.db", "tmp/app.sqlite3", ".env.example", "src/db.rs", "tests/x.db", "notes.md"] {
            assert!(!is_data(path), "{path}");
        }
        for name in ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "OPENAI_API_KEY", "PGPASSWORD"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PWD", "MAX_TOKENS", "KEY", "HOME", "KEYBOARD", "PRIMARY_KEY"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
