//! The programs and services that agents run on, behind one trait.

mod adapter;
mod base64;
mod classify;
mod custom;
mod declared;
mod order;
mod permission;
mod program;
mod recording;
mod replay;
mod resilience;
mod result;
pub mod service;
mod tape;

pub use adapter::{
    Adapter, Call, Capabilities, Invocation, ProgramExit, ProgramOutput, Reader, RecordedTurn, RecordedWrite, Scene,
    Seen,
};
pub use base64::encode as base64_text;
pub use classify::classify;
pub use custom::{Custom, CustomSettings, OutputForm};
pub use declared::Declared;
pub use order::{Access, McpServer, Order, OrderAgent};
pub use permission::{PathRules, hint, path_rules, unkept};
pub use program::hook;
pub use program::{AcpSettings, PROGRAMS, ProgramKind, ProgramSettings};
pub use recording::{RECORDING_BYTES_MAX, RECORDING_VERSION, Recording, RecordingError};
pub use replay::Replay;
pub use resilience::{Admission, Machine, Permit, Policy, Resilience, RuntimeUse, Speed, Workers, reset_time};
pub use result::{ResultFault, checked, last_object, read_result, text_result};
pub use tape::{Tape, TapeFault, TapeHead, TapedFile, TapedTurn};
