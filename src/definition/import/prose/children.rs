//! Which pieces of a part are works of their own: sections below it, items of a list, agents that one sentence names.

use std::{collections::BTreeSet, ops::Range};

use crate::definition::import::{
    draft::ReferenceForm,
    prose::{
        agents::{Named, agents},
        lists::{Item, item},
        outline::{BlockKind, blocks, sections},
        phase::Reading,
        phases::Part,
        words,
    },
};

/// A piece of a part that a step of its own does.
pub(super) struct Child {
    pub title: String,
    pub range: Range<usize>,
    pub text: String,
}

/// The children of a part and what stands around them.
pub(super) struct Children {
    pub all: Vec<Child>,
    pub before: Range<usize>,
    pub after: Range<usize>,
}

impl Reading<'_> {
    /// The place where the part says that things happen at once.
    pub(super) fn says_parallel(&self, part: &Part, rest: &[Range<usize>]) -> Option<usize> {
        if words::is_parallel(&part.title) {
            return Some(part.whole.start);
        }
        let mut in_code = false;
        for range in rest {
            let mut at = range.start;
            for line in self.text[range.clone()].split_inclusive('\n') {
                in_code ^= line.trim_start().starts_with("```");
                if !in_code && words::is_parallel(line) {
                    return Some(at);
                }
                at += line.len();
            }
        }
        None
    }

    /// The parts of the part: sections below it, else the items of a list that name agents or that the text says
    /// happen at once, else the agents that one sentence names together.
    pub(super) fn children(&self, part: &Part, rest: &[Range<usize>], named: &[Named]) -> Option<Children> {
        let at_once = self.says_parallel(part, rest);
        let [body] = rest else { return None };
        let names = |range: &Range<usize>| !agents(&self.text[range.clone()], self.known).is_empty();
        if !part.is_item {
            let all = blocks(self.text, body.clone());
            let inner = sections(&all, body.end);
            let level = inner.iter().map(|section| section.level).min();
            let inner: Vec<_> = inner.into_iter().filter(|section| Some(section.level) == level).collect();
            let naming = inner.iter().filter(|section| names(&section.body) || at_once.is_some()).count();
            if inner.len() >= 2 && naming >= 2 && (at_once.is_some() || naming == inner.len()) {
                let before = body.start..inner[0].heading.start;
                let after = body.end..body.end;
                let all = inner.into_iter().map(|section| Child {
                    title: section.title,
                    text: self.text[section.body.clone()].trim().to_owned(),
                    range: section.heading.start..section.body.end,
                });
                return Some(Children { all: all.collect(), before, after });
            }
            for block in &all {
                let BlockKind::List { items, .. } = &block.kind else { continue };
                if let Some(children) = self.items(items, body, block.range.clone(), at_once, &names) {
                    return Some(children);
                }
            }
        } else {
            let inner = self.inner_list(body);
            if let Some((items, range)) = inner
                && let Some(children) = self.items(&items, body, range, at_once, &names)
            {
                return Some(children);
            }
        }
        self.together(body, at_once, named)
    }

    /// The list inside an item of a list.
    fn inner_list(&self, body: &Range<usize>) -> Option<(Vec<Range<usize>>, Range<usize>)> {
        // Inside an item the places of inner lists are those of its own text.
        let start = self.text[body.clone()].find('\n')? + body.start + 1;
        let all = blocks(self.text, start..body.end);
        all.into_iter().find_map(|block| match block.kind {
            BlockKind::List { items, .. } => Some((items, block.range)),
            _ => None,
        })
    }

    /// The items of a list as children, where the text means them so.
    fn items(
        &self,
        items: &[Range<usize>],
        body: &Range<usize>,
        list: Range<usize>,
        at_once: Option<usize>,
        names: &dyn Fn(&Range<usize>) -> bool,
    ) -> Option<Children> {
        let naming = items.iter().filter(|range| names(range)).count();
        // Words about work at once that stand behind a list do not speak of it.
        let is_meant = at_once.is_some_and(|at| at < list.end);
        let all_items: Vec<Item> = items.iter().map(|range| item(self.text, range.clone())).collect();
        let different = {
            let mut seen = BTreeSet::new();
            all_items
                .iter()
                .flat_map(|item| agents(&item.text, self.known))
                .filter(|named| seen.insert(named.name.clone()))
                .count()
        };
        let counts = items.len() >= 2
            && (naming == items.len() && different >= 2
                || is_meant && (naming >= 2 || naming == 0 && short(&all_items)));
        counts.then(|| Children {
            all: all_items
                .into_iter()
                .map(|item| Child { title: item.title, text: item.text, range: item.range })
                .collect(),
            before: body.start..list.start,
            after: list.end..body.end,
        })
    }

    /// Several agents in one part: each does what the part says.
    fn together(&self, body: &Range<usize>, at_once: Option<usize>, named: &[Named]) -> Option<Children> {
        let inside: Vec<&Named> =
            named.iter().filter(|named| body.contains(&named.at) && named.form != ReferenceForm::Table).collect();
        let is_choice = {
            let text = self.text[body.clone()].to_lowercase();
            text.contains("` or `") || text.contains("select the appropriate") || text.contains("choose the")
        };
        if inside.len() < 2 || is_choice && at_once.is_none() || inside.iter().any(|named| self.in_table(named.at)) {
            return None;
        }
        let text = self.text[body.clone()].trim().to_owned();
        let all = inside.iter().map(|named| Child {
            title: named.name.clone(),
            text: text.clone(),
            range: named.at..named.at + 1,
        });
        Some(Children { all: all.collect(), before: body.start..body.start, after: body.end..body.end })
    }

    pub(super) fn in_table(&self, at: usize) -> bool {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..at].trim_start().starts_with('|')
    }
}

/// Whether items are short enough to be a row of works, not paragraphs of advice.
fn short(items: &[Item]) -> bool {
    items.len() <= 12 && items.iter().all(|item| item.text.len() <= 2000)
}
