//! Literate workflow files: Markdown whose frontmatter and steps are read strictly, as a misread step would be run.

use std::borrow::Cow;

use crate::{
    base::{Source, Span, codes::definition as codes},
    definition::{
        Origin,
        load::{
            document,
            faults::Faults,
            files::Folder,
            frontmatter::{Split, split},
            literate,
            node::Kind,
            parts::Parts,
            reader::Reader,
            yaml,
        },
        workflow::Workflow,
    },
};

/// Splits a file and reads its frontmatter. `None` if it cannot be read, which is reported.
pub(super) fn strict_parts<'a>(source: &'a Source, faults: &mut Faults) -> Option<Parts<'a>> {
    let text = source.text.as_str();
    let (range, body) = match split(text) {
        Split::Found { yaml, body } => (yaml, body),
        Split::None => return Some(Parts::none(source)),
        Split::Unclosed => {
            let help = "add a line `---` below the last key";
            faults.error(
                codes::FRONTMATTER_OPEN,
                Span::new(0..3),
                "the frontmatter is not closed",
                "it starts here and never ends",
                help,
            );
            return None;
        }
    };
    let node = yaml::parse(source, range.clone(), faults)?;
    let nothing = node.is_nothing();
    let keys = match node.kind {
        Kind::Map(keys) => keys,
        _ if nothing => Vec::new(),
        _ => {
            let help = "write `name: …` and `description: …`, one key a line";
            let cause = format!("found {}", node.describe());
            faults.error(codes::WRONG_TYPE, node.span, "frontmatter holds keys", cause, help);
            return None;
        }
    };
    Some(Parts::of(keys, Cow::Borrowed(&text[body.clone()]), body).at(range))
}

/// A literate workflow file. `None` without a fault means that the file is a document.
pub(super) fn workflow(origin: &Origin, name: &str, folder: &Folder, faults: &mut Faults) -> Option<Workflow> {
    let source = &*origin.source;
    let parts = strict_parts(source, faults)?;
    let steps = literate::steps(source, parts.body.clone(), faults);
    if steps.is_none() && parts.get("steps").is_none() {
        if parts.has_frontmatter && !faults.failed() {
            let help = "mark the headings that are steps: `## Design {#design agent=architect}`";
            faults.error(
                codes::MISSING_KEY,
                Span::new(0..3),
                "this workflow has no steps",
                "no heading has attributes",
                help,
            );
        }
        return None;
    }
    let mut reader = Reader { source, faults, folder, steps: 0, secrets: Vec::new() };
    let workflow = document::assemble(&mut reader, parts.keys, steps, parts.body, name);
    workflow.filter(|_| !faults.failed())
}
