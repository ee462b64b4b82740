//! Streams of events: over SSE and over a WebSocket, each resumed by the last id.
//!
//! Whoever listens holds a place in the stream and nothing more: no event is queued for anybody, and who is too slow reads
//! the journal. So no listener costs memory, and none can hold up a run.

mod all;
mod changes;
mod follow;
mod open;
mod socket;
mod sse;

pub(super) use changes::mark_of;
pub use open::Open;
pub(super) use open::{Wish, open, run_of};
