//! Commands, from the parts of a file in any dialect. A prose command always loads; one with steps is a workflow, which
//! is read as strictly as any other: there a misread step would be run.

use crate::{
    base::{Passage, Severity, Span, Spanned, codes::definition as codes},
    definition::{
        Arguments, Base, Command, CommandBody, Dialect, Origin,
        load::{
            agent::model,
            describe::{is_document, no_frontmatter},
            document,
            faults::Faults,
            files::Folder,
            keys::WORKFLOW,
            literate, markdown,
            node::Kind,
            parts::{Parts, What, parts},
            reader::Reader,
            values::Values,
        },
    },
};

/// Reads a command called `name`. `None` means that a fault was reported.
pub(super) fn command(origin: &Origin, name: &str, folder: &Folder, faults: &mut Faults) -> Option<Command> {
    let damaged = faults.worst() >= Some(Severity::Warning);
    let mut found = Faults::new(&origin.source);
    let parts = parts(&origin.source, What::Command, &mut found);
    let steps = has_steps(origin, &parts);
    let runs = steps || parts.keys.iter().any(|entry| entry.key == "steps" || entry.key == "workflow");
    if runs && (damaged || parts.mended) {
        return guessed(origin, steps, damaged, faults);
    }
    faults.absorb(found);
    command_from(origin, name, &parts, folder, faults)
}

/// Whether headings of the body are steps. In files of other tools a heading may end with a placeholder in braces; there
/// only headings with an id that are right in every way count.
fn has_steps(origin: &Origin, parts: &Parts<'_>) -> bool {
    let braces = |line: &str| line.trim_end().ends_with('}') && line.contains('{');
    // Few texts have a brace at all, which is seen without a look at each line.
    if !parts.text.contains('{')
        || (origin.dialect != Dialect::Orch && !parts.text.contains("{#"))
        || !parts.text.lines().any(braces)
    {
        return false;
    }
    let mut found = Faults::new(&origin.source);
    let steps = literate::steps(&origin.source, parts.body.clone(), &mut found).is_some();
    steps && (origin.dialect == Dialect::Orch || !found.failed())
}

/// A command with steps whose frontmatter had to be guessed: the strict reader says what is wrong.
fn guessed(origin: &Origin, steps: bool, damaged: bool, faults: &mut Faults) -> Option<Command> {
    let before = faults.failed();
    markdown::strict_parts(&origin.source, faults);
    if faults.failed() && !before {
        return None;
    }
    let cause = if steps { "headings with attributes are steps" } else { "`steps:` or `workflow:` stands in it" };
    let help = if damaged { "save the file as UTF-8 text" } else { "start the file with `---`, the keys, `---`" };
    faults.error(
        codes::FRONTMATTER_OPEN,
        Span::new(0..origin.source.text.lines().next().map_or(0, str::len)),
        "this command has steps, so its frontmatter must be exact",
        cause,
        help,
    );
    None
}

/// Reads a command from the parts of its file.
pub(super) fn command_from(
    origin: &Origin,
    name: &str,
    parts: &Parts<'_>,
    folder: &Folder,
    faults: &mut Faults,
) -> Option<Command> {
    let source = &*origin.source;
    let steps = if has_steps(origin, parts) { literate::steps(source, parts.body.clone(), faults) } else { None };
    let inline = steps.is_some() || parts.get("steps").is_some();
    let conflict = parts.get("workflow").filter(|_| inline);
    if let Some(entry) = conflict {
        let help = "keep one: `workflow:` runs another workflow, steps are one of their own";
        let message = "this command names a workflow and has steps";
        faults.error(codes::CONFLICT, entry.key_span, message, "it can run one thing", help);
    }
    let mut values = Values { parts, source, faults, what: What::Command };
    if !parts.has_frontmatter {
        no_frontmatter(&mut values, origin);
    }
    let described = if inline { quiet_description(&mut values) } else { values.described(origin.dialect) };
    let hint = values.as_written("argument-hint");
    let body = if let Some(entry) = values.entry("workflow") {
        let mut reader = Reader { source, faults: values.faults, folder, steps: 0, secrets: Vec::new() };
        CommandBody::Workflow(reader.name(Some(entry))?)
    } else if inline {
        let known = document::workflow_keys(parts);
        for key in WORKFLOW.keys {
            parts.mark(key.name);
        }
        let mut reader = Reader { source, faults: values.faults, folder, steps: 0, secrets: Vec::new() };
        CommandBody::Inline(Box::new(document::assemble(&mut reader, known, steps, parts.body.clone(), name)?))
    } else {
        let text = parts.text.trim_end();
        let lead = text.len() - text.trim_start().len();
        let span = Span::new(parts.body.start + lead..parts.body.start + text.len().max(lead));
        CommandBody::Prose {
            text: Spanned::new(Passage::new(&origin.source, span), span),
            arguments: arguments(&mut values, origin.dialect),
            agent: values.text("agent"),
            model: model(&mut values),
        }
    };
    let display_name = values.parts.get("name").and_then(|entry| entry.value.as_text()).unwrap_or(name).to_owned();
    let mut meta = values.meta(display_name, described.when_to_use);
    // Other tools run such a file as a command; hardly anybody wants it in a list.
    meta.hidden |= !parts.has_frontmatter && is_document(&origin.path);
    let command = Command {
        name: name.to_owned(),
        description: described.description,
        argument_hint: hint,
        body,
        meta,
        origin: Origin { frontmatter: Span::new(parts.frontmatter.clone()), ..origin.clone() },
    };
    (!faults.failed()).then_some(command)
}

/// A workflow's description is read by the workflow's reader; here only its text counts.
fn quiet_description(values: &mut Values<'_, '_, '_>) -> crate::definition::load::describe::Described {
    let text =
        values.parts.get("description").and_then(|entry| entry.value.as_text()).map(|text| text.trim().to_owned());
    let description = text.unwrap_or_else(|| crate::definition::load::describe::first_words(&values.parts.text));
    crate::definition::load::describe::Described { description, when_to_use: None }
}

/// How placeholders are read: as in the tool that the file was written for, unless the file says otherwise.
fn arguments(values: &mut Values<'_, '_, '_>, dialect: Dialect) -> Arguments {
    let Arguments { style, mut base, mut named } = Arguments::of(dialect);
    if let Some(entry) = values.entry("argument-base") {
        match entry.value.as_text().map(str::trim) {
            Some("0") => base = Base::Zero,
            Some("1") => base = Base::One,
            _ => values.ignored(entry, "`argument-base: 0` or `argument-base: 1`"),
        }
    }
    if let Some(entry) = values.entry("arguments") {
        match entry.value.kind() {
            // Some tools describe each argument.
            Kind::List(items) if items.iter().any(|item| item.as_map().is_some()) => {
                named.extend(items.iter().filter_map(|item| match item.as_map() {
                    Some(keys) => keys.iter().find(|entry| entry.key == "name")?.value.as_text().map(str::to_owned),
                    None => item.as_text().map(str::to_owned),
                }));
                // What is said about each of them is kept.
                values.parts.give_back("arguments");
            }
            _ => named = values.words_of(entry, true),
        }
    }
    Arguments { style, base, named }
}
