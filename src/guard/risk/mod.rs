//! The risk classifier: what an operation could do, before it is done.
//!
//! Pure and total: it reads no file, no clock and no environment, so it cannot see through links or into scripts. What
//! it cannot read it never calls harmless. It is a look ahead, not a wall.

mod assess;
mod assigned;
mod code;
mod command;
mod database;
mod decode;
mod expand;
mod files;
mod git;
mod judge;
mod losses;
mod nested;
mod network;
mod paths;
mod places;
mod programs;
mod remote;
mod shell;
mod tables;
mod targets;
mod tool;
mod verbs;
mod wrap;

pub use assess::{
    Assessment, Finding, RiskContext, Ruled, assess_argv, assess_delete, assess_host, assess_read, assess_shell,
    assess_write, rule_on,
};
pub use tables::{RuleRow, rows};
pub use tool::{ToolIntent, ToolRuling, rule_on_tool};
