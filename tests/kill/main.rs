//! Durability with real processes: what `kill -9` at any moment, a second owner, signals and a full disk leave.
//!
//! `ORCH_KILLS=300 cargo test --test kill` is the figure that the project promises; `ORCH_SEED` repeats one trial.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects, and measures aloud")]

mod approvals;
mod disk;
mod owners;
mod signals;
mod trial;
mod witness;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use trial::{Figures, Trial, project};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Kills of one run; a run of a second has room for so many.
const KILLS_A_RUN: u32 = 6;

#[test]
fn nothing_acknowledged_is_lost_whenever_it_is_killed() {
    let wanted = number("ORCH_KILLS", 25);
    let first_seed = number("ORCH_SEED", 1);
    let began = Instant::now();
    let kills = AtomicU64::new(0);
    let seed = AtomicU64::new(first_seed);
    let mut all = Figures::default();
    std::thread::scope(|scope| {
        let worker = || {
            let mut figures = Figures::default();
            while kills.load(Ordering::Relaxed) < wanted {
                let seed = seed.fetch_add(1, Ordering::Relaxed);
                println!("seed {seed}");
                let folder = tempfile::tempdir().unwrap();
                project(folder.path());
                let mut trial = Trial::new(folder.path(), seed);
                let now = trial.drive(KILLS_A_RUN);
                witness::verify(folder.path(), &trial, &now);
                kills.fetch_add(u64::from(trial.figures.kills), Ordering::Relaxed);
                figures.add(&trial.figures);
            }
            figures
        };
        let workers: Vec<_> = (0..number("ORCH_WORKERS", 3)).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            all.add(&worker.join().unwrap());
        }
    });
    println!("{all:#?} in {:?}", began.elapsed());
    assert!(all.succeeded > 0 && all.answers > 0 && all.acks > 0, "the test has tested nothing: {all:?}");
}
