//! Real processes: what a command leaves behind, how it is stopped, what is kept of its output.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects, and measures aloud")]

use std::{
    ffi::OsString,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::execute::process::{
    Command, End, Heard, Keeper, Limits, Listener, LogPaths, Report, StopReason, StopSource, StopToken, Tap,
    allow_list_env, sweep,
};

fn keeper() -> Keeper {
    Keeper::start(Path::new(env!("CARGO_BIN_EXE_orch"))).unwrap()
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(OsString::from).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        attempt: "attempt".into(),
        run: "run".into(),
        ..Command::default()
    }
}

fn sh(script: &str) -> Command {
    command(&["sh", "-c", script])
}

fn limits() -> Limits {
    Limits { timeout: Some(Duration::from_secs(60)), grace: Duration::from_millis(300), ..Limits::default() }
}

async fn run(keeper: &Keeper, command: Command) -> Report {
    keeper.run(command, limits(), StopToken::never(), None).await
}

/// A mark that only one test's processes carry in their arguments: a sleep of an odd length.
fn mark(number: u32) -> String {
    format!("{}.{}", 5_000 + number, std::process::id())
}

/// The living processes with this mark in their arguments.
fn alive(mark: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if arguments.split(|byte| *byte == 0).any(|argument| argument == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const EXITED: End = End::Exited { code: 0 };

// ---- How a command ends.

#[tokio::test]
async fn a_command_ends_with_its_code_and_output() {
    let keeper = keeper();
    let report = run(&keeper, sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!(report.end, End::Exited { code: 3 });
    assert_eq!((report.stdout.text().as_str(), report.stderr.text().as_str()), ("out\n", "err\n"));
    assert_eq!((report.stdout.total, report.stdout.dropped, report.leaked), (4, 0, 0));
    let report = run(&keeper, sh("kill -9 $$")).await;
    assert_eq!(report.end, End::Signalled { signal: 9 });
    let report = run(&keeper, sh("kill -s RTMIN $$ || kill -34 $$")).await;
    assert_eq!(report.end, End::Signalled { signal: 34 });
    keeper.shutdown().await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let keeper = keeper();
    let report = run(&keeper, command(&["no-such-program", "x"])).await;
    assert_eq!(report.end, End::NotFound { program: "no-such-program".into() });
    let report = run(&keeper, command(&["./no-such-program"])).await;
    assert_eq!(report.end, End::NotFound { program: "./no-such-program".into() });
    let report = run(&keeper, Command { cwd: "/no/such/folder".into(), ..command(&["true"]) }).await;
    let message = "working directory `/no/such/folder`: No such file or directory (os error 2)".into();
    assert_eq!(report.end, End::SpawnFailed { message });
    let report = run(&keeper, Command { cwd: "/etc/passwd".into(), ..command(&["true"]) }).await;
    assert!(matches!(report.end, End::SpawnFailed { message } if message.contains("Not a directory")));
    let report = run(&keeper, command(&["/etc/passwd"])).await;
    assert!(matches!(report.end, End::SpawnFailed { message } if message.contains("Permission denied")));
    let report = run(&keeper, Command { argv: vec!["x\0y".into()], ..command(&[]) }).await;
    assert!(matches!(report.end, End::SpawnFailed { .. } | End::NotFound { .. }), "{:?}", report.end);
    assert_eq!(run(&keeper, command(&["true"])).await.end, EXITED);
}

#[tokio::test]
async fn a_program_is_found_as_a_shell_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = |path: &str, text: &str| {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path().join(path), mode).unwrap();
    };
    script("tools/hello", "#!/bin/sh\necho found by $0\n");
    script("bare", "echo no interpreter \"$@\"\n");
    let keeper = keeper();
    let here = |argv: &[&str]| Command { cwd: folder.path().into(), ..command(argv) };
    let mut relative = here(&["hello"]);
    relative.env = vec![("PATH".into(), "/nonexistent:tools:/bin".into())];
    assert!(run(&keeper, relative).await.stdout.text().starts_with("found by "));
    assert_eq!(run(&keeper, here(&["tools/hello"])).await.end, EXITED);
    assert_eq!(run(&keeper, here(&["./bare", "a b", "$c"])).await.stdout.text(), "no interpreter a b $c\n");
}

// ---- What a command leaves behind.

/// Runs a script that leaves something with `$MARK`, and says what was reported and what is alive.
async fn leave(number: u32, script: &str) -> (Report, Vec<i32>) {
    let keeper = keeper();
    let mark = mark(number);
    let mut command = sh(script);
    command.env.push(("MARK".into(), mark.clone().into()));
    let report = run(&keeper, command).await;
    let alive = alive(&mark);
    keeper.shutdown().await;
    (report, alive)
}

#[tokio::test]
async fn a_background_child_is_killed_and_reported() {
    let (report, alive) = leave(1, "sleep $MARK & echo done").await;
    assert_eq!((report.end, report.leaked, alive), (EXITED, 1, vec![]));
    assert_eq!(report.stdout.text(), "done\n");
}

#[tokio::test]
async fn a_child_in_its_own_session_is_killed() {
    let (report, alive) = leave(2, "setsid sleep $MARK & setsid sleep $MARK >/dev/null 2>&1 & sleep 0.1").await;
    assert_eq!((report.end, report.leaked, alive), (EXITED, 2, vec![]));
}

#[tokio::test]
async fn a_daemon_without_pipes_and_environment_is_killed() {
    let daemon = "(setsid env -i /bin/sh -c \"/bin/sleep $MARK </dev/null >/dev/null 2>&1 &\" &) ; sleep 0.1";
    let (report, alive) = leave(3, daemon).await;
    assert_eq!((report.end, report.leaked, alive), (EXITED, 1, vec![]));
}

#[tokio::test]
async fn a_tree_of_fifty_is_killed() {
    let script = "for a in 1 2 3 4 5 6 7; do setsid sh -c 'for b in 1 2 3 4 5 6; do sleep $MARK & done; wait' & done; \
                  sleep $MARK & sleep 0.3";
    let (report, alive) = leave(4, script).await;
    assert_eq!((report.end, report.leaked, alive), (EXITED, 50, vec![]));
}

#[tokio::test]
async fn a_loop_of_forks_is_killed() {
    // Each process starts the next one and ends, so the loop is always an orphan with a new pid.
    let script = "next() { sleep 0.01; (next) & }; (next) & sleep $MARK & sleep 0.1; echo $$";
    let (report, alive) = leave(5, script).await;
    assert_eq!((report.end, alive), (EXITED, vec![]));
    assert!(report.leaked >= 1, "{}", report.leaked);
    // The loop never leaves the group of its command.
    let group = report.stdout.text().trim().parse::<i32>().unwrap();
    assert!(kill(Pid::from_raw(-group), None).is_err());
}

#[tokio::test]
async fn what_ends_by_itself_in_time_is_no_leak() {
    let (report, _) = leave(6, "(sleep 0.1; echo late) & echo early").await;
    assert_eq!((report.end, report.leaked), (EXITED, 0));
    assert_eq!(report.stdout.text(), "early\nlate\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_is_left_alone() {
    let keeper = keeper();
    let mark = mark(7);
    let mut server =
        sh("setsid sleep $MARK >/dev/null 2>&1 & sleep 1; pgrep -xf \"sleep $MARK\" >/dev/null && echo there");
    server.attempt = "server".into();
    server.env.push(("MARK".into(), mark.clone().into()));
    let other = keeper.clone();
    let server = tokio::spawn(async move { run(&other, server).await });
    wait_until(Duration::from_secs(5), "the server starts", || !alive(&mark).is_empty());
    for _ in 0..50 {
        let report = run(&keeper, sh("true & true")).await;
        assert_eq!((report.end, report.leaked), (EXITED, 0));
    }
    let report = server.await.unwrap();
    assert_eq!((report.stdout.text().as_str(), report.leaked), ("there\n", 1));
    assert_eq!(alive(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_the_cookie_dies_with_its_own_attempt() {
    let keeper = keeper();
    let other = keeper.clone();
    let long = Command { attempt: "long".into(), ..command(&["sleep", "3"]) };
    let long = tokio::spawn(async move { run(&other, long).await });
    let mark = mark(11);
    let mut short = sh("setsid sleep $MARK >/dev/null 2>&1 & sleep 0.1");
    short.attempt = "short".into();
    short.env.push(("MARK".into(), mark.clone().into()));
    let report = run(&keeper, short).await;
    assert_eq!((report.end, report.leaked, alive(&mark)), (EXITED, 1, vec![]));
    assert!(!long.is_finished());
    assert_eq!(long.await.unwrap().leaked, 0);
}

#[tokio::test]
async fn a_result_with_a_held_pipe_is_done_soon() {
    let start = Instant::now();
    let (report, alive) = leave(8, "echo result; sleep $MARK & exit 0").await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!((report.stdout.text().as_str(), report.leaked, alive), ("result\n", 1, vec![]));
}

#[tokio::test]
async fn a_dropped_run_is_killed() {
    let keeper = keeper();
    let mark = mark(9);
    let work = run(&keeper, command(&["sleep", &mark]));
    assert!(tokio::time::timeout(Duration::from_millis(200), work).await.is_err());
    wait_until(Duration::from_secs(2), "the child dies", || alive(&mark).is_empty());
    // The keeper lives on.
    assert_eq!(run(&keeper, command(&["true"])).await.end, EXITED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_is_shut_down_leaves_nothing() {
    let keeper = keeper();
    let mark = mark(10);
    let mut command = sh("setsid sleep $MARK & sleep $MARK");
    command.env.push(("MARK".into(), mark.clone().into()));
    let other = keeper.clone();
    let work = tokio::spawn(async move { run(&other, command).await });
    wait_until(Duration::from_secs(5), "two sleep", || alive(&mark).len() == 2);
    keeper.shutdown().await;
    assert_eq!(alive(&mark), Vec::<i32>::new());
    assert!(matches!(work.await.unwrap().end, End::Signalled { signal: 9 } | End::KeeperLost));
}

// ---- Deaths of the engine and of the keeper. The engine is this very program, started once more.

const ROLE: &str = "ORCH_TEST_ENGINE_MARK";

/// Not a test by itself: what the engine of the tests below does.
#[tokio::test]
async fn engine() {
    let Ok(mark) = std::env::var(ROLE) else { return };
    let keeper = keeper();
    let script = "setsid sleep $MARK & (setsid env -i sleep $MARK </dev/null >/dev/null 2>&1 &) ; \
                  (env -i sleep $MARK </dev/null >/dev/null 2>&1 &) ; sh -c 'sleep $MARK; :'";
    let mut commands = Vec::new();
    for _ in 0..3 {
        let mut command = sh(script);
        command.run = format!("run-{mark}");
        command.env.push(("MARK".into(), mark.clone().into()));
        let keeper = keeper.clone();
        commands.push(tokio::spawn(async move { run(&keeper, command).await }));
    }
    for command in commands {
        println!("end: {:?}", command.await.unwrap().end);
    }
}

fn start_engine(mark: &str) -> Child {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "engine", "--nocapture"]).env(ROLE, mark).stdout(Stdio::piped());
    let engine = command.spawn().unwrap();
    wait_until(Duration::from_secs(10), "twelve sleep", || alive(mark).len() == 12);
    engine
}

fn keeper_of(engine: u32) -> i32 {
    let is_keeper = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().nth(1);
        parent == Some(engine.to_string().as_str())
    };
    alive("__keeper").into_iter().find(|pid| is_keeper(*pid)).unwrap()
}

fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn a_killed_engine_leaves_nothing() {
    let mark = mark(20);
    let mut engine = start_engine(&mark);
    kill_9(engine.id().try_into().unwrap());
    wait_until(Duration::from_secs(2), "all die with the engine", || alive(&mark).is_empty());
    assert_eq!(engine.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_killed_keeper_leaves_nothing_and_is_reported() {
    let mark = mark(21);
    let engine = start_engine(&mark);
    kill_9(keeper_of(engine.id()));
    wait_until(Duration::from_secs(2), "all die with the keeper", || alive(&mark).is_empty());
    let output = engine.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("end: KeeperLost").count(), 3, "{text}");
}

#[test]
fn a_keeper_outlives_the_signals_that_end_an_engine() {
    let mark = mark(23);
    let mut engine = start_engine(&mark);
    let keeper = keeper_of(engine.id());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        kill(Pid::from_raw(keeper), signal).unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!((keeper_of(engine.id()), alive(&mark).len()), (keeper, 12));
    engine.kill().unwrap();
    wait_until(Duration::from_secs(2), "all die with the engine", || alive(&mark).is_empty());
    engine.wait().unwrap();
}

#[test]
fn the_next_engine_sweeps_what_both_left() {
    let mark = mark(22);
    let mut engine = start_engine(&mark);
    let keeper = keeper_of(engine.id());
    // Stopped, so that neither can tidy up after the other.
    kill(Pid::from_raw(keeper), Signal::SIGSTOP).unwrap();
    kill_9(engine.id().try_into().unwrap());
    kill_9(keeper);
    engine.wait().unwrap();
    assert_eq!(alive(&mark).len(), 12);
    assert_eq!(sweep("run-of-somebody-else"), 0);
    assert!(sweep(&format!("run-{mark}")) >= 9);
    // Three had neither environment nor session in common with the run; nothing can find those.
    let rest = alive(&mark);
    assert_eq!(rest.len(), 3, "{rest:?}");
    rest.into_iter().for_each(kill_9);
}

// ---- Stops and limits.

async fn stopped(script: &str, limits: Limits) -> Report {
    let keeper = keeper();
    let report = keeper.run(sh(script), limits, StopToken::never(), None).await;
    keeper.shutdown().await;
    report
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_gently() {
    let limits = Limits { timeout: Some(Duration::from_millis(200)), ..limits() };
    let report = stopped("trap 'echo bye; exit 0' TERM; sleep 60 & wait", limits).await;
    assert_eq!((report.end, report.stdout.text().as_str()), (End::TimedOut, "bye\n"));
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed() {
    let limits = Limits { timeout: Some(Duration::from_millis(200)), ..limits() };
    let report = stopped("trap '' TERM; while :; do sleep 1; done", limits).await;
    assert_eq!(report.end, End::TimedOut);
    let spent = report.duration;
    assert!(spent > Duration::from_millis(490) && spent < Duration::from_millis(1500), "{spent:?}");
}

#[tokio::test]
async fn a_command_that_is_killed_takes_its_daemons_along() {
    let keeper = keeper();
    let mark = mark(12);
    let script = "(setsid sleep $MARK &) ; (setsid env -i sleep $MARK </dev/null >/dev/null 2>&1 &) ; trap '' TERM; \
                  while :; do sleep 0.1; done";
    let mut command = sh(script);
    command.env.push(("MARK".into(), mark.clone().into()));
    let limits = Limits { timeout: Some(Duration::from_millis(500)), ..limits() };
    let report = keeper.run(command, limits, StopToken::never(), None).await;
    assert_eq!((report.end, report.leaked, alive(&mark)), (End::TimedOut, 2, vec![]));
}

#[tokio::test]
async fn a_stopped_command_is_killed() {
    let limits = Limits { timeout: Some(Duration::from_millis(200)), ..limits() };
    let report = stopped("trap 'exit 0' TERM; kill -STOP $$; sleep 60", limits).await;
    assert_eq!(report.end, End::TimedOut);
    assert!(report.duration < Duration::from_millis(1500));
}

#[tokio::test]
async fn silence_ends_a_command_and_work_does_not() {
    let limits = || Limits { idle_timeout: Some(Duration::from_millis(600)), ..limits() };
    let silent = stopped("sleep 60", limits()).await;
    assert_eq!(silent.end, End::IdleTimedOut);
    assert!(silent.duration >= Duration::from_millis(600) && silent.duration < Duration::from_millis(1700));
    let busy = "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do :; done";
    assert_eq!(stopped(busy, limits()).await.end, EXITED);
    let drip = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done";
    assert_eq!(stopped(drip, limits()).await.end, EXITED);
}

/// The stall watchdog over many at once: whoever is silent and idle is killed in time, and nobody else ever is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_that_hang_all_are_killed_and_nobody_who_works() {
    const HUNG: [&str; 4] = [
        "sleep 60",
        "echo begins; trap '' TERM; while :; do sleep 60; done",
        "kill -STOP $$; sleep 60",
        "(kill -STOP $$; sleep 60) & wait; sleep 60",
    ];
    const WORKS: [&str; 2] = [
        "for i in 1 2 3 4 5; do echo $i; sleep 0.4; done",
        "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do :; done",
    ];
    let idle = Duration::from_millis(1_500);
    let (mut killed, mut worst, mut spared) = (0, Duration::ZERO, 0);
    for round in 0..10 {
        let limits = || Limits { idle_timeout: Some(idle), ..limits() };
        let hung: Vec<_> = (0..20).map(|place| tokio::spawn(stopped(HUNG[place % HUNG.len()], limits()))).collect();
        let works = tokio::spawn(stopped(WORKS[round % WORKS.len()], limits()));
        for one in hung {
            let report = one.await.unwrap();
            assert_eq!(report.end, End::IdleTimedOut, "{report:?}");
            worst = worst.max(report.duration.saturating_sub(idle));
            killed += 1;
        }
        let report = works.await.unwrap();
        assert_eq!(report.end, EXITED, "who works is killed: {report:?}");
        spared += 1;
    }
    println!("{killed} of 200 killed, the last one {worst:?} after its time; {spared} of 10 at work were left alone");
    assert!(worst <= limits().grace + Duration::from_secs(1), "{worst:?}");
}

#[tokio::test]
async fn a_stop_gets_stronger() {
    let keeper = keeper();
    let source = StopSource::new();
    let token = source.token();
    let other = keeper.clone();
    let patient = Limits { grace: Duration::from_secs(60), ..limits() };
    let work = tokio::spawn(async move {
        other.run(sh("trap 'echo no' TERM; echo yes; while :; do sleep 0.05; done"), patient, token, None).await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    source.stop(StopReason::Gentle);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!work.is_finished());
    let start = Instant::now();
    source.stop(StopReason::Hard);
    source.stop(StopReason::Gentle);
    let report = work.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((report.end, report.stdout.text().as_str()), (End::Stopped(StopReason::Hard), "yes\nno\n"));
    let late = keeper.run(sh("echo never"), limits(), source.token(), None).await;
    assert_eq!((late.end, late.stdout.total), (End::Stopped(StopReason::Hard), 0));
}

// ---- Input and output.

fn logs(folder: &Path) -> LogPaths {
    LogPaths { stdout: folder.join("stdout"), stderr: folder.join("stderr") }
}

#[tokio::test]
async fn a_hundred_megabytes_on_stderr_do_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper();
    let mut command = sh("head -c 100000000 /dev/zero >&2; echo after");
    command.log = Some(logs(folder.path()));
    let report = run(&keeper, command).await;
    assert_eq!((report.end, report.stdout.text().as_str()), (EXITED, "after\n"));
    assert_eq!((report.stderr.total, report.stderr.dropped), (100_000_000, 36_000_000));
    assert_eq!(folder.path().join("stderr").metadata().unwrap().len(), 64_000_000);
    assert_eq!(fs::read_to_string(folder.path().join("stdout")).unwrap(), "after\n");
}

#[tokio::test]
async fn the_log_has_the_first_and_the_last_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper();
    let mut command = command(&["seq", "1", "100000"]);
    command.log = Some(logs(folder.path()));
    let report = keeper.run(command, Limits { stream_bytes_max: 4000, ..limits() }, StopToken::never(), None).await;
    let all: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert_eq!((report.stdout.total, report.stdout.dropped), (all.len() as u64, all.len() as u64 - 4000));
    let kept = fs::read_to_string(folder.path().join("stdout")).unwrap();
    assert_eq!(kept, format!("{}{}", &all[..1000], &all[all.len() - 3000..]));
    assert!(!folder.path().join("stderr").exists());
}

/// The most memory this process has held, in bytes.
fn memory_peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_line_of_two_hundred_megabytes_needs_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper();
    let mut command = sh("head -c 200000000 /dev/zero | tr '\\0' x; echo; echo end");
    command.log = Some(logs(folder.path()));
    #[derive(Default)]
    struct Lengths(Vec<(usize, u64)>);
    impl Tap for Lengths {
        fn line(&mut self, line: &[u8], cut: u64) -> Heard {
            self.0.push((line.len(), cut));
            Heard::GoOn
        }
    }
    let (listener, lengths) = Listener::new(Lengths::default());
    let report = keeper.run(command, limits(), StopToken::never(), Some(listener)).await;
    assert_eq!((report.end, report.stdout.total), (EXITED, 200_000_005));
    assert_eq!(report.stdout.dropped, 136_000_005);
    assert_eq!(lengths.lock().unwrap().0, [(16 << 20, 200_000_000 - (16 << 20)), (3, 0)]);
    assert!(memory_peak() < 64_000_000, "{}", memory_peak());
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept() {
    let keeper = keeper();
    let report = run(&keeper, sh("printf 'a\\377b\\0c'")).await;
    assert_eq!(report.stdout.head, b"a\xffb\0c");
    assert_eq!(report.stdout.text(), "a\u{fffd}b\0c");
}

#[tokio::test]
async fn input_of_any_size_arrives_or_is_let_go() {
    let keeper = keeper();
    let input = vec![b'x'; 3_000_000];
    for (argv, end, total) in
        [(vec!["wc", "-c"], EXITED, 8), (vec!["true"], EXITED, 0), (vec!["head", "-c", "5"], EXITED, 5)]
    {
        let report = run(&keeper, Command { stdin: Some(input.clone()), ..command(&argv) }).await;
        assert_eq!((report.end, report.stdout.total), (end, total), "{argv:?}");
    }
    let never_reads = Limits { timeout: Some(Duration::from_millis(200)), ..limits() };
    let command_ = Command { stdin: Some(input.clone()), ..command(&["sleep", "60"]) };
    assert_eq!(keeper.run(command_, never_reads, StopToken::never(), None).await.end, End::TimedOut);
    let small = run(&keeper, Command { stdin: Some(b"hi".to_vec()), ..command(&["cat"]) }).await;
    assert_eq!(small.stdout.text(), "hi");
    assert_eq!(run(&keeper, command(&["cat"])).await.stdout.total, 0);
}

// ---- What a command sees.

#[tokio::test]
async fn the_environment_is_the_allow_list_and_the_cookies() {
    let keeper = keeper();
    let parent = [("PATH", "/usr/bin:/bin"), ("HOME", "/h"), ("CLAUDECODE", "1"), ("SECRET", "s"), ("LC_ALL", "C")];
    let mut command = command(&["env"]);
    command.env = allow_list_env(parent.map(|(name, value)| (name.into(), value.into())));
    let text = run(&keeper, command).await.stdout.text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["HOME=/h", "LC_ALL=C", "ORCH_ATTEMPT=attempt", "ORCH_RUN=run", "PATH=/usr/bin:/bin"]);
}

#[tokio::test]
async fn an_order_may_be_large() {
    let keeper = keeper();
    let mut command = command(&["sh", "-c", "echo ${#BIG} ${#1}", "sh"]);
    command.argv.push("y".repeat(100_000).into());
    command.env.push(("BIG".into(), "x".repeat(100_000).into()));
    assert_eq!(run(&keeper, command).await.stdout.text(), "100000 100000\n");
}

#[tokio::test]
async fn there_is_no_terminal_no_blocked_signal_and_no_strange_descriptor() {
    // What this program's own parent forgot to close.
    let _inherited = nix::unistd::dup(fs::File::open("/dev/null").unwrap()).unwrap();
    let keeper = keeper();
    assert_eq!(run(&keeper, sh("(: </dev/tty) 2>/dev/null && echo terminal; echo none")).await.stdout.text(), "none\n");
    // Without a shell, which would unblock signals for its children.
    let signals = run(&keeper, command(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])).await.stdout.text();
    // The C library always ignores its own two, 32 and 33.
    let signals = signals.replace("0000000180000000", "0000000000000000");
    assert_eq!(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    let fds = run(&keeper, command(&["ls", "/proc/self/fd"])).await;
    assert_eq!(fds.stdout.text(), "0\n1\n2\n3\n", "no descriptor leaks into a child; 3 is the folder that ls reads");
}

// ---- Speed, by hand: cargo test --release --test process_tree -- --ignored --nocapture

const STEPS: usize = 10_000;

/// The least that any program can do: a thread starts a process and waits for it.
fn bare(parallel: usize) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                for _ in 0..STEPS / parallel {
                    let mut command = std::process::Command::new("/bin/true");
                    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                    assert!(command.status().unwrap().success());
                }
            });
        }
    });
    start.elapsed()
}

async fn kept(keeper: &Keeper, parallel: usize, folder: PathBuf) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..parallel)
        .map(|_| {
            let (keeper, folder) = (keeper.clone(), folder.clone());
            tokio::spawn(async move {
                for _ in 0..STEPS / parallel {
                    let command = Command { log: Some(logs(&folder)), ..command(&["true"]) };
                    let report = keeper.run(command, Limits::default(), StopToken::never(), None).await;
                    assert_eq!(report.end, EXITED);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn ten_thousand_commands_cost_little_more_than_bare_ones() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper();
    for parallel in [2, 3, 4] {
        let mut ratios = Vec::new();
        for _ in 0..3 {
            let (bare, kept) = (bare(parallel), kept(&keeper, parallel, folder.path().into()).await);
            ratios.push(kept.as_secs_f64() / bare.as_secs_f64());
            println!("parallel {parallel}: bare {bare:?}, kept {kept:?}, ratio {:.3}", ratios[ratios.len() - 1]);
        }
        ratios.sort_by(f64::total_cmp);
        println!("parallel {parallel}: median ratio {:.3}", ratios[1]);
    }
}

// ---- The last word.

/// Takes `done` for the last word.
struct Done;

impl Tap for Done {
    fn line(&mut self, line: &[u8], _cut: u64) -> Heard {
        if line == b"done" { Heard::LastWord } else { Heard::GoOn }
    }
}

#[tokio::test]
async fn who_has_said_the_last_word_may_not_stay() {
    let keeper = keeper();
    for script in ["echo done; sleep 60", "trap '' TERM; echo done; while :; do sleep 1; done"] {
        let began = Instant::now();
        let report = keeper.run(sh(script), limits(), StopToken::never(), Some(Listener::new(Done).0)).await;
        assert_eq!((report.end, report.stdout.text().as_str()), (End::Lingered, "done\n"), "{script}");
        assert!(began.elapsed() >= Duration::from_secs(5) && began.elapsed() < Duration::from_secs(8), "{script}");
    }
    // Who ends in time has ended by itself, and what it says after its last word is kept.
    let report =
        keeper.run(sh("echo done; sleep 0.2; echo more"), limits(), StopToken::never(), Some(Listener::new(Done).0));
    let report = report.await;
    assert_eq!((report.end, report.stdout.text().as_str()), (EXITED, "done\nmore\n"));
}
