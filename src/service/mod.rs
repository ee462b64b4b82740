//! What a user can ask for; the CLI and later the server call nothing else.

mod preflight;
mod refusal;
mod runs;

pub use refusal::Refusal;
pub use runs::{Delivered, DriveOptions, Owned, RunSettings, Runs, Verdict};
