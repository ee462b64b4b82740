//! The whole text: frontmatter, the parts in their order, and the texts between them.

use std::{ops::Range, sync::Arc};

use crate::{
    base::Source,
    definition::{
        import::{
            draft::{Draft, Kind, Piece, Step},
            known::Known,
            prose::{
                outline::{Section, blocks, sections},
                phase::{BETWEEN_WORDS_MAX, NO_PARTS, Reading},
                phases::{How, Part, Search},
                placeholders, words,
            },
            reader::Lines,
            run::{ImportError, STEPS_MAX},
            text::excerpt,
        },
        load::{Lined, legal_id, lined_frontmatter},
    },
};

/// Keys of a command that a workflow has a place for, or that say nothing about the work.
const USED: [&str; 5] = ["name", "description", "argument-hint", "argumentHint", "argument_hint"];

/// Reads a prose command.
pub(in crate::definition::import) fn read(
    source: &Arc<Source>,
    name: &str,
    known: &Known,
) -> Result<Draft, ImportError> {
    let (keys, body) = lined_frontmatter(source);
    let text = source.text.as_str();
    let mut reading = Reading { text, lines: Lines::of(text), known, draft: Draft::default() };
    let hint = frontmatter(&mut reading, keys, body.start);
    if reading.draft.name.is_empty() {
        reading.draft.name = legal_name(name);
    }
    let all = blocks(text, body.clone());
    let inner = sections(&all, body.end);
    let (parts, how) = Search { text, blocks: &all, sections: &inner, known }.parts();
    if parts.len() > STEPS_MAX {
        let why = format!("the source has {} parts, more than {STEPS_MAX}", parts.len());
        return Err(ImportError::TooLarge(why));
    }
    let start = reading.line(body.start);
    let body_start = body.start;
    how_found(&mut reading.draft, how, start);
    if how == How::Whole {
        whole(&mut reading, &inner, body);
    } else {
        rows(&mut reading, &parts, body);
    }
    let mut draft = reading.draft;
    if draft.description.is_empty() {
        draft.description = inner.first().map_or_else(|| excerpt(text), |first| excerpt(&first.title));
    }
    neighbours(&mut draft);
    placeholders::mark(&mut draft, text, body_start, &reading.lines);
    arguments(&mut draft, text, hint.as_deref(), start);
    shares(&mut draft);
    Ok(draft)
}

/// What the frontmatter says; gives the hint about arguments.
fn frontmatter(
    reading: &mut Reading<'_>,
    keys: Option<Result<Lined, Vec<crate::base::Diagnostic>>>,
    end: usize,
) -> Option<String> {
    let draft = &mut reading.draft;
    let keys = match keys? {
        Ok(keys) => keys,
        Err(_) => {
            let head = reading.text[..end].trim().trim_matches('-').trim().to_owned();
            let mark = draft.mark(
                1,
                "the frontmatter cannot be read",
                "it stands here as text",
                "write its description into this file's own frontmatter",
            );
            draft.pieces.push(Piece::Text { text: head, marks: vec![mark] });
            return None;
        }
    };
    let text_of = |key: &str| keys.get(key).and_then(Lined::text);
    draft.name = text_of("name").map(|name| legal_name(&name)).unwrap_or_default();
    draft.description = text_of("description").map(|text| excerpt_long(&text)).unwrap_or_default();
    for (key, line, value) in keys.entries() {
        if !USED.contains(&key.as_str()) {
            let value = excerpt(&value.value().to_string());
            let what = format!("the key `{key}: {value}` of the command");
            draft.head(
                *line,
                what,
                "it is not carried over",
                "set `model:`, `tools:` or `runtime:` on the steps that need it",
            );
        }
    }
    ["argument-hint", "argumentHint", "argument_hint"].into_iter().find_map(text_of)
}

/// A description on one line; long ones are people's texts as well.
fn excerpt_long(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(1000).collect()
}

fn legal_name(name: &str) -> String {
    let id = legal_id(name);
    id.strip_prefix("s_")
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        .unwrap_or(&id)
        .replace('_', "-")
}

fn how_found(draft: &mut Draft, how: How, line: usize) {
    let (what, edit) = match how {
        How::Marked => return,
        How::Numbered => ("no heading says `Phase` or `Step`", "check that the numbered headings are the steps"),
        How::List => ("no heading says `Phase` or `Step`", "check that the items of the numbered list are the steps"),
        How::Agents => ("nothing is numbered", "check that the sections that name agents are the steps, in this order"),
        How::Whole => ("no phases were found", "split the step where another agent should take over"),
    };
    let assumed = match how {
        How::Marked => "",
        How::Numbered => "numbered headings are the steps, in their order",
        How::List => "the items of the numbered list are the steps, in their order",
        How::Agents => "each section that names an agent is a step, in their order",
        How::Whole => "the whole text is one step",
    };
    draft.head(line, what, assumed, edit);
}

/// A text without parts is one step; its only top heading is the step's title.
fn whole(reading: &mut Reading<'_>, sections: &[Section], body: Range<usize>) {
    if reading.text[body.clone()].trim().is_empty() {
        return;
    }
    let first = sections.first().filter(|first| reading.text[body.start..first.heading.start].trim().is_empty());
    let first = first.filter(|first| sections[1..].iter().all(|other| other.level > first.level));
    let mut part = Part {
        title: reading.draft.name.replace('-', " "),
        level: 1,
        whole: body.clone(),
        body,
        is_item: false,
        condition: None,
    };
    if let Some(first) = first {
        part.title.clone_from(&first.title);
        part.level = first.level;
        part.body = first.body.clone();
    }
    let pieces = reading.part(&part);
    reading.draft.pieces.extend(pieces);
}

/// The parts with what stands before, between and behind them.
fn rows(reading: &mut Reading<'_>, parts: &[Part], body: Range<usize>) {
    let mut from = body.start;
    for part in parts {
        between(reading, from..part.whole.start);
        let pieces = reading.part(part);
        reading.draft.pieces.extend(pieces);
        from = part.whole.end;
    }
    between(reading, from..body.end);
}

fn between(reading: &mut Reading<'_>, range: Range<usize>) {
    if reading.text[range.clone()].trim().is_empty() {
        return;
    }
    let mut marks = Vec::new();
    let text = reading.people(&range, BETWEEN_WORDS_MAX, &mut marks);
    reading.draft.pieces.push(Piece::Text { text, marks });
}

/// Phases in a row that each say `(parallel)` run at once.
fn neighbours(draft: &mut Draft) {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut row: Vec<Step> = Vec::new();
    let all = std::mem::take(&mut draft.pieces);
    for piece in all {
        match piece {
            Piece::Step(step) if matches!(step.kind, Kind::Agent { .. }) && words::is_parallel(&step.title) => {
                row.push(step)
            }
            other => {
                close(draft, &mut row, &mut pieces);
                pieces.push(other);
            }
        }
    }
    close(draft, &mut row, &mut pieces);
    draft.pieces = pieces;
}

fn close(draft: &mut Draft, row: &mut Vec<Step>, pieces: &mut Vec<Piece>) {
    if row.len() < 2 {
        pieces.extend(row.drain(..).map(Piece::Step));
        return;
    }
    let names: Vec<&str> = row.iter().map(|step| step.id.as_str()).collect();
    let title = format!("At once: {}", names.join(", "));
    let paths: Vec<String> = row.iter().map(|step| step.id.clone()).collect();
    let id = draft.id("parallel");
    for phase in &mut draft.phases {
        let is_moved = |path: &String| paths.contains(path);
        if phase.steps.iter().any(is_moved) {
            phase.parallel = true;
            phase.steps = phase
                .steps
                .iter()
                .map(|path| if is_moved(path) { format!("{id}/{path}") } else { path.clone() })
                .collect();
        }
    }
    let mut container = Step::new(id, &title, Kind::Parallel);
    container.level = row.first().map_or(2, |step| step.level);
    for mut step in row.drain(..) {
        for mark in &step.marks {
            let mark = &mut draft.marks[*mark];
            if mark.what.contains(NO_PARTS) {
                mark.assumed = "it runs at once with its neighbours that say the same".to_owned();
                mark.edit = "check that they do not write the same files".to_owned();
            }
        }
        step.level = container.level + 1;
        container.children.push(step);
    }
    pieces.push(Piece::Step(container));
}

/// Every agent is told the arguments, as the home tool of such a command would.
fn arguments(draft: &mut Draft, text: &str, hint: Option<&str>, line: usize) {
    let is_used = draft.inputs.iter().any(|input| input.name == "arguments") || text.contains("$ARGUMENTS");
    if !is_used && hint.is_none() {
        return;
    }
    draft.needs_arguments(hint.unwrap_or_default());
    if let Some(input) = draft.inputs.iter_mut().find(|input| input.name == "arguments") {
        input.description = hint.unwrap_or("The words after the command").to_owned();
    }
    let mut added = false;
    draft.each_step(&mut |step| {
        if let Kind::Agent { prompt, .. } = &mut step.kind
            && !prompt.contains("{{ inputs.arguments }}")
        {
            prompt.push_str("\n\nARGUMENTS: {{ inputs.arguments }}");
            added = true;
        }
    });
    if added {
        let what = "not every step speaks of the arguments of the command";
        draft.head(
            line,
            what,
            "they stand at the end of those prompts",
            "remove the line where an agent need not know them",
        );
    }
}

/// Shares of effort are said to people, not to the program.
fn shares(draft: &mut Draft) {
    let shares: Vec<u32> = draft.phases.iter().filter_map(|phase| phase.weight).collect();
    let Some(line) = draft.phases.iter().find(|phase| phase.weight.is_some()).map(|phase| phase.line) else { return };
    let sum: u32 = shares.iter().sum();
    let what = format!("the titles give shares of the effort, {sum} % together");
    draft.head(
        line,
        what,
        "they stay in the titles and limit nothing",
        "set `budget:` or a `timeout:` on steps if they should",
    );
}
