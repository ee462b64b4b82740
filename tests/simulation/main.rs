//! The scheduler in a simulated world: whole runs from a seed, with crashes, faults and people.
//!
//! `ORCH_SIM_SEEDS=N` runs N seeds, `ORCH_SIM_SEED=S` runs one and says what happens in it.

mod forks;
mod options;
mod oracle;
mod people;
mod plans;
mod rng;
mod truth;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use options::Options;
use orch::plan::Plan;
use plans::Generator;
use rng::Rng;
use world::World;

/// Seeds of faults that were found in the scheduler; they always run, in this order: a retry ran what had succeeded;
/// a check that was lost took a slot; a timer hid that nobody can send a signal; the time budget woke each millisecond
/// while attempts were being stopped; a question that could not be put was never over; a retry opened more containers
/// than may run; the same for the question whether to take a step as it is; gates began after a stop; an item began
/// after a step of another one had failed (twice).
const KEPT: &[u64] =
    &[6, 8, 163, 209, 249, 270, 2608, 1225, 25_983, 46_180, 2374, 3430, 3490, 10_283, 25_128, 26_210, 50_134, 71_992];

/// The same for forks.
const FORKED: &[u64] = &[3275];

struct Failure {
    seed: u64,
    words: String,
}

fn world_of(seed: u64) -> (Arc<Plan>, Options, World) {
    let mut rng = Rng::new(seed);
    let mut plan = Generator::generate(&mut rng);
    if !KEPT.contains(&seed) {
        Generator::batch(&mut plan, seed);
        Generator::isolate(&mut plan, seed);
    }
    let plan = Arc::new(plan);
    let options = Options::draw(&mut rng);
    (Arc::clone(&plan), options.clone(), World::new(plan, options, rng))
}

/// One seed: the run, its replay, and two calm endings from the middle of it.
fn simulate(seed: u64) -> Result<World, Failure> {
    let (plan, options, mut world) = world_of(seed);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        world.live()?;
        let cut = Rng::new(seed ^ 0xca1).between(1, world.journal.len() as u64) as usize;
        let calm = Options::calm(options.parallel, options.replays_codex);
        for cancel in [false, true] {
            World::calm_down(&plan, &world.journal[..cut], calm.clone(), cancel)
                .map_err(|broken| format!("after {cut} records, in calm, cancel {cancel}: {broken}"))?;
        }
        Ok::<_, String>(())
    }));
    let broken = match lived {
        Ok(Ok(())) => return Ok(world),
        Ok(Err(broken)) => broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        }
    };
    let last: Vec<_> = world
        .journal
        .iter()
        .rev()
        .take(if number("ORCH_SIM_SEED").is_some() { 400 } else { 12 })
        .rev()
        .cloned()
        .collect();
    let words = format!(
        "seed {seed}: {broken}\noptions: {options:?}\nrecords: {}; the last are\n{}\nrun it again: ORCH_SIM_SEED={seed} cargo test --test simulation",
        world.journal.len(),
        last.join("\n"),
    );
    Err(Failure { seed, words })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_run_obeys_the_rules() {
    if let Some(seed) = number("ORCH_SIM_SEED") {
        let (plan, ..) = world_of(seed);
        let drawn = serde_json::to_string_pretty(plan.as_ref()).expect("a plan has a stored form");
        match simulate(seed) {
            Ok(world) => eprintln!("{drawn}\n{}", world.journal.join("\n")),
            Err(failure) => panic!("{drawn}\n{}", failure.words),
        }
        return;
    }
    let seeds = number("ORCH_SIM_SEEDS").unwrap_or(500);
    let (mut records, mut continued) = (0, 0);
    let mut failures = Vec::new();
    for seed in KEPT.iter().copied().chain(0..seeds) {
        match simulate(seed) {
            Ok(world) => {
                records += world.journal.len();
                continued += world.continued();
            }
            Err(failure) => failures.push(failure),
        }
    }
    eprintln!("{seeds} seeds, {records} records, {continued} sessions gone on with, {} broken", failures.len());
    assert!(continued > 0 || seeds < 100, "no item has gone on with the session of another one");
    if let Some(first) = failures.first() {
        let all: Vec<_> = failures.iter().map(|failure| failure.seed).take(40).collect();
        panic!("broken seeds {all:?}; the first:\n{}", first.words);
    }
}

/// Runs that have ended, or wait, are forked from some of their steps.
#[test]
fn a_fork_does_again_what_it_should_and_nothing_else() {
    let (mut forks, mut broken) = (0, Vec::new());
    let one = number("ORCH_SIM_SEED");
    let seeds = one.map_or(0..number("ORCH_SIM_SEEDS").unwrap_or(500), |seed| seed..seed + 1);
    for seed in FORKED.iter().copied().filter(|_| one.is_none()).chain(seeds) {
        let (plan, _, mut world) = world_of(seed);
        if world.live().is_err() {
            continue;
        }
        match forks::forks(&plan, &world.scheduler, &mut Rng::new(seed ^ 0xf0e1)) {
            Ok(count) => forks += count,
            Err(words) => broken.push(format!("seed {seed}: {words}")),
        }
        if one.is_some() {
            eprintln!(
                "{}\n{}",
                serde_json::to_string_pretty(plan.as_ref()).unwrap_or_default(),
                world.journal.join("\n")
            );
        }
    }
    eprintln!("{forks} forks, {} broken", broken.len());
    assert!(broken.is_empty(), "{}", broken.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
    assert!(forks > 0, "no run could be forked");
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    for seed in 0..100 {
        let journal =
            |world: Result<World, Failure>| world.unwrap_or_else(|failure| panic!("{}", failure.words)).journal;
        assert!(journal(simulate(seed)) == journal(simulate(seed)), "seed {seed} gives two journals");
    }
}

/// The harness must be able to fail: each planted fault is found within so many seeds. Only a debug build has the faults.
#[cfg(debug_assertions)]
#[test]
fn every_planted_fault_is_found() {
    use orch::scheduler::planted::{Bug, plant};

    const SEEDS: u64 = 10_000;
    let next = AtomicUsize::new(0);
    let look = || {
        let mut missed = Vec::new();
        while let Some(&bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            plant(Some(bug));
            let found = (0..SEEDS).find_map(|seed| simulate(seed).err());
            plant(None);
            match found {
                Some(failure) => {
                    let first = failure.words.lines().next().unwrap_or_default().to_owned();
                    eprintln!("{:24} {:5} seeds  {first:.100}", format!("{bug:?}"), failure.seed + 1);
                }
                None => missed.push(bug),
            }
        }
        missed
    };
    let missed: Vec<_> = thread::scope(|scope| {
        let lookers: Vec<_> = (0..2).map(|_| scope.spawn(look)).collect();
        lookers.into_iter().flat_map(|looker| looker.join().expect("a fault that is found is caught")).collect()
    });
    assert!(missed.is_empty(), "planted and not found within {SEEDS} seeds: {missed:?}");
}
