//! Words every room uses: ids, time, digests, source text with spans, diagnostics.
//!
//! Knows nothing of workflows, runs or files.

pub mod codes;
mod diagnostic;
mod digest;
mod ids;
mod quantity;
pub mod render;
mod source;
mod suggest;
mod time;

pub use diagnostic::{Code, Diagnostic, Label, Severity};
pub use digest::Digest;
pub use ids::{IdError, RunId, StepPath};
pub use quantity::{QuantityError, parse_count, parse_duration, render_duration};
pub use source::{Position, Source, Span, Spanned};
pub use suggest::did_you_mean;
pub use time::Timestamp;
