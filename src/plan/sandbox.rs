//! How far a run confines what it starts: pinned with the plan, so that a run goes on as it began.

use serde::{Deserialize, Serialize};

use crate::{
    base::{Network, SandboxMode},
    plan::PlanStep,
};

/// How far a run confines its programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSandbox {
    /// Where a step says nothing of it.
    pub standard: SandboxMode,
    /// The least, whatever a step says.
    pub floor: SandboxMode,
    /// Whether nobody has said so: neither the command line nor the settings.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_implied: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Default for PlanSandbox {
    fn default() -> Self {
        Self { standard: SandboxMode::Off, floor: SandboxMode::Off, is_implied: false }
    }
}

impl PlanSandbox {
    /// What holds where nobody has said anything: agents, and whatever runs beside them, write in the workspace only.
    /// What agents wrote is run by commands and gates, so these are confined as well; without agents there is nobody
    /// to be confined but the user's own commands.
    #[must_use]
    pub fn implied(has_agents: bool) -> Self {
        let standard = if has_agents { SandboxMode::WorkspaceWrite } else { SandboxMode::Off };
        Self { standard, floor: SandboxMode::Off, is_implied: true }
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// How far the programs of a step are confined.
    #[must_use]
    pub fn mode(&self, step: &PlanStep) -> SandboxMode {
        let said = step.sandbox.as_ref().map(|sandbox| {
            // Whoever says whom it may reach or where it may write wants that to be kept.
            sandbox.mode.unwrap_or(self.standard.max(SandboxMode::WorkspaceWrite))
        });
        said.unwrap_or(self.standard).max(self.floor)
    }

    /// Whether the programs of a step write nowhere but in their own folder, in whatever they run.
    #[must_use]
    pub fn reads_only(&self, step: &PlanStep) -> bool {
        let said = step.sandbox.as_ref().and_then(|sandbox| sandbox.mode).unwrap_or(self.standard);
        [said, self.floor].contains(&SandboxMode::ReadOnly)
    }

    /// Whom the programs of a step may reach, where anybody has said so. What was asked for keeps commands from the
    /// network; what nobody asked for must not break a build that fetches its dependencies.
    #[must_use]
    pub fn network(&self, step: &PlanStep) -> Option<Network> {
        match &step.sandbox {
            Some(sandbox) => sandbox.network.clone(),
            None => self.is_implied.then_some(Network::Any),
        }
    }
}
