//! One workflow document, whatever its form: YAML, the second dialect, or Markdown.

use std::{borrow::Cow, ops::Range};

use crate::{
    base::Span,
    definition::{
        NamedGate, Origin,
        load::{
            faults::Faults,
            files::Folder,
            keys::{NAMED_GATE, WORKFLOW},
            node::{Entry, Node},
            parts::Parts,
            reader::Reader,
            shape::Fields,
            yaml,
        },
        workflow::Workflow,
    },
};

/// Reads a YAML file of workflows. Empty if there is a fault.
pub(super) fn workflows(origin: &Origin, name: &str, folder: &Folder, faults: &mut Faults) -> Vec<Workflow> {
    let source = &*origin.source;
    let Some(node) = yaml::parse(source, 0..source.text.len(), faults) else { return Vec::new() };
    let mut reader = Reader { source, faults, folder, steps: 0, secrets: Vec::new() };
    let dialect = node.as_map().is_some_and(|keys| keys.iter().any(|entry| entry.key == "workflows"));
    let found = if dialect { reader.dialect(&node) } else { reader.workflow(&node, name).into_iter().collect() };
    if faults.failed() { Vec::new() } else { found }
}

/// Joins the keys of a frontmatter and the steps of the headings below it.
pub(super) fn assemble<'a>(
    reader: &mut Reader<'_, '_>,
    mut keys: Vec<Entry<'a>>,
    steps: Option<Node<'a>>,
    body: Range<usize>,
    name: &str,
) -> Option<Workflow> {
    let span = Span::new(0..body.end);
    if let Some(steps) = steps {
        let twice = keys.iter().find(|entry| entry.key == "steps");
        if let Some(entry) = twice {
            let (cause, help) = ("headings with attributes are steps too", "keep one of the two");
            reader.faults.error(
                crate::base::codes::definition::CONFLICT,
                entry.key_span,
                "this file has steps in two places",
                cause,
                help,
            );
            return None;
        }
        let key_span = Span::new(body.start..body.start);
        keys.push(Entry { key: Cow::Borrowed("steps"), key_span, value: steps });
    }
    reader.workflow(&Node::map(keys, span), name)
}

/// The keys of a command's frontmatter that belong to its workflow.
pub(super) fn workflow_keys<'a>(parts: &Parts<'a>) -> Vec<Entry<'a>> {
    let known = |entry: &&Entry<'a>| entry.key != "name" && WORKFLOW.keys.iter().any(|key| key.name == entry.key);
    parts.keys.iter().filter(known).cloned().collect()
}

/// Reads a file of a named gate.
pub(super) fn named_gate(origin: &Origin, name: &str, folder: &Folder, faults: &mut Faults) -> Option<NamedGate> {
    let source = &*origin.source;
    let node = yaml::parse(source, 0..source.text.len(), faults)?;
    let mut reader = Reader { source, faults, folder, steps: 0, secrets: Vec::new() };
    let mut fields = Fields::open(&node, &NAMED_GATE, reader.faults)?;
    reader.text_of(fields.take("$schema"));
    let name = reader.name(fields.take("name")).map_or_else(|| name.to_owned(), |name| name.value);
    let description = reader.text_of(fields.take("description")).map(|text| text.value).unwrap_or_default();
    let checks = fields.take("checks").map(|entry| reader.gates(entry)).unwrap_or_default();
    fields.done("a named gate", reader.faults, |_| String::new());
    (!faults.failed()).then(|| NamedGate { name, description, checks, origin: origin.clone(), reads: folder.reads() })
}
