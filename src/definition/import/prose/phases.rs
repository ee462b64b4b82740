//! Finds the parts of a text that become steps: headings with `Phase` or `Step`, numbered headings, a numbered list,
//! or sections that name agents.

use std::ops::Range;

use crate::definition::import::{
    known::Known,
    prose::{
        agents::agents,
        lists::item,
        outline::{Block, BlockKind, Section},
        words::{self, Word},
    },
};

/// A part of the text.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub title: String,
    /// The level of its heading; of an item, one below the heading that it stands under.
    pub level: usize,
    /// All of it.
    pub whole: Range<usize>,
    /// What stands below its heading; of an item, all of it.
    pub body: Range<usize>,
    /// Whether it is an item of a list.
    pub is_item: bool,
    /// The condition of the phase around it.
    pub condition: Option<String>,
}

/// How the parts were found, for the person who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Headings say `Phase` or `Step`.
    Marked,
    /// Numbered headings.
    Numbered,
    /// A numbered list.
    List,
    /// Sections that name agents.
    Agents,
    /// None were found: the text is one part.
    Whole,
}

/// What the search needs to know.
pub(super) struct Search<'a> {
    pub text: &'a str,
    pub blocks: &'a [Block],
    pub sections: &'a [Section],
    pub known: &'a Known,
}

/// Sections of one level below one heading, and the last number among them.
type Row<'a> = ((usize, Option<usize>), Vec<&'a Section>, u32);

impl Search<'_> {
    /// The parts, in their order; they do not overlap.
    pub fn parts(&self) -> (Vec<Part>, How) {
        let marked = self.marked();
        if marked.iter().filter(|part| words::checkpoint(&part.title).is_none()).count() >= 2 {
            return (marked, How::Marked);
        }
        let numbered = self.numbered();
        if numbered.len() >= 2 {
            return (numbered, How::Numbered);
        }
        let listed = self.listed();
        if listed.len() >= 2 {
            return (listed, How::List);
        }
        let named = self.naming_agents();
        if named.len() >= 2 {
            return (named, How::Agents);
        }
        (Vec::new(), How::Whole)
    }

    fn part(&self, section: &Section) -> Part {
        Part {
            title: section.title.clone(),
            level: section.level,
            whole: section.heading.start..section.body.end,
            body: section.body.clone(),
            is_item: false,
            condition: None,
        }
    }

    /// Headings with a word and a number, and checkpoints between them. A phase made of steps that work for
    /// themselves gives its steps; any other phase is one part, whatever is below it.
    fn marked(&self) -> Vec<Part> {
        let is_marked =
            |section: &Section| matches!(words::marker(&section.title), Some((Word::Phase | Word::Step, ..)));
        let mut parts = Vec::new();
        let mut end = 0;
        for (place, section) in self.sections.iter().enumerate() {
            let is_checkpoint = words::checkpoint(&section.title).is_some();
            if section.heading.start < end || !is_marked(section) && !is_checkpoint {
                continue;
            }
            let inner: Vec<&Section> = self.sections[place + 1..]
                .iter()
                .take_while(|other| other.heading.start < section.body.end)
                .filter(|other| is_marked(other))
                .collect();
            let works = inner.iter().any(|inner| {
                let text = &self.text[inner.body.clone()];
                !agents(text, self.known).is_empty() || text.lines().any(|line| words::checkpoint(line).is_some())
            });
            // The words before the first step may name who leads all of them; then the steps are one work.
            let head = section.body.start..inner.first().map_or(section.body.end, |first| first.heading.start);
            let leads = !agents(&self.text[head], self.known).is_empty();
            if inner.len() >= 2 && works && !leads && !words::is_parallel(&section.title) && !is_checkpoint {
                // Its heading stays text for people; its steps follow as sections of their own.
                continue;
            }
            end = section.body.end;
            let mut part = self.part(section);
            part.condition = self.condition_above(section);
            parts.push(part);
        }
        parts
    }

    fn condition_above(&self, section: &Section) -> Option<String> {
        let mut up = section.parent;
        while let Some(place) = up {
            if let Some(condition) = words::condition(&self.sections[place].title) {
                return Some(condition.to_owned());
            }
            up = self.sections[place].parent;
        }
        None
    }

    /// The longest row of numbered headings below one heading.
    fn numbered(&self) -> Vec<Part> {
        let mut rows: Vec<Row<'_>> = Vec::new();
        for section in self.sections {
            let Some((Word::Number, number, _)) = words::marker(&section.title) else { continue };
            let key = (section.level, section.parent);
            match rows.iter_mut().find(|(other, ..)| *other == key) {
                Some((_, row, last)) if number == *last + 1 => {
                    row.push(section);
                    *last = number;
                }
                Some(_) => {}
                None if number <= 1 => rows.push((key, vec![section], number)),
                None => {}
            }
        }
        let longest = rows.iter().map(|(_, row, _)| row.len()).max().unwrap_or(0);
        let row = rows.into_iter().find(|(_, row, _)| row.len() == longest);
        row.map(|(_, row, _)| row.into_iter().map(|section| self.part(section)).collect()).unwrap_or_default()
    }

    /// The numbered list that reads most like a plan.
    fn listed(&self) -> Vec<Part> {
        const PLAN: [&str; 8] = ["step", "phase", "process", "workflow", "instruction", "procedure", "task", "follow"];
        let mut best: Option<(usize, &Vec<Range<usize>>, usize)> = None;
        let mut level = 1;
        let mut before = String::new();
        for block in self.blocks {
            match &block.kind {
                BlockKind::Heading { level: depth, title } => {
                    level = *depth;
                    before = title.to_lowercase();
                }
                BlockKind::Text => before.push_str(&self.text[block.range.clone()].to_lowercase()),
                BlockKind::List { ordered: true, items } if items.len() >= 2 => {
                    let is_plan = PLAN.iter().any(|word| before.contains(word));
                    let texts = items.iter().map(|range| item(self.text, range.clone()).text);
                    let named = texts.filter(|text| !agents(text, self.known).is_empty()).count();
                    let score = named * 10 + usize::from(is_plan) * 5 + items.len().min(4);
                    if (is_plan || named > 0) && best.is_none_or(|(other, ..)| score > other) {
                        best = Some((score, items, level));
                    }
                }
                BlockKind::List { .. } | BlockKind::Table(_) | BlockKind::Code => {}
            }
        }
        let Some((_, items, level)) = best else { return Vec::new() };
        let parts = items.iter().map(|range| {
            let item = item(self.text, range.clone());
            Part {
                title: item.title,
                level: level + 1,
                whole: range.clone(),
                body: range.clone(),
                is_item: true,
                condition: None,
            }
        });
        parts.collect()
    }

    /// Sections of the level at which most of them name agents.
    fn naming_agents(&self) -> Vec<Part> {
        let names = |section: &&Section| !agents(&self.text[section.body.clone()], self.known).is_empty();
        let at = |level: usize| self.sections.iter().filter(move |section| section.level == level).filter(names);
        let best = (1..=6).max_by_key(|level| (at(*level).count(), 6 - level)).unwrap_or(1);
        at(best).map(|section| self.part(section)).collect()
    }
}
