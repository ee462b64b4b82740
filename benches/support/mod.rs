//! What the tables have in common: cases in processes of their own, so that their peak memory is their own; scales from
//! the environment; medians.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    env, fs,
    path::Path,
    process::{Command as Process, Stdio},
};

/// A count of the full bench, made smaller by `ORCH_BENCH_SCALE`.
pub fn scaled(count: usize, least: usize) -> usize {
    let scale: f64 = env::var("ORCH_BENCH_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    ((count as f64 * scale) as usize).max(least)
}

/// How often each case runs, unless `ORCH_BENCH_ROUNDS` says otherwise.
pub fn rounds(usual: usize) -> usize {
    env::var("ORCH_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// In a child of [`apart`]: runs the one case and prints what it took. Tells whether this process is one.
pub fn is_child(one: impl Fn(&str, &Path) -> f64) -> bool {
    let arguments: Vec<_> = env::args().collect();
    let Some(place) = arguments.iter().position(|argument| argument == "--case") else { return false };
    let took = one(&arguments[place + 1], Path::new(&arguments[place + 2]));
    println!("{took} {}", peak_mb());
    true
}

/// One case at a folder, in a process of its own: seconds and peak megabytes.
pub fn apart(case: &str, folder: &Path) -> (f64, f64) {
    let mut process = Process::new(env::current_exe().unwrap());
    let output = process.arg("--case").arg(case).arg(folder).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "case {case} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The largest memory this process has had, in megabytes.
fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
