//! One node as a step.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::definition::{
    import::{
        archon::{names::Reads, read::Reading},
        draft::{Kind, Step},
        text::excerpt,
    },
    load::Lined,
};

/// Iterations of a loop that says none.
const ITERATIONS: u64 = 10;

impl Reading<'_> {
    /// The step of a node.
    pub fn node(&mut self, node: &Lined, id: &str, ours: String) -> Step {
        let mut reads = Reads::default();
        let mut marks = Vec::new();
        let description = node.get("description").and_then(Lined::text).unwrap_or_default();
        let mut step = Step::new(ours, &description, Kind::Parallel);
        step.line = node.line;
        let text = |key: &str| node.get(key).and_then(Lined::text);
        if let Some(prompt) = text("prompt") {
            step.kind = Kind::Agent { agent: None, prompt: self.names.template(id, &prompt, &mut reads) };
        } else if let Some(command) = text("command") {
            step.kind = self.command(node, id, &command, &mut reads, &mut marks);
        } else if let Some(script) = text("bash") {
            self.script(&mut step, id, vec!["bash".into(), "-c".into()], &script, &mut reads);
        } else if let Some(script) = text("script") {
            let program = self.interpreter(node, &mut marks);
            self.script(&mut step, id, program, &script, &mut reads);
        } else if let Some(body) = node.get("loop") {
            self.repeat(&mut step, node, body, id, &mut reads, &mut marks);
        } else if let Some(body) = node.get("loop_group") {
            self.repeat_group(&mut step, body, id, &mut marks);
        } else if let Some(approval) = node.get("approval") {
            let message = approval.get("message").and_then(Lined::text).unwrap_or_else(|| "Go on?".to_owned());
            step.kind = Kind::Approve(self.names.template(id, &message, &mut reads));
            self.left_over(approval, &["message"], "approval", &mut marks);
        } else if let Some(reason) = text("cancel") {
            step.kind = Kind::Stop(self.names.template(id, &reason, &mut reads));
        } else {
            step.kind = self.elsewhere(node, id, &mut reads, &mut marks);
        }
        self.keys(&mut step, node, id, &mut marks);
        self.unknown(node.line, id, reads, &mut marks);
        step.marks.extend(marks);
        step
    }

    /// A command is the text of its file.
    fn command(&mut self, node: &Lined, id: &str, name: &str, reads: &mut Reads, marks: &mut Vec<usize>) -> Kind {
        let known = self.known.commands.get(name).cloned();
        let (text, what, assumed) = match known {
            Some(text) => {
                (text, format!("`{id}` runs the command `{name}`"), "its text stands here, as it was at the import")
            }
            None => (
                format!("Do what the command `{name}` says, for: $ARGUMENTS"),
                format!("the text of the command `{name}` was not found"),
                "the agent is told its name",
            ),
        };
        let edit = "put the text into a file of its own and name it with `prompt_file:`";
        marks.push(self.draft.mark(node.line, what, assumed, edit));
        Kind::Agent { agent: None, prompt: self.names.template(id, &text, reads) }
    }

    fn interpreter(&mut self, node: &Lined, marks: &mut Vec<usize>) -> Vec<String> {
        let mut program: Vec<String> = match node.get("runtime").and_then(Lined::text).as_deref() {
            Some("uv") => vec!["uv".into(), "run".into()],
            Some(_) | None => vec!["bun".into(), "-e".into()],
        };
        if program[0] == "uv" {
            for package in node.get("deps").map(Lined::items).unwrap_or_default().iter().filter_map(Lined::text) {
                program.extend(["--with".to_owned(), package]);
            }
            program.extend(["python".to_owned(), "-c".to_owned()]);
        }
        let what = "a `script` runs by another program";
        let edit = "name a file where the script is a name and no text";
        marks.push(self.draft.mark(node.line, what, "its text is handed to that program", edit));
        program
    }

    /// A command of a shell. Where others read fields of its output, what it prints is its output.
    fn script(&mut self, step: &mut Step, id: &str, program: Vec<String>, script: &str, reads: &mut Reads) {
        let (script, mut env) = self.names.script(id, script, reads);
        let fields = self.names.fields.get(id).cloned().unwrap_or_default();
        step.kind = if fields.is_empty() {
            Kind::Run { program, script }
        } else {
            let output: serde_json::Map<String, Value> =
                fields.into_iter().map(|field| (format!("{field}?"), json!("any"))).collect();
            step.set("output", output);
            env.insert("SCRIPT".to_owned(), crate::definition::import::text::literal(&script));
            let words: Vec<String> = program.iter().map(|word| shell_word(word)).collect();
            let script = format!("{} \"$SCRIPT\" | tee \"$ORCH_OUTPUT\"", words.join(" "));
            Kind::Run { program: vec!["bash".into(), "-o".into(), "pipefail".into(), "-c".into()], script }
        };
        if !env.is_empty() {
            step.set(
                "env",
                env.into_iter().map(|(key, value)| (key, Value::String(value))).collect::<serde_json::Map<_, _>>(),
            );
        }
    }

    /// A prompt that is repeated until the agent says that it is done, or a command says so.
    fn repeat(
        &mut self,
        step: &mut Step,
        node: &Lined,
        body: &Lined,
        id: &str,
        reads: &mut Reads,
        marks: &mut Vec<usize>,
    ) {
        let text = |key: &str| body.get(key).and_then(Lined::text);
        let kind = match (text("prompt"), text("command")) {
            (Some(prompt), _) => Kind::Agent { agent: None, prompt: self.names.template(id, &prompt, reads) },
            (None, Some(command)) => self.command(node, id, &command, reads, marks),
            (None, None) => Kind::Agent { agent: None, prompt: "Do the next part of the work.".to_owned() },
        };
        let work = step.ids.make("work");
        let mut work = Step::new(work, "", kind);
        work.line = body.line;
        self.agent_keys(&mut work, node, marks);
        let mut until = String::from("false");
        if let Some(signal) = text("until") {
            if let Kind::Agent { prompt, .. } = &mut work.kind {
                prompt.push_str(&format!(
                    "\n\nSet `done` in your output to true when you would say {signal}, else to false."
                ));
            }
            work.set("output", json!({ "done": "boolean" }));
            until = "work.done".to_owned();
            let what = format!("the loop of `{id}` ends when the agent says {}", excerpt(&signal));
            let edit = "let a command decide where one can: a `run:` step with an `output:`";
            marks.push(self.draft.mark(body.line, what, "the agent says so in the field `done` of its output", edit));
        }
        step.children.push(work);
        if let Some(check) = text("until_bash") {
            let mut child = self.until_command(step, id, &check, reads);
            child.set("output", json!({ "done": "boolean" }));
            step.children.push(child);
            until = if until == "false" { "check.done".to_owned() } else { format!("{until} or check.done") };
        }
        let max = body.get("max_iterations").and_then(|max| max.value().as_u64()).unwrap_or(ITERATIONS);
        step.kind = Kind::Loop { max: max.clamp(1, 100), until };
        if let Some(message) = text("gate_message") {
            let ask = step.ids.make("approval");
            let kind = Kind::Approve(self.names.template(id, &message, reads));
            step.children.push(Step::new(ask, "", kind));
            let what = format!("the loop of `{id}` waits for a person after each iteration");
            let edit = "use `ask:` with fields if the agent must read an answer";
            marks.push(self.draft.mark(body.line, what, "a person agrees, or the run ends", edit));
        }
        let done = ["prompt", "command", "until", "until_bash", "max_iterations", "gate_message", "interactive"];
        self.left_over(body, &done, "loop", marks);
    }

    fn until_command(&mut self, step: &mut Step, id: &str, check: &str, reads: &mut Reads) -> Step {
        let (script, env) = self.names.script(id, check, reads);
        let script = format!(
            "if (\n{}\n); then echo '{{\"done\": true}}'; else echo '{{\"done\": false}}'; fi > \"$ORCH_OUTPUT\"",
            script.trim_end()
        );
        let check = step.ids.make("check");
        let mut child = Step::new(check, "", Kind::Run { program: vec!["bash".into(), "-c".into()], script });
        if !env.is_empty() {
            child.set(
                "env",
                env.into_iter().map(|(key, value)| (key, Value::String(value))).collect::<serde_json::Map<_, _>>(),
            );
        }
        child
    }

    /// Nodes that are repeated together.
    fn repeat_group(&mut self, step: &mut Step, body: &Lined, id: &str, marks: &mut Vec<usize>) {
        let nodes = body.get("nodes").map(Lined::items).unwrap_or_default().to_vec();
        let outer = self.names.clone();
        let outside = outer.before.get(id).cloned().unwrap_or_default();
        let children = self.list(&nodes, &mut step.ids, &outside);
        self.names = outer;
        step.children = children;
        let max = body.get("max_iterations").and_then(|max| max.value().as_u64()).unwrap_or(ITERATIONS);
        let mut until = "false".to_owned();
        let mut reads = Reads::default();
        if let Some(check) = body.get("until_bash").and_then(Lined::text) {
            let mut child = self.until_command(step, id, &check, &mut reads);
            child.set("output", json!({ "done": "boolean" }));
            let needs: Vec<Value> = step.children.iter().map(|child| child.id.clone().into()).collect();
            child.set("needs", needs);
            until = format!("{}.done", child.id);
            step.children.push(child);
        } else {
            let what = format!("the loop group `{id}` ends by a word that an agent says");
            let edit = "write `until:` as an expression over the outputs of its steps";
            marks.push(self.draft.mark(
                body.line,
                what,
                "it never ends early, and fails after the last iteration",
                edit,
            ));
        }
        step.kind = Kind::Loop { max: max.clamp(1, 100), until };
        self.left_over(body, &["nodes", "max_iterations", "until_bash"], "loop_group", marks);
    }

    /// Another workflow, or a kind of node that is not known.
    fn elsewhere(&mut self, node: &Lined, id: &str, reads: &mut Reads, marks: &mut Vec<usize>) -> Kind {
        let name = ["workflow", "include"].into_iter().find_map(|key| node.get(key).and_then(Lined::text));
        let (what, prompt) = match name {
            Some(name) => {
                let input = node.get("input").and_then(Lined::text).unwrap_or_else(|| "$ARGUMENTS".to_owned());
                (
                    format!("`{id}` runs another workflow: `{name}`"),
                    format!("Do what the workflow `{name}` does, for: {input}"),
                )
            }
            None => {
                (format!("the node `{id}` has no kind that is known"), format!("Do the work of `{id}`: $ARGUMENTS"))
            }
        };
        let edit = "import that workflow too, and write `workflow: NAME` with its inputs under `with:`";
        marks.push(self.draft.mark(node.line, what, "an agent is told to do it", edit));
        Kind::Agent { agent: None, prompt: self.names.template(id, &prompt, reads) }
    }

    /// What a text reads and nobody gives it.
    fn unknown(&mut self, line: usize, id: &str, reads: Reads, marks: &mut Vec<usize>) {
        if reads.arguments {
            self.draft.needs_arguments("The words of the request");
        }
        if !reads.unknown.is_empty() {
            let words = reads.unknown.into_iter().collect::<Vec<_>>().join(", ");
            let what = format!("`{id}` reads values that `orch` does not have: {words}");
            let edit = "declare an input, or read the output of a step that it needs";
            marks.push(self.draft.mark(line, what, "they stand in the text as they are", edit));
        }
        let long: Vec<String> = reads.whole.iter().filter(|node| self.commands.contains(*node)).cloned().collect();
        if !long.is_empty() {
            let what = format!("`{id}` reads all that a command prints: {}", long.join(", "));
            let edit = "let the command write JSON to `$ORCH_OUTPUT` and declare its `output:`";
            marks.push(self.draft.mark(line, what, "it gets the last line", edit));
        }
    }

    /// Keys inside a part of a node that have no counterpart.
    pub fn left_over(&mut self, body: &Lined, used: &[&str], part: &str, marks: &mut Vec<usize>) {
        let left: BTreeMap<&str, usize> = body
            .entries()
            .iter()
            .filter(|(key, ..)| !used.contains(&key.as_str()))
            .map(|(key, line, _)| (key.as_str(), *line))
            .collect();
        for (key, line) in left {
            let value = body.get(key).map(|value| excerpt(&value.value().to_string())).unwrap_or_default();
            let what = format!("`{key}: {value}` of `{part}` has no counterpart");
            marks.push(self.draft.mark(line, what, "it is not carried over", "say it in the prompt, or leave it out"));
        }
    }
}

fn shell_word(word: &str) -> String {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:@".contains(&byte));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
