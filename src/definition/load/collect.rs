//! Reads all definitions of a project into a [`Library`], nearest first.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    base::{Diagnostic, Digest, Severity, Span, codes::definition as codes},
    definition::{
        Dialect, Library, Origin, Scope, WorkflowEntry,
        load::{
            builtin,
            bytes::{self, Text},
            discover::{DIALECTS, Kind, walk},
            document,
            faults::Faults,
            files::Folder,
            markdown,
        },
        normal_name,
    },
};

/// Reads every definition that a project can use: its own, those of other tools in it, the user's (from `user_dir`,
/// where given) and those built into the binary. Never fails: faults are in the library's diagnostics.
#[must_use]
pub fn load(root: &Path, user_dir: Option<&Path>) -> Library {
    let mut collector =
        Collector { library: Library { root: root.to_path_buf(), ..Library::default() }, names: HashMap::new() };
    collector.folders(root, root, Scope::Project, &Kind::ALL);
    collector.folders(root, &root.join(".orch"), Scope::DotOrch, &Kind::ALL);
    for (folder, kinds) in DIALECTS {
        collector.folders(root, &root.join(folder), Scope::Dialect, kinds);
    }
    if let Some(user) = user_dir {
        collector.folders(user, user, Scope::User, &Kind::ALL);
    }
    for kind in Kind::ALL {
        for inside in builtin::files(kind.folder()).into_iter().filter(|inside| kind.holds(inside)) {
            collector.shipped(kind, &inside);
        }
    }
    let mut library = collector.library;
    library.diagnostics.sort_by(|one, other| {
        let key = |fault: &Diagnostic| (fault.source.path.clone(), fault.span.start, fault.span.end);
        key(one).cmp(&key(other))
    });
    library
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
    let folder = Folder::Disk { root: root.to_path_buf(), folder: folder.to_path_buf() };
    let origin = origin(Scope::Project, text);
    let mut faults = Faults::new(&origin.source);
    let entries = workflow_entries(&origin, path, &folder, &mut faults);
    (entries, faults.into_sorted())
}

/// Reads a text as the file of workflows that would lie at `path` below `root`. Diagnostics are sorted.
#[must_use]
pub fn load_workflow_text(root: &Path, path: &Path, text: &str) -> (Vec<WorkflowEntry>, Vec<Diagnostic>) {
    let source = crate::base::Source::new(path, text);
    let digest = Digest::of(text.as_bytes());
    let folder = root.join(path).parent().map_or_else(|| root.to_path_buf(), Path::to_path_buf);
    let folder = Folder::Disk { root: root.to_path_buf(), folder };
    let origin = origin(Scope::Project, Text { source, digest });
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
    found.into_iter().map(|workflow| WorkflowEntry { workflow, origin: origin.clone() }).collect()
}

fn origin(scope: Scope, text: Text) -> Origin {
    let dialect = if scope == Scope::Dialect { Dialect::ClaudeCode } else { Dialect::Orch };
    Origin {
        scope,
        dialect,
        plugin: None,
        path: text.source.path.clone(),
        source: text.source,
        digest: text.digest,
        frontmatter: Span::default(),
    }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("workflow")
}

struct Collector {
    library: Library,
    /// The first file of each name within a scope and kind.
    names: HashMap<(Scope, &'static str, String), PathBuf>,
}

impl Collector {
    fn folders(&mut self, root: &Path, base: &Path, scope: Scope, kinds: &[Kind]) {
        let relative = scope != Scope::User;
        let shown = move |path: &Path| {
            if relative { path.strip_prefix(root).unwrap_or(path).to_path_buf() } else { path.to_path_buf() }
        };
        for kind in kinds {
            let top = base.join(kind.folder());
            for path in walk(&top, *kind, &shown, &mut self.library.diagnostics) {
                let inside = path.strip_prefix(&top).unwrap_or(&path).to_path_buf();
                match bytes::read(&path, &shown(&path)) {
                    Ok(text) => {
                        let folder = path.parent().unwrap_or(&top).to_path_buf();
                        let folder = Folder::Disk { root: root.to_path_buf(), folder };
                        self.definition(*kind, scope, &inside, text, &folder);
                    }
                    Err(fault) => self.library.diagnostics.push(*fault),
                }
            }
        }
    }

    fn shipped(&mut self, kind: Kind, inside: &Path) {
        let path = Path::new(kind.folder()).join(inside);
        if let Some(text) = builtin::read(&path) {
            let folder = Folder::Builtin(path.parent().unwrap_or(Path::new("")).to_path_buf());
            self.definition(kind, Scope::Builtin, inside, text, &folder);
        }
    }

    /// Reads one file and puts what it defines on its shelf.
    fn definition(&mut self, kind: Kind, scope: Scope, inside: &Path, text: Text, folder: &Folder) {
        let origin = origin(scope, text);
        let mut faults = Faults::new(&origin.source);
        match kind {
            Kind::Agents => {
                if let Some(agent) = markdown::agent(&origin, folder, &mut faults) {
                    self.claim(&origin, "agent", &agent.name, &mut faults);
                    self.library.agents.push(&agent.name.clone(), agent);
                }
            }
            Kind::Skills => {
                if let Some(skill) = markdown::skill(&origin, folder, &mut faults) {
                    self.claim(&origin, "skill", &skill.name, &mut faults);
                    self.library.skills.push(&skill.name.clone(), skill);
                }
            }
            Kind::Commands => {
                let name = inside.with_extension("");
                let name: Vec<&str> = name.iter().filter_map(|part| part.to_str()).collect();
                if let Some(command) = markdown::command(&origin, &name.join(":"), folder, &mut faults) {
                    self.claim(&origin, "command", &command.name, &mut faults);
                    self.library.commands.push(&command.name.clone(), command);
                }
            }
            Kind::Workflows => {
                for entry in workflow_entries(&origin, inside, folder, &mut faults) {
                    let name = entry.workflow.name.value.clone();
                    self.claim(&origin, "workflow", &name, &mut faults);
                    self.library.workflows.push(&name, entry);
                }
            }
            Kind::Gates => {
                if let Some(gate) = document::named_gate(&origin, stem(inside), folder, &mut faults) {
                    self.claim(&origin, "gate", &gate.name, &mut faults);
                    self.library.gates.push(&gate.name.clone(), gate);
                }
            }
        }
        let foreign = matches!(scope, Scope::Dialect | Scope::User) && kind != Kind::Workflows;
        self.library.diagnostics.extend(faults.into_sorted().into_iter().map(|mut fault| {
            // Files that were written for another tool do not stop a run; they are only not used.
            if foreign && fault.severity == Severity::Error {
                fault.severity = Severity::Warning;
            }
            fault
        }));
    }

    /// Warns of a second file with the same name in one scope.
    fn claim(&mut self, origin: &Origin, kind: &'static str, name: &str, faults: &mut Faults) {
        let key = (origin.scope, kind, normal_name(name));
        let Some(first) = self.names.get(&key) else {
            self.names.insert(key, origin.path.clone());
            return;
        };
        let message = format!("a second {kind} called `{name}`");
        let span = Span::new(0..origin.source.text.lines().next().map_or(0, str::len));
        let fault = Diagnostic::error(codes::SAME_NAME, &origin.source, span, message)
            .cause(format!("`{}` comes first and is used", first.display()))
            .help("rename one of them")
            .warning();
        faults.add(fault);
    }
}

/// The value of a YAML or JSON text that is no definition: inputs from a file.
///
/// # Errors
/// The first fault, one line, with its line and column.
pub fn value_of(path: &Path, text: &str) -> Result<serde_json::Value, String> {
    let source = crate::base::Source::new(path, text);
    let mut faults = Faults::new(&source);
    let node = super::yaml::parse(&source, 0..text.len(), &mut faults);
    match (node, faults.failed()) {
        (Some(node), false) => Ok(node.to_json()),
        _ => {
            let fault = faults.into_sorted().into_iter().next();
            Err(fault.map_or_else(
                || "it is empty".to_owned(),
                |fault| {
                    let place = source.position(fault.span.start);
                    format!("{}:{}: {}", place.line, place.column, fault.message)
                },
            ))
        }
    }
}
