//! How the parts of a plan are reached: the steps inside a container, a step by its place, the model of a tier.

use crate::plan::types::{Plan, PlanStep, StepIx, Work};

impl Work {
    /// The steps inside, for containers.
    #[must_use]
    pub fn children(&self) -> &[StepIx] {
        match self {
            Self::Parallel { children, .. } | Self::Loop { children, .. } | Self::Call { children, .. } => children,
            Self::Each(each) => &each.children,
            Self::Agent(_)
            | Self::Run { .. }
            | Self::Approve { .. }
            | Self::Ask { .. }
            | Self::Sleep { .. }
            | Self::Await { .. }
            | Self::Emit { .. }
            | Self::Checkpoint { .. }
            | Self::Merge(_)
            | Self::Stop { .. } => &[],
        }
    }

    /// The same, to put another one there.
    pub(super) fn children_mut(&mut self) -> Option<&mut Vec<StepIx>> {
        match self {
            Self::Parallel { children, .. } | Self::Loop { children, .. } | Self::Call { children, .. } => {
                Some(children)
            }
            Self::Each(each) => Some(&mut each.children),
            Self::Agent(_)
            | Self::Run { .. }
            | Self::Approve { .. }
            | Self::Ask { .. }
            | Self::Sleep { .. }
            | Self::Await { .. }
            | Self::Emit { .. }
            | Self::Checkpoint { .. }
            | Self::Merge(_)
            | Self::Stop { .. } => None,
        }
    }

    /// Whether it holds other steps.
    #[must_use]
    pub fn is_container(&self) -> bool {
        matches!(self, Self::Parallel { .. } | Self::Loop { .. } | Self::Call { .. } | Self::Each(_))
    }
}

impl Plan {
    /// The step at `ix`.
    #[must_use]
    pub fn step(&self, ix: StepIx) -> &PlanStep {
        &self.steps[ix.index()]
    }

    /// The model that a tier means first on a runtime; anything else stands for itself.
    #[must_use]
    pub fn model_for<'a>(&'a self, model: &'a str, runtime: &str) -> &'a str {
        let tier = self.models.get(model);
        let chain = tier.and_then(|tier| tier.get(runtime).or_else(|| tier.get("any")));
        chain.and_then(|chain| chain.models().next()).unwrap_or(model)
    }

    /// The steps beside each other in a container, or at the top.
    #[must_use]
    pub fn body(&self, container: Option<StepIx>) -> &[StepIx] {
        container.map_or(&self.roots, |ix| self.step(ix).work.children())
    }
}
