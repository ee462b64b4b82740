//! How wild one simulated world is; printed with each failure.

use crate::rng::Rng;

/// Percentages, unless the name says otherwise.
#[derive(Debug, Clone)]
pub struct Options {
    pub parallel: u32,
    pub replays_codex: bool,
    pub fails: u64,
    pub gate_fails: u64,
    pub gate_errors: u64,
    pub hangs: u64,
    pub loses: u64,
    pub ignores_gentle: u64,
    pub duplicates: u64,
    pub phantoms: u64,
    pub rejects: u64,
    pub stale: u64,
    pub races: u64,
    pub faults: u64,
    pub falses: u64,
    pub crashes: u64,
    pub unputtable: u64,
    pub defers: u64,
    pub paces: u64,
    pub invalid: u64,
    pub gives_spent: u64,
    pub usage: u64,
    /// Work that is answered from memory.
    pub remembers: u64,
    /// Merges that conflict, or that the project does not take.
    pub conflicts: u64,
    /// Work that a person pushes back with comments.
    pub pushbacks: u64,
    /// Decisions that come when what was shown has changed.
    pub outdated: u64,
    /// A no that goes back while tries are left, as in journals from before there were push-backs.
    pub old_nos: u64,
    pub same_text: bool,
    pub slow_ms: u64,
    pub people_ms: u64,
    pub cancel_at_ms: Option<u64>,
    pub hard_after_ms: Option<u64>,
    pub retries: u32,
    pub crashes_left: u32,
}

impl Options {
    /// From chance; each seed has its own weather.
    pub fn draw(rng: &mut Rng) -> Self {
        let sometimes = |rng: &mut Rng, chance, high| if rng.chance(chance) { rng.between(1, high) } else { 0 };
        // From a chance of their own: the seeds of old faults stay what they were.
        let mut apart = rng.clone();
        apart.next();
        let cancel_at_ms = rng.chance(25).then(|| rng.below(90_000));
        Self {
            parallel: rng.between(1, 4) as u32,
            replays_codex: rng.chance(50),
            fails: if rng.chance(50) { sometimes(rng, 80, 8) } else { sometimes(rng, 60, 40) },
            gate_fails: if rng.chance(50) { sometimes(rng, 80, 15) } else { sometimes(rng, 60, 50) },
            gate_errors: sometimes(rng, 30, 10),
            hangs: sometimes(rng, 30, 12),
            loses: sometimes(rng, 30, 15),
            ignores_gentle: rng.below(60),
            duplicates: sometimes(rng, 50, 40),
            phantoms: sometimes(rng, 50, 15),
            rejects: sometimes(rng, 50, 30),
            stale: sometimes(rng, 50, 50),
            races: sometimes(rng, 50, 50),
            faults: sometimes(rng, 15, 6),
            falses: rng.below(50),
            crashes: sometimes(rng, 60, 12),
            unputtable: sometimes(rng, 15, 20),
            gives_spent: sometimes(rng, 50, 50),
            usage: sometimes(rng, 70, 2_000),
            same_text: rng.chance(50),
            slow_ms: rng.pick(&[50, 5_000, 60_000]),
            people_ms: rng.pick(&[10, 20_000, 600_000]),
            cancel_at_ms,
            hard_after_ms: cancel_at_ms.and_then(|_| rng.chance(50).then(|| rng.below(20_000))),
            retries: if rng.chance(75) { rng.between(1, 2) as u32 } else { 0 },
            crashes_left: 4,
            defers: sometimes(&mut apart, 40, 40),
            paces: sometimes(&mut apart, 50, 50),
            invalid: sometimes(&mut apart, 25, 100),
            remembers: sometimes(&mut apart, 30, 60),
            conflicts: sometimes(&mut apart, 70, 60),
            pushbacks: sometimes(&mut apart, 60, 95),
            outdated: sometimes(&mut apart, 30, 40),
            old_nos: sometimes(&mut apart, 20, 100),
        }
    }

    /// A calm world: all goes well, people say yes.
    pub fn calm(parallel: u32, replays_codex: bool) -> Self {
        Self {
            parallel,
            replays_codex,
            fails: 0,
            gate_fails: 0,
            gate_errors: 0,
            hangs: 0,
            loses: 0,
            ignores_gentle: 0,
            duplicates: 0,
            phantoms: 0,
            rejects: 0,
            stale: 0,
            races: 0,
            faults: 0,
            falses: 0,
            crashes: 0,
            unputtable: 0,
            defers: 0,
            paces: 0,
            invalid: 0,
            remembers: 0,
            conflicts: 0,
            pushbacks: 0,
            outdated: 0,
            old_nos: 0,
            gives_spent: 0,
            usage: 0,
            same_text: false,
            slow_ms: 1_000,
            people_ms: 1_000,
            cancel_at_ms: None,
            hard_after_ms: None,
            retries: 0,
            crashes_left: 0,
        }
    }
}
