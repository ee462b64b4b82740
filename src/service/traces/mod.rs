//! Runs as traces: one span an attempt, inside one of each step that holds others, inside one of the run.
//!
//! Made from the journal alone, with its times: whoever goes on with a run goes on with its trace, and what a crash has kept
//! from being sent is sent by the next owner. Nothing here can hold a run up or make it fail.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `spans` | what a run's records say, as spans |
//! | `follow` | follows a run while it is driven, and sends what is new once |
//! | `otlp` | sends spans to a collector |

mod follow;
mod otlp;
mod spans;

pub use follow::Traces;
pub(super) use follow::{LAST_WORD, Traced, begin};
