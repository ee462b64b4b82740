//! What keeps secrets in and hostile text harmless.

mod api_keys;
pub mod audit;
mod contained;
mod leaks;
mod redact;
pub mod risk;
mod root;
pub mod sandbox;
mod shapes;
mod signing;
mod trust;
mod whole;

pub use api_keys::{ApiKey, ApiKeys, Role, Scope};
pub use contained::{PathFault, contained_path, plain_path};
pub use leaks::{Leak, Leaks};
pub use redact::{Redactor, SECRET_BYTES_MIN, Secret, StreamRedactor};
pub use root::{Found, Root};
pub use shapes::{SHAPES, Shape, any_shape};
pub use signing::{is_signed, sign};
pub use trust::{Grant, TrustStore};
pub use whole::write_whole;
