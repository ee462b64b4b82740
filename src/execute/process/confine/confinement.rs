//! What the engine hands to the helper, and what the helper says where it fails.

use serde::{Deserialize, Serialize};

use crate::guard::sandbox::{Method, Profile};

/// What a command is confined to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What it may do.
    pub profile: Profile,
    /// By what that is kept.
    pub method: Method,
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
