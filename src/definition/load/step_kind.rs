//! What a step does: its one kind key, and which other keys that kind can use.

use crate::{
    base::{Diagnostic, Spanned, codes::definition as codes},
    definition::{
        load::{
            keys::{LOOP, STOP, WAIT},
            names::legal_id,
            node::Entry,
            reader::Reader,
            shape::{Fields, wrong_type},
        },
        workflow::{OnMax, Prompt, RunCommand, StepKind, Wait},
    },
};

/// The kinds of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Agent,
    Run,
    Approve,
    Ask,
    Wait,
    Emit,
    Checkpoint,
    Stop,
    Parallel,
    Each,
    Loop,
    Workflow,
    Plan,
}

use Class::{Agent, Approve, Ask, Checkpoint, Each, Emit, Loop, Parallel, Plan, Run, Stop, Workflow};

/// The kind keys. Those of one class may stand together.
const KIND_KEYS: [(&str, Class); 15] = [
    ("agent", Agent),
    ("prompt", Agent),
    ("prompt_file", Agent),
    ("run", Run),
    ("approve", Approve),
    ("ask", Ask),
    ("wait", Class::Wait),
    ("emit", Emit),
    ("checkpoint", Checkpoint),
    ("stop", Stop),
    ("parallel", Parallel),
    ("each", Each),
    ("loop", Loop),
    ("workflow", Workflow),
    ("plan", Plan),
];

/// Keys that only some kinds can use. Keys that are not here are for all.
const PLACES: &[(&str, &[Class])] = &[
    ("steps", &[Each, Loop]),
    ("as", &[Each]),
    ("key", &[Each]),
    ("max_items", &[Each]),
    ("batch", &[Each]),
    ("max_parallel", &[Each, Parallel]),
    ("args", &[Run]),
    ("with", &[Agent, Ask, Workflow]),
    ("files", &[Agent, Run]),
    ("files_from", &[Agent]),
    ("gate", &[Agent, Run, Approve, Ask, Class::Wait, Emit, Parallel, Each, Loop, Workflow, Plan]),
    ("on_gate_fail", &[Agent, Run, Approve, Ask, Class::Wait, Emit, Parallel, Each, Loop, Workflow, Plan]),
    ("retry", &[Agent, Run, Plan]),
    ("timeout", &[Agent, Run, Class::Wait, Plan]),
    ("idle_timeout", &[Agent, Run, Plan]),
    ("recovery", &[Agent, Run, Plan]),
    ("on_failure", &[Parallel, Each, Loop, Plan]),
    ("model", &[Agent, Plan]),
    ("runtime", &[Agent, Plan]),
    ("tools", &[Agent, Plan]),
    ("permissions", &[Agent, Plan]),
    ("danger", &[Agent]),
    ("sandbox", &[Agent, Run, Parallel, Each, Loop, Workflow, Plan]),
    ("context", &[Agent, Plan]),
    ("context_budget", &[Agent, Plan]),
    ("skills", &[Agent, Plan]),
    ("workspace", &[Agent, Run, Parallel, Each, Loop, Plan]),
    ("merge", &[Agent, Run, Parallel, Each, Loop]),
    ("output", &[Agent, Run, Ask]),
    ("env", &[Agent, Run, Plan]),
    ("secrets", &[Agent, Run]),
    ("summary", &[Agent, Run]),
    ("cache", &[Agent, Run]),
];

/// A longer line of a command is not written anew in a help.
const COMMAND_SHOWN_MAX: usize = 200;

impl Class {
    /// The kind's key, as people write it.
    pub fn word(self) -> &'static str {
        KIND_KEYS.iter().find(|(_, class)| *class == self).map_or("agent", |(key, _)| key)
    }

    /// "an `agent` step".
    pub fn with_article(self) -> &'static str {
        match self {
            Agent => "an `agent` step",
            Run => "a `run` step",
            Approve => "an `approve` step",
            Ask => "an `ask` step",
            Class::Wait => "a `wait` step",
            Emit => "an `emit` step",
            Checkpoint => "a `checkpoint` step",
            Stop => "a `stop` step",
            Parallel => "a `parallel` step",
            Each => "an `each` step",
            Loop => "a `loop` step",
            Workflow => "a `workflow` step",
            Plan => "a `plan` step",
        }
    }

    /// What to do with a key that this kind cannot use.
    pub fn advice(key: &str) -> String {
        match PLACES.iter().find(|(name, _)| *name == key) {
            Some((_, classes)) => {
                let all: Vec<&str> = classes.iter().filter(|class| **class != Plan).map(|class| class.word()).collect();
                format!("remove it, or move it to the step that it is for (it works on: {})", all.join(", "))
            }
            None => "remove it".to_owned(),
        }
    }
}

/// The keys of a step, seen from its kind: a key that the kind cannot use stays untaken and is reported.
pub(super) struct Known<'k, 'n, 'a> {
    pub class: Class,
    pub fields: &'k mut Fields<'n, 'a>,
}

impl<'n, 'a> Known<'_, 'n, 'a> {
    /// Takes a key if the kind can use it.
    pub fn take(&mut self, key: &str) -> Option<&'n Entry<'a>> {
        let usable =
            PLACES.iter().find(|(name, _)| *name == key).is_none_or(|(_, classes)| classes.contains(&self.class));
        if usable { self.fields.take(key) } else { None }
    }
}

impl Reader<'_, '_> {
    /// The one kind of a step; reports none and two.
    pub fn class(&mut self, fields: &Fields<'_, '_>) -> Option<Class> {
        let mut found: Option<(&Entry<'_>, Class)> = None;
        let mut one = true;
        for (key, class) in KIND_KEYS {
            let Some(entry) = fields.peek(key) else { continue };
            match found {
                Some((first, other)) if other != class => {
                    let (first, second) = if first.key_span < entry.key_span { (first, entry) } else { (entry, first) };
                    let message = format!("a step does one thing, this one has `{}` and `{}`", first.key, second.key);
                    let fault = Diagnostic::error(codes::KIND, self.faults.source(), second.key_span, message)
                        .cause("a second thing to do")
                        .label(first.key_span, "the first")
                        .help("make two steps of it");
                    self.faults.add(fault);
                    one = false;
                    break;
                }
                Some(_) => {}
                None => found = Some((entry, class)),
            }
        }
        if found.is_none() && !fields.has_unknown() {
            let start = fields.span.start;
            let end = self.source.text[start..]
                .find('\n')
                .map_or(fields.span.end, |length| fields.span.end.min(start + length));
            self.faults.error(
                codes::KIND,
                crate::base::Span::new(start..end),
                "this step does nothing",
                "no key says what it does",
                "add one of: agent, prompt, run, approve, ask, wait, emit, checkpoint, stop, parallel, each, loop, workflow",
            );
        }
        found.map(|(_, class)| class).filter(|_| one)
    }

    /// Reads the kind's own keys.
    pub fn kind(&mut self, class: Class, fields: &mut Fields<'_, '_>) -> Option<StepKind> {
        match class {
            Agent => self.agent(fields),
            Run => self.command(fields.take("run"), true).map(StepKind::Run),
            Approve => self.text_of(fields.take("approve")).map(|text| StepKind::Approve { text }),
            Ask => self.text_of(fields.take("ask")).map(|text| StepKind::Ask { text }),
            Class::Wait => self.wait(fields.take("wait")).map(StepKind::Wait),
            Emit => {
                let entry = fields.take("emit")?;
                self.id("emit", "a signal", &entry.value, false).map(|signal| StepKind::Emit { signal })
            }
            Checkpoint => {
                let entry = fields.take("checkpoint")?;
                self.id("checkpoint", "a checkpoint", &entry.value, false).map(|name| StepKind::Checkpoint { name })
            }
            Stop => self.stop(fields.take("stop")),
            Parallel => {
                let steps = fields.take("parallel").map(|entry| self.steps(entry)).unwrap_or_default();
                let max_parallel = self.whole(fields.take("max_parallel"), 1, 1000);
                Some(StepKind::Parallel { steps, max_parallel })
            }
            Each => {
                let items = self.expression(fields.take("each"));
                let binding =
                    fields.take("as").and_then(|entry| self.id("as", "the name of an item", &entry.value, true));
                let max_parallel = self.whole(fields.take("max_parallel"), 1, 1000);
                let max_items = self.whole(fields.take("max_items"), 1, 20_000);
                let batch = self.whole(fields.take("batch"), 1, 100);
                let steps = self.inner_steps(fields, Each);
                Some(StepKind::Each { items: items?, binding, max_parallel, max_items, batch, steps })
            }
            Loop => self.repeat(fields),
            Workflow => self.name(fields.take("workflow")).map(|name| StepKind::Workflow { name }),
            Plan => {
                self.plan(fields);
                None
            }
        }
    }

    fn inner_steps(&mut self, fields: &mut Fields<'_, '_>, class: Class) -> Vec<crate::definition::workflow::Step> {
        match fields.take("steps") {
            Some(entry) => self.steps(entry),
            None => {
                fields.missing("steps", class.with_article(), Some(class.word()), self.faults);
                Vec::new()
            }
        }
    }

    fn agent(&mut self, fields: &mut Fields<'_, '_>) -> Option<StepKind> {
        let agent_entry = fields.take("agent");
        let agent = self.text_of(agent_entry);
        let (text, file) = (fields.take("prompt"), fields.take("prompt_file"));
        if let (Some(text), Some(file)) = (text, file) {
            let fault =
                Diagnostic::error(codes::CONFLICT, self.faults.source(), file.key_span, "this step has two prompts")
                    .cause("a second prompt")
                    .label(text.key_span, "the first")
                    .help("keep one of `prompt` and `prompt_file`");
            self.faults.add(fault);
        }
        let prompt = match (text, file) {
            (Some(_), _) => self.text_of(text).map(|text| Prompt { text, file: None }),
            (None, Some(_)) => {
                let name = self.text_of(file)?;
                let source = self.file(&name)?;
                let span = crate::base::Span::new(0..source.text.len());
                Some(Prompt { text: Spanned::new(source.text.clone(), span), file: Some(source) })
            }
            (None, None) => None,
        };
        let whole = agent.is_some() == agent_entry.is_some() && prompt.is_some() == (text.is_some() || file.is_some());
        whole.then_some(StepKind::Agent { agent, prompt })
    }

    /// A command: a text for the shell or a list of words, without `{{ }}`.
    pub fn command(&mut self, entry: Option<&Entry<'_>>, in_step: bool) -> Option<RunCommand> {
        let entry = entry?;
        let Some(items) = entry.value.as_list() else {
            let text = match entry.value.as_text() {
                Some(_) => self.text_of(Some(entry))?,
                None => {
                    wrong_type(
                        &entry.value,
                        "`run`",
                        "a command",
                        "`run: cargo test`, or `run: [cargo, test]`",
                        self.faults,
                    );
                    return None;
                }
            };
            return self.no_braces(&text, in_step).then_some(RunCommand::Shell(text));
        };
        if items.is_empty() {
            self.faults.error(
                codes::BAD_VALUE,
                entry.value.span,
                "`run` is empty",
                "no program here",
                "write `run: [cargo, test]`",
            );
            return None;
        }
        let words: Vec<Spanned<String>> = items.iter().filter_map(|item| self.text("run", item)).collect();
        let mut clean = words.len() == items.len();
        for word in &words {
            if let Some((span, _)) = self.braces(word) {
                clean = false;
                let (message, cause) =
                    ("`run:` may not contain `{{ }}`", "a command is fixed; values come as words after it");
                let help = match in_step {
                    true => format!("move it to the words after the command: `args: [\"{}\"]`", word.value),
                    false => "test the value with a `check:` gate".to_owned(),
                };
                self.faults.error(codes::TEMPLATE_IN_RUN, span, message, cause, help);
            }
        }
        clean.then_some(RunCommand::Argv(words))
    }

    /// Reports `{{ }}` in a command and shows the command as it should be.
    pub fn no_braces(&mut self, text: &Spanned<String>, in_step: bool) -> bool {
        let Some((span, _)) = self.braces(text) else { return true };
        let line = text.value.lines().find(|line| line.contains("{{")).unwrap_or_default().trim();
        let (fixed, env) =
            if line.len() <= COMMAND_SHOWN_MAX { fixed_command(line) } else { (String::new(), Vec::new()) };
        let help = match (fixed.is_empty(), env.is_empty(), in_step) {
            (true, _, _) => {
                "inputs are in the environment as `$ORCH_INPUT_NAME`; hand over other values by `env:`".to_owned()
            }
            (_, true, _) => format!("use the variable that `orch` sets: {fixed}"),
            (_, false, true) => {
                format!("hand the value over in the environment: {fixed}   with `env: {{ {} }}`", env.join(", "))
            }
            (_, false, false) => "test the value with a `check:` gate, which takes expressions".to_owned(),
        };
        let (message, cause) = ("`run:` may not contain `{{ }}`", "would be pasted into a shell script");
        self.faults.error(codes::TEMPLATE_IN_RUN, span, message, cause, help);
        false
    }

    fn wait(&mut self, entry: Option<&Entry<'_>>) -> Option<Wait> {
        let entry = entry?;
        if entry.value.as_map().is_none() {
            return self.duration(Some(entry)).map(Wait::For);
        }
        let mut fields = Fields::open(&entry.value, &WAIT, self.faults)?;
        match (fields.take("for"), fields.take("signal")) {
            (Some(time), None) => self.duration(Some(time)).map(Wait::For),
            (None, Some(signal)) => self.id("signal", "a signal", &signal.value, false).map(Wait::Signal),
            (None, None) if fields.has_unknown() => None,
            (_, second) => {
                let span = second.map_or(entry.value.span, |second| second.key_span);
                let help = "write `wait: 10s`, `wait: { for: 10s }` or `wait: { signal: ready }`";
                self.faults.error(
                    codes::CONFLICT,
                    span,
                    "`wait` takes a time or a signal",
                    "exactly one of `for` and `signal`",
                    help,
                );
                None
            }
        }
    }

    fn stop(&mut self, entry: Option<&Entry<'_>>) -> Option<StepKind> {
        let entry = entry?;
        if entry.value.as_map().is_none() {
            return self.text_of(Some(entry)).map(|text| StepKind::Stop { succeed: false, text });
        }
        let mut fields = Fields::open(&entry.value, &STOP, self.faults)?;
        let succeed = self.one_of(fields.take("status"), &[("succeeded", true), ("failed", false)]);
        let text = self.text_of(fields.take("text"));
        Some(StepKind::Stop { succeed: succeed?, text: text? })
    }

    fn repeat(&mut self, fields: &mut Fields<'_, '_>) -> Option<StepKind> {
        let entry = fields.take("loop")?;
        let mut inner = Fields::open(&entry.value, &LOOP, self.faults);
        let (max, until, on_max) = match &mut inner {
            Some(inner) => (
                self.whole(inner.take("max"), 1, 1000),
                self.expression(inner.take("until")),
                self.one_of(inner.take("on_max"), &[("fail", OnMax::Fail), ("continue", OnMax::Continue)]),
            ),
            None => (None, None, None),
        };
        let steps = self.inner_steps(fields, Loop);
        Some(StepKind::Loop { max: max?, until, on_max: on_max.unwrap_or_default(), steps })
    }
}

/// A command with variables in place of `{{ }}`, and the `env:` entries that they need.
fn fixed_command(text: &str) -> (String, Vec<String>) {
    let (mut fixed, mut env, mut rest) = (String::new(), Vec::new(), text);
    while let Some(open) = rest.find("{{") {
        fixed.push_str(&rest[..open]);
        let inside = &rest[open + 2..];
        let (inner, after) = inside.split_once("}}").unwrap_or((inside, ""));
        let inner = inner.trim();
        let input = inner.strip_prefix("inputs.").filter(|name| crate::definition::load::names::is_id(name));
        let variable = match input {
            Some(name) => format!("ORCH_INPUT_{}", name.to_uppercase()),
            None => {
                let last =
                    inner.split(['|', '(']).next().unwrap_or_default().trim().rsplit('.').next().unwrap_or_default();
                let name = legal_id(last).to_uppercase();
                env.push(format!("{name}: \"{{{{ {inner} }}}}\""));
                name
            }
        };
        let quoted = fixed.matches('"').count() % 2 == 1;
        fixed.push_str(&if quoted { format!("${variable}") } else { format!("\"${variable}\"") });
        rest = after;
    }
    fixed.push_str(rest);
    (fixed, env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::load::keys::STEP;

    #[test]
    fn commands_are_fixed() {
        for (text, fixed) in [
            ("git tag {{ inputs.version }}", "git tag \"$ORCH_INPUT_VERSION\""),
            ("echo \"v{{inputs.version}}\"", "echo \"v$ORCH_INPUT_VERSION\""),
            ("echo {{ design.main-title | upper }}", "echo \"$MAIN_TITLE\""),
            ("echo {{ open", "echo \"$OPEN\""),
        ] {
            assert_eq!(fixed_command(text).0, fixed);
        }
    }

    #[test]
    fn every_place_is_a_key_of_a_step() {
        for (key, _) in PLACES {
            assert!(STEP.keys.iter().any(|known| known.name == *key), "{key}");
        }
    }
}
