//! What a run and its steps brought back: values with their schemas, files, and who reads what.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::http::{
    api::steps::files_of,
    ask::{Answer, Ask},
    pages::{
        shell::{Page, draw},
        tabs::tabs,
    },
    problem::Problem,
};

/// Files that are listed; the API lists more.
const FILES_MAX: usize = 300;

pub(in crate::http) fn outputs(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let place = ask.app.place_of(&run)?;
    let standing = place.standing(&run)?;
    let lineage = place.lineage(&run)?;
    let mut files = files_of(ask)?;
    let names = standing
        .timeline
        .rows
        .iter()
        .flat_map(|row| row.attempts.iter().map(|one| (one.id.as_str(), row.path.as_str())));
    let names: HashMap<&str, &str> = names.collect();
    files.sort_by_key(|file| number(&file["attempt"]));
    let left_out = files.len().saturating_sub(FILES_MAX);
    files.truncate(FILES_MAX);
    for file in &mut files {
        file["step"] = json!(file["attempt"].as_str().and_then(|attempt| names.get(attempt)));
        file["size"] = json!(size(file["bytes"].as_u64().unwrap_or_default()));
        // Whatever else an attempt has left, its name is no part of an address.
        file["can_be_had"] = json!(file["name"].as_str().is_some_and(is_plain));
    }
    let values = json!({
        "run": run, "workflow": standing.status.workflow, "tabs": tabs(run.as_str(), "outputs", None)?,
        "outputs": lineage.outputs, "steps": lineage.steps, "steps_left_out": lineage.left_out,
        "files": files, "files_left_out": left_out, "is_live": standing.status.ended.is_none(),
    });
    let live = standing.status.ended.is_none();
    let live = live.then(|| format!("/api/v1/runs/{run}/events?after={}.4000000000", standing.tag.0));
    draw(ask, &Page { view: "outputs", title: format!("Outputs of {run}"), live }, &values)
}

/// Attempts in the order in which steps were made.
fn number(attempt: &Value) -> (u32, u32) {
    let parts = attempt.as_str().and_then(|text| text.split_once('-'));
    parts.and_then(|(step, number)| Some((step.parse().ok()?, number.parse().ok()?))).unwrap_or_default()
}

/// Whether the route of files takes it.
fn is_plain(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    name.len() <= 100 && name.chars().all(is_plain) && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn size(bytes: u64) -> Value {
    json!(match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    })
}
