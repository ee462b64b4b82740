//! The process that holds all children, and the engine's handle on it.
//!
//! `serve` is the keeper itself: two threads take requests and start programs, the main thread
//! reaps and tidies up. `roster` knows what is running, `starter` starts one program, `handle` is
//! the engine's side.

mod handle;
mod roster;
mod serve;
mod starter;

pub(super) use handle::Attached;
pub use handle::{Keeper, KeeperError};
pub(super) use serve::close_inherited;
pub use serve::{KEEPER_ARGUMENT, serve};
