//! How a run uses up its budget: what it may spend, has spent and holds free, how fast, and when nothing is left.

use serde::Serialize;

use crate::{
    base::{RunId, Timestamp},
    driver::{Loaded, status_word},
    service::{guards, refusal::Refusal, runs::Runs},
};

/// The version of the JSON form.
pub const BURN_VERSION: u16 = 1;
/// Points of a line; of more, every so manyth.
const POINTS_MAX: usize = 400;
const HOUR_MS: u128 = 3_600_000;

/// One limit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BurnLine {
    /// `usd_micros`, `tokens`, `time_ms` or `agents`.
    pub what: &'static str,
    /// What the run may spend; absent where nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What it has spent.
    pub spent: u64,
    /// What is held free for agents that work now.
    pub reserved: u64,
    /// What an hour of work costs, as a mean of the whole run.
    pub per_hour: u64,
    /// When nothing is left at this rate; absent where the run has ended or nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_out: Option<Timestamp>,
    /// What was spent by when, as attempts have ended.
    pub points: Vec<(Timestamp, u64)>,
}

/// How a run uses up its budget.
#[derive(Debug, Clone, Serialize)]
pub struct Burn {
    /// [`BURN_VERSION`].
    pub v: u16,
    /// The run's id.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// `running succeeded failed cancelled`.
    pub status: &'static str,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, or now.
    pub until: Timestamp,
    /// What happens at a limit: `pause` or `stop`.
    pub on_limit: &'static str,
    /// Money, tokens, time, agents.
    pub lines: Vec<BurnLine>,
}

impl Runs {
    /// How a run uses up its budget.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn burn(&self, run: &RunId) -> Result<Burn, Refusal> {
        Ok(burn(&self.load(run, |_, _, _| {})?, guards::now()))
    }
}

/// How a run uses up its budget, seen at `now`.
#[must_use]
pub fn burn(loaded: &Loaded, now: Timestamp) -> Burn {
    let scheduler = &loaded.scheduler;
    let (spent, limits, held) = (scheduler.spent(), scheduler.budget(), scheduler.held());
    let ended = scheduler.ended();
    let until = ended.map_or(now, |end| end.at).max(loaded.summary.started);
    let line = |what, limit: Option<u64>, spent, reserved, points| {
        let busy_ms = u128::from(scheduler.spent().busy_ms);
        let mean = (u128::from(spent) * HOUR_MS).checked_div(busy_ms).unwrap_or_default();
        let per_hour = u64::try_from(mean).unwrap_or(u64::MAX);
        let runs_out = limit.filter(|_| ended.is_none()).and_then(|limit| runs_out(limit, spent, per_hour, until));
        BurnLine { what, limit, spent, reserved, per_hour, runs_out, points }
    };
    let (money, tokens, agents) = points(loaded);
    Burn {
        v: BURN_VERSION,
        id: loaded.summary.run.to_string(),
        workflow: loaded.summary.workflow.clone(),
        status: ended.map_or("running", |end| status_word(end.settled)),
        started: loaded.summary.started,
        until,
        on_limit: match limits.on_limit {
            crate::definition::workflow::OnLimit::Pause => "pause",
            crate::definition::workflow::OnLimit::Stop => "stop",
        },
        lines: vec![
            line("usd_micros", limits.usd_micros, spent.usage.usd_micros, held.usd_micros, money),
            line("tokens", limits.tokens, spent.usage.tokens(), held.tokens, tokens),
            line("time_ms", limits.time_ms, spent.busy_ms, 0, vec![(until, spent.busy_ms)]),
            line("agents", Some(limits.agents), spent.agents, 0, agents),
        ],
    }
}

/// When a limit is met at a rate; never where nothing is spent.
fn runs_out(limit: u64, spent: u64, per_hour: u64, now: Timestamp) -> Option<Timestamp> {
    let left_ms = (u128::from(limit.saturating_sub(spent)) * HOUR_MS).checked_div(u128::from(per_hour))?;
    Some(Timestamp(now.0.saturating_add(u64::try_from(left_ms).unwrap_or(u64::MAX / 2))))
}

type Points = Vec<(Timestamp, u64)>;

/// Money, tokens and starts of agents by time.
fn points(loaded: &Loaded) -> (Points, Points, Points) {
    let scheduler = &loaded.scheduler;
    let mut spent = Vec::new();
    let mut starts = Vec::new();
    for instance in scheduler.instances() {
        for record in scheduler.view(instance).history {
            if scheduler.runtime_of(instance, record.purpose).is_some() {
                starts.push((record.started, 1));
            }
            for cost in &record.costs {
                spent.push((record.ended.unwrap_or(loaded.last), cost.usage.usd_micros, cost.usage.tokens()));
            }
        }
    }
    let money = spent.iter().map(|(at, usd, _)| (*at, *usd)).collect();
    let tokens = spent.iter().map(|(at, _, tokens)| (*at, *tokens)).collect();
    (summed(money), summed(tokens), summed(starts))
}

/// What there was by each time; thinned out where there is too much, the last kept.
fn summed(mut parts: Points) -> Points {
    parts.sort_unstable();
    let mut sum = 0u64;
    for (_, part) in &mut parts {
        sum = sum.saturating_add(*part);
        *part = sum;
    }
    let stride = parts.len().div_ceil(POINTS_MAX).max(1);
    let last = parts.len().saturating_sub(1);
    let kept = parts.into_iter().enumerate().filter(|(place, _)| place % stride == 0 || *place == last);
    kept.map(|(_, point)| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_lasts_as_long_as_the_rate_says() {
        let now = Timestamp(1_000);
        assert_eq!(runs_out(100, 50, 100, now), Some(Timestamp(1_000 + 1_800_000)));
        assert_eq!(runs_out(100, 100, 100, now), Some(now));
        assert_eq!(runs_out(100, 120, 100, now), Some(now));
        assert_eq!(runs_out(100, 0, 0, now), None);
        assert!(runs_out(u64::MAX, 0, 1, now).is_some());
    }

    #[test]
    fn points_are_sums_and_few() {
        let parts = (0..10_000).rev().map(|at| (Timestamp(at), 1)).collect();
        let points = summed(parts);
        assert!(points.len() <= POINTS_MAX + 1, "{}", points.len());
        assert_eq!((points[0], points[points.len() - 1]), ((Timestamp(0), 1), (Timestamp(9_999), 10_000)));
        assert_eq!(summed(vec![]), vec![]);
    }
}
