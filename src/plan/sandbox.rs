//! How far a run confines what it starts: pinned with the plan, so that a run goes on as it began.

use serde::{Deserialize, Serialize};

use crate::{base::SandboxMode, plan::PlanStep};

/// How far a run confines its programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSandbox {
    /// Where a step says nothing of it.
    pub standard: SandboxMode,
    /// The least, whatever a step says.
    pub floor: SandboxMode,
}

impl Default for PlanSandbox {
    fn default() -> Self {
        Self { standard: SandboxMode::Off, floor: SandboxMode::Off }
    }
}

impl PlanSandbox {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// How far the programs of a step are confined.
    #[must_use]
    pub fn mode(&self, step: &PlanStep) -> SandboxMode {
        step.sandbox.as_ref().and_then(|sandbox| sandbox.mode).unwrap_or(self.standard).max(self.floor)
    }
}
