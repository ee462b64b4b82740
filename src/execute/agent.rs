//! An agent's attempt: a program is called, or a recorded turn is played.
//!
//! An order is stored only where a program may read it: a folder and a file for each replayed turn would cost more than
//! the turn.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use nix::fcntl::OFlag;

use crate::{
    base::{Digest, Evidence, Failure, FailureClass, Outcome, Usage},
    execute::{
        answer::{read_answer, whole},
        assignment::{Live, Place},
        confined::Needs,
        evidence::with_notes,
        executor::{Ended, Executor, Program, blocking, ended, failed, make_attempt_dir, observed, shown},
        globs::Globs,
        hushed,
        meter::Meter,
        process::{End, Heard, Limits, Listener, Report, StopToken, Tap},
        recorded,
        tree::{Snapshot, changes, path_text, walk},
    },
    guard::{Redactor, sandbox::agent_homes},
    runtime::{
        Access, Adapter, Call, Invocation, Order, ProgramExit, ProgramOutput, Reader, RecordedTurn, Scene, Seen,
        checked, hint, unkept,
    },
};

/// The end of standard error that adapters see, in bytes.
const COMPLAINT_BYTES_MAX: usize = 64 * 1024;
/// The longest file that a program leaves beside its output, in bytes.
const SIDE_FILE_BYTES_MAX: u64 = 1 << 20;
/// Changed files named in an envelope.
const CHANGED_MAX: usize = 1_000;

impl Executor {
    pub(super) async fn agent(
        &self,
        mut order: Order,
        runtime: &str,
        limits: Limits,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        hushed::order(&self.redactor, &mut order);
        let Some(adapter) = self.shared.adapters.get(runtime) else {
            let reason = format!("there is no runtime `{runtime}`");
            return Outcome::Failed(failed(FailureClass::Missing, reason, Evidence::default()));
        };
        if let Some(found) = unasked(adapter.runs_unasked(), &place.workspace) {
            let help = "move it away, or let the step run on another runtime";
            let reason = format!("`{runtime}` would run `{}` of the project by itself: {help}", found.display());
            return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        }
        let can = adapter.capabilities();
        let reads_only = order.access == Access::Read;
        let lacks = unkept(&order.permissions, order.tools.as_deref(), reads_only, can);
        if !can.replays && !lacks.is_empty() {
            let reason = format!("`{runtime}` cannot keep what the step asks for: it {}", lacks.join("; it "));
            return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        }
        let (attached, permissions) = (order.attached.clone(), order.permissions.clone());
        let scene = match self.watch.hook(place) {
            Ok(hook) => Scene { hook, is_kept: is_kept(&**adapter, place), ..scene(place) },
            Err(reason) => return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default())),
        };
        // What a recorded turn has written is recorded as well.
        let declared = (order.answer_files && !can.replays).then(|| order.files.clone());
        let mut outcome = match adapter.call(&order, &scene) {
            Err(failure) => Outcome::Failed(failure),
            Ok(Call::Recorded(turn)) => play(*turn, &order, place, stop).await,
            Ok(Call::Service(call)) => self.serve(*call, &scene.session, order, limits, place, stop).await,
            Ok(Call::Program(invocation)) => {
                let adapter = Arc::clone(adapter);
                let meter = Meter::new(Arc::clone(&self.prices), order.model.as_deref(), runtime);
                self.invoke((adapter, meter), invocation, order, limits, place, stop).await
            }
        };
        if let Some(declared) = declared {
            outcome = self.write_answer(outcome, declared, place).await;
        }
        match &mut outcome {
            Outcome::Succeeded(envelope) => envelope.attached = attached,
            Outcome::Failed(failure) => hint(failure, &permissions),
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {}
        }
        outcome
    }

    async fn invoke(
        &self,
        (adapter, meter): (Arc<dyn Adapter>, Meter),
        invocation: Invocation,
        order: Order,
        limits: Limits,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        if let Err(error) = store(&self.redactor, &order, place) {
            let reason = format!("store the order in `{}`: {error}", place.order().display());
            return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        }
        let argv = invocation.argv.clone();
        let needs = needs(&*adapter, &invocation, &order, place);
        let mut program = Program {
            argv: invocation.argv,
            env: invocation.env.into_iter().collect(),
            stdin: Some(invocation.stdin),
            converses: false,
            limits: limits.clone(),
            needs,
        };
        program.env.push(("ORCH_ORDER".into(), place.order().into()));
        if let Err(failure) = program.offer_output(place) {
            return Outcome::Failed(failure);
        }
        if let Err(failure) = offer_all(&place.attempt_dir, &invocation.files) {
            return Outcome::Failed(failure);
        }
        let before = snapshot(place).await;
        let reader = reader(&*adapter, &order, place, &mut program);
        let (listener, ears) = Listener::new(Ears { reader, live: place.live.clone(), meter });
        let report = self.start(program, place, stop, Some(listener)).await;
        self.watch.hooked(place);
        forget_secrets(&order, &place.attempt_dir, &invocation.files);
        let read = |exit| {
            let mut ears = ears.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bytes) = adapter.side_file().and_then(|name| side_file(&place.attempt_dir.join(name))) {
                ears.reader.side_file(&bytes).into_iter().for_each(|seen| place.live.tell(seen));
            }
            read(&mut *ears.reader, &report, exit, place)
        };
        let mut outcome = match ended(&report.end, &limits) {
            _ if report.end == End::Lingered => read(ProgramExit::Lingered),
            Ended::Stopped => return Outcome::Stopped,
            Ended::Lost => return Outcome::Lost,
            Ended::Not(class, reason) => {
                Outcome::Failed(failed(class, format!("{} {reason}", shown(&argv)), Evidence::default()))
            }
            Ended::Code(code) => read(ProgramExit::Code(code)),
            Ended::Signal(signal) => read(ProgramExit::Signal(signal)),
        };
        if let Some(usage) = usage_of(&mut outcome) {
            ears.lock().unwrap_or_else(PoisonError::into_inner).meter.close(usage);
        }
        match &mut outcome {
            Outcome::Succeeded(envelope) => {
                envelope.leaked = report.leaked;
                envelope.dropped_bytes = report.stdout.dropped + report.stderr.dropped;
                if let Some(files) = seen_changes(before, &order.files, place).await {
                    envelope.files_changed = files;
                }
            }
            Outcome::Failed(failure) => note(failure, argv, report, place).await,
            Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => {}
        }
        outcome
    }
}

/// What was seen of a program that failed.
async fn note(failure: &mut Failure, argv: Vec<OsString>, report: Report, place: &Place) {
    failure.reason = with_notes(std::mem::take(&mut failure.reason), &report.notes);
    failure.evidence = observed(argv, report, place).await;
}

/// What a sandbox must leave the program.
fn needs(adapter: &dyn Adapter, invocation: &Invocation, order: &Order, place: &Place) -> Needs {
    let is_kept = is_kept(adapter, place);
    let has_own_home = invocation.env.contains_key(OsStr::new("HOME"));
    let homes: &[&str] = if has_own_home { &[] } else { agent_homes(adapter.name()) };
    Needs {
        is_agent: true,
        nests: adapter.capabilities().own_sandbox && !is_kept,
        reads_only: is_kept && order.access == Access::Read,
        homes,
    }
}

/// Whether the sandbox around a program stands for the program's own: nobody maps root anew inside.
fn is_kept(adapter: &dyn Adapter, place: &Place) -> bool {
    let is_root = nix::unistd::Uid::effective().is_root();
    is_root && place.sandbox.is_some() && adapter.capabilities().own_sandbox
}

/// Who reads the program; one that is spoken with gets its first words, and its input stays open.
fn reader(adapter: &dyn Adapter, order: &Order, place: &Place, program: &mut Program) -> Box<dyn Reader> {
    let (mut reader, scene) = (adapter.reader(order), scene(place));
    if order.session.is_none() {
        reader.preset(&scene.session);
    }
    if let Some(opening) = reader.opening(&scene) {
        (program.stdin, program.converses) = (Some(opening), true);
    }
    reader
}

/// Stores the order where the program and people find it, for the owner's eyes only.
pub(super) fn store(redactor: &Redactor, order: &Order, place: &Place) -> io::Result<()> {
    make_attempt_dir(place)?;
    keep(&place.order(), &serde_json::to_vec_pretty(&redactor.value(&serde_json::to_value(order)?))?)
}

/// Writes the files that a program needs.
fn offer_all(folder: &Path, files: &[(PathBuf, Vec<u8>)]) -> Result<(), Box<Failure>> {
    files.iter().try_for_each(|(name, bytes)| {
        offer(folder, name, bytes).map_err(|error| {
            let reason = format!("write `{}` for the agent's program: {error}", name.display());
            failed(FailureClass::Permanent, reason, Evidence::default())
        })
    })
}

/// Takes the files away again where they may hold secrets of servers: the attempt's folder stays.
fn forget_secrets(order: &Order, folder: &Path, files: &[(PathBuf, Vec<u8>)]) {
    if order.mcp_servers.iter().any(|server| !server.env.is_empty()) {
        files.iter().for_each(|(name, _)| drop(fs::remove_file(folder.join(name))));
    }
}

/// Writes a file that a program needs, with the folders on its way.
fn offer(folder: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    keep(&path, bytes)
}

/// What a program left beside its output; nothing where it is no file or longer than anybody needs.
fn side_file(path: &Path) -> Option<Vec<u8>> {
    let file =
        OpenOptions::new().read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(SIDE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= SIDE_FILE_BYTES_MAX).then_some(bytes)
}

/// Writes a file of the attempt, for the owner's eyes only.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    options.open(path)?.write_all(bytes)
}

/// A script that a program would run by itself, in the workspace or above it.
fn unasked(folders: &[&str], workspace: &Path) -> Option<PathBuf> {
    let places = workspace.ancestors().flat_map(|above| folders.iter().map(move |folder| above.join(folder)));
    let scripts = places.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
    let mut scripts = scripts.filter(|path| path.extension().is_some_and(|ending| ending == "js" || ending == "ts"));
    scripts.next()
}

/// What a call needs to know of the place.
fn scene(place: &Place) -> Scene {
    let home = place.env.iter().find(|(name, _)| name == "HOME").map(|(_, home)| home.into()).unwrap_or_default();
    Scene {
        folder: place.attempt_dir.clone(),
        workspace: place.workspace.clone(),
        home,
        session: session_id(&place.run, &place.attempt),
        is_kept: false,
        hook: None,
    }
}

/// A session id that is the attempt's alone, in the form of a UUID of version 8 (RFC 9562, section 5.8). It is made
/// from the ids of the run and the attempt, so that a later owner knows it as well.
fn session_id(run: &str, attempt: &str) -> String {
    let hex = Digest::of(format!("session\0{run}\0{attempt}").as_bytes());
    let hex = hex.as_str().rsplit(':').next().unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// Hears an agent's program while it works.
struct Ears {
    reader: Box<dyn Reader>,
    live: Live,
    meter: Meter,
}

impl Tap for Ears {
    fn line(&mut self, line: &[u8], cut: u64) -> Heard {
        let mut heard = Heard::GoOn;
        for seen in self.reader.line(line, cut == 0) {
            let seen = match seen {
                Seen::Spent(usage, model) => {
                    let (usage, model) = self.meter.spent(usage, model);
                    Seen::Spent(usage, model)
                }
                other => other,
            };
            if seen == Seen::LastWord {
                heard = Heard::LastWord;
            }
            self.live.tell(seen);
        }
        heard
    }

    fn reply(&mut self) -> Vec<u8> {
        self.reader.reply()
    }

    fn farewell(&mut self) -> Vec<u8> {
        self.reader.farewell()
    }
}

fn usage_of(outcome: &mut Outcome) -> Option<&mut Usage> {
    match outcome {
        Outcome::Succeeded(envelope) => Some(&mut envelope.usage),
        Outcome::Failed(failure) => Some(&mut failure.usage),
        Outcome::Judged(_) | Outcome::Stopped | Outcome::Lost => None,
    }
}

/// Lets the adapter's reader judge what the program left.
fn read(reader: &mut dyn Reader, report: &Report, exit: ProgramExit, place: &Place) -> Outcome {
    let output_file = match read_answer(place) {
        Ok(bytes) => bytes,
        Err(reason) => return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default())),
    };
    let stdout = whole(&report.stdout, &place.logs());
    let stderr = [&report.stderr.head[..], &report.stderr.tail].concat();
    let output = ProgramOutput {
        exit,
        stdout_whole: stdout.is_some(),
        stdout: stdout.unwrap_or_else(|| [&report.stdout.head[..], &report.stdout.tail].concat()),
        stderr_tail: stderr[stderr.len().saturating_sub(COMPLAINT_BYTES_MAX)..].to_vec(),
        output_file,
    };
    reader.finish(&output)
}

/// Plays a recorded turn: it takes its time, does its work and gives its answer.
async fn play(turn: RecordedTurn, order: &Order, place: &Place, mut stop: StopToken) -> Outcome {
    if turn.delay_ms > 0 {
        let delay = Duration::from_millis(turn.delay_ms);
        if tokio::time::timeout(delay, stop.stronger_than(None)).await.is_ok() {
            return Outcome::Stopped;
        }
    }
    let RecordedTurn { delay_ms: _, writes, deletes, mut envelope, fails } = turn;
    let paths: BTreeSet<&PathBuf> = writes.iter().map(|write| &write.path).chain(&deletes).collect();
    let globs = Globs::new(&order.files).ok();
    // The same that would be seen of a program's work.
    let is_told = |path: &Path| order.files.is_empty() || globs.as_ref().is_none_or(|globs| globs.is_match(path));
    let told = paths.iter().filter(|path| is_told(path)).take(CHANGED_MAX);
    let files: Vec<String> = told.map(|path| path_text(path)).collect();
    if !paths.is_empty() {
        let (workspace, attempt) = (place.workspace.clone(), place.attempt.clone());
        let written = blocking(move || recorded::apply(&workspace, &attempt, &writes, &deletes)).await;
        if let Err(reason) = written {
            let reason = format!("the recorded answer cannot be played: {reason}");
            return Outcome::Failed(failed(FailureClass::Permanent, reason, Evidence::default()));
        }
    }
    envelope.files_changed = files;
    let (session, usage) = (envelope.session.clone(), envelope.usage);
    if let Some((class, reason)) = fails {
        return Outcome::Failed(Box::new(Failure { class, reason, evidence: Evidence::default(), session, usage }));
    }
    match checked(envelope, order.expected_output.as_ref()) {
        Ok(envelope) => Outcome::Succeeded(Box::new(envelope)),
        Err(fault) => Outcome::Failed(Box::new(Failure {
            class: FailureClass::Permanent,
            reason: fault.to_string(),
            evidence: Evidence::default(),
            session,
            usage,
        })),
    }
}

/// What stands in the workspace; `None` where that cannot be seen within the limits.
pub(super) async fn snapshot(place: &Place) -> Option<Snapshot> {
    let workspace = place.workspace.clone();
    blocking(move || walk(&workspace, Path::new("")).ok()).await
}

/// The files that have changed, of those that the step declares if it does.
pub(super) async fn seen_changes(before: Option<Snapshot>, declared: &[String], place: &Place) -> Option<Vec<String>> {
    let (before, after) = (before?, snapshot(place).await?);
    let globs = Globs::new(declared).ok()?;
    let mut files = changes(&before, &after);
    files.retain(|path| declared.is_empty() || globs.is_match(path));
    files.truncate(CHANGED_MAX);
    Some(files.iter().map(|path| path_text(path)).collect())
}
