//! `orch dev`: watches definitions, says what each edit changes, and runs again what it changed.
//!
//! A run keeps the plan that it began with: an edit waits for its end, or ends it with `--restart`. On a bad edit the
//! last good plan stays and nothing runs.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
};

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::block_in_place,
};

use crate::{
    cli::{
        args::ApprovalArg,
        dev_report::{lines, state_json, watching_json, watching_line},
        dev_run::{Driving, Moved, moved},
        drive::{TICK, now, stdin_line},
        exit::Exit,
        failure::Failure,
        session::Session,
        values::{Pair, pair},
    },
    config::Flags,
    service::dev::{Lookout, Report},
};

/// Arguments of `orch dev`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch dev\n  orch dev hello\n  \
    orch dev release -i version=1.2 --on-approval approve\n  orch dev review --no-run --json\n\n\
    Type Enter to run again, r and Enter to run everything anew, q and Enter to end.\n\
    Ends with 0 when the definitions are good and the last run was green, else with 10 or that run's code; with 130 \
    on Ctrl-C.")]
pub struct DevArgs {
    /// A workflow, a /command, or the path of a file [default: check everything, run nothing]
    pub name: Option<String>,
    /// Values for the inputs that take words, in their order
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// Give an input by name; may be repeated
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = pair, requires = "name")]
    pub inputs: Vec<Pair>,
    /// Show the plan and its changes, run nothing
    #[arg(long, requires = "name")]
    pub no_run: bool,
    /// End a run that is going when an edit is good, instead of waiting for its end
    #[arg(long, conflicts_with = "no_run", requires = "name")]
    pub restart: bool,
    /// Look once a second instead of asking the system to tell, for network file systems
    #[arg(long)]
    pub poll: bool,
    /// Attempts at once, 1 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub parallel: Option<u32>,
    /// What to do when a person is asked and nobody is there [default: wait]
    #[arg(long, value_name = "WHAT")]
    pub on_approval: Option<ApprovalArg>,
    /// The runtime of agents that name none
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
}

impl DevArgs {
    /// The inputs that were given by name; the last one counts.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let pairs: BTreeMap<_, _> = self.inputs.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
        pairs.into_iter().collect()
    }
}

pub(super) fn run(session: &mut Session, args: &DevArgs) -> Result<u8, Failure> {
    let flags = Flags::new()
        .with("parallel", "--parallel", args.parallel)
        .with("runtime", "--runtime", args.runtime.as_deref())
        .with("on_approval", "--on-approval", args.on_approval.map(ApprovalArg::word));
    let project = session.project_with(flags.clone())?;
    let lookout = Lookout::new(project, flags, args.name.clone(), args.poll);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(&error))?;
    let mut desk = Desk { session, args, lookout, driving: None, wanted: None, ending: None, good: false, last: None };
    let code = runtime.block_on(desk.work());
    // A thread that waits for a line must not keep the process.
    runtime.shutdown_background();
    code
}

/// Typed lines go to whoever waits for them: a question of a run, else the desk.
#[derive(Clone, Default)]
pub(super) struct Keyboard {
    is_asked: Arc<AtomicBool>,
    answers: Arc<std::sync::Mutex<Option<Sender<String>>>>,
}

impl Keyboard {
    /// Reads lines from now on.
    fn start(&self) -> mpsc::UnboundedReceiver<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let keyboard = self.clone();
        std::thread::spawn(move || {
            while let Some(line) = stdin_line() {
                let answers = keyboard.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let rest = match answers.as_ref().filter(|_| keyboard.is_asked.load(Ordering::Relaxed)) {
                    Some(answers) => answers.send(line).err().map(|error| error.0),
                    None => Some(line),
                };
                if rest.is_some_and(|line| sender.send(line).is_err()) {
                    return;
                }
            }
        });
        receiver
    }

    /// The next line for a question.
    pub(super) fn answers(&self) -> impl FnMut() -> Option<String> + Send + 'static {
        let (sender, receiver) = channel();
        *self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(sender);
        let is_asked = Arc::clone(&self.is_asked);
        move || {
            is_asked.store(true, Ordering::Relaxed);
            let line = receiver.recv().ok();
            is_asked.store(false, Ordering::Relaxed);
            line
        }
    }
}

/// A run that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// What has not changed is reused.
    Again,
    /// Everything is done anew.
    Anew,
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Somebody has typed it: how things stand decides.
    Typed,
    /// A signal has come.
    Signal(Exit),
}

struct Desk<'s> {
    session: &'s mut Session,
    args: &'s DevArgs,
    lookout: Lookout,
    driving: Option<Driving>,
    wanted: Option<Wanted>,
    /// Somebody wants to end.
    ending: Option<End>,
    good: bool,
    /// How the last run has ended.
    last: Option<u8>,
}

impl Desk<'_> {
    async fn work(&mut self) -> Result<u8, Failure> {
        let fault = |error: std::io::Error| Failure::bug(&error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(fault)?;
        let keyboard = Keyboard::default();
        let mut typed = if self.session.global.no_input { mpsc::unbounded_channel().1 } else { keyboard.start() };
        self.begin()?;
        let mut beat = tokio::time::interval(TICK);
        loop {
            if self.driving.is_none() {
                if let Some(end) = self.ending {
                    return Ok(match end {
                        End::Signal(exit) => exit.code(),
                        End::Typed if self.good => self.last.unwrap_or(Exit::Success.code()),
                        End::Typed => Exit::Invalid.code(),
                    });
                }
                self.start(&keyboard)?;
            }
            tokio::select! {
                biased;
                _ = interrupt.recv() => self.end(End::Signal(Exit::Interrupted)),
                _ = terminate.recv() => self.end(End::Signal(Exit::Terminated)),
                _ = hangup.recv() => self.end(End::Signal(Exit::Terminated)),
                () = self.lookout.edited() => self.look()?,
                moved = moved(&mut self.driving) => self.moved(moved)?,
                Some(line) = typed.recv() => self.typed(&line),
                _ = beat.tick(), if self.driving.is_some() => {
                    if let Some(driving) = &mut self.driving {
                        driving.screen.tick(now());
                    }
                }
            }
        }
    }

    /// The first look. What was asked for must be there.
    fn begin(&mut self) -> Result<(), Failure> {
        let Some(report) = self.lookout.look() else { return Ok(()) };
        if let Some(missing) = report.missing {
            return Err(Failure::Refused(missing));
        }
        let (folders, polls) = self.lookout.watching();
        if self.session.global.json {
            self.session.out.json_line(&watching_json(now(), folders, polls))?;
        } else if !self.session.global.quiet {
            self.session.out.talk(&watching_line(folders, polls));
            if let Some(drawing) = self.lookout.drawing() {
                self.session.out.data(&format!("{}\n", drawing.trim_end()))?;
            }
        }
        self.tell(&report, true)
    }

    fn look(&mut self) -> Result<(), Failure> {
        let polled = self.lookout.watching().1.is_some();
        let report = self.lookout.look();
        if let (folders, Some(reason)) = self.lookout.watching()
            && !polled
        {
            if self.session.global.json {
                self.session.out.json_line(&watching_json(now(), folders, Some(reason)))?;
            } else {
                self.session.out.talk(&watching_line(folders, Some(reason)));
            }
        }
        report.map_or(Ok(()), |report| self.tell(&report, false))
    }

    fn tell(&mut self, report: &Report, is_first: bool) -> Result<(), Failure> {
        if let Some(driving) = &mut self.driving {
            driving.screen.pause();
        }
        if self.session.global.json {
            self.session.out.json_line(&state_json(report))?;
        } else {
            self.session.out.data(&lines(report, is_first))?;
        }
        self.good = self.lookout.is_runnable(report);
        if self.args.name.is_none() || self.args.no_run {
            return Ok(());
        }
        if !self.good {
            self.wanted = None;
        } else if report.is_worth_a_run() {
            self.wanted = Some(Wanted::Again);
            if let (true, Some(driving)) = (self.args.restart, &mut self.driving) {
                driving.cancel();
            }
        }
        Ok(())
    }

    /// Somebody wants to end: first what runs.
    fn end(&mut self, end: End) {
        self.ending.get_or_insert(end);
        if let Some(driving) = &mut self.driving {
            driving.cancel();
        }
    }

    fn typed(&mut self, line: &str) {
        let can_run = self.args.name.is_some() && !self.args.no_run;
        match line.trim() {
            "" if can_run => self.wanted = Some(Wanted::Again),
            "r" if can_run => self.wanted = Some(Wanted::Anew),
            "q" => self.end(End::Typed),
            _ => self.session.out.talk("Enter: run again   r: everything anew   q: end\n"),
        }
    }

    /// Starts the run that is wanted.
    fn start(&mut self, keyboard: &Keyboard) -> Result<(), Failure> {
        let Some(wanted) = self.wanted.take() else { return Ok(()) };
        let (session, lookout) = (&*self.session, &self.lookout);
        // Beginnings and ends of runs wait for the disk.
        let driving = block_in_place(|| Driving::start(session, lookout, self.args, wanted == Wanted::Again, keyboard));
        match driving {
            Ok(driving) => self.driving = driving,
            Err(Failure::Closed) => return Err(Failure::Closed),
            Err(failure) => {
                failure.tell(&mut self.session.out, self.session.global.json);
                self.last = Some(failure.exit());
            }
        }
        Ok(())
    }

    fn moved(&mut self, moved: Moved) -> Result<(), Failure> {
        let Some(driving) = &mut self.driving else { return Ok(()) };
        match moved {
            Moved::Told(event) => driving.tell(event),
            Moved::Ended(finish) => {
                let root: PathBuf = self.lookout.project().root().to_path_buf();
                let done = block_in_place(|| driving.finish(self.session, finish, &root));
                self.driving = None;
                match done {
                    Ok(code) => self.last = Some(code),
                    Err(Failure::Closed) => return Err(Failure::Closed),
                    Err(failure) => {
                        failure.tell(&mut self.session.out, self.session.global.json);
                        self.last = Some(failure.exit());
                    }
                }
            }
        }
        Ok(())
    }
}
