//! What would go wrong in a run: agents that write the same files at once, sessions with two users, steps that can
//! never run.
//!
//! Knows the order of siblings, not their texts. Time is near linear in steps plus edges; pairs are never listed.

use std::collections::{HashMap, HashSet};

use crate::{
    base::Spanned,
    definition::workflow::{Join, StepKind, Workspace},
    plan::{
        compile::{
            compiler::Compiler,
            faults::{self, Place},
            order::{Sequence, sequence},
            overlap::{Claim, overlaps},
        },
        types::{AgentWork, Need, PlanContext, PlanStep, StepIx, Work},
    },
    template::Template,
};

/// Literal conditions that never hold.
const NEVER: [&str; 7] = ["false", "False", "0", "none", "null", "not true", "\"\""];

impl Compiler<'_> {
    /// All of them; call only where there is no cycle.
    pub(super) fn check_conflicts(&mut self, steps: &[PlanStep], needs: &[Vec<Need>]) {
        let bodies: Vec<Option<StepIx>> = self.draft.bodies().collect();
        let mut writers = Writers::new(self, steps);
        let ends = self.ends();
        let sessions = Sessions::new(self, steps);
        // Children come after their container, so backwards the inner bodies come first.
        for container in bodies.into_iter().rev() {
            let body = self.draft.body(container).to_vec();
            let Some(order) = sequence(&body, needs, |ix| steps[ix.index()].join) else { continue };
            self.check_reach(&order, steps, needs, &ends);
            writers.check_body(self, container, &order);
            sessions.check_body(self, container, &order);
        }
    }

    /// Steps that end the run whenever they run.
    fn ends(&self) -> Vec<bool> {
        let mut ends = vec![false; self.draft.steps.len()];
        for (ix, sketch) in self.draft.steps.iter().enumerate().rev() {
            let inside = match sketch.step.kind {
                StepKind::Stop { .. } => true,
                StepKind::Parallel { .. } | StepKind::Loop { .. } | StepKind::Workflow { .. } => {
                    sketch.children.iter().any(|child| ends[child.index()])
                }
                // There may be no item.
                StepKind::Each { .. }
                | StepKind::Agent { .. }
                | StepKind::Run(_)
                | StepKind::Approve { .. }
                | StepKind::Ask { .. }
                | StepKind::Wait(_)
                | StepKind::Emit { .. }
                | StepKind::Checkpoint { .. } => false,
            };
            ends[ix] = inside && sketch.step.when.is_none();
        }
        ends
    }

    /// Steps that can never run: reported for the first of a chain.
    fn check_reach(&mut self, order: &Sequence<'_>, steps: &[PlanStep], needs: &[Vec<Need>], ends: &[bool]) {
        let mut never: HashSet<StepIx> = HashSet::new();
        for ix in &order.steps {
            let step = self.draft.sketch(*ix).step;
            if let Some(when) = step.when.as_ref().filter(|when| NEVER.contains(&when.value.trim())) {
                let place = Place { source: self.draft.source(*ix), span: when.span };
                let fault = place.error(faults::NEVER_RUNS, format!("`{}` can never run", step.id.value));
                self.faults.push(fault.cause("this is never true").help("remove the step, or write a condition"));
            }
            let dead = |need: &&Need| ends[need.step.index()] || never.contains(&need.step);
            let count = needs[ix.index()].iter().filter(dead).count();
            let alive = needs[ix.index()].len() - count;
            let unreachable = match steps[ix.index()].join {
                Join::All => count > 0,
                Join::Any => count > 0 && alive < 1,
                Join::AtLeast(asked) => count > 0 && alive < asked as usize,
            };
            if !unreachable {
                continue;
            }
            never.insert(*ix);
            let Some(end) = needs[ix.index()].iter().find(|need| ends[need.step.index()]) else { continue };
            let stop = self.draft.place(end.step);
            let fault = self
                .draft
                .place(*ix)
                .error(faults::NEVER_RUNS, format!("`{}` can never run", step.id.value))
                .cause(format!("it needs `{}`, which ends the run", self.draft.sketch(end.step).step.id.value))
                .label(stop.span, "the run ends here, always")
                .help("give the stop a `when:`, or the step its own `needs:`");
            self.faults.push(fault);
        }
    }
}

fn agent_of(step: &PlanStep) -> Option<&AgentWork> {
    if let Work::Agent(agent) = &step.work { Some(agent) } else { None }
}

/// The agent steps that may write in the shared workspace.
struct Writers {
    /// For each container (and the top), the writers inside, at any depth, by the child that holds them.
    inside: HashMap<Option<StepIx>, Vec<(StepIx, StepIx)>>,
    reported: HashSet<StepIx>,
}

impl Writers {
    fn new(compiler: &Compiler<'_>, steps: &[PlanStep]) -> Self {
        let mut inside: HashMap<Option<StepIx>, Vec<(StepIx, StepIx)>> = HashMap::new();
        for (ix, step) in steps.iter().enumerate() {
            let mut agents = agent_of(step).into_iter().chain(&step.on_gate_fail.fixer);
            if !agents.any(|agent| agent.workspace != Workspace::Scratch && !agent.reads_only()) {
                continue;
            }
            let writer = StepIx(u32::try_from(ix).unwrap_or(u32::MAX));
            let mut here = writer;
            loop {
                // Nobody else works in its worktree.
                let is_apart = compiler.workspace(writer) == Workspace::Worktree;
                if is_apart && compiler.is_unit(here) {
                    break;
                }
                let parent = compiler.draft.sketch(here).parent;
                inside.entry(parent).or_default().push((here, writer));
                match parent {
                    Some(each) if is_apart && compiler.has_units(each) => break,
                    Some(parent) => here = parent,
                    None => break,
                }
            }
        }
        Self { inside, reported: HashSet::new() }
    }

    fn check_body(&mut self, compiler: &mut Compiler<'_>, container: Option<StepIx>, order: &Sequence<'_>) {
        let Some(writers) = self.inside.remove(&container) else { return };
        if let Some(each) = container {
            self.check_items(compiler, each, &writers);
        }
        let mut held: Vec<StepIx> = writers.iter().map(|(child, _)| *child).collect();
        held.dedup();
        held.sort_unstable();
        held.dedup();
        let free = order.beside_others(&held);
        let mut claims = Vec::new();
        for (child, writer) in writers.iter().filter(|(child, _)| free.contains(child)) {
            let step = compiler.draft.sketch(*writer).step;
            if step.files.is_empty() {
                let search = if compiler.faults.many() { &[] } else { held.as_slice() };
                let other = search.iter().find(|other| order.concurrent(*child, **other));
                let beside = other.map_or("another agent".to_owned(), |other| {
                    format!("`{}`", compiler.draft.sketch(*other).step.id.value)
                });
                self.report(compiler, *writer, &format!("{beside} may run at the same time"), None);
            }
            for file in &step.files {
                claims.push(Claim { pattern: file.value.as_str(), holder: *child, writer: *writer, file });
            }
        }
        let pairs = overlaps(&mut claims, |one, other| order.concurrent(one, other));
        for (claim, other) in pairs {
            let beside = compiler.draft.sketch(other.writer).step.id.value.clone();
            let why = format!("`{beside}` may write `{}` at the same time", other.pattern);
            self.report(compiler, claim.writer, &why, Some(claim.file));
        }
    }

    /// The items of an `each` run beside each other: every path must be the item's own.
    fn check_items(&mut self, compiler: &mut Compiler<'_>, each: StepIx, writers: &[(StepIx, StepIx)]) {
        let StepKind::Each { max_parallel, .. } = &compiler.draft.sketch(each).step.kind else { return };
        if *max_parallel == Some(1) {
            return;
        }
        let is_apart = |writer: StepIx| compiler.has_units(each) && compiler.workspace(writer) == Workspace::Worktree;
        let together: Vec<StepIx> =
            writers.iter().map(|(_, writer)| *writer).filter(|writer| !is_apart(*writer)).collect();
        for writer in together {
            let step = compiler.draft.sketch(writer).step;
            let names = item_names(compiler, each, writer);
            let shared = step.files.iter().find(|file| !reads_any(&file.value, &names));
            if step.files.is_empty() || shared.is_some() {
                let id = &compiler.draft.sketch(each).step.id.value;
                self.report(compiler, writer, &format!("items of `{id}` run at the same time"), shared);
            }
        }
    }

    fn report(&mut self, compiler: &mut Compiler<'_>, writer: StepIx, why: &str, file: Option<&Spanned<String>>) {
        if !self.reported.insert(writer) {
            return;
        }
        let step = compiler.draft.sketch(writer).step;
        let place = compiler.draft.place(writer);
        let id = &step.id.value;
        let fault = match file {
            None => place.error(faults::SHARED_FILES, format!("`{id}` does not say which files it writes")),
            Some(file) => Place { source: place.source, span: file.span }
                .error(faults::SHARED_FILES, format!("`{id}` may write the same files as another agent")),
        };
        let items = why.starts_with("items of");
        let after = if items { "`max_parallel: 1` on the `each`" } else { "`needs:` between the steps" };
        let mut help = format!("give the agent read-only `tools:`, or let them run one after the other: {after}");
        if compiler.draft.sketch(writer).children.is_empty() {
            let how = if items { "with a `{{ }}` of the item in each path" } else { "that do not overlap" };
            help = format!("declare `files:` {how}, {help}");
        }
        compiler.faults.push(fault.cause(why).help(help));
    }
}

/// What the item is called between an `each` and a step in it; the items of an inner `each` are part of it.
fn item_names(compiler: &Compiler<'_>, each: StepIx, writer: StepIx) -> Vec<String> {
    let mut names = vec!["item".to_owned(), "index".to_owned()];
    let mut here = compiler.draft.sketch(writer).parent;
    while let Some(at) = here {
        if let StepKind::Each { binding: Some(name), .. } = &compiler.draft.sketch(at).step.kind {
            names.push(name.value.clone());
        }
        here = compiler.draft.sketch(at).parent.filter(|_| at != each);
    }
    names
}

fn reads_any(text: &str, names: &[String]) -> bool {
    Template::parse(text).is_ok_and(|template| template.references().iter().any(|one| names.contains(&one.path[0])))
}

/// Which steps go on with whose session.
struct Sessions {
    /// The step that began the session, and those that go on with it.
    users: Vec<(StepIx, Vec<StepIx>)>,
}

impl Sessions {
    fn new(compiler: &mut Compiler<'_>, steps: &[PlanStep]) -> Self {
        let shares = |ix: StepIx| match agent_of(&steps[ix.index()])?.context {
            PlanContext::Share(from) => Some(from),
            PlanContext::Fresh | PlanContext::Fork(_) => None,
        };
        let mut roots: HashMap<StepIx, StepIx> = HashMap::new();
        let mut users: HashMap<StepIx, Vec<StepIx>> = HashMap::new();
        for ix in (0..steps.len()).map(|ix| StepIx(u32::try_from(ix).unwrap_or(u32::MAX))) {
            let Some(from) = shares(ix) else { continue };
            // Without cycles the chain ends; each link is followed once.
            let mut chain = vec![ix];
            let mut root = from;
            while let Some(next) = roots.get(&root).copied().or_else(|| shares(root)) {
                chain.push(root);
                root = next;
            }
            for link in chain {
                roots.insert(link, root);
            }
            users.entry(root).or_default().push(ix);
            Self::check_each(compiler, ix, from);
            Self::check_apart(compiler, ix, from);
        }
        for step in steps {
            Self::check_batch(compiler, step, steps);
        }
        let mut users: Vec<_> = users.into_iter().filter(|(_, users)| users.len() > 1).collect();
        users.sort_unstable();
        Self { users }
    }

    /// A session from outside an `each` has as many users as there are items at a time.
    fn check_each(compiler: &mut Compiler<'_>, user: StepIx, from: StepIx) {
        let around: HashSet<StepIx> = ancestors(compiler, from).into_iter().collect();
        for container in ancestors(compiler, user).into_iter().filter(|one| !around.contains(one)) {
            let sketch = compiler.draft.sketch(container);
            let StepKind::Each { max_parallel, .. } = &sketch.step.kind else { continue };
            if *max_parallel != Some(1) {
                let name = sketch.step.id.value.clone();
                let fault = Self::fault(compiler, user, from);
                compiler.faults.push(
                    fault
                        .cause(format!("items of `{name}` run at the same time"))
                        .help("use `fork:`, or `max_parallel: 1` on the `each`"),
                );
            }
        }
    }

    /// Programs find a session by the folder in which it began.
    fn check_apart(compiler: &mut Compiler<'_>, user: StepIx, from: StepIx) {
        let unit = |ix: StepIx| {
            let around = std::iter::once(ix).chain(ancestors(compiler, ix));
            let is_apart = compiler.workspace(ix) == Workspace::Worktree;
            around.filter(|_| is_apart).find(|one| compiler.is_unit(*one) || compiler.has_units(*one))
        };
        if unit(user) != unit(from) {
            let step = compiler.draft.sketch(user).step;
            let span = step.context.as_ref().map_or(step.id.span, |context| context.span);
            let place = Place { source: compiler.draft.source(user), span };
            let name = &compiler.draft.sketch(from).step.id.value;
            let fault = place.error(faults::SHARED_SESSION, format!("the session of `{name}` is in another worktree"));
            compiler.faults.push(fault.cause("a session is at home where it began").help("use `fork:`"));
        }
    }

    /// A session can go from one item to the next only where an agent begins it, where nobody else has it, and where the
    /// next item works in the same place.
    fn check_batch(compiler: &mut Compiler<'_>, step: &PlanStep, steps: &[PlanStep]) {
        let Work::Each(each) = &step.work else { return };
        if each.batch.is_none_or(|batch| batch < 2) {
            return;
        }
        let agents = || each.children.iter().filter_map(|child| Some((*child, agent_of(&steps[child.index()])?)));
        let shares = agents().find(|(_, agent)| matches!(agent.context, PlanContext::Share(_)));
        let apart = agents().find(|(_, agent)| agent.workspace != Workspace::Shared);
        let (at, cause, help) = match (agents().next(), shares, apart) {
            (None, ..) => (each.children.first().copied(), "none of its steps is an agent step", "leave `batch` out"),
            (_, Some((at, _)), _) => {
                (Some(at), "this step goes on with another session", "use `fork:`, or leave `batch` out")
            }
            (.., Some((at, _))) => (
                Some(at),
                "each item of this step works in a place of its own",
                "use the shared workspace, or leave `batch` out",
            ),
            (Some(_), None, None) => return,
        };
        let Some(at) = at else { return };
        let place = Place { source: compiler.draft.source(at), span: compiler.draft.sketch(at).step.id.span };
        let message = format!("the items of `{}` cannot go into one session", step.id);
        compiler.faults.push(place.error(faults::SHARED_SESSION, message).cause(cause).help(help));
    }

    fn fault(compiler: &Compiler<'_>, user: StepIx, from: StepIx) -> crate::base::Diagnostic {
        let step = compiler.draft.sketch(user).step;
        let span = step.context.as_ref().map_or(step.id.span, |context| context.span);
        let place = Place { source: compiler.draft.source(user), span };
        let name = &compiler.draft.sketch(from).step.id.value;
        place.error(faults::SHARED_SESSION, format!("the session of `{name}` would have two users at once"))
    }

    /// Two users of one session in different children of this body must be ordered.
    fn check_body(&self, compiler: &mut Compiler<'_>, container: Option<StepIx>, order: &Sequence<'_>) {
        for (root, users) in &self.users {
            let around = |user: &StepIx| child_around(compiler, container, *user).map(|child| (child, *user));
            let mut held: Vec<(StepIx, StepIx)> = users.iter().filter_map(around).collect();
            held.sort_by_key(|(child, user)| (order.place(*child), *user));
            // Being done before is transitive, so neighbours in the order tell of all pairs.
            for pair in held.windows(2) {
                let ((one, other), (child, user)) = (pair[0], pair[1]);
                if !order.concurrent(one, child) {
                    continue;
                }
                let name = |ix: StepIx| compiler.draft.sketch(ix).step.id.value.clone();
                let cause = format!("`{}` goes on with it too, and neither waits for the other", name(other));
                let help = format!("add `needs: [{}]` to `{}`, or use `fork:`", name(one), name(child));
                let fault = Self::fault(compiler, user, *root).cause(cause).help(help);
                compiler.faults.push(fault);
            }
        }
    }
}

fn ancestors(compiler: &Compiler<'_>, step: StepIx) -> Vec<StepIx> {
    let mut found = Vec::new();
    let mut here = compiler.draft.sketch(step).parent;
    while let Some(at) = here {
        found.push(at);
        here = compiler.draft.sketch(at).parent;
    }
    found
}

/// The child of a container that is the step or holds it.
fn child_around(compiler: &Compiler<'_>, container: Option<StepIx>, step: StepIx) -> Option<StepIx> {
    let mut here = step;
    loop {
        let parent = compiler.draft.sketch(here).parent;
        if parent == container {
            return Some(here);
        }
        here = parent?;
    }
}
