//! What keeps secrets in and hostile text harmless.

mod contained;
mod trust;

pub use contained::{PathFault, contained_path, plain_path};
pub use trust::{Grant, TrustStore};
