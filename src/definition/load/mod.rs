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
mod json;
mod keys;
mod later;
mod literate;
mod loader;
mod markdown;
mod markdown_keys;
mod names;
mod node;
mod places;
mod plugins;
mod read;
mod reader;
mod rules;
mod schema;
mod shape;
mod short_schema;
mod sources;
mod stamp;
mod step;
mod step_kind;
mod toml;
mod unsupported;
mod workflow;
mod yaml;
mod yaml_fault;

pub use builtin::shipped_recordings;
pub use collect::value_of;
pub use discover::project_root;
pub use loader::{Loader, Watched, load};
pub use read::load_workflow_file;
pub use schema::definition_schemas;
pub use sources::UserFolders;
