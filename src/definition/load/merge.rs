//! `merge:`.

use crate::{
    base::{Spanned, codes::definition as codes},
    definition::{
        load::{
            keys::{MERGE, ON_CONFLICT},
            node::Entry,
            reader::Reader,
            shape::Fields,
        },
        merging::{Merge, MergeOrder, MergeStrategy, OnConflict},
        workflow::ThenFail,
    },
};

/// How often an agent may try to mend a merge where nothing else is said.
const TRIES_DEFAULT: u32 = 2;

impl Reader<'_, '_> {
    /// How isolated work comes back; only where it is isolated.
    pub fn merge(&mut self, entry: &Entry<'_>, step: &Fields<'_, '_>) -> Option<Spanned<Merge>> {
        let is_isolated = step.peek("workspace").and_then(|entry| entry.value.as_text()) == Some("worktree");
        let mut fields = Fields::open(&entry.value, &MERGE, self.faults)?;
        let orders = [("as_finished", MergeOrder::AsFinished), ("as_listed", MergeOrder::AsListed)];
        let order = self.one_of(fields.take("order"), &orders).unwrap_or_default();
        let strategies =
            [("merge", MergeStrategy::Merge), ("rebase", MergeStrategy::Rebase), ("squash", MergeStrategy::Squash)];
        let strategy = self.one_of(fields.take("strategy"), &strategies).unwrap_or_default();
        let gate = fields.take("gate").map(|entry| self.gates(entry)).unwrap_or_default();
        let on_conflict = fields.take("on_conflict").and_then(|entry| self.on_conflict(entry)).unwrap_or_default();
        fields.done("`merge:`", self.faults, |_| String::new());
        if !is_isolated {
            self.faults.error(
                codes::CONFLICT,
                entry.key_span,
                "`merge:` without a worktree",
                "this step works where the others do, so there is nothing to merge",
                "add `workspace: worktree`, or remove it",
            );
            return None;
        }
        Some(Spanned::new(Merge { order, strategy, gate, on_conflict }, entry.key_span))
    }

    fn on_conflict(&mut self, entry: &Entry<'_>) -> Option<OnConflict> {
        let ends = [("fail", ThenFail::Fail), ("ask", ThenFail::Ask)];
        if let Some(text) = entry.value.as_text() {
            let text = Spanned::new(text.to_owned(), entry.value.span);
            let then = self.word("on_conflict", &text, &ends, " or `{ agent: NAME, tries: 2 }`")?;
            return Some(OnConflict { agent: None, tries: 0, then });
        }
        let mut fields = Fields::open(&entry.value, &ON_CONFLICT, self.faults)?;
        let agent = self.text_of(fields.take("agent"));
        let tries_entry = fields.take("tries");
        let tries = self.whole(tries_entry, 0, 100);
        let then = self.one_of(fields.take("then"), &ends).unwrap_or_default();
        fields.done("`on_conflict:`", self.faults, |_| String::new());
        if let (None, Some(place)) = (&agent, tries_entry) {
            self.faults.error(
                codes::CONFLICT,
                place.key_span,
                "`tries` without an agent",
                "nobody is there to try",
                "add `agent:`, or remove it",
            );
        }
        let tries = if agent.is_some() { tries.unwrap_or(TRIES_DEFAULT) } else { 0 };
        Some(OnConflict { agent, tries, then })
    }
}
