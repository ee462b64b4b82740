//! Runs inside runs: an agent or a command of a run may call `orch run` itself, and that one again.
//!
//! The chain goes from process to process in a variable. It stops accidents; whoever takes the variable away on purpose
//! has a keyboard.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::{execute::process::surroundings, journal::StoreError, service::refusal::Refusal};

/// The workflows of the runs around a process, the outermost first.
pub(super) const VARIABLE: &str = "ORCH_CHAIN";
/// Runs inside each other.
const RUNS_MAX: usize = 4;
/// Between two names.
const ARROW: &str = " -> ";

/// What the variable says.
pub(super) fn chain(value: Option<&OsStr>) -> Vec<String> {
    let text = value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    text.split(ARROW).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The environment of a run's children: they learn of which runs they are a part.
pub(super) fn told(mut env: Vec<(OsString, OsString)>, chain: &[String], workflow: &str) -> Vec<(OsString, OsString)> {
    env.retain(|(name, _)| name != VARIABLE);
    env.push((VARIABLE.into(), words(chain, workflow).into()));
    env
}

/// Refuses a run that is too deep inside others.
pub(super) fn check(chain: &[String], workflow: &str) -> Result<(), Refusal> {
    if chain.len() < RUNS_MAX {
        return Ok(());
    }
    let message = format!("more than {RUNS_MAX} runs inside each other: {}", words(chain, workflow));
    let help = "let the outer workflow call the inner one with `workflow:`, or look why it starts itself again";
    Err(Refusal::new(2, "E0317", message, help))
}

/// What a store that cannot be used means: inside the sandbox of another run, that this one has no place there.
pub(super) fn inner_state(root: &Path, error: StoreError) -> Refusal {
    let Some(around) = surroundings() else { return Refusal::from(error) };
    let message = format!(
        "this is inside the sandbox of `{}`, which keeps {} from it: {error}",
        around.attempt,
        root.join(".orch/state").display()
    );
    let help = "let the outer workflow call the inner one with `workflow:`; or run a copy of the project in the workspace \
                or in \"$TMPDIR\"; or give the outer step `sandbox: off`";
    Refusal::new(41, "E0376", message, help)
}

fn words(chain: &[String], workflow: &str) -> String {
    let names: Vec<_> = chain.iter().map(String::as_str).chain([workflow]).collect();
    names.join(ARROW)
}
