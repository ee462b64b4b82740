//! One command from order to report: pipes, limits, stops.
//!
//! Invariants:
//! - The first cause of an end is the one that is reported.
//! - What the command wrote before its end is in the report, even if a process that it left
//!   behind still holds the pipe.

use std::{
    ffi::OsString,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nix::errno::Errno;
use tokio::time::Instant;

use super::{
    capture::Capture,
    clock::Clock,
    command::{Command, Limits},
    idle::Idle,
    keeper::{Attached, Keeper},
    lines::{Listener, Splitter},
    log_file::LogFile,
    message::{Fault, Notice, Order, Pipes, Request, Status},
    report::{Captured, End, Report},
    stop::{StopReason, StopToken},
    stream::{Feed, Stream},
};
use crate::guard::Redactor;

/// A command that ends sooner is read once, after its end; it costs the event loop nothing.
const WATCH_AFTER: Duration = Duration::from_millis(5);
/// How long what a command left behind may go on writing.
const DRAIN: Duration = Duration::from_millis(500);
/// How long it may go on once its pipes are closed: enough to end by itself, too short for a server.
const LAST_BREATH: Duration = Duration::from_millis(100);
/// How long a command may go on after its last word.
const LINGER: Duration = Duration::from_secs(5);
/// From SIGTERM to SIGKILL for a command that has nothing more to say.
const LINGER_GRACE: Duration = Duration::from_secs(1);
/// How long a command that converses may take to answer its farewell.
const PARTING: Duration = Duration::from_millis(500);

/// Processes that commands of this process have left behind.
static LEAKED: AtomicU64 = AtomicU64::new(0);

/// How many processes commands have left behind, which had to be killed, since this process began.
#[must_use]
pub fn leaked_processes() -> u64 {
    LEAKED.load(Ordering::Relaxed)
}

pub(super) async fn run(
    keeper: &Keeper,
    command: Command,
    limits: Limits,
    stop: StopToken,
    ears: Option<Listener>,
) -> Report {
    let began = Instant::now();
    let mut report = once(keeper, &command, &limits, &stop, ears.as_ref()).await;
    if report.end == failed(&command, Fault::Start(Errno::ENOEXEC as i32)) {
        // A script without `#!`: a shell runs it, as a shell would have done.
        let mut command = command;
        let shell = ["sh", "-c", "exec \"$0\" \"$@\""].map(OsString::from);
        command.argv.splice(0..0, shell);
        report = once(keeper, &command, &limits, &stop, ears.as_ref()).await;
    }
    report.duration = began.elapsed();
    report
}

async fn once(
    keeper: &Keeper,
    command: &Command,
    limits: &Limits,
    stop: &StopToken,
    ears: Option<&Listener>,
) -> Report {
    if let Some(reason) = stop.reason() {
        return nothing(End::Stopped(reason));
    }
    let Some(line) = keeper.attach() else { return nothing(End::KeeperLost) };
    match Running::start(line, command, limits, stop, ears).await {
        Ok(mut running) => {
            let end = running.finish().await;
            running.report(end.unwrap_or_else(|fault| failed(command, fault))).await
        }
        Err(error) => nothing(End::SpawnFailed { message: error.to_string() }),
    }
}

struct Running {
    line: Attached,
    stdout: Stream,
    stderr: Stream,
    stdin: Option<Feed>,
    stop: StopToken,
    stopped: Option<StopReason>,
    /// Why `orch` ended the command, if it did.
    cause: Option<End>,
    status: Option<Status>,
    leaked: u32,
    is_killed: bool,
    grace: Duration,
    clock: Clock,
    watch_at: Option<Instant>,
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    /// When a command that has said its last word is ended.
    linger_at: Option<Instant>,
    /// Who replies, where the command converses and may still be told something.
    replies: Option<Listener>,
    /// When a command that was told the farewell is ended.
    part_at: Option<Instant>,
    idle: Option<Idle>,
}

/// What a notice means for the wait.
enum Progress {
    GoOn,
    Over,
    Failed(Fault),
}

impl Running {
    async fn start(
        mut line: Attached,
        command: &Command,
        limits: &Limits,
        stop: &StopToken,
        ears: Option<&Listener>,
    ) -> std::io::Result<Self> {
        let log = |path: &std::path::PathBuf| LogFile::new(path.clone(), limits.stream_bytes_max);
        let lines = ears.map(|ears| Splitter::new(ears.clone()));
        let logs = command.log.as_ref();
        let hush = || command.redactor.as_ref().map(Redactor::stream);
        let (stdout, stdout_end) = Stream::open(Capture::new(logs.map(|logs| log(&logs.stdout)), lines, hush()))?;
        let (stderr, stderr_end) = Stream::open(Capture::new(logs.map(|logs| log(&logs.stderr)), None, hush()))?;
        let (stdin, stdin_end) = match &command.stdin {
            Some(bytes) => Feed::open(bytes.clone(), command.converses).map(|(feed, end)| (feed, Some(end)))?,
            None => (None, None),
        };
        let pipes = Pipes { stdout: stdout_end, stderr: stderr_end, stdin: stdin_end };
        line.is_live = true;
        line.send(Request::Start { id: line.id, order: order(command), pipes }).await?;
        let now = Instant::now();
        Ok(Self {
            line,
            stdout,
            stderr,
            stdin,
            stop: stop.clone(),
            stopped: None,
            cause: None,
            status: None,
            leaked: 0,
            is_killed: false,
            grace: limits.grace,
            clock: Clock::new(now + WATCH_AFTER),
            watch_at: Some(now + WATCH_AFTER),
            timeout_at: limits.timeout.and_then(|limit| now.checked_add(limit)),
            kill_at: None,
            linger_at: None,
            replies: ears.filter(|_| command.converses).cloned(),
            part_at: None,
            idle: limits.idle_timeout.map(|limit| Idle::new(limit, now)),
        })
    }

    /// Waits until nothing of the command is left.
    async fn finish(&mut self) -> Result<End, Fault> {
        loop {
            let look = self.idle.as_ref().and_then(Idle::next_look);
            let due = [self.watch_at, self.timeout_at, self.kill_at, self.linger_at, self.part_at, look];
            self.clock.arm(due.into_iter().flatten());
            let had_output = tokio::select! {
                biased;
                notice = self.line.notices.recv() => {
                    match self.take(notice).await {
                        Progress::GoOn => false,
                        Progress::Over => return Ok(self.end()),
                        Progress::Failed(fault) => return Err(fault),
                    }
                }
                reason = self.stop.stronger_than(self.stopped) => { self.stop_for(reason).await; false }
                () = self.clock.ring() => { self.on_time(Instant::now()).await; false }
                had_output = self.stdout.pump(), if self.stdout.is_watched() => had_output,
                had_output = self.stderr.pump(), if self.stderr.is_watched() => had_output,
                is_done = feed(&mut self.stdin) => { if is_done { self.stdin = None; } false }
            };
            if had_output && let Some(idle) = &mut self.idle {
                idle.output(Instant::now());
            }
            if had_output {
                self.reply();
            }
            if had_output && self.linger_at.is_none() && self.status.is_none() && self.stdout.has_last_word() {
                // What it has said counts, however long its last breath is.
                (self.linger_at, self.timeout_at, self.idle) = (Some(Instant::now() + LINGER), None, None);
            }
            if self.status.is_some() && self.stdout.is_closed() && self.stderr.is_closed() {
                let last = Instant::now() + LAST_BREATH;
                self.kill_at = self.kill_at.map(|at| at.min(last));
            }
        }
    }

    async fn take(&mut self, notice: Option<Notice>) -> Progress {
        match notice {
            Some(Notice::Ended { status, is_last, .. }) => {
                self.status = Some(status);
                (self.timeout_at, self.linger_at, self.part_at, self.idle) = (None, None, None, None);
                self.stdin = None;
                if is_last {
                    return Progress::Over;
                }
                self.watch();
                self.kill_at = Some(Instant::now() + DRAIN);
            }
            Some(Notice::Gone { leaked, .. }) => {
                self.leaked = leaked;
                LEAKED.fetch_add(u64::from(leaked), Ordering::Relaxed);
                return Progress::Over;
            }
            Some(Notice::Failed { fault, .. }) => {
                self.line.is_live = false;
                return Progress::Failed(fault);
            }
            Some(Notice::Measured { ticks, .. }) => {
                if self.idle.as_mut().is_some_and(|idle| idle.measured(Instant::now(), ticks)) {
                    self.terminate(End::IdleTimedOut).await;
                }
            }
            // The engine has killed what the keeper left before the notices ended.
            None => return Progress::Over,
        }
        Progress::GoOn
    }

    async fn on_time(&mut self, now: Instant) {
        if self.watch_at.is_some_and(|at| at <= now) {
            self.watch();
        }
        if self.timeout_at.is_some_and(|at| at <= now) {
            self.terminate(End::TimedOut).await;
        }
        if self.linger_at.is_some_and(|at| at <= now) {
            self.linger_at = None;
            self.grace = self.grace.min(LINGER_GRACE);
            self.terminate(End::Lingered).await;
        }
        if self.part_at.is_some_and(|at| at <= now) {
            self.part().await;
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill().await;
        }
        if self.idle.as_mut().is_some_and(|idle| idle.is_due(now)) {
            self.send(Request::Measure { id: self.line.id }).await;
        }
    }

    fn watch(&mut self) {
        self.watch_at = None;
        for stream in [&mut self.stdout, &mut self.stderr] {
            // Fails only when the event loop is full; the stream then counts as closed.
            let _ = stream.watch();
        }
    }

    async fn stop_for(&mut self, reason: StopReason) {
        self.stopped = Some(reason);
        if self.status.is_none() && matches!(self.cause, None | Some(End::Stopped(_))) {
            self.cause = Some(End::Stopped(reason));
        }
        match reason {
            StopReason::Gentle if self.status.is_none() && self.kill_at.is_none() && self.part_at.is_none() => {
                self.terminate(End::Stopped(reason)).await;
            }
            StopReason::Gentle => {}
            StopReason::Hard => self.kill().await,
        }
    }

    /// Ends the command gently, for the first cause that comes.
    async fn terminate(&mut self, cause: End) {
        (self.timeout_at, self.idle) = (None, None);
        self.cause.get_or_insert(cause);
        if self.part_at.is_some() {
            return;
        }
        let farewell = self.replies.take().map(|replies| replies.farewell()).unwrap_or_default();
        if let (Some(stdin), false) = (&mut self.stdin, farewell.is_empty()) {
            stdin.push(farewell);
            stdin.end();
            // It has been told in its own words; what is left then needs no more time to tidy up.
            self.grace = self.grace.min(LINGER_GRACE);
            self.part_at = Some(Instant::now() + PARTING);
        } else {
            self.part().await;
        }
    }

    /// The signal itself.
    async fn part(&mut self) {
        self.part_at = None;
        if self.kill_at.is_none() && !self.is_killed {
            self.kill_at = Some(Instant::now() + self.grace);
            self.send(Request::Terminate { id: self.line.id }).await;
        }
    }

    /// Hands on what the listener says to a command that converses; after the last word its input is closed.
    fn reply(&mut self) {
        let Some(replies) = &self.replies else { return };
        let words = replies.reply();
        let is_over = self.stdout.has_last_word();
        if let Some(stdin) = &mut self.stdin {
            if !words.is_empty() {
                stdin.push(words);
            }
            if is_over {
                stdin.end();
            }
        }
    }

    async fn kill(&mut self) {
        (self.kill_at, self.part_at) = (None, None);
        if !std::mem::replace(&mut self.is_killed, true) {
            self.send(Request::Kill { id: self.line.id }).await;
        }
    }

    async fn send(&self, request: Request) {
        // Only an order can be too large to be sent.
        let _ = self.line.send(request).await;
    }

    fn end(&mut self) -> End {
        self.line.is_live = false;
        let own = self.status.map(|status| match status {
            Status::Exited(code) => End::Exited { code },
            Status::Signalled(signal) => End::Signalled { signal },
        });
        self.cause.take().or(own).unwrap_or(End::KeeperLost)
    }

    async fn report(mut self, end: End) -> Report {
        self.stdout.close();
        self.stderr.close();
        let stdout = self.stdout.into_capture().finish().await;
        let stderr = self.stderr.into_capture().finish().await;
        Report { end, stdout, stderr, leaked: self.leaked, duration: Duration::ZERO, notes: Vec::new() }
    }
}

async fn feed(stdin: &mut Option<Feed>) -> bool {
    match stdin {
        Some(feed) => feed.pump().await,
        None => std::future::pending().await,
    }
}

fn order(command: &Command) -> Order {
    let mut env = command.env.clone();
    env.push(("ORCH_RUN".into(), command.run.clone().into()));
    env.push(("ORCH_ATTEMPT".into(), command.attempt.clone().into()));
    let confinement = command.confinement.as_ref().map(|confinement| {
        // A path that is no text was refused before.
        serde_json::to_string(confinement).unwrap_or_else(|_| "{}".to_owned()).into()
    });
    Order {
        argv: command.argv.clone(),
        env,
        cwd: command.cwd.clone().into(),
        attempt: command.attempt.clone().into(),
        confinement: confinement.unwrap_or_default(),
    }
}

fn failed(command: &Command, fault: Fault) -> End {
    let text = |error| std::io::Error::from_raw_os_error(error).to_string();
    let program = command.argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match fault {
        Fault::NotFound => End::NotFound { program },
        Fault::Folder(error) => {
            let message = format!("working directory `{}`: {}", command.cwd.display(), text(error));
            End::SpawnFailed { message }
        }
        Fault::Start(error) => End::SpawnFailed { message: format!("`{program}`: {}", text(error)) },
    }
}

fn nothing(end: End) -> Report {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    Report { end, stdout, stderr, leaked: 0, duration: Duration::ZERO, notes: Vec::new() }
}
