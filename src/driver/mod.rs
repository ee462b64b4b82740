//! The loop that feeds the scheduler and performs its actions.
//!
//! Every driver keeps one order: receive an event, append it to the journal, step, perform the actions.

mod asking;
mod assign;
mod audit;
mod clock;
mod evaluate;
mod hush;
mod judge;
mod load;
mod local;
mod machine;
mod narrate;
mod order;
mod outcome;
mod pace;
mod prose;
mod record;
mod retrace;
mod reuse;
mod review;
mod session_fork;
mod setup;
mod spaces;
mod told;
mod trace;

pub use asking::too_late;
pub use assign::{Assigner, Confine};
pub use audit::said;
pub use clock::Clock;
pub use evaluate::{complete_inputs, evaluate, object, render};
pub use load::{LoadError, Loaded, follow, follow_records, load, unread};
pub use local::{DriveError, Finish, Input, LocalDriver};
pub use machine::machine;
pub use narrate::{RUN_EVENT_VERSION, RunEvent, What, end_word, gate_words, narrate, opening, purpose_words};
pub use outcome::{exit_code, parked_exit_code, status_word, waiting_words};
pub use pace::Pacer;
pub use record::{RecordError, decode, decode_decision, encode};
pub use retrace::{RetraceError, retrace};
pub use reuse::{
    CacheCounts, CacheUse, FileTier, FilesUse, Foreseen, MemoryTier, Recall, Reuse, Scope, StepCache, Would,
    cache_counts, cache_use,
};
pub use review::{Check, Reviewed, check_of};
pub use setup::{OnApproval, Setup};
pub use spaces::{before_name, beside, is_told_apart, last_before, may_have_changed};
pub use trace::{Trace, TraceParent};
