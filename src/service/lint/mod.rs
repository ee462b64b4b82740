//! What is wrong with the words of agents, skills and commands, although their files load.
//!
//! `subject` gives every definition one form, `text` finds places in it, `rules` judges one definition or all together.
//! A rule would rather miss a fault than raise a false alarm. What the reader of files says already (unknown tools E0155, names,
//! descriptions that are not there E0152) is not said again.

mod library;
mod rules;
mod subject;
mod text;
mod trifecta;

pub use library::{lint, lint_library};
pub(super) use trifecta::lint_plan;
