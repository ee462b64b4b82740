//! The defaults of the language, each held by a test.

use std::time::Duration;

/// The longest an agent's attempt may take.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The longest a command or a gate may take.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The longest a judge may take.
pub const JUDGE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The longest an attempt may be silent and idle.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Items of a fan-out.
pub const ITEMS_MAX: u32 = 100;
/// Iterations of a loop.
pub const LOOP_MAX: u32 = 3;
/// Starts of agents in a run.
pub const AGENTS_MAX: u64 = 100;
/// Steps in a definition.
pub const STEPS_MAX: usize = 20_000;
/// Tokens of forked context.
pub const CONTEXT_BUDGET: u64 = 20_000;
/// Tokens that an agent writes in an attempt, as far as anybody can guess before.
pub const ANSWER_TOKENS: u64 = 4_000;
/// Tries to mend a result that is not what was asked for.
pub const REPAIRS: u32 = 2;
/// Fresh sessions for a step whose session cannot go on.
pub const RESTARTS: u32 = 1;
/// Further tries of an agent that took too long or was silent.
pub const STALLS: u32 = 1;
