//! Strict, pure rendering of prompts and evaluation of bare expressions; which names a text reads; forked context.
//!
//! A text is code, from a definition. A value is data, from a step, and is never rendered or parsed: text goes through
//! the engine once. This room is the only one that names `minijinja`. It reads no clock, file or environment, and
//! starts no process; what may need more memory than its inputs is rendered by `execute::render` in a child.

mod allowed;
mod context;
mod cost;
mod engine;
mod filters;
mod json;
mod reference;
mod render;
mod scan;
mod text;

pub use context::{Nonce, Part, estimate_tokens, fence, fork};
pub use reference::Reference;
pub use render::RenderError;
pub use text::{Expression, Template, TemplateError};

/// The longest text of a template or expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The longest rendered text and the largest result of an expression, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest values a text may read, estimated in bytes of memory.
pub const VALUES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Instructions one rendering may take.
pub const FUEL: u64 = 50_000;
