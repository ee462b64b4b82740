//! A project on an editor's desk: files as they stand there, saved or not, and what is to be said about them.
//!
//! Invariant: nothing on disk is changed, and nothing is run.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Diagnostic, Edit, Span},
    service::{
        check::check,
        editor::{
            complete::{Completion, complete},
            cursor::{Cursor, FileKind, look},
            grammar::Grammar,
            lookup::{self, Hover, Target},
            outline::Outline,
        },
        fault::Fault,
        project::Project,
    },
};

/// Something an editor can do about a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What it does.
    pub title: String,
    /// The changes of the file.
    pub edits: Vec<Edit>,
    /// Whether it is the one to take without thinking.
    pub preferred: bool,
}

/// A project with the files that are open in an editor.
#[derive(Debug)]
pub struct Desk {
    project: Project,
    open: HashMap<PathBuf, Arc<str>>,
    outlines: HashMap<PathBuf, Outline>,
    diagnostics: BTreeMap<PathBuf, Vec<Diagnostic>>,
}

impl Desk {
    /// A desk with nothing open.
    #[must_use]
    pub fn new(project: Project) -> Self {
        Self { project, open: HashMap::new(), outlines: HashMap::new(), diagnostics: BTreeMap::new() }
    }

    /// The project's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.project.root()
    }

    /// Shows a file with that text, or puts it away.
    pub fn set(&mut self, path: &Path, text: Option<Arc<str>>) {
        self.project.overlay(path.to_path_buf(), text.clone());
        match text {
            Some(text) => drop(self.open.insert(path.to_path_buf(), text)),
            None => drop(self.open.remove(path)),
        }
    }

    /// Reads what has changed on disk or on the desk; gives the faults of every file that has some.
    ///
    /// # Errors
    /// When the project cannot be read at all.
    pub fn refresh(&mut self) -> Result<&BTreeMap<PathBuf, Vec<Diagnostic>>, Fault> {
        self.project.reload();
        let checked = check(&self.project, &[])?;
        for entry in self.project.library().workflows.iter() {
            let path = self.project.root().join(&entry.origin.path);
            self.outlines.insert(path, Outline::of(&entry.workflow));
        }
        self.diagnostics.clear();
        for diagnostic in checked.diagnostics {
            let path = self.project.root().join(&diagnostic.source.path);
            self.diagnostics.entry(path).or_default().push(diagnostic);
        }
        Ok(&self.diagnostics)
    }

    /// The text of a file as it stands on the desk, or on disk.
    #[must_use]
    pub fn text(&self, path: &Path) -> Option<Arc<str>> {
        self.open.get(path).cloned().or_else(|| std::fs::read_to_string(path).ok().map(Arc::from))
    }

    /// What can be written at a place, and the word that it replaces. `None` where nothing is known.
    #[must_use]
    pub fn complete(&self, path: &Path, offset: usize) -> Option<(Span, Vec<Completion>)> {
        let (_, cursor, grammar) = self.look(path, offset)?;
        let runtimes: Vec<String> = self.project.settings().runtimes.keys().cloned().collect();
        let all = complete(&cursor, &grammar, self.project.library(), &runtimes, self.outlines.get(path));
        Some((cursor.word, all))
    }

    /// What the word at a place means.
    #[must_use]
    pub fn hover(&self, path: &Path, offset: usize) -> Option<Hover> {
        let (text, cursor, grammar) = self.look(path, offset)?;
        lookup::hover(&text, &cursor, &grammar, self.project.library(), self.outlines.get(path))
    }

    /// Where the word at a place is defined.
    #[must_use]
    pub fn definition(&self, path: &Path, offset: usize) -> Option<Target> {
        let (text, cursor, _) = self.look(path, offset)?;
        let target = lookup::definition(&text, path, &cursor, self.project.library(), self.outlines.get(path))?;
        Some(Target { path: self.project.root().join(&target.path), ..target })
    }

    /// What can be done about the faults in a range: their own fixes, and the words that their help suggests.
    #[must_use]
    pub fn actions(&self, path: &Path, range: Span) -> Vec<Action> {
        let faults = self.diagnostics.get(path).into_iter().flatten();
        let near = faults.filter(|fault| fault.span.start <= range.end && range.start <= fault.span.end);
        near.flat_map(|fault| {
            let fix = fault.fix.as_ref().filter(|fix| !fix.edits.is_empty()).map(|fix| Action {
                title: fix.title.clone(),
                edits: fix.edits.clone(),
                preferred: true,
            });
            fix.into_iter().chain(suggested(fault))
        })
        .collect()
    }

    fn look(&self, path: &Path, offset: usize) -> Option<(Arc<str>, Cursor, Grammar)> {
        let inside = path.strip_prefix(self.project.root()).unwrap_or(path).to_string_lossy();
        let kind = FileKind::of(&inside)?;
        let text = self.text(path)?;
        let markdown = inside.ends_with(".md");
        let cursor = look(&text, markdown, offset)?;
        Some((text, cursor, Grammar::of(kind.schema())?))
    }
}

/// The word that the help suggests in the place of one in the file.
fn suggested(fault: &Diagnostic) -> Option<Action> {
    let word = fault.help.strip_prefix("did you mean `")?.split('`').next()?;
    // The message names the wrong word, which may be only a part of the place.
    let wrong = fault.message.split('`').skip(1).step_by(2).find_map(|wrong| {
        let text = fault.source.text.get(fault.span.start..fault.span.end)?;
        let at = text.find(wrong)?;
        Some(Span::new(fault.span.start + at..fault.span.start + at + wrong.len()))
    })?;
    Some(Action {
        title: format!("change it to `{word}`"),
        edits: vec![Edit { span: wrong, text: word.to_owned() }],
        preferred: true,
    })
}
