//! A draft as YAML.

use crate::definition::import::{
    draft::{Draft, Kind, Piece, Step},
    write::keys::{Care, comment, head, keys},
};

/// The whole file.
pub(in crate::definition::import) fn yaml(draft: &Draft, care: &Care) -> String {
    let mut out = String::new();
    marks(draft, &draft.head, 0, &mut out);
    out.push_str(&head(draft));
    out.push_str("\nsteps:\n");
    let mut is_first = true;
    for piece in &draft.pieces {
        if !std::mem::take(&mut is_first) {
            out.push('\n');
        }
        match piece {
            Piece::Text { text, marks: about } => {
                marks(draft, about, 2, &mut out);
                comment(text, 2, &mut out);
            }
            Piece::Step(one) => step(draft, one, 2, "", care, &mut out),
        }
    }
    out
}

fn marks(draft: &Draft, about: &[usize], indent: usize, out: &mut String) {
    for mark in about {
        comment(&format!("import: {}", draft.marks[*mark].sentence()), indent, out);
    }
}

fn step(draft: &Draft, one: &Step, indent: usize, above: &str, care: &Care, out: &mut String) {
    let path = format!("{above}{}", one.id);
    if !one.title.is_empty() && one.title != one.id {
        comment(&one.title, indent, out);
    }
    comment(&one.text, indent, out);
    marks(draft, &one.marks, indent, out);
    out.push_str(&format!("{:indent$}- id: {}\n", "", one.id));
    out.push_str(&keys(one, care.get(&path).copied().unwrap_or(0), indent + 2, false));
    if one.children.is_empty() {
        return;
    }
    let key = if matches!(one.kind, Kind::Parallel) { "parallel" } else { "steps" };
    out.push_str(&format!("{:width$}{key}:\n", "", width = indent + 2));
    for child in &one.children {
        step(draft, child, indent + 4, &format!("{path}/"), care, out);
    }
}
