//! Projects that a server keeps open: their runs driven here, their states at hand, their events told live.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `place` | one open project: who asks, what can be started |
//! | `workers` | drives runs in this process, so many at once |
//! | `lookout` | sees what any process has written, and tells it |
//! | `stream` | the events of a project, for any number of listeners |
//! | `lines` | any line of a log that may still grow |
//! | `figures` | times and costs over many runs |
//! | `states` | where runs stand, read once and followed from there |

mod figures;
mod lines;
mod lookout;
mod place;
mod states;
mod stream;
mod workers;

pub use figures::{Figures, Spread, figures};
pub use lines::{Lines, read_lines};
pub use lookout::Counted;
pub use place::{Asked, Page, Place, Started};
pub use states::Standing;
pub use stream::{LiveEvent, Place as StreamPlace, Stream, Tail, event_name};
pub use workers::{Busy, Workers};

pub use crate::execute::process::leaked_processes;
pub use crate::journal::take_commit_times;
