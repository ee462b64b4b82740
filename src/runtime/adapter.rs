//! What every runtime does: turn an order into a call, and turn what came back into an outcome.
//!
//! An adapter starts no process, writes no file and reads no clock: the executor does. It knows nothing of plans,
//! runs or journals.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use serde::Serialize;

use crate::{
    base::{Envelope, Failure, Outcome},
    runtime::order::Order,
};

/// A runtime: a program, a service, or recordings.
pub trait Adapter: Send + Sync {
    /// Its name, as `runtime:` writes it.
    fn name(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What must be called for an order.
    ///
    /// # Errors
    /// The failure that the attempt ends with, when nothing can be called: a missing recording, an impossible order.
    fn call(&self, order: &Order) -> Result<Call, Box<Failure>>;

    /// What came back. Success is proven here, never assumed: an exit code alone is no evidence.
    fn read(&self, order: &Order, output: &ProgramOutput) -> Outcome;
}

/// What a runtime can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// A session can go on with another message.
    pub sessions: bool,
    /// It only replays recordings; nothing it does costs money or leaves the workspace.
    pub replays: bool,
    /// It reports tokens.
    pub reports_usage: bool,
    /// It reads the memory files of the project by itself.
    pub reads_memory: bool,
}

/// What must be called.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// A program.
    Program(Invocation),
    /// A recorded turn: wait, write, answer.
    Recorded(Box<RecordedTurn>),
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Program and arguments; never holds the prompt.
    pub argv: Vec<OsString>,
    /// Environment on top of the allow-list.
    pub env: BTreeMap<OsString, OsString>,
    /// The standard input: the prompt.
    pub stdin: Vec<u8>,
}

/// One recorded answer of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedTurn {
    /// How long the agent took, in milliseconds.
    pub delay_ms: u64,
    /// The files it wrote: path relative to the workspace, bytes.
    pub writes: Vec<(PathBuf, Vec<u8>)>,
    /// The files it deleted, relative to the workspace.
    pub deletes: Vec<PathBuf>,
    /// What it said.
    pub envelope: Envelope,
}

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramOutput {
    /// How it ended.
    pub exit: ProgramExit,
    /// Standard output, whole if it is not longer than the limit of what is read (4 MiB).
    pub stdout: Vec<u8>,
    /// Whether `stdout` is whole.
    pub stdout_whole: bool,
    /// The end of standard error, at most 64 KiB.
    pub stderr_tail: Vec<u8>,
    /// What the program wrote to `$ORCH_OUTPUT`, if anything.
    pub output_file: Option<Vec<u8>>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramExit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}
