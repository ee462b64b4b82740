//! What git is told that the tables cannot say: settings that run commands, and commands in its words.

use super::judge::{Io, Judge, Stdin};
use super::tables::positionals;
use crate::definition::policy::{Level, RiskClass};

/// Settings whose value is run.
const RUNS: &[&str] = &[
    "core.pager",
    "core.editor",
    "core.sshcommand",
    "core.fsmonitor",
    "core.hookspath",
    "core.askpass",
    "diff.external",
    "credential.helper",
    "sequence.editor",
    "gpg.program",
    "init.templatedir",
    "uploadpack.packobjectshook",
    "core.gitproxy",
    "core.attributesfile",
    "include.path",
    "protocol.ext.allow",
    "core.alternaterefscommand",
    "web.browser",
];

/// Commands that only look.
const LOOKS: &[&str] = &[
    "status",
    "log",
    "diff",
    "show",
    "blame",
    "grep",
    "ls-files",
    "ls-tree",
    "rev-parse",
    "rev-list",
    "describe",
    "shortlog",
    "reflog",
    "cat-file",
    "branch",
    "tag",
    "remote",
    "config",
    "stash",
    "bisect",
    "whatchanged",
    "cherry",
    "name-rev",
    "merge-base",
    "var",
    "version",
    "help",
    "check-ignore",
    "check-attr",
    "diff-tree",
    "diff-index",
    "for-each-ref",
    "show-ref",
    "symbolic-ref",
    "worktree",
    "count-objects",
    "fsck",
    "verify-commit",
    "range-diff",
    "ls-remote",
    "archive",
    "submodule",
    "notes",
];

impl Judge<'_> {
    pub fn git(&mut self, args: &[String], io: &Io) {
        let span = io.span.clone();
        let words = positionals("git", args);
        let verb = words.first().copied().unwrap_or("");
        for pair in args.windows(2).filter(|pair| pair[0] == "-c") {
            if let Some((key, value)) = pair[1].split_once('=') {
                self.git_setting(key, value, io);
            }
        }
        if verb == "config" && words.len() > 2 {
            self.git_setting(words[1], words[2], io);
        }
        let after = args.iter().position(|arg| arg == verb).map_or(args.len(), |at| at + 1);
        let rest = &args[after.min(args.len())..];
        self.git_verb(verb, words.get(1).copied().unwrap_or(""), rest, io);
        if args.iter().any(|arg| {
            arg.starts_with("ext::")
                || arg.starts_with("--upload-pack")
                || arg.starts_with("--receive-pack")
                || arg.starts_with("--open-files-in-pager=")
                || arg.starts_with("--exec-path=")
        }) {
            let why = "makes git run a program that it is given";
            self.find(Level::L3, RiskClass::RemoteCode, "git-program", why, "leave it out", &span);
        }
        let level = if LOOKS.contains(&verb) || verb.is_empty() { Level::L0 } else { Level::L1 };
        self.find(
            level,
            if level == Level::L0 { RiskClass::Read } else { RiskClass::Write },
            "git",
            format!("`git {verb}`"),
            "",
            &span,
        );
    }

    /// Commands and lost changes in the words behind a verb.
    fn git_verb(&mut self, verb: &str, word: &str, rest: &[String], io: &Io) {
        let span = io.span.clone();
        match (verb, word) {
            ("rebase" | "difftool" | "bisect", _) => {
                for pair in rest.windows(2).filter(|pair| matches!(pair[0].as_str(), "-x" | "--exec" | "--extcmd")) {
                    self.inner(&pair[1], &Stdin::Nothing, &span);
                }
                for text in
                    rest.iter().filter_map(|arg| arg.strip_prefix("--exec=").or_else(|| arg.strip_prefix("--extcmd=")))
                {
                    self.inner(text, &Stdin::Nothing, &span);
                }
                if let Some(at) = rest.iter().position(|arg| arg == "run").filter(|_| verb == "bisect") {
                    let argv = rest[at + 1..].to_vec();
                    self.deeper(&span, |judge| judge.argv(&argv, io));
                }
            }
            ("submodule", "foreach") => {
                let at = rest.iter().position(|arg| arg == "foreach").map_or(0, |at| at + 1);
                let text =
                    rest[at..].iter().filter(|arg| !arg.starts_with("--")).cloned().collect::<Vec<_>>().join(" ");
                self.inner(&text, &Stdin::Nothing, &span);
            }
            ("checkout", _) if rest.iter().any(|arg| arg == "--") => {
                let files = rest.iter().skip_while(|arg| *arg != "--").skip(1);
                if files.clone().any(|file| file.ends_with('/') || file.contains('*')) {
                    let why = "throws the changes of a whole folder away";
                    self.find(Level::L3, RiskClass::History, "git-checkout-all", why, "`git stash` keeps them", &span);
                }
                self.find(
                    Level::L2,
                    RiskClass::History,
                    "git-checkout-file",
                    "throws the changes of a file away",
                    "",
                    &span,
                );
            }
            ("restore", _)
                if !rest.iter().any(|arg| arg == "--staged" || arg == "-S")
                    || rest.iter().any(|arg| matches!(arg.as_str(), "--worktree" | "-W" | "-SW")) =>
            {
                let all = rest.iter().any(|arg| arg == "." || arg == ":/" || arg.ends_with('/'));
                let (level, instead) = if all { (Level::L3, "`git stash` keeps them") } else { (Level::L2, "") };
                let why = "throws uncommitted changes away";
                self.find(level, RiskClass::History, "git-restore", why, instead, &span);
            }
            _ => self.git_forced(verb, word, rest, &span),
        }
    }

    /// Branches, files and notes that are put elsewhere or dropped without a question.
    fn git_forced(&mut self, verb: &str, word: &str, rest: &[String], span: &std::ops::Range<usize>) {
        let has = |flags: &[&str]| rest.iter().any(|arg| flags.contains(&arg.as_str()));
        let why = match (verb, word) {
            ("switch", _) if has(&["-C", "--force-create"]) => "moves a branch away from its commits",
            ("checkout", _) if has(&["-B"]) => "moves a branch away from its commits",
            ("fetch", _) if rest.iter().any(|arg| arg.starts_with('+') && !arg.contains(":refs/remotes")) => {
                "overwrites branches with those of others"
            }
            ("pull", _) if has(&["--force", "-f"]) => "overwrites branches with those of others",
            ("read-tree", _) if has(&["--reset", "-u"]) => "overwrites files with those of a commit",
            ("checkout-index", _) if has(&["-f", "--force", "-fa", "-af"]) => {
                "overwrites files with those of the index"
            }
            ("rerere", "clear" | "forget") | ("notes", "prune" | "remove") | ("replace", _) | ("fast-import", _) => {
                "drops or rewrites what git has kept"
            }
            ("lfs", "prune" | "migrate") => "rewrites history, or drops large files",
            _ => return,
        };
        self.find(Level::L3, RiskClass::History, "git-forced", why, "make a new branch, or let a person do it", span);
    }

    fn git_setting(&mut self, key: &str, value: &str, io: &Io) {
        let small = key.to_lowercase();
        let span = io.span.clone();
        if let Some(text) = value.strip_prefix('!') {
            self.inner(text, &Stdin::Nothing, &span);
        }
        let is_pager = small == "core.pager" && ["cat", "less", "delta", ""].contains(&value);
        let is_editor = matches!(small.as_str(), "core.editor" | "sequence.editor")
            && ["true", ":", "cat", "vi", "vim", "nano"].contains(&value);
        let runs = RUNS.contains(&small.as_str())
            || (small.starts_with("alias.") && value.starts_with('!'))
            || (small.starts_with("filter.") || small.starts_with("diff.") && small.ends_with("command"))
            || (small.starts_with("url.") && small.ends_with("insteadof"))
            || small.ends_with(".textconv")
            || small.ends_with(".driver")
            || small.ends_with(".helper");
        if small == "clean.requireforce" || small == "receive.denynonfastforwards" {
            let why = "takes a guard of git away";
            self.find(Level::L3, RiskClass::Guard, "git-guard", why, "leave it", &span);
        }
        if runs && !is_pager && !is_editor {
            let why = format!("the setting `{key}` makes git run a program, or go elsewhere, later");
            self.find(Level::L3, RiskClass::Persistence, "git-setting", why, "run the program itself", &span);
        }
    }
}
