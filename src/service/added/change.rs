//! `orch add`, `orch remove` and `orch update`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    base::did_you_mean,
    definition::{
        Pin,
        load::{is_name, tree_digest, tree_files},
    },
    service::{
        added::{
            git::clear,
            shelf::Library,
            source::{Place, Source},
            stage::{Staged, Wanted, stage},
        },
        project::Project,
        refusal::Refusal,
    },
};

/// Lines around a change.
const CONTEXT_LINES: usize = 3;
/// The largest file whose change is shown line by line.
const DIFF_BYTES_MAX: usize = 256 * 1024;

/// What `orch add` is to take.
#[derive(Debug, Clone, Default)]
pub struct AddRequest {
    /// What was typed.
    pub source: String,
    /// The name in the library; else it comes from the source.
    pub name: Option<String>,
    /// Into the user's library.
    pub user: bool,
    /// A branch, tag or commit.
    pub reference: Option<String>,
    /// Only these kinds; empty for all.
    pub only: Vec<String>,
}

/// What stands in the library now.
#[derive(Debug, Clone, Serialize)]
pub struct AddedFolder {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Where it came from.
    pub source: String,
    /// The commit, if the source is a git repository.
    pub commit: Option<String>,
    /// The digest of all its files.
    pub digest: String,
    /// How many files it has.
    pub files: u64,
    /// Definitions by kind.
    pub definitions: BTreeMap<&'static str, u64>,
    /// What was left out, and why.
    pub skipped: Vec<(String, &'static str)>,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has another content.
    Changed,
    /// It goes.
    Removed,
}

/// A file that an update changes.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Its path in the folder.
    pub path: PathBuf,
    /// What happens to it.
    pub kind: ChangeKind,
    /// The change as a unified diff; empty for what is no text.
    pub diff: String,
}

/// What an update would do, or has done.
#[derive(Debug)]
pub struct Update {
    /// The folder as it will be.
    pub folder: AddedFolder,
    /// The commit that it has now.
    pub from: Option<String>,
    /// What differs.
    pub changes: Vec<Change>,
    /// Whether files of it were edited here.
    pub edited: bool,
    library: Library,
    new: PathBuf,
    pin: Pin,
}

/// Takes a source into the library.
///
/// # Errors
/// When the source cannot be read, has no definitions, is too large, or its name is taken.
pub fn add(project: &Project, request: &AddRequest) -> Result<AddedFolder, Refusal> {
    let here = project.environment().folder();
    let source = Source::parse(&request.source, here)?;
    let name = request.name.clone().unwrap_or_else(|| source.name());
    if !is_name(&name) {
        let message = format!("`{}` cannot be the name of a folder in the library", name.escape_debug());
        return Err(Refusal::new(2, "E0540", message, "give one with `--name`: letters, digits, `-`, `_` and `.`"));
    }
    let library = Library::open(project, request.user)?;
    let mut pins = library.pins()?;
    if pins.iter().any(|pin| pin.name == name) || library.folder(&name).exists() {
        let help = format!("`orch update {name}` brings it up to date, `--name` adds this one under another name");
        return Err(Refusal::new(2, "E0543", format!("`{name}` is in the library already"), help));
    }
    let wanted = Wanted { source: &source, reference: request.reference.as_deref(), only: &request.only, name: &name };
    let (new, staged) = prepare(project, &library, wanted)?;
    let pin = pin(project, wanted, &staged);
    pins.push(pin.clone());
    library.put(&name, &new, &pins)?;
    Ok(shown(project, &library, &pin, staged))
}

/// Takes a folder out of the library.
///
/// # Errors
/// When there is none of that name, or it was edited and `force` is not set.
pub fn remove(project: &Project, name: &str, force: bool) -> Result<PathBuf, Refusal> {
    let library = find(project, name)?;
    let mut pins = library.pins()?;
    let folder = library.folder(name);
    let pinned = pins.iter().find(|pin| pin.name == name).map(|pin| &pin.digest);
    if folder.exists() && !force && tree_digest(&folder).ok().as_ref() != pinned {
        return Err(edited(name, "`--force` removes it all the same"));
    }
    pins.retain(|pin| pin.name != name);
    library.write(&pins)?;
    if folder.exists() {
        let old = library.fresh(name)?;
        library.take(name, &old.join(name))?;
        clear(&old);
    }
    Ok(folder)
}

/// The names in the project's library and the user's, sorted.
fn names(project: &Project) -> Result<BTreeSet<String>, Refusal> {
    let mut all = BTreeSet::new();
    for user in [false, true] {
        if let Some(library) = Library::there(project, user)? {
            all.extend(library.pins()?.into_iter().map(|pin| pin.name));
        }
    }
    Ok(all)
}

/// The library with that name in it, the project's before the user's.
fn find(project: &Project, name: &str) -> Result<Library, Refusal> {
    for user in [false, true] {
        let Some(library) = Library::there(project, user)? else { continue };
        let pinned = library.pins()?.iter().any(|pin| pin.name == name);
        if pinned || (is_name(name) && library.folder(name).is_dir()) {
            return Ok(library);
        }
    }
    let all = names(project)?;
    let help = match did_you_mean(name, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`orch list --source` shows where definitions come from".to_owned(),
    };
    Err(Refusal::new(11, "E0548", format!("`{}` was not added", name.escape_debug()), help))
}

/// The names that an update of `name`, or of all, is about.
///
/// # Errors
/// When there is no such name.
pub fn update(project: &Project, name: Option<&str>) -> Result<Vec<String>, Refusal> {
    match name {
        Some(name) => find(project, name).map(|_| vec![name.to_owned()]),
        None => Ok(names(project)?.into_iter().collect()),
    }
}

impl Update {
    /// Fetches the source of `name` again and compares.
    ///
    /// # Errors
    /// As [`add`].
    pub fn look(project: &Project, name: &str) -> Result<Self, Refusal> {
        let library = find(project, name)?;
        let pins = library.pins()?;
        let Some(old) = pins.iter().find(|pin| pin.name == name) else {
            let help = format!("`orch remove {name} --force`, then add it again from its source");
            return Err(Refusal::new(11, "E0548", format!("nobody knows where `{name}` came from"), help));
        };
        // A relative source starts at the project, wherever the command is typed.
        let mut source = Source::parse(&old.source, project.root())?;
        source.folder.clone_from(&old.folder);
        source.plugin.clone_from(&old.plugin);
        let wanted = Wanted { source: &source, reference: old.reference.as_deref(), only: &old.only, name };
        let (new, staged) = prepare(project, &library, wanted)?;
        let pin = Pin { source: old.source.clone(), ..pin(project, wanted, &staged) };
        let folder = library.folder(name);
        let local = tree_digest(&folder).ok();
        let edited = folder.exists() && local.as_ref() != Some(&old.digest) && local.as_ref() != Some(&staged.digest);
        let changes = compare(&folder, &new);
        let from = old.commit.clone();
        Ok(Self { folder: shown(project, &library, &pin, staged), from, changes, edited, library, new, pin })
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.changes.is_empty() && !self.edited
    }

    /// Puts the new state in the place of the old one. Edited files need `force`; they are then kept aside, where the
    /// answer says.
    ///
    /// # Errors
    /// When files were edited, or cannot be written.
    pub fn apply(self, force: bool) -> Result<Option<PathBuf>, Refusal> {
        let name = &self.pin.name;
        if self.edited && !force {
            clear(&self.new);
            return Err(edited(name, "`--force` takes the new state and keeps yours aside"));
        }
        let mut pins = self.library.pins()?;
        pins.retain(|pin| pin.name != *name);
        pins.push(self.pin.clone());
        if !self.changes.is_empty() || !self.library.folder(name).exists() {
            self.library.put(name, &self.new, &pins)?;
        } else {
            self.library.write(&pins)?;
        }
        let mut kept = None;
        if self.edited {
            let digest = tree_digest(&self.new).map(|digest| digest.short().to_owned()).unwrap_or_default();
            let aside = self.library.folder(&format!(".kept-{name}-{digest}"));
            if fs::rename(&self.new, &aside).is_ok() {
                kept = Some(aside);
            }
        }
        clear(&self.new);
        Ok(kept)
    }

    /// Leaves everything as it is.
    pub fn leave(self) {
        clear(&self.new);
    }
}

fn edited(name: &str, help: &str) -> Refusal {
    let message = format!("files of `{name}` were edited here");
    let help = format!("{help}; own versions belong into the project's own folders, which come first");
    Refusal::new(1, "E0544", message, help)
}

/// Takes what is wanted into a folder beside the others.
fn prepare(project: &Project, library: &Library, wanted: Wanted<'_>) -> Result<(PathBuf, Staged), Refusal> {
    let new = library.fresh(wanted.name)?;
    let scratch = library.fresh(&format!("{}.git", wanted.name))?;
    let staged = stage(project, wanted, &new, &scratch);
    clear(&scratch);
    if staged.is_err() {
        clear(&new);
    }
    Ok((new, staged?))
}

fn pin(project: &Project, wanted: Wanted<'_>, staged: &Staged) -> Pin {
    let source = match &wanted.source.place {
        Place::Git { url, .. } => url.clone(),
        // Another clone of the project finds what lies in it.
        Place::Folder(path) => match path.strip_prefix(project.root()) {
            Ok(inside) => format!("./{}", inside.display()),
            Err(_) => path.to_string_lossy().into_owned(),
        },
    };
    Pin {
        name: wanted.name.to_owned(),
        source,
        folder: wanted.source.folder.clone(),
        plugin: wanted.source.plugin.clone(),
        reference: wanted.reference.map(str::to_owned),
        commit: staged.commit.clone(),
        only: wanted.only.to_vec(),
        files: staged.files,
        digest: staged.digest.clone(),
    }
}

fn shown(project: &Project, library: &Library, pin: &Pin, staged: Staged) -> AddedFolder {
    let folder = library.folder(&pin.name);
    let path = if library.user { folder } else { folder.strip_prefix(project.root()).unwrap_or(&folder).to_path_buf() };
    AddedFolder {
        name: pin.name.clone(),
        path,
        source: pin.written(),
        commit: staged.commit,
        digest: staged.digest.as_str().to_owned(),
        files: staged.files,
        definitions: staged.kinds,
        skipped: staged.skipped,
    }
}

/// What differs between two folders.
fn compare(old: &Path, new: &Path) -> Vec<Change> {
    let files = |folder: &Path| tree_files(folder).unwrap_or_default().into_iter().collect::<BTreeSet<_>>();
    let (before, after) = (files(old), files(new));
    let mut changes = Vec::new();
    for path in before.union(&after) {
        let read = |folder: &Path, there: bool| {
            if there { fs::read(folder.join(path)).unwrap_or_default() } else { Vec::new() }
        };
        let (had, has) = (before.contains(path), after.contains(path));
        let (one, other) = (read(old, had), read(new, has));
        let kind = match (had, has) {
            (true, false) => ChangeKind::Removed,
            (false, _) => ChangeKind::Added,
            _ if one == other => continue,
            _ => ChangeKind::Changed,
        };
        changes.push(Change { path: path.clone(), kind, diff: diff(path, &one, &other) });
    }
    changes
}

fn diff(path: &Path, one: &[u8], other: &[u8]) -> String {
    let (Ok(one), Ok(other)) = (std::str::from_utf8(one), std::str::from_utf8(other)) else { return String::new() };
    if one.len().max(other.len()) > DIFF_BYTES_MAX {
        return String::new();
    }
    let name = path.display().to_string();
    let diff = similar::TextDiff::from_lines(one, other);
    diff.unified_diff().context_radius(CONTEXT_LINES).header(&name, &name).to_string()
}
