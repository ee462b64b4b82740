//! What an attempt depends on and what it leaves in the workspace, as digests: whether it was done before.
//!
//! A file's state is its kind, its executable bit and its content. Knows no steps, and decides nothing.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Digest, Envelope, Hasher},
    execute::{
        assignment::{Assignment, CommandText, Place},
        executor::Executor,
        globs::Globs,
        tree::{Stamp, Trees, walk},
    },
    guard::{Root, contained_path},
    runtime::{Adapter, Call, Order, Scene},
};

/// Bytes of a program of the project that are looked at.
const PROGRAM_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files that others have changed since, which are remembered at most.
const LATER_MAX: usize = 10_000;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A plain file.
    File,
    /// One that may be executed.
    Program,
    /// A symbolic link; its content is where it leads.
    Link,
    /// A socket, a pipe or a device.
    Special,
}

/// A file as it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// What it is.
    pub kind: FileKind,
    /// What it holds.
    pub content: Digest,
}

/// The states of files by path; `None` for one that is not there.
pub type States = BTreeMap<String, Option<FileState>>;

/// A file before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Before; absent where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FileState>,
    /// After; absent where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FileState>,
}

/// What an attempt has left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// The files that count as its own, as it found and as it left them. One that is the same in both cannot be put
    /// back: it must be there.
    pub changed: BTreeMap<String, Change>,
    /// The digest of all other files as it found them, where any of them may matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Digest>,
    /// What its run has changed behind it: from how the attempt knew the file to how the run left it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub later: BTreeMap<String, Change>,
}

/// A workspace in which an attempt's work can be taken as done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The files that are not as it left them.
    pub missing: Vec<String>,
    /// All other files as the attempt knew them; empty where they do not matter.
    pub rest: States,
}

/// Looks at workspaces, and remembers what it has read. Clones share the memory.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    trees: Arc<Trees>,
}

impl Traces {
    /// The states of all files of a workspace; `None` where they cannot be seen, or cannot be named as text.
    #[must_use]
    pub fn all(&self, workspace: &Path) -> Option<States> {
        let snapshot = walk(workspace, Path::new("")).ok()?;
        let contents = self.trees.contents(workspace, &snapshot).ok()?;
        let named = contents
            .into_iter()
            .map(|(path, (stamp, digest))| path.to_str().map(|path| (path.to_owned(), Some(state(&stamp, digest)))));
        named.collect()
    }

    /// The states of some files; `None` where one of them cannot be seen, or lies outside.
    #[must_use]
    pub fn some<'p>(&self, workspace: &Path, paths: impl Iterator<Item = &'p String>) -> Option<States> {
        paths.map(|path| Some((path.clone(), self.one(workspace, path)?))).collect()
    }

    fn one(&self, workspace: &Path, path: &str) -> Option<Option<FileState>> {
        let path = Path::new(path);
        contained_path(workspace, path).ok()?;
        let found = match Root::open(workspace).ok()?.look(path) {
            Err(error) => return (error.kind() == io::ErrorKind::NotFound).then_some(None),
            Ok(found) => found,
        };
        let stamp = Stamp::of(&found);
        (!found.is_dir()).then_some(())?;
        Some(Some(state(&stamp, self.trees.content(workspace, path, stamp).ok()?)))
    }

    /// Whether an attempt's work can be taken as done: its own files are as it found them, as it left them or as its
    /// run left them, and so are all others where they matter.
    #[must_use]
    pub fn fits(&self, workspace: &Path, footprint: &Footprint) -> Option<Fit> {
        let mut others = States::new();
        let own = if let Some(rest) = &footprint.rest {
            let mut now = self.all(workspace)?;
            let own: States = footprint.changed.keys().map(|path| (path.clone(), now.remove(path).flatten())).collect();
            for (path, change) in footprint.later.iter().filter(|(path, _)| !own.contains_key(*path)) {
                if now.get(path).cloned().flatten() == change.after {
                    now.remove(path);
                    now.extend(change.before.clone().map(|before| (path.clone(), Some(before))));
                }
            }
            (digest(&now) == *rest).then_some(())?;
            others = now;
            own
        } else {
            self.some(workspace, footprint.changed.keys())?
        };
        let mut missing = Vec::new();
        for (path, change) in &footprint.changed {
            let now = own.get(path).and_then(Option::as_ref);
            let is_last = || footprint.later.get(path).is_some_and(|later| now == later.after.as_ref());
            if now == change.after.as_ref() {
                continue;
            }
            (now == change.before.as_ref() || is_last()).then(|| missing.push(path.clone()))?;
        }
        Some(Fit { missing, rest: others })
    }
}

impl Footprint {
    /// What lies between two looks at a whole workspace. Where others worked there meanwhile, only what is declared is
    /// the attempt's own.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn between(before: &States, after: &States, declared: Option<&[String]>) -> Result<Self, String> {
        let globs = declared.map(Globs::new).transpose()?;
        let is_own = |path: &str| globs.as_ref().is_none_or(|globs| globs.is_match(Path::new(path)));
        let mut changed = BTreeMap::new();
        for (path, before, after) in differences(before, after) {
            if is_own(path) {
                changed.insert(path.to_owned(), Change { before: before.cloned(), after: after.cloned() });
            }
        }
        let rest = before.iter().filter(|(path, _)| !changed.contains_key(*path));
        let rest = Some(digest_of(rest));
        Ok(Self { changed, rest, later: BTreeMap::new() })
    }

    /// These files as they are: nothing of them can be put back.
    #[must_use]
    pub fn left(states: States) -> Self {
        let same = |state: Option<FileState>| Change { before: state.clone(), after: state };
        let changed = states.into_iter().map(|(path, state)| (path, same(state))).collect();
        Self { changed, ..Self::default() }
    }

    /// The same with files that must be there as they were left.
    #[must_use]
    pub fn as_left(mut self) -> Self {
        for change in self.changed.values_mut() {
            change.before.clone_from(&change.after);
        }
        self
    }

    /// The contents that it takes to do it again.
    pub fn contents(&self) -> impl Iterator<Item = (&String, &FileState)> {
        let written = self.changed.iter().filter(|(_, change)| change.before != change.after);
        written.filter_map(|(path, change)| Some((path, change.after.as_ref()?)))
    }

    /// Learns how its run has left what the attempt saw or left.
    pub fn left_behind(&mut self, then: &States, last: &States) {
        let mut later = BTreeMap::new();
        for (path, before, after) in differences(then, last) {
            if self.rest.is_some() && !self.changed.contains_key(path) {
                later.insert(path.to_owned(), Change { before: before.cloned(), after: after.cloned() });
            }
        }
        for (path, change) in &self.changed {
            let last = last.get(path).cloned().flatten();
            if last != change.after && change.before != change.after {
                later.insert(path.clone(), Change { before: change.after.clone(), after: last });
            }
        }
        if later.len() <= LATER_MAX {
            self.later = later;
        }
    }

    /// Tells the beginnings of the same work from one another.
    #[must_use]
    pub fn beginning(&self) -> Digest {
        let before: States = self.changed.iter().map(|(path, change)| (path.clone(), change.before.clone())).collect();
        let rest = self.rest.as_ref().map_or("", Digest::as_str);
        Digest::of(format!("{} {rest}", digest(&before)).as_bytes())
    }
}

/// The files that are not the same in both.
fn differences<'s>(
    before: &'s States,
    after: &'s States,
) -> impl Iterator<Item = (&'s str, Option<&'s FileState>, Option<&'s FileState>)> {
    let of = |states: &'s States, path: &String| states.get(path).and_then(Option::as_ref);
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    after.keys().chain(gone).filter_map(move |path| {
        let (before, after) = (of(before, path), of(after, path));
        (before != after).then_some((path.as_str(), before, after))
    })
}

fn state(stamp: &Stamp, content: Digest) -> FileState {
    FileState { kind: stamp.file_kind(), content }
}

/// A digest of states.
fn digest(states: &States) -> Digest {
    digest_of(states.iter())
}

fn digest_of<'s>(states: impl Iterator<Item = (&'s String, &'s Option<FileState>)>) -> Digest {
    let mut hasher = Hasher::default();
    for (path, state) in states {
        let Some(state) = state else { continue };
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(&[state.kind as u8]);
        hasher.update(state.content.as_str().as_bytes());
    }
    hasher.finish()
}

impl Executor {
    /// [`content`] with the runtimes of this executor.
    #[must_use]
    pub fn content(&self, assignment: &Assignment, place: &Place, cut: &[&str]) -> Option<Digest> {
        content(&|name| self.shared.adapters.get(name).cloned(), assignment, place, cut)
    }
}

/// Finds a runtime by its name.
pub type FindAdapter<'a> = dyn Fn(&str) -> Option<Arc<dyn Adapter>> + 'a;

/// A digest of all that an attempt is told: its order or its command, and what answers it. What is different in
/// every run, the texts in `cut`, does not count. `None` for what can never be done again from memory.
#[must_use]
pub fn content(find: &FindAdapter<'_>, assignment: &Assignment, place: &Place, cut: &[&str]) -> Option<Digest> {
    let mut parts: Vec<String> = Vec::new();
    match assignment {
        Assignment::Agent { order, runtime, limits: _ } => {
            let adapter = find(runtime)?;
            // Which try it is does not change what is to be done.
            let order = Order { attempt: 1, ..(**order).clone() };
            parts.extend(["agent".to_owned(), runtime.clone(), serde_json::to_string(&order).ok()?]);
            // Where it takes place is another one each time.
            let scene = Scene { workspace: place.workspace.clone(), ..Scene::default() };
            match adapter.call(&order, &scene).ok()? {
                Call::Recorded(turn) => parts.push(format!("{turn:?}")),
                Call::Service(call) => {
                    let settings = &call.settings;
                    let told = (settings.format, &settings.base_url, settings.max_tokens, &call.model);
                    parts.push(format!("{told:?}"));
                }
                Call::Program(invocation) => {
                    parts.push(format!("{:?} {:?}", invocation.argv, invocation.env));
                    let program = place.workspace.join(invocation.argv.first()?);
                    parts.push(program_digest(&place.workspace, &program)?.to_string());
                }
            }
        }
        Assignment::Run { command, args, env, expected_output, keeps_text, limits: _ } => {
            let command = match command {
                CommandText::Shell(text) => format!("shell {text}"),
                CommandText::Argv(words) => format!("words {words:?}"),
            };
            // The key names the attempt, which is always another one.
            let env: Vec<_> = env.iter().filter(|(name, _)| name != "ORCH_KEY").collect();
            parts.extend(["run".to_owned(), command, format!("{args:?} {env:?} {expected_output:?} {keeps_text}")]);
        }
        Assignment::GateRun { .. }
        | Assignment::GateCheck { .. }
        | Assignment::GateSchema { .. }
        | Assignment::GateFiles { .. }
        | Assignment::GateChanged { .. }
        | Assignment::GateSecrets { .. }
        | Assignment::Reconcile { .. } => return None,
    }
    if let Some(confined) = &place.sandbox {
        parts.push(format!("sandbox {:?} {:?} {:?}", confined.mode, confined.network, confined.writes));
    }
    parts.push(format!("{:?}", place.env));
    let mut hasher = Hasher::default();
    for mut part in parts {
        for text in cut.iter().filter(|text| !text.is_empty()) {
            part = part.replace(text, "");
        }
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    Some(hasher.finish())
}

/// A program of the project is part of what answers; one of the system is its name.
fn program_digest(workspace: &Path, program: &Path) -> Option<Digest> {
    let is_own = program.canonicalize().is_ok_and(|real| {
        workspace.canonicalize().is_ok_and(|workspace| real.starts_with(workspace)) && real.is_file()
    });
    if !is_own {
        return Some(Digest::of(b""));
    }
    let is_small = program.metadata().is_ok_and(|found| found.len() <= PROGRAM_BYTES_MAX);
    if is_small { fs::read(program).ok().map(|bytes| Digest::of(&bytes)) } else { None }
}

/// An envelope as one that was brought back before: it has cost nothing now.
#[must_use]
pub fn reused(mut envelope: Envelope, from: String) -> Envelope {
    envelope.saved = std::mem::take(&mut envelope.usage);
    (envelope.leaked, envelope.dropped_bytes) = (0, 0);
    envelope.reused = Some(from);
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_fits_while_every_file_that_counts_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        let traces = Traces::default();
        for (name, text) in [("source", "1"), ("old", "1"), ("gone", "1")] {
            write(name, text);
        }
        let before = traces.all(root).unwrap();
        write("made", "1");
        write("old", "2");
        fs::remove_file(root.join("gone")).unwrap();
        let all = Footprint::between(&before, &traces.all(root).unwrap(), None).unwrap();
        assert_eq!(all.changed.keys().collect::<Vec<_>>(), ["gone", "made", "old"]);
        let left = all.clone().as_left();
        let free = Footprint { rest: None, ..all.clone() };
        let missing = |footprint: &Footprint| traces.fits(root, footprint).map(|fit| fit.missing);
        for footprint in [&all, &left, &free] {
            assert_eq!(missing(footprint), Some(Vec::new()));
        }
        // Another file counts only where all do.
        write("source", "2");
        assert_eq!((missing(&all), missing(&left), missing(&free)), (None, None, Some(Vec::new())));
        write("source", "1");
        // Back to where it began: all of it is to be done, deletions too.
        write("gone", "1");
        write("old", "1");
        fs::remove_file(root.join("made")).unwrap();
        let whole = Some(vec!["gone".to_owned(), "made".to_owned(), "old".to_owned()]);
        assert_eq!((missing(&all), missing(&left), missing(&free)), (whole.clone(), None, whole));
        // Somebody else's file is never taken for one of the work's.
        write("made", "other");
        assert_eq!((missing(&all), missing(&free)), (None, None));
    }

    #[test]
    fn what_a_run_did_behind_the_work_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        let traces = Traces::default();
        write("source", "1");
        let before = traces.all(root).unwrap();
        write("made", "draft");
        let mut work = Footprint::between(&before, &traces.all(root).unwrap(), None).unwrap();
        write("made", "final");
        write("report", "1");
        assert_eq!(traces.fits(root, &work), None);
        work.left_behind(&before, &traces.all(root).unwrap());
        let fit = traces.fits(root, &work).unwrap();
        assert_eq!(
            (fit.missing, fit.rest.keys().cloned().collect::<Vec<_>>()),
            (vec!["made".to_owned()], vec!["source".to_owned()])
        );
        write("report", "edited");
        assert_eq!(traces.fits(root, &work), None, "a person's edit is a change");
    }

    #[test]
    fn what_others_wrote_meanwhile_is_not_the_works_own() {
        let state = |text: &str| Some(FileState { kind: FileKind::File, content: Digest::of(text.as_bytes()) });
        let before = States::new();
        let after = States::from([("a.txt".to_owned(), state("a")), ("b.txt".to_owned(), state("b"))]);
        let own = Footprint::between(&before, &after, Some(&["a.*".to_owned()])).unwrap();
        assert_eq!(own.changed.keys().collect::<Vec<_>>(), ["a.txt"]);
        assert_eq!(Footprint::between(&before, &after, None).unwrap().changed.len(), 2);
    }

    #[test]
    fn nothing_outside_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let traces = Traces::default();
        for path in ["../x", "/etc/passwd"] {
            assert_eq!(traces.some(folder.path(), [path.to_owned()].iter()), None, "{path}");
        }
    }
}
