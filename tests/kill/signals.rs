//! Ctrl-C once and twice, SIGTERM: how soon the prompt is back, with which code, and what is left.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::trial::{Live, orch, project, survivors, wait_gone};

/// Starts work that does not end by itself. Gives the run's id and the mark of its processes.
fn working(folder: &std::path::Path, number: u32) -> (Live, String, String) {
    let mark = format!("{}.{}", 3_000 + number, std::process::id());
    let mut live =
        Live::start(orch(folder, &["run", "slow", "-i", &format!("mark={mark}"), "--json", "--parallel", "2"]));
    let mut begun = 0;
    let both = live.wait_for(Duration::from_secs(20), |line| {
        begun += usize::from(line["type"] == "attempt_started");
        begun == 2
    });
    assert!(both, "{:?}", live.seen);
    let run = live.seen[0]["run"].as_str().unwrap().to_owned();
    let patience = Instant::now() + Duration::from_secs(10);
    while survivors(&run, &mark).len() < 4 {
        assert!(Instant::now() < patience, "the work has not begun: {:?}", survivors(&run, &mark));
        std::thread::sleep(Duration::from_millis(10));
    }
    (live, run, mark)
}

fn press_ctrl_c(live: &Live) {
    killpg(Pid::from_raw(live.pid()), Signal::SIGINT).unwrap();
}

#[test]
fn ctrl_c_twice_brings_the_prompt_back_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (mut live, run, mark) = working(folder.path(), 1);
    press_ctrl_c(&live);
    // What can stop stops; what is deaf goes on until its time is up.
    let polite = live.wait_for(Duration::from_secs(4), |line| line["type"] == "attempt_finished");
    assert!(polite, "{:?}", live.seen);
    assert_eq!(live.seen.last().unwrap()["step"], "both/polite");
    assert!(live.child.try_wait().unwrap().is_none(), "it did not wait for the deaf one");
    let second = Instant::now();
    press_ctrl_c(&live);
    let (code, _, err) = live.end();
    let took = second.elapsed();
    println!("the prompt was back {took:?} after the second Ctrl-C");
    assert_eq!(code, Some(130), "{err}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(survivors(&run, &mark), Vec::<String>::new());
}

#[test]
fn ctrl_c_once_ends_the_run_within_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (live, run, mark) = working(folder.path(), 2);
    let began = Instant::now();
    press_ctrl_c(&live);
    let (code, _, err) = live.end();
    println!("the run has ended {:?} after one Ctrl-C", began.elapsed());
    assert_eq!(code, Some(130), "{err}");
    assert_eq!(survivors(&run, &mark), Vec::<String>::new());
}

#[test]
fn sigterm_ends_with_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let (live, run, mark) = working(folder.path(), 3);
    live.signal(Signal::SIGTERM);
    let (code, _, err) = live.end();
    assert_eq!(code, Some(143), "{err}");
    assert_eq!(survivors(&run, &mark), Vec::<String>::new());
    wait_gone(&run, &mark);
}
