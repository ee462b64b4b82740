//! Code of other languages that stands in a command, and texts for databases: looked through for what is dangerous.

use std::ops::Range;

use super::{
    expand::UNKNOWN,
    judge::{Io, Judge, Stdin},
    programs::{base_name, interpreter},
};
use crate::definition::policy::{Level, RiskClass};

/// A word in a program text, and what it means there.
struct Sign {
    /// `a&b` where both must stand in it.
    words: &'static [&'static str],
    level: Level,
    class: RiskClass,
    why: &'static str,
}

const SIGNS: &[Sign] = &[
    Sign {
        words: &[
            "rmtree",
            "os.remove",
            "os.unlink",
            "unlink(",
            "removedirs",
            "os.rmdir",
            "rmsync",
            "rmdirsync",
            "unlinksync",
            "fs.rm",
            "fs').rm",
            "fs\").rm",
            "recursive:true",
            "recursive: true",
            "fs.unlink",
            "rimraf",
            "fileutils.rm",
            "file.delete",
            "dir.delete",
            "remove-item",
            "remove_dir_all",
            "unlink ",
            "rmtree(",
            "promises.rm",
            "deltree",
            "file::delete",
            "remove_tree",
            "rmdir(",
            "'unlink'",
            "\"unlink\"",
            "fileutils.remove",
            "file.remove",
            "deletedir",
            "truncatesync",
            "os.truncate",
            ".truncate(0",
            "'w').close()",
            "\"w\").close()",
            "deno.remove",
            "emptydir",
            "removesync",
            "rm_rf",
            "rm_r ",
            "remove_file(",
            "empty trash",
            "tell application \"finder\" to delete",
            "io.file.delete",
            "directory.delete",
        ],
        level: Level::L3,
        class: RiskClass::Delete,
        why: "deletes files in code that is not in the project",
    },
    Sign {
        words: &[
            "socket.socket",
            "socket.create",
            "tcpsocket",
            "net.connect",
            "net.socket",
            "io::socket",
            "fsockopen",
            "requests.post",
            "requests.put",
            "requests.delete",
            "requests.patch",
            "http.post",
            "axios.post",
            "post_form",
            "httpx.post",
            "uploadstring",
            "smtplib",
            "ftplib",
            "paramiko",
            "method:'post'",
            "method: 'post'",
            "method:\"post\"",
            "method: \"post\"",
            "urlopen(req",
            "net::http.post",
            "downloadstring",
            "system.net.sockets",
            "invoke-webrequest",
            "boto3",
            "urlopen&data=",
            "urlopen&environ",
            "requests.get&environ",
            "requests.get&open(",
            "fetch(&body",
            "fetch(&process.env",
            "http.client",
            "http.request(&post",
            "https.request(&post",
            "https.get(&process.env",
            "curl_exec&postfields",
            "file_get_contents&http&post",
            "http::tiny&post",
            "net::http&post",
            "lwp::&post",
        ],
        level: Level::L3,
        class: RiskClass::Exfiltration,
        why: "sends data to another machine in code that is not in the project",
    },
    Sign {
        words: &[
            "print(os.environ)",
            "dict(os.environ",
            "console.log(process.env)",
            "json.dumps(dict(os.environ",
            "stringify(process.env",
            "os.environ.items",
            "puts env",
            "print_r($_env",
            "getenv()",
            "env.to_h",
            "pprint(os.environ",
            "inspect(process.env",
            "print(environ",
            "env.each",
            "%env",
            ".ssh/",
            "'.ssh'",
            "\".ssh\"",
            ".aws/",
            "'.aws'",
            "\".aws\"",
            "id_rsa",
            "id_ed25519",
            "/etc/shadow",
            ".netrc",
            ".git-credentials",
            "keyring.get",
        ],
        level: Level::L3,
        class: RiskClass::Secrets,
        why: "prints the environment or opens a place of credentials",
    },
    Sign {
        words: &[
            "exec(base64",
            "eval(base64",
            "exec(bytes",
            "eval(atob",
            "exec(__import__",
            "exec(compile",
            "marshal.loads",
            "pickle.loads",
            "exec(codecs",
            "eval(buffer",
            "b64decode(",
            "frombase64string",
            "exec(urllib",
            "exec(requests",
            "eval(requests",
            "invoke-expression",
            "iex(",
            "iex ",
            "eval(decodeuri",
            "exec(zlib",
            "fromcharcode",
            "unpack(",
            "exec(open(",
            "eval(input",
            "exec(input",
            "fromhex(",
            "string.fromcharcode",
            "decode_base64",
            "pack('h*'",
            "eval unpack",
        ],
        level: Level::L3,
        class: RiskClass::Opaque,
        why: "runs code that is hidden in a text",
    },
    Sign {
        words: &[
            "/dev/sd",
            "/dev/nvme",
            "/dev/disk",
            "ctypes",
            "os.setuid",
            "os.kill(-1",
            "os.killpg",
            "os.kill(1,",
            "os.fork",
        ],
        level: Level::L3,
        class: RiskClass::Privilege,
        why: "reaches below files and processes of its own",
    },
    Sign {
        words: &[
            "drop_all(",
            "drop_database",
            "dropdatabase",
            "flushall",
            ".drop(",
            "deletemany({})",
            "delete_many({})",
            "truncate table",
            "drop table",
            "drop database",
            "objects.all().delete",
            "delete_all",
            "destroy_all",
            "deletemany(",
            "delete_many(",
            "dropcollection",
            "drop_collection",
            "drop_table",
            "droptable",
            "drop_index",
            "dropschema",
            "sync({force",
            "sync({ force",
            "flush_all",
            "flushdb",
            ".drop()",
            ".delete()",
            ".destroy()",
            "db.dropuser",
        ],
        level: Level::L3,
        class: RiskClass::Database,
        why: "destroys data in a database",
    },
];

/// Words by which code starts other programs.
const STARTERS: &[&str] = &[
    "system",
    "subprocess",
    "popen",
    "exec",
    "spawn",
    "child_process",
    "qx",
    "%x",
    "`",
    "shell",
    "process.run",
    "command::new",
    "pty.",
    "start-process",
];

impl Judge<'_> {
    /// `python -c CODE`, `node -e CODE`, `perl SCRIPT`.
    pub fn interpreter(&mut self, name: &str, args: &[String], io: &Io) {
        let flags = interpreter(name).unwrap_or_default();
        let span = io.span.clone();
        self.find(Level::L2, RiskClass::Execute, "runs", format!("runs `{name}`"), "", &span);
        let mut operand = None;
        for (at, arg) in args.iter().enumerate() {
            if arg.starts_with("http://") || arg.starts_with("https://") {
                self.script_file(arg, &span);
            }
            if arg.to_lowercase().starts_with("-enc") {
                self.opaque("the code is hidden in a text", &span);
            }
            if flags.contains(&arg.as_str()) {
                if let Some(code) = args.get(at + 1) {
                    self.code(code, &span);
                }
            } else if let Some(code) =
                flags.iter().filter(|flag| flag.len() == 2).find_map(|flag| arg.strip_prefix(flag))
            {
                self.code(code, &span);
            } else if arg == "-m" {
                let rest: Vec<String> = args[at + 1..].to_vec();
                return self.deeper(&span, |judge| judge.argv(&rest, io));
            } else if !arg.starts_with('-') && operand.is_none() {
                operand = Some(at);
            }
        }
        let has_code = args.iter().any(|arg| flags.iter().any(|flag| arg.starts_with(flag)));
        match operand {
            _ if has_code => {}
            Some(at) => {
                self.script_file(&args[at], &span);
                self.destroying_file(&args[at], &span);
                self.destroying_words(name, &args[at + 1..], &span);
                // `python manage.py flush`: the script has rules of its own.
                let script = base_name(&args[at]);
                if ["manage.py", "artisan", "rails", "rake", "django-admin"].contains(&script.as_str()) {
                    let rest = args[at..].to_vec();
                    self.deeper(&span, |judge| judge.argv(&rest, io));
                }
            }
            None => match &io.stdin {
                Stdin::Text(code) => {
                    let code = code.clone();
                    self.code(&code, &span);
                }
                Stdin::Unknown { .. } => self.remote_code("runs what another command prints, unread", &span),
                Stdin::Nothing => {}
            },
        }
    }

    /// The code that frameworks take as a word: `rails runner "…"`, `manage.py shell -c "…"`.
    pub fn code_in_words(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        const FRAMEWORKS: &[&str] = &[
            "rails",
            "artisan",
            "manage.py",
            "django-admin",
            "mix",
            "iex",
            "flask",
            "irb",
            "pry",
            "console",
            "wp",
            "drush",
            "psysh",
            "jshell",
            "ghci",
            "kotlin",
            "scala-cli",
            "rscript",
            "r",
            "julia",
            "tclsh",
            "guile",
            "sbcl",
            "emacs",
            "bb",
            "clj",
            "racket",
            "dotnet-script",
            "csharp",
            "octave",
            "gdb",
            "lldb",
            "vim",
            "nvim",
            "vi",
            "ex",
            "ed",
            "expect",
            "osascript",
            "tmux",
            "screen",
        ];
        if FRAMEWORKS.contains(&name) {
            for text in args.iter().filter(|arg| arg.contains(['(', ' ', '.', '!'])) {
                self.code(text, span);
                if let Some((_, command)) = text.split_once('!').or_else(|| text.split_once("shell ")) {
                    self.only_serious(span, |judge| judge.inner(command, &Stdin::Nothing, span));
                }
            }
        }
    }

    /// A program text: what stands in it, and the commands in its quotations.
    pub fn code(&mut self, code: &str, span: &Range<usize>) {
        if code.starts_with(UNKNOWN) {
            return self.opaque("which code this is is only known when it runs", span);
        }
        let code = &super::expand::unquoted(code);
        let small = code.to_lowercase();
        for sign in SIGNS {
            if sign.words.iter().any(|word| word.split('&').all(|part| small.contains(part))) {
                self.find(
                    sign.level,
                    sign.class,
                    "code",
                    sign.why,
                    "write it to a file of the project, where it is read",
                    span,
                );
            }
        }
        let quoted = quotations(code);
        for text in &quoted {
            self.sql(text, span);
            if text.contains('/') || text.starts_with('.') || text.starts_with('~') {
                self.reads(text, span);
            }
        }
        if STARTERS.iter().any(|word| small.contains(word)) {
            let together = quoted.join(" ");
            let span = span.clone();
            for text in quoted.iter().chain([&together]).filter(|text| text.len() > 2) {
                self.only_serious(&span, |judge| judge.inner(text, &Stdin::Nothing, &span));
            }
        }
    }

    /// `awk 'BEGIN { system("…") }'`.
    pub fn awk(&mut self, args: &[String], io: &Io) {
        for text in args.iter().filter(|arg| arg.contains("system") || arg.contains('|') || arg.contains("getline")) {
            let span = io.span.clone();
            for quoted in quotations(text) {
                self.only_serious(&span, |judge| judge.inner(&quoted, &Stdin::Nothing, &span));
            }
            if text.contains("system(") && !text.contains('"') {
                self.opaque("runs commands that it reads from its input", &span);
            }
        }
    }
}

/// The texts between quotes of any kind, at most some.
fn quotations(code: &str) -> Vec<String> {
    const TEXTS_MAX: usize = 64;
    let mut found = Vec::new();
    let mut letters = code.chars();
    while let Some(open) = letters.next() {
        if !matches!(open, '\'' | '"' | '`') {
            continue;
        }
        let mut text = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => text.extend(letters.next()),
                letter if letter == open => break,
                letter => text.push(letter),
            }
        }
        found.push(text);
        if found.len() == TEXTS_MAX {
            break;
        }
    }
    found
}
