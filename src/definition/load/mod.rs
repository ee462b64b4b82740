//! The only reader of definition files.
//!
//! One pipeline for every file: bytes (`bytes`), opener and closer of the frontmatter (`frontmatter`, `literate`),
//! YAML (`yaml`), shape (`shape`, `keys`), types (`reader` and the modules of each part), name (`names`). All faults of
//! a file are collected (`faults`); a file with an error gives no definition. No key is ever accepted and ignored.
//!
//! Knows nothing of plans and runs: whether a name that is used exists is the compiler's business.

mod agent;
mod block;
mod builtin;
mod bytes;
mod closer;
mod collect;
mod command;
mod describe;
mod dialect;
mod discover;
mod document;
mod faults;
mod files;
mod frontmatter;
mod gate;
mod keys;
mod known;
mod later;
mod literate;
mod markdown;
mod names;
mod node;
mod opener;
mod parts;
mod patch;
mod quote;
mod reader;
mod repair;
mod salvage;
mod schema;
mod shape;
mod short_schema;
mod single;
mod skill;
mod step;
mod step_kind;
mod tools;
mod unsupported;
mod values;
mod workflow;
mod yaml;
mod yaml_fault;
mod yaml_lenient;

pub use builtin::shipped_recordings;
pub use collect::{load, load_workflow_file, value_of};
pub use discover::project_root;
pub use schema::workflow_schema;
pub use single::{Definition, FileKind, read_definition};
