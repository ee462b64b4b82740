//! The table of all routes, in parts by who asks.

mod pages;
mod route;
mod runs;
mod server;
mod table;

pub(super) use route::{Answers, Handle};
pub use route::{Method, Route};
pub use table::routes;
