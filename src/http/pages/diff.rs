//! What a run or a step has changed, line by line; where a person is asked about it, each line takes a comment.

use serde_json::{Value, json};

use crate::{
    http::{
        ask::{Answer, Ask},
        pages::{
            shell::{Page, draw},
            tabs::tabs,
        },
        problem::Problem,
    },
    service::{Extent, PatchLine, hunks},
};

/// Lines that are drawn.
const LINES_MAX: usize = 5_000;

pub(in crate::http) fn diff(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let place = ask.app.place_of(&run)?;
    let step = ask.text("step");
    let extent = step.map_or(Extent::Run, |step| Extent::Step(step.to_owned()));
    let changes = place.runs().changes(&run, &extent, &[])?;
    let standing = place.standing(&run)?;
    let asked =
        standing.status.waiting_for.iter().find(|one| one.step.as_deref() == step && one.pushback && one.reviewed);
    let patch = String::from_utf8_lossy(&changes.patch);
    let pieces: Vec<&str> = patch.split("diff --git ").skip(1).collect();
    let mut left = LINES_MAX;
    let mut files = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let first = piece.lines().next().unwrap_or_default();
        let path = changes.files.get(place).filter(|_| pieces.len() == changes.files.len());
        let lines: Vec<Value> = hunks(piece).iter().flat_map(|hunk| drawn(hunk)).take(left).collect();
        left -= lines.len();
        files.push(json!({ "path": path.map_or(first, |file| file.path.as_str()), "lines": lines }));
    }
    let values = json!({
        "run": run, "tabs": tabs(run.as_str(), "diff", None)?, "step": step, "files": changes.files, "notes": changes.notes, "hunks": files,
        "is_cut": left == 0, "comments": asked.is_some(),
    });
    draw(ask, &Page { view: "diff", title: format!("Changes of {run}"), live: None }, &values)
}

fn drawn(hunk: &[PatchLine]) -> Vec<Value> {
    let mark = json!({ "kind": "hunk", "text": "⋯" });
    let line = |line: &PatchLine| {
        let (kind, side) = match (line.old, line.new) {
            (None, Some(_)) => ("add", "new"),
            (Some(_), None) => ("del", "old"),
            _ => ("", "new"),
        };
        json!({ "kind": kind, "old": line.old, "new": line.new, "at": line.new.or(line.old), "side": side, "text": line.text })
    };
    std::iter::once(mark).chain(hunk.iter().map(line)).collect()
}
