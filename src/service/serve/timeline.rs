//! How a run went over time: when each attempt could have begun, why it had to wait, when it worked, and what the end
//! waited for. Also where every step stands, in few words, for pictures of thousands of steps.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::{
    base::Timestamp,
    driver::{Loaded, end_word, purpose_words},
    plan::{Plan, StepIx},
    scheduler::{AttemptRecord, InstanceId, Purpose, Scheduler, StepState, StepView},
};

/// The longest reason or purpose, in characters.
const WORDS_MAX: usize = 160;
/// The latest attempts of a step that are told.
const ATTEMPTS_MAX: usize = 50;

/// How a run went.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    /// The run's id.
    pub run: String,
    /// The digest of its plan.
    pub digest: String,
    /// The last record that this is made from.
    pub seq: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// All steps that exist so far, each group before what stands in it.
    pub rows: Vec<Row>,
    /// The times in which a runtime took nothing.
    pub pauses: Vec<PauseSpan>,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its path in the run: `build[parser]/code`.
    pub path: String,
    /// Its place in the plan.
    pub node: u32,
    /// How many groups it stands in.
    pub depth: usize,
    /// Where it stands.
    pub state: StepState,
    /// Whether it holds other steps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
    /// Whether the end of the run waited for it, or waits for it now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// Since when it only waits for room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Timestamp>,
    /// When it will be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wakes: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Its attempts, the latest of very many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Bar>,
}

/// One attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Bar {
    /// Its id.
    pub id: String,
    /// What kind of time it is: `run`, `gate`, `approval`.
    pub phase: &'static str,
    /// What for, in words.
    pub purpose: String,
    /// How it ended.
    pub end: &'static str,
    /// Since when only room was missing for it.
    pub ready: Timestamp,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The runtime, for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Why; empty where all went well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A time in which a runtime took nothing.
#[derive(Debug, Clone, Serialize)]
pub struct PauseSpan {
    /// Which.
    pub runtime: String,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// Makes it from a run as its journal tells it.
#[must_use]
pub fn timeline(loaded: &Loaded) -> Timeline {
    let scheduler = &loaded.scheduler;
    let mut rows = rows(scheduler);
    for place in critical(scheduler.plan(), &rows) {
        rows[place].critical = true;
    }
    let pauses = scheduler.pauses().iter().map(|pause| PauseSpan {
        runtime: pause.runtime.clone(),
        from: pause.from,
        until: pause.until,
        reason: short(&pause.reason),
    });
    Timeline {
        run: loaded.summary.run.to_string(),
        digest: scheduler.plan().digest.to_string(),
        seq: loaded.seq,
        started: loaded.summary.started,
        ended: scheduler.ended().map(|end| end.at),
        rows,
        pauses: pauses.collect(),
    }
}

/// All steps, and those of earlier iterations before those of the latest.
fn rows(scheduler: &Scheduler) -> Vec<Row> {
    let views = scheduler.views();
    let known: HashSet<&str> = views.iter().map(|view| view.path.as_str()).collect();
    let mut earlier: HashMap<InstanceId, Vec<StepView<'_>>> = HashMap::new();
    let mut is_shown = vec![false; scheduler.instances().count()];
    views.iter().for_each(|view| is_shown[view.instance.index()] = true);
    for instance in scheduler.instances().filter(|instance| !is_shown[instance.index()]) {
        let view = scheduler.view(instance);
        // What was opened anew under the same path is told by what it is now.
        if let (Some(group), false) = (scheduler.container(instance), known.contains(view.path.as_str())) {
            earlier.entry(group).or_default().push(view);
        }
    }
    let mut rows = Vec::with_capacity(is_shown.len());
    for view in &views {
        rows.push(row(scheduler, view));
        let mut open: Vec<StepView<'_>> = earlier.remove(&view.instance).unwrap_or_default();
        open.reverse();
        while let Some(view) = open.pop() {
            rows.push(row(scheduler, &view));
            let inner = earlier.remove(&view.instance).unwrap_or_default();
            open.extend(inner.into_iter().rev());
        }
    }
    rows
}

fn row(scheduler: &Scheduler, view: &StepView<'_>) -> Row {
    let mut depth = 0;
    let mut at = view.instance;
    while let Some(container) = scheduler.container(at) {
        (at, depth) = (container, depth + 1);
    }
    let latest = &view.history[view.history.len().saturating_sub(ATTEMPTS_MAX)..];
    Row {
        path: view.path.as_str().to_owned(),
        node: scheduler.plan_step(view.instance).0.0,
        depth,
        state: view.state,
        container: view.step.work.is_container(),
        critical: false,
        ready: scheduler.ready_since(view.instance),
        wakes: view.wakes,
        reason: view.cause.map(|cause| short(&cause.reason)).unwrap_or_default(),
        attempts: latest.iter().map(|record| bar(scheduler, view, record)).collect(),
    }
}

fn bar(scheduler: &Scheduler, view: &StepView<'_>, record: &AttemptRecord) -> Bar {
    let phase = match record.purpose {
        purpose if scheduler.asks_person(view.instance, purpose) => "approval",
        Purpose::Gate(_) => "gate",
        _ => "run",
    };
    Bar {
        id: format!("{}-{}", view.instance.0, record.number),
        phase,
        purpose: short(&purpose_words(scheduler, view.instance, record.purpose)),
        end: end_word(record.end),
        ready: record.ready.min(record.started),
        started: record.started,
        ended: record.ended,
        runtime: scheduler.runtime_of(view.instance, record.purpose).map(str::to_owned),
        reason: short(&record.reason),
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(WORDS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// When the last attempt of a step ended; the end of time while one goes on.
fn end_of(row: &Row) -> Option<u64> {
    row.attempts.iter().map(|bar| bar.ended.map_or(u64::MAX, |ended| ended.0)).max()
}

/// From what ended last back: before each step, the one of those it needs that ended last. Gives places of rows.
fn critical(plan: &Plan, rows: &[Row]) -> Vec<usize> {
    let body = |row: &Row| {
        let id = &plan.step(StepIx(row.node)).id;
        row.path.strip_suffix(id.as_str()).unwrap_or_default().to_owned()
    };
    let at: HashMap<(String, u32), usize> =
        rows.iter().enumerate().map(|(place, row)| ((body(row), row.node), place)).collect();
    let mut path = Vec::new();
    let mut next = last_of(rows, 0, rows.len());
    while let Some(place) = next {
        if path.len() > rows.len() {
            break;
        }
        path.push(place);
        let row = &rows[place];
        let body = body(row);
        let needs = plan.step(StepIx(row.node)).needs.iter();
        let needs = needs.filter_map(|need| at.get(&(body.clone(), need.step.0)).copied());
        let ends = needs.filter_map(|need| inside(rows, need)).max_by_key(|(_, end)| *end).map(|(place, _)| place);
        next = ends.or_else(|| before(rows, place, &path));
    }
    path
}

/// What the first step of a body had waited for: the iteration before, else what the group itself needs; the groups
/// on the way are on the path too.
fn before(rows: &[Row], place: usize, path: &[usize]) -> Option<usize> {
    let group = (0..place).rev().find(|other| rows[*other].depth + 1 == rows[place].depth)?;
    let rest = rows[place].path.strip_prefix(rows[group].path.as_str()).unwrap_or_default();
    let turn = rest.strip_prefix('#').and_then(|rest| rest.split('/').next()?.parse::<u32>().ok());
    let earlier = turn.filter(|turn| *turn > 1).map(|turn| format!("{}#{}/", rows[group].path, turn - 1));
    if let Some(earlier) = earlier {
        let first = (group..place).find(|other| rows[*other].path.starts_with(&earlier));
        let last = first.and_then(|first| last_of(rows, first, place));
        if last.is_some() {
            return last;
        }
    }
    if !path.contains(&group) {
        return Some(group);
    }
    None
}

/// The step that ended last among rows, groups left out; with its end.
fn last_of(rows: &[Row], from: usize, to: usize) -> Option<usize> {
    let steps = (from..to).filter(|place| !rows[*place].container);
    let ends = steps.filter_map(|place| Some((end_of(&rows[place])?, rows[place].attempts.last()?.started, place)));
    // Of those that go on now, the one that has taken longest.
    ends.max_by_key(|(end, started, _)| (*end, std::cmp::Reverse(*started))).map(|(_, _, place)| place)
}

/// The step itself, or of a group the step in it that ended last; with its end.
fn inside(rows: &[Row], place: usize) -> Option<(usize, u64)> {
    if !rows[place].container {
        return Some((place, end_of(&rows[place]).unwrap_or_default()));
    }
    let depth = rows[place].depth;
    let end = (place + 1..rows.len()).find(|other| rows[*other].depth <= depth).unwrap_or(rows.len());
    let last = last_of(rows, place + 1, end)?;
    Some((last, end_of(&rows[last])?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use super::*;

    fn rows(of: &[(&str, usize, bool, u64, u64)]) -> Vec<Row> {
        let bar = |from: u64, to: u64| Bar {
            id: String::new(),
            phase: "run",
            purpose: String::new(),
            end: "succeeded",
            ready: Timestamp(from),
            started: Timestamp(from),
            ended: Some(Timestamp(to)),
            runtime: None,
            reason: String::new(),
        };
        let row = |(place, (path, depth, container, from, to)): (usize, &(&str, usize, bool, u64, u64))| Row {
            path: (*path).to_owned(),
            node: u32::try_from(place).unwrap(),
            depth: *depth,
            state: StepState::Succeeded,
            container: *container,
            critical: false,
            ready: None,
            wakes: None,
            reason: String::new(),
            attempts: if *container { Vec::new() } else { vec![bar(*from, *to)] },
        };
        of.iter().enumerate().map(row).collect()
    }

    #[test]
    fn the_last_end_is_found_in_groups_too() {
        let rows =
            rows(&[("a", 0, false, 0, 5), ("g", 0, true, 0, 0), ("g[1]/b", 1, false, 5, 30), ("c", 0, false, 5, 9)]);
        assert_eq!((last_of(&rows, 0, 4), inside(&rows, 1), inside(&rows, 3)), (Some(2), Some((2, 30)), Some((3, 9))));
    }

    #[test]
    fn an_iteration_waits_for_the_one_before() {
        let rows = rows(&[("l", 0, true, 0, 0), ("l#1/b", 1, false, 0, 5), ("l#2/b", 1, false, 6, 9)]);
        let mut path = vec![2];
        assert_eq!(before(&rows, 2, &path), Some(1));
        assert_eq!(before(&rows, 1, &path), Some(0), "the group itself");
        path.push(0);
        assert_eq!(before(&rows, 1, &path), None);
    }
}
