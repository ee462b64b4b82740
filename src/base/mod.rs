//! Words every room uses: ids, time, digests, source text with spans, diagnostics.
//!
//! Knows nothing of workflows, runs or files.

mod code;
pub mod codes;
mod diagnostic;
mod digest;
mod hosts;
mod ids;
mod outcome;
mod prices;
mod quantity;
mod random;
pub mod render;
mod sandbox;
mod schema;
mod source;
mod suggest;
mod time;
mod visible;

pub use code::{CodeKind, CodePart, code_parts};
pub use diagnostic::{Code, Diagnostic, Edit, Elsewhere, Fix, Label, Severity};
pub use digest::{Digest, Hasher, Seal};
pub use hosts::{Host, Hosts, Target, is_host_entry, is_open_address};
pub use ids::{IdError, RunId, StepPath};
pub use outcome::{Attached, Envelope, Evidence, Failure, FailureClass, Judgement, Outcome, Usage, Verdict};
pub use prices::{Costs, Price, Prices, dollars};
pub use quantity::{QuantityError, parse_count, parse_duration, render_duration};
pub use random::{hex, random, unhex};
pub use sandbox::{Network, Sandbox, SandboxMode};
pub use schema::{SchemaError, schema_faults};
pub use source::{Passage, Position, Source, Span, Spanned};
pub use suggest::did_you_mean;
pub use time::Timestamp;
pub use visible::{clean, coloured, visible};
