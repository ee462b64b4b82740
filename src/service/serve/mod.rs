//! Projects that a server keeps open: their runs driven here, their states at hand, their events told live.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `place` | one open project: its definitions and runs, and who asks |
//! | `starting` | runs that begin or go on here, each once |
//! | `hooks` | what other systems start by a signed request |
//! | `workers` | drives runs in this process, so many at once |
//! | `lookout` | sees what any process has written, and tells it |
//! | `stream` | the events of a project, for any number of listeners |
//! | `lines` | any line of a log that may still grow |
//! | `figures` | times and costs over many runs |
//! | `tallies` | what ended runs come to, read once |
//! | `spending` | what the runs of some time have cost |
//! | `machine` | what the machine and this process use |
//! | `states` | where runs stand, read once and followed from there |
//! | `graph` | the plan of a run as a picture |
//! | `timeline` | how a run went over time |
//! | `agent`, `talk` | what one attempt was asked and what it did |
//! | `lineage` | what steps brought back, and who reads it |

mod agent;
mod figures;
mod graph;
mod hooks;
mod lineage;
mod lines;
mod lookout;
mod machine;
mod place;
mod spending;
mod starting;
mod states;
mod stream;
mod talk;
mod tallies;
mod timeline;
mod workers;

pub use agent::{AgentView, ModelCost, Section};
pub use figures::{Figures, Spread, figures};
pub use graph::Graph;
pub use hooks::{Marks, Signed};
pub use lineage::{Lineage, RunOutput, StepOutput};
pub use lines::{Lines, read_lines};
pub use lookout::Counted;
pub use machine::{MachineFigures, MachineWatch};
pub use place::{Page, Place};
pub use spending::{Spending, SpentBy, SpentIn, spending, spending_of};
pub use starting::{Asked, Started};
pub use states::Standing;
pub use stream::{LiveEvent, Position, Stream, Tail, event_name};
pub use talk::Told;
pub use timeline::{Bar, PauseSpan, Row, Timeline};
pub use workers::{Busy, Workers};

pub use crate::execute::process::leaked_processes;
pub use crate::journal::take_commit_times;
