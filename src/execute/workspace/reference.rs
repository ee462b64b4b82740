//! The names of checkpoints: `refs/orch/RUN/KIND/NAME`. Any step path becomes a name that git takes.

use crate::base::{Digest, RunId};

/// The longest name, in bytes; a file may have it too.
const NAME_MAX: usize = 180;

/// Which moment of a run a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point<'a> {
    /// Before the run.
    Start,
    /// When a step had finished; its path.
    Step(&'a str),
    /// When somebody said so; its name.
    Named(&'a str),
    /// Before a rollback or a delivery.
    Undo(u32),
    /// Commits that the agent of an attempt made itself; its workspace.
    Commits(&'a str),
    /// What is merged so far; the path of the step that declares it.
    Line(&'a str),
    /// From what a workspace began; its name.
    Base(&'a str),
    /// What a workspace holds although its step has not finished.
    Left(&'a str),
}

impl Point<'_> {
    /// Whether a whole name is that of a state from which something began.
    #[must_use]
    pub fn is_base(name: &str) -> bool {
        name.split('/').nth(3) == Some("base")
    }

    /// The whole name.
    #[must_use]
    pub fn reference(&self, run: &RunId) -> String {
        let (kind, name) = match self {
            Self::Start => ("start", String::new()),
            Self::Step(path) => ("step", encode(path)),
            Self::Named(name) => ("point", encode(name)),
            Self::Undo(number) => ("undo", format!("{number:06}")),
            Self::Commits(name) => ("commits", encode(name)),
            Self::Line(path) => ("line", encode(path)),
            Self::Base(name) => ("base", encode(name)),
            Self::Left(name) => ("left", encode(name)),
        };
        let slash = if name.is_empty() { "" } else { "/" };
        format!("{}{kind}{slash}{name}", folder(run))
    }
}

/// What the names of a run begin with.
pub(super) fn folder(run: &RunId) -> String {
    format!("refs/orch/{run}/")
}

/// A text as one part of a name: small letters, digits, `_` and `-` stay, `/` becomes `+`, the rest `%` and its byte.
/// What would be too long ends in `=` and its digest.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'/' => name.push('+'),
            // Capitals too: some file systems do not tell them apart.
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > NAME_MAX {
        name.truncate(NAME_MAX - 13);
        name.push('=');
        name.push_str(Digest::of(text.as_bytes()).short());
    }
    // The only name without a letter that git could misread.
    if name.is_empty() { "%".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_name_of_its_own() {
        for (path, name) in [
            ("quality/review", "quality+review"),
            ("build[API v2]/code", "build%5b%41%50%49%20v2%5d+code"),
            ("polish#2/improve", "polish%232+improve"),
            ("a.lock", "a%2elock"),
            ("..", "%2e%2e"),
            ("@{", "%40%7b"),
            ("", "%"),
            ("ü", "%c3%bc"),
        ] {
            assert_eq!(encode(path), name);
        }
        let (one, two) = ("ü".repeat(200), format!("{}a", "ü".repeat(200)));
        assert!(encode(&one).len() <= NAME_MAX && encode(&one) != encode(&two));
    }
}
