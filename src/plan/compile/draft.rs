//! All steps of a workflow and of those it calls, in one list, with who stands in whom and under which name.
//!
//! Knows nothing of texts or edges. Invariants: parents come before their children; a name finds at most one step in
//! a container; the list never grows past the bound, however often workflows call each other.

use std::{collections::HashMap, sync::Arc};

use crate::{
    base::{Source, Spanned},
    definition::{
        Library,
        workflow::{Step, StepKind, Workflow},
    },
    plan::{
        compile::faults::{self, Faults, Place, suggest},
        defaults,
        types::StepIx,
    },
};

const CALLS_MAX: usize = 16;
const CONTAINERS_MAX: usize = 64;

/// Words of the scope; the loader refuses them as ids.
const RESERVED: [&str; 9] = ["inputs", "env", "models", "this", "item", "index", "iteration", "result", "loop"];
/// Words of the expression language: a text could not read a step with such an id.
const LANGUAGE: [&str; 11] = ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "null"];

/// Whether a word cannot be a step's id.
pub(super) fn is_taken(word: &str) -> bool {
    RESERVED.contains(&word) || LANGUAGE.contains(&word)
}

/// One workflow document: the one that was asked for, or one that a step calls (once for each call).
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) workflow: &'a Workflow,
    /// The step that calls it.
    pub(super) call: Option<StepIx>,
    pub(super) roots: Vec<StepIx>,
}

/// A step and where it stands.
#[derive(Debug)]
pub(super) struct Sketch<'a> {
    pub(super) step: &'a Step,
    pub(super) unit: usize,
    /// The container, or the step that calls its workflow.
    pub(super) parent: Option<StepIx>,
    pub(super) children: Vec<StepIx>,
    pub(super) path: String,
    pub(super) line: u32,
    /// For a call: the workflow that runs there.
    pub(super) callee: Option<usize>,
}

/// All steps, and all workflows they come from.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) steps: Vec<Sketch<'a>>,
    pub(super) units: Vec<Unit<'a>>,
    names: HashMap<(Option<StepIx>, &'a str), StepIx>,
}

impl<'a> Draft<'a> {
    pub(super) fn sketch(&self, ix: StepIx) -> &Sketch<'a> {
        &self.steps[ix.index()]
    }

    /// The child of a container (or the step at the top) with that id.
    pub(super) fn child(&self, container: Option<StepIx>, id: &str) -> Option<StepIx> {
        self.names.get(&(container, id)).copied()
    }

    /// The steps beside each other in a container, or at the top.
    pub(super) fn body(&self, container: Option<StepIx>) -> &[StepIx] {
        container.map_or(&self.units[0].roots, |ix| &self.sketch(ix).children)
    }

    /// The ids of the steps in a container, or at the top.
    pub(super) fn ids(&self, container: Option<StepIx>) -> impl Iterator<Item = &'a str> {
        self.body(container).iter().map(|ix| self.sketch(*ix).step.id.value.as_str())
    }

    /// The file of a step.
    pub(super) fn source(&self, ix: StepIx) -> &'a Arc<Source> {
        &self.units[self.sketch(ix).unit].workflow.source
    }

    /// The place of a step's id.
    pub(super) fn place(&self, ix: StepIx) -> Place<'a> {
        Place { source: self.source(ix), span: self.sketch(ix).step.id.span }
    }

    /// All containers (and the top, as `None`) that hold steps.
    pub(super) fn bodies(&self) -> impl Iterator<Item = Option<StepIx>> {
        let containers = (0..self.steps.len()).filter(|ix| !self.steps[*ix].children.is_empty());
        std::iter::once(None).chain(containers.map(|ix| u32::try_from(ix).ok().map(StepIx)))
    }
}

/// Lays out a workflow; `None` where it is larger than any plan may be.
pub(super) fn outline<'a>(library: &'a Library, workflow: &'a Workflow, faults: &mut Faults) -> Option<Draft<'a>> {
    let draft = Draft { steps: Vec::new(), units: Vec::new(), names: HashMap::new() };
    let mut outliner = Outliner { library, draft, faults, lines: HashMap::new(), calls: Vec::new() };
    outliner.unit(workflow, None)?;
    Some(outliner.draft)
}

struct Outliner<'a, 'f> {
    library: &'a Library,
    draft: Draft<'a>,
    faults: &'f mut Faults,
    /// Where the lines of each source begin.
    lines: HashMap<usize, Vec<usize>>,
    /// The workflows around the one that is being laid out.
    calls: Vec<&'a Workflow>,
}

fn same_document(one: &Workflow, other: &Workflow) -> bool {
    std::ptr::eq(one, other) || (one.name.value == other.name.value && one.source.path == other.source.path)
}

/// The names that a container gives to what is inside it.
fn binding(kind: &StepKind) -> Option<&Spanned<String>> {
    match kind {
        StepKind::Each { binding, .. } => binding.as_ref(),
        StepKind::Agent { .. }
        | StepKind::Run(_)
        | StepKind::Approve { .. }
        | StepKind::Ask { .. }
        | StepKind::Wait(_)
        | StepKind::Emit { .. }
        | StepKind::Checkpoint { .. }
        | StepKind::Stop { .. }
        | StepKind::Parallel { .. }
        | StepKind::Loop { .. }
        | StepKind::Workflow { .. } => None,
    }
}

impl<'a> Outliner<'a, '_> {
    fn unit(&mut self, workflow: &'a Workflow, call: Option<StepIx>) -> Option<usize> {
        let index = self.draft.units.len();
        self.draft.units.push(Unit { workflow, call, roots: Vec::new() });
        self.calls.push(workflow);
        let roots = self.body(&workflow.steps, index, call, 0)?;
        self.calls.pop();
        self.draft.units[index].roots = roots;
        Some(index)
    }

    fn body(&mut self, steps: &'a [Step], unit: usize, parent: Option<StepIx>, depth: usize) -> Option<Vec<StepIx>> {
        let mut children = Vec::with_capacity(steps.len());
        for step in steps {
            children.push(self.step(step, unit, parent, depth)?);
        }
        Some(children)
    }

    fn step(&mut self, step: &'a Step, unit: usize, parent: Option<StepIx>, depth: usize) -> Option<StepIx> {
        let source = &self.draft.units[unit].workflow.source;
        let place = Place { source, span: step.id.span };
        if self.draft.steps.len() >= defaults::STEPS_MAX {
            let count = defaults::STEPS_MAX;
            self.faults.push(
                place
                    .error(faults::TOO_LARGE, format!("the workflow has more than {count} steps"))
                    .cause("this is one too many, counting those of called workflows")
                    .help("run the same steps over many items with `each:`, or split the workflow"),
            );
            return None;
        }
        if depth > CONTAINERS_MAX {
            self.faults.push(
                place
                    .error(faults::TOO_LARGE, format!("more than {CONTAINERS_MAX} containers inside each other"))
                    .cause("this step is too deep")
                    .help("move the inner steps into a workflow of their own"),
            );
            return None;
        }
        let ix = StepIx(u32::try_from(self.draft.steps.len()).ok()?);
        let id = step.id.value.as_str();
        let path = parent.map_or_else(|| id.to_owned(), |parent| format!("{}/{id}", self.draft.sketch(parent).path));
        let line = self.line(source, step.span.start);
        let sketch = Sketch { step, unit, parent, children: Vec::new(), path, line, callee: None };
        self.draft.steps.push(sketch);
        self.name(ix, place, parent);
        if let StepKind::Workflow { name } = &step.kind {
            let callee = self.call(name, ix)?;
            self.draft.steps[ix.index()].callee = callee;
            if let Some(callee) = callee {
                self.draft.steps[ix.index()].children = self.draft.units[callee].roots.clone();
            }
        } else {
            let children = self.body(step.kind.steps(), unit, Some(ix), depth + 1)?;
            self.draft.steps[ix.index()].children = children;
        }
        Some(ix)
    }

    /// Makes the id known in its container.
    fn name(&mut self, ix: StepIx, place: Place<'a>, parent: Option<StepIx>) {
        let step = self.draft.sketch(ix).step;
        let id = step.id.value.as_str();
        self.readable(&step.id, place.source, "a step's id");
        if let Some(bound) = binding(&step.kind) {
            self.readable(bound, place.source, "an item's name");
        }
        let around = parent.and_then(|parent| binding(&self.draft.sketch(parent).step.kind));
        if let Some(bound) = around.filter(|bound| bound.value == id) {
            self.faults.push(
                place
                    .error(faults::NAME_TAKEN, format!("`{id}` is the name of the item and of a step"))
                    .cause("this step could not be told from the item")
                    .label(bound.span, "the item gets its name here")
                    .help("give the step another id, or the item another name with `as:`"),
            );
        }
        match self.draft.names.entry((parent, id)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(ix);
            }
            std::collections::hash_map::Entry::Occupied(entry) => {
                let first = self.draft.steps[entry.get().index()].step.id.span;
                self.faults.push(
                    place
                        .error(faults::NAME_TAKEN, format!("two steps beside each other are called `{id}`"))
                        .cause("the id is taken")
                        .label(first, "the first one is here")
                        .help("give one of them another id"),
                );
            }
        }
    }

    fn readable(&mut self, name: &'a Spanned<String>, source: &'a Arc<Source>, what: &str) {
        let word = name.value.as_str();
        if !LANGUAGE.contains(&word) {
            return;
        }
        self.faults.push(
            Place { source, span: name.span }
                .error(faults::NAME_TAKEN, format!("`{word}` cannot be {what}"))
                .cause("it is a word of the expression language, so no text could read it")
                .help("choose another name"),
        );
    }

    /// The workflow that a step calls, laid out inside it. The outer `None` ends the outline.
    #[expect(clippy::option_option, reason = "no workflow, or no outline at all")]
    fn call(&mut self, name: &'a Spanned<String>, ix: StepIx) -> Option<Option<usize>> {
        let place = Place { source: self.draft.source(ix), span: name.span };
        let Some(entry) = self.library.workflows.get(&name.value) else {
            let help = suggest(&name.value, self.library.workflows.names(), "workflows", "there are no workflows");
            self.faults.push(
                place
                    .error(faults::UNKNOWN_WORKFLOW, format!("there is no workflow `{}`", name.value))
                    .cause("not found in any folder")
                    .help(help),
            );
            return Some(None);
        };
        if let Some(start) = self.calls.iter().position(|outer| same_document(outer, &entry.workflow)) {
            let circle: Vec<&str> = self.calls[start..].iter().map(|outer| outer.name.value.as_str()).collect();
            self.faults.push(
                place
                    .error(faults::CONTAINS_ITSELF, format!("workflow `{}` calls itself", entry.workflow.name.value))
                    .cause(format!("{} -> {}", circle.join(" -> "), entry.workflow.name.value))
                    .help("repeat steps with `loop:` or `each:`"),
            );
            return Some(None);
        }
        if self.calls.len() > CALLS_MAX {
            let chain: Vec<&str> = self.calls.iter().map(|outer| outer.name.value.as_str()).collect();
            self.faults.push(
                place
                    .error(faults::TOO_LARGE, format!("more than {CALLS_MAX} workflow calls inside each other"))
                    .cause(format!("{} -> {}", chain.join(" -> "), entry.workflow.name.value))
                    .help("call the workflow further out and hand its outputs in"),
            );
            return Some(None);
        }
        self.unit(&entry.workflow, Some(ix)).map(Some)
    }

    fn line(&mut self, source: &Arc<Source>, offset: usize) -> u32 {
        let starts = self
            .lines
            .entry(Arc::as_ptr(source) as usize)
            .or_insert_with(|| source.text.match_indices('\n').map(|(newline, _)| newline + 1).collect());
        u32::try_from(starts.partition_point(|start| *start <= offset) + 1).unwrap_or(u32::MAX)
    }
}
