//! Programs that delete, copy, move and write files.

use std::ops::Range;

use super::{
    judge::{Io, Judge, Stdin},
    paths::takes_all,
    tables::positionals,
    targets,
};
use crate::definition::policy::{Level, RiskClass};

impl Judge<'_> {
    /// Whether the program is one of these.
    pub fn files(&mut self, name: &str, args: &[String], io: &Io) -> bool {
        let span = &io.span;
        match name {
            "rm" | "grm" | "rmdir" | "unlink" | "remove-item" | "ri" | "del" | "erase" | "rd" | "deltree" | "srm"
            | "rimraf" | "trash" => self.remove(name, args, span),
            "cp" | "gcp" | "mv" | "gmv" | "ln" | "install" | "ditto" | "move" | "copy" | "xcopy" | "robocopy" => {
                self.copy(name, args, span);
            }
            "tee" | "touch" | "mkdir" | "truncate" | "sponge" | "mkfifo" => {
                for path in operands(args, &["-s", "-m", "-d", "-t", "-r"]) {
                    self.writes(path, span);
                    if name == "truncate" {
                        self.empties(path, span);
                    }
                }
            }
            "chmod" | "chown" | "chgrp" | "setfacl" => self.rights(name, args, span),
            "dd" | "gdd" => {
                for path in args.iter().filter_map(|arg| arg.strip_prefix("of=")) {
                    self.writes(path, span);
                }
                for path in args.iter().filter_map(|arg| arg.strip_prefix("if=")) {
                    self.reads(path, span);
                    if path.starts_with("/dev/")
                        && !["zero", "random", "urandom", "null", "stdin", "full"].contains(&&path[5..])
                    {
                        let why = "reads a disk below its files";
                        self.find(Level::L3, RiskClass::Disk, "read-device", why, "read files", span);
                    }
                }
            }
            "sed" | "gsed" | "perl-i" => return self.sed(args, io),
            "shred" => {
                for path in operands(args, &["-n", "-s"]) {
                    self.deletes(path, true, span);
                }
            }
            "rsync" => self.rsync(args, span),
            "tar" | "gtar" | "bsdtar" => self.tar(args, span),
            "unzip" | "7z" | "cpio" | "unrar" => {
                for pair in args.windows(2).filter(|pair| matches!(pair[0].as_str(), "-d" | "-D" | "--directory")) {
                    self.writes(&pair[1], span);
                    self.overlays(&pair[1], span);
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    fn remove(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        let is_windows = matches!(name, "remove-item" | "ri" | "del" | "erase" | "rd" | "deltree" | "rmdir");
        let recursive = matches!(name, "rimraf" | "deltree")
            || args.iter().take_while(|arg| *arg != "--").any(|arg| {
                let small = arg.to_lowercase();
                let is_short = arg.starts_with('-') && !arg.starts_with("--");
                (is_short && name != "rmdir" && !is_windows && arg.contains(['r', 'R']))
                    || small == "--recursive"
                    || (is_windows && (small == "/s" || "-recurse".starts_with(small.as_str()) && small.len() > 2))
            });
        if args.iter().any(|arg| arg == "--no-preserve-root") {
            let why = "switches off the guard of `rm` around the whole system";
            self.find(Level::L4, RiskClass::Delete, "delete-vital", why, "leave it out", span);
        }
        for path in operands(args, &[]) {
            if is_windows && path.starts_with('/') && path.len() <= 3 && !path.starts_with("/*") && path.len() > 1 {
                continue;
            }
            let bytes = path.as_bytes();
            if let [letter, b':', rest @ ..] = bytes
                && letter.is_ascii_alphabetic()
                && rest.iter().all(|byte| matches!(byte, b'\\' | b'/' | b'*' | b'.' | b'"'))
            {
                let why = format!("`{path}` is a whole disk");
                self.find(Level::L4, RiskClass::Delete, "delete-vital", why, "name the folder itself", span);
                continue;
            }
            let path = if is_windows { path.replace('\\', "/") } else { path.to_owned() };
            let path = path.replace("$env:USERPROFILE", "~").replace("%USERPROFILE%", "~");
            self.deletes(&path, recursive, span);
        }
        self.find(Level::L1, RiskClass::Delete, "delete-file", format!("`{name}` deletes"), "", span);
    }

    fn copy(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        let into = args.windows(2).find(|pair| pair[0] == "-t").map(|pair| pair[1].clone());
        let into =
            into.or_else(|| args.iter().find_map(|arg| arg.strip_prefix("--target-directory=").map(str::to_owned)));
        let mut paths: Vec<&str> = operands(args, &["-t", "-m", "-o", "-g", "-S"]);
        let target = match into {
            Some(into) => Some(into),
            None if paths.len() > 1 => paths.pop().map(str::to_owned),
            None => None,
        };
        if let Some(target) = target {
            self.writes(&target, span);
            if paths.contains(&"/dev/null") {
                self.empties(&target, span);
            }
            if target == "/dev/null" && name != "cp" {
                let why = "moves files to where nothing stays";
                self.find(Level::L3, RiskClass::Delete, "delete-folder", why, "leave them", span);
            }
            // A hook or a key keeps its own name.
            for path in paths.iter().filter(|_| target.ends_with('/') || target == "." || target == "~") {
                let own = path.rsplit('/').next().unwrap_or(path);
                self.writes(&format!("{}/{own}", target.trim_end_matches('/')), span);
            }
        }
        if !matches!(name, "mv" | "gmv" | "move") {
            return;
        }
        for path in paths {
            for folder in self.folders.clone() {
                let touch = targets::delete(path, &folder, true, self.context);
                if touch.level == Level::L4 || (touch.level == Level::L3 && touch.rule != "delete-folder") {
                    self.add(touch.at(span.clone()));
                }
            }
        }
    }

    fn rights(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        let recursive = args.iter().any(|arg| arg == "--recursive" || (arg.starts_with('-') && arg.contains('R')));
        let mut paths = operands(args, &["--from"]).into_iter();
        let mode = paths.next().unwrap_or("").to_owned();
        if name == "chmod" && (mode.contains("+s") || mode.contains("=s") || is_set_id(&mode)) {
            let why = "lets a program run with the rights of its owner";
            self.find(Level::L3, RiskClass::Privilege, "set-id", why, "let a person do it", span);
        }
        if name != "chmod" && (mode.starts_with("root") || mode.starts_with("0:")) {
            let why = "gives files to the system's administrator";
            self.find(Level::L3, RiskClass::Privilege, "give-root", why, "leave the owner as it is", span);
        }
        if mode.contains("777") || mode.contains("a+rwx") || mode.contains("o+w") || mode.contains("666") {
            self.find(Level::L2, RiskClass::Privilege, "open-to-all", "lets everybody write", "", span);
        }
        self.rights_of_many(name, &mode, recursive, span);
        for path in paths {
            self.writes(path, span);
            for folder in self.folders.clone() {
                let touch = targets::delete(path, &folder, recursive, self.context);
                if touch.level == Level::L4 && touch.rule == "delete-vital" && (recursive || takes_all(path)) {
                    let shown = targets::show(path);
                    let inside = super::paths::resolve(path, &folder, &self.context.home).path == self.context.root;
                    if !inside {
                        let why = format!("changes the rights of everything in `{shown}`");
                        self.find(Level::L4, RiskClass::Privilege, "rights-of-all", why, "name the file", span);
                    }
                }
            }
        }
    }

    /// Rights that are given to all, taken from all, or of a whole folder.
    fn rights_of_many(&mut self, name: &str, mode: &str, recursive: bool, span: &Range<usize>) {
        if !recursive {
            return;
        }
        let opens = ["777", "666", "a+rwx", "a+w", "o+w", "ugo+rwx", "a=rwx"].iter().any(|one| mode.contains(one));
        let closes = matches!(mode, "0" | "00" | "000" | "0000") || mode.contains('-') || mode.ends_with('=');
        // Behind a variable stands who works here, as a rule.
        let gives = name != "chmod" && !mode.contains(super::expand::UNKNOWN);
        if opens || closes || gives {
            let why = "changes who may use everything in a folder";
            self.find(Level::L3, RiskClass::Privilege, "rights-of-folder", why, "name the file", span);
        }
    }

    /// Whether it changes files.
    fn sed(&mut self, args: &[String], io: &Io) -> bool {
        let in_place = args.iter().any(|arg| {
            arg.starts_with("--in-place") || (arg.starts_with('-') && !arg.starts_with("--") && arg.contains('i'))
        });
        let scripts = args.iter().filter(|arg| !arg.starts_with('-'));
        let mut scripts = scripts.peekable();
        if let Some(script) = scripts.peek()
            && (script.starts_with('s')
                && (script.ends_with("/e")
                    || script.ends_with("|e")
                    || script.ends_with("#e")
                    || script.ends_with("/ge"))
                || script.starts_with("1e ")
                || script.starts_with("e "))
        {
            self.opaque("`sed` runs what it has made as a command", &io.span);
        }
        if in_place {
            for path in scripts.skip(1).filter(|path| !path.is_empty()) {
                self.writes(path, &io.span);
            }
            self.find(Level::L1, RiskClass::Write, "writes", "`sed -i` changes files", "", &io.span);
        }
        in_place
    }

    fn rsync(&mut self, args: &[String], span: &Range<usize>) {
        let paths = operands(args, &["-e", "--rsh", "--exclude", "--include", "-f", "--filter", "--exclude-from"]);
        let is_remote = |path: &&str| {
            path.contains("::") || path.split_once(':').is_some_and(|(host, _)| !host.contains('/') && !host.is_empty())
        };
        if paths.iter().any(is_remote) {
            let why = "copies files to or from another machine";
            self.find(Level::L3, RiskClass::Exfiltration, "send-copy", why, "let a person copy them", span);
        }
        let Some(target) = paths.last().filter(|path| !is_remote(path)) else { return };
        self.writes(target, span);
        self.overlays(target, span);
        if args.iter().any(|arg| arg.starts_with("--delete") || arg == "--remove-source-files") {
            self.deletes(target, true, span);
        }
    }

    fn tar(&mut self, args: &[String], span: &Range<usize>) {
        for (at, arg) in args.iter().enumerate() {
            let command = [
                "--checkpoint-action=exec=",
                "--to-command=",
                "--use-compress-program=",
                "-I",
                "--rmt-command=",
                "-F",
                "--info-script=",
            ]
            .iter()
            .find_map(|flag| arg.strip_prefix(flag))
            .filter(|text| !text.is_empty());
            let flags = [
                "-I",
                "-F",
                "--use-compress-program",
                "--to-command",
                "--checkpoint-action",
                "--info-script",
                "--rsh-command",
            ];
            let command =
                command.or_else(|| args.get(at + 1).map(String::as_str).filter(|_| flags.contains(&arg.as_str())));
            if let Some(text) = command.map(|text| text.strip_prefix("exec=").unwrap_or(text)) {
                self.inner(text, &Stdin::Nothing, span);
            }
            if (arg == "-C" || arg == "--directory")
                && let Some(folder) = args.get(at + 1)
            {
                self.writes(folder, span);
                if args.iter().any(|arg| arg.contains('x') && !arg.contains('/')) {
                    self.overlays(folder, span);
                }
            }
        }
        if args.iter().any(|arg| arg == "--remove-files") {
            let why = "deletes what it has packed";
            self.find(Level::L3, RiskClass::Delete, "delete-packed", why, "leave the files", span);
        }
        self.find(Level::L1, RiskClass::Write, "writes", "`tar` packs or unpacks", "", span);
    }

    /// `find … -delete`, `find … -exec …`.
    pub fn find_files(&mut self, args: &[String], io: &Io) {
        let options = args.iter().take_while(|arg| matches!(arg.as_str(), "-L" | "-H" | "-P" | "-D" | "-O3")).count();
        let count =
            args[options..].iter().take_while(|arg| !arg.starts_with('-') && *arg != "(" && *arg != "!").count();
        let mut roots: Vec<String> = args[options..options + count].to_vec();
        if roots.is_empty() {
            roots.push(".".to_owned());
        }
        let filters = ["-name", "-iname", "-path", "-ipath", "-wholename", "-regex", "-iregex"];
        let pattern = args.windows(2).find(|pair| filters.contains(&pair[0].as_str())).map(|pair| pair[1].clone());
        let pattern =
            pattern.filter(|pattern| !takes_all(pattern)).map(|text| text.trim_start_matches("*/").to_owned());
        let other = ["-empty", "-mtime", "-mmin", "-newer", "-size", "-user", "-atime", "-ctime", "-amin"];
        // What is old may go; what was changed a moment ago is what somebody works on.
        let is_recent = args.windows(2).any(|pair| pair[0].ends_with("time") && pair[1].starts_with('-'))
            || args.windows(2).any(|pair| pair[0].ends_with("min") && pair[1].starts_with('-'));
        let is_narrow = pattern.is_some() || (!is_recent && args.iter().any(|arg| other.contains(&arg.as_str())));
        for root in &roots {
            if args.iter().any(|arg| arg == "-delete") {
                let found = found_below(root, pattern.as_deref(), is_narrow);
                let span = io.span.clone();
                let mark = self.mark();
                self.deletes(if is_narrow { &found } else { root }, !is_narrow || pattern.is_none(), &span);
                if is_narrow && pattern.is_none() {
                    // Old or empty files are some of the files, not all.
                    self.weaken_after(mark, Level::L2, "delete-folder");
                }
            }
            self.executed(args, &found_below(root, pattern.as_deref(), is_narrow), io);
        }
        for pair in args.windows(2).filter(|pair| pair[0].starts_with("-fprint") || pair[0] == "-fls") {
            self.writes(&pair[1], &io.span);
        }
    }

    fn executed(&mut self, args: &[String], found: &str, io: &Io) {
        let mut at = 0;
        while at < args.len() {
            if !matches!(args[at].as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
                at += 1;
                continue;
            }
            let rest = &args[at + 1..];
            let count = rest.iter().take_while(|arg| *arg != ";" && *arg != "+").count();
            let argv: Vec<String> = rest[..count].iter().map(|word| word.replace("{}", found)).collect();
            let inner = Io { stdin: Stdin::Nothing, span: io.span.clone() };
            self.deeper(&io.span, |judge| judge.argv(&argv, &inner));
            // Braces in the text of a shell inside may be its own.
            let rest = &rest[..count];
            if rest.iter().any(|word| word.contains("{}") && word.contains(' ')) {
                self.only_serious(&io.span, |judge| judge.argv(rest, &inner));
            }
            at += count + 1;
        }
    }

    /// `fd PATTERN -x CMD`.
    pub fn fd(&mut self, args: &[String], io: &Io) {
        let Some(at) = args.iter().position(|arg| matches!(arg.as_str(), "-x" | "-X" | "--exec" | "--exec-batch"))
        else {
            return;
        };
        let rest = &args[at + 1..];
        let pattern = positionals("fd", &args[..at]).first().map_or("*", |word| *word).to_owned();
        let mut argv: Vec<String> = rest.iter().map(|word| word.replace("{}", &format!("./{pattern}"))).collect();
        if argv.as_slice() == rest {
            argv.push(format!("./{pattern}"));
        }
        let inner = Io { stdin: Stdin::Nothing, span: io.span.clone() };
        self.deeper(&io.span, |judge| judge.argv(&argv, &inner));
    }
}

/// What `find` finds below a root; a pattern with `*` takes files of every folder.
fn found_below(root: &str, pattern: Option<&str>, is_narrow: bool) -> String {
    match pattern {
        None if !is_narrow => format!("{root}/**/*"),
        Some(pattern) if pattern.contains('*') => format!("{root}/**/{pattern}"),
        Some(pattern) => format!("{root}/{pattern}"),
        None => format!("{root}/*"),
    }
}

/// A mode with the bits of set-user-id or set-group-id.
fn is_set_id(mode: &str) -> bool {
    let digits = mode.trim_start_matches('0');
    digits.len() == 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(digits.as_bytes()[0], b'2' | b'4' | b'6' | b'7')
}

/// The words that are no flags and no values of these flags.
fn operands<'a>(args: &'a [String], values: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let (mut all, mut skips) = (false, false);
    for arg in args {
        if std::mem::take(&mut skips) {
            continue;
        }
        if !all && arg == "--" {
            all = true;
        } else if !all && arg.starts_with('-') && arg.len() > 1 {
            skips = values.contains(&arg.as_str());
        } else if !arg.is_empty() {
            found.push(arg.as_str());
        }
    }
    found
}
