//! What the start and the end of an agent cost: in this process alone, with the file that all processes share, and with
//! other processes that use it as well.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and stops where it cannot go on")]

use std::{sync::Arc, time::Instant};

use orch::{
    base::{Outcome, Timestamp},
    runtime::{Admission, Machine, Permit, Policy, Resilience, RuntimeUse},
};

const ROUNDS: u32 = 2_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let shared = || Arc::new(Resilience::shared_in(folder.path().join("runtimes.d")));
    measure("in this process alone", &Arc::default());
    let own = shared();
    measure("with the file", &own);
    let others: Vec<_> = (0..7).map(|_| shared()).collect();
    let _at_work: Vec<_> = (0..).zip(&others).map(|(place, other)| begin(other, &format!("run{place}"), 1)).collect();
    measure("with the file and seven other processes", &own);
}

fn policy() -> Policy {
    let mut policy = Policy { starts_per_minute: u32::MAX, ..Policy::default() };
    (policy.workers.start, policy.workers.most) = (1_000, 1_000);
    policy
}

fn begin(resilience: &Arc<Resilience>, run: &str, at: u64) -> Permit {
    let of = RuntimeUse::new("claude", run, "claude");
    match resilience.admit((&of, 3), &policy(), Machine::default(), Timestamp(at)) {
        Admission::Granted(permit) => permit,
        other => panic!("{other:?}"),
    }
}

/// The median of a start and an end together.
fn measure(what: &str, resilience: &Arc<Resilience>) {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|round| {
            let (began, now) = (Instant::now(), u64::from(round) * 10 + 1_000);
            begin(resilience, "own", now).report(&Outcome::Succeeded(Box::default()), &policy(), Timestamp(now + 5));
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("{what:42} {:>10.1?} median {:>10.1?} at 99 %", times[times.len() / 2], times[times.len() * 99 / 100]);
}
