//! Commands that stand inside the words of others: shells, `eval`, `xargs`, `ssh`.

use std::ops::Range;

use super::{
    expand::UNKNOWN,
    judge::{Io, Judge, Stdin},
};
use crate::definition::policy::{Level, RiskClass};

/// How many lines of a text that a program runs are looked at; the parser bounds the text itself.
const LINES_MAX: usize = 500;

impl Judge<'_> {
    /// `sh -c TEXT`, `sh SCRIPT`, `… | sh`.
    pub fn shell(&mut self, args: &[String], io: &Io) {
        let mut at = 0;
        let (mut takes_text, mut is_fed) = (false, false);
        while let Some(arg) = args.get(at).filter(|arg| arg.starts_with(['-', '+']) && arg.len() > 1) {
            at += 1;
            if arg == "--" {
                break;
            }
            if let Some(path) = args.get(at).filter(|_| matches!(arg.as_str(), "--rcfile" | "--init-file")) {
                self.script_file(path, &io.span);
            }
            if matches!(arg.as_str(), "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file") {
                at += 1;
                continue;
            }
            if arg == "--command" || (!arg.starts_with("--") && arg.contains('c')) {
                takes_text = true;
            }
            is_fed |= !arg.starts_with("--") && arg.contains('s');
        }
        let span = io.span.clone();
        let operand = args.get(at);
        if takes_text {
            return match operand {
                Some(text) => self.inner(text, &io.stdin, &span),
                None => self.opaque("the text for this shell is missing", &span),
            };
        }
        match operand {
            Some(path) if !is_fed && path != "-" && path != "/dev/stdin" => self.script_file(path, &span),
            _ => self.fed(&io.stdin, &span),
        }
    }

    /// A shell or an interpreter that runs a file.
    pub fn script_file(&mut self, path: &str, span: &Range<usize>) {
        if path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd") {
            return self.remote_code("runs what another command prints", span);
        }
        if path.starts_with("http://") || path.starts_with("https://") {
            return self.remote_code("runs code from another machine", span);
        }
        if self.is_fetched(path) {
            return self.remote_code("runs what this command has just fetched", span);
        }
        self.destroying_file(path, span);
        self.find(Level::L2, RiskClass::Execute, "runs", "runs a script", "", span);
    }

    /// A shell that reads its commands from what stands before it.
    fn fed(&mut self, stdin: &Stdin, span: &Range<usize>) {
        match stdin {
            Stdin::Text(text) => self.inner(text, &Stdin::Nothing, span),
            Stdin::Unknown { from_network: true, .. } => {
                self.remote_code("runs what comes from another machine, unread", span);
            }
            Stdin::Unknown { from_network: false, .. } => {
                self.remote_code("runs what another command prints, unread", span);
            }
            Stdin::Nothing => self.find(Level::L2, RiskClass::Execute, "runs", "starts a shell", "", span),
        }
    }

    /// Lines that a program reads and runs: recipes of `make -f -`, `!` of an editor, `env -S`.
    pub fn fed_lines(&mut self, name: &str, args: &[String], io: &Io) {
        let span = io.span.clone();
        if name == "env" {
            for pair in
                args.windows(2).filter(|pair| matches!(pair[0].as_str(), "-S" | "--split-string" | "-vS" | "-iS"))
            {
                self.inner(&pair[1], &io.stdin, &span);
            }
            for text in
                args.iter().filter_map(|arg| arg.strip_prefix("-S").or_else(|| arg.strip_prefix("--split-string=")))
            {
                self.inner(text, &io.stdin, &span);
            }
        }
        if matches!(name, "less" | "more" | "most" | "view") {
            for text in args.iter().filter_map(|arg| arg.strip_prefix("+!").or_else(|| arg.strip_prefix("+:!"))) {
                self.inner(text, &Stdin::Nothing, &span);
            }
        }
        let is_recipe = matches!(name, "make" | "gmake" | "bmake" | "just" | "task" | "ninja");
        let is_editor = matches!(name, "ed" | "ex" | "vi" | "vim" | "nvim" | "gdb" | "lldb");
        let is_fed =
            is_editor || args.iter().any(|arg| matches!(arg.as_str(), "-" | "-f-" | "/dev/stdin" | "--file=-"));
        if !(is_recipe || is_editor) || !is_fed {
            return;
        }
        match &io.stdin {
            Stdin::Text(text) => {
                for line in text.lines().take(LINES_MAX) {
                    let line = line.trim_start_matches([' ', '\t', '@', '-', ':', '!']);
                    let line = line.strip_prefix("shell ").unwrap_or(line);
                    self.only_serious(&span, |judge| judge.inner(line, &Stdin::Nothing, &span));
                }
            }
            Stdin::Unknown { .. } => self.remote_code("runs what another command prints, unread", &span),
            Stdin::Nothing => {}
        }
    }

    pub fn remote_code(&mut self, why: &str, span: &Range<usize>) {
        self.find(
            Level::L3,
            RiskClass::RemoteCode,
            "unread-code",
            why,
            "save it to a file, and let a person read it",
            span,
        );
    }

    pub fn evaluated(&mut self, args: &[String], io: &Io) {
        let text = args.join(" ");
        self.inner(&text, &io.stdin, &io.span);
    }

    pub fn sourced(&mut self, args: &[String], io: &Io) {
        if let Some(path) = args.first() {
            if path == "/dev/stdin" {
                return self.fed(&io.stdin, &io.span);
            }
            return self.script_file(path, &io.span);
        }
        // In some shells it reads its input.
        self.fed(&io.stdin, &io.span);
    }

    /// `trap CMD SIGNAL` and `alias name=CMD`: they run later, so they count now.
    pub fn kept_for_later(&mut self, name: &str, args: &[String], io: &Io) {
        let span = io.span.clone();
        for arg in args {
            let text = match name {
                "alias" => arg.split_once('=').map_or("", |(_, value)| value),
                _ => arg,
            };
            if text.is_empty()
                || text == "-"
                || text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            {
                continue;
            }
            self.inner(text, &Stdin::Nothing, &span);
        }
        self.find(Level::L0, RiskClass::Read, "reads", format!("`{name}` keeps a command"), "", &span);
    }

    /// Programs with `-c TEXT` for a shell.
    pub fn text_flag(&mut self, args: &[String], io: &Io) {
        let span = io.span.clone();
        for pair in args.windows(2) {
            let is_flag = ["-c", "--command", "--run", "-lc", "--call"].contains(&pair[0].as_str());
            if is_flag {
                self.inner(&pair[1], &io.stdin, &span);
            }
        }
        for text in args
            .iter()
            .filter_map(|arg| arg.strip_prefix("--command=").or_else(|| arg.strip_prefix("--session-command=")))
        {
            self.inner(text, &io.stdin, &span);
        }
        self.find(Level::L2, RiskClass::Execute, "runs", "runs a command", "", &span);
    }

    /// What another machine is told to do counts as if it were done here.
    pub fn remote_shell(&mut self, args: &[String], io: &Io) {
        const VALUES: &[&str] = &[
            "-b", "-c", "-D", "-E", "-e", "-F", "-I", "-i", "-J", "-L", "-l", "-m", "-O", "-o", "-p", "-Q", "-R", "-S",
            "-W", "-w", "-d", "-u",
        ];
        let mut at = 0;
        while let Some(arg) = args.get(at).filter(|arg| arg.starts_with('-')) {
            if let Some(text) =
                args.get(at + 1).filter(|_| arg == "-o").and_then(|option| option.strip_prefix("ProxyCommand="))
            {
                self.inner(text, &Stdin::Nothing, &io.span);
            }
            at += if VALUES.contains(&arg.as_str()) { 2 } else { 1 };
        }
        let span = io.span.clone();
        self.find(Level::L2, RiskClass::Network, "network-shell", "works on another machine", "", &span);
        let text = args.get(at + 1..).unwrap_or_default().join(" ");
        if text.is_empty() {
            return self.fed_remotely(&io.stdin, &span);
        }
        let folders = std::mem::replace(&mut self.folders, vec![UNKNOWN.to_string()]);
        self.inner(&text, &io.stdin, &span);
        self.folders = folders;
    }

    fn fed_remotely(&mut self, stdin: &Stdin, span: &Range<usize>) {
        if let Stdin::Text(text) = stdin {
            let text = text.clone();
            self.inner(&text, &Stdin::Nothing, span);
        }
    }

    pub fn xargs(&mut self, args: &[String], io: &Io) {
        const VALUES: &[&str] = &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-s",
            "-d",
            "-a",
            "-E",
            "--max-args",
            "--max-procs",
            "--replace",
            "--delimiter",
            "--arg-file",
            "--max-lines",
        ];
        let mut at = 0;
        let mut place: Option<String> = None;
        while let Some(arg) = args.get(at).filter(|arg| arg.starts_with('-') && arg.len() > 1) {
            if arg == "-I" || arg == "--replace" {
                place = args.get(at + 1).cloned();
            } else if let Some(mark) = arg.strip_prefix("-I").or_else(|| arg.strip_prefix("--replace=")) {
                place = Some(mark.to_owned());
            } else if arg == "-i" {
                place = Some("{}".to_owned());
            }
            at += if VALUES.contains(&arg.as_str()) { 2 } else { 1 };
        }
        let rest = args.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        let items: Vec<String> = match &io.stdin {
            Stdin::Text(text) => {
                text.split_whitespace().take(256).map(|item| item.trim_matches(['\'', '"']).to_owned()).collect()
            }
            Stdin::Nothing | Stdin::Unknown { .. } => vec![UNKNOWN.to_string()],
        };
        let span = io.span.clone();
        let inner = Io { stdin: Stdin::Nothing, span: span.clone() };
        let command = |items: &[String]| -> Vec<String> {
            match &place {
                Some(mark) => rest.iter().map(|word| word.replace(mark.as_str(), &items.join(" "))).collect(),
                None => rest.iter().chain(items).cloned().collect(),
            }
        };
        if place.is_some() {
            for item in items.iter().take(16) {
                let argv = command(std::slice::from_ref(item));
                self.deeper(&span, |judge| judge.argv(&argv, &inner));
            }
        }
        let argv = command(&items);
        self.deeper(&span, |judge| judge.argv(&argv, &inner));
        // The items may also be left out, and what reads its input still reads it.
        let fed = Io { stdin: io.stdin.clone(), span: span.clone() };
        self.deeper(&span, |judge| judge.argv(rest, &fed));
    }
}
