//! The secrets that a plan's steps get, as the files of their workflows declare them.
//!
//! Knows no value. Invariant: a plan pins only secrets that a step gets, so nothing else is read for a run.

use crate::{
    definition::{SecretSource, SecretUse},
    plan::{
        compile::{compiler::Compiler, servers::shell_words},
        told::{PlanSecret, PlanSecretUse},
        types::StepIx,
    },
};

impl Compiler<'_> {
    /// A secret of a step. What nobody declares was refused when the file was read.
    pub(super) fn secret(&mut self, ix: StepIx, one: &SecretUse) -> Option<PlanSecretUse> {
        let declared = &self.draft.units[self.draft.sketch(ix).unit].workflow.secrets;
        let found = declared.iter().find(|declared| declared.name.value == one.secret.value)?;
        let pinned =
            PlanSecret { name: found.name.value.clone(), source: found.source.clone(), exposed: found.exposed };
        let place = self.pins.secrets.iter().position(|other| *other == pinned).unwrap_or_else(|| {
            self.pins.secrets.push(pinned);
            self.pins.secrets.len() - 1
        });
        let secret = u32::try_from(place).ok()?;
        Some(PlanSecretUse { variable: one.variable.clone(), secret })
    }
}

/// A secret for the person who is asked to trust it.
pub(super) fn shown(secret: &PlanSecret) -> String {
    let name = &secret.name;
    match &secret.source {
        SecretSource::Env(variable) => format!("# the secret {name} is read from the variable {variable}"),
        SecretSource::File(path) => format!("# the secret {name} is read from the file {path}"),
        SecretSource::Command(words) => format!("{} # prints the secret {name}", shell_words(words)),
    }
}
