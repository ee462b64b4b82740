//! The dashboard: pages drawn here, made live by one small script.
//!
//! Every page is an address; whatever can be done on it is a route of programs too, and the page shows the command that does
//! the same. Nothing is fetched from anywhere else.

mod agent;
mod assets;
mod audit;
mod charts;
mod cost;
mod definitions;
mod diff;
mod health;
mod login;
mod outputs;
mod picture;
mod run;
mod runs;
mod shell;
mod start;
mod tabs;

pub(super) use agent::agent;
pub(super) use assets::asset;
pub(super) use audit::audit;
pub(super) use cost::{burn, cost};
pub(super) use definitions::{definition, definitions, picture};
pub(super) use diff::diff;
pub(super) use health::health;
pub(super) use login::login;
pub(super) use outputs::outputs;
pub(super) use picture::{graph, timeline};
pub(super) use run::{log, run};
pub(super) use runs::{inbox, runs};
pub(super) use shell::fault;
pub(super) use start::start;
