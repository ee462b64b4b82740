//! One file to what it defines. Knows no other file but those that this one names, and no precedence.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Severity, Span, codes::definition as codes},
    definition::{
        Agent, Command, Dialect, Meta, NamedGate, Origin, Rule, Scope, Skill, WorkflowEntry,
        load::{
            agent, builtin,
            bytes::{self, Text},
            command,
            discover::Found,
            document,
            faults::Faults,
            files::Folder,
            markdown,
            places::{Files, Kind, Place},
            rules, skill,
            stamp::Stamp,
            toml,
        },
        normal_name,
        workflow::Workflow,
    },
};

/// One definition.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Agent(Arc<Agent>),
    Skill(Arc<Skill>),
    Command(Arc<Command>),
    Workflow(Arc<WorkflowEntry>),
    Gate(Arc<NamedGate>),
    Rule(Arc<Rule>),
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Its definitions, in its order.
    pub items: Vec<Item>,
    /// Its faults, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// Other files that it names, whether they are there or not.
    pub asked: Vec<PathBuf>,
}

/// What a file is, apart from its text.
#[derive(Debug, Clone, Copy)]
struct Card<'a> {
    place: &'a Place,
    scope: Scope,
    plugin: Option<&'a str>,
    inside: &'a Path,
    odd: Option<&'static str>,
}

/// The text of a file that was found, and the stamp that it had before it was read, so that a change while it is read
/// shows next time.
pub(super) fn text(found: &Found) -> Result<(Text, Stamp), Box<Diagnostic>> {
    let shown = found.home.shown(&found.path);
    let is_users = matches!(found.home.scope, Scope::User | Scope::UserDialect | Scope::UserAdded);
    let path = if found.is_linked && !is_users {
        bytes::within(&found.home.root, &found.path).map_err(|error| bytes::not_within(shown, &error))?
    } else {
        found.path.clone()
    };
    let (bytes, metadata) = bytes::read_bytes(&path, shown)?;
    let decode = if is_lenient(found.home.place.kind) { bytes::decode_lenient } else { bytes::decode };
    Ok((decode(bytes, shown)?, Stamp::from(&metadata)))
}

/// Whether files of a kind are decoded whatever their bytes are. A workflow or a gate is read exactly or not at all.
fn is_lenient(kind: Kind) -> bool {
    !matches!(kind, Kind::Workflows | Kind::Gates)
}

/// A text that stands in the place of a file's.
pub(super) fn instead(found: &Found, text: &str) -> Result<Text, Box<Diagnostic>> {
    bytes::decode(text.as_bytes().to_vec(), found.home.shown(&found.path))
}

/// Reads a file that was found, and whose text is known.
pub(super) fn found(found: &Found, text: Text) -> Parsed {
    let home = &found.home;
    let folder = Folder::disk(&home.root, found.path.parent().unwrap_or(&home.top));
    let plugin = found.plugin.as_deref();
    let card = Card { place: home.place, scope: home.scope, plugin, inside: found.inside(), odd: found.odd };
    definition(card, text, folder)
}

/// Reads a file of the library in the binary, by its path inside the place's folder.
pub(super) fn shipped(place: &Place, inside: &Path) -> Parsed {
    let path = Path::new(place.folder).join(inside);
    let Some(text) = builtin::read(&path) else { return Parsed::default() };
    let folder = Folder::Builtin(path.parent().unwrap_or(Path::new("")).to_path_buf());
    definition(Card { place, scope: Scope::Builtin, plugin: None, inside, odd: None }, text, folder)
}

/// Reads one file of workflows, wherever it lies; its relative paths may not leave `root`. Diagnostics are sorted.
#[must_use]
pub fn load_workflow_file(root: &Path, path: &Path) -> (Vec<WorkflowEntry>, Vec<Diagnostic>) {
    let shown = path.strip_prefix(root).unwrap_or(path);
    let text = match bytes::read(path, shown) {
        Ok(text) => text,
        Err(fault) => return (Vec::new(), vec![*fault]),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = Folder::disk(root, folder);
    let origin = origin(Scope::Project, Dialect::Orch, None, text);
    let mut faults = Faults::new(&origin.source);
    let entries = workflow_entries(&origin, path, &folder, &mut faults);
    (entries, faults.into_sorted())
}

/// Reads a text as the file of workflows that would lie at `path` below `root`. Diagnostics are sorted.
#[must_use]
pub fn load_workflow_text(root: &Path, path: &Path, text: &str) -> (Vec<WorkflowEntry>, Vec<Diagnostic>) {
    let text = match bytes::decode(text.as_bytes().to_vec(), path) {
        Ok(text) => text,
        Err(fault) => return (Vec::new(), vec![*fault]),
    };
    let full = root.join(path);
    let folder = Folder::disk(root, full.parent().unwrap_or(root));
    let origin = origin(Scope::Project, Dialect::Orch, None, text);
    let mut faults = Faults::new(&origin.source);
    let entries = workflow_entries(&origin, path, &folder, &mut faults);
    (entries, faults.into_sorted())
}

fn workflow_entries(origin: &Origin, path: &Path, folder: &Folder, faults: &mut Faults) -> Vec<WorkflowEntry> {
    let name = stem(path);
    let found = if path.extension().is_some_and(|extension| extension == "md") {
        markdown::workflow(origin, name, folder, faults).into_iter().collect()
    } else {
        document::workflows(origin, name, folder, faults)
    };
    let entry = |workflow| {
        // A literate workflow reads files after its head.
        let workflow = Workflow { reads: folder.reads(), ..workflow };
        WorkflowEntry { workflow, origin: origin.clone() }
    };
    found.into_iter().map(entry).collect()
}

fn origin(scope: Scope, dialect: Dialect, plugin: Option<&str>, text: Text) -> Origin {
    Origin {
        scope,
        dialect,
        plugin: plugin.map(str::to_owned),
        path: text.source.path.clone(),
        source: text.source,
        frontmatter: Span::default(),
    }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("workflow")
}

fn definition(card: Card<'_>, mut text: Text, folder: Folder) -> Parsed {
    let place = card.place;
    // What a plugin holds was written for its tool, wherever the plugin lies.
    let dialect = match place.dialect {
        Dialect::Orch if card.plugin.is_some() && place.kind < Kind::Workflows => Dialect::ClaudeCode,
        dialect => dialect,
    };
    let notes = std::mem::take(&mut text.notes);
    let origin = origin(card.scope, dialect, card.plugin, text);
    let mut faults = Faults::new(&origin.source);
    notes.into_iter().for_each(|note| faults.add(note));
    if let Some(why) = card.odd {
        faults.add(odd(&origin, why));
    }
    let items = items(card, &origin, &folder, &mut faults);
    let own = matches!(card.scope, Scope::Project | Scope::DotOrch | Scope::Builtin) && dialect == Dialect::Orch;
    let foreign = !own && (place.kind != Kind::Workflows || card.plugin.is_some());
    let mut diagnostics = faults.into_sorted();
    for fault in &mut diagnostics {
        // Files that were written for another tool do not stop a run; they are only not used.
        if foreign && fault.severity == Severity::Error {
            fault.severity = Severity::Warning;
        }
    }
    Parsed { items, diagnostics, asked: folder.asked() }
}

fn items(card: Card<'_>, origin: &Origin, folder: &Folder, faults: &mut Faults) -> Vec<Item> {
    let (files, inside) = (card.place.files, card.inside);
    let aliases = |name: &str, meta: &mut Meta| aliases(card, name, meta);
    let found = match card.place.kind {
        Kind::Agents => {
            let agent = match files {
                Files::Toml => toml::agent(origin, stem(inside), faults),
                _ => agent::agent(origin, folder, faults),
            };
            agent.map(|mut agent| {
                aliases(&agent.name, &mut agent.meta);
                Item::Agent(Arc::new(agent))
            })
        }
        Kind::Skills => skill::skill(origin, folder, faults).map(|mut skill| {
            aliases(&skill.name, &mut skill.meta);
            Item::Skill(Arc::new(skill))
        }),
        Kind::Commands => {
            let name = files.bare(inside).replace('/', ":");
            let command = match files {
                Files::Toml => toml::command(origin, &name, faults),
                _ => command::command(origin, &name, folder, faults),
            };
            command.map(|mut command| {
                aliases(&command.name, &mut command.meta);
                Item::Command(Arc::new(command))
            })
        }
        Kind::Workflows => {
            let entries = workflow_entries(origin, inside, folder, faults);
            return entries.into_iter().map(Arc::new).map(Item::Workflow).collect();
        }
        Kind::Gates => document::named_gate(origin, stem(inside), folder, faults).map(Arc::new).map(Item::Gate),
        Kind::Rules | Kind::OutputStyles => {
            Some(Item::Rule(Arc::new(rules::rule(origin, card.place.kind, &files.bare(inside), faults))))
        }
    };
    found.into_iter().collect()
}

/// Other names of a definition: its path inside the folder and the last part of it, and both below its plugin.
fn aliases(card: Card<'_>, name: &str, meta: &mut Meta) {
    let path = match card.place.kind {
        Kind::Skills => card.inside.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default(),
        _ => card.place.files.bare(card.inside),
    };
    let stem = path.rsplit('/').next().unwrap_or_default();
    let mut add = |alias: String| {
        if !alias.is_empty() && normal_name(&alias) != name && !meta.aliases.contains(&alias) {
            meta.aliases.push(alias);
        }
    };
    add(path.clone());
    if card.place.kind != Kind::Commands {
        // A command is its whole path: `/ns:go` is no `/go`.
        add(stem.to_owned());
    }
    if let Some(plugin) = card.plugin {
        add(format!("{plugin}:{name}"));
        add(format!("{plugin}:{}", path.replace('/', ":")));
    }
}

fn odd(origin: &Origin, why: &str) -> Diagnostic {
    let span = Span::new(0..origin.source.text.lines().next().map_or(0, str::len));
    Diagnostic::error(
        codes::ODD_PLACE,
        &origin.source,
        span,
        format!("this file stands where {} does not look", origin.dialect.tool()),
    )
    .cause(why)
    .help("move or rename it where that tool is to use it too")
    .assumed("the definition that it would be in its proper place")
    .elsewhere(origin.dialect.tool(), "does not load it")
    .info()
}
