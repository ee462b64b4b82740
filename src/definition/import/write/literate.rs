//! A draft as Markdown: headings with attributes are steps, the text below them is what agents are told.
//!
//! Marks stand in `step` blocks and in HTML comments, where no agent reads them.

use crate::definition::import::{
    draft::{Draft, Kind, Piece, Step},
    write::keys::{Care, comment, head, is_word, keys},
};

/// The deepest heading of a step, so that its children have a level left.
const LEVEL_MAX: usize = 5;
/// Stands above a text that belongs to no step and has no heading that would end the step before it.
const SEPARATOR: &str = "Also in the source";

/// The whole file.
pub(in crate::definition::import) fn literate(draft: &Draft, care: &Care) -> String {
    let mut out = format!("---\n{}---\n", head(draft));
    comments(draft, &draft.head, &mut out);
    let mut open_level = None;
    for piece in &draft.pieces {
        out.push('\n');
        match piece {
            Piece::Text { text, marks } => {
                if let Some(level) = open_level.take()
                    && first_level(text).is_none_or(|first| first > level)
                {
                    out.push_str(&format!("{} {SEPARATOR}\n\n", "#".repeat(level)));
                }
                // A mark above the heading would still belong to the step before it.
                let text = plain(text, 1);
                let (heading, rest) = match first_level(&text) {
                    Some(_) => text.split_once('\n').unwrap_or((&text, "")),
                    None => ("", text.as_str()),
                };
                if !heading.is_empty() {
                    out.push_str(&format!("{heading}\n"));
                }
                comments(draft, marks, &mut out);
                out.push_str(rest);
                out.push('\n');
            }
            Piece::Step(one) => {
                let level = one.level.clamp(1, LEVEL_MAX);
                step(draft, one, level, "", care, &mut out);
                open_level = Some(level);
            }
        }
    }
    out
}

fn comments(draft: &Draft, marks: &[usize], out: &mut String) {
    for mark in marks {
        let sentence = draft.marks[*mark].sentence().replace("--", "- -");
        out.push_str(&format!("\n<!-- orch import: {sentence} -->\n"));
    }
    if !marks.is_empty() {
        out.push('\n');
    }
}

fn step(draft: &Draft, one: &Step, level: usize, above: &str, care: &Care, out: &mut String) {
    let path = format!("{above}{}", one.id);
    let care_here = care.get(&path).copied().unwrap_or(0);
    let mut attributes = format!("#{}", one.id);
    let mut block = String::new();
    match &one.kind {
        Kind::Agent { agent: Some(agent), .. } if is_word(agent) => attributes.push_str(&format!(" agent={agent}")),
        Kind::Parallel => attributes.push_str(" parallel"),
        Kind::Approve(_) if care_here == 0 => attributes.push_str(" approve"),
        Kind::Agent { .. }
        | Kind::Run { .. }
        | Kind::Approve(_)
        | Kind::Stop(_)
        | Kind::Each(_)
        | Kind::Loop { .. } => {}
    }
    for mark in &one.marks {
        comment(&format!("import: {}", draft.marks[*mark].sentence()), 0, &mut block);
    }
    block.push_str(&keys(one, care_here, 0, true));
    out.push_str(&format!("{} {} {{{attributes}}}\n", "#".repeat(level.min(6)), title(one)));
    if !block.is_empty() {
        let fence = fence(&block);
        out.push_str(&format!("\n{fence}step\n{block}{fence}\n"));
    }
    let text = match &one.kind {
        Kind::Agent { prompt, .. } if care_here == 0 => prompt.as_str(),
        Kind::Approve(text) if care_here == 0 => text.as_str(),
        Kind::Agent { .. }
        | Kind::Approve(_)
        | Kind::Run { .. }
        | Kind::Stop(_)
        | Kind::Parallel
        | Kind::Each(_)
        | Kind::Loop { .. } => one.text.as_str(),
    };
    if !text.is_empty() {
        let text = if matches!(one.kind, Kind::Agent { .. } | Kind::Approve(_)) {
            text.to_owned()
        } else {
            plain(text, level + 1)
        };
        out.push_str(&format!("\n{}\n", text.trim()));
    }
    for child in &one.children {
        out.push('\n');
        step(draft, child, level + 1, &format!("{path}/"), care, out);
    }
}

/// The heading's words: one line, without what would be read as attributes or as the heading's end.
fn title(one: &Step) -> String {
    let words = one.title.split_whitespace().collect::<Vec<_>>().join(" ").replace(['{', '}'], "|");
    let words = words.trim_end_matches('#').trim();
    if words.is_empty() { one.id.clone() } else { words.to_owned() }
}

/// A heading as deep as `level` at least: one that is higher would end the step that it stands in.
fn deeper(line: &str, level: usize, in_code: &mut bool) -> String {
    *in_code ^= line.trim_start().starts_with("```");
    match first_level(line) {
        Some(found) if found < level && !*in_code => format!("{}{line}", "#".repeat(level - found)),
        Some(_) | None => line.to_owned(),
    }
}

/// A fence that the text does not hold.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// The level of the heading that a text begins with.
fn first_level(text: &str) -> Option<usize> {
    let line = text.trim_start().lines().next()?;
    let level = line.len() - line.trim_start_matches('#').len();
    (level > 0 && level <= 6 && line[level..].starts_with([' ', '\t'])).then_some(level)
}

/// A text for people, whose headings cannot be read as steps and are not above `level`.
fn plain(text: &str, level: usize) -> String {
    let mut in_code = false;
    let lines = text.lines().map(|line| {
        let line = &deeper(line, level, &mut in_code);
        let info = line.trim_start().trim_start_matches(['`', '~']);
        if line.trim_start().len() - info.len() >= 3 {
            // A fence marked `step` or `gate` would be read as keys.
            let marked = info.split_whitespace().any(|word| word == "step" || word == "gate");
            return if marked { line.replace("step", "-step").replace("gate", "-gate") } else { line.to_owned() };
        }
        if !line.trim_start().starts_with('#') || !line.contains('{') {
            return line.to_owned();
        }
        let line = line.replace("{#", "{ #");
        if line.trim_end().trim_end_matches('#').trim_end().ends_with('}') { format!("{line} <!-- -->") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}
