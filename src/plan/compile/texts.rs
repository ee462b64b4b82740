//! Parses the texts of a step and finds what every name in them means; a step that is read becomes an edge.
//!
//! Knows nothing of what a text is for. Invariant: a name is in `reads` once, whatever is read behind it.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    base::{Diagnostic, Source, Spanned},
    definition::workflow::StepKind,
    plan::{
        compile::{
            compiler::{Compiler, Edge, Shape, Spot, envelope_shape, follow_shape},
            faults::{self, Place, suggest},
            schema::NoField,
            scope::{Found, Reader, look_up, visible},
        },
        text::{Meaning, Read, Text, ValueText},
        types::{EdgeKind, StepIx},
    },
    template::{Expression, Reference, TEXT_BYTES_MAX, Template, TemplateError},
};

/// Why a text does not parse, as a fault at its place.
fn bad_text<'a>(scalar: Place<'a>, text: &'a str, what: &str, error: &TemplateError) -> Diagnostic {
    let spot = Spot { scalar, text, inner: error.span };
    let help = if error.help.is_empty() {
        "names, filters and tests are those of Jinja; values stand in `{{ }}`, or bare in `when until each check expect`"
    } else {
        &error.help
    };
    spot.place()
        .error(faults::BAD_TEXT, format!("the {what} does not parse: {}", error.message))
        .cause("here")
        .help(help)
}

impl<'a> Compiler<'a> {
    /// A text with `{{ }}`.
    pub(super) fn template(&mut self, reader: Reader, source: &'a Arc<Source>, text: &'a Spanned<String>) -> Text {
        let scalar = Place { source, span: text.span };
        let reads = self.template_reads(reader, scalar, &text.value);
        Text { text: text.value.clone(), reads }
    }

    fn template_reads(&mut self, reader: Reader, scalar: Place<'a>, text: &'a str) -> Vec<Read> {
        if !text.contains('{') && text.len() <= TEXT_BYTES_MAX {
            return Vec::new();
        }
        match Template::parse(text) {
            Ok(template) => self.reads(reader, scalar, text, template.references()),
            Err(error) => {
                self.faults.push(bad_text(scalar, text, "text", &error));
                Vec::new()
            }
        }
    }

    /// A bare expression.
    pub(super) fn expression(&mut self, reader: Reader, source: &'a Arc<Source>, text: &'a Spanned<String>) -> Text {
        let scalar = Place { source, span: text.span };
        let reads = match Expression::parse(&text.value) {
            Ok(expression) => self.reads(reader, scalar, &text.value, expression.references()),
            Err(error) => {
                self.faults.push(bad_text(scalar, &text.value, "expression", &error));
                Vec::new()
            }
        };
        Text { text: text.value.clone(), reads }
    }

    /// A value whose texts may hold `{{ }}`.
    pub(super) fn value(&mut self, reader: Reader, source: &'a Arc<Source>, value: &'a Spanned<Value>) -> ValueText {
        let scalar = Place { source, span: value.span };
        let mut reads = Vec::new();
        let mut open = vec![&value.value];
        while let Some(part) = open.pop() {
            match part {
                Value::String(text) => {
                    for read in self.template_reads(reader, scalar, text) {
                        if !reads.contains(&read) {
                            reads.push(read);
                        }
                    }
                }
                Value::Array(parts) => open.extend(parts.iter().rev()),
                Value::Object(parts) => open.extend(parts.values().rev()),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        ValueText { value: value.value.clone(), reads }
    }

    /// Named values, such as those of `with` and `env`.
    pub(super) fn values(
        &mut self,
        reader: Reader,
        source: &'a Arc<Source>,
        values: &'a [(Spanned<String>, Spanned<Value>)],
    ) -> Vec<(String, ValueText)> {
        values.iter().map(|(name, value)| (name.value.clone(), self.value(reader, source, value))).collect()
    }

    fn reads(&mut self, reader: Reader, scalar: Place<'a>, text: &'a str, references: &[Reference]) -> Vec<Read> {
        let mut reads: Vec<Read> = Vec::new();
        for reference in references {
            let spot = Spot { scalar, text, inner: reference.span };
            let Some(means) = self.reference(reader, spot, reference) else { continue };
            let name = &reference.path[0];
            if reads.iter().all(|read| read.name != *name) {
                reads.push(Read { name: name.clone(), means });
            }
        }
        reads
    }

    fn reference(&mut self, reader: Reader, spot: Spot<'a>, reference: &Reference) -> Option<Meaning> {
        let (name, rest) = reference.path.split_first()?;
        let found = look_up(&self.draft, reader, name);
        let shape = match found {
            Found::Child(step) | Found::Step { step, .. } => self.step_shape(step, rest),
            Found::Meaning(meaning) => self.meaning_shape(reader, meaning, spot, rest),
            Found::Around(step) => {
                let fault = self.around(reader, spot, step, rest);
                self.faults.push(fault);
                return None;
            }
            Found::Misplaced(why) => {
                let fault = spot.place().error(faults::MISPLACED_WORD, format!("`{name}` means nothing here"));
                self.faults.push(fault.cause("no such value in this place").help(why));
                return None;
            }
            Found::Unknown => {
                let fault = self.unknown_name(reader, spot, name);
                self.faults.push(fault);
                return None;
            }
        };
        match shape {
            // A gate of the library stands on many kinds of steps: what it first asks for need not be there.
            Err(_) if reader.sight.closed && reference.guarded => {}
            Err(fault) => self.faults.push(no_field(spot, &reference.path, &fault)),
            Ok(Shape::Undeclared) if !reference.guarded => self.faults.push(
                spot.place()
                    .error(faults::UNKNOWN_FIELD, format!("nothing promises `{}`", reference.path.join(".")))
                    .cause("this agent step declares no `output:`")
                    .help(format!("declare it: `output: {{ {}: string }}`, or read `result.text`", rest[0]))
                    .warning(),
            ),
            Ok(_) => {}
        }
        match found {
            Found::Meaning(meaning) => Some(meaning),
            Found::Child(step) => Some(Meaning::Step(step)),
            Found::Step { step, waits } => {
                if let Some(waits) = waits {
                    let edge = Edge { to: step, kind: EdgeKind::Inferred, reads: !reference.guarded, spot };
                    self.edges[waits.index()].push(edge);
                }
                Some(Meaning::Step(step))
            }
            Found::Around(_) | Found::Misplaced(_) | Found::Unknown => None,
        }
    }

    fn meaning_shape(
        &mut self,
        reader: Reader,
        meaning: Meaning,
        spot: Spot<'a>,
        rest: &[String],
    ) -> Result<Shape<'a>, NoField> {
        match meaning {
            Meaning::Inputs(_) => self.input_shape(reader, spot, rest),
            Meaning::Models => {
                let tiers = &self.draft.units[reader.unit].workflow.models;
                let Some(tier) = rest.first() else { return Ok(Shape::Mapping) };
                if tiers.iter().any(|one| one.name.value == *tier) {
                    return Ok(Shape::Unknown);
                }
                let fields = tiers.iter().map(|one| one.name.value.clone()).collect();
                Err(NoField { good: 0, is: "the model tiers".to_owned(), fields })
            }
            Meaning::This => reader.step.map_or(Ok(Shape::Unknown), |step| self.step_shape(step, rest)),
            Meaning::Result => envelope_shape(rest),
            Meaning::Item(each) => match self.element_schema(each) {
                Some(schema) => follow_shape(schema, rest),
                None => Ok(Shape::Unknown),
            },
            Meaning::With => {
                let Some((step, name)) = reader.step.zip(rest.first()) else { return Ok(Shape::Mapping) };
                let with = &self.draft.sketch(step).step.with;
                if with.iter().any(|(own, _)| own.value == *name) {
                    return Ok(Shape::Unknown);
                }
                let fields = with.iter().map(|(own, _)| own.value.clone()).collect();
                Err(NoField { good: 0, is: "the step's own `with:`".to_owned(), fields })
            }
            Meaning::Index(_) | Meaning::Iteration(_) if !rest.is_empty() => {
                Err(NoField { good: 0, is: "a number".to_owned(), fields: Vec::new() })
            }
            Meaning::Step(_) | Meaning::Index(_) | Meaning::Iteration(_) | Meaning::Command => Ok(Shape::Unknown),
        }
    }

    fn input_shape(&mut self, reader: Reader, spot: Spot<'a>, rest: &[String]) -> Result<Shape<'a>, NoField> {
        let Some((name, deeper)) = rest.split_first() else { return Ok(Shape::Mapping) };
        let inputs = &self.draft.units[reader.unit].workflow.inputs;
        if let Some(input) = inputs.iter().find(|one| one.name.value == *name) {
            let shape = follow_shape(&input.schema, deeper);
            return shape.map_err(|fault| NoField { good: fault.good + 1, ..fault });
        }
        let names = inputs.iter().map(|one| one.name.value.as_str());
        let help = suggest(name, names, "declared inputs", "declare it under `inputs:`");
        let fault = spot.place().error(faults::UNKNOWN_INPUT, format!("there is no input `{name}`"));
        self.faults.push(fault.cause("not declared under `inputs:`").help(help));
        Ok(Shape::Unknown)
    }

    /// A step that reads itself or a container around it.
    fn around(&self, reader: Reader, spot: Spot<'a>, step: StepIx, rest: &[String]) -> Diagnostic {
        let id = &self.draft.sketch(step).step.id.value;
        let own = reader.step == Some(step);
        let child = rest.first().and_then(|name| self.draft.child(Some(step), name));
        let help = match child {
            Some(child) => format!("inside the container write `{}`", self.draft.sketch(child).step.id.value),
            None if reader.sight.this && own => "in a gate the step's own output is `this`".to_owned(),
            None if reader.sight.result && own => "in `summary:` the step's own envelope is `result`".to_owned(),
            None => "read a step that is done before this one starts".to_owned(),
        };
        let message = if own { format!("`{id}` reads itself") } else { format!("`{id}` is read by a step inside it") };
        spot.place().error(faults::NOT_VISIBLE, message).cause("its value is not there yet").help(help)
    }

    pub(super) fn unknown_name(&self, reader: Reader, spot: Spot<'a>, name: &str) -> Diagnostic {
        let place = spot.place();
        if let Some((container, inside)) = self.elsewhere(reader, name) {
            return place
                .error(faults::NOT_VISIBLE, format!("`{name}` cannot be read from here"))
                .cause(format!("it stands inside `{container}`"))
                .help(inside);
        }
        let fault =
            place.error(faults::UNKNOWN_NAME, format!("there is no `{name}`")).cause("no step or value of that name");
        if reader.sight.closed {
            return fault
                .help("a gate of the library reads `this`, and in `expect` also `output`, `stdout` and `exit`");
        }
        let secrets = &self.draft.units[reader.unit].workflow.secrets;
        if secrets.iter().any(|secret| secret.name.value == name) {
            let variable = name.to_uppercase();
            let cause = "it is a secret, and what a text says is kept and shown";
            let help = format!("list it under `secrets:` of a `run:` step, whose command reads it from `${variable}`");
            return place.error(faults::MISPLACED_WORD, format!("a text cannot read `{name}`")).cause(cause).help(help);
        }
        if self.faults.many() {
            return fault.help("names are those of steps beside this one or beside its containers");
        }
        let names = visible(&self.draft, reader);
        fault.help(suggest(name, names.iter().map(String::as_str), "names here", "nothing can be read here"))
    }

    /// A step of that id that is not in scope, and how to read it.
    fn elsewhere(&self, reader: Reader, name: &str) -> Option<(String, String)> {
        if reader.sight.closed || self.faults.many() {
            return None;
        }
        let sketches = self.draft.steps.iter();
        let hidden =
            sketches.filter(|sketch| sketch.unit == reader.unit).find(|sketch| sketch.step.id.value == name)?;
        let border = self.draft.units[reader.unit].call;
        let mut names = vec![name.to_owned()];
        let mut at = hidden.parent.filter(|_| hidden.parent != border)?;
        let container = self.draft.sketch(at).step.id.value.clone();
        loop {
            let sketch = self.draft.sketch(at);
            let id = &sketch.step.id.value;
            if matches!(sketch.step.kind, StepKind::Each { .. }) {
                let help =
                    format!("there is one `{name}` for each item: read the list `{id}`, for example `{id}[0].{name}`");
                return Some((container, help));
            }
            names.insert(0, id.clone());
            let seen =
                matches!(look_up(&self.draft, reader, id), Found::Step { step, .. } | Found::Child(step) if step == at);
            if seen {
                return Some((container, format!("write `{}`", names.join("."))));
            }
            match sketch.parent.filter(|_| sketch.parent != border) {
                Some(parent) => at = parent,
                None => return Some((container, "read a step beside this one or beside its containers".to_owned())),
            }
        }
    }
}

fn no_field(spot: Spot<'_>, path: &[String], fault: &NoField) -> Diagnostic {
    let good = path[..=fault.good].join(".");
    let name = path.get(fault.good + 1).map_or("", String::as_str);
    let none = match fault.is.as_str() {
        "a list" => "take one element (`[0]`, `| first`) or one field of all (`| map(attribute=\"x\")`)",
        "a list with one entry for each item" => "read it as a list: `[0].STEP`, `| length`, or `for` over it",
        _ => "read the value itself",
    };
    let help = suggest(name, fault.fields.iter().map(String::as_str), "it has", none);
    spot.place()
        .error(faults::UNKNOWN_FIELD, format!("`{good}` has no field `{name}`"))
        .cause(format!("`{good}` is {}", fault.is))
        .help(help)
}
