//! Agents, skills and commands: Markdown with frontmatter. Keys that `orch` does not know are kept.

use std::{ops::Range, path::Path};

use crate::{
    base::{Diagnostic, Span, Spanned, codes::definition as codes},
    definition::{
        Agent, Arguments, Command, CommandBody, Extra, Meta, Origin, Skill, ToolMode, ToolPolicy, ToolRule, ToolStatus,
        load::{
            document,
            faults::Faults,
            files::Folder,
            frontmatter::{Split, split},
            literate,
            node::{Entry, Kind, Node},
            reader::{Reader, split_commas},
            yaml,
        },
        normal_name,
        workflow::Workflow,
    },
};

const AGENT_KEYS: &[&str] =
    &["name", "description", "tools", "model", "runtime", "skills", "constraints", "capabilities", "context_budget"];
const SKILL_KEYS: &[&str] = &["name", "description", "triggers", "allowed-tools"];
const COMMAND_KEYS: &[&str] = &["description", "argument-hint", "workflow", "steps", "agent", "model"];
/// Files beside definitions that are only to be read.
const DOCUMENTS: [&str; 8] = ["readme", "index", "changelog", "contributing", "license", "agents", "claude", "todo"];

/// A Markdown file, split and with its frontmatter read.
pub(super) struct Parts<'a> {
    /// The frontmatter's mapping; empty where there is none.
    pub keys: Vec<Entry<'a>>,
    /// Whether there is frontmatter.
    pub has_frontmatter: bool,
    /// The body.
    pub body: Range<usize>,
}

/// Splits a file and reads its frontmatter. `None` if it cannot be read, which is reported.
pub(super) fn parts<'a>(source: &'a crate::base::Source, faults: &mut Faults) -> Option<Parts<'a>> {
    let (range, body) = match split(&source.text) {
        Split::Found { yaml, body } => (yaml, body),
        Split::None => return Some(Parts { keys: Vec::new(), has_frontmatter: false, body: 0..source.text.len() }),
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
    let node = yaml::parse(source, range, faults)?;
    let nothing = node.is_nothing();
    match node.kind {
        Kind::Map(keys) => Some(Parts { keys, has_frontmatter: true, body }),
        _ if nothing => Some(Parts { keys: Vec::new(), has_frontmatter: true, body }),
        _ => {
            let help = "write `name: …` and `description: …`, one key a line";
            faults.error(
                codes::WRONG_TYPE,
                node.span,
                "frontmatter holds keys",
                format!("found {}", node.describe()),
                help,
            );
            None
        }
    }
}

impl<'a> Parts<'a> {
    /// The value of a key; nothing counts as absent.
    pub fn get(&self, key: &str) -> Option<&Entry<'a>> {
        self.keys.iter().find(|entry| entry.key == key).filter(|entry| !entry.value.is_nothing())
    }

    /// What stands beside the known keys.
    pub fn meta(&self, display_name: &str, known: &[&str]) -> Meta {
        let unknown = self.keys.iter().filter(|entry| !known.contains(&entry.key.as_ref()));
        let extra = unknown.map(|entry| Extra {
            key: entry.key.to_string(),
            value: entry.value.to_json(),
            key_span: entry.key_span,
            span: entry.value.span,
        });
        Meta { display_name: display_name.to_owned(), extra: extra.collect(), ..Meta::default() }
    }
}

/// Whether a file without frontmatter is a document and no definition.
pub(super) fn is_document(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
    DOCUMENTS.contains(&stem.as_str())
}

/// Reads an agent. `None` without a fault means that the file is a document.
pub(super) fn agent(origin: &Origin, folder: &Folder, faults: &mut Faults) -> Option<Agent> {
    let source = &*origin.source;
    let parts = parts(source, faults)?;
    if !parts.has_frontmatter {
        if !is_document(&origin.path) {
            no_frontmatter("an agent", faults);
        }
        return None;
    }
    let mut reader = Reader { source, faults, folder, steps: 0 };
    let stem = origin.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("agent").trim_end_matches(".agent");
    let name = reader.text_of(parts.get("name")).map_or_else(|| stem.to_owned(), |name| name.value);
    let description = reader.text_of(parts.get("description")).map(|text| text.value);
    let tools = tools(&mut reader, &parts, "tools");
    let body = source.text[parts.body.clone()].trim().to_owned();
    let agent = Agent {
        name: normal_name(&name.replace([':', '/'], " ")),
        description: description.unwrap_or_else(|| first_words(&body)),
        tools,
        model: reader.text_of(parts.get("model")).map(|model| model.value).filter(|model| model != "inherit"),
        runtime: reader.name(parts.get("runtime")).map(|runtime| runtime.value),
        skills: plain(reader.words(parts.get("skills"))),
        constraints: plain(reader.texts(parts.get("constraints"))),
        capabilities: plain(reader.words(parts.get("capabilities"))),
        context_budget: reader.count(parts.get("context_budget")),
        meta: parts.meta(&name, AGENT_KEYS),
        body,
        origin: origin.clone(),
    };
    (!faults.failed()).then_some(agent)
}

/// Reads a skill; its name is that of its folder where the frontmatter has none.
pub(super) fn skill(origin: &Origin, folder: &Folder, faults: &mut Faults) -> Option<Skill> {
    let source = &*origin.source;
    let parts = parts(source, faults)?;
    if !parts.has_frontmatter {
        no_frontmatter("a skill", faults);
        return None;
    }
    let mut reader = Reader { source, faults, folder, steps: 0 };
    let dir = origin.path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("skill");
    let name = reader.text_of(parts.get("name")).map_or_else(|| dir.to_owned(), |name| name.value);
    let description = reader.text_of(parts.get("description")).map(|text| text.value);
    let body = source.text[parts.body.clone()].trim().to_owned();
    let skill = Skill {
        name: normal_name(&name),
        description: description.unwrap_or_else(|| first_words(&body)),
        triggers: plain(reader.words(parts.get("triggers"))),
        globs: Vec::new(),
        allowed_tools: tools(&mut reader, &parts, "allowed-tools"),
        meta: parts.meta(&name, SKILL_KEYS),
        body,
        origin: origin.clone(),
    };
    (!faults.failed()).then_some(skill)
}

/// Reads a command called `name`. `None` without a fault means that the file is a document.
pub(super) fn command(origin: &Origin, name: &str, folder: &Folder, faults: &mut Faults) -> Option<Command> {
    let source = &*origin.source;
    let parts = parts(source, faults)?;
    if !parts.has_frontmatter && is_document(&origin.path) {
        return None;
    }
    let steps = literate::steps(source, parts.body.clone(), faults);
    let mut reader = Reader { source, faults, folder, steps: 0 };
    let text = source.text[parts.body.clone()].trim_end();
    let lead = text.len() - text.trim_start().len();
    let span = Span::new(parts.body.start + lead..parts.body.start + text.len());
    let description = reader.text_of(parts.get("description")).map(|text| text.value);
    let hint = parts.get("argument-hint").or_else(|| parts.get("argumentHint"));
    let inline = steps.is_some() || parts.get("steps").is_some();
    let body = if let Some(entry) = parts.get("workflow") {
        if inline {
            let help = "keep one: `workflow:` runs another workflow, steps are one of their own";
            reader.faults.error(
                codes::CONFLICT,
                entry.key_span,
                "this command names a workflow and has steps",
                "it can run one thing",
                help,
            );
        }
        CommandBody::Workflow(reader.name(Some(entry))?)
    } else if inline {
        let known = document::workflow_keys(&parts);
        CommandBody::Inline(Box::new(document::assemble(&mut reader, known, steps, parts.body.clone(), name)?))
    } else {
        CommandBody::Prose {
            text: Spanned::new(text.trim_start().to_owned(), span),
            arguments: Arguments::default(),
            agent: reader.text_of(parts.get("agent")).map(|agent| agent.value),
            model: reader.text_of(parts.get("model")).map(|model| model.value).filter(|model| model != "inherit"),
        }
    };
    let known: Vec<&str> = COMMAND_KEYS.iter().copied().chain(["argumentHint"]).chain(inline_keys(inline)).collect();
    let command = Command {
        name: name.to_owned(),
        description: description.unwrap_or_else(|| first_words(text)),
        argument_hint: hint.map(|entry| hint_text(&entry.value)),
        body,
        meta: parts.meta(name, &known),
        origin: origin.clone(),
    };
    (!faults.failed()).then_some(command)
}

/// A literate workflow file. `None` without a fault means that the file is a document.
pub(super) fn workflow(origin: &Origin, name: &str, folder: &Folder, faults: &mut Faults) -> Option<Workflow> {
    let source = &*origin.source;
    let parts = parts(source, faults)?;
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
    let mut reader = Reader { source, faults, folder, steps: 0 };
    let workflow = document::assemble(&mut reader, parts.keys, steps, parts.body, name);
    workflow.filter(|_| !faults.failed())
}

fn inline_keys(inline: bool) -> impl Iterator<Item = &'static str> {
    let keys = crate::definition::load::keys::WORKFLOW.keys.iter().map(|key| key.name);
    keys.filter(move |_| inline)
}

fn no_frontmatter(what: &str, faults: &mut Faults) {
    let span = Span::new(0..faults.source().text.lines().next().map_or(0, str::len));
    let fault = Diagnostic::error(
        codes::FRONTMATTER_MISSING,
        faults.source(),
        span,
        format!("this file is not {what}: it has no frontmatter"),
    )
    .cause("a definition starts with `---`")
    .help("add `---`, `name: …`, `description: …`, `---` at the top, or move the file elsewhere")
    .warning();
    faults.add(fault);
}

/// Tools as a list, or as a text with commas. A key with nothing behind it means none; no key means all.
fn tools(reader: &mut Reader<'_, '_>, parts: &Parts<'_>, key: &str) -> ToolPolicy {
    let Some(entry) = parts.keys.iter().find(|entry| entry.key == key) else { return ToolPolicy::default() };
    if entry.value.is_nothing() {
        return ToolPolicy { mode: ToolMode::None, ..ToolPolicy::default() };
    }
    let words = match entry.value.as_text() {
        // Without commas, spaces separate.
        Some(text) if !text.contains([',', '(']) => text.split_whitespace().map(str::to_owned).collect(),
        Some(text) => split_commas(text),
        None => plain(reader.list_of_texts(entry)),
    };
    if words.iter().any(|word| word == "*") {
        return ToolPolicy { mode: ToolMode::All, ..ToolPolicy::default() };
    }
    let rule = |raw: String| ToolRule { name: raw.clone(), specifier: None, raw, status: ToolStatus::Exact };
    ToolPolicy { mode: ToolMode::List, allow: words.into_iter().map(rule).collect(), deny: Vec::new() }
}

fn plain(texts: Option<Vec<Spanned<String>>>) -> Vec<String> {
    texts.unwrap_or_default().into_iter().map(|text| text.value).collect()
}

fn hint_text(node: &Node<'_>) -> String {
    node.as_text().map_or_else(|| node.to_json().to_string(), str::to_owned)
}

/// The first heading or line of a text, for lists.
fn first_words(text: &str) -> String {
    let line = text.lines().map(|line| line.trim_start_matches('#').trim()).find(|line| !line.is_empty());
    line.unwrap_or_default().chars().take(200).collect()
}
