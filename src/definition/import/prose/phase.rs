//! One part of the text as steps: who does it, what of it happens at once, who has to agree, what must hold.

use std::ops::Range;

use crate::definition::import::{
    draft::{Draft, Kind, Phase, Piece, Reference, ReferenceForm, Step},
    known::{Found, Known},
    prose::{
        agents::{Named, agents},
        children::Children,
        lists::item,
        outline::{Block, BlockKind, blocks},
        phases::Part,
        words,
    },
    reader::Lines,
    text::{dedent, excerpt, is_risky, with_arguments},
};

/// Words of a text beside the parts of a step that need no mark: so few only lead over to them.
const LEAD_WORDS_MAX: usize = 11;
/// Words of a text between steps that need no mark.
pub(super) const BETWEEN_WORDS_MAX: usize = 4;

/// What is said of a part whose work at once has no parts.
pub(super) const NO_PARTS: &str = "speaks of work at once, but names no parts of it";

/// Turns parts into steps of a draft.
pub(super) struct Reading<'a> {
    pub text: &'a str,
    pub lines: Lines,
    pub known: &'a Known,
    pub draft: Draft,
}

impl Reading<'_> {
    /// The line on which the text at that place begins.
    pub fn line(&self, at: usize) -> usize {
        self.lines.line_of_text(self.text, at)
    }

    /// The steps of a part, and its entry in the list of phases.
    pub fn part(&mut self, part: &Part) -> Vec<Piece> {
        let line = self.line(part.whole.start);
        let head = if part.is_item { part.body.start } else { part.whole.start };
        let mut named = agents(&self.text[head..part.whole.end], self.known);
        named.iter_mut().for_each(|named| named.at += head);
        let (rest, decisions) = self.without_decisions(part);
        let children = self.children(part, &rest, &named);
        let is_parallel = children.is_some() && self.says_parallel(part, &rest).is_some();
        let mut pieces = match children {
            Some(children) if is_parallel => self.at_once(part, children),
            Some(children) => self.in_turn(part, children),
            None => self.alone(part, &rest, &named),
        };
        if !is_parallel && let Some(at) = self.says_parallel(part, &rest) {
            let mark = self.draft.mark(
                self.line(at),
                format!("`{}` {NO_PARTS}", excerpt(&part.title)),
                "one step does all of it",
                "split it into the steps of a `parallel` step, if they do not write the same files",
            );
            on_first(&mut pieces, |step| step.marks.push(mark));
        }
        self.conditional(part, line, &mut pieces);
        self.gates(part, &mut pieces);
        pieces.extend(decisions);
        self.remember(part, line, is_parallel, named, &pieces);
        pieces
    }

    /// The body without the checkpoints that a person decides, and the steps that they become.
    fn without_decisions(&mut self, part: &Part) -> (Vec<Range<usize>>, Vec<Piece>) {
        let (mut rest, mut steps) = (Vec::new(), Vec::new());
        let mut from = part.body.start;
        if part.is_item {
            return (vec![part.body.clone()], steps);
        }
        if words::checkpoint(&part.title).is_some_and(|_| words::asks_a_person(&self.text[part.whole.clone()])) {
            let text = format!("{}\n\n{}", part.title, self.text[part.body.clone()].trim());
            return (Vec::new(), vec![self.approval(part.level, &text, part.whole.start)]);
        }
        let all = blocks(self.text, part.body.clone());
        let mut place = 0;
        while let Some(block) = all.get(place) {
            place += 1;
            let written = &self.text[block.range.clone()];
            let is_text = matches!(block.kind, BlockKind::Text | BlockKind::Heading { .. });
            if !is_text || words::checkpoint(written).is_none() || !words::asks_a_person(written) {
                continue;
            }
            let mut end = block.range.end;
            // A list that the sentence leads to belongs to it.
            if written.trim_end().trim_end_matches('*').ends_with(':')
                && let Some(Block { kind: BlockKind::List { .. }, range }) = all.get(place)
            {
                end = range.end;
                place += 1;
            }
            rest.push(from..block.range.start);
            from = end;
            let text = self.text[block.range.start..end].trim().to_owned();
            let mut step = self.approval(part.level, &text, block.range.start);
            if !self.text[end..part.body.end].trim().is_empty() {
                let mark = self.draft.mark(
                    self.line(block.range.start),
                    format!("the checkpoint `{}` stands inside `{}`", excerpt(&text), excerpt(&part.title)),
                    "it is asked after the whole phase",
                    "split the phase if a person must decide before the rest of it",
                );
                on_first(std::slice::from_mut(&mut step), |step| step.marks.push(mark));
            }
            steps.push(step);
        }
        rest.push(from..part.body.end);
        (rest, steps)
    }

    fn approval(&mut self, level: usize, text: &str, _at: usize) -> Piece {
        let id = self.draft.id("approval");
        let (question, uses) = with_arguments(text.trim_start_matches(['#', ' ']));
        if uses {
            self.draft.needs_arguments("");
        }
        let mut step = Step::new(id, "Checkpoint", Kind::Approve(question));
        step.level = level;
        Piece::Step(step)
    }

    /// Children that start at once.
    fn at_once(&mut self, part: &Part, children: Children) -> Vec<Piece> {
        let id = self.draft.id(&words::short_title(&part.title));
        let mut step = Step::new(id, &part.title, Kind::Parallel);
        step.level = part.level;
        step.text = self.people(&children.before, LEAD_WORDS_MAX, &mut step.marks);
        for child in children.all {
            let made = step.ids.make(&words::short_title(&child.title));
            let mut inner = self.agent_step(made, &child.title, &child.text, &child.range);
            inner.level = part.level + 1;
            step.children.push(inner);
        }
        let mut pieces = vec![Piece::Step(step)];
        self.afterwards(part, &children.after, &mut pieces);
        pieces
    }

    /// Children one after the other; the part's heading stays as text for people.
    fn in_turn(&mut self, part: &Part, children: Children) -> Vec<Piece> {
        let mut marks = Vec::new();
        let before = self.people(&children.before, LEAD_WORDS_MAX, &mut marks);
        let text = format!("{} {}\n\n{before}", "#".repeat(part.level.clamp(1, 5)), part.title);
        let mut pieces = vec![Piece::Text { text: text.trim().to_owned(), marks }];
        let mut last = None;
        for child in children.all {
            if last.as_ref() == Some(&child.text) {
                let mark = self.draft.mark(
                    self.line(child.range.start),
                    format!("`{}` names several agents for one work", excerpt(&part.title)),
                    "they do it one after the other, each with the whole text",
                    "give each its own part of the text, or put them under a `parallel` step",
                );
                on_first(&mut pieces, |step| step.marks.push(mark));
            }
            last = Some(child.text.clone());
            let name = format!("{} {}", words::short_title(&part.title), words::short_title(&child.title));
            let id = self.draft.id(&name);
            let mut step = self.agent_step(id, &child.title, &child.text, &child.range);
            step.level = part.level + 1;
            pieces.push(Piece::Step(step));
        }
        self.afterwards(part, &children.after, &mut pieces);
        pieces
    }

    /// What stands behind the children is work as well.
    fn afterwards(&mut self, part: &Part, after: &Range<usize>, pieces: &mut Vec<Piece>) {
        let text = self.text[after.clone()].trim().to_owned();
        if text.is_empty() {
            return;
        }
        let is_short = text.split_whitespace().count() <= LEAD_WORDS_MAX;
        if is_short && pieces.iter().rev().any(|piece| matches!(piece, Piece::Step(step) if step.kind.is_parallel())) {
            on_last(pieces, |step| step.text = format!("{}\n\n{text}", step.text).trim().to_owned());
            return;
        }
        let title = format!("{}, then", words::short_title(&part.title));
        let id = self.draft.id(&title);
        let mut step = self.agent_step(id, &title, &text, after);
        step.level = part.level;
        let mark = self.draft.mark(
            self.line(after.start),
            format!("text behind the parts of `{}`", excerpt(&part.title)),
            "it is work, and a step of its own does it",
            "move it to the step that it is meant for, if it is none",
        );
        step.marks.push(mark);
        pieces.push(Piece::Step(step));
    }

    /// One step for the whole part.
    fn alone(&mut self, part: &Part, rest: &[Range<usize>], named: &[Named]) -> Vec<Piece> {
        let texts: Vec<&str> =
            rest.iter().map(|range| self.text[range.clone()].trim()).filter(|text| !text.is_empty()).collect();
        let text = if part.is_item { item(self.text, part.body.clone()).text } else { dedent(&texts.join("\n\n")) };
        if rest.is_empty() {
            return Vec::new();
        }
        // A heading without a text is an order by itself.
        let text = if text.is_empty() { part.title.clone() } else { text };
        let id = self.draft.id(&words::short_title(&part.title));
        let whole = part.whole.clone();
        let mut step = self.agent_step(id, &part.title, &text, &whole);
        step.level = part.level;
        let in_tables: Vec<&str> =
            named.iter().filter(|named| self.in_table(named.at)).map(|named| named.name.as_str()).collect();
        if !in_tables.is_empty() {
            let mark = self.draft.mark(
                self.line(part.whole.start),
                format!("a table of `{}` chooses between agents: {}", excerpt(&part.title), in_tables.join(", ")),
                "no agent is chosen by the table",
                "name the agent, or write one step with `when:` for each row",
            );
            step.marks.push(mark);
        }
        vec![Piece::Step(step)]
    }

    /// A step whose agent is the one that its text names.
    pub fn agent_step(&mut self, id: String, title: &str, text: &str, range: &Range<usize>) -> Step {
        let line = self.line(range.start);
        let mut named: Vec<Named> =
            agents(title, self.known).into_iter().map(|named| Named { at: range.start, ..named }).collect();
        let inside = agents(&self.text[range.clone()], self.known).into_iter();
        named.extend(
            inside.map(|named| Named { at: range.start + named.at, ..named }).filter(|named| !self.in_table(named.at)),
        );
        if named.is_empty() && (self.known.is_agent(title) || title.contains('-') && !title.contains(' ')) {
            named.push(Named { name: title.to_owned(), at: range.start, form: ReferenceForm::Plain });
        }
        let (prompt, uses) = with_arguments(if text.is_empty() { title } else { text });
        if uses {
            self.draft.needs_arguments("");
        }
        let mut marks = Vec::new();
        let agent = named.first().and_then(|named| self.bind(&named.name, self.lines.line(named.at), &mut marks));
        let mut seen = std::collections::BTreeSet::new();
        let others: Vec<String> = named
            .iter()
            .filter(|other| {
                crate::definition::normal_name(&other.name) != crate::definition::normal_name(&named[0].name)
            })
            .filter(|other| seen.insert(other.name.clone()))
            .map(|other| format!("`{}`", other.name))
            .collect();
        if !others.is_empty() && !self.known_pair(title, &named) {
            marks.push(self.draft.mark(
                line,
                format!("`{}` names other agents as well: {}", excerpt(title), others.join(", ")),
                "the first one does all of it",
                "split the step if the others have work of their own",
            ));
        }
        let mut step = Step::new(id, title, Kind::Agent { agent, prompt });
        step.marks = marks;
        step.line = line;
        step
    }

    /// Whether the step is one agent's part of a work that several share.
    fn known_pair(&self, title: &str, named: &[Named]) -> bool {
        named.first().is_some_and(|first| first.name == title)
    }

    /// The agent of a name; a name that nobody has is marked.
    fn bind(&mut self, name: &str, line: usize, marks: &mut Vec<usize>) -> Option<String> {
        match self.known.agent(name) {
            Found::Agent(agent) => Some(agent),
            Found::Default => None,
            Found::Nobody(near) => {
                let edit = match near {
                    Some(near) => format!("write `agent: {near}` if that one is meant, or add an agent `{name}`"),
                    None => format!("add an agent `{name}`, or name another one"),
                };
                let what = format!("there is no agent `{name}`");
                marks.push(self.draft.mark(line, what, "the step runs on the default agent", edit));
                None
            }
        }
    }

    /// A text for people, marked if it is more than a few words that lead over. Headings do not count.
    pub fn people(&mut self, range: &Range<usize>, words_max: usize, marks: &mut Vec<usize>) -> String {
        let text = self.text[range.clone()].trim().to_owned();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        if lines.map(|line| line.split_whitespace().count()).sum::<usize>() > words_max {
            marks.push(self.draft.mark(
                self.line(range.start),
                format!("text outside of the steps: `{}`", excerpt(&text)),
                "it is for people, and no agent is told it",
                "move what an agent must know into the prompts",
            ));
        }
        text
    }

    /// `(If Needed)`: a run says by an input whether the steps run.
    fn conditional(&mut self, part: &Part, line: usize, pieces: &mut [Piece]) {
        let own = words::condition(&part.title).map(str::to_owned);
        let Some(condition) = own.or_else(|| part.condition.clone()) else { return };
        let title = words::short_title(&part.title);
        let on = !is_risky(&part.title);
        let name = self.draft.switch(&title, on, format!("Whether to do: {title} ({condition})"));
        let mark = self.draft.mark(
            line,
            format!("`{}` has a condition in words: {condition}", excerpt(&part.title)),
            &format!(
                "the input `{name}` decides; without it {}",
                if on { "the step runs" } else { "the step is skipped" }
            ),
            "replace `when:` by an expression over what earlier steps found",
        );
        let mut is_first = true;
        for piece in pieces {
            let Piece::Step(step) = piece else { continue };
            step.set("when", format!("inputs.{name}"));
            if std::mem::take(&mut is_first) {
                step.marks.push(mark);
            }
        }
    }

    /// Writes the part and the agents that it names into the lists.
    fn remember(&mut self, part: &Part, line: usize, parallel: bool, named: Vec<Named>, pieces: &[Piece]) {
        let (mut steps, mut gates) = (Vec::new(), Vec::new());
        for piece in pieces {
            if let Piece::Step(step) = piece {
                steps.push(step.id.clone());
                steps.extend(step.children.iter().map(|child| format!("{}/{}", step.id, child.id)));
                gates.extend(step.gates.iter().filter_map(|gate| gate.as_str().map(str::to_owned)));
            }
        }
        let names = named.iter().map(|named| named.name.clone()).collect();
        for named in named {
            let (resolved_to, suggestion) = match self.known.agent(&named.name) {
                Found::Agent(agent) => (Some(agent), None),
                Found::Default => (None, None),
                Found::Nobody(near) => (None, near),
            };
            let form = if self.in_table(named.at) { ReferenceForm::Table } else { named.form };
            let line = self.lines.line(named.at);
            self.draft.references.push(Reference { target: named.name, form, line, resolved_to, suggestion });
        }
        let title = part.title.clone();
        let weight = words::weight(&part.title);
        self.draft.phases.push(Phase { title, line, weight, parallel, agents: names, gates, steps });
    }
}

fn on_first(pieces: &mut [Piece], change: impl FnOnce(&mut Step)) {
    let step = pieces.iter_mut().find_map(|piece| if let Piece::Step(step) = piece { Some(step) } else { None });
    if let Some(step) = step {
        change(step);
    }
}

pub(super) fn on_last(pieces: &mut [Piece], change: impl FnOnce(&mut Step)) {
    let step = pieces.iter_mut().rev().find_map(|piece| if let Piece::Step(step) = piece { Some(step) } else { None });
    if let Some(step) = step {
        change(step);
    }
}
