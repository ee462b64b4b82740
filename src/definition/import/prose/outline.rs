//! A Markdown text as a row of blocks with their places. The only module of this room that names `pulldown-cmark`.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A block of the top level.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub kind: BlockKind,
    /// Its place in the source.
    pub range: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum BlockKind {
    Heading {
        level: usize,
        title: String,
    },
    List {
        ordered: bool,
        items: Vec<Range<usize>>,
    },
    /// Rows of cells; the first one is the head.
    Table(Vec<Vec<String>>),
    Code,
    /// A paragraph, a quote, a rule, HTML.
    Text,
}

/// Reads `range` of the source. All places are places in the whole source.
pub(super) fn blocks(text: &str, range: Range<usize>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0usize;
    let slice = &text[range.clone()];
    for (event, at) in Parser::new_ext(slice, Options::ENABLE_TABLES).into_offset_iter() {
        let at = at.start + range.start..at.end + range.start;
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    blocks.push(Block { kind: kind(&tag), range: at.clone() });
                } else if let Some(block) = blocks.last_mut() {
                    inside(&tag, depth, at, block);
                }
                depth += 1;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if let (0, TagEnd::Heading(_), Some(block)) = (depth, end, blocks.last_mut()) {
                    name(text, block);
                }
            }
            Event::Text(words) | Event::Code(words) => cell(&words, blocks.last_mut()),
            _ if depth == 0 => blocks.push(Block { kind: BlockKind::Text, range: at }),
            // Breaks, marks and HTML inside a block are part of its text.
            _ => {}
        }
    }
    blocks
}

fn kind(tag: &Tag<'_>) -> BlockKind {
    match tag {
        Tag::Heading { level, .. } => BlockKind::Heading { level: *level as usize, title: String::new() },
        Tag::List(start) => BlockKind::List { ordered: start.is_some(), items: Vec::new() },
        Tag::Table(_) => BlockKind::Table(Vec::new()),
        Tag::CodeBlock(_) => BlockKind::Code,
        _ => BlockKind::Text,
    }
}

fn inside(tag: &Tag<'_>, depth: usize, at: Range<usize>, block: &mut Block) {
    match (&mut block.kind, tag) {
        (BlockKind::List { items, .. }, Tag::Item) if depth == 1 => items.push(at),
        (BlockKind::Table(rows), Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
        (BlockKind::Table(rows), Tag::TableCell) => {
            if let Some(row) = rows.last_mut() {
                row.push(String::new());
            }
        }
        _ => {}
    }
}

fn cell(words: &str, block: Option<&mut Block>) {
    if let Some(Block { kind: BlockKind::Table(rows), .. }) = block
        && let Some(cell) = rows.last_mut().and_then(|row| row.last_mut())
    {
        cell.push_str(words);
    }
}

/// The words of a heading as written, without `#` or the line of `=` or `-` below it.
fn name(text: &str, block: &mut Block) {
    let BlockKind::Heading { title, .. } = &mut block.kind else { return };
    let written = text[block.range.clone()].trim();
    let lines = written.lines().filter(|line| {
        let line = line.trim();
        !(written.lines().count() > 1 && !line.is_empty() && line.chars().all(|c| c == '=' || c == '-'))
    });
    let words = lines.collect::<Vec<_>>().join(" ");
    *title = if words.starts_with('#') {
        words.trim_start_matches('#').trim().trim_end_matches('#').trim().to_owned()
    } else {
        words.trim().to_owned()
    };
}

/// A heading and everything up to the next one that is not deeper.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub level: usize,
    pub title: String,
    /// The heading itself.
    pub heading: Range<usize>,
    /// From the end of the heading to the end of the section.
    pub body: Range<usize>,
    /// The section around it, as a place in the same list.
    pub parent: Option<usize>,
}

/// The sections of the blocks, in their order; `end` is the end of the text.
pub(super) fn sections(blocks: &[Block], end: usize) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for block in blocks {
        let BlockKind::Heading { level, title } = &block.kind else { continue };
        while let Some(last) = open.last().copied() {
            if sections[last].level < *level {
                break;
            }
            sections[last].body.end = block.range.start;
            open.pop();
        }
        let parent = open.last().copied();
        open.push(sections.len());
        let body = block.range.end..end;
        sections.push(Section { level: *level, title: title.clone(), heading: block.range.clone(), body, parent });
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_in_code_are_text_and_items_have_places() {
        let text =
            "# A\n\n```\n## no\n```\n\n1. one\n   - deep\n2. two\n\n## B ##\n| agent | use |\n| - | - |\n| `x` | y |\n";
        let blocks = blocks(text, 0..text.len());
        let sections = sections(&blocks, text.len());
        let names: Vec<_> = sections.iter().map(|one| (one.level, one.title.as_str(), one.parent)).collect();
        assert_eq!(names, [(1, "A", None), (2, "B", Some(0))]);
        let lists: Vec<_> = blocks
            .iter()
            .filter_map(|block| if let BlockKind::List { items, .. } = &block.kind { Some(items) } else { None })
            .collect();
        assert_eq!(lists.len(), 1);
        assert_eq!(text[lists[0][0].clone()].trim(), "1. one\n   - deep");
        let BlockKind::Table(rows) = &blocks.last().unwrap().kind else { panic!() };
        assert_eq!(rows[1], ["x", "y"]);
    }
}
