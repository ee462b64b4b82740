//! One attempt from assignment to outcome. Unaware of steps, retries and the journal.
//!
//! Invariants: an attempt always has an outcome; a stop only ends as [`Outcome::Stopped`] or as the outcome that was
//! reached before it; a gate that could not be judged is an error, which never passes.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Digest, Envelope, Evidence, Failure, FailureClass, Outcome, Prices, Usage},
    execute::{
        answer::whole,
        assignment::{Assignment, Place},
        confined::{self, Needs},
        evidence, hushed,
        process::{Command, End, Keeper, Limits, Listener, Report, StopToken},
        render::Renderer,
        taping::Taper,
        tree::{TreeFault, Trees},
        watch::Watch,
    },
    guard::Redactor,
    runtime::{Adapter, Capabilities},
};

/// Performs attempts. Clones share everything.
#[derive(Clone)]
pub struct Executor {
    pub(super) shared: Arc<Shared>,
    pub(super) prices: Arc<Prices>,
    taper: Option<Arc<Taper>>,
    pub(super) watch: Watch,
    pub(super) redactor: Redactor,
}

pub(super) struct Shared {
    pub(super) keeper: Keeper,
    pub(super) renderer: Renderer,
    pub(super) adapters: BTreeMap<String, Arc<dyn Adapter>>,
    pub(super) trees: Trees,
}

/// A program of an attempt.
pub(super) struct Program {
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) stdin: Option<Vec<u8>>,
    /// Whether whoever listens replies on the standard input.
    pub(super) converses: bool,
    pub(super) limits: Limits,
    /// What its sandbox must leave it.
    pub(super) needs: Needs,
}

/// What a report means.
pub(super) enum Ended {
    /// It ended by itself, with this exit code.
    Code(i32),
    /// A signal that `orch` did not send ended it.
    Signal(i32),
    /// `orch` ended it, or it never began.
    Not(FailureClass, String),
    /// It was stopped because somebody said so.
    Stopped,
    /// Nobody knows.
    Lost,
}

impl Executor {
    /// An executor with these runtimes, found by their names.
    #[must_use]
    pub fn new(keeper: Keeper, renderer: Renderer, adapters: impl IntoIterator<Item = Arc<dyn Adapter>>) -> Self {
        let adapters = adapters.into_iter().map(|adapter| (adapter.name().to_owned(), adapter)).collect();
        let shared = Arc::new(Shared { keeper, renderer, adapters, trees: Trees::default() });
        let redactor = Redactor::default();
        Self { shared, prices: Arc::default(), watch: Watch::default(), taper: None, redactor }
    }

    /// Puts these prices on what agents report.
    #[must_use]
    pub fn priced(mut self, prices: Arc<Prices>) -> Self {
        self.prices = prices;
        self
    }

    /// Records what agents do.
    #[must_use]
    pub fn taped(mut self, taper: Option<Arc<Taper>>) -> Self {
        self.taper = taper;
        self
    }

    /// Lets this watch over what attempts do.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Takes these secrets out of all that attempts leave behind.
    #[must_use]
    pub fn hushed(mut self, redactor: &Redactor) -> Self {
        self.redactor = redactor.clone();
        self.watch.redactor = Some(redactor.clone());
        self
    }

    /// What a runtime can do; `None` if there is none of that name.
    #[must_use]
    pub fn capabilities(&self, runtime: &str) -> Option<Capabilities> {
        self.shared.adapters.get(runtime).map(|adapter| adapter.capabilities())
    }

    /// Takes the secrets out of the folder of an attempt that is over, whoever has performed it.
    pub async fn mend(&self, folder: &Path) {
        let (redactor, folder) = (self.redactor.clone(), folder.to_owned());
        blocking(move || hushed::sweep(&redactor, &folder)).await;
    }

    /// The same for several.
    pub async fn mend_all(&self, folders: Vec<PathBuf>) {
        for folder in folders {
            self.mend(&folder).await;
        }
    }

    /// Performs one attempt to its end. When this returns, no process of it is alive; if it is dropped, all are killed.
    pub async fn perform(&self, assignment: Assignment, place: &Place, stop: StopToken) -> Outcome {
        if stop.reason().is_some() {
            return Outcome::Stopped;
        }
        let place = &Place { live: place.live.hushed(&self.redactor), ..place.clone() };
        let outcome = match &self.taper {
            Some(taper) => Box::pin(Arc::clone(taper).perform(self, assignment, place, stop)).await,
            None => self.perform_now(assignment, place, stop).await,
        };
        if place.attempt_dir.is_dir() {
            self.mend(&place.attempt_dir).await;
        }
        hushed::outcome(&self.redactor, outcome)
    }

    /// The same, and nobody records it.
    pub(super) async fn perform_now(&self, assignment: Assignment, place: &Place, stop: StopToken) -> Outcome {
        self.watch.starts(&assignment, place);
        match assignment {
            Assignment::Run { command, args, env, expected_output, keeps_text, limits } => match command.argv(&args) {
                Ok(argv) => {
                    self.run(Program::of(argv, env, limits), expected_output.as_ref(), keeps_text, place, stop).await
                }
                Err(reason) => Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default())),
            },
            // The rest is boxed: most steps of a large run are commands, and each future is kept until its end.
            Assignment::Agent { order, runtime, limits } => {
                let outcome = Box::pin(self.agent(*order, &runtime, limits, place, stop)).await;
                self.watch.changed(outcome, place)
            }
            Assignment::GateRun { command, expect, env, limits } => {
                let program = Program::of(command.alone(), env, limits);
                Box::pin(self.gate_run(program, expect, place, stop)).await
            }
            Assignment::GateCheck { expression, scope } => {
                Box::pin(self.judged(place, self.gate_check(expression, scope))).await
            }
            Assignment::GateSchema { schema, value } => {
                Box::pin(self.judged(place, async { Self::gate_schema(&schema, &value) })).await
            }
            Assignment::GateFiles { paths } => Box::pin(self.judged(place, self.gate_files(place, paths))).await,
            Assignment::GateChanged { max_files, allow, deny, baseline } => {
                Box::pin(self.gate_changed(max_files, &allow, &deny, &baseline, place, stop)).await
            }
            Assignment::GateSecrets { search, baseline } => {
                Box::pin(self.gate_secrets(*search, &baseline, place, stop)).await
            }
            Assignment::Reconcile { command, env, limits } => {
                let program = Program::of(command.alone(), env, limits);
                Box::pin(self.reconcile(program, place, stop)).await
            }
        }
    }

    /// The digest of a workspace's files, without `.git`, `.orch/state`, `node_modules` and tagged caches.
    ///
    /// # Errors
    /// A workspace that cannot be read or is over the limits.
    pub async fn tree(&self, workspace: &Path) -> Result<Digest, TreeFault> {
        let (executor, workspace) = (self.clone(), workspace.to_owned());
        blocking(move || executor.shared.trees.digest(&workspace)).await
    }

    /// Runs a program of the attempt in its workspace.
    pub(super) async fn start(
        &self,
        program: Program,
        place: &Place,
        stop: StopToken,
        ears: Option<Listener>,
    ) -> Report {
        let mut env = place.env.clone();
        env.extend(program.env);
        env.extend(place.secrets.iter().map(|(name, value)| (name.into(), value.reveal().into())));
        let command = Command {
            argv: program.argv,
            env,
            cwd: place.workspace.clone(),
            stdin: program.stdin,
            converses: program.converses,
            attempt: place.attempt.clone(),
            run: place.run.clone(),
            log: Some(place.logs()),
            redactor: Some(self.redactor.clone()),
            confinement: None,
        };
        match &place.sandbox {
            None => self.shared.keeper.run(command, program.limits, stop, ears).await,
            Some(confined) => {
                let needs = (program.limits, program.needs);
                let guards = (&self.shared.keeper, &self.watch);
                Box::pin(confined::run(guards, command, needs, (place, confined), stop, ears)).await
            }
        }
    }

    async fn run(
        &self,
        mut program: Program,
        expected: Option<&serde_json::Value>,
        keeps_text: bool,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        if expected.is_some()
            && let Err(failure) = program.offer_output(place)
        {
            return Outcome::Failed(failure);
        }
        let (argv, limits) = (program.argv.clone(), program.limits.clone());
        let report = self.start(program, place, stop, None).await;
        let (class, reason) = match ended(&report.end, &limits) {
            Ended::Stopped => return Outcome::Stopped,
            Ended::Lost => return Outcome::Lost,
            Ended::Not(class, reason) => (class, format!("{} {reason}", shown(&argv))),
            Ended::Code(0) => match self.run_output(expected, place) {
                Ok(output) => {
                    return Outcome::Succeeded(Box::new(Envelope {
                        summary: evidence::last_line(&report.stdout),
                        text: if keeps_text { printed(&report, place) } else { String::new() },
                        output,
                        leaked: report.leaked,
                        dropped_bytes: report.stdout.dropped + report.stderr.dropped,
                        ..Envelope::default()
                    }));
                }
                Err(reason) => (FailureClass::Permanent, reason),
            },
            Ended::Code(code) => (FailureClass::Permanent, format!("{} ended with exit code {code}", shown(&argv))),
            Ended::Signal(signal) => {
                (FailureClass::Permanent, format!("{} was ended by signal {signal}", shown(&argv)))
            }
        };
        let reason = evidence::with_notes(reason, &report.notes);
        Outcome::Failed(failed(class, reason, observed(argv, report, place).await))
    }
}

impl Program {
    pub(super) fn of(argv: Vec<String>, env: Vec<(String, String)>, limits: Limits) -> Self {
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let argv = argv.into_iter().map(OsString::from).collect();
        Self { argv, env, stdin: None, converses: false, limits, needs: Needs::default() }
    }

    /// Gives the program a place for its answer, empty.
    pub(super) fn offer_output(&mut self, place: &Place) -> Result<(), Box<Failure>> {
        let path = place.output();
        let made = make_attempt_dir(place).and_then(|()| match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        });
        made.map_err(|error| {
            let reason = format!("prepare `{}`: {error}", path.display());
            failed(FailureClass::Permanent, reason, Evidence::default())
        })?;
        self.env.push(("ORCH_OUTPUT".into(), path.into()));
        Ok(())
    }
}

/// Makes the attempt's own folder, for its owner's eyes only.
pub(super) fn make_attempt_dir(place: &Place) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(&place.attempt_dir)
}

/// What the end of a command means for its attempt.
pub(super) fn ended(end: &End, limits: &Limits) -> Ended {
    let time = |limit: Option<std::time::Duration>| crate::base::render_duration(limit.unwrap_or_default());
    match end {
        End::Exited { code } => Ended::Code(*code),
        End::Signalled { signal } => Ended::Signal(*signal),
        End::Lingered => Ended::Not(FailureClass::Permanent, "did not end after its last word".to_owned()),
        End::TimedOut => Ended::Not(FailureClass::TimedOut, format!("ran longer than {}", time(limits.timeout))),
        End::IdleTimedOut => {
            let reason = format!("was silent and idle for longer than {}", time(limits.idle_timeout));
            Ended::Not(FailureClass::TimedOut, reason)
        }
        End::Stopped(_) => Ended::Stopped,
        End::NotFound { program } => {
            Ended::Not(FailureClass::Missing, format!("cannot start: there is no program `{program}`"))
        }
        End::SpawnFailed { message } => Ended::Not(FailureClass::Permanent, format!("cannot start: {message}")),
        End::Tampered { paths } => Ended::Not(FailureClass::Permanent, tampered(paths)),
        End::KeeperLost => Ended::Lost,
    }
}

/// What became of protected paths.
fn tampered(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().take(5).map(|path| format!("`{}`", path.display())).collect();
    format!("is not counted: {} changed while it worked, and its sandbox keeps them as they are", shown.join(", "))
}

/// What a command has printed, as a text for a prompt: without the line break at its end, its head where it is long.
fn printed(report: &Report, place: &Place) -> String {
    const BYTES_MAX: usize = 32 * 1024;
    let bytes = whole(&report.stdout, &place.logs());
    let rest = if bytes.is_some() { 0 } else { report.stdout.total - report.stdout.head.len() as u64 };
    let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or(&report.stdout.head)).into_owned();
    let text = text.trim_end_matches(['\n', '\r']);
    if text.len() <= BYTES_MAX && rest == 0 {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(BYTES_MAX);
    format!("{}\n… {} more bytes are left out", &text[..end], (text.len() - end) as u64 + rest)
}

/// A failure without session and cost.
pub(super) fn failed(class: FailureClass, reason: String, evidence: Evidence) -> Box<Failure> {
    Box::new(Failure { class, reason, evidence, session: None, usage: Usage::default() })
}

/// The evidence of a command; off the event loop, because it may read long logs.
pub(super) async fn observed(argv: Vec<OsString>, report: Report, place: &Place) -> Evidence {
    let logs = place.logs();
    blocking(move || evidence::of_command(&argv, &report, &logs)).await
}

/// A command for people: its words, or the text that the shell was given; shortened.
pub(super) fn shown(argv: &[OsString]) -> String {
    const CHARS_MAX: usize = 80;
    let text = match argv {
        [shell, flags, command, text, ..] if shell == "sh" && flags == "-eu" && command == "-c" => {
            text.to_string_lossy()
        }
        argv => argv.join(OsStr::new(" ")).to_string_lossy().into_owned().into(),
    };
    let line = text.trim().lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(CHARS_MAX).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    format!("`{short}`")
}

/// Work that may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // A started blocking task cannot be cancelled, so this is a panic: it goes on here.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The digest of a folder's tree, without an executor: for the last lines of a run. Blocks while it reads.
///
/// # Errors
/// See [`Executor::tree`].
pub fn tree_digest(workspace: &Path) -> Result<Digest, TreeFault> {
    Trees::default().digest(workspace)
}
