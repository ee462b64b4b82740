//! Edges: those implied by a list, those declared by `needs`, and those inferred from what is read become one need each.
//!
//! Knows nothing of cycles. Invariant: a reference only ever adds an edge; where there is one already it stays what
//! it was, and is marked as read.

use std::collections::HashMap;

use crate::{
    definition::workflow::{Join, StepKind},
    plan::{
        compile::{
            compiler::{Compiler, Edge, Spot},
            faults::{self, Place, suggest},
        },
        types::{EdgeKind, Need, StepIx},
    },
};

impl Compiler<'_> {
    /// The needs of every step.
    pub(super) fn wire(&mut self) -> Vec<Vec<Need>> {
        let bodies: Vec<Option<StepIx>> = self.draft.bodies().collect();
        for container in bodies {
            let in_order =
                container.is_none_or(|ix| !matches!(self.draft.sketch(ix).step.kind, StepKind::Parallel { .. }));
            let body = self.draft.body(container).to_vec();
            for (place, ix) in body.iter().enumerate() {
                let above = place.checked_sub(1).filter(|_| in_order).map(|above| body[above]);
                self.written_edges(*ix, container, above);
            }
        }
        (0..self.edges.len()).map(|ix| self.needs(ix)).collect()
    }

    /// The declared edges of a step, or the implied one.
    fn written_edges(&mut self, ix: StepIx, container: Option<StepIx>, above: Option<StepIx>) {
        let step = self.draft.sketch(ix).step;
        let source = self.draft.source(ix);
        let Some(needs) = &step.needs else {
            if let Some(above) = above {
                let edge =
                    Edge { to: above, kind: EdgeKind::Implied, reads: false, spot: Spot::whole(source, step.id.span) };
                self.edges[ix.index()].push(edge);
            }
            return;
        };
        for need in needs {
            let place = Place { source, span: need.span };
            let fault = match self.draft.child(container, &need.value) {
                Some(to) if to != ix => {
                    let edge =
                        Edge { to, kind: EdgeKind::Declared, reads: false, spot: Spot::whole(source, need.span) };
                    self.edges[ix.index()].push(edge);
                    continue;
                }
                Some(_) => place
                    .error(faults::UNKNOWN_NEED, format!("`{}` needs itself", need.value))
                    .cause("it would wait for ever")
                    .help("remove it"),
                None => self.unknown_need(ix, container, place, &need.value),
            };
            self.faults.push(fault);
        }
    }

    fn unknown_need(
        &self,
        ix: StepIx,
        container: Option<StepIx>,
        place: Place<'_>,
        name: &str,
    ) -> crate::base::Diagnostic {
        let fault = place.error(faults::UNKNOWN_NEED, format!("there is no step `{name}` beside this one"));
        if self.faults.many() {
            return fault.cause("not found").help("`needs` takes ids of steps in the same list");
        }
        let unit = self.draft.sketch(ix).unit;
        let mut same = self.draft.steps.iter().filter(|sketch| sketch.unit == unit);
        if let Some(other) = same.find(|sketch| sketch.step.id.value == name) {
            return fault.cause(format!("`{}` is in another list", other.path)).help(
                "`needs` takes siblings; name the container, or read a value of the step, which waits for it too",
            );
        }
        let own = self.draft.sketch(ix).step.id.value.as_str();
        let siblings = self.draft.ids(container).filter(|id| *id != own);
        fault.cause("not found").help(suggest(
            name,
            siblings,
            "steps here",
            "there is no other step here: write `needs: []`",
        ))
    }

    /// One need for each sibling: the written edge if there is one, read if any text reads it unguarded.
    fn needs(&self, ix: usize) -> Vec<Need> {
        let edges = &self.edges[ix];
        let mut needs: Vec<Need> = Vec::new();
        let mut places: HashMap<StepIx, usize> = HashMap::new();
        let inferred = |edge: &&Edge<'_>| edge.kind == EdgeKind::Inferred;
        for edge in edges.iter().filter(|edge| !inferred(edge)).chain(edges.iter().filter(inferred)) {
            let place = *places.entry(edge.to).or_insert(needs.len());
            match needs.get_mut(place) {
                Some(need) => need.reads |= edge.reads,
                None => needs.push(Need { step: edge.to, edge: edge.kind, reads: edge.reads }),
            }
        }
        needs
    }

    /// Joins that can never be met, and reads of values that may not be there yet.
    pub(super) fn check_joins(&mut self, needs: &[Vec<Need>]) {
        for (ix, needs) in needs.iter().enumerate() {
            let Some(join) = &self.draft.steps[ix].step.join else { continue };
            let step = StepIx(u32::try_from(ix).unwrap_or(u32::MAX));
            let place = Place { source: self.draft.source(step), span: join.span };
            let total = u32::try_from(needs.len()).unwrap_or(u32::MAX);
            let asked = match join.value {
                Join::All => continue,
                Join::Any => 1,
                Join::AtLeast(asked) => asked,
            };
            if asked == 0 || asked > total {
                let message = format!("the join asks for {asked} of {total} needs");
                let help = if asked == 0 {
                    "ask for 1 or more, or write `needs: []`".to_owned()
                } else {
                    "add steps to `needs:`, or ask for fewer".to_owned()
                };
                self.faults.push(place.error(faults::BAD_JOIN, message).cause("it can never be met").help(help));
            } else if asked < total {
                self.early_reads(step, join.span);
            }
        }
    }

    fn early_reads(&mut self, step: StepIx, join: crate::base::Span) {
        let reads: Vec<Edge<'_>> = self.edges[step.index()].iter().filter(|edge| edge.reads).copied().collect();
        for edge in reads {
            let name = &self.draft.sketch(edge.to).step.id.value;
            let place = edge.spot.place();
            let fault = place
                .error(faults::EARLY_READ, format!("the value of `{name}` may not be there yet"))
                .cause("the step may start before it is done")
                .help(format!("guard it: `{name} is defined`, or `| default(…)`; or use `join: all`"));
            let same = std::sync::Arc::ptr_eq(place.source, self.draft.source(step));
            self.faults.push(if same { fault.label(join, "this join does not wait for all needs") } else { fault });
        }
    }
}
