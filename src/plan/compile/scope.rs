//! Which thing a name means at a place.
//!
//! Knows names only, no fields behind them. Scope is lexical: the nearest container wins, and the borders of a
//! called workflow are never crossed.

use crate::{
    definition::workflow::StepKind,
    plan::{compile::draft::Draft, text::Meaning, types::StepIx},
};

/// What a place sees besides its lexical scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// The steps inside the container that the text belongs to.
    pub(super) children: bool,
    /// The item or iteration of the container that the text belongs to.
    pub(super) own_binding: bool,
    /// `this`, the step's own output.
    pub(super) this: bool,
    /// `result`, the step's own envelope.
    pub(super) result: bool,
    /// `with.X`, the step's own values.
    pub(super) with: bool,
    /// `output`, `stdout` and `exit` of a gate's command.
    pub(super) command: bool,
    /// Nothing else: the text is in a named gate, which knows no workflow.
    pub(super) closed: bool,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub(super) unit: usize,
    /// The step it belongs to; none for a workflow's outputs.
    pub(super) step: Option<StepIx>,
    pub(super) sight: Sight,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Something that needs no edge.
    Meaning(Meaning),
    /// A step inside the reader's own container.
    Child(StepIx),
    /// A step beside the reader or beside one of its containers: `waits` needs `step`.
    Step {
        /// The step that is read.
        step: StepIx,
        /// The reader, or the container around it that is a sibling of `step`; none for outputs.
        waits: Option<StepIx>,
    },
    /// The reader itself, or a container around it.
    Around(StepIx),
    /// A word that means something elsewhere; the text says where.
    Misplaced(&'static str),
    /// Nothing.
    Unknown,
}

/// Finds what the first part of a path means for a reader.
pub(super) fn look_up(draft: &Draft<'_>, reader: Reader, name: &str) -> Found {
    let sight = reader.sight;
    match name {
        "this" if sight.this => return Found::Meaning(Meaning::This),
        "result" if sight.result => return Found::Meaning(Meaning::Result),
        "with" if sight.with => return Found::Meaning(Meaning::With),
        "output" | "stdout" | "exit" if sight.command => return Found::Meaning(Meaning::Command),
        "this" => return Found::Misplaced("`this` is a step's own output and is there in its gates only"),
        "result" => {
            return Found::Misplaced("`result` alone is there in `summary:` only; elsewhere write `STEP.result`");
        }
        "env" => return Found::Misplaced("texts do not read the environment; declare an input"),
        "loop" => return Found::Misplaced("the number of the iteration is `iteration`"),
        "inputs" if !sight.closed => return Found::Meaning(Meaning::Inputs(draft.units[reader.unit].call)),
        "models" if !sight.closed => return Found::Meaning(Meaning::Models),
        _ if sight.closed => return Found::Unknown,
        _ => {}
    }
    let border = draft.units[reader.unit].call;
    let Some(own) = reader.step else {
        return match draft.child(border, name) {
            Some(step) => Found::Step { step, waits: None },
            None => nowhere(name),
        };
    };
    if let Some(step) = draft.child(Some(own), name).filter(|_| sight.children) {
        return Found::Child(step);
    }
    if let Some(meaning) = bound(draft, own, name).filter(|_| sight.own_binding) {
        return Found::Meaning(meaning);
    }
    let mut here = own;
    loop {
        let parent = draft.sketch(here).parent;
        if let Some(step) = draft.child(parent, name) {
            return if step == here { Found::Around(step) } else { Found::Step { step, waits: Some(here) } };
        }
        let Some(container) = parent.filter(|_| parent != border) else { return nowhere(name) };
        if let Some(meaning) = bound(draft, container, name) {
            return Found::Meaning(meaning);
        }
        here = container;
    }
}

/// What a container binds under that name.
fn bound(draft: &Draft<'_>, container: StepIx, name: &str) -> Option<Meaning> {
    match &draft.sketch(container).step.kind {
        StepKind::Each { binding, .. } => match name {
            "index" => Some(Meaning::Index(container)),
            "item" => Some(Meaning::Item(container)),
            _ => binding.as_ref().filter(|own| own.value == name).map(|_| Meaning::Item(container)),
        },
        StepKind::Loop { .. } => (name == "iteration").then_some(Meaning::Iteration(container)),
        StepKind::Agent { .. }
        | StepKind::Run(_)
        | StepKind::Approve { .. }
        | StepKind::Ask { .. }
        | StepKind::Wait(_)
        | StepKind::Emit { .. }
        | StepKind::Checkpoint { .. }
        | StepKind::Stop { .. }
        | StepKind::Parallel { .. }
        | StepKind::Workflow { .. } => None,
    }
}

fn nowhere(name: &str) -> Found {
    match name {
        "item" | "index" => Found::Misplaced("`item` and `index` are there inside an `each` only"),
        "iteration" => Found::Misplaced("`iteration` is there inside a `loop` only"),
        "secrets" => Found::Misplaced(
            "texts do not read secrets; list it under `secrets:` of a `run:` step, whose command reads it from a variable",
        ),
        _ => Found::Unknown,
    }
}

/// All names that a reader sees, for suggestions.
pub(super) fn visible(draft: &Draft<'_>, reader: Reader) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let sight = reader.sight;
    for (word, there) in
        [("this", sight.this), ("result", sight.result), ("with", sight.with), ("inputs", !sight.closed)]
    {
        names.extend(there.then(|| word.to_owned()));
    }
    if sight.command {
        names.extend(["output", "stdout", "exit"].map(str::to_owned));
    }
    if sight.closed {
        return names;
    }
    let border = draft.units[reader.unit].call;
    let mut here = reader.step;
    if sight.children {
        names.extend(draft.ids(here).map(str::to_owned));
    }
    loop {
        let parent = here.and_then(|ix| draft.sketch(ix).parent).or(border);
        let beside = draft.ids(parent).filter(|id| here.is_none_or(|ix| draft.sketch(ix).step.id.value != *id));
        names.extend(beside.map(str::to_owned));
        let Some(container) = parent.filter(|_| parent != border) else { return names };
        if let StepKind::Each { binding, .. } = &draft.sketch(container).step.kind {
            names.push(binding.as_ref().map_or("item", |own| own.value.as_str()).to_owned());
        }
        here = Some(container);
    }
}
