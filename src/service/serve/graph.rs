//! The picture of the plan that a run is pinned to, without reading the run itself.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    base::RunId,
    driver::unread,
    journal::RunSummary,
    plan::{
        StepIx,
        draw::{Picture, picture},
    },
    service::{refusal::Refusal, runs::Runs, serve::place::Place},
};

/// The version of the picture: another one for the same plan is another picture.
const PICTURE_VERSION: u16 = 1;

/// The plan of a run as a picture.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// The run.
    pub run: String,
    /// The workflow.
    pub workflow: String,
    /// The digest of the plan.
    pub digest: String,
    /// Groups that stand other than by themselves.
    pub toggled: Vec<u32>,
    /// Where everything stands.
    #[serde(flatten)]
    pub picture: Picture,
}

impl Graph {
    /// By what another picture is seen.
    #[must_use]
    pub fn tag(&self) -> String {
        let toggled: Vec<_> = self.toggled.iter().map(u32::to_string).collect();
        let digest: String = self.digest.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{PICTURE_VERSION}-{digest}-{}", toggled.join("."))
    }
}

impl Place {
    /// A run's line in the list; nothing where there is no such run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Refusal> {
        Ok(self.runs().journal().run(run)?)
    }

    /// The picture of a run's plan. `toggled` are groups that are to be unfolded or folded, `12.15`.
    ///
    /// # Errors
    /// When the run's plan cannot be read.
    pub fn graph(&self, run: &RunId, toggled: &str) -> Result<Graph, Refusal> {
        graph(&self.runs(), run, toggled)
    }
}

fn graph(runs: &Runs, run: &RunId, toggled: &str) -> Result<Graph, Refusal> {
    let loaded = unread(runs.journal().as_ref(), run)?;
    let plan = loaded.scheduler.plan();
    let is_group = |ix: &u32| plan.steps.get(*ix as usize).is_some_and(|step| step.work.is_container());
    let wanted: BTreeSet<u32> = toggled.split('.').filter_map(|word| word.parse().ok()).filter(is_group).collect();
    let places = wanted.iter().copied().map(StepIx).collect();
    Ok(Graph {
        run: run.to_string(),
        workflow: plan.name.clone(),
        digest: plan.digest.to_string(),
        toggled: wanted.into_iter().collect(),
        picture: picture(plan, &places),
    })
}
