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
mod html;
mod json;
mod limits;
#[cfg(test)]
mod properties;
mod reference;
mod render;
mod scan;
mod text;

pub use context::{Nonce, Part, estimate_tokens, fence, fork};
pub use html::Views;
pub use limits::{FUEL, OUTPUT_BYTES_MAX, TEXT_BYTES_MAX, VALUES_BYTES_MAX};
pub use reference::Reference;
pub use render::RenderError;
pub use text::{Expression, Template, TemplateError};
