//! Takes secrets out of what is kept and shown, at once or in a stream.

mod finder;
mod forms;
mod key_block;
mod patterns;
mod redactor;
mod secret;
mod stream;

pub use redactor::{Redactor, SECRET_BYTES_MIN};
pub use secret::Secret;
pub use stream::StreamRedactor;
