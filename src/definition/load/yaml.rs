//! Text to [`Node`]s, within limits.
//!
//! Goes through the event parser of `serde_yaml`, not through serde: events keep the exact text and place of every
//! scalar, nothing recurses, and reading stops at the first event beyond a limit. This module and `yaml_fault` are
//! the only ones that name the crate.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, hash_map},
    ops::Range,
    rc::Rc,
};

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span as Mark, StructureStyle, Tag};

use crate::{
    base::{Diagnostic, Source, Span, codes::definition as codes},
    definition::load::{
        faults::Faults,
        node::{Entry, Kind, Node},
        yaml_fault,
    },
};

const DEPTH_MAX: u8 = 32;
const NODES_MAX: u32 = 400_000;
const ANCHORS_MAX: usize = 256;
const ALIASES_MAX: usize = 4096;
const MERGE_KEYS_MAX: usize = 1024;
/// Keys of a mapping that are compared one by one; more of them go into a set.
const FEW_KEYS: usize = 12;

/// Reading cannot go on; the fault is reported.
struct Stopped;

/// Reads one document from a range of the source. `None` means that a fault was reported. An empty text gives nothing.
///
/// All places are places in the whole source.
pub(super) fn parse<'a>(source: &'a Source, range: Range<usize>, faults: &mut Faults) -> Option<Node<'a>> {
    read(&source.text[range.clone()], range.start, false, faults)
}

/// Reads the frontmatter of a file that may be written for another tool: of two equal keys the last one wins, unknown
/// tags are text, and a text in `{{ }}` is a text; each with a warning. `None` means that an error was reported.
///
/// The text starts at byte `base` of the source; it may be a repaired copy.
pub(super) fn parse_lenient<'a>(text: &'a str, base: usize, faults: &mut Faults) -> Option<Node<'a>> {
    let node = read(text, base, true, faults)?;
    (!faults.failed()).then_some(node)
}

fn read<'a>(text: &'a str, base: usize, lenient: bool, faults: &mut Faults) -> Option<Node<'a>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // The parser reads ahead; its own limits stop it before the events that the builder would stop at.
    options.flow_nesting_limit = usize::from(DEPTH_MAX);
    options.block_nesting_limit = usize::from(DEPTH_MAX);
    let mut builder = Builder {
        text,
        base,
        lenient,
        faults,
        stack: Vec::new(),
        anchors: HashMap::new(),
        anchor_names: 0,
        root: None,
        documents: 0,
        nodes: 0,
        aliases: 0,
        merges: 0,
    };
    for step in Parser::new_from_str_with_options(text, options) {
        match step {
            Ok((event, mark)) => builder.event(event, &mark).ok()?,
            Err(error) => {
                let bracket = builder.stack.iter().rev().find(|frame| frame.flow).map(|frame| frame.start);
                let fault = yaml_fault::fault(builder.faults.source(), base, text, &error, bracket);
                builder.faults.add(fault);
                return None;
            }
        }
    }
    let empty = Span::new(base..base);
    Some(builder.root.unwrap_or_else(|| Node::word("", empty)))
}

/// A collection that is not closed yet.
pub(super) struct Frame<'a> {
    start: usize,
    anchor: usize,
    broken: bool,
    /// Whether it turned out to be a text in braces.
    braces: bool,
    /// Whether it is written with brackets.
    pub(super) flow: bool,
    body: Body<'a>,
}

enum Body<'a> {
    List(Vec<Node<'a>>),
    Map {
        entries: Vec<Entry<'a>>,
        key: Option<(Cow<'a, str>, Span)>,
        seen: HashMap<Cow<'a, str>, usize>,
        merges: Vec<Node<'a>>,
    },
}

pub(super) struct Builder<'a, 'f> {
    pub(super) text: &'a str,
    pub(super) base: usize,
    /// Whether other tools' habits are read with a warning.
    lenient: bool,
    pub(super) faults: &'f mut Faults,
    pub(super) stack: Vec<Frame<'a>>,
    anchors: HashMap<usize, Rc<Node<'a>>>,
    anchor_names: usize,
    root: Option<Node<'a>>,
    documents: usize,
    nodes: u32,
    aliases: usize,
    merges: usize,
}

impl<'a> Builder<'a, '_> {
    fn event(&mut self, event: Event<'a>, mark: &Mark) -> Result<(), Stopped> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.faults.error(
                        codes::YAML_LIMIT,
                        self.span(mark),
                        "more than one document in a file",
                        "a second one starts here",
                        "remove the `---` between them, or make two files",
                    );
                    return Err(Stopped);
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if let (true, Some(tag)) = (self.lenient, tag.as_deref())
                    && !tag.is_yaml_core_schema_tag("str")
                {
                    let node = self.tagged(mark);
                    return self.complete(node, anchor);
                }
                let forced = self.tag(tag.as_deref(), mark);
                let plain = style == ScalarStyle::Plain && !forced;
                let kind = Kind::Scalar { text, plain };
                self.complete(Node { span: self.span(mark), weight: 1, depth: 1, kind }, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), mark);
                self.open(Body::List(Vec::new()), style, anchor, mark)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), mark);
                let body = Body::Map { entries: Vec::new(), key: None, seen: HashMap::new(), merges: Vec::new() };
                self.open(body, style, anchor, mark)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(mark),
            Event::Alias(id) => self.alias(id, mark),
            // Comments and stream marks hold no data.
            _ => Ok(()),
        }
    }

    fn span(&self, mark: &Mark) -> Span {
        let range = mark.byte_range().unwrap_or(0..0);
        let end = range.start + self.text.get(range.clone()).map_or(0, |text| text.trim_end().len());
        Span::new(self.base + range.start..self.base + end)
    }

    /// Reports a refused tag; says whether the value is forced to be a text.
    fn tag(&mut self, tag: Option<&Tag>, mark: &Mark) -> bool {
        let Some(tag) = tag else { return false };
        if tag.is_yaml_core_schema_tag("str") {
            return true;
        }
        if self.faults.is_full() {
            self.faults.skip();
            return false;
        }
        let span = mark.tag_span().map_or_else(|| self.span(mark), |tag_mark| self.span(&tag_mark));
        let name = self.text.get(span.start - self.base..span.end - self.base).unwrap_or_default();
        let name: String = name.chars().take(60).collect();
        if self.lenient {
            self.dropped_tag(&name, span);
            return false;
        }
        self.faults.error(
            codes::YAML_TAG,
            span,
            format!("the tag `{name}` is refused"),
            "tags ask for special values",
            "remove the tag; quote the value if it is a text",
        );
        false
    }

    fn open(&mut self, body: Body<'a>, style: StructureStyle, anchor: usize, mark: &Mark) -> Result<(), Stopped> {
        if self.stack.len() >= usize::from(DEPTH_MAX) {
            return Err(self.limit(
                self.span(mark),
                "32 levels of nesting",
                "write the inner part as a workflow of its own and call it",
            ));
        }
        let start = self.base + mark.byte_range().unwrap_or(0..0).start;
        self.stack.push(Frame {
            start,
            anchor,
            broken: false,
            braces: false,
            flow: style == StructureStyle::Flow,
            body,
        });
        Ok(())
    }

    fn close(&mut self, mark: &Mark) -> Result<(), Stopped> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let end = mark.byte_range().unwrap_or(0..0).end;
        let start = frame.start.min(self.base + end);
        let length = self.text[start - self.base..end].trim_end().len();
        let span = Span::new(start..start + length);
        let kind = match frame.body {
            _ if frame.braces => {
                // A mapping in braces that holds a mapping in braces: the text goes on to the second `}}`.
                let text = self.text.get(start - self.base..start - self.base + length).unwrap_or_default();
                self.assumed_text(
                    text,
                    span,
                    "braces that hold no mapping",
                    "YAML reads a brace as the start of a mapping",
                );
                Kind::Scalar { text: Cow::Borrowed(text), plain: false }
            }
            _ if frame.broken => Kind::Broken,
            Body::List(items) => Kind::List(items),
            Body::Map { mut entries, merges, .. } => {
                self.merge(&mut entries, &merges)?;
                Kind::Map(entries)
            }
        };
        let (mut weight, mut depth) = (0u32, 0u8);
        let children: &mut dyn Iterator<Item = &Node<'a>> = match &kind {
            Kind::List(items) => &mut items.iter(),
            Kind::Map(entries) => &mut entries.iter().map(|entry| &entry.value),
            Kind::Scalar { .. } | Kind::Shared(_) | Kind::Broken => &mut std::iter::empty(),
        };
        for child in children {
            weight = weight.saturating_add(child.weight).saturating_add(1);
            depth = depth.max(child.depth);
        }
        self.complete(
            Node { span, weight: weight.saturating_add(1), depth: depth.saturating_add(1), kind },
            frame.anchor,
        )
    }

    fn alias(&mut self, id: usize, mark: &Mark) -> Result<(), Stopped> {
        let span = self.span(mark);
        self.aliases += 1;
        if self.aliases > ALIASES_MAX {
            return Err(self.limit(
                span,
                "4096 aliases",
                "write the repeated part as a workflow of its own and call it",
            ));
        }
        let Some(shared) = self.anchors.get(&id).cloned() else {
            self.faults.error(
                codes::YAML_SYNTAX,
                span,
                "an alias stands inside the value that it names",
                "it would contain itself without end",
                "remove the alias",
            );
            return Err(Stopped);
        };
        self.count(shared.weight, span)?;
        if usize::from(shared.depth) + self.stack.len() > usize::from(DEPTH_MAX) {
            return Err(self.limit(span, "32 levels of nesting, aliases written out", "remove the alias"));
        }
        let node = Node { span, weight: shared.weight, depth: shared.depth, kind: Kind::Shared(shared) };
        self.place(node)
    }

    fn count(&mut self, nodes: u32, span: Span) -> Result<(), Stopped> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(self.limit(span, "400000 values, aliases written out", "split the definition"));
        }
        Ok(())
    }

    fn limit(&mut self, span: Span, what: &str, help: &str) -> Stopped {
        self.faults.error(codes::YAML_LIMIT, span, format!("more than {what}"), "the limit is passed here", help);
        Stopped
    }

    /// A value is whole: names it if it has an anchor, and puts it where it belongs.
    fn complete(&mut self, node: Node<'a>, anchor: usize) -> Result<(), Stopped> {
        self.count(1, node.span)?;
        if anchor == 0 {
            return self.place(node);
        }
        self.anchor_names += 1;
        if self.anchor_names > ANCHORS_MAX {
            return Err(self.limit(
                node.span,
                "256 anchors",
                "write the repeated part as a workflow of its own and call it",
            ));
        }
        let (span, weight, depth) = (node.span, node.weight, node.depth);
        let shared = Rc::new(node);
        self.anchors.insert(anchor, Rc::clone(&shared));
        self.place(Node { span, weight, depth, kind: Kind::Shared(shared) })
    }

    fn place(&mut self, node: Node<'a>) -> Result<(), Stopped> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.body {
            Body::List(items) => items.push(node),
            Body::Map { key, .. } if key.is_none() => return self.key(node),
            Body::Map { entries, key, seen, merges } => {
                let (name, key_span) = key.take().expect("the arm above took the case without a key");
                if name == "<<" {
                    merges.push(node);
                    return Ok(());
                }
                let few = entries.len() < FEW_KEYS;
                if !few && seen.is_empty() {
                    seen.extend(entries.iter().enumerate().map(|(place, entry)| (entry.key.clone(), place)));
                }
                let first = if few {
                    entries.iter().position(|entry| entry.key == name)
                } else {
                    match seen.entry(name.clone()) {
                        hash_map::Entry::Occupied(first) => Some(*first.get()),
                        hash_map::Entry::Vacant(free) => {
                            free.insert(entries.len());
                            None
                        }
                    }
                };
                match first {
                    None => entries.push(Entry { key: name, key_span, value: node }),
                    Some(first) if self.lenient => {
                        let last = Entry { key: name.clone(), key_span, value: node };
                        let first = std::mem::replace(&mut entries[first], last);
                        self.last_wins(&name, key_span, &first);
                    }
                    Some(first) => {
                        let first = entries[first].key_span;
                        self.twice(&name, key_span, Some(first));
                    }
                }
            }
        }
        Ok(())
    }

    fn twice(&mut self, name: &str, span: Span, first: Option<Span>) {
        let shown: String = name.chars().take(60).collect();
        let mut fault = Diagnostic::error(
            codes::DUPLICATE_KEY,
            self.faults.source(),
            span,
            format!("the key `{shown}` is written twice"),
        )
        .cause("second time here")
        .help("keep one of them");
        if let Some(first) = first {
            fault = fault.label(first, "first time here");
        }
        self.faults.add(fault);
    }

    /// The value is a key of the innermost mapping.
    fn key(&mut self, node: Node<'a>) -> Result<(), Stopped> {
        let text = match node.kind() {
            Kind::Scalar { text, plain } if !(*plain && text.is_empty()) => Some(text.clone()),
            Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) | Kind::Shared(_) | Kind::Broken => None,
        };
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        let frame_start = frame.start;
        let Body::Map { key, .. } = &mut frame.body else { return Ok(()) };
        if let Some(text) = text {
            *key = Some((text, node.span));
            return Ok(());
        }
        // The mapping is lost, but what stands around it is still read.
        *key = Some((Cow::Borrowed(""), node.span));
        let after = &self.text[frame_start - self.base..];
        if self.lenient && frame.flow && after.starts_with("{{") {
            frame.braces = true;
            return Ok(());
        }
        let reported = std::mem::replace(&mut frame.broken, true) || node.is_broken();
        if reported {
            return Ok(());
        }
        if after.starts_with("{{") {
            let end = after.find("}}").map_or(2, |end| end + 2);
            let text: String = after[..end].chars().take(60).collect();
            self.faults.error(
                codes::YAML_SYNTAX,
                Span::new(frame_start..frame_start + end),
                "a text that starts with `{{` needs quotes",
                "YAML reads a brace as the start of a mapping",
                format!("write \"{text}\""),
            );
        } else {
            self.faults.error(
                codes::YAML_SYNTAX,
                node.span,
                "a key must be a text",
                format!("{} cannot be a key", node.describe()),
                "write `key: value`; quote the key if it has special characters",
            );
        }
        Ok(())
    }

    /// Adds what `<<` names. Keys of the mapping itself win, then earlier merges.
    fn merge(&mut self, entries: &mut Vec<Entry<'a>>, merges: &[Node<'a>]) -> Result<(), Stopped> {
        if merges.is_empty() {
            return Ok(());
        }
        let mut seen: HashSet<Cow<'a, str>> = entries.iter().map(|entry| entry.key.clone()).collect();
        for merge in merges {
            let parts = merge.as_list().unwrap_or(std::slice::from_ref(merge));
            for part in parts {
                self.merges += 1;
                if self.merges > MERGE_KEYS_MAX {
                    return Err(self.limit(
                        part.span,
                        "1024 merge keys",
                        "write the repeated part as a workflow of its own",
                    ));
                }
                let Some(merged) = part.as_map() else {
                    self.faults.error(
                        codes::WRONG_TYPE,
                        part.span,
                        "`<<` takes a mapping",
                        format!("found {}", part.describe()),
                        "name a mapping that has an anchor: `<<: *base`",
                    );
                    continue;
                };
                self.count(part.weight, part.span)?;
                for entry in merged {
                    if seen.insert(entry.key.clone()) {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        Ok(())
    }
}
