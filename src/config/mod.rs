//! Settings: defaults < the user's file < the project's file < environment < flags.
//!
//! The only reader of the environment: it is read once, into an [`Environment`], and passed down from there.
//! Invariants: no key is ever accepted and ignored; all faults of all layers are reported at once, each with its
//! place; a nearer layer always wins; every value knows where it came from.

mod channels;
mod checks;
mod environment;
mod file;
mod form;
mod hooks;
mod keys;
mod layer;
mod log;
mod origin;
mod prices;
mod runtime;
mod schema;
mod servers;
mod settings;
mod telemetry;

pub use channels::{Channel, Email, NOTICE_NAMES, NoticeKind, Place, Via};
pub use checks::OwnCheck;
pub use environment::Environment;
pub use form::{Form, Setting};
pub use hooks::{Hook, HookKind};
pub use keys::{KEYS, Key, variable_name};
pub use layer::Flags;
pub use log::Log;
pub use origin::Origin;
pub use runtime::{ProgramWishes, Runtime, RuntimeForm, ServiceWishes, built_in};
pub use schema::schema;
pub use settings::{Budget, ColorChoice, Intervals, Limits, LogLevel, Settings, Timeouts, load};
pub use telemetry::{Telemetry, trace_parent};
