//! What a user can ask for; the CLI and later the server call nothing else.

mod added;
mod check;
mod decisions;
mod definitions;
pub mod dev;
mod doctor;
pub mod editor;
mod explain;
mod fault;
mod filling;
mod find;
mod init;
mod inputs;
mod mend;
mod preflight;
mod project;
mod recordings;
mod refusal;
mod runs;
mod status;

pub use added::{AddRequest, AddedFolder, Change, ChangeKind, Update, add, remove, update};
pub use check::{Checked, check};
pub use decisions::{Delivered, Verdict};
pub use definitions::{LIST_VERSION, Listed, Shown, list, show};
pub use doctor::{Check, Health, SettingLine, State, doctor};
pub use explain::{SCHEMAS, explain, schema};
pub use fault::Fault;
pub use find::{Runnable, find_runnable};
pub use init::{Choice, Initialised, Template, init, templates};
pub use inputs::gather_inputs;
pub use mend::{Mended, mend, mend_all};
pub use project::{Opening, Project};
pub use recordings::{is_replayed, recordings};
pub use refusal::Refusal;
pub use runs::{DriveOptions, Owned, RunSettings, Runs};
pub use status::{AttemptStatus, GateStatus, STATUS_VERSION, Status, StepStatus, Waiting, status};
