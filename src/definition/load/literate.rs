//! Literate workflows: a Markdown file whose headings with attributes are steps.
//!
//! The headings are turned into the same tree that YAML is read into, so that every rule of the language holds for
//! both. The only module that names `pulldown-cmark`.

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::{
    base::{Source, Span, codes::definition as codes},
    definition::load::{
        faults::Faults,
        names::legal_id,
        node::{Entry, Kind, Node},
        yaml,
    },
};

/// Keys that a heading may name without a value.
const FLAGS: [&str; 5] = ["parallel", "loop", "approve", "ask", "stop"];
/// Kinds that take no prompt; the text below their heading is for people.
const KINDS: [&str; 11] =
    ["run", "approve", "ask", "wait", "emit", "stop", "parallel", "each", "loop", "workflow", "plan"];
const LOOP_KEYS: [&str; 3] = ["max", "until", "on_max"];

/// A heading with attributes, and what stands below it.
struct Heading<'a> {
    level: HeadingLevel,
    span: Span,
    entries: Vec<Entry<'a>>,
    gates: Vec<Node<'a>>,
    /// Pieces of the text, without the marked blocks.
    text: Vec<Range<usize>>,
    children: Vec<Heading<'a>>,
}

/// The steps of a Markdown text, or `None` if no heading has attributes. All places are places in the source.
pub(super) fn steps<'a>(source: &'a Source, body: Range<usize>, faults: &mut Faults) -> Option<Node<'a>> {
    let span = Span::new(body.clone());
    let headings = headings(source, body, faults);
    if headings.is_empty() {
        return None;
    }
    let steps = headings.into_iter().map(|heading| heading.into_node(source, faults)).collect();
    Some(Node::list(steps, span))
}

/// Reads the headings into a tree by their levels.
fn headings<'a>(source: &'a Source, body: Range<usize>, faults: &mut Faults) -> Vec<Heading<'a>> {
    let mut stack: Vec<Heading<'a>> = Vec::new();
    let mut roots: Vec<Heading<'a>> = Vec::new();
    // Where the text of the innermost step goes on from; `None` while no step is open for text.
    let mut from: Option<usize> = None;
    let shift = |range: Range<usize>| range.start + body.start..range.end + body.start;
    let mut block: Option<(Range<usize>, &str, Range<usize>)> = None;
    let parser = Parser::new_ext(&source.text[body.clone()], Options::ENABLE_HEADING_ATTRIBUTES).into_offset_iter();
    for (event, range) in parser {
        let range = shift(range);
        match event {
            Event::Start(Tag::Heading { level, id, classes, attrs }) => {
                let written = &source.text[range.clone()];
                let step = id.is_some() || !attrs.is_empty() || !classes.is_empty();
                if !step && looks_like_attributes(written) {
                    bad_attributes(written, &range, faults);
                }
                let ends = stack.last().is_some_and(|open| level <= open.level);
                if !step && !ends {
                    continue;
                }
                if let (Some(open), Some(start)) = (stack.last_mut(), from) {
                    open.text.push(start..range.start);
                }
                from = None;
                while stack.last().is_some_and(|open| level <= open.level) {
                    shut(&mut stack, &mut roots);
                }
                if step {
                    let entries = attributes(source, &range, id.as_deref(), &classes, &attrs, faults);
                    from = Some(range.end);
                    let span = Span::new(range.start..range.start + written.trim_end().len());
                    let (gates, text, children) = Default::default();
                    stack.push(Heading { level, span, entries, gates, text, children });
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if from.is_some() => {
                block = block_word(&info).map(|word| (range.clone(), word, range.end..range.start));
            }
            Event::Text(_) => {
                if let Some((_, _, inner)) = &mut block {
                    *inner = inner.start.min(range.start)..inner.end.max(range.end);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let (Some((whole, word, inner)), Some(open), Some(start)) = (block.take(), stack.last_mut(), from) {
                    open.text.push(start..whole.start);
                    from = Some(whole.end);
                    open.block(source, word, inner, faults);
                }
            }
            // Everything else is text of the step that it stands in.
            _ => {}
        }
    }
    if let (Some(open), Some(start)) = (stack.last_mut(), from) {
        open.text.push(start..body.end);
    }
    while !stack.is_empty() {
        shut(&mut stack, &mut roots);
    }
    roots
}

/// The word that marks a fenced block as part of the step.
fn block_word(info: &str) -> Option<&'static str> {
    ["gate", "step"].into_iter().find(|word| info.split_whitespace().any(|found| found == *word))
}

fn shut<'a>(stack: &mut Vec<Heading<'a>>, roots: &mut Vec<Heading<'a>>) {
    let Some(done) = stack.pop() else { return };
    match stack.last_mut() {
        Some(parent) => parent.children.push(done),
        None => roots.push(done),
    }
}

fn looks_like_attributes(written: &str) -> bool {
    written.contains("{#")
        || written.trim_end().trim_end_matches('#').trim_end().ends_with('}')
            && written.contains(" {")
            && written.contains('=')
}

fn bad_attributes(written: &str, range: &Range<usize>, faults: &mut Faults) {
    let open = written.find('{').unwrap_or(0);
    let length = written[open..].trim_end().len();
    faults.error(
        codes::HEADING,
        Span::new(range.start + open..range.start + open + length),
        "the attributes of this heading cannot be read",
        "they are words without spaces, closed by `}` at the end of the line",
        "write for example `## Design {#design agent=architect}`; put all else into a fenced `step` block",
    );
}

type Attribute<'e> = (pulldown_cmark::CowStr<'e>, Option<pulldown_cmark::CowStr<'e>>);

/// The attributes of a heading as keys of a step.
fn attributes<'a>(
    source: &'a Source,
    range: &Range<usize>,
    id: Option<&str>,
    classes: &[pulldown_cmark::CowStr<'_>],
    attrs: &[Attribute<'_>],
    faults: &mut Faults,
) -> Vec<Entry<'a>> {
    let written = &source.text[range.clone()];
    let open = written.rfind('{').unwrap_or(0);
    let find = |text: &str| {
        let at = written[open..].find(text).map_or(range.start, |at| range.start + open + at);
        Span::new(at..at + text.len())
    };
    let mut entries = Vec::new();
    match id {
        Some(id) => {
            let mut span = find(&format!("#{id}"));
            span.start += 1;
            push(&mut entries, "id", span, Node::text(id.to_owned(), span), faults);
        }
        None => {
            let title = written[..open].trim_start_matches(['#', ' ']).trim();
            let span = Span::new(range.start..range.start + open);
            push(&mut entries, "id", span, Node::text(legal_id(title), span), faults);
        }
    }
    for class in classes {
        let span = find(&format!(".{class}"));
        let help = format!("write `{class}=…`, or remove it");
        faults.error(codes::HEADING, span, format!("`.{class}` means nothing here"), "a step has no classes", help);
    }
    for (key, value) in attrs {
        let span = find(key);
        match value {
            Some(value) => {
                let at = Span::new(span.end + 1..span.end + 1 + value.len());
                push(&mut entries, key, span, attribute_value(key, value, at), faults);
            }
            None if FLAGS.contains(&key.as_ref()) => push(&mut entries, key, span, Node::word("", span), faults),
            None if key.as_ref() == "optional" => push(&mut entries, key, span, Node::word("true", span), faults),
            None => {
                let help = format!("write `{key}=…`");
                faults.error(codes::HEADING, span, format!("`{key}` has no value"), "this attribute needs one", help);
            }
        }
    }
    entries
}

fn attribute_value<'a>(key: &str, value: &str, span: Span) -> Node<'a> {
    let value = value.trim_matches('"');
    match key {
        "needs" => {
            let ids = value.split(',').filter(|id| !id.is_empty()).map(|id| Node::text(id.to_owned(), span)).collect();
            Node::list(ids, span)
        }
        _ => Node::word(value.to_owned(), span),
    }
}

/// Adds a key; reports the second one of a name.
fn push<'a>(entries: &mut Vec<Entry<'a>>, key: &str, key_span: Span, value: Node<'a>, faults: &mut Faults) {
    if entries.iter().any(|entry| entry.key == key) {
        let message = format!("the key `{key}` is written twice");
        faults.error(codes::DUPLICATE_KEY, key_span, message, "second time here", "keep one of them");
        return;
    }
    entries.push(Entry { key: Cow::Owned(key.to_owned()), key_span, value });
}

impl<'a> Heading<'a> {
    /// A fenced block marked `gate` or `step`.
    fn block(&mut self, source: &'a Source, word: &str, inner: Range<usize>, faults: &mut Faults) {
        let inner = if inner.start > inner.end { self.span.end..self.span.end } else { inner };
        let span = Span::new(inner.start..inner.start + source.text[inner.clone()].trim_end().len());
        if word == "gate" {
            let command = Node::text(source.text[span.start..span.end].to_owned(), span);
            let entry = Entry { key: Cow::Borrowed("run"), key_span: span, value: command };
            self.gates.push(Node::map(vec![entry], span));
            return;
        }
        let Some(node) = yaml::parse(source, inner, faults) else { return };
        match node.kind {
            Kind::Map(entries) => {
                for entry in entries {
                    push(&mut self.entries, &entry.key, entry.key_span, entry.value, faults);
                }
            }
            _ if node.is_nothing() => {}
            _ => {
                let help = "write keys of the step, one `key: value` a line";
                faults.error(
                    codes::WRONG_TYPE,
                    span,
                    "a `step` block holds keys",
                    format!("found {}", node.describe()),
                    help,
                );
            }
        }
    }

    fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The step as the tree that YAML would give.
    fn into_node(mut self, source: &'a Source, faults: &mut Faults) -> Node<'a> {
        let span = self.span;
        self.loop_keys(span);
        if !self.gates.is_empty() {
            self.add_gates();
        }
        self.add_text(source, faults);
        if !self.children.is_empty() {
            let key = if self.has("parallel") { "parallel" } else { "steps" };
            if key == "parallel" {
                self.entries.retain(|entry| entry.key != "parallel" || !entry.value.is_nothing());
            } else if !self.has("each") && !self.has("loop") {
                faults.error(
                    codes::HEADING,
                    span,
                    "this step has steps below it, but is no container",
                    "deeper headings with attributes are its children",
                    "add `parallel`, `each=EXPRESSION` or `loop max=3` to its attributes, or make the headings as deep as this one",
                );
                return Node { kind: Kind::Broken, ..Node::word("", span) };
            }
            let children = std::mem::take(&mut self.children);
            let children = children.into_iter().map(|child| child.into_node(source, faults)).collect();
            push(&mut self.entries, key, span, Node::list(children, span), faults);
        }
        Node::map(self.entries, span)
    }

    /// `loop max=3 until=x` to `loop: { max: 3, until: x }`.
    fn loop_keys(&mut self, span: Span) {
        if !self.entries.iter().any(|entry| entry.key == "loop" && entry.value.is_nothing()) {
            return;
        }
        let (inner, mut rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.entries).into_iter().partition(|entry| LOOP_KEYS.contains(&entry.key.as_ref()));
        if let Some(flag) = rest.iter_mut().find(|entry| entry.key == "loop") {
            flag.value = Node::map(inner, span);
        }
        self.entries = rest;
    }

    /// Gate blocks come after the gates of the `step` block.
    fn add_gates(&mut self) {
        let gates = std::mem::take(&mut self.gates);
        match self.entries.iter_mut().find(|entry| entry.key == "gate") {
            Some(Entry { value: Node { kind: Kind::List(items), .. }, .. }) => items.extend(gates),
            // A `gate:` that is no list is reported by its reader.
            Some(_) => {}
            None => {
                let span = gates.first().map_or(self.span, |gate| gate.span);
                let entry = Entry { key: Cow::Borrowed("gate"), key_span: span, value: Node::list(gates, span) };
                self.entries.push(entry);
            }
        }
    }

    /// The text is the prompt, or the question of `approve`, `ask` and `stop`; of other kinds it is for people.
    fn add_text(&mut self, source: &'a Source, faults: &mut Faults) {
        let pieces: Vec<&str> =
            self.text.iter().map(|piece| source.text[piece.clone()].trim()).filter(|piece| !piece.is_empty()).collect();
        if pieces.is_empty() {
            return;
        }
        let (first, last) =
            (self.text.first().map_or(0, |piece| piece.start), self.text.last().map_or(0, |piece| piece.end));
        let lead = source.text[first..last].len() - source.text[first..last].trim_start().len();
        let span = Span::new(first + lead..first + source.text[first..last].trim_end().len());
        let text = match pieces.as_slice() {
            [one] => Cow::Borrowed(*one),
            many => Cow::Owned(many.join("\n\n")),
        };
        let node = Node::text(text, span);
        let question = self.entries.iter_mut().find(|entry| ["approve", "ask", "stop"].contains(&entry.key.as_ref()));
        if let Some(entry) = question {
            if entry.value.is_nothing() {
                entry.value = node;
            }
        } else if !KINDS.iter().any(|kind| self.entries.iter().any(|entry| entry.key == *kind))
            && self.children.is_empty()
        {
            push(&mut self.entries, "prompt", span, node, faults);
        }
    }
}
