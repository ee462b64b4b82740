//! Keeps the commits that were made inside a workspace: those on a branch, in the stash, and those that a reset has left
//! behind. They are copied into the project's objects and held by `refs/orch/RUN/commits/NAME`.
//!
//! The workspace's repository belongs to its agent: it is read as data, and what comes from it is named anew by its
//! content, so that nothing in it can pass for an object of the project.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    path::Path,
};

use super::{Oid, Point, Space, WorkspaceFault};

/// Commits of one workspace.
const COMMITS_MAX: usize = 20_000;
/// Parents of one commit that holds others.
const PARENTS_MAX: usize = 200;
/// The largest pack of them, in bytes.
const PACK_MAX: u64 = 4_000_000_000;

impl Space {
    /// Keeps what is new; gives the commit that holds all of it, if there is any.
    pub(super) fn keep_commits(&self, tree: &Oid) -> Result<Option<Oid>, WorkspaceFault> {
        let name = self.name();
        let reference = Point::Commits(&name).reference(&self.owner.maker.run);
        let Some(git) = self.git().filter(|git| has_objects(git)) else { return self.repository.find(&reference) };
        let held = self.repository.find(&reference)?;
        let known = self.known(held.as_ref());
        let tips = self.tips(&git, &known)?;
        if tips.is_empty() {
            return Ok(held);
        }
        self.copy(&git, &tips, &known)?;
        let mut last = held;
        let tips: Vec<_> = tips.into_iter().collect();
        for some in tips.chunks(PARENTS_MAX) {
            let parents: Vec<_> = some.iter().cloned().chain(last).collect();
            last = Some(self.repository.commit(tree, &parents, "commits that were made in this workspace")?);
        }
        if let Some(last) = &last {
            self.repository.set_name(&reference, last)?;
        }
        Ok(last)
    }

    /// What the project has already, as git leaves it out.
    fn known(&self, held: Option<&Oid>) -> String {
        let mut known = fs::read_to_string(self.folder.join("borrowed")).unwrap_or_default();
        for oid in self.owner.base.iter().chain(&self.owner.checkpoint).chain(held) {
            known.push_str(&format!("^{oid}\n"));
        }
        known
    }

    /// The commits that no other one follows.
    fn tips(&self, git: &Path, known: &str) -> Result<BTreeSet<Oid>, WorkspaceFault> {
        let max = format!("--max-count={}", COMMITS_MAX + 1);
        let words = ["rev-list", "--parents", "--ignore-missing", &max, "--all", "--reflog", "--stdin"];
        let call = self.repository.git.call(&words).env("GIT_DIR", git).at(&self.folder);
        let output = call.input(known.as_bytes()).text()?;
        let (mut commits, mut followed) = (Vec::new(), HashSet::new());
        for line in output.lines() {
            let mut oids = line.split(' ').filter_map(Oid::parse);
            commits.extend(oids.next());
            followed.extend(oids);
        }
        if commits.len() > COMMITS_MAX {
            let said = format!("the workspace holds more than {COMMITS_MAX} commits of its own");
            return Err(WorkspaceFault::Git { verb: "rev-list".to_owned(), said });
        }
        Ok(commits.into_iter().filter(|commit| !followed.contains(commit)).collect())
    }

    fn copy(&self, git: &Path, tips: &BTreeSet<Oid>, known: &str) -> Result<(), WorkspaceFault> {
        let path = self.folder.join("commits.pack");
        let failed = || WorkspaceFault::io(format!("write {}", path.display()));
        // What is known may have gone from the project meanwhile; then there is nothing to leave out.
        let known = self.present(known)?;
        let wanted: String = tips.iter().map(|tip| format!("{tip}\n")).chain([known]).collect();
        let objects = git.join("objects");
        let pack = ["pack-objects", "--revs", "--local", "--stdout", "--quiet"];
        let call = self.repository.call(&pack).env("GIT_OBJECT_DIRECTORY", &objects).at(&self.folder);
        let file = File::create(&path).map_err(failed())?;
        call.input(wanted.as_bytes()).output_file(file).run()?;
        let length = fs::metadata(&path).map_err(failed())?.len();
        if length > PACK_MAX {
            let said = format!("the commits of the workspace are larger than {PACK_MAX} bytes");
            return Err(WorkspaceFault::Git { verb: "pack-objects".to_owned(), said });
        }
        let file = File::open(&path).map_err(failed())?;
        self.repository.call(&["index-pack", "--stdin"]).at(&self.folder).input_file(file).run()?;
        fs::remove_file(&path).ok();
        // Everything that they need must be there without the workspace.
        let words = ["rev-list", "--objects", "--quiet", "--stdin"];
        self.repository.call(&words).at(&self.folder).input(wanted.as_bytes()).run().map(drop)
    }

    /// Of the names to leave out those that the project still has.
    fn present(&self, known: &str) -> Result<String, WorkspaceFault> {
        let asked: String = known.lines().map(|line| format!("{}\n", line.trim_start_matches('^'))).collect();
        let output = self.repository.call(&["cat-file", "--batch-check=%(objectname) %(objecttype)"]).at(&self.folder);
        let output = output.input(asked.as_bytes()).text()?;
        let there = output
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, kind)| matches!(*kind, "commit" | "tag"));
        Ok(there.map(|(oid, _)| format!("^{oid}\n")).collect())
    }
}

/// Whether a git folder has objects of its own: only then has anybody made a commit in it.
fn has_objects(git: &Path) -> bool {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut loose = entries(&git.join("objects")).filter(|entry| entry.file_name().len() == 2);
    loose.any(|folder| entries(&folder.path()).next().is_some()) || entries(&git.join("objects/pack")).next().is_some()
}
