//! The dashboard: pages drawn here, made live by one small script.
//!
//! Every page is an address; whatever can be done on it is a route of programs too, and the page shows the command that does
//! the same. Nothing is fetched from anywhere else.

mod assets;
mod diff;
mod login;
mod run;
mod runs;
mod shell;
mod start;

pub(super) use assets::asset;
pub(super) use diff::diff;
pub(super) use login::login;
pub(super) use run::{log, run};
pub(super) use runs::{inbox, runs};
pub(super) use shell::fault;
pub(super) use start::start;
