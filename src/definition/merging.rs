//! What a definition says of work that is done in a worktree of its own: how it comes back.

use serde::{Deserialize, Serialize};

use crate::{
    base::Spanned,
    definition::{failing::ThenFail, workflow::Gate},
};

/// How isolated work comes back.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Whose comes first.
    pub order: MergeOrder,
    /// As which commits it is kept.
    pub strategy: MergeStrategy,
    /// Checks of each merge, before it is taken.
    pub gate: Vec<Spanned<Gate>>,
    /// What a conflict, or a check that fails, leads to.
    pub on_conflict: OnConflict,
}

/// In which order results are merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeOrder {
    /// Each when it is there.
    #[default]
    AsFinished,
    /// Each when those before it in the list are merged, so that runs end alike.
    AsListed,
}

/// How a result is merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeStrategy {
    /// A commit with both as parents: what was made stays visible as it was made.
    #[default]
    Merge,
    /// The commits that were made, one after the other on top; what was not committed is the last one.
    Rebase,
    /// One commit on top.
    Squash,
}

/// What a merge that cannot be taken as it is leads to.
#[derive(Debug, Clone, Default)]
pub struct OnConflict {
    /// An agent that mends it.
    pub agent: Option<Spanned<String>>,
    /// How often.
    pub tries: u32,
    /// What happens after the last: the step fails, or a person decides.
    pub then: ThenFail,
}
