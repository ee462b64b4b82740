//! The workflow that an import is about to write: steps, texts for people, and marks where something was not decided.
//!
//! Texts in it are ready to be written: prompts are templates, ids are legal and unique.

use serde::Serialize;
use serde_json::Value;

use crate::definition::{import::text::Ids, load::legal_id};

/// Something that the source leaves open, or says in a way that `orch` has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The line of the source, from 1.
    pub line: usize,
    /// What it is about.
    pub what: String,
    /// What the output does until somebody edits it.
    pub assumed: String,
    /// What to edit.
    pub edit: String,
}

impl Mark {
    /// The mark on one line, as it stands in the output.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("line {}: {}. Assumed: {}. Edit: {}.", self.line, self.what, self.assumed, self.edit)
    }
}

/// A part of the source that became steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Its title, as written.
    pub title: String,
    /// The line of the source.
    pub line: usize,
    /// Its share of the effort in percent, where the title says one.
    pub weight: Option<u32>,
    /// Whether parts of it run at once.
    pub parallel: bool,
    /// The agents that it names.
    pub agents: Vec<String>,
    /// The gates that it got.
    pub gates: Vec<String>,
    /// The steps that it became, by path.
    pub steps: Vec<String>,
}

/// How a text names something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceForm {
    /// ``the `x` agent``.
    Quoted,
    /// `subagent_type="x"`.
    TaskTool,
    /// `the x agent`, without quotes.
    Plain,
    /// `@agent-x`.
    Mention,
    /// A cell of a table whose head says agent.
    Table,
}

/// An agent that a text names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// The name as written.
    pub target: String,
    /// How it is named.
    pub form: ReferenceForm,
    /// The line of the source.
    pub line: usize,
    /// The agent that it means, where there is one.
    pub resolved_to: Option<String>,
    /// The nearest agent, where there is none of that name.
    pub suggestion: Option<String>,
}

/// A workflow on its way.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub name: String,
    pub description: String,
    pub inputs: Vec<Input>,
    pub pieces: Vec<Piece>,
    /// All marks in the order in which they were made; steps and texts name them by place.
    pub marks: Vec<Mark>,
    /// Marks that belong to the whole file.
    pub head: Vec<usize>,
    pub phases: Vec<Phase>,
    pub references: Vec<Reference>,
    /// Ids of the top level.
    pub ids: Ids,
}

/// An input that runs are given.
#[derive(Debug)]
pub(super) struct Input {
    pub name: String,
    pub kind: &'static str,
    pub positional: bool,
    pub required: bool,
    pub default: Option<Value>,
    pub description: String,
}

/// A part of the file, in its order.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most pieces are steps")]
pub(super) enum Piece {
    /// A text for people; no agent is told it.
    Text { text: String, marks: Vec<usize> },
    /// A step.
    Step(Step),
}

/// A step.
#[derive(Debug)]
pub(super) struct Step {
    pub id: String,
    /// The heading in the literate form; a comment in YAML.
    pub title: String,
    /// Its line in the source.
    pub line: usize,
    /// How deep its heading was; 2 where it had none.
    pub level: usize,
    pub kind: Kind,
    /// Other keys with their values, in the order in which they are written.
    pub keys: Vec<(&'static str, Value)>,
    pub gates: Vec<Value>,
    pub marks: Vec<usize>,
    /// For people: what stands above the children of a container.
    pub text: String,
    pub children: Vec<Step>,
    /// Ids of the children.
    pub ids: Ids,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Kind {
    Agent {
        agent: Option<String>,
        prompt: String,
    },
    /// A script for a program; for the shell of `orch` where none is named.
    Run {
        program: Vec<String>,
        script: String,
    },
    Approve(String),
    Stop(String),
    Parallel,
    Each(String),
    Loop {
        max: u64,
        until: String,
    },
}

impl Step {
    pub fn new(id: String, title: &str, kind: Kind) -> Self {
        let (keys, gates, marks, text, children, ids) = Default::default();
        Self { id, title: title.to_owned(), line: 1, level: 2, kind, keys, gates, marks, text, children, ids }
    }

    /// Sets a key; a second value takes the place of the first.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.keys.iter_mut().find(|(name, _)| *name == key) {
            Some(entry) => entry.1 = value,
            None => self.keys.push((key, value)),
        }
    }

    /// Visits the step and everything in it.
    pub fn each(&mut self, visit: &mut impl FnMut(&mut Self)) {
        visit(self);
        for child in &mut self.children {
            child.each(visit);
        }
    }
}

impl Draft {
    /// Writes a mark down; the number goes to where it belongs.
    pub fn mark(&mut self, line: usize, what: impl Into<String>, assumed: &str, edit: impl Into<String>) -> usize {
        let mark =
            Mark { line, what: one_line(&what.into()), assumed: assumed.to_owned(), edit: one_line(&edit.into()) };
        self.marks.push(mark);
        self.marks.len() - 1
    }

    /// A mark of the whole file.
    pub fn head(&mut self, line: usize, what: impl Into<String>, assumed: &str, edit: impl Into<String>) {
        let mark = self.mark(line, what, assumed, edit);
        self.head.push(mark);
    }

    /// An id for a new step of the top level.
    pub fn id(&mut self, title: &str) -> String {
        self.ids.make(title)
    }

    /// The input that takes the words of the command line; made on first use.
    pub fn needs_arguments(&mut self, description: &str) {
        if self.inputs.iter().all(|input| input.name != "arguments") {
            self.inputs.push(Input {
                name: "arguments".to_owned(),
                kind: "string",
                positional: true,
                required: false,
                default: Some(Value::String(String::new())),
                description: description.to_owned(),
            });
        }
    }

    /// A yes or no that a run may give; the name of the input.
    pub fn switch(&mut self, about: &str, on: bool, description: String) -> String {
        let base = legal_id(&format!("do {about}"));
        let taken = |name: &str| self.inputs.iter().any(|input| input.name == name);
        let mut name = base.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{}_{number}", &base[..base.len().min(58)]);
            number += 1;
        }
        self.inputs.push(Input {
            name: name.clone(),
            kind: "boolean",
            positional: false,
            required: false,
            default: Some(Value::Bool(on)),
            description,
        });
        name
    }

    /// Visits every step.
    pub fn each_step(&mut self, visit: &mut impl FnMut(&mut Step)) {
        for piece in &mut self.pieces {
            if let Piece::Step(step) = piece {
                step.each(visit);
            }
        }
    }
}

/// A text on one line, for comments.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

impl Kind {
    /// Whether children start at once.
    pub fn is_parallel(&self) -> bool {
        matches!(self, Self::Parallel)
    }
}
