//! What `orch` adds to an agent program: CPU time of a run of one step against the very same call made by hand.
//!
//! `cargo bench --bench overhead` prints one table. The programs are real and answer from a scripted model, so the
//! bench needs `ORCH_CLIS` (folders with the programs, as in a PATH; `.ci/agents DIR` makes `DIR/bin`), `python3` and
//! `../shared/stub-model` (or `ORCH_STUB_MODEL`); it says loudly what it skips. Pairs are interleaved and the median of
//! their ratios counts; `ORCH_BENCH_ROUNDS` (default 30) sets how many. CPU time is user and system time of the process
//! and of everything below it, told by the kernel when the last of them has been waited for.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        prctl::set_child_subreaper,
        resource::{UsageWho, getrusage},
        time::TimeValLike as _,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use orch::runtime::{Call, Order, PROGRAMS, ProgramKind, ProgramSettings, Scene};
use scripted::Scripted;
use support::{median, rounds};

#[path = "../tests/support/scripted.rs"]
mod scripted;
mod support;

const ORCH: &str = env!("CARGO_BIN_EXE_orch");

const NAMES: [&str; 3] = ["claude", "codex", "gemini"];

/// One program, a project with one step, and a home.
struct Lab {
    kind: &'static ProgramKind,
    program: PathBuf,
    folder: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Lab {
    fn new(kind: &'static ProgramKind, program: PathBuf, folder: PathBuf, env: Vec<(&'static str, String)>) -> Self {
        let project = folder.join("project");
        fs::create_dir_all(folder.join("home")).unwrap();
        fs::create_dir_all(project.join("workflows")).unwrap();
        let settings = format!("[runtimes.{}]\nprogram = {:?}\n", kind.name, program.display().to_string());
        fs::write(project.join("orch.toml"), settings).unwrap();
        let workflow = "name: hello\ndescription: One word\nsteps:\n  - { id: hello, prompt: \"case: hello\" }\n";
        fs::write(project.join("workflows/hello.yaml"), workflow).unwrap();
        Self { kind, program, folder, env }
    }

    fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.join("project")).env_clear().stdin(Stdio::null());
        command.env("PATH", env::var_os("PATH").unwrap()).env("HOME", self.folder.join("home")).env("USER", "bench");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A run of one step.
    fn run(&self) {
        let mut command = self.command(OsStr::new(ORCH));
        command.args(["run", "/hello", "--runtime", self.kind.name, "--yes", "-q"]);
        let output = command.stdout(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the last run was told to do, as the call that it made.
    fn order(&self) -> Order {
        let runs = self.folder.join("project/.orch/state/runs");
        let run = fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
        let attempt = fs::read_dir(run.join("attempts")).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
        serde_json::from_str(&fs::read_to_string(attempt.join("order.json")).unwrap()).unwrap()
    }

    /// The same call without `orch`.
    fn alone(&self, order: &Order, place: usize) {
        let env = self.env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
        let settings = ProgramSettings { program: self.program.clone().into(), env, ..ProgramSettings::default() };
        let scene = Scene {
            hook: None,
            folder: self.folder.join("alone").join(place.to_string()),
            workspace: self.folder.join("project"),
            home: self.folder.join("home"),
            session: format!("7d444840-9dc0-4000-8000-{place:012}"),
            is_kept: false,
        };
        let Ok(Call::Program(call)) = (self.kind.make)(settings).call(order, &scene) else { panic!("no program") };
        fs::create_dir_all(&scene.folder).unwrap();
        for (path, bytes) in &call.files {
            let path = scene.folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let log = |name: &str| File::create(scene.folder.join(name)).unwrap();
        let mut command = self.command(&call.argv[0]);
        command.args(&call.argv[1..]).envs(&call.env).stdin(Stdio::piped()).stdout(log("out")).stderr(log("err"));
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&call.stdin).unwrap();
        let status = child.wait().unwrap();
        let said = fs::read_to_string(scene.folder.join("out")).unwrap();
        assert!(status.success() && said.contains("Hello f"), "{status}: {said}");
    }
}

/// CPU seconds of everything that `work` starts.
fn cpu(work: impl FnOnce()) -> f64 {
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
    };
    let before = spent();
    work();
    // What outlived its parent came to this process. The scripted model never ends, so nobody waits without end.
    for _ in 0..200 {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(nix::sys::wait::WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(1)),
            Ok(_) => {}
            Err(Errno::ECHILD) => break,
            Err(error) => panic!("{error}"),
        }
    }
    spent() - before
}

fn main() {
    let rounds = rounds(30);
    let (Some(folder), Some(programs)) = (scripted::folder(), env::var_os("ORCH_CLIS")) else {
        println!("SKIPPED: the overhead needs ORCH_CLIS=/path/to/bin and ../shared/stub-model");
        return;
    };
    set_child_subreaper(true).unwrap();
    let lab = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let model = Scripted::start(&folder, &scripted::cases(&folder), lab.path()).unwrap();
    println!("CPU time, medians of {rounds} interleaved pairs, after one of each that does not count");
    println!("{:<10} {:>10} {:>10} {:>8} {:>9}", "program", "orch", "alone", "ratio", "goal");
    for name in NAMES {
        let found = env::split_paths(&programs).map(|folder| folder.join(name)).find(|path| path.exists());
        let Some(program) = found else {
            println!("{name:<10} SKIPPED: it is in no folder of ORCH_CLIS");
            continue;
        };
        let kind = PROGRAMS.iter().find(|kind| kind.name == name).unwrap();
        let lab = Lab::new(kind, program, lab.path().join(name), scripted::environment(name, &model.address));
        lab.run();
        let order = lab.order();
        lab.alone(&order, 0);
        let pairs: Vec<_> = (1..=rounds).map(|place| (cpu(|| lab.run()), cpu(|| lab.alone(&order, place)))).collect();
        let ours = median(pairs.iter().map(|pair| pair.0).collect());
        let alone = median(pairs.iter().map(|pair| pair.1).collect());
        let ratio = median(pairs.iter().map(|pair| pair.0 / pair.1).collect());
        println!("{name:<10} {ours:>9.3}s {alone:>9.3}s {ratio:>8.3} {:>9}", "<= 1.05");
    }
}
