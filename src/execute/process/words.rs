//! Tells a command text that needs no shell from one that does.
//!
//! A shell for `cargo test -q` costs as much as the command's own start. So a
//! text in which a shell would do nothing but cut words is cut here. Anything doubtful goes to the shell.

/// Characters that mean nothing to a shell, wherever they stand in a word.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-+=:,./@%^".contains(character) || !character.is_ascii()
}

/// Reserved words and builtins of POSIX shells, of dash and of bash. `true`, `echo` and others exist
/// as programs too, but only those whose program does exactly the same are left out here.
const SHELL_WORDS: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "]]",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "chdir",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "newgrp",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
];

/// The arguments of a command without shell syntax; `None` if a shell must read it.
#[must_use]
pub fn words(text: &str) -> Option<Vec<String>> {
    // Space around the command is common in block text and means nothing.
    let text = text.trim_matches([' ', '\t', '\n']);
    if !is_cut_alike(text) {
        return None;
    }
    let words = shell_words::split(text).ok()?;
    let program = words.first()?;
    // A quoted program name is rare and its rules are many. `%1` is a job, `A=1` an assignment.
    let is_plain_name = text.starts_with(program.as_str()) && !program.is_empty() && !program.contains(['=', '%']);
    if is_plain_name && !SHELL_WORDS.contains(&program.as_str()) { Some(words) } else { None }
}

/// The arguments with which to run a command text: its own, or those of `sh -eu -c`.
#[must_use]
pub fn argv_of(text: &str) -> Vec<String> {
    words(text).unwrap_or_else(|| ["sh", "-eu", "-c", text].map(str::to_owned).into())
}

/// Whether every character is one that a shell and the word cutter treat alike.
fn is_cut_alike(text: &str) -> bool {
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (_, '\0') => return false,
            (Some(open), close) if open == close => quote = None,
            (Some('\''), _) => {}
            (Some(_), '$' | '`' | '\\' | '!') => return false,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, ' ' | '\t') => {}
            (None, _) if is_plain(character) => {}
            (None, _) => return false,
        }
    }
    quote.is_none()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_commands_need_no_shell() {
        for (text, expected) in [
            ("true", vec!["true"]),
            ("\n  cargo test -q --features=a,b\n", vec!["cargo", "test", "-q", "--features=a,b"]),
            ("git log -1 --format='%H %s'", vec!["git", "log", "-1", "--format=%H %s"]),
            ("./bench.sh \"two words\" ''", vec!["./bench.sh", "two words", ""]),
            ("node -e 'a\nb'", vec!["node", "-e", "a\nb"]),
        ] {
            assert_eq!(words(text), Some(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }

    #[test]
    fn anything_else_goes_to_the_shell() {
        for text in [
            "",
            "  ",
            "a; b",
            "a | b",
            "a && b",
            "a &",
            "a > b",
            "a < b",
            "a $B",
            "a \"$B\"",
            "a `b`",
            "a \\b",
            "a *",
            "a ?",
            "a [b]",
            "~/a",
            "a ~",
            "A=1 b",
            "A=1",
            "# a",
            "a # b",
            "a\nb",
            "a {b,c}",
            "(a)",
            "{ a; }",
            "! a",
            "cd a",
            "exit 3",
            "export A",
            ": a",
            ". a",
            "test -f a",
            "[ -f a ]",
            "if a",
            "echo a",
            "'a' b",
            "a\"b\" c",
            "a 'b",
            "a \"b\\\"\"",
            "%1",
            "a\0b",
            "set -x",
            "printf a",
            "pwd",
            "kill 1",
            "exec a",
            "eval a",
            "time a",
            "a \rb",
            "a \"b!\"",
        ] {
            assert_eq!(words(text), None, "{text:?}");
            assert_eq!(argv_of(text), ["sh", "-eu", "-c", text]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn words_are_what_a_shell_would_cut(arguments in "[ab '\"\t\n=:~#%*?{},.$`;&|<>()!\\[\\]^@+é-]{0,8}") {
            let folder = tempfile::tempdir().unwrap();
            let dump = folder.path().join("dump");
            fs::write(&dump, "#!/bin/sh\nfor word do printf '%s\\0' \"$word\"; done\n").unwrap();
            fs::set_permissions(&dump, fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(folder.path().join("a"), "").unwrap();
            let text = format!("./dump {arguments}");
            if let Some(words) = words(&text) {
                let shell = Command::new("sh").args(["-eu", "-c", &text]).current_dir(folder.path()).output().unwrap();
                let cut: String = words[1..].iter().flat_map(|word| [word, "\0"]).collect();
                prop_assert_eq!(String::from_utf8(shell.stdout).unwrap(), cut);
                prop_assert!(shell.status.success());
            }
        }
    }
}
