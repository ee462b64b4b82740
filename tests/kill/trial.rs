//! One run that is killed again and again: starts `orch`, kills it, answers, resumes, and keeps what was acknowledged.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde_json::Value;

/// Two seconds are promised. Reading `/proc` on a busy machine takes its own time.
pub const SURVIVORS_GONE: Duration = Duration::from_secs(2);
/// No launch of a run of one second takes so long, even on a busy machine.
const STUCK: Duration = Duration::from_secs(60);

/// Sebastiano Vigna's `SplitMix64`, so that each trial can be repeated by its seed.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// `orch` alone.
    Engine,
    /// Its whole process group.
    Group,
    /// The keeper alone; `orch` lives.
    Keeper,
    /// The keeper and `orch`, one right after the other.
    Both,
}

/// A project folder with the durable workflow.
pub fn project(folder: &Path) {
    fs::create_dir_all(folder.join("workflows")).unwrap();
    for (name, text) in [
        ("orch.toml", include_str!("project/orch.toml")),
        ("w.sh", include_str!("project/w.sh")),
        ("agent.sh", include_str!("project/agent.sh")),
        ("workflows/durable.yaml", include_str!("project/workflows/durable.yaml")),
        ("workflows/asks.yaml", include_str!("project/workflows/asks.yaml")),
        ("workflows/parks.yaml", include_str!("project/workflows/parks.yaml")),
        ("workflows/steady.yaml", include_str!("project/workflows/steady.yaml")),
        ("workflows/fills.yaml", include_str!("project/workflows/fills.yaml")),
        ("workflows/slow.yaml", include_str!("project/workflows/slow.yaml")),
        ("workflows/votes.yaml", include_str!("project/workflows/votes.yaml")),
    ] {
        fs::write(folder.join(name), text).unwrap();
        if name.ends_with(".sh") {
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// `orch` in a project, with nothing of this process's environment but what it needs.
pub fn orch(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
    command.args(args).current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

/// Runs a verb that ends soon. Gives its exit code, its standard output and its standard error.
pub fn ask(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = orch(folder, args).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

pub fn status(folder: &Path, run: &str) -> Value {
    let (code, out, err) = ask(folder, &["status", run, "--json"]);
    assert_eq!(code, 0, "status: {err}");
    serde_json::from_str(&out).unwrap()
}

/// A started `orch` and what it has said.
pub struct Live {
    pub child: Child,
    lines: mpsc::Receiver<Value>,
    pub seen: Vec<Value>,
    errors: std::thread::JoinHandle<String>,
}

impl Live {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // A line that was cut by a kill is no acknowledgement.
            for line in out.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        let mut err = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut err, &mut text);
            text
        });
        Self { child, lines, seen: Vec::new(), errors }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Waits for a line, at most so long.
    pub fn wait_for(&mut self, limit: Duration, mut wanted: impl FnMut(&Value) -> bool) -> bool {
        let end = Instant::now() + limit;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            let found = wanted(&line);
            self.seen.push(line);
            if found {
                return true;
            }
        }
        false
    }

    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    pub fn kill(&self, victim: Victim) {
        let keeper = keeper_of(self.pid()).map(Pid::from_raw);
        match victim {
            Victim::Engine => self.signal(Signal::SIGKILL),
            Victim::Group => {
                let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
            }
            Victim::Keeper => {
                let _ = keeper.map(|keeper| kill(keeper, Signal::SIGKILL));
            }
            Victim::Both => {
                let _ = keeper.map(|keeper| kill(keeper, Signal::SIGKILL));
                self.signal(Signal::SIGKILL);
            }
        }
    }

    /// Waits until it has ended; gives the exit code, none after a kill, with everything that it said.
    pub fn end(mut self) -> (Option<i32>, Vec<Value>, String) {
        let end = Instant::now() + STUCK;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                self.seen.extend(self.lines.iter());
                let said = self.seen.iter().rev().take(5).map(ToString::to_string).collect::<Vec<_>>().join("\n");
                panic!("orch is stuck; its last words, backwards:\n{said}\n{}", self.errors.join().unwrap());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.seen.extend(self.lines.iter());
        (status.code(), self.seen, self.errors.join().unwrap())
    }
}

/// The keeper among the children of a process.
pub fn keeper_of(parent: i32) -> Option<i32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .collect::<Vec<_>>()
        .join(" ");
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .find(|pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"__keeper\0")))
}

/// Everything alive that belongs to a run: by its cookie, or by a mark among its arguments.
pub fn survivors(run: &str, mark: &str) -> Vec<String> {
    let cookie = format!("ORCH_RUN={run}");
    let has = |path: String, wanted: &str| {
        fs::read(path).is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|part| part == wanted.as_bytes()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if has(format!("/proc/{pid}/environ"), &cookie) || has(format!("/proc/{pid}/cmdline"), mark) {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
            // An ended process that nobody has reaped yet has no words left.
            if !line.is_empty() {
                found.push(format!("{pid} {line}"));
            }
        }
    }
    found
}

/// Waits until nothing of a run is alive. Gives how long that took.
pub fn wait_gone(run: &str, mark: &str) -> Duration {
    let began = Instant::now();
    loop {
        let found = survivors(run, mark);
        let took = began.elapsed();
        if found.is_empty() {
            return took;
        }
        assert!(took < SURVIVORS_GONE, "alive {took:?} after the end: {found:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the trials have seen together.
#[derive(Debug, Default)]
pub struct Figures {
    pub kills: u32,
    pub launches: u32,
    pub runs: u32,
    pub acks: usize,
    pub answers: u32,
    pub slowest_death: Duration,
    pub succeeded: u32,
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.launches += other.launches;
        self.runs += other.runs;
        self.acks += other.acks;
        self.answers += other.answers;
        self.slowest_death = self.slowest_death.max(other.slowest_death);
        self.succeeded += other.succeeded;
    }
}

/// One run from its start to its end.
pub struct Trial<'a> {
    folder: &'a Path,
    rng: Rng,
    mark: String,
    run: Option<String>,
    pub acks: Vec<Value>,
    /// How often a person let a step run again.
    pub again: BTreeMap<String, usize>,
    /// Steps that a person called done.
    pub called_done: Vec<String>,
    /// How often the failed steps were run again.
    pub retries: usize,
    pub figures: Figures,
}

impl<'a> Trial<'a> {
    pub fn new(folder: &'a Path, seed: u64) -> Self {
        // A length that no other process sleeps.
        let mark = format!("{}.{}", 600 + seed % 1_000, std::process::id());
        Self {
            folder,
            rng: Rng(seed),
            mark,
            run: None,
            acks: Vec::new(),
            again: BTreeMap::new(),
            called_done: Vec::new(),
            retries: 0,
            figures: Figures { runs: 1, ..Figures::default() },
        }
    }

    /// Drives the run to its end with at most so many kills. Gives its last status.
    pub fn drive(&mut self, kills: u32) -> Value {
        let mark = format!("mark={}", self.mark);
        let mut next: Vec<String> = ["run", "durable", "-i", &mark, "--parallel", "6"].map(str::to_owned).to_vec();
        for _ in 0..200 {
            let killing = self.figures.kills < kills && self.rng.chance(90);
            let (code, victim) = self.launch(&next, killing);
            let Some(run) = self.run.clone() else { continue };
            // After a kill of everybody nobody is left who could end them: the next owner does before it starts anything.
            if victim != Some(Victim::Both) {
                self.figures.slowest_death = self.figures.slowest_death.max(wait_gone(&run, &self.mark));
            }
            let now = status(self.folder, &run);
            match now["status"].as_str().unwrap() {
                "succeeded" => {
                    self.figures.succeeded += 1;
                    return now;
                }
                "failed" | "cancelled" if self.retries == 3 => return now,
                "failed" | "cancelled" => {
                    self.retries += 1;
                    next = vec!["retry".to_owned(), run, "--failed".to_owned()];
                }
                "waiting" | "interrupted" => next = self.resume(&run, &now, code),
                other => panic!("status {other} without an owner: {now:#}"),
            }
        }
        panic!("the run did not end: {next:?}");
    }

    /// The next command that a person would type.
    fn resume(&mut self, run: &str, now: &Value, code: Option<i32>) -> Vec<String> {
        let mut next = vec!["resume".to_owned(), run.to_owned()];
        let outcomes: Vec<_> =
            now["waiting_for"].as_array().unwrap().iter().filter(|one| one["kind"] == "outcome").collect();
        if let Some(code) = code {
            let expected = if outcomes.is_empty() { None } else { Some(30) };
            assert_eq!(Some(code), expected.or(Some(code)), "{now:#}");
        }
        // Now and then nobody answers at first.
        let Some(one) = outcomes.first().filter(|_| code.is_some() || self.rng.chance(60)) else { return next };
        let step = one["step"].as_str().unwrap().to_owned();
        let word = match self.rng.below(10) {
            0..5 => "retry",
            5..8 => "done",
            _ => "failed",
        };
        next.extend(["--step", &step, "--as", word].map(str::to_owned));
        self.figures.answers += 1;
        // It counts even where the command is killed before it arrives: it may have.
        match word {
            "retry" => *self.again.entry(step).or_default() += 1,
            "done" => self.called_done.push(step),
            _ => {}
        }
        next
    }

    fn launch(&mut self, args: &[String], killing: bool) -> (Option<i32>, Option<Victim>) {
        let mut args: Vec<_> = args.iter().map(String::as_str).collect();
        args.extend(["--json", "--on-approval", "approve"]);
        let mut live = Live::start(orch(self.folder, &args));
        self.figures.launches += 1;
        let mut killed = None;
        if killing {
            // Half of the moments are counted from the start of the process, half from a random line of the work.
            if self.rng.chance(50) {
                let lines = self.rng.below(60);
                let mut left = lines;
                while left > 0 && live.wait_for(Duration::from_secs(10), |_| true) {
                    left -= 1;
                }
                std::thread::sleep(Duration::from_micros(self.rng.below(60_000)));
            } else {
                std::thread::sleep(Duration::from_micros(5_000 + self.rng.below(395_000)));
            }
            let victim = match self.rng.below(20) {
                0..12 => Victim::Engine,
                12..16 => Victim::Group,
                16..18 => Victim::Keeper,
                _ => Victim::Both,
            };
            if live.child.try_wait().unwrap().is_none() {
                live.kill(victim);
                self.figures.kills += 1;
                killed = Some(victim);
            }
        }
        let (code, seen, errors) = live.end();
        if code.is_none() {
            assert!(killed.is_some_and(|victim| victim != Victim::Keeper), "orch died by itself: {errors}");
        } else {
            assert!(!matches!(code, Some(2 | 10 | 11 | 31 | 32 | 33 | 70)), "{args:?}: {code:?} {seen:?} {errors}");
        }
        if self.run.is_none() {
            let (code, out, err) = ask(self.folder, &["runs", "--json"]);
            assert_eq!(code, 0, "{err}");
            let runs: Vec<Value> = serde_json::from_str(&out).unwrap();
            self.run = runs.first().map(|run| run["id"].as_str().unwrap().to_owned());
        }
        self.figures.acks += seen.len();
        self.acks.extend(seen);
        (code, killed.filter(|_| code.is_none()))
    }
}
