//! Figures over the latest runs of a project: times by step and agent, waiting, parallel work, tokens, the critical path.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    base::RunId,
    driver::Loaded,
    journal::RunQuery,
    scheduler::{Purpose, StepState},
    service::{costs::cost, refusal::Refusal, serve::place::Place},
};

/// How long something took, over all times that it was done; in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How often.
    pub count: usize,
    /// Half of them took at most so long.
    pub p50: u64,
    /// 95 of 100.
    pub p95: u64,
    /// 99 of 100.
    pub p99: u64,
}

/// What is known of the latest runs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// Runs that were looked at.
    pub runs: usize,
    /// By workflow and step.
    pub steps: BTreeMap<String, Spread>,
    /// By agent.
    pub agents: BTreeMap<String, Spread>,
    /// Time of work by time of the run: how much was done side by side, as a mean.
    pub parallelism: f64,
    /// Time in which nothing was worked on, by time of the run.
    pub waiting_share: f64,
    /// Tokens of a step that has spent any, as a mean.
    pub tokens_per_task: u64,
    /// Of the latest run: the steps that it could not have ended sooner without.
    pub critical_path: Vec<String>,
    /// The run of that path.
    pub critical_run: Option<RunId>,
}

/// The figures of the latest runs of a project.
///
/// # Errors
/// When a run cannot be read.
pub fn figures(place: &Place, runs_max: usize) -> Result<Figures, Refusal> {
    let runs = place.runs();
    let mut all = Figures::default();
    let (mut steps, mut agents) = (BTreeMap::<_, Vec<u64>>::new(), BTreeMap::<_, Vec<u64>>::new());
    let (mut whole_ms, mut worked_ms, mut idle_ms, mut tokens, mut spenders) = (0u64, 0u64, 0u64, 0u64, 0u64);
    for summary in place.list(&RunQuery::default(), runs_max)?.runs {
        let loaded = runs.load(&summary.run, |_, _, _| {})?;
        all.runs += 1;
        let end = summary.ended.unwrap_or(loaded.last);
        let took_ms = end.0.saturating_sub(summary.started.0);
        whole_ms += took_ms;
        let spans = spans(&loaded);
        worked_ms += spans.iter().map(|(_, from, to)| to - from).sum::<u64>();
        idle_ms += took_ms.saturating_sub(covered(&spans));
        for (step, from, to) in &spans {
            steps.entry(format!("{}: {step}", summary.workflow)).or_default().push(to - from);
        }
        for line in cost(&loaded).lines {
            tokens += line.usage.tokens();
            spenders += 1;
            let took = spans.iter().filter(|(step, _, _)| *step == line.step).map(|(_, from, to)| to - from);
            agents.entry(line.agent).or_default().extend(took);
        }
        if all.critical_run.is_none() {
            all.critical_path = critical(spans);
            all.critical_run = Some(summary.run);
        }
    }
    let share = |part: u64| if whole_ms == 0 { 0.0 } else { ratio(part, whole_ms) };
    (all.parallelism, all.waiting_share) = (share(worked_ms), share(idle_ms));
    all.tokens_per_task = tokens.checked_div(spenders).unwrap_or_default();
    all.steps = steps.into_iter().map(|(name, took)| (name, spread(took))).collect();
    all.agents = agents.into_iter().map(|(name, took)| (name, spread(took))).collect();
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of runs are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// When each attempt of each step worked: step, begin and end.
fn spans(loaded: &Loaded) -> Vec<(String, u64, u64)> {
    let mut spans = Vec::new();
    for view in loaded.scheduler.views().iter().filter(|view| !view.step.work.is_container()) {
        let asks = view.state == StepState::Asking;
        for record in view.history.iter().filter(|record| record.purpose != Purpose::Override && !asks) {
            let end = record.ended.unwrap_or(loaded.last);
            spans.push((view.path.as_str().to_owned(), record.started.0, end.0.max(record.started.0)));
        }
    }
    spans
}

/// How long at least one of them worked.
fn covered(spans: &[(String, u64, u64)]) -> u64 {
    let mut sorted: Vec<_> = spans.iter().map(|(_, from, to)| (*from, *to)).collect();
    sorted.sort_unstable();
    let (mut sum, mut end) = (0, 0);
    for (from, to) in sorted {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

/// From the last end back: before each, the one that ended last before it began.
fn critical(mut spans: Vec<(String, u64, u64)>) -> Vec<String> {
    spans.sort_by_key(|(_, _, to)| *to);
    let mut path: Vec<String> = Vec::new();
    let mut before = u64::MAX;
    while let Some((step, from, to)) = spans.pop() {
        if to <= before {
            before = from;
            if path.last() != Some(&step) {
                path.push(step);
            }
        }
    }
    path.reverse();
    path
}

fn spread(mut took: Vec<u64>) -> Spread {
    took.sort_unstable();
    let at =
        |percent: usize| took.get((took.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    Spread { count: took.len(), p50: at(50), p95: at(95), p99: at(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_by_nearest_rank() {
        let all = spread((1..=100).rev().collect());
        assert_eq!((all.count, all.p50, all.p95, all.p99), (100, 50, 95, 99));
        assert_eq!(spread(vec![7]), Spread { count: 1, p50: 7, p95: 7, p99: 7 });
        assert_eq!(spread(vec![]), Spread::default());
    }

    #[test]
    fn the_critical_path_goes_back_from_the_last_end() {
        let span = |step: &str, from, to| (step.to_owned(), from, to);
        let spans = vec![span("a", 0, 10), span("fast", 10, 12), span("slow", 10, 40), span("end", 40, 50)];
        assert_eq!(covered(&spans), 50);
        assert_eq!(critical(spans), ["a", "slow", "end"]);
        assert_eq!(covered(&[span("a", 0, 5), span("b", 20, 30)]), 15);
    }
}
