//! Agent programs: one file a program, each with its command line and the reader of its events.
//!
//! Their formats and their lies are those that were seen with the versions named in each file. Programs change every
//! day, so an event or a field that nobody knows is skipped, never an error.

#[expect(dead_code, reason = "the first program comes with the next change")]
mod transcript;

use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

use crate::runtime::adapter::Adapter;

#[expect(unused_imports, reason = "the first program comes with the next change")]
use transcript::{Ending, Transcript, Trouble};

/// An agent program that `orch` knows.
#[derive(Debug, Clone, Copy)]
pub struct ProgramKind {
    /// The runtime's name.
    pub name: &'static str,
    /// The program that is looked for on the `PATH`.
    pub binary: &'static str,
    /// Variables of the user's environment that it gets on top of the allow-list: its keys and its addresses.
    pub variables: &'static [&'static str],
    /// Those of them that hold a key: one that is set counts as a login.
    pub keys: &'static [&'static str],
    /// Files in the user's home that a login leaves, relative to it.
    pub logins: &'static [&'static str],
    /// Makes the adapter.
    pub make: fn(ProgramSettings) -> Arc<dyn Adapter>,
}

/// How an agent program is started, as the settings and the machine say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramSettings {
    /// The program: a name or a path.
    pub program: OsString,
    /// Environment on top of the allow-list, the inherited [`ProgramKind::variables`] included.
    pub env: BTreeMap<OsString, OsString>,
    /// The model where neither step nor agent names one.
    pub model: Option<String>,
    /// Whether each attempt gets an empty home of its own; else the user's is shared, where the logins are.
    pub isolated_home: bool,
}

/// All agent programs that `orch` knows, in the order in which they are looked for.
pub const PROGRAMS: &[ProgramKind] = &[];
