//! What `orch dev` is made of: it watches the sources of all definitions and says what an edit has changed.
//!
//! What the system tells of changes is only a hint: the files decide. A folder is watched before it is read, so no edit
//! falls between the two, and what has the same content as before is not told.

mod folders;
mod hints;
mod look;
mod memo;
mod survey;
mod watch;

pub use look::{Change, DEV_VERSION, Lookout, News, Report};

pub use crate::plan::{ChangedStep, Edge, PlanDiff};
