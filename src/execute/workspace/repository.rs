//! The repository of a project as workspaces see it: where its objects and its names are, and a git folder of our own
//! that everything else goes through.
//!
//! Invariant: of the project's git folder only the objects and `refs/orch/` are written; its settings are read where git
//! cannot do without (the kind of its names and objects), and no call there looks at files or runs anything.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::base::RunId;

use super::{
    WorkspaceFault,
    git::{Call, Git, Oid},
    lock::Lock,
    memory::Memory,
    reference,
    seen::Seen,
    told::Told,
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
    /// What other openings of it in this process have found out.
    pub(super) memory: Arc<Memory>,
}

impl Repository {
    /// The repository around `root`; `state` is the folder of the store, `env` what children may see.
    ///
    /// # Errors
    /// No git, or a repository that is odd: bare, of another owner, or with its files elsewhere. No repository at all
    /// is no fault.
    pub fn open(root: &Path, state: &Path, env: &[(OsString, OsString)]) -> Result<Self, WorkspaceFault> {
        let git = Git::new(env);
        let root = root.canonicalize().map_err(WorkspaceFault::io(format!("find {}", root.display())))?;
        let made = fs::create_dir_all(state.join("git")).and_then(|()| state.canonicalize());
        let state = made.map_err(WorkspaceFault::io(format!("make {}", state.display())))?;
        let memory = Memory::of(&git, &root, &state);
        let Told { found, ignored, identity } = memory.told()?;
        let found = match found {
            Some(found) if found.has(&git, &root)? => Some(found),
            _ => None,
        };
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
                ignored: ignored.filter(|path| path.is_file()),
                format: found.format,
                identity,
                state,
                git,
                seen,
                memory,
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
                memory,
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
        let call = call.ignoring(self.ignored());
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
