//! What the engine hands to the helper, and what the helper says where it fails.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

use super::Container;
use crate::guard::sandbox::{Method, Profile};

/// What a command is confined to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What it may do.
    pub profile: Profile,
    /// By what that is kept.
    pub method: Method,
    /// In which container; in none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
}

impl Confinement {
    /// What the helper would read.
    pub(in super::super) fn read(text: &OsStr) -> Option<Self> {
        serde_json::from_str(text.to_str()?).ok()
    }
}

/// Why a sandbox cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub(in super::super) struct Fault {
    what: String,
    why: String,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>, why: impl ToString) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}
