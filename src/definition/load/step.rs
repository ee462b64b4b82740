//! A list of steps: ids, and the keys that any kind of step may have.

use std::collections::HashSet;

use crate::{
    base::{Span, Spanned, codes::definition as codes},
    definition::{
        load::{
            keys::{CACHE, JOIN, RECOVERY, RETRY, STEP},
            names::{Names, check_id, is_id, legal_id},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
            step_kind::{Class, Known},
            workflow::ON_FAILURE,
        },
        merging::Merge,
        workflow::{Cache, Context, Join, Recovery, Retry, RetryOn, Step, StepKind, Workspace},
    },
};

/// Steps of one definition at most.
const STEPS_MAX: usize = 20_000;

impl Reader<'_, '_> {
    /// Reads a list of steps. Steps with faults are left out; their ids stay taken.
    pub fn steps(&mut self, entry: &Entry<'_>) -> Vec<Step> {
        let Some(items) = entry.value.as_list() else {
            let what = format!("`{}`", entry.key);
            wrong_type(&entry.value, &what, "a list of steps", "each step with `- ` on a line below", self.faults);
            return Vec::new();
        };
        if items.is_empty() {
            let help = "add a step: `- run: cargo test`";
            self.faults.error(
                codes::BAD_VALUE,
                entry.value.span,
                format!("`{}` is empty", entry.key),
                "no steps here",
                help,
            );
        }
        let mut names = Names::default();
        for item in items {
            let given = item.as_map().and_then(|keys| keys.iter().find(|key| key.key == "id"));
            if let Some(id) =
                given.and_then(|given| Some(Spanned::new(given.value.as_text()?.to_owned(), given.value.span)))
                && is_id(&id.value)
            {
                names.claim(&id, "steps", self.faults);
            }
        }
        // A step is large and there may be thousands: no spare room, and none at all for a file that cannot be used.
        let mut steps = Vec::new();
        if !self.faults.failed() {
            steps.reserve_exact(items.len().min(STEPS_MAX.saturating_sub(self.steps)));
        }
        for item in items {
            match self.numbered(item, &mut names) {
                Some(step) if !self.faults.failed() => steps.push(step),
                Some(_) | None => steps = Vec::new(),
            }
        }
        steps
    }

    fn numbered(&mut self, item: &Node<'_>, names: &mut Names) -> Option<Step> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            if self.steps == STEPS_MAX + 1 {
                let help = "use `each:` for work that repeats, or call another workflow with `workflow:`";
                self.faults.error(
                    codes::TOO_MANY_STEPS,
                    item.span,
                    "more than 20000 steps",
                    "the limit is passed here",
                    help,
                );
            }
            return None;
        }
        let mut step = self.step(item)?;
        if step.id.value.is_empty() {
            step.id.value = names.make(&made_id(&step.kind));
        }
        Some(step)
    }

    fn step(&mut self, node: &Node<'_>) -> Option<Step> {
        let mut fields = Fields::open(node, &STEP, self.faults)?;
        let start = Span::new(node.span.start..node.span.start);
        let id = match fields.take("id") {
            Some(entry) => self.id("id", "a step id", &entry.value, true),
            None => Some(Spanned::new(String::new(), start)),
        };
        let class = self.class(&fields)?;
        let kind = self.kind(class, &mut fields);
        let mut known = Known { class, fields: &mut fields };
        let step = self.common(&mut known, kind, id, node.span);
        fields.done(class.with_article(), self.faults, Class::advice);
        step
    }

    /// The keys besides the kind. Takes only those that the kind can use; the rest is reported as misplaced.
    fn common(
        &mut self,
        known: &mut Known<'_, '_, '_>,
        kind: Option<StepKind>,
        id: Option<Spanned<String>>,
        span: Span,
    ) -> Option<Step> {
        let needs = known.take("needs").and_then(|entry| self.needs(entry));
        let join = known.take("join").and_then(|entry| self.join(entry));
        let when = self.expression(known.take("when"));
        let gate = known.take("gate").map(|entry| self.gates(entry)).unwrap_or_default();
        let on_gate_fail = known.take("on_gate_fail").and_then(|entry| self.on_gate_fail(entry, known.fields));
        let retry = known.take("retry").and_then(|entry| self.retry(entry));
        let timeout = self.duration(known.take("timeout"));
        let idle_timeout = self.duration(known.take("idle_timeout"));
        let recovery = known.take("recovery").and_then(|entry| self.recovery(entry));
        let optional = self.boolean(known.take("optional")).unwrap_or(false);
        let on_failure = self.one_of(known.take("on_failure"), &ON_FAILURE);
        let model = self.text_of(known.take("model"));
        let runtime = self.name(known.take("runtime"));
        let tools = self.words(known.take("tools"));
        let permissions = known.take("permissions").map(|entry| self.permissions(&entry.value));
        let danger = known.take("danger").and_then(|entry| self.danger(entry, known.fields));
        let context = known.take("context").and_then(|entry| self.context(entry));
        let context_budget = self.count(known.take("context_budget"));
        let skills = self.words(known.take("skills"));
        let (workspace, merge) = self.apart(known);
        let output = self.output(known.take("output"));
        let with = self.values(known.take("with"), "a value of `with`");
        let env = self.env(known.take("env"));
        let args = known.take("args").and_then(|entry| self.list_of_texts(entry)).unwrap_or_default();
        let files = self.texts(known.take("files")).unwrap_or_default();
        Some(Step {
            id: id?,
            span,
            kind: kind?,
            needs,
            join,
            when,
            gate,
            on_gate_fail,
            retry,
            timeout,
            idle_timeout,
            recovery,
            optional,
            on_failure,
            model,
            runtime,
            tools,
            permissions,
            danger,
            sandbox: known.take("sandbox").and_then(|entry| self.sandbox(entry)),
            context,
            context_budget,
            skills,
            workspace,
            merge,
            output,
            with,
            secrets: self.secrets_used(known, &env),
            env,
            args,
            files,
            answer_files: self.one_of(known.take("files_from"), &[("answer", true)]).unwrap_or(false),
            key: self.text_of(known.take("key")),
            summary: self.text_of(known.take("summary")),
            cache: known.take("cache").and_then(|entry| self.cache(entry)),
        })
    }

    fn needs(&mut self, entry: &Entry<'_>) -> Option<Vec<Spanned<String>>> {
        let one = std::slice::from_ref(&entry.value);
        let items = entry.value.as_list().or_else(|| entry.value.as_text().map(|_| one));
        let Some(items) = items else {
            wrong_type(
                &entry.value,
                "`needs`",
                "a list of step ids",
                "`needs: [design, tests]`; `needs: []` starts at once",
                self.faults,
            );
            return None;
        };
        let mut needs = Vec::new();
        let mut seen = HashSet::new();
        for id in items.iter().filter_map(|item| self.id("needs", "a step id", item, false)).collect::<Vec<_>>() {
            if seen.insert(id.value.clone()) {
                needs.push(id);
            } else {
                let message = format!("`{}` is needed twice", id.value);
                self.faults.error(codes::DUPLICATE_NAME, id.span, message, "second time here", "keep one of them");
            }
        }
        Some(needs)
    }

    fn join(&mut self, entry: &Entry<'_>) -> Option<Spanned<Join>> {
        let join = match entry.value.as_text() {
            Some(text) => {
                let text = Spanned::new(text.to_owned(), entry.value.span);
                self.word("join", &text, &[("all", Join::All), ("any", Join::Any)], " or `{ at_least: 2 }`")?
            }
            None => {
                let mut fields = Fields::open(&entry.value, &JOIN, self.faults)?;
                Join::AtLeast(self.whole(fields.take("at_least"), 1, 20_000)?)
            }
        };
        Some(Spanned::new(join, entry.value.span))
    }

    fn retry(&mut self, entry: &Entry<'_>) -> Option<Spanned<Retry>> {
        let retry = if entry.value.as_map().is_some() {
            let mut fields = Fields::open(&entry.value, &RETRY, self.faults)?;
            let tries = self.whole(fields.take("tries"), 0, 100);
            let delay = self.duration(fields.take("delay"));
            let max_delay = self.duration(fields.take("max_delay"));
            let on = self.one_of(fields.take("on"), &[("transient", RetryOn::Transient), ("any", RetryOn::Any)]);
            fields.done("`retry:`", self.faults, |_| String::new());
            if let (Some(delay), Some(max_delay)) = (delay, max_delay)
                && delay > max_delay
            {
                let help = "make `max_delay` at least as long as `delay`";
                self.faults.error(
                    codes::CONFLICT,
                    entry.value.span,
                    "`delay` is longer than `max_delay`",
                    "the first delay is beyond the longest",
                    help,
                );
            }
            Retry { tries: tries?, delay, max_delay, on: on.unwrap_or(RetryOn::Any) }
        } else {
            Retry { tries: self.whole(Some(entry), 0, 100)?, delay: None, max_delay: None, on: RetryOn::Any }
        };
        Some(Spanned::new(retry, entry.value.span))
    }

    fn recovery(&mut self, entry: &Entry<'_>) -> Option<Spanned<Recovery>> {
        let recovery = match entry.value.as_text() {
            Some(text) => {
                let words = [("retry", 0), ("idempotent", 1), ("manual", 2)];
                let text = Spanned::new(text.to_owned(), entry.value.span);
                match self.word("recovery", &text, &words, " or `{ reconcile: COMMAND }`")? {
                    0 => Recovery::Retry,
                    1 => Recovery::Idempotent,
                    _ => Recovery::Manual,
                }
            }
            None => {
                let mut fields = Fields::open(&entry.value, &RECOVERY, self.faults)?;
                let command = self.text_of(fields.take("reconcile"))?;
                self.no_braces(&command, true).then_some(Recovery::Reconcile(command.value))?
            }
        };
        Some(Spanned::new(recovery, entry.value.span))
    }

    /// `cache:`; `false` says what is so anyway.
    fn cache(&mut self, entry: &Entry<'_>) -> Option<Spanned<Cache>> {
        let cache = if entry.value.as_map().is_some() {
            let mut fields = Fields::open(&entry.value, &CACHE, self.faults)?;
            let cache = Cache { key: self.text_of(fields.take("key")), ttl: self.duration(fields.take("ttl")) };
            fields.done("`cache:`", self.faults, |_| String::new());
            cache
        } else {
            self.boolean(Some(entry))?.then(Cache::default)?
        };
        Some(Spanned::new(cache, entry.key_span))
    }

    fn context(&mut self, entry: &Entry<'_>) -> Option<Spanned<Context>> {
        let text = self.text_of(Some(entry))?;
        let step =
            |prefix: &str| text.value.strip_prefix(prefix).map(|id| Spanned::new(id.trim().to_owned(), text.span));
        let context = if text.value == "fresh" {
            Context::Fresh
        } else if let Some(id) = step("fork:") {
            Context::Fork(check_id(&id, "a step id", false, self.faults).then_some(id)?)
        } else if let Some(id) = step("share:") {
            Context::Share(check_id(&id, "a step id", false, self.faults).then_some(id)?)
        } else {
            let words = [("fresh", ()), ("fork:STEP", ()), ("share:STEP", ())];
            self.word("context", &text, &words, "")?;
            return None;
        };
        Some(Spanned::new(context, text.span))
    }

    /// Where it works, and how that comes back.
    fn apart(&mut self, known: &mut Known<'_, '_, '_>) -> (Option<Spanned<Workspace>>, Option<Spanned<Merge>>) {
        let workspace = known.take("workspace").and_then(|entry| self.workspace(entry, known));
        (workspace, known.take("merge").and_then(|entry| self.merge(entry, known.fields)))
    }

    fn workspace(&mut self, entry: &Entry<'_>, known: &Known<'_, '_, '_>) -> Option<Spanned<Workspace>> {
        let words = [("shared", Workspace::Shared), ("worktree", Workspace::Worktree), ("scratch", Workspace::Scratch)];
        let workspace = self.one_of(Some(entry), &words)?;
        if workspace == Workspace::Worktree && !known.fields.has("merge") {
            self.faults.error(
                codes::MERGE_MISSING,
                entry.value.span,
                "isolated work has no `merge:`",
                "it is done in a worktree of its own, and nothing brings it back",
                "declare `merge: { order: as_finished }` beside it",
            );
            return None;
        }
        Some(Spanned::new(workspace, entry.value.span))
    }

    fn env(&mut self, entry: Option<&Entry<'_>>) -> Vec<(Spanned<String>, Spanned<serde_json::Value>)> {
        let mut env = Vec::new();
        for pair in self.pairs(entry).unwrap_or_default() {
            let name = &pair.key;
            let legal = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !legal {
                let shown: String = name.chars().take(60).collect();
                let help = format!("write `{}`", legal_id(name).to_uppercase());
                self.faults.error(
                    codes::BAD_ID,
                    pair.key_span,
                    format!("`{shown}` cannot be a variable"),
                    "letters, digits and `_`, no digit first",
                    help,
                );
            } else if let Some(rest) = name.strip_prefix("ORCH_") {
                let help = format!("take another name, such as `MY_{rest}`");
                self.faults.error(
                    codes::RESERVED_NAME,
                    pair.key_span,
                    format!("`{name}` is reserved"),
                    "`ORCH_*` is set by `orch`",
                    help,
                );
            } else if pair.value.as_list().is_some() || pair.value.as_map().is_some() || pair.value.is_nothing() {
                wrong_type(
                    &pair.value,
                    &format!("`{name}`"),
                    "a text",
                    "the value as a text, for example \"{{ design | tojson }}\"",
                    self.faults,
                );
            } else {
                let name = Spanned::new(name.to_string(), pair.key_span);
                env.push((name, Spanned::new(pair.value.to_json(), pair.value.span)));
            }
        }
        env
    }
}

/// The id of a step that has none.
fn made_id(kind: &StepKind) -> String {
    match kind {
        StepKind::Agent { agent, .. } => {
            agent.as_ref().map_or_else(|| "agent".to_owned(), |name| legal_id(&name.value))
        }
        StepKind::Run(_) => "run".to_owned(),
        StepKind::Approve { .. } => "approve".to_owned(),
        StepKind::Ask { .. } => "ask".to_owned(),
        StepKind::Wait(_) => "wait".to_owned(),
        StepKind::Emit { .. } => "emit".to_owned(),
        StepKind::Checkpoint { .. } => "checkpoint".to_owned(),
        StepKind::Stop { .. } => "stop".to_owned(),
        StepKind::Parallel { .. } => "parallel".to_owned(),
        StepKind::Each { .. } => "each".to_owned(),
        StepKind::Loop { .. } => "loop".to_owned(),
        StepKind::Workflow { name } => legal_id(&name.value),
    }
}
