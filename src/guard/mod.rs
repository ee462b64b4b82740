//! What keeps secrets in and hostile text harmless.

mod contained;

pub use contained::{PathFault, contained_path, plain_path};
