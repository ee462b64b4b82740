//! The list of nodes, and the keys that every node may have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    base::Source,
    definition::{
        import::{
            archon::names::{Names, outputs},
            draft::{Draft, Kind, Piece, Step},
            known::Known,
            run::ImportError,
            text::{Ids, excerpt, is_risky},
        },
        load::{Lined, legal_id, lined},
    },
};

/// Keys that say what a node does.
const KINDS: [&str; 10] =
    ["prompt", "command", "bash", "script", "loop", "loop_group", "approval", "cancel", "workflow", "include"];

pub(super) struct Reading<'a> {
    pub known: &'a Known,
    pub draft: Draft,
    pub names: Names,
    /// Nodes that are commands: their output is what they print.
    pub commands: BTreeSet<String>,
    /// The model of nodes that name none.
    model: Option<String>,
}

/// Reads a workflow of Archon.
pub(in crate::definition::import) fn read(
    source: &Arc<Source>,
    name: &str,
    known: &Known,
) -> Result<Draft, ImportError> {
    let root = lined(source).map_err(ImportError::Faults)?;
    let Some(nodes) = root.get("nodes").filter(|nodes| !nodes.items().is_empty()) else {
        return Err(ImportError::Unknown("the key `nodes` is missing or empty".to_owned()));
    };
    let mut reading = Reading {
        known,
        draft: Draft::default(),
        names: Names::default(),
        commands: BTreeSet::new(),
        model: root.get("model").and_then(Lined::text),
    };
    let own = root.get("name").and_then(Lined::text).unwrap_or_else(|| name.to_owned());
    reading.draft.name = legal_id(&own).replace('_', "-");
    reading.draft.description = description(root.get("description").and_then(Lined::text).as_deref());
    let mut marks = Vec::new();
    reading.left_over(&root, &["name", "description", "nodes", "model"], "the workflow", &mut marks);
    reading.draft.head = marks;
    let mut ids = Ids::default();
    let steps = reading.list(nodes.items(), &mut ids, &BTreeSet::new());
    let mut draft = reading.draft;
    draft.pieces = steps.into_iter().map(Piece::Step).collect();
    Ok(draft)
}

/// The first sentence or so; the rest is for those who choose a workflow by its words.
fn description(text: Option<&str>) -> String {
    text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").chars().take(1000).collect()
}

fn id_of(node: &Lined, place: usize) -> String {
    node.get("id").and_then(Lined::text).unwrap_or_else(|| format!("node {}", place + 1))
}

/// Every text in a value.
fn texts(value: &Lined, found: &mut Vec<String>) {
    found.extend(value.text());
    for item in if value.entries().is_empty() { value.items() } else { &[] } {
        if !std::ptr::eq(item, value) {
            texts(item, found);
        }
    }
    for (_, _, inner) in value.entries() {
        texts(inner, found);
    }
}

impl Reading<'_> {
    /// The steps of a list of nodes; `outside` are the nodes around it that its nodes may read.
    pub fn list(&mut self, nodes: &[Lined], ids: &mut Ids, outside: &BTreeSet<String>) -> Vec<Step> {
        let named: Vec<(String, String)> = nodes
            .iter()
            .enumerate()
            .map(|(place, node)| id_of(node, place))
            .map(|id| (ids.make(&id), id))
            .map(|(ours, id)| (id, ours))
            .collect();
        self.names.ids.extend(named.iter().cloned());
        let direct: BTreeMap<&str, Vec<String>> =
            named.iter().zip(nodes).map(|((id, _), node)| (id.as_str(), needs(node))).collect();
        for (id, _) in &named {
            let mut before = outside.clone();
            let mut open: Vec<String> = direct.get(id.as_str()).cloned().unwrap_or_default();
            while let Some(need) = open.pop() {
                if before.insert(need.clone()) {
                    open.extend(direct.get(need.as_str()).cloned().unwrap_or_default());
                }
            }
            self.names.before.insert(id.clone(), before);
        }
        for ((id, _), node) in named.iter().zip(nodes) {
            if node.get("when").is_some() {
                self.names.conditional.insert(id.clone());
            }
            if node.get("bash").is_some() || node.get("script").is_some() {
                self.commands.insert(id.clone());
            }
            let mut all = Vec::new();
            texts(node, &mut all);
            for (read, field) in all.iter().flat_map(|text| outputs(text)) {
                if let Some(field) = field {
                    self.names.fields.entry(read).or_default().insert(field);
                }
            }
        }
        // What is skipped with a need that was skipped may be missing as well.
        for (id, _) in &named {
            if self.names.before[id].iter().any(|before| self.names.conditional.contains(before)) {
                self.names.conditional.insert(id.clone());
            }
        }
        let mut steps = Vec::new();
        for ((id, ours), node) in named.iter().zip(nodes) {
            let mut step = self.node(node, id, ours.clone());
            self.edges(&mut step, node, id, &named);
            steps.push(step);
        }
        steps
    }

    /// The needs of a node. The order of the list says nothing in Archon, so they are always written.
    fn edges(&mut self, step: &mut Step, node: &Lined, id: &str, named: &[(String, String)]) {
        let line = node.line;
        let (mut ids, mut lost) = (Vec::new(), Vec::new());
        for need in needs(node) {
            match named.iter().find(|(other, _)| *other == need) {
                Some((_, ours)) if *ours != step.id => ids.push(Value::String(ours.clone())),
                Some(_) | None => lost.push(need),
            }
        }
        step.keys.insert(0, ("needs", Value::Array(ids)));
        if !lost.is_empty() {
            let what = format!("`{id}` depends on nodes that are not there: {}", lost.join(", "));
            let mark = self.draft.mark(line, what, "it does not wait for them", "name the steps that it must wait for");
            step.marks.push(mark);
        }
    }

    /// Keys that nodes of every kind may have.
    pub fn keys(&mut self, step: &mut Step, node: &Lined, id: &str, marks: &mut Vec<usize>) {
        let text = |key: &str| node.get(key).and_then(Lined::text);
        if let Some(rule) = text("trigger_rule") {
            self.trigger(step, node, &rule, marks);
        }
        if let Some(when) = text("when") {
            self.when(step, node, id, &when, marks);
        }
        let in_loop = node.get("loop").is_some();
        if !in_loop && matches!(step.kind, Kind::Agent { .. }) {
            self.agent_keys(step, node, marks);
        }
        if let Some(retry) = node.get("retry").filter(|_| !in_loop) {
            self.retry(step, retry, marks);
        }
        for (key, ours) in [("timeout", "timeout"), ("idle_timeout", "idle_timeout")] {
            let limit = node.get(key).and_then(|value| value.value().as_f64()).filter(|limit| *limit >= 1.0);
            if let Some(limit) = limit
                && !in_loop
            {
                step.set(if ours == "timeout" { "timeout" } else { "idle_timeout" }, milliseconds(limit));
            }
        }
        let used = [
            "id",
            "description",
            "depends_on",
            "when",
            "trigger_rule",
            "retry",
            "timeout",
            "idle_timeout",
            "runtime",
            "deps",
            "input",
            "model",
            "context",
            "output_format",
            "allowed_tools",
            "skills",
        ];
        let used: Vec<&str> = used.into_iter().chain(KINDS).collect();
        self.left_over(node, &used, id, marks);
    }

    /// Keys of nodes that an agent works on.
    pub fn agent_keys(&mut self, step: &mut Step, node: &Lined, marks: &mut Vec<usize>) {
        let text = |key: &str| node.get(key).and_then(Lined::text);
        if let Some(model) = text("model").or_else(|| self.model.clone()) {
            step.set("model", model);
        }
        match text("context").as_deref() {
            Some("fresh") => step.set("context", "fresh"),
            Some(other) => {
                let what = format!("`context: {other}`");
                marks.push(self.draft.mark(node.line, what, "the step starts fresh", "write `context: share:STEP`"));
            }
            None => {}
        }
        if let Some(schema) = node.get("output_format") {
            step.set("output", full_schema(schema.value()));
        } else if let Some(fields) =
            node.get("id").and_then(Lined::text).and_then(|id| self.names.fields.get(&id).cloned())
            && node.get("loop").is_none()
        {
            let output: serde_json::Map<String, Value> =
                fields.iter().map(|field| (field.clone(), json!("any"))).collect();
            step.set("output", output);
            let what = "others read fields of an output that is not declared";
            marks.push(self.draft.mark(node.line, what, "the fields may hold anything", "give them types"));
        }
        if let Some(tools) = node.get("allowed_tools") {
            step.set("tools", tools.value());
        }
        let skills: Vec<String> =
            node.get("skills").map(Lined::items).unwrap_or_default().iter().filter_map(Lined::text).collect();
        let (there, missing): (Vec<String>, Vec<String>) =
            skills.into_iter().partition(|skill| self.known.skills.contains(skill));
        if !there.is_empty() {
            step.set("skills", there);
        }
        if !missing.is_empty() {
            let what = format!("there are no skills {}", missing.join(", "));
            marks.push(self.draft.mark(
                node.line,
                what,
                "the step runs without them",
                "add them, then write `skills:`",
            ));
        }
    }

    fn trigger(&mut self, step: &Step, node: &Lined, rule: &str, marks: &mut Vec<usize>) {
        // `join: any` would start at the first success; Archon waits until all have ended.
        let edit = match rule {
            "all_success" => return,
            "one_success" => "make needs that may fail `optional: true`",
            "none_failed_min_one_success" => "add a `when:` if it must not run where all of them were skipped",
            _ => "make its needs `optional: true` if it must run after a failure",
        };
        let assumed = "it starts when all of its needs have succeeded or were skipped";
        marks.push(self.draft.mark(node.line, format!("`trigger_rule: {rule}` of `{}`", step.id), assumed, edit));
    }

    fn when(&mut self, step: &mut Step, node: &Lined, id: &str, when: &str, marks: &mut Vec<usize>) {
        if let Some(expression) = self.names.condition(id, when) {
            step.set("when", expression);
            return;
        }
        // What ends a run, or cannot be undone, waits for a word.
        let on = !matches!(step.kind, Kind::Stop(_)) && !is_risky(id);
        let name = self.draft.switch(id, on, format!("Whether to do: {id}"));
        step.set("when", format!("inputs.{name}"));
        let assumed =
            format!("the input `{name}` decides; without it the step {}", if on { "runs" } else { "is skipped" });
        let what = format!("the condition `{}`", excerpt(when));
        marks.push(self.draft.mark(
            node.line,
            what,
            &assumed,
            "write it as an expression over outputs of earlier steps",
        ));
    }

    fn retry(&mut self, step: &mut Step, retry: &Lined, marks: &mut Vec<usize>) {
        let number = |key: &str| retry.get(key).and_then(|value| value.value().as_u64());
        let mut ours = serde_json::Map::new();
        ours.insert("tries".to_owned(), number("max_attempts").unwrap_or(1).clamp(1, 10).into());
        if let Some(delay) = number("delay_ms") {
            ours.insert("delay".to_owned(), format!("{delay}ms").into());
        }
        match retry.get("on_error").and_then(Lined::text).as_deref() {
            Some("all") => ours.insert("on".to_owned(), "any".into()),
            Some(_) | None => None,
        };
        step.set("retry", ours);
        self.left_over(retry, &["max_attempts", "delay_ms", "on_error"], "retry", marks);
    }
}

fn needs(node: &Lined) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = node.get("depends_on").map(Lined::items).unwrap_or_default().iter().filter_map(Lined::text);
    all.filter(|need| seen.insert(need.clone())).collect()
}

/// A JSON Schema as ours: the key `$schema` tells it from the short form.
fn full_schema(schema: Value) -> Value {
    let Value::Object(fields) = schema else { return schema };
    let mut full = serde_json::Map::new();
    full.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    full.extend(fields);
    full.entry("type").or_insert_with(|| "object".into());
    Value::Object(full)
}

/// Milliseconds as a duration with a unit.
fn milliseconds(limit: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the line above")]
    let limit = limit.clamp(1.0, 604_800_000.0) as u64;
    if limit.is_multiple_of(1000) { format!("{}s", limit / 1000) } else { format!("{limit}ms") }
}
