//! All files of a project and its user that may hold definitions, in the order of precedence.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::Diagnostic,
    definition::{
        Added, Manifest, Scope,
        load::{
            crew,
            discover::{Found, Home, walk},
            places::{Files, Kind, OWN, PLUGIN, Place, in_home, in_project},
            plugins::{self, Plugin, Plugins},
            read,
            trees::Trees,
        },
    },
};

/// The folder of added repositories, in `.orch/` and in the user's folder.
pub(crate) const LIBRARY: &str = "library";

/// The user's folders.
#[derive(Debug, Clone, Default)]
pub struct UserFolders {
    /// The user's folder for `orch`.
    pub orch: Option<PathBuf>,
    /// The home folder, where other tools keep theirs.
    pub home: Option<PathBuf>,
    /// Folders of other tools that are somewhere else: the name in the home folder, and where it is.
    pub moved: Vec<(&'static str, PathBuf)>,
}

impl UserFolders {
    /// Where a folder of the table is.
    fn place(&self, folder: &str) -> Option<PathBuf> {
        let moved = self.moved.iter().find_map(|(name, path)| {
            let rest = folder.strip_prefix(name)?.strip_prefix('/')?;
            Some(path.join(rest))
        });
        moved.or_else(|| self.home.as_ref().map(|home| home.join(folder)))
    }
}

/// What there is to read.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// The files, nearest first; each file once.
    pub files: Vec<Found>,
    /// What is only recorded.
    pub manifests: Vec<Manifest>,
    /// What `orch add` took in.
    pub added: Vec<Added>,
    /// Faults of folders and manifests.
    pub diagnostics: Vec<Diagnostic>,
    /// Folders whose whole tree was looked through, or would be if they were there.
    pub trees: Vec<PathBuf>,
    /// Folders in which one certain name was looked for.
    pub folders: Vec<PathBuf>,
    /// The place of each file in `files`.
    seen: HashMap<PathBuf, usize>,
    /// Threads that walk.
    threads: usize,
}

/// One place at a root.
struct At<'a> {
    scope: Scope,
    plugin: Option<&'a str>,
    /// Nothing outside of it is read.
    root: &'a Path,
    /// What is cut from paths that are shown.
    cut: &'a Path,
}

/// Finds them all, with some threads.
pub(super) fn find(root: &Path, user: &UserFolders, trees: &mut Trees, threads: usize) -> Sources {
    let mut sources = Sources { threads, ..Sources::default() };
    let nothing = Path::new("");
    let at = |scope, root| At { scope, plugin: None, root, cut: root };
    sources.rows(OWN, root, &at(Scope::Project, root));
    sources.rows(OWN, &root.join(".orch"), &at(Scope::DotOrch, root));
    sources.rows(in_project(), root, &at(Scope::Dialect, root));
    sources.plugins(plugins::scan(root, root, Scope::Dialect, None), &at(Scope::Dialect, root));
    sources.looked_for_plugins(root);
    sources.library(&root.join(".orch"), Scope::Added, root, trees);
    if let Some(orch) = &user.orch {
        sources.rows(OWN, orch, &At { scope: Scope::User, plugin: None, root: orch, cut: nothing });
    }
    for place in in_home() {
        if let Some(top) = user.place(place.folder) {
            let root = top.parent().unwrap_or(&top).to_path_buf();
            sources
                .places(vec![(place, top)], &At { scope: Scope::UserDialect, plugin: None, root: &root, cut: nothing });
        }
    }
    if let Some(orch) = &user.orch {
        sources.library(orch, Scope::UserAdded, nothing, trees);
    }
    sources
}

impl Sources {
    /// The rows of a table at a folder.
    fn rows(&mut self, table: impl IntoIterator<Item = &'static Place>, base: &Path, at: &At<'_>) {
        self.folders.push(base.to_path_buf());
        let mut places = Vec::new();
        for place in table {
            if let Some(name) = place.only_with {
                self.folders.extend(base.join(name).parent().map(Path::to_path_buf));
            }
            if place.only_with.is_none_or(|name| base.join(name).exists()) {
                places.push((place, base.join(place.folder)));
            }
        }
        self.places(places, at);
    }

    /// The files of some places.
    fn places(&mut self, places: Vec<(&'static Place, PathBuf)>, at: &At<'_>) {
        self.trees.extend(places.iter().map(|(_, top)| top.clone()));
        let there = places.into_iter().filter(|(_, top)| top.is_dir());
        let homes = there.map(|(place, top)| Home {
            place,
            scope: at.scope,
            plugin: at.plugin.map(str::to_owned),
            root: at.root.to_path_buf(),
            top,
            cut: at.cut.to_path_buf(),
        });
        let homes: Vec<Arc<Home>> = homes.map(Arc::new).collect();
        for (found, faults) in crew::each(&homes, self.threads, 1, walk) {
            self.diagnostics.extend(faults);
            found.into_iter().for_each(|found| self.add(found));
        }
    }

    /// Where plugins announce themselves in a folder.
    fn looked_for_plugins(&mut self, root: &Path) {
        let names = ["", ".claude-plugin", "plugins", "hooks", ".claude", ".gemini", ".gemini/extensions", ".cursor"];
        self.folders.extend(names.iter().chain(&[".vscode"]).map(|name| root.join(name)));
        for parent in ["plugins", ".gemini/extensions"] {
            let entries = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
            self.folders.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
    }

    /// Adds a file, or tells one that is there which plugin it belongs to.
    fn add(&mut self, found: Found) {
        match self.seen.get(&found.path) {
            Some(place) => {
                let first = &mut self.files[*place];
                if first.plugin.is_none() && first.home.root == found.home.root {
                    first.plugin = found.plugin;
                }
            }
            None => {
                self.seen.insert(found.path.clone(), self.files.len());
                self.files.push(found);
            }
        }
    }

    /// The files of plugins.
    fn plugins(&mut self, plugins: Plugins, at: &At<'_>) {
        self.manifests.extend(plugins.manifests);
        self.diagnostics.extend(plugins.diagnostics);
        for plugin in &plugins.found {
            self.folders.extend([plugin.root.clone(), plugin.root.join(".claude-plugin")]);
            let at = At { plugin: Some(&plugin.name), ..*at };
            for (kind, path) in &plugin.listed {
                self.listed(*kind, path, &at);
            }
            for place in PLUGIN.iter().filter(|place| plugin.reads_usual(place.kind)) {
                if place.only_with.is_none_or(|name| plugin.root.join(name).exists()) {
                    self.places(vec![(place, plugin.root.join(place.folder))], &at);
                }
            }
            self.root_skill(plugin, &at);
        }
    }

    /// What a manifest names: a folder, or one file.
    fn listed(&mut self, kind: Kind, path: &Path, at: &At<'_>) {
        let Some(place) = PLUGIN.iter().find(|place| place.kind == kind) else { return };
        if path.is_file() {
            self.file(place, path.to_path_buf(), path.parent(), at);
        } else if kind == Kind::Skills && path.join("SKILL.md").is_file() {
            // The folder of one skill.
            self.file(place, path.join("SKILL.md"), path.parent(), at);
        } else {
            self.places(vec![(place, path.to_path_buf())], at);
        }
    }

    /// A plugin that is one skill.
    fn root_skill(&mut self, plugin: &Plugin, at: &At<'_>) {
        let path = plugin.root.join("SKILL.md");
        if !plugin.whole
            && path.is_file()
            && let Some(place) = PLUGIN.iter().find(|place| place.files == Files::Skill)
        {
            self.file(place, path, plugin.root.parent(), at);
        }
    }

    fn file(&mut self, place: &'static Place, path: PathBuf, top: Option<&Path>, at: &At<'_>) {
        self.folders.extend(path.parent().map(Path::to_path_buf));
        let plugin = at.plugin.map(str::to_owned);
        let home = Home {
            place,
            scope: at.scope,
            plugin: plugin.clone(),
            root: at.root.to_path_buf(),
            top: top.unwrap_or(at.root).to_path_buf(),
            cut: at.cut.to_path_buf(),
        };
        self.add(Found { home: Arc::new(home), path, is_linked: true, plugin, odd: None });
    }

    /// The repositories that `orch add` took in.
    fn library(&mut self, base: &Path, scope: Scope, cut: &Path, trees: &mut Trees) {
        // Any file of an added repository may have been changed since.
        self.trees.push(base.join(LIBRARY));
        self.folders.push(base.to_path_buf());
        let folders = added_folders(&base.join(LIBRARY));
        self.added.extend(trees.check(base, cut, &folders, &mut self.diagnostics));
        for (name, folder) in &folders {
            self.added_folder(name, folder, scope, cut);
        }
    }

    /// One of them.
    fn added_folder(&mut self, name: &str, folder: &Path, scope: Scope, cut: &Path) {
        let at = At { scope, plugin: Some(name), root: folder, cut };
        self.plugins(plugins::scan(folder, cut, scope, Some(name)), &at);
        self.rows(in_project(), folder, &at);
    }
}

/// The folders in `library/` by name, sorted. A name with a dot before it is one that is being made.
fn added_folders(library: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(library) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
    let folders = entries.flatten().filter(is_folder).filter_map(named);
    let mut folders: Vec<_> = folders.filter(|(name, _)| !name.starts_with('.')).collect();
    folders.sort();
    folders
}

/// What a folder would give if it stood in a library: its definitions, and everything that they need.
#[must_use]
pub fn survey(folder: &Path, name: &str) -> Survey {
    let mut sources = Sources::default();
    sources.added_folder(name, folder, Scope::Added, folder);
    let files = sources.files.iter().map(|found| Surveyed {
        kind: found.home.place.kind.word(),
        plugin: found.plugin.clone(),
        path: found.path.clone(),
        asked: read::text(found).map(|(text, _)| read::found(found, text).asked).unwrap_or_default(),
    });
    Survey { files: files.collect(), manifests: sources.manifests.iter().map(|one| folder.join(&one.path)).collect() }
}

/// See [`survey`].
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Files that may hold definitions.
    pub files: Vec<Surveyed>,
    /// Manifests.
    pub manifests: Vec<PathBuf>,
}

/// One file of a [`Survey`].
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// `agents skills commands workflows gates rules`.
    pub kind: &'static str,
    /// The plugin that it belongs to.
    pub plugin: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Files that it names.
    pub asked: Vec<PathBuf>,
}
