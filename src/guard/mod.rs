//! What keeps secrets in and hostile text harmless.

mod contained;
mod whole;

pub use contained::{PathFault, contained_path, plain_path};
pub use whole::write_whole;
