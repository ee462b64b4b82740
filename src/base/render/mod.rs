//! Diagnostics for those who read them: people, programs, code hosts.

mod github;
mod json;
mod sarif;
mod text;

pub use github::annotations;
pub use json::to_json;
pub use sarif::sarif;
pub use text::{render, render_all};
