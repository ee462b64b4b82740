//! The only reader of definition files.
//!
//! Which files there are is in `places` (the table), `sources`, `discover` and `plugins`; `loader` reads them with some
//! threads and keeps what has not changed; `read` is one file, `collect` puts it on its shelf.
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
mod cases;
mod closer;
mod collect;
mod command;
mod crew;
mod describe;
mod dialect;
mod discover;
mod document;
mod faults;
mod files;
mod frontmatter;
mod gate;
mod gate_kinds;
mod json;
mod keys;
mod known;
mod later;
mod lined;
mod literate;
mod loader;
mod lock;
mod markdown;
mod markdown_keys;
mod memory;
mod merge;
mod names;
mod node;
mod opener;
mod parts;
mod patch;
mod permissions;
mod places;
mod plugins;
mod policy;
mod quote;
mod read;
mod reader;
mod repair;
mod rules;
mod salvage;
mod sandbox;
mod schema;
mod secrets;
mod servers;
mod shape;
mod short_schema;
mod single;
mod skill;
mod sources;
mod stamp;
mod step;
mod step_kind;
mod toml;
mod tools;
mod trees;
mod unsupported;
mod values;
mod workflow;
mod yaml;
mod yaml_fault;
mod yaml_lenient;

pub use builtin::{ShippedSample, is_shipped_script, shipped_recordings, shipped_samples};
pub use bytes::within;
pub use cases::{case_files, load_cases, load_cases_text, shipped_cases, yaml_files};
pub use collect::value_of;
pub use discover::project_root;
pub use lined::{Lined, LinedKind, lined, lined_frontmatter};
pub use loader::{Loader, Watched, load};
pub(crate) use lock::{FILES_MAX, LOCK};
pub use lock::{is_name, lock_text, read_lock, tree_digest, tree_files};
pub use memory::load_memory;
pub(in crate::definition) use names::{RESERVED, legal_id};
pub use policy::{load_policy, load_policy_text};
pub use read::{load_workflow_file, load_workflow_text};
pub use schema::definition_schemas;
pub use servers::{SERVER_FILES, load_servers};
pub use single::{Definition, FileKind, read_definition};
pub(crate) use sources::LIBRARY;
pub use sources::{Survey, Surveyed, UserFolders, survey};
