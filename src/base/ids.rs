//! Typed identifiers. A bare `String` is never an id.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::base::Digest;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: expected {expected}")]
pub struct IdError {
    text: String,
    kind: &'static str,
    expected: &'static str,
}

/// One execution of a plan: eight characters of `[0-9a-z]`, chosen at random.
///
/// The alphabet leaves out `i l o u`, so that a person can read an id aloud.
/// An id is also a folder name, so nothing else is ever accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Arc<str>);

impl RunId {
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// Makes an id from five random bytes (40 bits).
    #[must_use]
    pub fn from_random(bytes: [u8; 5]) -> Self {
        let mut bits = bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let mut text = [0u8; 8];
        for place in text.iter_mut().rev() {
            *place = Self::ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(text.iter().map(|byte| char::from(*byte)).collect::<String>().into())
    }

    /// The id that always belongs to a text: the same text, the same id.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let digest = Digest::of(text.as_bytes());
        let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
        let byte = |place: usize| hex.get(2 * place..2 * place + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        Self::from_random(std::array::from_fn(|place| byte(place).unwrap_or_default()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() == 8 && text.bytes().all(|byte| Self::ALPHABET.contains(&byte)) {
            Ok(Self(text.into()))
        } else {
            Err(IdError {
                text: text.chars().take(80).collect(),
                kind: "run id",
                expected: "eight characters of 0-9 and a-z without i, l, o, u",
            })
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a step stands in a run: `quality/review`, `build[KEY]/code`, `polish#2/improve`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(Arc<str>);

impl StepPath {
    /// Wraps a path that the plan or the scheduler has built.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A child step: `quality` and `review` give `quality/review`.
    #[must_use]
    pub fn child(&self, id: &str) -> Self {
        if self.0.is_empty() { Self(id.into()) } else { Self(format!("{}/{id}", self.0).into()) }
    }

    /// One item of a fan-out: `build` and `parser` give `build[parser]`.
    #[must_use]
    pub fn item(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0).into())
    }

    /// One iteration of a loop, counted from 1: `polish#2`.
    #[must_use]
    pub fn iteration(&self, number: u32) -> Self {
        Self(format!("{}#{number}", self.0).into())
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_survives_text() {
        let id = RunId::from_random([0xff, 1, 2, 3, 4]);
        assert_eq!(id.as_str().parse::<RunId>(), Ok(id));
    }

    #[test]
    fn paths_are_no_run_ids() {
        for text in ["", "..", "../../etc", "abcdefgh/", "ABCDEFGH", "abcdefg", "abcdefghi", "abcdefg\0"] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
    }
}
