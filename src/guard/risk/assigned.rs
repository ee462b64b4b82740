//! Variables that a command sets for others: those that make programs load or run what they name.

use std::ops::Range;

use super::{
    judge::{Judge, Stdin},
    shell::Word,
};
use crate::definition::policy::{Level, RiskClass};

impl Judge<'_> {
    /// Variables that other programs run or load.
    pub fn assignment(&mut self, name: &str, word: &Word, span: &Range<usize>) {
        const LOADED: &[&str] = &[
            "LD_PRELOAD",
            "LD_AUDIT",
            "LD_LIBRARY_PATH",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "PYTHONSTARTUP",
            "PERL5OPT",
            "RUBYOPT",
            "NODE_OPTIONS",
            "GIT_CONFIG_GLOBAL",
            "GIT_EXEC_PATH",
            "PROMPT_COMMAND",
        ];
        const RUN: &[&str] = &[
            "PAGER",
            "GIT_PAGER",
            "EDITOR",
            "VISUAL",
            "GIT_EDITOR",
            "GIT_SSH_COMMAND",
            "GIT_SSH",
            "GIT_EXTERNAL_DIFF",
            "MANPAGER",
            "LESSOPEN",
            "BROWSER",
            "PROMPT_COMMAND",
            "PS1",
            "PS4",
            "GIT_SEQUENCE_EDITOR",
            "GIT_ASKPASS",
            "SSH_ASKPASS",
            "RUSTC_WRAPPER",
            "CC",
            "SHELL",
        ];
        for way in self.variables.expand(std::slice::from_ref(word)) {
            let value = way.join(" ");
            if LOADED.contains(&name) && !value.is_empty() && !is_harmless_option(name, &value) {
                let why = format!("`{name}` makes other programs load or run what it names");
                self.find(
                    Level::L3,
                    RiskClass::Persistence,
                    "loaded",
                    why,
                    "give it to the one program that needs it",
                    span,
                );
            }
            if RUN.contains(&name) && value.contains(char::is_whitespace) {
                let span = span.clone();
                self.deeper(&span.clone(), |judge| judge.inner(&value, &Stdin::Nothing, &span));
            }
            if name.starts_with("ORCH_") {
                let why = format!("`{name}` is given by orch");
                self.find(Level::L2, RiskClass::Guard, "orch-variable", why, "", span);
            }
        }
    }
}

/// Options of node that only set limits or warnings.
fn is_harmless_option(name: &str, value: &str) -> bool {
    name == "NODE_OPTIONS"
        && value.split_whitespace().all(|option| {
            [
                "--max-old-space-size",
                "--no-warnings",
                "--experimental-vm-modules",
                "--openssl-legacy-provider",
                "--enable-source-maps",
                "--trace",
                "--stack",
            ]
            .iter()
            .any(|known| option.starts_with(known))
        })
}
