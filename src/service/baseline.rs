//! The tree at the start of a run, for gates that compare with it.

use std::{io::Write as _, sync::Arc};

use crate::{
    driver::Loaded,
    execute::{Baseline, Executor, Live, Place, process::StopToken},
    plan::{Plan, PlanGate},
    service::{refusal::Refusal, runs::Runs},
};

impl Runs {
    /// The tree at the start of the run, if a gate compares with it: taken once, kept for every later owner.
    pub(super) async fn baseline(
        &self,
        executor: &Executor,
        loaded: &Loaded,
    ) -> Result<Option<Arc<Baseline>>, Refusal> {
        if !wants_baseline(loaded.scheduler.plan()) {
            return Ok(None);
        }
        let run = &loaded.summary.run;
        let folder = self.store.run_folder(run)?;
        let kept = folder.join("baseline.json");
        if let Ok(bytes) = std::fs::read(&kept)
            && let Ok(baseline) = serde_json::from_slice(&bytes)
        {
            return Ok(Some(Arc::new(baseline)));
        }
        let fault = |reason: String| {
            Refusal::new(
                1,
                "E0313",
                format!("the tree cannot be read for a gate that compares with it: {reason}"),
                "look at the named path, or leave the gate out",
            )
        };
        let place = Place {
            secrets: Vec::new(),
            workspace: self.root.clone(),
            attempt_dir: folder.join("attempts").join("baseline"),
            env: self.settings.env.clone(),
            run: run.to_string(),
            attempt: format!("{run}/baseline"),
            live: Live::default(),
            sandbox: None,
        };
        let baseline = executor.baseline(&place, StopToken::never()).await.map_err(|error| fault(error.to_string()))?;
        let bytes = serde_json::to_vec(&baseline).map_err(|error| fault(error.to_string()))?;
        // Whole or not at all: after a crash half of it would be taken again, from a tree that the run has changed.
        let new = folder.join("baseline.json.new");
        let written = std::fs::File::create(&new).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, &kept)
        });
        written.map_err(|error| fault(error.to_string()))?;
        Ok(Some(Arc::new(baseline)))
    }
}

fn wants_baseline(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .flat_map(|step| &step.gates)
        .any(|gate| matches!(gate, PlanGate::Changed { .. } | PlanGate::Secrets { .. }))
}
