//! Figures over the latest runs of a project: times by step and agent, waiting, parallel work, tokens, the critical path.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    base::RunId,
    journal::RunQuery,
    service::{
        refusal::Refusal,
        serve::{
            place::Place,
            tallies::{At, Span, Tally},
        },
    },
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
    /// Whole runs.
    pub took: Spread,
    /// By workflow and step.
    pub steps: BTreeMap<String, Spread>,
    /// By agent.
    pub agents: BTreeMap<String, Spread>,
    /// How long people were waited for, by question.
    pub people: Spread,
    /// Time of work by time of the run: how much was done side by side, as a mean.
    pub parallelism: f64,
    /// Time in which nothing was worked on, by time of the run.
    pub waiting_share: f64,
    /// Time in which only a person was waited for, by time of the run: a part of `waiting_share`.
    pub people_share: f64,
    /// Tokens of a step that has spent any, as a mean.
    pub tokens_per_task: u64,
    /// Of the latest run: the steps that it could not have ended sooner without.
    pub critical_path: Vec<String>,
    /// How long these took.
    pub critical_ms: u64,
    /// The run of that path.
    pub critical_run: Option<RunId>,
}

/// Times of all runs.
#[derive(Default)]
struct Times {
    steps: BTreeMap<String, Vec<u64>>,
    agents: BTreeMap<String, Vec<u64>>,
    runs: Vec<u64>,
    people: Vec<u64>,
    whole_ms: u64,
    worked_ms: u64,
    idle_ms: u64,
    people_ms: u64,
    tokens: u64,
    spenders: u64,
}

impl Times {
    /// What the agents of a run have done. A step has a line of costs for each model that it used: it is one step all the same.
    fn agents_of(&mut self, tally: &Tally) {
        self.tokens += tally.lines.iter().map(|line| line.usage.tokens()).sum::<u64>();
        let done: BTreeSet<_> = tally.lines.iter().map(|line| (&line.step, &line.agent)).collect();
        self.spenders += done.iter().map(|(path, _)| *path).collect::<BTreeSet<_>>().len() as u64;
        for (path, agent) in done {
            let own = tally.work_of(path).map(|span| span.to - span.from);
            self.agents.entry(agent.clone()).or_default().extend(own);
        }
    }
}

/// The figures of the latest runs of a project.
///
/// # Errors
/// When a run cannot be read.
pub fn figures(place: &Place, runs_max: usize) -> Result<Figures, Refusal> {
    let (mut all, mut times) = (Figures::default(), Times::default());
    for summary in place.list(&RunQuery::default(), runs_max)?.runs {
        let tally = place.tally(&summary)?;
        all.runs += 1;
        let took_ms = tally.end.0.saturating_sub(summary.started.0);
        times.runs.push(took_ms);
        times.whole_ms += took_ms;
        let work: Vec<&Span> = tally.spans.iter().filter(|span| span.at == At::Work).collect();
        let asked = tally.spans.iter().filter(|span| span.at == At::Person);
        times.people.extend(asked.map(|span| span.to - span.from));
        let (worked, busy) = (covered(work.iter().copied()), covered(&tally.spans));
        times.worked_ms += work.iter().map(|span| span.to - span.from).sum::<u64>();
        times.idle_ms += took_ms.saturating_sub(worked);
        times.people_ms += busy - worked;
        for span in work.iter().filter(|span| span.is_own) {
            let name = format!("{}: {}", summary.workflow, span.step);
            times.steps.entry(name).or_default().push(span.to - span.from);
        }
        times.agents_of(&tally);
        if all.critical_run.is_none() {
            (all.critical_path, all.critical_ms) = critical(&tally.spans);
            all.critical_run = Some(summary.run);
        }
    }
    let share = |part: u64| if times.whole_ms == 0 { 0.0 } else { ratio(part, times.whole_ms) };
    (all.parallelism, all.waiting_share) = (share(times.worked_ms), share(times.idle_ms));
    all.people_share = share(times.people_ms);
    all.tokens_per_task = times.tokens.checked_div(times.spenders).unwrap_or_default();
    (all.took, all.people) = (spread(times.runs), spread(times.people));
    all.steps = times.steps.into_iter().map(|(name, took)| (name, spread(took))).collect();
    all.agents = times.agents.into_iter().map(|(name, took)| (name, spread(took))).collect();
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of runs are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// How long at least one of them went on.
fn covered<'s>(spans: impl IntoIterator<Item = &'s Span>) -> u64 {
    let mut sorted: Vec<_> = spans.into_iter().map(|span| (span.from, span.to)).collect();
    sorted.sort_unstable();
    let (mut sum, mut end) = (0, 0);
    for (from, to) in sorted {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

/// From the last end back: before each, the one that ended last before it began; and how long they took.
fn critical(spans: &[Span]) -> (Vec<String>, u64) {
    let mut sorted: Vec<&Span> = spans.iter().collect();
    sorted.sort_by_key(|span| span.to);
    let mut path: Vec<String> = Vec::new();
    let (mut before, mut took) = (u64::MAX, 0);
    while let Some(span) = sorted.pop() {
        if span.to <= before {
            before = span.from;
            took += span.to - span.from;
            if path.last() != Some(&span.step) {
                path.push(span.step.clone());
            }
        }
    }
    path.reverse();
    (path, took)
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
    use crate::{
        base::{Timestamp, Usage},
        service::costs::CostLine,
    };

    #[test]
    fn spreads_by_nearest_rank() {
        let all = spread((1..=100).rev().collect());
        assert_eq!((all.count, all.p50, all.p95, all.p99), (100, 50, 95, 99));
        assert_eq!(spread(vec![7]), Spread { count: 1, p50: 7, p95: 7, p99: 7 });
        assert_eq!(spread(vec![]), Spread::default());
    }

    #[test]
    fn an_agent_with_two_models_has_worked_once() {
        let span = |beside: Option<&str>, to| Span {
            step: "a".to_owned(),
            beside: beside.map(str::to_owned),
            is_own: beside.is_none(),
            from: 0,
            to,
            at: At::Work,
        };
        let line = |step: &str, agent: &str, model: &str| CostLine {
            step: step.to_owned(),
            agent: agent.to_owned(),
            model: Some(model.to_owned()),
            runtime: "replay".to_owned(),
            attempts: 1,
            usage: Usage { input_tokens: 30, ..Usage::default() },
            share: 0.5,
        };
        let lines = vec![line("a", "writer", "large"), line("a", "writer", "small"), line("a@gate1", "judge", "small")];
        let (spans, end) = (vec![span(None, 10), span(Some("a@gate1"), 4)], Timestamp::default());
        let mut times = Times::default();
        times.agents_of(&Tally { end, spans, lines, total: Usage::default(), agents: 2 });
        assert_eq!(times.agents, BTreeMap::from([("writer".to_owned(), vec![10]), ("judge".to_owned(), vec![4])]));
        assert_eq!((times.tokens, times.spenders), (90, 2));
    }

    #[test]
    fn the_critical_path_goes_back_from_the_last_end() {
        let span =
            |step: &str, from, to| Span { step: step.to_owned(), beside: None, is_own: true, from, to, at: At::Work };
        let spans = vec![span("a", 0, 10), span("fast", 10, 12), span("slow", 10, 40), span("end", 40, 50)];
        assert_eq!(covered(&spans), 50);
        assert_eq!(critical(&spans), (vec!["a".to_owned(), "slow".into(), "end".into()], 50));
        assert_eq!(covered(&[span("a", 0, 5), span("b", 20, 30)]), 15);
    }
}
