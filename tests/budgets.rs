//! Budgets hold: what agents are expected to spend is held free before they begin, a limit is overshot by one report a
//! running attempt at most, and nobody spends after a run has ended.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "budgets/live.rs"]
mod live;
#[path = "simulation/plans.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod plans;
#[path = "budgets/pure.rs"]
mod pure;
#[path = "simulation/rng.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod rng;
mod support;
#[path = "budgets/told.rs"]
mod told;
