//! The tools: what each is called, takes and may do; and whether arguments fit.
//!
//! Knows nothing of how a tool is carried out. Every argument has a bound.

use serde_json::{Map, Value, json};

use crate::{base::did_you_mean, service::Refusal};

/// Characters of a name, a path or a comment.
const WORDS_MAX: usize = 2_000;
/// Words of a run, and named values.
const VALUES_MAX: usize = 100;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    List,
    Plan,
    Run,
    Status,
    Logs,
    Approve,
    Reject,
    Pushback,
}

/// What an argument takes.
#[derive(Clone, Copy)]
enum Takes {
    Text,
    Count { min: u64, max: u64 },
    Texts,
    Values,
}

/// One argument: its name, what it takes, whether it must be there, and what it is.
type Argument = (&'static str, Takes, bool, &'static str);

const RUN_ID: &str = "The run's id, or the beginning of it";

impl Tool {
    /// All tools, in the order in which they are listed.
    pub const ALL: [Self; 8] =
        [Self::List, Self::Plan, Self::Run, Self::Status, Self::Logs, Self::Approve, Self::Reject, Self::Pushback];

    /// The tool of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Plan => "plan",
            Self::Run => "run",
            Self::Status => "status",
            Self::Logs => "logs",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Pushback => "pushback",
        }
    }

    /// Whether it says a person's word.
    pub fn decides(self) -> bool {
        matches!(self, Self::Approve | Self::Reject | Self::Pushback)
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::List => (
                "List workflows and commands",
                "Lists the workflows and slash commands of the project with their inputs. `trust` says whether one that \
                 holds commands of its own may run; only a person can change that.",
            ),
            Self::Plan => (
                "Show a plan",
                "Shows what a run would do: the steps, their gates and edges, the inputs, what its agents are expected to \
                 spend, and every fault with its place, cause and fix. Starts nothing.",
            ),
            Self::Run => (
                "Start a run",
                "Starts a run in the background and returns its id at once. The run goes on when this client ends, and \
                 waits where it asks a person. It may start agents, which cost money, and commands. Follow it with \
                 `status`.",
            ),
            Self::Status => (
                "Say where a run stands",
                "Says where a run stands: its steps and gates, what it waits for, the commands with which a person moves \
                 it, what was spent, and its outputs once it has succeeded.",
            ),
            Self::Logs => ("Show what a step printed", "The last lines that the latest attempt of a step has printed."),
            Self::Approve => (
                "Say yes to a question",
                "Says yes to the question that a run asks now, or fills in its form, and lets the run go on.",
            ),
            Self::Reject => {
                ("Say no to a question", "Says no to the question that a run asks now, and lets the run go on.")
            }
            Self::Pushback => (
                "Send work back with comments",
                "Sends the work that a question is about back to its agent, with comments on the lines that have changed. \
                 The question is put again when the agent is done.",
            ),
        }
    }

    fn arguments(self) -> &'static [Argument] {
        const RUN: Argument = ("run", Takes::Text, true, RUN_ID);
        const STEP: Argument =
            ("step", Takes::Text, false, "The step's path; needed where the run asks more than one thing");
        match self {
            Self::List => &[
                ("match", Takes::Text, false, "Only those whose name or description holds this"),
                ("limit", Takes::Count { min: 1, max: 500 }, false, "At most so many [default: 50]"),
            ],
            Self::Plan => &[("name", Takes::Text, true, "A workflow, or a /command")],
            Self::Run => &[
                ("name", Takes::Text, true, "A workflow, or a /command"),
                ("words", Takes::Texts, false, "Values for the inputs that take words, in their order"),
                ("inputs", Takes::Values, false, "Values of inputs by name"),
            ],
            Self::Status => {
                &[("run", Takes::Text, false, "The run's id, or the beginning of it [default: the latest]")]
            }
            Self::Logs => &[
                RUN,
                ("step", Takes::Text, true, "The step's path"),
                (
                    "lines",
                    Takes::Count { min: 1, max: 500 },
                    false,
                    "At most so many lines of each stream [default: 50]",
                ),
            ],
            Self::Approve => &[RUN, STEP, ("fields", Takes::Values, false, "The fields of a form")],
            Self::Reject => &[RUN, STEP, ("comment", Takes::Text, false, "Why")],
            Self::Pushback => &[
                RUN,
                STEP,
                (
                    "comments",
                    Takes::Texts,
                    true,
                    "Each `PATH:LINE: TEXT`, `PATH:LINE-LINE: TEXT`, `PATH: TEXT`, or any text",
                ),
            ],
        }
    }

    /// As `tools/list` shows it.
    pub fn shown(self) -> Value {
        let (title, description) = self.words();
        let properties: Map<String, Value> = self
            .arguments()
            .iter()
            .map(|(name, takes, _, about)| {
                let mut schema = takes.schema();
                schema["description"] = json!(about);
                ((*name).to_owned(), schema)
            })
            .collect();
        let required: Vec<_> =
            self.arguments().iter().filter(|argument| argument.2).map(|argument| argument.0).collect();
        let reads = matches!(self, Self::List | Self::Plan | Self::Status | Self::Logs);
        json!({
            "name": self.name(),
            "title": title,
            "description": description,
            "inputSchema": {
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            },
            "annotations": {
                "title": title,
                "readOnlyHint": reads,
                // What a workflow does is not known here.
                "destructiveHint": !reads,
                "idempotentHint": reads,
                "openWorldHint": !reads,
            },
        })
    }

    /// Finds what is wrong with the arguments, all at once.
    ///
    /// # Errors
    /// Where anything is.
    pub fn check(self, given: &Map<String, Value>) -> Result<(), Refusal> {
        let takes = self.arguments();
        let mut faults = Vec::new();
        for (name, takes, needed, _) in takes {
            match given.get(*name) {
                None if *needed => faults.push(format!("`{name}` is missing")),
                None => {}
                Some(value) => faults.extend(takes.fault(value).map(|fault| format!("`{name}` {fault}"))),
            }
        }
        for name in given.keys().filter(|name| !takes.iter().any(|argument| argument.0 == *name)).take(5) {
            let near = did_you_mean(name, takes.iter().map(|argument| argument.0));
            let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            let shown: String = name.chars().take(60).collect();
            faults.push(format!("there is no `{}`{near}", shown.escape_debug()));
        }
        if faults.is_empty() {
            return Ok(());
        }
        let message = format!("the arguments of `{}` do not fit: {}", self.name(), faults.join("; "));
        let names: Vec<_> = takes.iter().map(|argument| argument.0).collect();
        Err(Refusal::new(2, "E0580", message, format!("it takes: {}", names.join(", "))))
    }
}

impl Takes {
    fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string", "maxLength": WORDS_MAX }),
            Self::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Texts => json!({
                "type": "array", "maxItems": VALUES_MAX, "items": { "type": "string" },
            }),
            Self::Values => json!({ "type": "object", "maxProperties": VALUES_MAX }),
        }
    }

    /// What is wrong with a value.
    fn fault(self, value: &Value) -> Option<String> {
        let fits = match (self, value) {
            (Self::Text, Value::String(text)) if text.chars().count() > WORDS_MAX => {
                return Some(format!("is longer than {WORDS_MAX} characters"));
            }
            (Self::Text, value) => value.is_string(),
            (Self::Count { min, max }, value) => value.as_u64().is_some_and(|count| (min..=max).contains(&count)),
            (Self::Texts, Value::Array(words)) => words.len() <= VALUES_MAX && words.iter().all(Value::is_string),
            (Self::Values, Value::Object(values)) => values.len() <= VALUES_MAX,
            (Self::Texts | Self::Values, _) => false,
        };
        let what = match self {
            Self::Text => "is no text".to_owned(),
            Self::Count { min, max } => format!("is no whole number from {min} to {max}"),
            Self::Texts => format!("is no list of at most {VALUES_MAX} texts"),
            Self::Values => format!("is no object with at most {VALUES_MAX} values"),
        };
        (!fits).then_some(what)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_described_bounded_and_annotated() {
        for tool in Tool::ALL {
            let shown = tool.shown();
            assert_eq!(Tool::named(shown["name"].as_str().unwrap()), Some(tool));
            assert_eq!(shown["inputSchema"]["additionalProperties"], false);
            for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                assert!(shown["annotations"][hint].is_boolean(), "{shown}");
            }
            for (name, schema) in shown["inputSchema"]["properties"].as_object().unwrap() {
                let bounds = ["maxLength", "maximum", "maxItems", "maxProperties"];
                assert!(bounds.iter().any(|bound| schema.get(bound).is_some()), "{name}: {schema}");
            }
            assert_eq!(shown["annotations"]["readOnlyHint"] == true, !tool.decides() && tool != Tool::Run);
        }
    }

    #[test]
    fn what_the_schema_refuses_is_refused() {
        let long = "x".repeat(WORDS_MAX + 1);
        let cases = [
            (Tool::Plan, json!({}), "`name` is missing"),
            (Tool::Plan, json!({ "name": 3 }), "`name` is no text"),
            (Tool::Plan, json!({ "name": long }), "longer than"),
            (Tool::Run, json!({ "name": "x", "inpust": {} }), "did you mean `inputs`?"),
            (Tool::Run, json!({ "name": "x", "words": [1] }), "no list of at most 100 texts"),
            (Tool::Run, json!({ "name": "x", "on_approval": "approve" }), "there is no `on_approval`"),
            (Tool::List, json!({ "limit": 0 }), "from 1 to 500"),
            (Tool::List, json!({ "limit": 1.5 }), "from 1 to 500"),
            (Tool::Approve, json!({ "run": "a", "fields": [] }), "no object"),
        ];
        for (tool, given, words) in cases {
            let refusal = tool.check(given.as_object().unwrap()).unwrap_err();
            assert!(refusal.message.contains(words), "{given}: {refusal}");
        }
        Tool::Run.check(json!({ "name": "x", "words": ["a"], "inputs": { "n": 1 } }).as_object().unwrap()).unwrap();
    }
}
