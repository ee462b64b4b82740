//! Prints a draft: as Markdown whose headings are steps, or as YAML.
//!
//! Neither form is trusted blindly: `run` reads the output again and compares it with the draft. Where the plain way to
//! write a prompt is read differently (a heading in it looks like a step), [`Care`] asks for a safer one.

mod keys;
mod literate;
mod yaml;
mod yaml_value;

pub(super) use keys::Care;
pub(super) use literate::literate;
pub(super) use yaml::yaml;
