//! What every runtime does: turn an order into a call, and turn what came back into an outcome.
//!
//! An adapter starts no process, writes no file and reads no clock: the executor does. It knows nothing of plans,
//! runs or journals.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    base::{Envelope, Failure, FailureClass, Outcome, Usage},
    runtime::{order::Order, service::ServiceCall},
};

/// A runtime: a program, a service, or recordings.
pub trait Adapter: Send + Sync {
    /// Its name, as `runtime:` writes it.
    fn name(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What must be called for an order, there.
    ///
    /// # Errors
    /// The failure that the attempt ends with, when nothing can be called: a missing recording, an impossible order.
    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>>;

    /// Folders of a project whose scripts (`.js`, `.ts`) the program would run by itself, whatever it is told. Where one
    /// holds any, no attempt begins.
    fn runs_unasked(&self) -> &'static [&'static str] {
        &[]
    }

    /// Who reads what the called program says, for this one attempt.
    fn reader(&self, order: &Order) -> Box<dyn Reader>;

    /// A file in the attempt's folder that its program leaves for the reader.
    fn side_file(&self) -> Option<&Path> {
        None
    }
}

/// Reads one attempt of a program, line by line while it works.
///
/// Total: a line that nobody knows is no error, and programs change their words every day. Pure, but that one that decides
/// what a program may touch looks at links in the workspace.
pub trait Reader: Send {
    /// One line of standard output without its end. `is_whole` is false where its end was cut off (16 MiB).
    fn line(&mut self, line: &[u8], is_whole: bool) -> Vec<Seen>;

    /// The id that a new session was given, for programs that say it only at their end.
    fn preset(&mut self, _session: &str) {}

    /// The first words to a program that is spoken with, which is there. Its standard input stays open until the last word;
    /// `None` for a program that gets all of its input at once.
    fn opening(&mut self, _scene: &Scene) -> Option<Vec<u8>> {
        None
    }

    /// What a program that is spoken with must be told now; asked after its lines. The reader bounds it.
    fn reply(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// What such a program is told before it is ended; nothing where it has nothing to do.
    fn farewell(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// What stands in [`Adapter::side_file`] after the program has ended, if it wrote one.
    fn side_file(&mut self, _bytes: &[u8]) -> Vec<Seen> {
        Vec::new()
    }

    /// What came of it. Success is proven here, never assumed: an exit code alone is no evidence.
    fn finish(&mut self, output: &ProgramOutput) -> Outcome;
}

/// What is seen while an agent works: for the log, for the budget, for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The session has this id; what comes later can go on with it.
    Session(String),
    /// The agent says something.
    Text(String),
    /// A tool begins: its name, and what it is used on, one line.
    ToolStarted(String, String),
    /// A tool has ended: its name, and whether it did what was asked.
    ToolEnded(String, bool),
    /// The agent was not allowed to do something.
    Denied(String),
    /// The program tries its service again by itself: why.
    Retried(String),
    /// Something odd, one line.
    Warning(String),
    /// Spent since the last report, by this model where it is known.
    Spent(Usage, Option<String>),
    /// The result has been said; nothing that matters comes after it.
    LastWord,
}

/// Where an attempt takes place, as far as a call needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scene {
    /// The attempt's own folder, absolute. Files of a call are written there.
    pub folder: PathBuf,
    /// Where the agent works, absolute.
    pub workspace: PathBuf,
    /// The home that the program gets.
    pub home: PathBuf,
    /// A fresh session id (UUID), for programs that take one.
    pub session: String,
    /// Whether a sandbox around the program keeps what its own would, and its own cannot be made.
    pub is_kept: bool,
    /// The command that programs with hooks call before they use a tool; `None` where nothing is judged.
    pub hook: Option<String>,
}

/// What a runtime can do; the columns of `orch runtimes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table of yes and no")]
pub struct Capabilities {
    /// It only replays recordings; nothing it does costs money or leaves the workspace.
    pub replays: bool,
    /// A session can go on with another message.
    pub sessions: bool,
    /// A session can be forked.
    pub forks: bool,
    /// It takes the id of a new session, so that the id is known before it begins.
    pub presets_session: bool,
    /// It tells what it does while it works.
    pub streams: bool,
    /// It reports tokens.
    pub reports_usage: bool,
    /// It reads the memory files of the project by itself.
    pub reads_memory: bool,
    /// It takes a system prompt.
    pub system_prompt: bool,
    /// It takes a model.
    pub models: bool,
    /// It holds its answer to a schema by itself.
    pub structured: bool,
    /// It takes MCP servers for one attempt.
    pub mcp: bool,
    /// It can be kept from writing.
    pub read_only: bool,
    /// It can be given single tools only.
    pub tool_lists: bool,
    /// It can be kept from single commands.
    pub command_rules: bool,
    /// It can be kept from single files.
    pub path_rules: bool,
    /// It can be kept from the pages of single hosts.
    pub page_rules: bool,
    /// It can work without any limit of its own.
    pub unlimited: bool,
    /// It refuses to do so as root.
    pub refuses_root: bool,
    /// It can be stopped after a number of turns.
    pub turn_limit: bool,
    /// It brings a sandbox of the operating system.
    pub own_sandbox: bool,
    /// It asks before it uses a tool, so that dangerous operations are judged one by one.
    pub hooks: bool,
}

/// What must be called.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// A program.
    Program(Invocation),
    /// A recorded turn: wait, write, answer.
    Recorded(Box<RecordedTurn>),
    /// A model service, and the tools that its model uses here.
    Service(Box<ServiceCall>),
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
    /// Files that it needs, by their paths in the attempt's folder; for the owner's eyes only.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

/// One recorded answer of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedTurn {
    /// How long the agent took, in milliseconds.
    pub delay_ms: u64,
    /// The files it wrote.
    pub writes: Vec<RecordedWrite>,
    /// The files it deleted, relative to the workspace.
    pub deletes: Vec<PathBuf>,
    /// What it said.
    pub envelope: Envelope,
    /// How it failed, and why, where it brought back no answer.
    pub fails: Option<(FailureClass, String)>,
}

/// A file that an agent wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedWrite {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// Whether it can be executed; as it was where absent.
    pub is_executable: Option<bool>,
}

impl RecordedWrite {
    /// A file that can be executed if it could before.
    #[must_use]
    pub fn plain(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, bytes, is_executable: None }
    }
}

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramOutput {
    /// How it ended.
    pub exit: ProgramExit,
    /// Standard output, whole if it is not longer than the limit of what is read (4 MiB). Lines were read before.
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
    /// Not at all: it was ended some seconds after its last word.
    Lingered,
}
