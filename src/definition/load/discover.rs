//! Which files are definitions: the project's root, the folders, and a walk that follows each link once.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    base::{Diagnostic, Source, Span, codes::definition as codes},
    definition::load::bytes::plain_io,
};

/// Files of one folder at most.
const FILES_MAX: usize = 20_000;
/// Folders inside each other at most.
const DEPTH_MAX: usize = 32;
/// Folders that hold no definitions, whatever stands in them.
const IGNORED: [&str; 2] = [".git", "node_modules"];

/// The kinds of definitions, in the order in which they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Agents,
    Skills,
    Commands,
    Workflows,
    Gates,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Agents, Self::Skills, Self::Commands, Self::Workflows, Self::Gates];

    /// The folder's name.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Skills => "skills",
            Self::Commands => "commands",
            Self::Workflows => "workflows",
            Self::Gates => "gates",
        }
    }

    /// Whether a file (by its path inside the folder) is a definition of this kind.
    pub fn holds(self, inside: &Path) -> bool {
        let extension = inside.extension().and_then(OsStr::to_str).unwrap_or_default();
        match self {
            Self::Agents | Self::Commands => extension == "md",
            Self::Skills => inside.file_name() == Some(OsStr::new("SKILL.md")),
            Self::Workflows => {
                let aside = inside.parent().is_some_and(|parent| {
                    parent.components().any(|part| {
                        ["prompts", "rubrics", "recordings", "samples"].iter().any(|name| part.as_os_str() == *name)
                    })
                });
                !aside && matches!(extension, "yaml" | "yml" | "md")
            }
            Self::Gates => matches!(extension, "yaml" | "yml"),
        }
    }
}

/// Folders of other tools in a project, with the kinds that this version reads from each. The rest of the dialects
/// of other tools joins this table.
pub(super) const DIALECTS: &[(&str, &[Kind])] = &[(".claude", &[Kind::Agents, Kind::Skills, Kind::Commands])];

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

/// The definition files below a folder, sorted by path. A folder that is not there has none.
pub(super) fn walk(
    folder: &Path,
    kind: Kind,
    shown: &dyn Fn(&Path) -> PathBuf,
    faults: &mut Vec<Diagnostic>,
) -> Vec<PathBuf> {
    let mut walk = Walk { top: folder, kind, shown, faults, found: Vec::new(), seen: HashSet::new() };
    if folder.is_dir() {
        if folder.is_symlink() {
            walk.seen.extend(folder.canonicalize());
        }
        walk.enter(folder, 0);
    }
    let mut found = walk.found;
    found.sort();
    found
}

struct Walk<'w> {
    top: &'w Path,
    kind: Kind,
    shown: &'w dyn Fn(&Path) -> PathBuf,
    faults: &'w mut Vec<Diagnostic>,
    found: Vec<PathBuf>,
    /// Real paths of folders that links led to.
    seen: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Path, depth: usize) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let help = "check that you may read it";
                return self.warn(folder, codes::UNREADABLE, "cannot read this folder", &plain_io(&error), help);
            }
        };
        let mut entries: Vec<fs::DirEntry> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            let is_folder = if kind.is_symlink() {
                match path.metadata() {
                    Ok(target) => target.is_dir(),
                    Err(error) => {
                        if self.is_wanted(&path) {
                            self.warn(
                                &path,
                                codes::UNREADABLE,
                                "this link leads nowhere",
                                &plain_io(&error),
                                "remove it, or create the file",
                            );
                        }
                        continue;
                    }
                }
            } else {
                kind.is_dir()
            };
            if !is_folder {
                self.file(path);
            } else if !IGNORED.iter().any(|ignored| entry.file_name() == *ignored) {
                self.folder(&path, kind.is_symlink(), depth);
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        if !self.is_wanted(&path) {
            return;
        }
        if self.found.len() == FILES_MAX {
            let help = "move what is no definition out of it";
            self.warn(
                self.top,
                codes::TOO_MANY_FILES,
                "more than 20000 definition files in this folder",
                "the rest is not read",
                help,
            );
        }
        if self.found.len() <= FILES_MAX {
            self.found.push(path);
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
            self.enter(path, depth + 1);
        }
    }

    fn is_wanted(&self, path: &Path) -> bool {
        path.strip_prefix(self.top).is_ok_and(|inside| self.kind.holds(inside))
    }

    fn warn(&mut self, path: &Path, code: crate::base::Code, message: &str, cause: &str, help: &str) {
        let source = Source::new((self.shown)(path), "");
        self.faults.push(Diagnostic::error(code, &source, Span::default(), message).cause(cause).help(help).warning());
    }
}
