//! The plan as a picture for screens: where each step stands and which ways lead to it, as numbers.
//!
//! The same layout as the SVG with fewer words, so that thousands of steps can be seen; large groups are folded.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::plan::{
    draw::{
        escape::visible,
        layout::{Look, layout},
        words,
    },
    graph::{critical_path, indices},
    types::{Plan, StepIx},
};

/// A group with more steps than this is folded, where nobody says otherwise.
const FOLDED_FROM: u32 = 24;

/// Where everything stands, in pixels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Picture {
    /// How wide it is.
    pub width: u32,
    /// How high it is.
    pub height: u32,
    /// All steps in the order of the plan, parents before children.
    pub steps: Vec<PictureStep>,
    /// The ways between those that are drawn.
    pub edges: Vec<PictureEdge>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PictureStep {
    /// Its place in the plan.
    pub ix: u32,
    /// Its path in the plan: `quality/review`.
    pub path: String,
    /// Its id, cut to what fits.
    pub id: String,
    /// What it does, in words, cut to what fits.
    pub kind: String,
    /// The group that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// x, y, width, height; absent where it stands in a folded group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<[u32; 4]>,
    /// How many steps stand in it, at any depth; 0 for what is no group.
    pub holds: u32,
    /// Whether what stands in it is not drawn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub folded: bool,
    /// Whether it is on the longest way through the plan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// How many gates it must pass.
    #[serde(skip_serializing_if = "is_zero")]
    pub gates: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PictureEdge {
    /// The step that is needed.
    pub from: u32,
    /// The step that waits for it.
    pub to: u32,
    /// Where it comes from: `implied declared inferred`.
    pub kind: &'static str,
    /// Its corners: x, y, x, y, and so on.
    pub points: Vec<u32>,
}

/// Draws a plan. `toggled` are the groups that stand other than they would by themselves.
#[must_use]
pub fn picture(plan: &Plan, toggled: &BTreeSet<StepIx>) -> Picture {
    let mut holds = vec![0u32; plan.steps.len()];
    for ix in indices(plan).rev() {
        if let Some(parent) = plan.step(ix).parent {
            holds[parent.index()] += holds[ix.index()] + 1;
        }
    }
    let is_folded = |ix: &StepIx| {
        let held = holds[ix.index()];
        held > 0 && (held > FOLDED_FROM) != toggled.contains(ix)
    };
    let folded: BTreeSet<StepIx> = indices(plan).filter(is_folded).collect();
    let critical: BTreeSet<StepIx> = critical_path(plan).into_iter().collect();
    let layout = layout(plan, Look { is_brief: true, folded: &folded });
    let steps = indices(plan).map(|ix| {
        let (step, frame) = (plan.step(ix), &layout.frames[ix.index()]);
        let is_drawn = frame.width > 0.0;
        let line = |place: usize| frame.lines.get(place).cloned();
        PictureStep {
            ix: ix.0,
            path: visible(&step.path),
            id: line(0).unwrap_or_else(|| visible(&step.id)),
            kind: line(1).unwrap_or_else(|| words::kind(plan, step)),
            parent: step.parent.map(|parent| parent.0),
            place: is_drawn.then(|| [frame.x, frame.y, frame.width, frame.height].map(whole)),
            holds: holds[ix.index()],
            folded: folded.contains(&ix),
            critical: critical.contains(&ix),
            gates: step.gates.len(),
        }
    });
    let edges = layout.lines.iter().map(|line| PictureEdge {
        from: line.from.0,
        to: line.to.0,
        kind: words::edge(line.kind),
        points: line.points.iter().flat_map(|(x, y)| [whole(*x), whole(*y)]).collect(),
    });
    Picture { width: whole(layout.width), height: whole(layout.height), steps: steps.collect(), edges: edges.collect() }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places are positive and small")]
fn whole(length: f64) -> u32 {
    length.round() as u32
}
