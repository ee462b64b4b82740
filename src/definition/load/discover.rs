//! Which files are definitions: the project's root, and a walk through one place that follows each link once.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Code, Diagnostic, Source, Span, codes::definition as codes},
    definition::{
        Dialect, Scope,
        load::{
            bytes::plain_io,
            places::{Fit, Place},
        },
    },
};

/// Files of one folder at most.
const FILES_MAX: usize = 20_000;
/// Folders inside each other at most.
const DEPTH_MAX: usize = 32;
/// Folders that hold no definitions, whatever stands in them.
const IGNORED: [&str; 2] = [".git", "node_modules"];

/// The nearest folder upwards with `orch.toml`, `workflows/`, `.orch/` or a git root; else the start itself.
#[must_use]
pub fn project_root(start: &Path) -> PathBuf {
    let start = if start.as_os_str().is_empty() { Path::new(".") } else { start };
    let full = start.canonicalize().unwrap_or_else(|_| start.to_path_buf());
    let is_root = |folder: &&Path| {
        folder.join("orch.toml").is_file()
            || folder.join("workflows").is_dir()
            || folder.join(".orch").is_dir()
            || folder.join(".git").exists()
    };
    full.ancestors().find(is_root).map_or_else(|| full.clone(), Path::to_path_buf)
}

/// Where the files of one place belong.
#[derive(Debug)]
pub(super) struct Home {
    /// The row of the table.
    pub place: &'static Place,
    /// How near it is.
    pub scope: Scope,
    /// The plugin or added repository, if any.
    pub plugin: Option<String>,
    /// Nothing outside of it is read.
    pub root: PathBuf,
    /// The folder itself.
    pub top: PathBuf,
    /// What is cut from a path before it is shown; empty for nothing.
    pub cut: PathBuf,
}

impl Home {
    /// A path as shown to people.
    pub fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        if self.cut.as_os_str().is_empty() { path } else { path.strip_prefix(&self.cut).unwrap_or(path) }
    }
}

/// A file that may hold a definition.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The place that it was found in.
    pub home: Arc<Home>,
    /// The file.
    pub path: PathBuf,
    /// Whether a link was followed on the way to it, or it is one.
    pub is_linked: bool,
    /// The plugin that its manifest gives it to, else that of the place.
    pub plugin: Option<String>,
    /// Why its home tool would not see it.
    pub odd: Option<&'static str>,
}

impl Found {
    /// The path inside the place's folder.
    pub fn inside(&self) -> &Path {
        self.path.strip_prefix(&self.home.top).unwrap_or(&self.path)
    }
}

/// The files of a place, sorted by path, and the faults of its folders.
pub(super) fn walk(home: &Arc<Home>) -> (Vec<Found>, Vec<Diagnostic>) {
    let mut walk = Walk { home, faults: Vec::new(), found: Vec::new(), seen: HashSet::new(), cut: false, linked: true };
    if let (Ok(top), Ok(root), Ok(inner)) =
        (home.top.canonicalize(), home.root.canonicalize(), home.top.strip_prefix(&home.root))
    {
        walk.linked = top != root.join(inner);
    }
    if home.top.is_symlink() {
        walk.seen.extend(home.top.canonicalize());
    }
    walk.enter(&home.top, 0);
    (walk.found, walk.faults)
}

struct Walk<'w> {
    home: &'w Arc<Home>,
    faults: Vec<Diagnostic>,
    found: Vec<Found>,
    /// Real paths of folders that links led to.
    seen: HashSet<PathBuf>,
    /// Whether there were too many files.
    cut: bool,
    /// Whether the way to where it stands leads through a link.
    linked: bool,
}

impl Walk<'_> {
    /// Names in order and each folder where its name stands, so that what is found is sorted by path.
    fn enter(&mut self, folder: &Path, depth: usize) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let help = "check that you may read it";
                return self.warn(folder, codes::UNREADABLE, "cannot read this folder", &plain_io(&error), help);
            }
        };
        let mut entries: Vec<(OsString, fs::DirEntry)> =
            entries.flatten().map(|entry| (entry.file_name(), entry)).collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, entry) in entries {
            let Ok(kind) = entry.file_type() else { continue };
            let path = folder.join(&name);
            let is_folder = if kind.is_symlink() {
                match path.metadata() {
                    Ok(target) => target.is_dir(),
                    Err(error) => {
                        if self.fit(&path) != Fit::Not {
                            let help = "remove it, or create the file";
                            let cause = plain_io(&error);
                            self.warn(&path, codes::UNREADABLE, "this link leads nowhere", &cause, help);
                        }
                        continue;
                    }
                }
            } else {
                kind.is_dir()
            };
            if !is_folder {
                self.file(path, kind.is_symlink());
            } else if !IGNORED.iter().any(|ignored| name == *ignored) {
                self.folder(&path, kind.is_symlink(), depth);
            }
        }
    }

    fn file(&mut self, path: PathBuf, link: bool) {
        let odd = match self.fit(&path) {
            Fit::Proper => None,
            // `orch` itself reads skills in folders of folders.
            Fit::Odd(_) if self.home.place.dialect == Dialect::Orch && path.ends_with("SKILL.md") => None,
            Fit::Odd(why) => Some(why),
            Fit::Not => return,
        };
        if self.found.len() < FILES_MAX {
            let (home, is_linked) = (Arc::clone(self.home), link || self.linked);
            self.found.push(Found { home, path, is_linked, plugin: self.home.plugin.clone(), odd });
        } else if !self.cut {
            self.cut = true;
            let help = "move what is no definition out of it";
            let message = "more than 20000 definition files in this folder";
            self.warn(&self.home.top, codes::TOO_MANY_FILES, message, "the rest is not read", help);
        }
    }

    fn folder(&mut self, path: &Path, link: bool, depth: usize) {
        if link {
            let looped = match path.canonicalize() {
                Ok(real) => {
                    let up = path
                        .parent()
                        .and_then(|parent| parent.canonicalize().ok())
                        .is_some_and(|parent| parent.starts_with(&real));
                    up || !self.seen.insert(real)
                }
                Err(_) => true,
            };
            if looped {
                let cause = "its folder was read already, or holds this link";
                return self.warn(path, codes::LINK_LOOP, "this link is not followed", cause, "remove the link");
            }
        }
        if depth < DEPTH_MAX {
            let before = self.linked;
            self.linked |= link;
            self.enter(path, depth + 1);
            self.linked = before;
        }
    }

    fn fit(&self, path: &Path) -> Fit {
        path.strip_prefix(&self.home.top).map_or(Fit::Not, |inside| self.home.place.files.fit(inside))
    }

    fn warn(&mut self, path: &Path, code: Code, message: &str, cause: &str, help: &str) {
        let source = Source::new(self.home.shown(path), "");
        self.faults.push(Diagnostic::error(code, &source, Span::default(), message).cause(cause).help(help).warning());
    }
}
