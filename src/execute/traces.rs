//! What an attempt depends on and what it leaves in the workspace, as digests: whether it was done before.
//!
//! A file's state is its kind, its executable bit and its content. Knows no steps, and decides nothing.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Digest, Envelope, Hasher},
    execute::{
        assignment::{Assignment, CommandText, Place},
        executor::Executor,
        tree::{Stamp, Trees, walk},
    },
    guard::contained_path,
    runtime::{Call, Scene},
};

/// Bytes of a program of the project that are looked at.
const PROGRAM_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The states of files by path; `None` for one that is not there.
pub type States = BTreeMap<String, Option<Digest>>;

/// What an attempt has left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// The files that it has changed, as it left them.
    pub changed: States,
    /// The digest of all other files, where any of them may matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Digest>,
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
            .map(|(path, (stamp, digest))| path.to_str().map(|path| (path.to_owned(), Some(state(&stamp, &digest)))));
        named.collect()
    }

    /// The states of some files; `None` where one of them cannot be seen, or lies outside.
    #[must_use]
    pub fn some<'p>(&self, workspace: &Path, paths: impl Iterator<Item = &'p String>) -> Option<States> {
        paths.map(|path| Some((path.clone(), self.one(workspace, path)?))).collect()
    }

    fn one(&self, workspace: &Path, path: &str) -> Option<Option<Digest>> {
        let place = contained_path(workspace, Path::new(path)).ok()?;
        let Ok(found) = fs::symlink_metadata(&place) else { return Some(None) };
        let stamp = Stamp::of(&found);
        (!found.is_dir()).then_some(())?;
        Some(Some(state(&stamp, &self.trees.content(&place, stamp).ok()?)))
    }

    /// Whether everything is still as an attempt left it.
    #[must_use]
    pub fn holds(&self, workspace: &Path, footprint: &Footprint) -> bool {
        let Some(rest) = &footprint.rest else {
            let now = self.some(workspace, footprint.changed.keys());
            return now.as_ref() == Some(&footprint.changed);
        };
        let Some(mut now) = self.all(workspace) else { return false };
        let changed: States = footprint.changed.keys().map(|path| (path.clone(), now.remove(path).flatten())).collect();
        changed == footprint.changed && digest(&now) == *rest
    }
}

impl Footprint {
    /// What lies between two looks at a whole workspace.
    #[must_use]
    pub fn between(before: &States, after: States) -> Self {
        let mut changed = States::new();
        let mut rest = States::new();
        for path in before.keys().filter(|path| !after.contains_key(*path)) {
            changed.insert(path.clone(), None);
        }
        for (path, state) in after {
            let target = if before.get(&path) == Some(&state) { &mut rest } else { &mut changed };
            target.insert(path, state);
        }
        Self { changed, rest: Some(digest(&rest)) }
    }
}

fn state(stamp: &Stamp, digest: &Digest) -> Digest {
    Digest::of(format!("{} {digest}", stamp.kind_word()).as_bytes())
}

/// A digest of states.
fn digest(states: &States) -> Digest {
    let mut hasher = Hasher::default();
    for (path, state) in states {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(state.as_ref().map_or("", Digest::as_str).as_bytes());
    }
    hasher.finish()
}

impl Executor {
    /// A digest of all that an attempt is told: its order or its command, and what answers it. What is different in
    /// every run, the texts in `cut`, does not count. `None` for what can never be done again from memory.
    #[must_use]
    pub fn content(&self, assignment: &Assignment, place: &Place, cut: &[&str]) -> Option<Digest> {
        let mut parts: Vec<String> = Vec::new();
        match assignment {
            Assignment::Agent { order, runtime, limits: _ } => {
                let adapter = self.shared.adapters.get(runtime)?;
                parts.extend(["agent".to_owned(), runtime.clone(), serde_json::to_string(order).ok()?]);
                // Where it takes place is another one each time.
                let scene = Scene { workspace: place.workspace.clone(), ..Scene::default() };
                match adapter.call(order, &scene).ok()? {
                    Call::Recorded(turn) => parts.push(format!("{turn:?}")),
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
            | Assignment::Reconcile { .. } => return None,
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
    envelope.usage = crate::base::Usage::default();
    (envelope.leaked, envelope.dropped_bytes) = (0, 0);
    envelope.reused = Some(from);
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footprint_holds_until_a_file_that_counts_is_another_one() {
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
        let all = Footprint::between(&before, traces.all(root).unwrap());
        assert_eq!(all.changed.keys().collect::<Vec<_>>(), ["gone", "made", "old"]);
        let some = Footprint { changed: traces.some(root, all.changed.keys()).unwrap(), rest: None };
        assert_eq!(some.changed, all.changed);
        assert!(traces.holds(root, &all) && traces.holds(root, &some));
        // Another file counts only where all do.
        write("source", "2");
        assert!(!traces.holds(root, &all) && traces.holds(root, &some));
        write("source", "1");
        assert!(traces.holds(root, &all));
        for (path, text, back) in [("made", "other", "1"), ("old", "1", "2")] {
            write(path, text);
            assert!(!traces.holds(root, &all) && !traces.holds(root, &some), "{path}");
            write(path, back);
            assert!(traces.holds(root, &all) && traces.holds(root, &some), "{path}");
        }
        write("gone", "back");
        assert!(!traces.holds(root, &all) && !traces.holds(root, &some));
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
