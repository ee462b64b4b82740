//! The programs and services that agents run on, behind one trait.

mod adapter;
mod order;

pub use adapter::{Adapter, Call, Capabilities, Invocation, ProgramExit, ProgramOutput, RecordedTurn};
pub use order::{Order, OrderAgent};
