//! The routes of programs: each asks the service what its verb on the command line asks.

pub(super) mod audit;
pub(super) mod decisions;
pub(super) mod definitions;
pub(super) mod health;
pub(super) mod hooks;
pub(super) mod keys;
pub(super) mod links;
pub(super) mod picture;
pub(super) mod runs;
pub(super) mod steps;
pub(super) mod system;
pub(super) mod work;
