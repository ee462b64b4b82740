//! A plan as a petgraph graph, and which steps the end of the run waits for most.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};

use crate::plan::types::{EdgeKind, Plan, StepIx};

/// The plan's graph: one node for each step, in the order of [`Plan::steps`]; an edge points from a need to the step
/// that waits for it. Containers and their children are not linked: needs connect siblings only.
#[must_use]
pub fn graph(plan: &Plan) -> DiGraph<StepIx, EdgeKind> {
    let edges = plan.steps.iter().map(|step| step.needs.len()).sum();
    let mut graph = DiGraph::with_capacity(plan.steps.len(), edges);
    for ix in indices(plan) {
        graph.add_node(ix);
    }
    for (place, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            graph.add_edge(NodeIndex::new(need.step.index()), NodeIndex::new(place), need.edge);
        }
    }
    graph
}

/// The indices of all steps.
pub(super) fn indices(plan: &Plan) -> impl DoubleEndedIterator<Item = StepIx> + ExactSizeIterator + use<> {
    let count = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    (0..count).map(StepIx).collect::<Vec<_>>().into_iter()
}

/// Siblings in rows: a step stands one row below the lowest of its needs.
pub(super) fn rows(plan: &Plan, body: &[StepIx]) -> Vec<Vec<StepIx>> {
    let order = in_order(plan, body);
    let mut row_of = HashMap::with_capacity(body.len());
    let mut rows: Vec<Vec<StepIx>> = Vec::new();
    for ix in order {
        let needs = plan.step(ix).needs.iter().filter_map(|need| row_of.get(&need.step));
        let row: usize = needs.max().map_or(0, |row| row + 1);
        row_of.insert(ix, row);
        if rows.len() <= row {
            rows.resize_with(row + 1, Vec::new);
        }
        rows[row].push(ix);
    }
    for row in &mut rows {
        row.sort_unstable();
    }
    rows
}

/// Siblings with every need before the step that waits for it.
fn in_order(plan: &Plan, body: &[StepIx]) -> Vec<StepIx> {
    let mut left: HashMap<StepIx, usize> = HashMap::with_capacity(body.len());
    let mut waiting: HashMap<StepIx, Vec<StepIx>> = HashMap::new();
    for ix in body {
        left.insert(*ix, plan.step(*ix).needs.len());
        for need in &plan.step(*ix).needs {
            waiting.entry(need.step).or_default().push(*ix);
        }
    }
    let mut order: Vec<StepIx> = body.iter().filter(|ix| plan.step(**ix).needs.is_empty()).copied().collect();
    let mut done = 0;
    while let Some(ix) = order.get(done).copied() {
        done += 1;
        for waits in waiting.get(&ix).into_iter().flatten() {
            if let Some(count) = left.get_mut(waits) {
                *count -= 1;
                if *count == 0 {
                    order.push(*waits);
                }
            }
        }
    }
    order
}

/// For each step, the number of leaf steps on the longest way from it, itself included, to the end of the run. Each
/// fan-out and each loop counts once.
#[must_use]
pub fn distances(plan: &Plan) -> Vec<u32> {
    let (lengths, mut distances) = measured(plan);
    // What comes after the container comes after its children too.
    for ix in indices(plan) {
        if let Some(parent) = plan.step(ix).parent {
            distances[ix.index()] += distances[parent.index()] - lengths[parent.index()];
        }
    }
    distances
}

/// How long each step is by itself, and how far it is from it to the end of its body.
fn measured(plan: &Plan) -> (Vec<u32>, Vec<u32>) {
    // How long a step is by itself: for a container the longest way through it. Children come after parents.
    let mut lengths = vec![1u32; plan.steps.len()];
    let mut within = vec![0u32; plan.steps.len()];
    for ix in indices(plan).rev() {
        let children = plan.step(ix).work.children();
        if !children.is_empty() {
            body_distances(plan, children, &lengths, &mut within);
            lengths[ix.index()] = children.iter().map(|child| within[child.index()]).max().unwrap_or(1);
        }
    }
    body_distances(plan, &plan.roots, &lengths, &mut within);
    (lengths, within)
}

/// The steps on one longest way through the plan, containers before what is in them.
#[must_use]
pub fn critical_path(plan: &Plan) -> Vec<StepIx> {
    let (lengths, within) = measured(plan);
    let mut waiting: HashMap<StepIx, Vec<StepIx>> = HashMap::new();
    for ix in indices(plan) {
        for need in &plan.step(ix).needs {
            waiting.entry(need.step).or_default().push(ix);
        }
    }
    let first = |of: &[StepIx]| of.iter().copied().max_by_key(|ix| (within[ix.index()], std::cmp::Reverse(*ix)));
    let mut path = Vec::new();
    let mut ways: Vec<StepIx> = first(&plan.roots).into_iter().collect();
    while let Some(ix) = ways.pop() {
        path.push(ix);
        let rest = within[ix.index()] - lengths[ix.index()];
        let next = waiting.get(&ix).into_iter().flatten().find(|next| rest > 0 && within[next.index()] == rest);
        ways.extend(next);
        ways.extend(first(plan.step(ix).work.children()));
    }
    path
}

fn body_distances(plan: &Plan, body: &[StepIx], lengths: &[u32], within: &mut [u32]) {
    for ix in body {
        within[ix.index()] = 0;
    }
    for ix in in_order(plan, body).into_iter().rev() {
        // Those that wait for this step have already left their distance here.
        within[ix.index()] += lengths[ix.index()];
        let own = within[ix.index()];
        for need in &plan.step(ix).needs {
            within[need.step.index()] = within[need.step.index()].max(own);
        }
    }
}

/// All steps, those that the most steps in a row wait for first. Among siblings a need always stands before the steps
/// that wait for it.
#[must_use]
pub fn critical_order(plan: &Plan) -> Vec<StepIx> {
    let distances = distances(plan);
    let mut order: Vec<StepIx> = indices(plan).collect();
    order.sort_by_key(|ix| (std::cmp::Reverse(distances[ix.index()]), *ix));
    order
}
