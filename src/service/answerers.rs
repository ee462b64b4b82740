//! Who answers for the agents of a run.

use std::sync::Arc;

use crate::{
    plan::Plan,
    runtime::{Adapter, Capabilities, Replay},
    service::{guards::AskedCommand, preflight, runs::Runs},
};

/// A runtime that a plan would use for the first time ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// Its name.
    pub name: String,
    /// Whether recordings could answer instead.
    pub is_recorded: bool,
}

impl Runs {
    /// The runtime that this plan would use for the first time ever, so that a person must say yes to it.
    #[must_use]
    pub fn first_use(&self, plan: &Plan, replay: &Replay) -> Option<FirstUse> {
        let name = preflight::needs_yes(plan, &self.settings)?;
        Some(FirstUse { name: name.to_owned(), is_recorded: replay.knows(&plan.name) })
    }

    /// From now on agents that name no runtime are answered from recordings.
    pub fn use_recordings(&mut self) {
        self.use_runtime(Replay::NAME);
    }

    /// From now on agents that name no runtime run on this one.
    pub fn use_runtime(&mut self, name: &str) {
        self.settings.runtime = Some(name.to_owned());
    }

    /// The commands that a person would have to agree to before this plan may start.
    #[must_use]
    pub fn asked(&self, plan: &Plan) -> Vec<AskedCommand> {
        self.settings.trust.guards.asks(plan, &self.settings.trust.allowed)
    }

    /// A person has agreed to these commands, for what this process starts.
    pub fn agree(&mut self, asked: &[AskedCommand]) {
        self.settings.trust.allowed.extend(asked.iter().map(|one| one.digest.as_str().to_owned()));
    }

    /// What a declared runtime can do.
    pub(super) fn capabilities(&self, name: &str) -> Option<Capabilities> {
        let (_, declared) = self.settings.runtimes.iter().find(|(other, _)| other == name)?;
        Some(declared.adapter(name, &self.root).capabilities())
    }

    pub(super) fn adapters(&self, replay: Replay) -> Vec<Arc<dyn Adapter>> {
        let declared = self.settings.runtimes.iter().map(|(name, declared)| declared.adapter(name, &self.root));
        declared.chain([Arc::new(replay) as Arc<dyn Adapter>]).collect()
    }
}
