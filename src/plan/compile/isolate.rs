//! Work in worktrees: which steps have one of their own, and the merge step behind each.
//!
//! Knows nothing of git. Invariant: whoever needs an isolated step needs its merge instead, so nobody begins before the
//! work has come back, and counts of needs stay what they were.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use crate::{
    base::Source,
    definition::{
        merging::{MergeOrder, MergeStrategy},
        workflow::{Join, OnFailure, RetryOn, Step, StepKind, Workspace},
    },
    plan::{
        compile::{
            compiler::Compiler,
            faults::{self, Place},
        },
        isolated::MergeWork,
        policy::{GateFail, PlanGate, RecoveryPolicy, RetryPolicy},
        types::{EdgeKind, Need, PlanStep, StepIx, Work},
    },
};

/// What stands around the merges that one step declares.
#[derive(Debug)]
pub(super) struct Merging {
    step: StepIx,
    order: MergeOrder,
    strategy: MergeStrategy,
    gates: Vec<PlanGate>,
    fail: GateFail,
}

impl<'a> Compiler<'a> {
    /// Reads the `merge:` of a step, where it has one.
    pub(super) fn merge_of(&mut self, ix: StepIx, step: &'a Step, source: &'a Arc<Source>) {
        let Some(merge) = &step.merge else { return };
        let around = self.draft.sketch(ix).parent.map(|parent| self.workspace(parent));
        if around == Some(Workspace::Worktree) {
            let span = step.workspace.as_ref().map_or(merge.span, |workspace| workspace.span);
            let fault = Place { source, span }
                .error(faults::WORKTREE_INSIDE, format!("`{}` already works in the worktree around it", step.id.value));
            self.faults.push(fault.cause("a second one").help("remove `workspace:` and `merge:` here"));
            return;
        }
        let gates = self.merge_gates(ix, &merge.value.gate, source);
        let on_conflict = &merge.value.on_conflict;
        let name = on_conflict.agent.as_ref();
        let fixer = name.and_then(|name| self.fixer(step, source, name, Workspace::Worktree));
        let fail = GateFail { feedback: name.is_some(), fixer, tries: on_conflict.tries, then: on_conflict.then };
        let (order, strategy) = (merge.value.order, merge.value.strategy);
        self.merges.push(Merging { step: ix, order, strategy, gates, fail });
    }

    /// Whether a step has a worktree of its own: it says so, or it is a branch of a `parallel` that says so.
    pub(super) fn is_unit(&self, ix: StepIx) -> bool {
        let sketch = self.draft.sketch(ix);
        if sketch.step.merge.is_some() {
            return !matches!(sketch.step.kind, StepKind::Parallel { .. } | StepKind::Each { .. });
        }
        let parent = sketch.parent.map(|parent| self.draft.sketch(parent).step);
        let is_branch =
            parent.is_some_and(|parent| parent.merge.is_some() && matches!(parent.kind, StepKind::Parallel { .. }));
        is_branch && sketch.step.workspace.is_none() && may_write(&sketch.step.kind)
    }

    /// Whether each item of a step has a worktree of its own.
    pub(super) fn has_units(&self, ix: StepIx) -> bool {
        let step = self.draft.sketch(ix).step;
        step.merge.is_some() && matches!(step.kind, StepKind::Each { .. })
    }

    /// Puts a merge step behind every unit.
    pub(super) fn add_merges(&mut self, steps: &mut Vec<PlanStep>, roots: &mut Vec<StepIx>) {
        for merging in std::mem::take(&mut self.merges) {
            let ix = merging.step;
            if self.has_units(ix) {
                steps[ix.index()].isolated = true;
                let body = steps[ix.index()].work.children().iter();
                let needs = body.map(|step| Need { step: *step, edge: EdgeKind::Inferred, reads: false }).collect();
                let made = add(steps, &merging, None, Some(ix), needs);
                steps[ix.index()].work.children_mut().unwrap_or(roots).push(made);
                continue;
            }
            let is_parallel = matches!(self.draft.sketch(ix).step.kind, StepKind::Parallel { .. });
            let units = if is_parallel { listed(steps, ix) } else { vec![ix] };
            let parent = if is_parallel { Some(ix) } else { steps[ix.index()].parent };
            let mut behind = HashMap::new();
            for unit in units.into_iter().filter(|unit| self.is_unit(*unit)) {
                steps[unit.index()].isolated = true;
                // A unit that was skipped or has failed has nothing to bring back: its merge is skipped.
                let needs = vec![Need { step: unit, edge: EdgeKind::Inferred, reads: true }];
                behind.insert(unit, add(steps, &merging, Some(unit), parent, needs));
            }
            let siblings = match parent {
                Some(parent) => steps[parent.index()].work.children_mut().unwrap_or(roots),
                None => &mut *roots,
            };
            let old = std::mem::take(siblings);
            siblings.extend(old.iter().flat_map(|one| [Some(*one), behind.get(one).copied()]).flatten());
            for sibling in old {
                for need in &mut steps[sibling.index()].needs {
                    need.step = behind.get(&need.step).copied().unwrap_or(need.step);
                }
            }
        }
    }
}

/// Whether a step can leave anything in a worktree.
fn may_write(kind: &StepKind) -> bool {
    match kind {
        StepKind::Agent { .. }
        | StepKind::Run(_)
        | StepKind::Parallel { .. }
        | StepKind::Each { .. }
        | StepKind::Loop { .. }
        | StepKind::Workflow { .. } => true,
        StepKind::Approve { .. }
        | StepKind::Ask { .. }
        | StepKind::Wait(_)
        | StepKind::Emit { .. }
        | StepKind::Checkpoint { .. }
        | StepKind::Stop { .. } => false,
    }
}

/// The branches of a `parallel` as they are written, except that one comes after those that it needs: each waits for the
/// merges before it, and must not wait for itself.
fn listed(steps: &[PlanStep], container: StepIx) -> Vec<StepIx> {
    let body = steps[container.index()].work.children();
    let places: HashMap<StepIx, usize> = body.iter().enumerate().map(|(place, ix)| (*ix, place)).collect();
    let mut open: Vec<usize> = body.iter().map(|ix| steps[ix.index()].needs.len()).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); body.len()];
    for (place, ix) in body.iter().enumerate() {
        for need in &steps[ix.index()].needs {
            waiting[places[&need.step]].push(place);
        }
    }
    let mut ready: BinaryHeap<_> = (0..body.len()).filter(|place| open[*place] == 0).map(Reverse).collect();
    let mut listed = Vec::with_capacity(body.len());
    while let Some(Reverse(place)) = ready.pop() {
        listed.push(body[place]);
        for next in &waiting[place] {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.push(Reverse(*next));
            }
        }
    }
    listed
}

/// Makes one merge step; the caller puts it into the body of `parent`.
fn add(
    steps: &mut Vec<PlanStep>,
    merging: &Merging,
    of: Option<StepIx>,
    parent: Option<StepIx>,
    needs: Vec<Need>,
) -> StepIx {
    let ix = StepIx(u32::try_from(steps.len()).unwrap_or(u32::MAX));
    let declaring = &steps[merging.step.index()];
    let unit = of.map(|of| &steps[of.index()]);
    let rank = match merging.order {
        MergeOrder::AsFinished => None,
        // The index only grows, so the order in which they are made is the order in which they merge.
        MergeOrder::AsListed => Some(ix.0),
    };
    let made = PlanStep {
        id: format!("{}@merge", unit.map_or("", |unit| unit.id.as_str())),
        path: unit.map_or_else(|| format!("{}/@merge", declaring.path), |unit| format!("{}@merge", unit.path)),
        parent,
        line: declaring.line,
        work: Work::Merge(MergeWork { of, strategy: merging.strategy, rank }),
        needs,
        join: Join::All,
        when: None,
        gates: merging.gates.clone(),
        on_gate_fail: merging.fail.clone(),
        // What failed may fit after it has been proposed anew, on top of what came in between.
        retry: RetryPolicy { on: RetryOn::Any, ..RetryPolicy::default() },
        timeout_ms: None,
        idle_timeout_ms: None,
        recovery: RecoveryPolicy::Retry,
        optional: unit.is_some_and(|unit| unit.optional),
        on_failure: OnFailure::Drain,
        output: None,
        with: Vec::new(),
        env: declaring.env.clone(),
        secrets: Vec::new(),
        args: Vec::new(),
        files: Vec::new(),
        summary: None,
        cache: None,
        sandbox: declaring.sandbox.clone(),
        isolated: false,
    };
    steps.push(made);
    ix
}
