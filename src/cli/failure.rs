//! How a command fails, for people and for programs.

use std::{fmt::Write as _, io};

use serde_json::{Value, json};

use crate::{
    base::{
        Diagnostic, Severity, codes,
        render::{render_all, to_json},
    },
    cli::{
        clean::clean,
        exit::Exit,
        out::Out,
        style::{BAD, BOLD, paint},
    },
    service::{Fault, Refusal},
};

/// Why a command has not done what it was asked.
#[derive(Debug, Clone)]
pub enum Failure {
    /// Nobody reads the output any more; the end is quiet.
    Closed,
    /// Refused.
    Refused(Refusal),
    /// Definitions or settings have faults.
    Diagnosed(Vec<Diagnostic>),
}

impl Failure {
    /// Something that cannot happen has happened.
    #[must_use]
    pub fn bug(error: &dyn std::error::Error) -> Self {
        Self::Refused(Refusal::new(70, "E0599", error.to_string(), "please report this with `orch doctor --json`"))
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::Closed => Exit::Success.code(),
            Self::Refused(refusal) => refusal.exit,
            Self::Diagnosed(_) => Exit::Invalid.code(),
        }
    }

    /// Tells it on standard error: as text, or as one JSON object.
    pub fn tell(&self, out: &mut Out, json: bool) {
        match self {
            Self::Closed => {}
            Self::Refused(_) | Self::Diagnosed(_) if json => {
                out.talk(&format!("{}\n", self.to_json()));
            }
            Self::Refused(refusal) => {
                out.talk(&text_of(refusal));
            }
            Self::Diagnosed(diagnostics) => {
                out.talk(&render_all(diagnostics, true));
                out.talk(&format!("\n{}\n", counts(diagnostics)));
            }
        }
    }

    /// The JSON object: `{"error": {"code", "id", "message", "help", "retryable"}}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Closed => Value::Null,
            Self::Refused(refusal) => json!({ "error": {
                "code": refusal.exit,
                "id": refusal.id,
                "message": refusal.message,
                "help": refusal.help,
                "retryable": refusal.retryable,
            } }),
            Self::Diagnosed(diagnostics) => {
                let first = diagnostics.iter().find(|fault| fault.severity == Severity::Error);
                let first = first.or(diagnostics.first());
                json!({ "error": {
                    "code": self.exit(),
                    "id": first.map(|fault| fault.code.0),
                    "message": first.map(|fault| fault.message.as_str()),
                    "help": first.map(|fault| fault.help.as_str()),
                    "retryable": false,
                    "diagnostics": diagnostics.iter().map(to_json).collect::<Vec<_>>(),
                } })
            }
        }
    }
}

fn text_of(refusal: &Refusal) -> String {
    // A line that came with somebody's words does not stand where one of orch would.
    let message = clean(&refusal.message).replace('\n', "\n  ");
    let mut text = format!("{}: {}\n", paint(BAD, &format!("error[{}]", refusal.id)), paint(BOLD, &message));
    for (place, line) in clean(&refusal.help).lines().enumerate() {
        let _ = writeln!(text, "  {} {line}", if place == 0 { "= help:" } else { "       " });
    }
    if codes::find(refusal.id).is_some() {
        let _ = writeln!(text, "  = more: orch explain {}", refusal.id);
    }
    text
}

/// `2 errors, 1 warning`.
pub(super) fn counts(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|fault| fault.severity == severity).count();
    let words = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}", words(count(Severity::Error), "error"), words(count(Severity::Warning), "warning"))
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(refusal) => Self::Refused(refusal),
            Fault::Diagnosed(diagnostics) => Self::Diagnosed(diagnostics),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        let help = "look at where the output goes: a full disk, or a file that cannot be written";
        Self::Refused(Refusal::new(1, "E0518", format!("the output cannot be written: {error}"), help).retryable())
    }
}
