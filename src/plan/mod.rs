//! The immutable graph that a workflow compiles to, and its drawings.

pub mod compile;
pub mod defaults;
mod diff;
pub mod draw;
mod estimate;
pub mod graph;
mod isolated;
mod models;
mod policy;
mod reach;
mod read_only;
mod sandbox;
mod text;
mod told;
pub mod truth;
mod types;

pub use compile::{Compiled, MadeFrom, activated_skills, compile, compile_command, skill_command};
pub use diff::{ChangedStep, Edge, PlanDiff, diff};
pub use estimate::{Expected, PlanEstimate, StepEstimate, estimate};
pub use isolated::{MergeWork, asks_about_work};
pub use models::ModelChain;
pub use policy::{AllowedLeak, GateFail, JudgeWork, PlanCache, PlanGate, RecoveryPolicy, RetryPolicy};
pub use sandbox::PlanSandbox;
pub use text::{Meaning, Read, Text, ValueText};
pub use told::{
    Activated, PlanMemory, PlanSecret, PlanSecretUse, PlanServer, PlanSkill, PlanTrust, ProseValue, ProseWork,
};
pub use types::*;
