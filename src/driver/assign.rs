//! Turns an attempt into an assignment: renders prompts, environments and arguments with exactly the values that
//! the plan resolved for them. Performs nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value};

use crate::{
    base::{Digest, Envelope, Evidence, Failure, FailureClass, Judgement, Outcome, SandboxMode, Usage, Verdict},
    definition::workflow::Workspace,
    driver::{
        evaluate::{object, render},
        judge::judge_order,
        order::orders,
        review::Reviewed,
        session_fork::fork,
        trace::Trace,
    },
    execute::{
        Assignment, Baseline, CommandText, Confined, Engine, Excuse, Live, Place, Search, process::Limits,
        render::Renderer,
    },
    guard::{Secret, audit::AuditLog, sandbox::Method},
    plan::{Command, PlanGate, PlanSecretUse, PlanStep, RecoveryPolicy, Work},
    scheduler::{AttemptId, How, InstanceId, Purpose, Scheduler},
};

/// The most of a question that is shown and stored, in bytes.
const SHOWN_MAX: usize = 4096;

/// What every assignment of a run needs to know.
#[derive(Debug, Clone)]
pub struct Assigner {
    /// Renders texts.
    pub renderer: Arc<Renderer>,
    /// The project's folder, where shared steps work.
    pub root: PathBuf,
    /// The run's folder in the store.
    pub folder: PathBuf,
    /// The allow-listed environment.
    pub env: Vec<(OsString, OsString)>,
    /// Bytes of one stream that are kept.
    pub stream_bytes_max: u64,
    /// The tree at the start of the run, for `changed` gates; absent where no gate asks for it.
    pub baseline: Option<Arc<Baseline>>,
    /// The runtimes that read the project's memory files by themselves.
    pub reads_memory: BTreeSet<String>,
    /// The runtimes that can copy a session.
    pub forks: BTreeSet<String>,
    /// The values of the variables of each MCP server of the plan.
    pub servers: Vec<BTreeMap<String, String>>,
    /// The values of the plan's secrets, in its order. They stand in no assignment.
    pub secrets: Arc<[Secret]>,
    /// Marks the borders of untrusted text in prompts.
    pub nonce: String,
    /// By what programs are confined whose steps ask for it.
    pub confine: Option<Confine>,
    /// Where the decisions of people are written, besides the journal.
    pub audit: Option<Arc<AuditLog>>,
    /// The trace of the run, where somebody wants to know: programs are told of which span they are a part.
    pub trace: Option<Trace>,
}

/// What every sandbox of a run has in common.
#[derive(Debug, Clone)]
pub struct Confine {
    /// By what the machine keeps it.
    pub method: Method,
    /// What makes containers, where a step is to be in one.
    pub engine: Option<Arc<Engine>>,
    /// What `orch` keeps for itself: nobody reads it.
    pub own: Vec<PathBuf>,
}

/// What an attempt begins with.
pub enum Begun {
    /// It needs an executor.
    Work(Box<Assignment>, Place),
    /// It has already ended.
    Done(Outcome),
}

impl Assigner {
    /// What renders texts.
    #[must_use]
    pub fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    /// The assignment of an attempt. A text that cannot be rendered ends the attempt.
    #[must_use]
    pub fn assign(&self, scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> Begun {
        let (_, step) = scheduler.plan_step(attempt.instance);
        let made = match purpose {
            Purpose::Work => self.work(scheduler, attempt, step),
            Purpose::Gate(place) if step.judge_at(place).is_some() => self.judge(scheduler, attempt, step, place),
            Purpose::Gate(place) => self.gate(scheduler, attempt.instance, step, usize::from(place)),
            Purpose::Fix => self.fix(scheduler, attempt, step),
            Purpose::Reconcile => self.reconcile(scheduler, attempt.instance, step),
            Purpose::Override => Err("a question is never assigned".to_owned()),
            Purpose::Take => Err("a merge is never assigned".to_owned()),
        };
        match made {
            Ok(assignment) => match self.place(scheduler, attempt, step, purpose) {
                Ok(place) => Begun::Work(Box::new(assignment), place),
                Err(reason) => Begun::Done(failed(FailureClass::Permanent, reason)),
            },
            Err(reason) if matches!(purpose, Purpose::Gate(_)) => Begun::Done(Outcome::Judged(Box::new(Judgement {
                verdict: Verdict::Error,
                reason,
                evidence: Evidence::default(),
            }))),
            Err(reason) => Begun::Done(failed(FailureClass::Permanent, reason)),
        }
    }

    /// The environment of an attempt.
    fn told(&self, attempt: AttemptId) -> Vec<(OsString, OsString)> {
        let told = self.trace.as_ref().map(|trace| ("TRACEPARENT".into(), trace.told(attempt).to_string().into()));
        self.env.iter().cloned().chain(told).collect()
    }

    fn place(
        &self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        step: &PlanStep,
        purpose: Purpose,
    ) -> Result<Place, String> {
        let workspace = match &step.work {
            Work::Agent(agent) => agent.workspace,
            Work::Run { workspace, .. } => *workspace,
            _ => Workspace::Shared,
        };
        let workspace = match workspace {
            Workspace::Shared | Workspace::Worktree => self.root.clone(),
            Workspace::Scratch => {
                let folder = self.folder.join("scratch").join(attempt.instance.0.to_string());
                std::fs::create_dir_all(&folder)
                    .map_err(|error| format!("cannot make the scratch folder {}: {error}", folder.display()))?;
                folder
            }
        };
        let run = scheduler.run_id().map(ToString::to_string).unwrap_or_default();
        Ok(Place {
            workspace,
            attempt_dir: self.folder.join("attempts").join(attempt.to_string()),
            env: self.told(attempt),
            attempt: format!("{run}/{attempt}"),
            run,
            live: Live::default(),
            sandbox: self.sandbox(scheduler, step)?,
            secrets: self.secrets(step, purpose)?,
        })
    }

    /// The secrets of a step: for its own work, and for who looks how that has ended. Gates get none.
    fn secrets(&self, step: &PlanStep, purpose: Purpose) -> Result<Vec<(String, Secret)>, String> {
        if !matches!(purpose, Purpose::Work | Purpose::Reconcile) {
            return Ok(Vec::new());
        }
        let value = |one: &PlanSecretUse| {
            let value = self.secrets.get(one.secret as usize).ok_or("a secret of the plan has no value")?;
            Ok((one.variable.clone(), value.clone()))
        };
        step.secrets.iter().map(value).collect()
    }

    /// How the programs of a step are confined.
    fn sandbox(&self, scheduler: &Scheduler, step: &PlanStep) -> Result<Option<Arc<Confined>>, String> {
        let mode = scheduler.plan().sandbox.mode(step);
        if mode == SandboxMode::Off {
            return Ok(None);
        }
        // Looked at before the run began; a step is never run with less than it asks for.
        let confine = self.confine.as_ref().ok_or("nothing can confine this step here")?;
        Ok(Some(Arc::new(Confined {
            mode,
            reads_only: scheduler.plan().sandbox.reads_only(step),
            network: scheduler.plan().sandbox.network(step),
            writes: step.sandbox.as_ref().map(|said| said.writes.clone()).unwrap_or_default(),
            own: confine.own.clone(),
            method: confine.method,
            engine: confine.engine.clone(),
        })))
    }

    fn limits(&self, timeout: Duration, idle_ms: Option<u64>) -> Limits {
        Limits {
            timeout: Some(timeout),
            idle_timeout: Some(idle_ms.map_or(crate::plan::defaults::IDLE_TIMEOUT, Duration::from_millis)),
            stream_bytes_max: self.stream_bytes_max,
            ..Limits::default()
        }
    }

    fn work(&self, scheduler: &Scheduler, attempt: AttemptId, step: &PlanStep) -> Result<Assignment, String> {
        let instance = attempt.instance;
        let timeout = scheduler.attempt_timeout(instance, Purpose::Work);
        let limits = self.limits(timeout, step.idle_timeout_ms);
        match &step.work {
            Work::Agent(agent) => self.agent(scheduler, attempt, Purpose::Work, step, agent, limits),
            Work::Run { command, keeps_text, .. } => {
                let args = step
                    .args
                    .iter()
                    .map(|text| render(scheduler, &self.renderer, Some(instance), text))
                    .collect::<Result<_, _>>()
                    .map_err(|reason| format!("`args`: {reason}"))?;
                Ok(Assignment::Run {
                    command: command_text(command),
                    args,
                    env: self.environment(scheduler, instance, step)?,
                    expected_output: step.output.clone(),
                    keeps_text: *keeps_text,
                    limits,
                })
            }
            Work::Approve { .. }
            | Work::Ask { .. }
            | Work::Sleep { .. }
            | Work::Await { .. }
            | Work::Emit { .. }
            | Work::Checkpoint { .. }
            | Work::Merge(_)
            | Work::Stop { .. }
            | Work::Parallel { .. }
            | Work::Each(_)
            | Work::Loop { .. }
            | Work::Call { .. } => Err(format!("a step like `{}` is never assigned", step.path)),
        }
    }

    fn agent(
        &self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        purpose: Purpose,
        step: &PlanStep,
        agent: &crate::plan::AgentWork,
        limits: Limits,
    ) -> Result<Assignment, String> {
        let runtime = scheduler.runtime_of(attempt.instance, purpose).unwrap_or_default().to_owned();
        let order = orders(self, scheduler, attempt.instance, purpose, step, agent, &runtime)?;
        Ok(Assignment::Agent { order: Box::new(order), runtime, limits })
    }

    fn fix(&self, scheduler: &Scheduler, attempt: AttemptId, step: &PlanStep) -> Result<Assignment, String> {
        let Some(agent) = &step.on_gate_fail.fixer else {
            return Err("there is no agent that could mend the gate".to_owned());
        };
        let limits = self.limits(scheduler.attempt_timeout(attempt.instance, Purpose::Fix), None);
        self.agent(scheduler, attempt, Purpose::Fix, step, agent, limits)
    }

    /// A judge has an order of its own making, and is told what was done only where that is seen: see [`crate::driver::judge`].
    fn judge(
        &self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        step: &PlanStep,
        place: u16,
    ) -> Result<Assignment, String> {
        let purpose = Purpose::Gate(place);
        let limits = self.limits(scheduler.attempt_timeout(attempt.instance, purpose), None);
        let runtime = scheduler.runtime_of(attempt.instance, purpose).unwrap_or_default().to_owned();
        let order = judge_order(scheduler, attempt.instance, step, place)?;
        Ok(Assignment::Agent { order: Box::new(order), runtime, limits })
    }

    fn gate(
        &self,
        scheduler: &Scheduler,
        instance: InstanceId,
        step: &PlanStep,
        place: usize,
    ) -> Result<Assignment, String> {
        let gate = step.gates.get(place).ok_or_else(|| format!("there is no gate {}", place + 1))?;
        Ok(match gate {
            PlanGate::Run { command, expect, timeout_ms, .. } => Assignment::GateRun {
                command: command_text(command),
                expect: expect.as_ref().map(|text| text.text.clone()),
                env: self.environment(scheduler, instance, step)?,
                limits: self.limits(Duration::from_millis(*timeout_ms), None),
            },
            PlanGate::Check { expression, .. } => Assignment::GateCheck {
                expression: expression.text.clone(),
                scope: scheduler.scope(Some(instance), &expression.reads),
            },
            PlanGate::Schema { schema, .. } => Assignment::GateSchema {
                schema: schema.clone(),
                value: scheduler.envelope(instance).map_or(Value::Null, |envelope| envelope.output.clone()),
            },
            PlanGate::Files { paths, .. } => Assignment::GateFiles { paths: paths.clone() },
            PlanGate::Changed { max_files, allow, deny, .. } => Assignment::GateChanged {
                max_files: *max_files,
                allow: allow.clone(),
                deny: deny.clone(),
                baseline: self.baseline.clone().ok_or("the tree at the start of the run is not known")?,
            },
            PlanGate::Secrets { paths, all, allow, .. } => {
                let allow = allow.iter().map(|allowed| Excuse {
                    path: allowed.path.clone(),
                    digest: allowed.digest.clone(),
                    why: allowed.why.clone(),
                });
                Assignment::GateSecrets {
                    search: Box::new(Search { paths: paths.clone(), all: *all, allow: allow.collect() }),
                    baseline: self.baseline.clone().ok_or("the tree at the start of the run is not known")?,
                }
            }
            PlanGate::Judge { .. } => return Err("a judge is assigned as an agent".to_owned()),
            PlanGate::Approve { .. } => return Err("a question is never assigned".to_owned()),
        })
    }

    fn reconcile(&self, scheduler: &Scheduler, instance: InstanceId, step: &PlanStep) -> Result<Assignment, String> {
        let RecoveryPolicy::Reconcile(text) = &step.recovery else {
            return Err("the step has no reconcile command".to_owned());
        };
        Ok(Assignment::Reconcile {
            command: CommandText::Shell(text.clone()),
            env: self.environment(scheduler, instance, step)?,
            limits: self.limits(crate::plan::defaults::COMMAND_TIMEOUT, None),
        })
    }

    /// `$ORCH_KEY`, `$ORCH_INPUT_…` and the step's own `env`.
    fn environment(
        &self,
        scheduler: &Scheduler,
        instance: InstanceId,
        step: &PlanStep,
    ) -> Result<Vec<(String, String)>, String> {
        let run = scheduler.run_id().map(ToString::to_string).unwrap_or_default();
        let key = Digest::of(format!("{run}/{}", scheduler.path(instance)).as_bytes());
        let mut env = vec![("ORCH_KEY".to_owned(), key.short().to_owned())];
        for (name, value) in scheduler.inputs().into_iter().flatten() {
            env.push((format!("ORCH_INPUT_{}", name.to_uppercase()), plain(value)));
        }
        if !step.env.is_empty() {
            let own = object(scheduler, &self.renderer, Some(instance), &step.env)
                .map_err(|reason| format!("`env`: {reason}"))?;
            env.extend(own.iter().map(|(name, value)| (name.clone(), plain(value))));
        }
        if let Some((name, _)) = env.iter().find(|(name, value)| name.contains(['=', '\0']) || value.contains('\0')) {
            return Err(format!("`env`: the value of `{name}` holds a character that no environment can hold"));
        }
        Ok(env)
    }

    /// What is special about an attempt that is about to begin.
    #[must_use]
    pub fn how(&self, scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> Option<Box<How>> {
        let Work::Agent(work) = &scheduler.plan_step(attempt.instance).1.work else { return None };
        let danger = scheduler.plan().danger.clone().filter(|_| work.danger && purpose == Purpose::Work);
        let how = How { danger, fork: fork(self, scheduler, attempt.instance, purpose) };
        (how != How::default()).then(|| Box::new(how))
    }

    /// Adds what only the plan knows to a result: the `summary:` text of the step.
    #[must_use]
    pub fn finish(&self, scheduler: &Scheduler, attempt: AttemptId, outcome: Outcome) -> Outcome {
        let step = scheduler.plan_step(attempt.instance).1;
        match (outcome, &step.summary) {
            (Outcome::Succeeded(mut envelope), Some(text)) => {
                let mut scope = scheduler.scope(Some(attempt.instance), &text.reads);
                scope.insert("result".to_owned(), envelope_scope(&envelope));
                if let Ok(template) = crate::template::Template::parse(&text.text)
                    && let Ok(summary) = self.renderer.render(&template, &scope)
                {
                    envelope.summary = summary;
                }
                Outcome::Succeeded(envelope)
            }
            (outcome, _) => outcome,
        }
    }

    /// Whether a question is a form, which only a person can fill in.
    #[must_use]
    pub fn is_form(&self, scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> bool {
        purpose == Purpose::Work && matches!(scheduler.plan_step(attempt.instance).1.work, Work::Ask { .. })
    }

    /// What a person is asked: the text, and what it is about. The digest binds a decision to exactly that.
    ///
    /// # Errors
    /// When the text cannot be rendered.
    pub fn question(
        &self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        purpose: Purpose,
        reviewed: Option<&Reviewed>,
    ) -> Result<(Digest, String), String> {
        let instance = attempt.instance;
        let step = scheduler.plan_step(instance).1;
        let text = match (purpose, &step.work) {
            (Purpose::Work, Work::Approve { text } | Work::Ask { text }) => Some(text),
            (Purpose::Gate(place), _) => match step.gates.get(usize::from(place)) {
                Some(PlanGate::Approve { text, .. }) => Some(text),
                _ => None,
            },
            _ => None,
        };
        let mut shown = match text {
            Some(text) => render(scheduler, &self.renderer, Some(instance), text)?,
            None if scheduler.is_in_conflict(instance) => {
                let cause = scheduler.view(instance).cause.map(|cause| cause.reason.clone()).unwrap_or_default();
                format!(
                    "{cause}\n\nYes: it is decided, look again. No: the step fails, and the project stays as it is."
                )
            }
            None => {
                let cause = scheduler.view(instance).cause.map(|cause| cause.reason.clone()).unwrap_or_default();
                let path = scheduler.path(instance);
                format!("A gate of `{path}` failed and its tries are used up: {cause}\nTake the step as it is?")
            }
        };
        if let Some(envelope) = scheduler.envelope(instance) {
            if !envelope.summary.is_empty() {
                shown.push_str(&format!("\n\nResult: {}", envelope.summary));
            }
            if let Value::Object(output) = &envelope.output {
                shown.push_str(&format!("\n\nOutput: {:#}", Value::Object(output.clone())));
            }
            if !envelope.files_changed.is_empty() {
                shown.push_str(&format!("\n\nFiles: {}", envelope.files_changed.join(", ")));
            }
        }
        // What has changed comes last and is never cut away: it is bounded by itself.
        let changed = reviewed.map(|reviewed| format!("\n\n{}", reviewed.text)).unwrap_or_default();
        let files = reviewed.and_then(|reviewed| reviewed.review.as_ref());
        let files = files.map(|review| format!("\n{}..{}", review.from, review.to)).unwrap_or_default();
        let subject = Digest::of(format!("{attempt}\n{shown}{changed}{files}").as_bytes());
        if shown.len() > SHOWN_MAX {
            shown.truncate(shown.floor_char_boundary(SHOWN_MAX - 64));
            shown.push_str("\n… (cut; the whole is in the step's logs)");
        }
        shown.push_str(&changed);
        Ok((subject, shown))
    }
}

fn command_text(command: &Command) -> CommandText {
    match command {
        Command::Shell(text) => CommandText::Shell(text.clone()),
        Command::Argv(words) => CommandText::Argv(words.clone()),
    }
}

/// A value as an environment variable holds it: text as it is, everything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn envelope_scope(envelope: &Envelope) -> Value {
    let mut scope = Map::new();
    scope.insert("status".to_owned(), Value::from("succeeded"));
    scope.insert("summary".to_owned(), Value::from(envelope.summary.clone()));
    scope.insert("text".to_owned(), Value::from(envelope.text.clone()));
    scope.insert("files_changed".to_owned(), Value::from(envelope.files_changed.clone()));
    scope.insert("next_steps".to_owned(), Value::from(envelope.next_steps.clone()));
    scope.insert("tests_passing".to_owned(), envelope.tests_passing.map_or(Value::Null, Value::from));
    Value::Object(scope)
}

/// The end of an attempt for which nothing was done.
pub(super) fn failed(class: FailureClass, reason: String) -> Outcome {
    Outcome::Failed(Box::new(Failure {
        class,
        reason,
        evidence: Evidence::default(),
        session: None,
        usage: Usage::default(),
    }))
}
