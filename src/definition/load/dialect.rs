//! The second dialect: `workflows:` with lists of `{ agent, task, description, optional }`.
//!
//! A plain list runs in order. With `max_iterations` it is a loop that ends when an agent has fewer suggestions than
//! the threshold; its last iteration counts in any case.

use std::{path::Path, sync::Arc};

use serde_json::json;

use crate::{
    base::{Diagnostic, Source, Span, Spanned, codes::definition as codes},
    definition::{
        load::{
            builtin,
            keys::{DIALECT, ITERATIONS, TASK},
            names::{Names, legal_id},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
        },
        workflow::{Budget, Input, Limits, OnMax, Prompt, Step, StepKind, Workflow},
    },
};

/// Tasks with a shipped prompt in `workflows/prompts/task-NAME.md`.
const VERBS: [&str; 4] = ["implement", "review", "refine", "suggestions"];
/// Tasks whose output is a list of suggestions.
const CRITICS: [&str; 2] = ["review", "suggestions"];
/// Iterations without `max_iterations` but with a threshold.
const THRESHOLD_DEFAULT: u32 = 1;

impl Reader<'_, '_> {
    /// Reads a document of the second dialect.
    pub fn dialect(&mut self, node: &Node<'_>) -> Vec<Workflow> {
        let Some(mut fields) = Fields::open(node, &DIALECT, self.faults) else { return Vec::new() };
        self.text_of(fields.take("$schema"));
        let entry = fields.take("workflows");
        let pairs = self.pairs(entry).unwrap_or_default();
        if let (Some(entry), true) = (entry, pairs.is_empty()) {
            let help = "add one: `default: [{ agent: code-reviewer, task: review }]`";
            if entry.value.as_map().is_some() {
                self.faults.error(codes::BAD_VALUE, entry.value.span, "`workflows` is empty", "no workflow here", help);
            }
        }
        pairs.iter().filter_map(|pair| self.tasks_workflow(pair)).collect()
    }

    fn tasks_workflow(&mut self, pair: &Entry<'_>) -> Option<Workflow> {
        let name = Spanned::new(pair.key.to_string(), pair.key_span);
        let named = self.check_name(&name);
        if pair.value.as_list().is_some() {
            let steps = self.tasks(pair);
            return named.then(|| self.assemble(name, String::new(), steps));
        }
        if pair.value.as_map().is_none() {
            let form = format!("`{}: [{{ agent: code-reviewer, task: review }}]`", pair.key);
            wrong_type(&pair.value, &format!("`{}`", pair.key), "a list of tasks", &form, self.faults);
            return None;
        }
        let mut fields = Fields::open(&pair.value, &ITERATIONS, self.faults)?;
        let description = self.text_of(fields.take("description")).map(|text| text.value).unwrap_or_default();
        let max = self.whole(fields.take("max_iterations"), 1, 1000);
        let threshold_entry = fields.take("min_suggestions_threshold");
        let threshold = self.whole(threshold_entry, 1, 1000);
        let steps = fields.take("steps").map(|entry| self.tasks(entry)).unwrap_or_default();
        if let (Some(entry), false) = (threshold_entry, fields.has("max_iterations")) {
            let (cause, help) =
                ("without `max_iterations` the tasks run once", "add `max_iterations: 3`, or remove it");
            self.faults.error(codes::CONFLICT, entry.key_span, "a threshold without a loop", cause, help);
        }
        fields.done("a workflow of tasks", self.faults, |_| String::new());
        let steps = match max {
            Some(max) => vec![repeated(steps, max, threshold.unwrap_or(THRESHOLD_DEFAULT), pair.value.span)],
            None => steps,
        };
        named.then(|| self.assemble(name, description, steps))
    }

    fn assemble(&self, name: Spanned<String>, description: String, steps: Vec<Step>) -> Workflow {
        let task = Input {
            name: Spanned::new("task".to_owned(), name.span),
            schema: json!({ "type": "string" }),
            required: true,
            positional: true,
            default: None,
            description: "What to do".to_owned(),
        };
        Workflow {
            source: Arc::clone(self.faults.source()),
            folder: self.folder.path(),
            name,
            description,
            inputs: vec![task],
            models: Vec::new(),
            budget: Budget::default(),
            limits: Limits::default(),
            on_failure: None,
            secrets: Vec::new(),
            steps,
            outputs: Vec::new(),
            reads: self.folder.reads(),
        }
    }

    fn tasks(&mut self, entry: &Entry<'_>) -> Vec<Step> {
        let Some(items) = entry.value.as_list() else {
            wrong_type(
                &entry.value,
                &format!("`{}`", entry.key),
                "a list of tasks",
                "each task with `- agent: …` on a line below",
                self.faults,
            );
            return Vec::new();
        };
        if items.is_empty() {
            let help = "add a task: `- { agent: code-reviewer, task: review }`";
            self.faults.error(
                codes::BAD_VALUE,
                entry.value.span,
                format!("`{}` is empty", entry.key),
                "no tasks here",
                help,
            );
        }
        let mut names = Names::default();
        items.iter().filter_map(|item| self.task(item, &mut names)).collect()
    }

    fn task(&mut self, node: &Node<'_>, names: &mut Names) -> Option<Step> {
        self.steps += 1;
        let mut fields = Fields::open(node, &TASK, self.faults)?;
        let agent = self.text_of(fields.take("agent"));
        let task = self.text_of(fields.take("task"));
        let description = self.text_of(fields.take("description"));
        let optional = self.boolean(fields.take("optional")).unwrap_or(false);
        fields.done("a task", self.faults, |_| String::new());
        let (agent, task) = (agent?, task?);
        let verb = VERBS.into_iter().find(|verb| *verb == task.value);
        let id = names.make(&verb.map_or_else(|| legal_id(&agent.value), str::to_owned));
        let prompt = self.task_prompt(&task, verb, description.as_ref())?;
        let kind = StepKind::Agent { agent: Some(agent), prompt: Some(prompt) };
        let mut step = Step::new(Spanned::new(id, node.span), kind);
        step.optional = optional;
        if verb.is_some_and(|verb| CRITICS.contains(&verb)) {
            step.output = Some(Spanned::new(suggestions_schema(), task.span));
        }
        Some(step)
    }

    /// The shipped prompt of a verb, or the task's own text; either way with the run's task and the description.
    fn task_prompt(
        &mut self,
        task: &Spanned<String>,
        verb: Option<&str>,
        description: Option<&Spanned<String>>,
    ) -> Option<Prompt> {
        let (path, mut text) = match verb {
            Some(verb) => {
                let inside = format!("workflows/prompts/task-{verb}.md");
                let Some(shipped) = builtin::read(Path::new(&inside)) else {
                    let fault = Diagnostic::error(
                        codes::FILE_MISSING,
                        self.faults.source(),
                        task.span,
                        format!("the prompt of `{verb}` is not in this binary"),
                    )
                    .cause(format!("`{inside}` was not built in"))
                    .help("write the task as a text");
                    self.faults.add(fault);
                    return None;
                };
                (shipped.source.path.clone(), shipped.source.text.clone())
            }
            None => {
                let own = if task.value.contains("{{") {
                    task.value.clone()
                } else {
                    format!("{}\n\nThe task: {{{{ inputs.task }}}}", task.value)
                };
                (self.source.path.clone(), own)
            }
        };
        if let Some(description) = description {
            text = format!("{}\n\n{}\n", text.trim_end(), description.value);
        }
        let source = Source::new(path, text);
        let whole = Span::new(0..source.text.len());
        Some(Prompt { text: Spanned::new(source.text.clone(), whole), file: Some(source) })
    }
}

fn suggestions_schema() -> serde_json::Value {
    json!({
        "type": "object",
        "properties": { "suggestions": { "type": "array", "items": { "type": "string" } } },
        "required": ["suggestions"],
        "additionalProperties": false,
    })
}

/// The tasks as a loop that ends when the last critic has fewer suggestions than the threshold.
fn repeated(steps: Vec<Step>, max: u32, threshold: u32, span: Span) -> Step {
    let critic = steps.iter().rev().find(|step| step.output.is_some()).map(|step| step.id.clone());
    let until = critic.map(|id| id.map(|id| format!("{id}.suggestions | length < {threshold}")));
    Step::new(
        Spanned::new("iterations".to_owned(), span),
        StepKind::Loop { max, until, on_max: OnMax::Continue, steps },
    )
}
