//! What must hold after a part: gates of the library where they can prove it, marks where nothing can.

use serde_json::json;

use crate::definition::import::{
    draft::Piece,
    prose::{
        phase::{Reading, on_last},
        phases::Part,
        words,
    },
    text::excerpt,
};

impl Reading<'_> {
    /// What must hold after the part: gates of the library where it has them, marks where not.
    pub(super) fn gates(&mut self, part: &Part, pieces: &mut [Piece]) {
        let mut at = part.whole.start;
        let mut found = Vec::new();
        for line in self.text[part.whole.clone()].split_inclusive('\n') {
            let is_checkpoint = words::checkpoint(line).is_some();
            if (is_checkpoint && !words::asks_a_person(line))
                || words::is_assertion(line) && !words::asks_a_person(line)
            {
                found.push((at, line.trim().to_owned(), is_checkpoint));
            }
            at += line.len();
        }
        let all_must = |line: &str| {
            let lower = line.to_lowercase();
            lower.contains("all gates") || lower.contains("all quality gates")
        };
        for (at, line, is_checkpoint) in found {
            let meant = words::gates(&line);
            let known =
                |names: &[&str]| names.iter().find(|name| self.known.gates.contains(**name)).map(|name| json!(name));
            let named: Vec<_> = meant.iter().filter_map(|(_, names)| known(names)).collect();
            let missing: Vec<&str> =
                meant.iter().filter(|(_, names)| known(names).is_none()).map(|(_, names)| names[0]).collect();
            let nothing = meant.is_empty();
            on_last(pieces, |step| {
                let new: Vec<_> = named.into_iter().filter(|gate| !step.gates.contains(gate)).collect();
                step.gates.extend(new);
            });
            // Steps at once are one point where all gates meet already.
            if nothing && all_must(&line) && !is_checkpoint {
                continue;
            }
            if nothing || !missing.is_empty() {
                let edit = match missing.first() {
                    Some(name) => {
                        format!("add a gate such as `gate: [{name}]` or `gate: [{{ run: COMMAND }}]` to this step")
                    }
                    None => "add a gate with a command that proves it: `gate: [{ run: COMMAND }]`".to_owned(),
                };
                let mark = self.draft.mark(
                    self.line(at),
                    format!("`{}` must hold, and no gate here can prove it", excerpt(&line)),
                    "nothing checks it; the agent only reads it",
                    edit,
                );
                on_last(pieces, |step| step.marks.push(mark));
            }
        }
    }
}
