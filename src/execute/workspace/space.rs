//! Workspaces: folders of their own for attempts, under the folder of the store.
//!
//! `RUN/NAME/` holds `owner.json`, the private `index`, `borrowed` (names of the project that the workspace knows) and
//! `tree/`, which the attempt gets. A `.git` file above all of them ends git's search upwards: where an agent has
//! destroyed its own repository, its next command must not find the user's.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::base::Timestamp;

use super::{
    Bounds, Checkpoint, Maker, Oid, Owner, Point, Process, Repository, Snapshot, State, WorkspaceFault, encode,
    owner::SpaceKind,
    ports,
    repository::{make_folder, unique_beside, write_whole},
    snapshot::{Look, copy_index},
};

/// Ends the search for a repository.
const BARRIER: &[u8] = b"gitdir: /dev/null/no-repository-above-a-workspace\n";
/// Names of the project that a workspace knows, at most.
const BORROWED_MAX: &str = "--count=5000";

/// All workspaces of a project.
#[derive(Debug, Clone)]
pub struct Workspaces {
    pub(super) repository: Repository,
    pub(super) folder: PathBuf,
}

/// What a workspace is wanted for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// For what.
    pub maker: &'a Maker,
    /// From which commit; an empty folder without one.
    pub base: Option<&'a Oid>,
    /// Now.
    pub now: Timestamp,
    /// Whether merges are shown to gates in it.
    pub is_line: bool,
}

/// One workspace.
#[derive(Debug, Clone)]
pub struct Space {
    pub(super) repository: Repository,
    pub(super) folder: PathBuf,
    pub(super) owner: Owner,
}

impl Workspaces {
    /// Those of a repository's project.
    ///
    /// # Errors
    /// When their folder cannot be made.
    pub fn open(repository: &Repository) -> Result<Self, WorkspaceFault> {
        let folder = repository.state().join("workspaces");
        let made = fs::create_dir_all(&folder).and_then(|()| write_whole(&folder.join(".git"), BARRIER));
        made.map_err(WorkspaceFault::io(format!("make {}", folder.display())))?;
        Ok(Self { repository: repository.clone(), folder })
    }

    /// Makes a workspace that nobody else has.
    ///
    /// # Errors
    /// When it cannot be made. What was made of it by then is removed by the next collection.
    pub fn make(&self, request: &Request<'_>) -> Result<Space, WorkspaceFault> {
        let mut space = self.reserve(request)?;
        match request.base {
            Some(base) => space.fill(base)?,
            None => {
                let top = space.top();
                fs::create_dir(&top).map_err(WorkspaceFault::io(format!("make {}", top.display())))?;
            }
        }
        space.owner.state = State::Ready;
        space.owner.write(&space.folder)?;
        Ok(space)
    }

    fn reserve(&self, request: &Request<'_>) -> Result<Space, WorkspaceFault> {
        let _lock = self.repository.lock()?;
        let run = self.folder.join(request.maker.run.as_str());
        fs::create_dir_all(&run).map_err(WorkspaceFault::io(format!("make {}", run.display())))?;
        let name = format!("{}-{}", encode(&request.maker.step), encode(&request.maker.attempt));
        let folder = (1..1000)
            .map(|number| if number == 1 { run.join(&name) } else { run.join(format!("{name}-{number}")) })
            .find_map(|folder| match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                made => Some(made.map(|()| folder)),
            })
            .unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::AlreadyExists)))
            .map_err(WorkspaceFault::io(format!("make {}", run.join(&name).display())))?;
        let taken: BTreeSet<u16> = self.all()?.iter().map(|space| space.owner.first_port).collect();
        let kind = match (request.base, request.is_line) {
            (None, _) => SpaceKind::Scratch,
            (Some(_), true) => SpaceKind::Line,
            (Some(_), false) => SpaceKind::Worktree,
        };
        let owner = Owner {
            version: 1,
            maker: request.maker.clone(),
            process: Process::current(),
            made_at: request.now,
            kind,
            base: request.base.cloned(),
            first_port: ports::free(&self.folder, &taken)?,
            state: State::Making,
            checkpoint: None,
            merged: None,
            is_abandoned: false,
        };
        owner.write(&folder)?;
        Ok(Space { repository: self.repository.clone(), folder, owner })
    }

    /// Every workspace that says whose it is, in the order of their names.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn all(&self) -> Result<Vec<Space>, WorkspaceFault> {
        let folders = self.folders()?;
        let read = |folder: PathBuf| {
            let owner = Owner::read(&folder).ok().flatten()?;
            Some(Space { repository: self.repository.clone(), folder, owner })
        };
        Ok(folders.into_iter().filter_map(read).collect())
    }

    pub(super) fn folders(&self) -> Result<Vec<PathBuf>, WorkspaceFault> {
        let failed = || WorkspaceFault::io(format!("read {}", self.folder.display()));
        let mut folders = Vec::new();
        for run in fs::read_dir(&self.folder).map_err(failed())? {
            let run = run.map_err(failed())?;
            if !run.file_type().map_err(failed())?.is_dir() || run.file_name() == super::collect::TRASH {
                continue;
            }
            folders.extend(fs::read_dir(run.path()).map_err(failed())?.flatten().map(|entry| entry.path()));
        }
        folders.sort();
        Ok(folders)
    }

    /// The workspace that was made for this, last; one that nobody has worked in yet counts for nothing.
    ///
    /// # Errors
    /// When their folder cannot be read, or another process that lives has it.
    pub fn find(&self, maker: &Maker) -> Result<Option<Space>, WorkspaceFault> {
        let fits = |space: &Space| space.owner.maker == *maker && space.owner.state != State::Making;
        let found = self.all()?.into_iter().filter(fits).max_by_key(|space| space.owner.made_at);
        found.map(|space| self.adopt(&space.folder)).transpose()
    }

    /// Takes a workspace over from a process that is dead.
    ///
    /// # Errors
    /// When it is not there, or its owner lives.
    pub fn adopt(&self, folder: &Path) -> Result<Space, WorkspaceFault> {
        let _lock = self.repository.lock()?;
        let unknown = || WorkspaceFault::Unknown(folder.display().to_string());
        let mut owner = Owner::read(folder)?.ok_or_else(unknown)?;
        if owner.process != Process::current() && owner.process.is_alive() {
            return Err(WorkspaceFault::Busy { holder: Some(owner.process.pid) });
        }
        owner.process = Process::current();
        owner.write(folder)?;
        Ok(Space { repository: self.repository.clone(), folder: folder.to_path_buf(), owner })
    }
}

impl Space {
    /// Its own folder, which only this room uses.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The top of its working tree.
    #[must_use]
    pub fn top(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Where the project is in it: where an attempt starts.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        if self.owner.kind == SpaceKind::Scratch { self.top() } else { self.top().join(self.repository.inner()) }
    }

    /// Its name in its run.
    #[must_use]
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What commands in it are told on top of everything else.
    #[must_use]
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("ORCH_WORKSPACE".into(), self.root().into()),
            ("ORCH_PORT".into(), self.owner.first_port.to_string().into()),
            ("ORCH_PORT_COUNT".into(), ports::COUNT.to_string().into()),
            // The barrier again, for what looks for repositories without git's own rules.
            ("GIT_CEILING_DIRECTORIES".into(), self.folder.clone().into()),
        ]
    }

    fn fill(&self, base: &Oid) -> Result<(), WorkspaceFault> {
        let git = self.top().join(".git");
        let made = make_folder(&git, self.repository.format(), false).and_then(|()| {
            fs::write(git.join("objects/info/alternates"), self.repository.objects().as_os_str().as_encoded_bytes())?;
            let config = fs::read_to_string(git.join("config"))?;
            fs::write(git.join("config"), format!("{config}{}", self.repository.identity()))
        });
        made.map_err(WorkspaceFault::io(format!("make {}", git.display())))?;
        self.borrow_names(&git)?;
        self.place(base)
    }

    /// Lets the workspace know the project's branches and tags, as copies: an agent may compare with them, and moving
    /// them moves nothing of the user's.
    fn borrow_names(&self, git: &Path) -> Result<(), WorkspaceFault> {
        let words = ["for-each-ref", BORROWED_MAX, "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
        let listed = self.repository.named(&words).text()?;
        let (mut names, mut borrowed) = (String::new(), String::new());
        for (oid, name) in listed.lines().filter_map(|line| line.split_once(' ')) {
            let name = match name.strip_prefix("refs/heads/") {
                Some(branch) => format!("refs/remotes/project/{branch}"),
                None => name.to_owned(),
            };
            names.push_str(&format!("{oid} {name}\n"));
            borrowed.push_str(&format!("^{oid}\n"));
        }
        let shallow = self.repository.shallow();
        let made = fs::write(git.join("packed-refs"), names)
            .and_then(|()| fs::write(self.folder.join("borrowed"), borrowed))
            .and_then(|()| shallow.map_or(Ok(0), |shallow| fs::copy(shallow, git.join("shallow"))));
        made.map(drop).map_err(WorkspaceFault::io(format!("fill {}", git.display())))
    }

    /// Puts the files of a commit into it, and sets its branch there. What is there and not ignored goes.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn place(&self, commit: &Oid) -> Result<(), WorkspaceFault> {
        let (top, git) = (self.top(), self.top().join(".git"));
        let (index, work) = (self.index(), unique_beside(&self.index()));
        if index.exists() {
            copy_index(&index, &work).map_err(WorkspaceFault::io(format!("read {}", index.display())))?;
        }
        self.repository.call(&["read-tree", "--reset", "-u", commit.as_str()]).tree(&top).index(&work).run()?;
        if self.owner.state != State::Making {
            self.repository.call(&["clean", "-ffdq"]).tree(&top).index(&work).run()?;
        }
        fs::rename(&work, &index).map_err(WorkspaceFault::io(format!("keep {}", index.display())))?;
        let branch = format!("refs/heads/orch/{}", self.name());
        let branch_file = git.join(&branch);
        let placed = fs::create_dir_all(branch_file.parent().unwrap_or(&git))
            .and_then(|()| write_whole(&branch_file, format!("{commit}\n").as_bytes()))
            .and_then(|()| write_whole(&git.join("HEAD"), format!("ref: {branch}\n").as_bytes()))
            .and_then(|()| copy_index(&index, &git.join("index")));
        placed.map_err(WorkspaceFault::io(format!("fill {}", git.display())))
    }

    pub(super) fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// Its own git folder, where the attempt has left it one.
    pub(super) fn git(&self) -> Option<PathBuf> {
        let git = self.top().join(".git");
        let is_folder = fs::symlink_metadata(&git).is_ok_and(|found| found.is_dir());
        (is_folder && git.join("HEAD").is_file()).then_some(git)
    }

    /// Its files now.
    pub(super) fn snapshot(&self) -> Result<Snapshot, WorkspaceFault> {
        let (top, index, git) = (self.top(), self.index(), self.git());
        let bounds = Bounds::default();
        self.repository.snapshot(&Look {
            folder: &top,
            index: &index,
            tracker: git.as_deref(),
            also: &[],
            seed: self.owner.base.as_ref(),
            bounds,
        })
    }

    /// Keeps its files and every commit that was made in it.
    ///
    /// # Errors
    /// When something cannot be kept; the workspace stays as it is.
    pub fn checkpoint(&mut self, point: &Point<'_>, message: &str) -> Result<Checkpoint, WorkspaceFault> {
        let snapshot = self.snapshot()?;
        self.keep_commits(&snapshot.tree)?;
        let last = self.owner.checkpoint.clone();
        let commit = match last {
            // Nothing has changed: the same state keeps its name, so that whoever looks twice finds it.
            Some(last) if self.repository.tree_of(&last)? == snapshot.tree => last,
            last => {
                let parents: Vec<_> = last.iter().chain(&self.owner.base).take(1).cloned().collect();
                self.repository.commit(&snapshot.tree, &parents, message)?
            }
        };
        let name = point.reference(&self.owner.maker.run);
        self.repository.set_name(&name, &commit)?;
        self.owner.checkpoint = Some(commit.clone());
        self.owner.write(&self.folder)?;
        Ok(Checkpoint { name, commit, tree: snapshot.tree, left_out: snapshot.left_out })
    }

    /// Says that its step has finished with it.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn release(&mut self) -> Result<(), WorkspaceFault> {
        self.owner.state = State::Released;
        self.owner.write(&self.folder)
    }

    /// Says that a checkpoint of it has been merged.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn merged(&mut self, checkpoint: &Oid) -> Result<(), WorkspaceFault> {
        self.owner.merged = Some(checkpoint.clone());
        self.owner.write(&self.folder)
    }

    /// Says that nobody wants its work. A collection keeps a last checkpoint and then removes it.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn abandon(&mut self) -> Result<(), WorkspaceFault> {
        self.owner.is_abandoned = true;
        self.owner.write(&self.folder)
    }
}
