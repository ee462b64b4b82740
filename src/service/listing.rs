//! Runs of a project's list, and how one is found by what a person types.

use crate::{
    base::RunId,
    journal::{RunQuery, RunSummary},
    service::{refusal::Refusal, runs::Runs},
};

/// The status of a run that has not ended and that nobody drives.
const INTERRUPTED: &str = "interrupted";

impl Runs {
    /// The latest runs.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self, limit: usize) -> Result<Vec<RunSummary>, Refusal> {
        self.find_runs(&RunQuery::default(), limit)
    }

    /// The latest runs that fit. `interrupted` is a status too: that of a run which nobody drives.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find_runs(&self, wanted: &RunQuery, limit: usize) -> Result<Vec<RunSummary>, Refusal> {
        let kept = |word: &String| if word == INTERRUPTED { "running".to_owned() } else { word.clone() };
        let mut query = RunQuery { status: wanted.status.as_ref().map(kept), ..wanted.clone() };
        let mut found = Vec::new();
        loop {
            let page = self.store.journal().find_runs(&query, limit)?;
            let is_last = page.len() < limit;
            query.after = page.last().map(|run| run.run.clone());
            for mut run in page {
                if run.ended.is_none() && run.status == "running" && self.owner(&run.run)?.is_none() {
                    run.status = INTERRUPTED.to_owned();
                }
                if wanted.status.as_ref().is_none_or(|status| *status == run.status) && found.len() < limit {
                    found.push(run);
                }
            }
            if is_last || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Finds a run by its id, by the beginning of one, or the latest one.
    ///
    /// # Errors
    /// When there is none, or more than one begins so.
    pub fn find(&self, text: Option<&str>) -> Result<RunId, Refusal> {
        let runs = self.store.journal().runs(10_000)?;
        let Some(text) = text else {
            return runs.first().map(|run| run.run.clone()).ok_or_else(|| {
                Refusal::new(11, "E0301", "there is no run in this project yet", "start one: `orch run NAME`")
            });
        };
        let mut found = runs.iter().filter(|run| run.run.as_str().starts_with(text));
        match (found.next(), found.next()) {
            (Some(run), None) => Ok(run.run.clone()),
            (Some(_), Some(_)) => Err(Refusal::new(
                11,
                "E0301",
                format!("more than one run begins with `{text}`"),
                "give more of the id; `orch runs` lists them",
            )),
            (None, _) => Err(Refusal::new(
                11,
                "E0301",
                format!("there is no run `{text}` in this project"),
                "`orch runs` lists the runs of this project",
            )),
        }
    }
}
