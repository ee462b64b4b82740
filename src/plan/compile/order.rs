//! The order of siblings: cycles, and who is surely done before whom.
//!
//! Knows needs only. petgraph's `tarjan_scc` calls itself once for each step of a chain, so a list of 20,000 steps would
//! overflow the stack; `toposort` and `kosaraju_scc` keep their own.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
};

use petgraph::{algo, graph::DiGraph};

use crate::{
    base::Diagnostic,
    definition::workflow::Join,
    plan::{
        compile::{
            compiler::{Compiler, Edge},
            faults,
        },
        types::{EdgeKind, Need, StepIx},
    },
};

/// Siblings and the edges between them; an edge points from a need to the step that waits.
fn graph(body: &[StepIx], needs: &[Vec<Need>]) -> DiGraph<StepIx, ()> {
    let edges = body.iter().map(|ix| needs[ix.index()].len()).sum();
    let mut graph = DiGraph::with_capacity(body.len(), edges);
    let nodes: HashMap<StepIx, _> = body.iter().map(|ix| (*ix, graph.add_node(*ix))).collect();
    for ix in body {
        for need in &needs[ix.index()] {
            graph.add_edge(nodes[&need.step], nodes[ix], ());
        }
    }
    graph
}

/// Siblings in an order in which needs come first.
pub(super) struct Sequence<'n> {
    pub(super) steps: Vec<StepIx>,
    places: HashMap<StepIx, usize>,
    needs: &'n [Vec<Need>],
    /// Whether the step at a place waits for all its needs.
    waits_for_all: Vec<bool>,
    /// Whether each step needs the one before it: then nothing runs at once.
    chain: bool,
    /// For each place, the places that are surely done before, as bits; made when first asked for.
    before: OnceCell<Vec<u64>>,
}

impl Sequence<'_> {
    fn words(&self) -> usize {
        self.steps.len().div_ceil(64)
    }

    fn before(&self) -> &[u64] {
        self.before.get_or_init(|| {
            let words = self.words();
            let mut before = vec![0u64; words * self.steps.len()];
            for (place, ix) in self.steps.iter().enumerate() {
                let all = self.waits_for_all[place];
                let (done, rest) = before.split_at_mut(place * words);
                let row = &mut rest[..words];
                for (count, need) in self.needs[ix.index()].iter().enumerate() {
                    let earlier = self.places[&need.step];
                    let of_need = &done[earlier * words..][..words];
                    for (word, bits) in row.iter_mut().enumerate() {
                        let own = if earlier / 64 == word { 1 << (earlier % 64) } else { 0 };
                        let with_need = of_need[word] | own;
                        // A step that starts with some of its needs comes only after what comes before each of them.
                        *bits = match (all, count) {
                            (true, _) => *bits | with_need,
                            (false, 0) => with_need,
                            (false, _) => *bits & with_need,
                        };
                    }
                }
            }
            before
        })
    }

    /// Where the step stands.
    pub(super) fn place(&self, step: StepIx) -> usize {
        self.places[&step]
    }

    /// Whether the first is surely done before the second starts.
    pub(super) fn precedes(&self, first: StepIx, second: StepIx) -> bool {
        let (first, second) = (self.places[&first], self.places[&second]);
        if self.chain {
            return first < second;
        }
        self.before()[second * self.words() + first / 64] >> (first % 64) & 1 == 1
    }

    /// Whether the two may run at once.
    pub(super) fn concurrent(&self, one: StepIx, other: StepIx) -> bool {
        one != other && !self.precedes(one, other) && !self.precedes(other, one)
    }

    /// Those of these steps that may run at the same time as another of them.
    pub(super) fn beside_others(&self, steps: &[StepIx]) -> HashSet<StepIx> {
        if self.chain || steps.len() < 2 {
            return HashSet::new();
        }
        let words = self.words();
        let mut mask = vec![0u64; words];
        for step in steps {
            let place = self.places[step];
            mask[place / 64] |= 1 << (place % 64);
        }
        let mut ordered = vec![0usize; self.steps.len()];
        for step in steps {
            let place = self.places[step];
            let row = &self.before()[place * words..][..words];
            for (word, (row, mask)) in row.iter().zip(&mask).enumerate() {
                let mut left = row & mask;
                ordered[place] += left.count_ones() as usize;
                while left != 0 {
                    ordered[word * 64 + left.trailing_zeros() as usize] += 1;
                    left &= left - 1;
                }
            }
        }
        steps.iter().filter(|step| ordered[self.places[step]] + 1 < steps.len()).copied().collect()
    }
}

/// Puts siblings in order; none where there is a cycle. `joins` gives the join of a step.
pub(super) fn sequence<'n>(
    body: &[StepIx],
    needs: &'n [Vec<Need>],
    joins: impl Fn(StepIx) -> Join,
) -> Option<Sequence<'n>> {
    let graph = graph(body, needs);
    let steps: Vec<StepIx> = algo::toposort(&graph, None).ok()?.into_iter().map(|node| graph[node]).collect();
    let places: HashMap<StepIx, usize> = steps.iter().enumerate().map(|(place, ix)| (*ix, place)).collect();
    let all = |ix: &StepIx| match joins(*ix) {
        Join::All => true,
        Join::Any => needs[ix.index()].len() < 2,
        Join::AtLeast(count) => count as usize >= needs[ix.index()].len(),
    };
    let waits_for_all: Vec<bool> = steps.iter().map(all).collect();
    let follows = |pair: &[StepIx]| needs[pair[1].index()].iter().any(|need| need.step == pair[0]);
    let chain = waits_for_all.iter().all(|all| *all) && steps.windows(2).all(follows);
    Some(Sequence { steps, places, needs, waits_for_all, chain, before: OnceCell::new() })
}

impl Compiler<'_> {
    /// Reports every circle of siblings; gives whether there is none.
    pub(super) fn check_cycles(&mut self, needs: &[Vec<Need>]) -> bool {
        let bodies: Vec<Option<StepIx>> = self.draft.bodies().collect();
        let mut none = true;
        for container in bodies {
            let graph = graph(self.draft.body(container), needs);
            if algo::toposort(&graph, None).is_ok() {
                continue;
            }
            none = false;
            for tangle in algo::kosaraju_scc(&graph) {
                let members: HashSet<StepIx> = tangle.iter().map(|node| graph[*node]).collect();
                if members.len() > 1 {
                    let fault = self.cycle(&members, needs);
                    self.faults.push(fault);
                }
            }
        }
        none
    }

    /// The edge of `step` to `to` that explains it best: the written one.
    fn reason(&self, step: StepIx, to: StepIx) -> Option<Edge<'_>> {
        let edges = self.edges[step.index()].iter().filter(|edge| edge.to == to);
        edges.min_by_key(|edge| edge.kind == EdgeKind::Inferred).copied()
    }

    /// A shortest circle among steps that all reach each other, told edge by edge.
    fn cycle(&self, members: &HashSet<StepIx>, needs: &[Vec<Need>]) -> Diagnostic {
        let circle = shortest_circle(members, needs);
        let id = |ix: StepIx| self.draft.sketch(ix).step.id.value.as_str();
        let mut names: Vec<&str> = circle.iter().map(|ix| id(*ix)).collect();
        names.push(names[0]);
        let mut told = Vec::new();
        let mut labels = Vec::new();
        let first = self.draft.source(circle[0]);
        for (place, ix) in circle.iter().enumerate() {
            let to = circle[(place + 1) % circle.len()];
            let Some(edge) = self.reason(*ix, to) else { continue };
            let at = edge.spot.place();
            let (kind, why) = match edge.kind {
                EdgeKind::Implied => ("implied", "the step above it"),
                EdgeKind::Declared => ("declared", "`needs`"),
                EdgeKind::Inferred => ("inferred", "reads it"),
            };
            let line = at.source.position(at.span.start).line;
            told.push(format!("`{}` needs `{}` ({kind}, {}:{line})", id(*ix), id(to), at.source.path.display()));
            if std::sync::Arc::ptr_eq(at.source, first) {
                labels.push((at.span, format!("`{}` needs `{}`: {kind}, {why}", id(*ix), id(to))));
            }
        }
        let shown = if names.len() > 12 { [&names[..10], &["…", names[0]]].concat() } else { names };
        let mut labels = labels.into_iter();
        let (span, cause) = labels.next().unwrap_or((self.draft.place(circle[0]).span, "in the circle".to_owned()));
        let mut fault =
            Diagnostic::error(faults::CYCLE, first, span, format!("steps wait for each other: {}", shown.join(" -> ")))
                .cause(cause)
                .help(format!("remove one of these: {}", told.join("; ")));
        for (span, text) in labels.take(11) {
            fault = fault.label(span, text);
        }
        fault
    }
}

/// The steps of a shortest circle through the earliest member, each needing the next.
fn shortest_circle(members: &HashSet<StepIx>, needs: &[Vec<Need>]) -> Vec<StepIx> {
    let Some(start) = members.iter().min().copied() else { return Vec::new() };
    let mut from: HashMap<StepIx, StepIx> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for need in needs[at.index()].iter().filter(|need| members.contains(&need.step)) {
            if need.step == start {
                let mut circle = vec![at];
                while let Some(previous) = circle.last().filter(|last| **last != start).and_then(|last| from.get(last))
                {
                    circle.push(*previous);
                }
                circle.reverse();
                return circle;
            }
            if let Entry::Vacant(entry) = from.entry(need.step) {
                entry.insert(at);
                open.push_back(need.step);
            }
        }
    }
    vec![start]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn need(step: u32) -> Need {
        Need { step: StepIx(step), edge: EdgeKind::Declared, reads: false }
    }

    #[test]
    fn order_is_transitive_and_any_promises_little() {
        // 0 -> 1 -> 3 and 0 -> 2 -> 3.
        let needs = vec![vec![], vec![need(0)], vec![need(0)], vec![need(1), need(2)]];
        let body: Vec<StepIx> = (0..4).map(StepIx).collect();
        let all = sequence(&body, &needs, |_| Join::All).unwrap();
        assert!(all.precedes(StepIx(0), StepIx(3)) && all.precedes(StepIx(1), StepIx(3)));
        assert!(all.concurrent(StepIx(1), StepIx(2)));
        let any = sequence(&body, &needs, |ix| if ix.0 == 3 { Join::Any } else { Join::All }).unwrap();
        assert!(any.precedes(StepIx(0), StepIx(3)) && any.concurrent(StepIx(1), StepIx(3)));
        assert_eq!(all.beside_others(&body), HashSet::from([StepIx(1), StepIx(2)]));
        assert_eq!(any.beside_others(&body), HashSet::from([StepIx(1), StepIx(2), StepIx(3)]));
    }

    #[test]
    fn a_long_chain_needs_neither_stack_nor_memory() {
        let needs: Vec<Vec<Need>> =
            (0..20_000u32).map(|ix| ix.checked_sub(1).map(need).into_iter().collect()).collect();
        let body: Vec<StepIx> = (0..20_000).map(StepIx).collect();
        let chain = sequence(&body, &needs, |_| Join::All).unwrap();
        assert!(chain.chain && chain.precedes(StepIx(3), StepIx(19_999)));
        assert!(chain.before.get().is_none());
    }
}
