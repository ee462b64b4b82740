//! What the runs of some time have cost: by day, workflow, agent, model and run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    base::{RunId, Timestamp, Usage},
    journal::{RunQuery, RunSummary},
    service::{
        refusal::Refusal,
        serve::{place::Place, tallies::Tally},
    },
};

/// Runs that are looked at.
const RUNS_MAX: usize = 5_000;
/// Runs of one look at the list.
const PAGE: usize = 500;
/// Lines of a part; the others are in the whole.
const LINES_MAX: usize = 200;

/// One line of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpentBy {
    /// The day, the workflow, the agent, or the model and its runtime.
    pub name: String,
    /// Runs in which it was.
    pub runs: u64,
    /// Starts of agents in these runs; of agents and models nobody counts them.
    pub agents: u64,
    /// What.
    pub usage: Usage,
}

/// What one run has cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpentIn {
    /// The run.
    pub run: RunId,
    /// Its project.
    pub project: String,
    /// Its workflow.
    pub workflow: String,
    /// How it stands.
    pub status: String,
    /// When it began.
    pub started: Timestamp,
    /// Starts of agents.
    pub agents: u64,
    /// What.
    pub usage: Usage,
}

/// What the runs of some time have cost.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Spending {
    /// Runs that were counted.
    pub runs: u64,
    /// Whether there were more runs than are counted.
    pub is_cut: bool,
    /// Starts of agents.
    pub agents: u64,
    /// All of it.
    pub total: Usage,
    /// By the day on which runs began, the latest first.
    pub days: Vec<SpentBy>,
    /// By workflow, the dearest first.
    pub workflows: Vec<SpentBy>,
    /// By agent.
    pub by_agent: Vec<SpentBy>,
    /// By model and runtime.
    pub models: Vec<SpentBy>,
    /// The dearest runs.
    pub by_run: Vec<SpentIn>,
}

#[derive(Default)]
struct Parts {
    days: BTreeMap<String, SpentBy>,
    workflows: BTreeMap<String, SpentBy>,
    agents: BTreeMap<String, SpentBy>,
    models: BTreeMap<String, SpentBy>,
}

fn add(part: &mut BTreeMap<String, SpentBy>, name: &str, agents: u64, usage: Usage) {
    let line = part.entry(name.to_owned()).or_insert_with(|| SpentBy { name: name.to_owned(), ..SpentBy::default() });
    line.runs += 1;
    line.agents += agents;
    line.usage.add(usage);
}

fn by_cost(usage: &Usage) -> std::cmp::Reverse<(u64, u64)> {
    std::cmp::Reverse((usage.usd_micros, usage.tokens()))
}

fn dearest(part: BTreeMap<String, SpentBy>) -> Vec<SpentBy> {
    let mut lines: Vec<_> = part.into_values().collect();
    lines.sort_by_key(|line| by_cost(&line.usage));
    lines.truncate(LINES_MAX);
    lines
}

/// What the runs of a project that have begun since then have cost.
///
/// # Errors
/// When a run cannot be read.
pub fn spending(place: &Place, since: Option<Timestamp>) -> Result<Spending, Refusal> {
    spending_of(&[place], since)
}

/// What the runs of some projects that have begun since then have cost.
///
/// # Errors
/// When a run cannot be read.
pub fn spending_of(places: &[&Place], since: Option<Timestamp>) -> Result<Spending, Refusal> {
    let (mut all, mut parts) = (Spending::default(), Parts::default());
    for place in places {
        count(place, since.unwrap_or_default(), &mut all, &mut parts)?;
    }
    all.by_run.sort_by_key(|run| by_cost(&run.usage));
    all.by_run.truncate(LINES_MAX);
    all.days = parts.days.into_values().rev().take(LINES_MAX).collect();
    (all.workflows, all.by_agent, all.models) =
        (dearest(parts.workflows), dearest(parts.agents), dearest(parts.models));
    Ok(all)
}

/// Counts the runs of one project, the latest first, until one has begun before.
fn count(place: &Place, since: Timestamp, all: &mut Spending, parts: &mut Parts) -> Result<(), Refusal> {
    let mut query = RunQuery::default();
    loop {
        let page = place.list(&query, PAGE)?;
        query.after = page.runs.last().map(|run| run.run.clone());
        for run in page.runs {
            if run.started < since {
                return Ok(());
            }
            if all.runs >= RUNS_MAX as u64 {
                all.is_cut = true;
                return Ok(());
            }
            let tally = place.tally(&run)?;
            all.runs += 1;
            all.agents += tally.agents;
            all.total.add(tally.total);
            parts.count(&run, &tally);
            all.by_run.push(SpentIn {
                run: run.run,
                project: place.name().to_owned(),
                workflow: run.workflow,
                status: run.status,
                started: run.started,
                agents: tally.agents,
                usage: tally.total,
            });
        }
        if !page.more {
            return Ok(());
        }
    }
}

impl Parts {
    fn count(&mut self, run: &RunSummary, tally: &Tally) {
        let day: String = run.started.to_string().chars().take(10).collect();
        add(&mut self.days, &day, tally.agents, tally.total);
        add(&mut self.workflows, &run.workflow, tally.agents, tally.total);
        let (mut agents, mut models) = (BTreeMap::<_, Usage>::new(), BTreeMap::<_, Usage>::new());
        for line in &tally.lines {
            agents.entry(line.agent.clone()).or_default().add(line.usage);
            let model = line.model.as_deref().unwrap_or("its own choice");
            models.entry(format!("{model} on {}", line.runtime)).or_default().add(line.usage);
        }
        agents.iter().for_each(|(name, usage)| add(&mut self.agents, name, 0, *usage));
        models.iter().for_each(|(name, usage)| add(&mut self.models, name, 0, *usage));
    }
}
