//! The only reader of definition files.
//!
//! One pipeline for every file: bytes (`bytes`), opener and closer of the frontmatter (`frontmatter`, `literate`),
//! YAML (`yaml`), shape (`shape`, `keys`), types (`reader` and the modules of each part), name (`names`). All faults of
//! a file are collected (`faults`); a file with an error gives no definition. No key is ever accepted and ignored.
//!
//! Knows nothing of plans and runs: whether a name that is used exists is the compiler's business.

mod builtin;
mod bytes;
mod collect;
mod dialect;
mod discover;
mod document;
mod faults;
mod files;
mod frontmatter;
mod gate;
mod keys;
mod later;
mod lined;
mod literate;
mod markdown;
mod names;
mod node;
mod reader;
mod schema;
mod shape;
mod short_schema;
mod step;
mod step_kind;
mod unsupported;
mod workflow;
mod yaml;
mod yaml_fault;

pub use builtin::shipped_recordings;
pub use collect::{load, load_workflow_file, load_workflow_text, value_of};
pub use discover::project_root;
pub use lined::{Lined, LinedKind, lined, lined_frontmatter};
pub(in crate::definition) use names::{RESERVED, legal_id};
pub use schema::workflow_schema;
