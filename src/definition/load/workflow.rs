//! A document to a [`Workflow`]: the keys at the top.

use serde_json::{Value, json};

use crate::{
    base::{Span, Spanned, codes::definition as codes},
    definition::{
        load::{
            keys::{BUDGET, INPUT, LIMITS, WORKFLOW},
            names::{Names, check_id},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
        },
        workflow::{Budget, Input, Limits, ModelTier, OnFailure, OnLimit, Workflow},
    },
};

/// The words of `on_failure:`.
pub(super) const ON_FAILURE: [(&str, OnFailure); 3] =
    [("drain", OnFailure::Drain), ("fail_fast", OnFailure::FailFast), ("continue", OnFailure::Continue)];

impl Reader<'_, '_> {
    /// Reads a document. `None` if it is no mapping; other faults are in the reader's faults.
    pub fn workflow(&mut self, node: &Node<'_>, name: &str) -> Option<Workflow> {
        if node.is_nothing() {
            self.faults.error(
                codes::MISSING_KEY,
                node.span,
                "this workflow is empty",
                "a workflow has steps",
                "write `steps:` and below it a list: `- run: cargo test`",
            );
            return None;
        }
        let mut fields = Fields::open(node, &WORKFLOW, self.faults)?;
        Some(self.workflow_fields(&mut fields, name))
            .inspect(|_| fields.done("a workflow", self.faults, |_| String::new()))
    }

    /// Reads the keys of a document that is open.
    pub fn workflow_fields(&mut self, fields: &mut Fields<'_, '_>, name: &str) -> Workflow {
        self.text_of(fields.take("$schema"));
        let start = Span::new(fields.span.start..fields.span.start);
        let name = self.name(fields.take("name")).unwrap_or_else(|| Spanned::new(name.to_owned(), start));
        let description = self.text_of(fields.take("description")).map(|text| text.value).unwrap_or_default();
        let inputs = self.inputs(fields.take("inputs"));
        let models = self.models(fields.take("models"));
        let budget = fields.take("budget").and_then(|entry| self.budget(&entry.value)).unwrap_or_default();
        let limits = fields.take("limits").and_then(|entry| self.limits(&entry.value)).unwrap_or_default();
        let on_failure = self.one_of(fields.take("on_failure"), &ON_FAILURE);
        let secrets = self.secrets_declared(fields.take("secrets"));
        self.secrets = secrets.iter().map(|secret| (secret.name.value.clone(), secret.exposed)).collect();
        let steps = fields.take("steps").map(|entry| self.steps(entry)).unwrap_or_default();
        let outputs = self.values(fields.take("outputs"), "an output");
        Workflow {
            source: std::sync::Arc::clone(self.faults.source()),
            folder: self.folder.path(),
            name,
            description,
            inputs,
            models,
            budget,
            limits,
            on_failure,
            secrets,
            steps,
            outputs,
            reads: self.folder.reads(),
        }
    }

    /// A mapping of ids to values of any type.
    pub fn values(&mut self, entry: Option<&Entry<'_>>, what: &str) -> Vec<(Spanned<String>, Spanned<Value>)> {
        let mut values = Vec::new();
        for pair in self.pairs(entry).unwrap_or_default() {
            let name = Spanned::new(pair.key.to_string(), pair.key_span);
            if check_id(&name, what, false, self.faults) {
                values.push((name, Spanned::new(pair.value.to_json(), pair.value.span)));
            }
        }
        values
    }

    fn inputs(&mut self, entry: Option<&Entry<'_>>) -> Vec<Input> {
        let mut names = Names::default();
        let mut inputs = Vec::new();
        for pair in self.pairs(entry).unwrap_or_default() {
            let name = Spanned::new(pair.key.to_string(), pair.key_span);
            if !check_id(&name, "an input", true, self.faults) {
                continue;
            }
            names.claim(&name, "inputs", self.faults);
            inputs.extend(self.input(name, &pair.value));
        }
        inputs
    }

    fn input(&mut self, name: Spanned<String>, node: &Node<'_>) -> Option<Input> {
        let bare = Input {
            name,
            schema: json!({}),
            required: false,
            positional: false,
            default: None,
            description: String::new(),
        };
        if node.as_text().is_some() {
            return Some(Input { schema: self.short(node)?, ..bare });
        }
        let mut fields = Fields::open(node, &INPUT, self.faults)?;
        let mut schema = match fields.take("type") {
            Some(entry) => self.short(&entry.value).unwrap_or_else(|| json!({})),
            None => json!({}),
        };
        if let Some(entry) = fields.take("enum") {
            match entry.value.as_list() {
                Some(values) if !values.is_empty() => {
                    for value in values {
                        self.conforms(&entry.key, value, &schema);
                    }
                    schema["enum"] = Value::Array(values.iter().map(Node::to_json).collect());
                }
                _ => wrong_type(&entry.value, "`enum`", "a list of values", "`enum: [small, large]`", self.faults),
            }
        }
        let default = fields.take("default");
        if let Some(entry) = default {
            self.conforms("default", &entry.value, &schema);
        }
        let required_entry = fields.take("required");
        let required = self.boolean(required_entry).unwrap_or(false);
        if let (true, Some(entry), Some(default)) = (required, required_entry, default) {
            self.faults.error(
                codes::CONFLICT,
                entry.key_span,
                "a required input has a default",
                "a run must give it, so the default is never used",
                format!("remove `required: true`, or remove `default: {}`", default.value.as_text().unwrap_or("…")),
            );
        }
        let input = Input {
            schema,
            required,
            positional: self.boolean(fields.take("positional")).unwrap_or(false),
            default: default.map(|entry| Spanned::new(entry.value.to_json(), entry.value.span)),
            description: self.text_of(fields.take("description")).map(|text| text.value).unwrap_or_default(),
            ..bare
        };
        fields.done("an input", self.faults, |_| String::new());
        Some(input)
    }

    /// Reports a value that an input's schema (type and enum of the short form) does not allow.
    fn conforms(&mut self, what: &str, node: &Node<'_>, schema: &Value) {
        if node.is_broken() {
            return;
        }
        let value = node.to_json();
        let fits_type = match schema.get("type") {
            Some(Value::String(kind)) => has_type(&value, kind),
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(|kind| has_type(&value, kind)),
            _ => true,
        };
        if !fits_type {
            let expected = schema["type"].to_string().replace('"', "");
            let text = node.as_text().filter(|_| expected == "string");
            let help = text.map_or_else(
                || format!("write a value of the type {expected}"),
                |text| format!("put it into quotes: \"{text}\""),
            );
            let message = format!("`{what}` does not fit the type of the input");
            self.faults.error(
                codes::BAD_VALUE,
                node.span,
                message,
                format!("{}, but the type is {expected}", node.describe()),
                help,
            );
        } else if let Some(Value::Array(allowed)) = schema.get("enum").filter(|_| what == "default")
            && !allowed.contains(&value)
        {
            let all: Vec<String> = allowed.iter().take(20).map(ToString::to_string).collect();
            let cause = "not one of the values of `enum`";
            self.faults.error(
                codes::BAD_VALUE,
                node.span,
                "`default` does not fit the input",
                cause,
                format!("write one of {}", all.join(", ")),
            );
        }
    }

    fn models(&mut self, entry: Option<&Entry<'_>>) -> Vec<ModelTier> {
        let mut tiers = Vec::new();
        for pair in self.pairs(entry).unwrap_or_default() {
            let name = Spanned::new(pair.key.to_string(), pair.key_span);
            self.check_name(&name);
            let models = self.pairs(Some(pair)).unwrap_or_default();
            let models = models
                .iter()
                .filter_map(|model| {
                    let runtime = Spanned::new(model.key.to_string(), model.key_span);
                    self.check_name(&runtime);
                    let chain = self.texts(Some(model))?;
                    if chain.is_empty() && model.value.as_list().is_some_and(<[_]>::is_empty) {
                        let (cause, help) = ("no model here", "write a model, or several in the order of choice");
                        self.faults.error(
                            codes::BAD_VALUE,
                            model.value.span,
                            "the list of models is empty",
                            cause,
                            help,
                        );
                    }
                    (!chain.is_empty()).then_some((runtime, chain))
                })
                .collect();
            tiers.push(ModelTier { name, models });
        }
        tiers
    }

    fn budget(&mut self, node: &Node<'_>) -> Option<Budget> {
        let mut fields = Fields::open(node, &BUDGET, self.faults)?;
        let budget = Budget {
            usd: self.number(fields.take("usd"), None),
            tokens: self.count(fields.take("tokens")),
            time: self.duration(fields.take("time")),
            agents: self.count(fields.take("agents")),
            on_limit: self.one_of(fields.take("on_limit"), &[("pause", OnLimit::Pause), ("stop", OnLimit::Stop)]),
        };
        fields.done("`budget:`", self.faults, |_| String::new());
        Some(budget)
    }

    fn limits(&mut self, node: &Node<'_>) -> Option<Limits> {
        let mut fields = Fields::open(node, &LIMITS, self.faults)?;
        let parallel = self.whole(fields.take("parallel"), 1, 1000);
        let mut per_runtime = Vec::new();
        for pair in self.pairs(fields.take("per_runtime")).unwrap_or_default() {
            let runtime = Spanned::new(pair.key.to_string(), pair.key_span);
            if self.check_name(&runtime)
                && let Some(number) = self.whole(Some(pair), 1, 1000)
            {
                per_runtime.push((runtime, number));
            }
        }
        fields.done("`limits:`", self.faults, |_| String::new());
        Some(Limits { parallel, per_runtime })
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}
