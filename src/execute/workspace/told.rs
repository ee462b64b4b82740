//! What git tells of a project's folder: in whose repository it lies, and what the user's settings say.
//!
//! An answer can be kept with the stamps of all that it came from. Where that cannot be listed (settings that take in
//! others on a condition) or has just been touched, there are no such stamps, and git has to be asked again.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    WorkspaceFault,
    git::{Git, path_of},
    seen::{is_settled, stamp},
};
use crate::guard;

/// Where the settings of the machine are, unless git says that they are somewhere else.
const OF_THE_MACHINE: &str = "/etc/gitconfig";

/// What git has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The repository around the folder.
    pub found: Option<Found>,
    /// Where the user's list of what to ignore everywhere would be; git takes that of the home folder only where settings
    /// name no other.
    pub ignored: Option<PathBuf>,
    /// Who the user is by their own settings; without any, an agent's commits say so.
    pub identity: Vec<(String, String)>,
}

/// The repository around a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub top: PathBuf,
    pub own: PathBuf,
    pub common: PathBuf,
    pub format: String,
}

/// What an answer came from, as it stood when it was given; nothing where there was nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources(BTreeMap<PathBuf, Option<guard::Found>>);

impl Sources {
    fn now(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
    }

    /// Whether nothing of it has been touched.
    pub fn still_stand(&self) -> bool {
        self.0.iter().all(|(path, found)| stamp(path) == *found)
    }
}

impl Told {
    /// Asks git; the sources are there where the answer holds for as long as they stand.
    pub fn ask(git: &Git, root: &Path) -> Result<(Self, Option<Sources>), WorkspaceFault> {
        let begun = SystemTime::now();
        let wanted = Sources::now(wanted(git, root));
        git.check_version()?;
        let found = Found::around(git, root)?;
        let settings = Settings::ask(git, root)?;
        let ignored = match &found {
            Some(_) if settings.names_ignored => Settings::ignored(git, root)?,
            Some(_) => git.own_folder().map(|folder| folder.join("ignore")),
            None => None,
        };
        let read = found.iter().flat_map(Found::sources).chain(settings.files.iter().cloned());
        let all = Sources::now(wanted.0.keys().cloned().chain(read));
        let is_whole = wanted.0.iter().all(|(path, found)| all.0.get(path) == Some(found))
            && settings.files.iter().all(|path| matches!(all.0.get(path), Some(Some(_))))
            && all.0.values().flatten().all(|found| is_settled(found, begun));
        let sources = (is_whole && !settings.takes_in_others).then_some(all);
        Ok((Self { found, ignored, identity: settings.identity }, sources))
    }
}

/// Where a repository or a setting would be found, whether there is one or not.
fn wanted(git: &Git, root: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = root.ancestors().flat_map(|folder| [folder.join(".git"), folder.join("HEAD")]).collect();
    paths.push(PathBuf::from(OF_THE_MACHINE));
    paths.extend(git.variable("HOME").map(|home| Path::new(home).join(".gitconfig")));
    paths.extend(git.own_folder().map(|folder| folder.join("config")));
    paths
}

/// What the user's settings say.
struct Settings {
    identity: Vec<(String, String)>,
    names_ignored: bool,
    /// Whether they take in other files, which may be there on a condition only.
    takes_in_others: bool,
    /// The files that they were read from, but those of the repository.
    files: Vec<PathBuf>,
}

impl Settings {
    fn ask(git: &Git, root: &Path) -> Result<Self, WorkspaceFault> {
        let listed = git.call(&["config", "--list", "-z", "--show-origin"]).at(root).with_settings().run()?;
        let (mut names_ignored, mut takes_in_others, mut files) = (false, false, Vec::new());
        let mut identity =
            vec![("name".to_owned(), "agent of orch".to_owned()), ("email".to_owned(), "agent@localhost".to_owned())];
        let mut words = listed.split(|byte| *byte == 0);
        while let (Some(origin), Some(setting)) = (words.next(), words.next()) {
            files.extend(origin.strip_prefix(b"file:").map(path_of).filter(|path| path.is_absolute()));
            let setting = String::from_utf8_lossy(setting);
            // A key may stand without a value.
            let Some((key, value)) = setting.split_once('\n') else { continue };
            names_ignored |= key == "core.excludesfile";
            takes_in_others |= key.starts_with("include.") || key.starts_with("includeif.");
            for (known, kept) in &mut identity {
                if key.strip_prefix("user.") == Some(known) {
                    value.clone_into(kept);
                }
            }
        }
        files.sort();
        files.dedup();
        Ok(Self { identity, names_ignored, takes_in_others, files })
    }

    /// The list of what to ignore that they name; git knows what its first letters stand for.
    fn ignored(git: &Git, root: &Path) -> Result<Option<PathBuf>, WorkspaceFault> {
        let words = ["config", "--type=path", "--get", "core.excludesFile"];
        let (_, named) = git.call(&words).at(root).with_settings().run_any(&[0, 1])?;
        let named = path_of(named.strip_suffix(b"\n").unwrap_or(&named));
        Ok(Some(named).filter(|path| path.is_absolute()))
    }
}

impl Found {
    fn around(git: &Git, root: &Path) -> Result<Option<Self>, WorkspaceFault> {
        let odd = |why: &str| WorkspaceFault::Odd { root: root.to_path_buf(), why: why.to_owned() };
        // The user's settings decide whose repositories are safe.
        let words = ["rev-parse", "--absolute-git-dir", "--git-common-dir", "--show-object-format", "--show-toplevel"];
        let told = match git.call(&words).at(root).with_settings().run() {
            Ok(told) => told,
            Err(WorkspaceFault::Git { said, .. }) if said.contains("not a git repository (or any") => {
                return Ok(None);
            }
            Err(WorkspaceFault::Git { said, .. }) if said.contains("must be run in a work tree") => {
                return Err(odd("it has no working tree here"));
            }
            Err(WorkspaceFault::Git { said, .. }) => return Err(odd(&said)),
            Err(fault) => return Err(fault),
        };
        let lines: Vec<_> = told.strip_suffix(b"\n").unwrap_or(&told).split(|byte| *byte == b'\n').collect();
        // A folder with a line break in its name would be taken for two.
        let [own, common, format, top] = lines[..] else { return Err(odd("the name of its folder has a line break")) };
        let (own, common, top) = (path_of(own), path_of(common), path_of(top));
        let format = String::from_utf8_lossy(format).into_owned();
        let top = top.canonicalize().map_err(|_| odd("its files are nowhere"))?;
        // A setting can say that the files are somewhere else, such as the whole home folder.
        if !root.starts_with(&top) || !is_of(&top.join(".git"), &own) {
            return Err(odd("its settings put its files somewhere else"));
        }
        let common = root.join(common).canonicalize().map_err(|_| odd("its folder is not there"))?;
        Ok(Some(Self { top, own, common, format }))
    }

    /// Whether the repository counts a folder in it as its own. Files anywhere above the folder can say so, so this is
    /// asked each time.
    pub fn has(&self, git: &Git, root: &Path) -> Result<bool, WorkspaceFault> {
        if self.top == root {
            return Ok(true);
        }
        let inner = root.strip_prefix(&self.top).unwrap_or(root);
        // This verb takes paths as they are and refuses to be told so.
        let call = git.call(&["check-ignore", "-q"]).env("GIT_LITERAL_PATHSPECS", "0");
        let words = [OsStr::new("--"), inner.as_os_str()];
        Ok(call.words(words).at(&self.top).with_settings().run_any(&[0, 1])?.0 != 0)
    }

    fn sources(&self) -> [PathBuf; 4] {
        let (own, common) = (self.own.clone(), self.common.clone());
        [self.common.join("config"), self.own.join("config.worktree"), own, common]
    }
}

impl Git {
    /// The folder of the user's settings, where git also looks for what is ignored everywhere when nothing is set.
    fn own_folder(&self) -> Option<PathBuf> {
        let value = |wanted: &str| self.variable(wanted).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = value("XDG_CONFIG_HOME").or_else(|| value("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("git"))
    }
}

/// Whether `.git` is this git folder, or the file that names it.
fn is_of(dot_git: &Path, own: &Path) -> bool {
    let Ok(own) = own.canonicalize() else { return false };
    if dot_git.is_dir() {
        return dot_git.canonicalize().is_ok_and(|found| found == own);
    }
    let Ok(text) = fs::read(dot_git) else { return false };
    let named = text.strip_prefix(b"gitdir: ").unwrap_or(&text).trim_ascii_end();
    let parent = dot_git.parent().unwrap_or(Path::new("/"));
    parent.join(OsStr::from_bytes(named)).canonicalize().is_ok_and(|found| found == own)
}
