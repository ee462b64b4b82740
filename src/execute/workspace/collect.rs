//! Removes workspaces that nobody needs, and says why it keeps the others.
//!
//! Invariant: what is removed has no living owner and holds nothing that is not kept elsewhere: its files are those of a
//! merged checkpoint, or of its base, and its commits are held by a name. Only an abandoned one goes unmerged, and a
//! checkpoint of it stays.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::base::RunId;

use super::{Oid, Owner, Point, Space, State, WorkspaceFault, Workspaces, owner::SpaceKind, repository::unique_beside};

/// Where removed workspaces are until their files are gone. Its name is no run's.
pub(super) const TRASH: &str = "removed";
/// Paths that are named.
const NAMED_MAX: usize = 20;

/// Why a workspace stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptWhy {
    /// Its owner lives.
    InUse {
        /// The owner.
        pid: u32,
    },
    /// It holds files that no checkpoint holds.
    Dirty {
        /// Some of them.
        paths: Vec<PathBuf>,
    },
    /// Its work is in no line.
    Unmerged,
    /// A step has not finished with it.
    Unfinished,
    /// It shows a merge of a run that has not ended.
    Shown,
    /// It cannot be looked at.
    Unreadable {
        /// Why not.
        why: String,
    },
}

/// A workspace that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub folder: PathBuf,
    /// Why.
    pub why: KeptWhy,
}

/// What a collection has done, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// What is gone.
    pub removed: Vec<PathBuf>,
    /// What stays.
    pub kept: Vec<Kept>,
}

impl Workspaces {
    /// Looks at every workspace; removes what nobody needs, unless it is only to be told.
    ///
    /// # Errors
    /// When the folder of all workspaces cannot be read. A fault of a single one keeps that one.
    pub fn collect(&self, is_rehearsal: bool) -> Result<Collected, WorkspaceFault> {
        self.collect_but(is_rehearsal, &|_| false)
    }

    /// The same, and keeps what is shown of the merges of runs that have not ended: a person may be looking at it.
    ///
    /// # Errors
    /// As above.
    pub fn collect_but(
        &self,
        is_rehearsal: bool,
        goes_on: &dyn Fn(&RunId) -> bool,
    ) -> Result<Collected, WorkspaceFault> {
        let mut collected = Collected::default();
        for folder in self.folders()? {
            match self.look(&folder, is_rehearsal, goes_on) {
                Ok(None) => collected.removed.push(folder),
                Ok(Some(why)) => collected.kept.push(Kept { folder, why }),
                Err(fault) => {
                    collected.kept.push(Kept { folder, why: KeptWhy::Unreadable { why: fault.to_string() } });
                }
            }
        }
        if !is_rehearsal {
            let lock = self.repository.lock()?;
            self.repository.sweep(&lock);
            self.empty_trash();
        }
        Ok(collected)
    }

    /// Why a workspace stays; `None` if it does not.
    fn look(
        &self,
        folder: &Path,
        is_rehearsal: bool,
        goes_on: &dyn Fn(&RunId) -> bool,
    ) -> Result<Option<KeptWhy>, WorkspaceFault> {
        // With the lock: nobody makes or adopts it meanwhile.
        let _lock = self.repository.lock()?;
        let Some(owner) = Owner::read(folder)? else {
            if !Owner::is_unwritten(folder) {
                let why = "nothing says whose it is".to_owned();
                return Ok(Some(KeptWhy::Unreadable { why }));
            }
            return self.remove(folder, is_rehearsal).map(|()| None);
        };
        if owner.process.is_alive() && owner.state != State::Released {
            return Ok(Some(KeptWhy::InUse { pid: owner.process.pid }));
        }
        let is_shown = owner.kind == SpaceKind::Line && owner.state == State::Ready && !owner.is_abandoned;
        if is_shown && goes_on(&owner.maker.run) {
            return Ok(Some(KeptWhy::Shown));
        }
        let mut space = Space { repository: self.repository.clone(), folder: folder.to_path_buf(), owner };
        match space.needed(is_rehearsal)? {
            Some(why) => Ok(Some(why)),
            None => self.remove(folder, is_rehearsal).map(|()| None),
        }
    }

    /// Takes a workspace away in one step; its files go after that, and again later if this process is killed.
    fn remove(&self, folder: &Path, is_rehearsal: bool) -> Result<(), WorkspaceFault> {
        if is_rehearsal {
            return Ok(());
        }
        let trash = self.folder.join(TRASH);
        let place = trash.join(unique_beside(folder).file_name().unwrap_or_default());
        let moved = fs::create_dir_all(&trash).and_then(|()| fs::rename(folder, &place));
        moved.map_err(WorkspaceFault::io(format!("remove {}", folder.display())))?;
        if let Some(run) = folder.parent() {
            // Stays where there are others in it.
            fs::remove_dir(run).ok();
        }
        clear(&place).ok();
        Ok(())
    }

    fn empty_trash(&self) {
        for entry in fs::read_dir(self.folder.join(TRASH)).into_iter().flatten().flatten() {
            clear(&entry.path()).ok();
        }
    }
}

impl Space {
    /// Why nobody may remove it.
    fn needed(&mut self, is_rehearsal: bool) -> Result<Option<KeptWhy>, WorkspaceFault> {
        let is_untouched = self.owner.state == State::Making;
        if is_untouched || self.owner.kind == SpaceKind::Line {
            return Ok(None);
        }
        if self.owner.kind == SpaceKind::Scratch {
            let is_done = self.owner.state == State::Released || self.owner.is_abandoned;
            let is_empty = fs::read_dir(self.top()).is_ok_and(|mut entries| entries.next().is_none());
            return Ok((!is_done && !is_empty).then_some(KeptWhy::Unfinished));
        }
        let snapshot = self.snapshot()?;
        if self.owner.is_abandoned {
            if !is_rehearsal {
                let name = self.name();
                self.checkpoint(&Point::Left(&name), "what was abandoned")?;
            }
            return Ok(None);
        }
        let kept = self.owner.checkpoint.clone().or_else(|| self.owner.base.clone());
        let kept = kept.ok_or_else(|| WorkspaceFault::Unknown("the workspace's base".to_owned()))?;
        let tree = self.repository.tree_of(&kept)?;
        if tree != snapshot.tree || !snapshot.left_out.is_empty() {
            let changes = self.repository.changes(&tree, &snapshot.tree)?.into_iter().map(|change| change.path);
            let paths = changes.chain(snapshot.left_out).take(NAMED_MAX).collect();
            return Ok(Some(KeptWhy::Dirty { paths }));
        }
        let commits = self.keep_commits(&snapshot.tree)?;
        let is_merged = match &self.owner.merged {
            Some(merged) => self.repository.tree_of(merged)? == tree,
            None => self.is_base(&tree)? && commits.is_none(),
        };
        Ok((!is_merged).then_some(KeptWhy::Unmerged))
    }

    fn is_base(&self, tree: &Oid) -> Result<bool, WorkspaceFault> {
        let Some(base) = &self.owner.base else { return Ok(false) };
        Ok(self.repository.tree_of(base)? == *tree)
    }
}

/// Removes a folder; one that its owner may not write in is made so first. Links are removed, never followed.
fn clear(folder: &Path) -> io::Result<()> {
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    open_up(folder)?;
    fs::remove_dir_all(folder)
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
