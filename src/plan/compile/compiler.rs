//! The state of one compilation, and the shapes of the values that steps have.
//!
//! Knows nothing of edges' order or of drawing. Invariant: nothing here changes the [`Draft`].

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use crate::{
    base::{Digest, Source, Span},
    definition::{Library, normal_name, workflow::StepKind},
    plan::{
        compile::{
            draft::Draft,
            faults::{Faults, Place, place_in},
            isolate::Merging,
            schema::{self, ENVELOPE, Known, NoField},
            scope::{Found, Reader, Sight, look_up},
        },
        text::Meaning,
        told::{PlanSecret, PlanServer, PlanSkill},
        types::{EdgeKind, PlanAgent, StepIx},
    },
    template::Expression,
};

/// A place inside a text, not yet looked for in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) scalar: Place<'a>,
    pub(super) text: &'a str,
    pub(super) inner: Span,
}

impl<'a> Spot<'a> {
    /// The whole scalar.
    pub(super) fn whole(source: &'a Arc<Source>, span: Span) -> Self {
        Self { scalar: Place { source, span }, text: "", inner: Span::default() }
    }

    pub(super) fn place(self) -> Place<'a> {
        place_in(self.scalar, self.text, self.inner)
    }
}

/// One reason why a step waits for a sibling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge<'a> {
    pub(super) to: StepIx,
    pub(super) kind: EdgeKind,
    /// Whether a value is read without a guard.
    pub(super) reads: bool,
    pub(super) spot: Spot<'a>,
}

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape<'a> {
    Schema(&'a Value),
    List,
    Mapping,
    /// A text, a number or a boolean.
    Scalar,
    /// Anything.
    Unknown,
    /// A field of an agent's output that nothing declares.
    Undeclared,
}

impl Shape<'_> {
    /// What it is in words, if it is surely no list.
    pub(super) fn no_list(self) -> Option<String> {
        match self {
            Self::Schema(known) if schema::refuses_lists(known) => {
                let kind = schema::only_type(known).unwrap_or("value");
                Some(if kind == "object" { "a mapping".to_owned() } else { format!("of type {kind}") })
            }
            Self::Mapping => Some("a mapping".to_owned()),
            Self::Scalar => Some("a single value".to_owned()),
            Self::Schema(_) | Self::List | Self::Unknown | Self::Undeclared => None,
        }
    }
}

/// The agents and skills that the plan pins.
#[derive(Debug, Default)]
pub(super) struct Pins {
    pub(super) agents: Vec<PlanAgent>,
    pub(super) skills: Vec<PlanSkill>,
    pub(super) servers: Vec<PlanServer>,
    pub(super) secrets: Vec<PlanSecret>,
    /// The files of the gates that steps name, and what these read.
    pub(super) gates: Vec<Digest>,
    agent_places: HashMap<String, u32>,
    skill_places: HashMap<String, u32>,
}

impl Pins {
    pub(super) fn agent(&mut self, name: &str, make: impl FnOnce() -> PlanAgent) -> u32 {
        *self.agent_places.entry(normal_name(name)).or_insert_with(|| {
            self.agents.push(make());
            u32::try_from(self.agents.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn skill(&mut self, name: &str, make: impl FnOnce() -> PlanSkill) -> u32 {
        *self.skill_places.entry(normal_name(name)).or_insert_with(|| {
            self.skills.push(make());
            u32::try_from(self.skills.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// One compilation.
pub(super) struct Compiler<'a> {
    pub(super) library: &'a Library,
    pub(super) draft: Draft<'a>,
    pub(super) faults: Faults,
    /// For each step, why it waits for whom.
    pub(super) edges: Vec<Vec<Edge<'a>>>,
    pub(super) pins: Pins,
    /// What stands around the merges that steps declare.
    pub(super) merges: Vec<Merging>,
    element_schemas: HashMap<StepIx, Option<&'a Value>>,
    /// What is wrong with each schema that was looked at, by its text.
    pub(super) schema_faults: HashMap<String, Option<String>>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(library: &'a Library, draft: Draft<'a>, faults: Faults) -> Self {
        let edges = vec![Vec::new(); draft.steps.len()];
        Self {
            library,
            draft,
            faults,
            edges,
            pins: Pins::default(),
            merges: Vec::new(),
            element_schemas: HashMap::new(),
            schema_faults: HashMap::new(),
        }
    }

    /// What a path behind a step leads to.
    pub(super) fn step_shape(&self, step: StepIx, path: &[String]) -> Result<Shape<'a>, NoField> {
        self.own_shape(step, path).map_err(|mut fault| {
            // The envelope stands beside the fields of the output.
            if fault.good == 0 && !fault.fields.is_empty() && !fault.fields.contains(&"result".to_owned()) {
                fault.fields.push("result".to_owned());
            }
            fault
        })
    }

    fn own_shape(&self, step: StepIx, path: &[String]) -> Result<Shape<'a>, NoField> {
        let sketch = self.draft.sketch(step);
        let envelope = path.first().is_some_and(|name| name == "result");
        let no_field = |is: &str, fields: Vec<String>| NoField { good: 0, is: is.to_owned(), fields };
        match (&sketch.step.kind, path) {
            (StepKind::Each { .. }, []) => Ok(Shape::List),
            (StepKind::Each { .. }, _) => Err(no_field("a list with one entry for each item", Vec::new())),
            (StepKind::Parallel { .. } | StepKind::Loop { .. } | StepKind::Workflow { .. }, []) => Ok(Shape::Mapping),
            (_, [_, rest @ ..]) if envelope => envelope_shape(rest).map_err(|fault| deeper(fault, 1)),
            (StepKind::Parallel { .. } | StepKind::Loop { .. }, [name, rest @ ..]) => {
                match self.draft.child(Some(step), name) {
                    Some(child) => self.step_shape(child, rest).map_err(|fault| deeper(fault, 1)),
                    None => {
                        let fields = self.draft.ids(Some(step)).chain(["result"]).map(str::to_owned).collect();
                        Err(no_field("a container", fields))
                    }
                }
            }
            (StepKind::Workflow { .. }, [name, ..]) => {
                let Some(callee) = sketch.callee else { return Ok(Shape::Unknown) };
                let outputs = &self.draft.units[callee].workflow.outputs;
                if outputs.iter().any(|(output, _)| output.value == *name) {
                    return Ok(Shape::Unknown);
                }
                let names = outputs.iter().map(|(output, _)| output.value.clone());
                Err(no_field("the outputs of a workflow", names.chain(["result".to_owned()]).collect()))
            }
            (kind, path) => {
                if let Some(output) = &sketch.step.output {
                    return follow_shape(&output.value, path);
                }
                let agent = matches!(kind, StepKind::Agent { .. });
                Ok(if agent && !path.is_empty() { Shape::Undeclared } else { Shape::Unknown })
            }
        }
    }

    /// The schema of the items of an `each`, if its list is a value with a schema.
    pub(super) fn element_schema(&mut self, each: StepIx) -> Option<&'a Value> {
        if let Some(known) = self.element_schemas.get(&each) {
            return *known;
        }
        // Set first: a list that reads itself (a fault that is reported elsewhere) ends here.
        self.element_schemas.insert(each, None);
        let sketch = self.draft.sketch(each);
        let unit = sketch.unit;
        let StepKind::Each { items, .. } = &sketch.step.kind else { return None };
        let reader = Reader { unit, step: Some(each), sight: Sight::default() };
        let path = sole_path(&Expression::parse(&items.value).ok()?)?;
        let found = match self.path_shape(reader, &path) {
            Some(Shape::Schema(list)) => schema::elements(list),
            Some(Shape::List | Shape::Mapping | Shape::Scalar | Shape::Unknown | Shape::Undeclared) | None => None,
        };
        self.element_schemas.insert(each, found);
        found
    }

    /// What a path means to a reader, without judging it.
    pub(super) fn path_shape(&mut self, reader: Reader, path: &[String]) -> Option<Shape<'a>> {
        let (name, rest) = path.split_first()?;
        match look_up(&self.draft, reader, name) {
            Found::Step { step, .. } | Found::Child(step) => self.step_shape(step, rest).ok(),
            Found::Meaning(Meaning::Item(each)) => {
                let schema = self.element_schema(each)?;
                follow_shape(schema, rest).ok()
            }
            Found::Meaning(Meaning::Inputs(_)) => {
                let (input, rest) = rest.split_first()?;
                let workflow = self.draft.units[reader.unit].workflow;
                let declared = workflow.inputs.iter().find(|one| one.name.value == *input)?;
                follow_shape(&declared.schema, rest).ok()
            }
            Found::Meaning(_) | Found::Around(_) | Found::Misplaced(_) | Found::Unknown => None,
        }
    }
}

/// The path that an expression is, if it is nothing but a path.
pub(super) fn sole_path(expression: &Expression) -> Option<Vec<String>> {
    let text = expression.text();
    match expression.references() {
        [only] if text.get(only.span.start..only.span.end)? == text.trim() => Some(only.path.clone()),
        _ => None,
    }
}

pub(super) fn follow_shape<'s>(schema: &'s Value, path: &[String]) -> Result<Shape<'s>, NoField> {
    schema::follow(schema, path).map(|known| match known {
        Known::Schema(schema) => Shape::Schema(schema),
        Known::Nothing => Shape::Unknown,
    })
}

/// What a path behind `result` leads to.
pub(super) fn envelope_shape<'s>(path: &[String]) -> Result<Shape<'s>, NoField> {
    let Some(name) = path.first() else { return Ok(Shape::Mapping) };
    match name.as_str() {
        "files_changed" | "next_steps" if path.len() == 1 => Ok(Shape::List),
        name if ENVELOPE.contains(&name) && path.len() == 1 => Ok(Shape::Scalar),
        name if ENVELOPE.contains(&name) => {
            Err(NoField { good: 1, is: "a single value of the envelope".to_owned(), fields: Vec::new() })
        }
        _ => {
            let fields = ENVELOPE.map(str::to_owned).to_vec();
            Err(NoField { good: 0, is: "the envelope".to_owned(), fields })
        }
    }
}

fn deeper(mut fault: NoField, by: usize) -> NoField {
    fault.good += by;
    fault
}
