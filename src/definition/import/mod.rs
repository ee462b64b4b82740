//! Other people's ways to write a workflow, turned into ours: prose commands and the files of other runners.
//!
//! Pure: a text and the names that are known go in, a text comes out. One form of thought in between, the [`Draft`]:
//! readers (`prose/`, `archon`, `actions`, `dagu`, `recipes`) make it, writers (`write/`) print it.
//!
//! Rules that must always hold:
//! - No word of the source is lost: it stands in a prompt, in a command, in a text for people or in a comment.
//! - No decision is silent: what the source leaves open is a [`Mark`], which stands at its place in the output and in
//!   the list that the reader of the output gets.
//! - Braces and dollars of the source are literal in the output, but for `$ARGUMENTS`.

mod actions;
mod archon;
mod claims;
mod dagu;
mod draft;
mod known;
mod order;
mod prose;
mod reader;
mod recipes;
mod run;
mod text;
mod write;

pub use draft::{Mark, Phase, Reference, ReferenceForm};
pub use known::Known;
pub use run::{Form, Format, ImportError, Imported, Request, import};
