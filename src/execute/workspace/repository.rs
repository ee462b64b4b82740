//! The repository of a project as workspaces see it: where its objects and its names are, and a git folder of our own
//! that everything else goes through.
//!
//! Invariant: of the project's git folder only the objects and `refs/orch/` are written; its settings are read where git
//! cannot do without (the kind of its names and objects), and no call there looks at files or runs anything.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::base::RunId;

use super::{
    WorkspaceFault,
    git::{Call, Git, Oid, path_of},
    lock::Lock,
    reference,
    seen::Seen,
};

/// Attributes stand above all others here: a file is kept byte by byte, whatever the repository says.
const ATTRIBUTES: &str = "* -text -filter -ident -working-tree-encoding\n";
/// Names that one run may have.
const POINTS_MAX: &str = "--count=100000";

/// What keeps the checkpoints of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its own repository.
    Git,
    /// A private one, because the project has none.
    Plain,
}

/// The repository of a project.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) git: Git,
    kind: Kind,
    root: PathBuf,
    top: PathBuf,
    /// The project's own folder: its index and its HEAD.
    own: Option<PathBuf>,
    /// Where names are.
    names: PathBuf,
    objects: PathBuf,
    /// Our own git folder.
    control: PathBuf,
    state: PathBuf,
    /// The user's list of what to ignore everywhere.
    ignored: Option<PathBuf>,
    format: String,
    /// Who the user is, for commits that agents make.
    identity: Vec<(String, String)>,
    pub(super) seen: Seen,
}

impl Repository {
    /// The repository around `root`; `state` is the folder of the store, `env` what children may see.
    ///
    /// # Errors
    /// No git, or a repository that is odd: bare, of another owner, or with its files elsewhere. No repository at all
    /// is no fault.
    pub fn open(root: &Path, state: &Path, env: &[(OsString, OsString)]) -> Result<Self, WorkspaceFault> {
        let git = Git::new(env);
        git.version()?;
        let root = root.canonicalize().map_err(WorkspaceFault::io(format!("find {}", root.display())))?;
        let made = fs::create_dir_all(state.join("git")).and_then(|()| state.canonicalize());
        let state = made.map_err(WorkspaceFault::io(format!("make {}", state.display())))?;
        let found = Found::around(&git, &root)?;
        let identity = identity(&git, &root)?;
        let seen = Seen::default();
        let plain = state.join("git/plain.git");
        let repository = match found {
            Some(found) => Self {
                kind: Kind::Git,
                root,
                top: found.top,
                own: Some(found.own),
                objects: found.common.join("objects"),
                names: found.common,
                control: state.join("git/control.git"),
                ignored: found.ignored,
                format: found.format,
                identity,
                state,
                git,
                seen,
            },
            None => Self {
                kind: Kind::Plain,
                top: root.clone(),
                root,
                own: None,
                objects: plain.join("objects"),
                names: plain.clone(),
                control: plain,
                ignored: None,
                format: "sha1".to_owned(),
                identity,
                state,
                git,
                seen,
            },
        };
        make_folder(&repository.control, &repository.format, true)
            .map_err(WorkspaceFault::io(format!("make {}", repository.control.display())))?;
        if repository.intent().exists() {
            let lock = repository.lock()?;
            repository.finish_intent(&lock)?;
        }
        Ok(repository)
    }

    /// What keeps the checkpoints.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The folder whose files checkpoints hold: that of the repository, which may lie above the project.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Where the project lies in it; empty where they are one.
    #[must_use]
    pub fn inner(&self) -> &Path {
        self.root.strip_prefix(&self.top).unwrap_or(Path::new(""))
    }

    /// The folder of the store.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn objects(&self) -> &Path {
        &self.objects
    }

    pub(super) fn format(&self) -> &str {
        &self.format
    }

    /// The project's own git folder.
    pub(super) fn own(&self) -> Option<&Path> {
        self.own.as_deref()
    }

    pub(super) fn ignored(&self) -> Option<&Path> {
        self.ignored.as_deref()
    }

    /// A list of what to ignore that belongs to this repository alone.
    pub(super) fn excluded(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|_| self.names.join("info/exclude")).filter(|path| path.is_file())
    }

    /// The list of commits whose parents are not there, in a clone without all of its history.
    pub(super) fn shallow(&self) -> Option<PathBuf> {
        Some(self.names.join("shallow")).filter(|path| path.is_file())
    }

    /// Settings that every workspace gets.
    pub(super) fn identity(&self) -> String {
        let mut text = "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[user]\n".to_owned();
        for (key, value) in &self.identity {
            let value: String = value
                .chars()
                .filter(|letter| !letter.is_control())
                .flat_map(|letter| matches!(letter, '"' | '\\').then_some('\\').into_iter().chain([letter]))
                .collect();
            text.push_str(&format!("\t{key} = \"{value}\"\n"));
        }
        text
    }

    /// Waits until nobody else works on this repository. All its checkouts and projects have the one lock.
    pub(super) fn lock(&self) -> Result<Lock, WorkspaceFault> {
        Lock::take(&self.names.join("orch/lock"))
    }

    /// A call with our own folder and the project's objects.
    pub(super) fn call<'a>(&'a self, words: &[&'a str]) -> Call<'a> {
        let call = self.git.call(words).env("GIT_DIR", &self.control).env("GIT_OBJECT_DIRECTORY", &self.objects);
        match self.shallow() {
            Some(shallow) => call.env("GIT_SHALLOW_FILE", shallow),
            None => call,
        }
    }

    /// A call that asks for names, or moves some.
    pub(super) fn named<'a>(&'a self, words: &[&'a str]) -> Call<'a> {
        self.git.call(words).env("GIT_DIR", &self.names).at(&self.state)
    }

    /// The user's commit, if there is one.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn head(&self) -> Result<Option<Oid>, WorkspaceFault> {
        let Some(own) = &self.own else { return Ok(None) };
        let words = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
        let (_, output) = self.git.call(&words).env("GIT_DIR", own).at(&self.state).run_any(&[0, 1])?;
        Ok(Oid::parse(String::from_utf8_lossy(&output).trim()))
    }

    /// The commit of a name or of its digits.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn find(&self, name: &str) -> Result<Option<Oid>, WorkspaceFault> {
        let words = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let call = self.named(&words).words([format!("{name}^{{commit}}")]);
        let (_, output) = call.run_any(&[0, 1, 128])?;
        Ok(Oid::parse(String::from_utf8_lossy(&output).trim()))
    }

    /// The tree of a commit.
    pub(super) fn tree_of(&self, commit: &Oid) -> Result<Oid, WorkspaceFault> {
        self.call(&["rev-parse", "--verify", "--quiet"]).words([format!("{commit}^{{tree}}")]).oid()
    }

    /// All names of a run and their commits, in the order of the names.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn points(&self, run: &RunId) -> Result<Vec<(String, Oid)>, WorkspaceFault> {
        let words = ["for-each-ref", POINTS_MAX, "--format=%(objectname) %(refname)"];
        let output = self.named(&words).words([reference::folder(run)]).text()?;
        let pairs = output.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.filter_map(|(oid, name)| Some((name.to_owned(), Oid::parse(oid)?))).collect())
    }

    /// Moves a name from one commit to another; `false` if somebody else has moved it. `None` is no commit.
    pub(super) fn move_name(&self, name: &str, old: Option<&Oid>, new: &Oid) -> Result<bool, WorkspaceFault> {
        let null = "0".repeat(new.as_str().len());
        let expected = old.map_or(null.as_str(), Oid::as_str);
        match self.update_names(&format!("update {name} {new} {expected}\n")) {
            Ok(()) => Ok(true),
            Err(fault) => match self.find(name)? {
                found if found.as_ref() != old => Ok(false),
                _ => Err(fault),
            },
        }
    }

    /// Sets a name, whatever it was.
    pub(super) fn set_name(&self, name: &str, new: &Oid) -> Result<(), WorkspaceFault> {
        self.update_names(&format!("update {name} {new}\n"))
    }

    /// Changes names below `refs/orch/`.
    ///
    /// Git gives a name a lock file and leaves it there when it is killed; no git takes it away again. So each of our
    /// calls has a lock of ours as its output, to which it writes nothing: whoever gets that lock knows that no such call
    /// is alive, not even the orphan of a killed process, and that a lock file there is a dead one's.
    pub(super) fn update_names(&self, lines: &str) -> Result<(), WorkspaceFault> {
        let lock = Lock::take(&self.names.join("orch/names"))?;
        let update = || {
            let call = self.named(&["update-ref", "--no-deref", "--stdin"]).input(lines.as_bytes());
            call.output_file(lock.share()?).run().map(drop)
        };
        match update() {
            Err(WorkspaceFault::Git { said, .. }) if said.contains(".lock") => {
                remove_locks(&self.names.join("refs/orch"));
                update()
            }
            done => done,
        }
    }
}

fn remove_locks(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|found| found.is_dir()) {
            remove_locks(&entry.path());
        } else if entry.path().extension().is_some_and(|end| end == "lock") {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Who the user is by their own settings; without any, an agent's commits say so.
fn identity(git: &Git, root: &Path) -> Result<Vec<(String, String)>, WorkspaceFault> {
    let words = ["config", "-z", "--get-regexp", "^user\\.(name|email)$"];
    let (_, output) = git.call(&words).at(root).with_settings().run_any(&[0, 1])?;
    let output = String::from_utf8_lossy(&output).into_owned();
    let mut all =
        vec![("name".to_owned(), "agent of orch".to_owned()), ("email".to_owned(), "agent@localhost".to_owned())];
    for (key, value) in output.split('\0').filter_map(|pair| pair.split_once('\n')) {
        for (known, kept) in &mut all {
            if key.strip_prefix("user.") == Some(known) {
                value.clone_into(kept);
            }
        }
    }
    Ok(all)
}

/// What git says about a folder.
struct Found {
    top: PathBuf,
    own: PathBuf,
    common: PathBuf,
    ignored: Option<PathBuf>,
    format: String,
}

impl Found {
    fn around(git: &Git, root: &Path) -> Result<Option<Self>, WorkspaceFault> {
        let odd = |why: &str| WorkspaceFault::Odd { root: root.to_path_buf(), why: why.to_owned() };
        // The user's settings decide whose repositories are safe.
        let ask =
            |words: &[&str]| -> Result<Vec<u8>, WorkspaceFault> { git.call(words).at(root).with_settings().run() };
        let path = |bytes: Vec<u8>| path_of(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
        let words = ["rev-parse", "--absolute-git-dir", "--git-common-dir", "--show-object-format", "--show-toplevel"];
        let told = match ask(&words) {
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
        if top != root {
            let inner = root.strip_prefix(&top).unwrap_or(root);
            let words = [OsStr::new("--"), inner.as_os_str()];
            // This verb takes paths as they are and refuses to be told so.
            let call = git.call(&["check-ignore", "-q"]).env("GIT_LITERAL_PATHSPECS", "0");
            let asked = call.words(words).at(&top).with_settings().run_any(&[0, 1])?;
            if asked.0 == 0 {
                return Ok(None);
            }
        }
        let common = root.join(common).canonicalize().map_err(|_| odd("its folder is not there"))?;
        let words = ["config", "--type=path", "--get", "core.excludesFile"];
        let (_, named) = git.call(&words).at(root).with_settings().run_any(&[0, 1])?;
        let ignored = Some(path(named)).filter(|path| path.is_absolute() && path.is_file());
        Ok(Some(Self { top, own, common, ignored: ignored.or_else(|| git.ignored_by_default()), format }))
    }
}

impl Git {
    /// Where git looks for what is ignored everywhere when nothing is set.
    fn ignored_by_default(&self) -> Option<PathBuf> {
        let value = |wanted: &str| self.variable(wanted).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = value("XDG_CONFIG_HOME").or_else(|| value("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("git/ignore")).filter(|path| path.is_file())
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

/// Makes a git folder that says nothing but what is needed. What is there already is written again, whole.
pub(super) fn make_folder(folder: &Path, format: &str, is_bare: bool) -> std::io::Result<()> {
    for inner in ["objects/info", "objects/pack", "refs/heads", "info"] {
        fs::create_dir_all(folder.join(inner))?;
    }
    let version = if format == "sha1" { "0".to_owned() } else { format!("1\n[extensions]\n\tobjectFormat = {format}") };
    let config = format!(
        "[core]\n\tbare = {is_bare}\n\tfileMode = true\n\tautocrlf = false\n\tsafecrlf = false\n\tsymlinks = true\n\
         \tignoreCase = false\n\trepositoryFormatVersion = {version}\n"
    );
    write_whole(&folder.join("config"), config.as_bytes())?;
    write_whole(&folder.join("info/attributes"), ATTRIBUTES.as_bytes())?;
    // The last, because git takes a folder for a repository only with it.
    if !folder.join("HEAD").exists() {
        write_whole(&folder.join("HEAD"), b"ref: refs/heads/none\n")?;
    }
    Ok(())
}

/// Writes a file so that others see the old or the new, never a part.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let beside = unique_beside(path);
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

/// A name beside a file that nobody else uses, even where this process has been killed and another has its number.
pub(super) fn unique_beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{now:x}-{count}.new", std::process::id()));
    path.with_file_name(name)
}
