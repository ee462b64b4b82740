//! Records what agents do in a real run: each turn is kept as a file of its own as soon as it has ended.
//!
//! Looks at the workspace before and after each attempt. Where attempts work beside each other it cannot see who wrote
//! what; then the declared `files:` decide, and what they do not decide is said in the recording, never guessed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    base::Outcome,
    execute::{
        agent::snapshot,
        assignment::{Assignment, Place},
        executor::{Executor, blocking},
        globs::Globs,
        process::StopToken,
        traces::FileKind,
        tree::{Snapshot, changes, open_beneath, path_text},
    },
    guard::{Redactor, write_whole},
    runtime::{Order, Seen, TapedFile, TapedTurn},
};

/// The longest file that is read; a longer one is not recorded.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Keeps the turns of one run in a folder.
#[derive(Debug)]
pub struct Taper {
    folder: PathBuf,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next turn.
    next: u64,
    /// The number of the next attempt that is looked at.
    window: u64,
    live: BTreeMap<u64, Window>,
    ended: BTreeMap<u64, Ended>,
}

/// An attempt that works now.
#[derive(Debug)]
struct Window {
    workspace: PathBuf,
    /// Those that worked at the same time in the same place.
    beside: BTreeSet<u64>,
}

/// An attempt that has worked beside one that still does.
#[derive(Debug, Clone)]
struct Ended {
    name: String,
    changed: BTreeSet<PathBuf>,
}

impl Taper {
    /// Keeps turns in that folder, behind those that an earlier process has kept there.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn new(folder: PathBuf, redactor: Arc<Redactor>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let number = |entry: fs::DirEntry| entry.path().file_stem()?.to_str()?.parse::<u64>().ok();
        let last = fs::read_dir(&folder)?.flatten().filter_map(number).max();
        let state = State { next: last.map_or(1, |last| last + 1), ..State::default() };
        Ok(Self { folder, redactor, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, workspace: &Path) -> u64 {
        let mut state = self.state();
        state.window += 1;
        let number = state.window;
        let mut beside = BTreeSet::new();
        for (other, window) in &mut state.live {
            if window.workspace == workspace {
                window.beside.insert(number);
                beside.insert(*other);
            }
        }
        state.live.insert(number, Window { workspace: workspace.to_owned(), beside });
        number
    }

    /// Whether anybody worked beside an attempt that has ended, and those of them that have ended before it.
    fn end(&self, number: u64, name: &str, changed: BTreeSet<PathBuf>) -> (bool, Vec<Ended>) {
        let mut state = self.state();
        let beside = state.live.remove(&number).map(|window| window.beside).unwrap_or_default();
        let before = beside.iter().filter_map(|other| state.ended.get(other).cloned()).collect();
        state.ended.insert(number, Ended { name: name.to_owned(), changed });
        let wanted: BTreeSet<u64> = state.live.values().flat_map(|window| window.beside.iter().copied()).collect();
        state.ended.retain(|ended, _| wanted.contains(ended));
        (!beside.is_empty(), before)
    }

    fn keep(&self, turn: &TapedTurn) -> io::Result<()> {
        let number = {
            let mut state = self.state();
            state.next += 1;
            state.next - 1
        };
        write_whole(&self.folder.join(format!("{number:06}.json")), &turn.to_bytes()?)
    }

    /// Performs an attempt and keeps what an agent did in it.
    pub(super) async fn perform(
        self: Arc<Self>,
        executor: &Executor,
        assignment: Assignment,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let (name, order) = match &assignment {
            Assignment::Agent { order, .. } => (format!("`{}`", order.step), Some(order.clone())),
            Assignment::Run { .. } | Assignment::GateRun { .. } | Assignment::Reconcile { .. } => {
                ("a command".to_owned(), None)
            }
            Assignment::GateCheck { .. }
            | Assignment::GateSchema { .. }
            | Assignment::GateFiles { .. }
            | Assignment::GateChanged { .. }
            | Assignment::GateSecrets { .. } => return executor.perform_now(assignment, place, stop).await,
        };
        let number = self.begin(&place.workspace);
        let before = snapshot(place).await;
        let outcome = executor.perform_now(assignment, place, stop).await;
        let after = snapshot(place).await;
        let (workspace, seen) = (place.workspace.clone(), outcome.clone());
        let keep = move || {
            let looks = before.as_ref().zip(after.as_ref());
            let changed =
                looks.map_or_else(BTreeSet::new, |(before, after)| changes(before, after).into_iter().collect());
            let (is_beside, others) = self.end(number, &name, changed.clone());
            let Some(order) = order else { return Ok(()) };
            let others = is_beside.then_some(others);
            let turn = taped(&order, &seen, (&workspace, looks), changed, others, &self.redactor);
            self.keep(&turn)
        };
        if let Err(error) = blocking(keep).await {
            // The recording says which turn it lacks: the journal knows of it.
            place.live.tell(Seen::Warning(format!("a turn cannot be recorded: {error}")));
        }
        outcome
    }
}

/// What an agent has done. `others` are those that worked beside it and ended before it; `None` if nobody did.
fn taped(
    order: &Order,
    outcome: &Outcome,
    (workspace, looks): (&Path, Option<(&Snapshot, &Snapshot)>),
    mut changed: BTreeSet<PathBuf>,
    others: Option<Vec<Ended>>,
    redactor: &Redactor,
) -> TapedTurn {
    let (mut doubts, mut unclaimed) = (Vec::new(), BTreeSet::new());
    let Some((before, after)) = looks else {
        doubts.push(format!("the files that `{}` changed are left out: the workspace cannot be seen", order.step));
        return TapedTurn::new(order, outcome, BTreeMap::new(), doubts, unclaimed, redactor);
    };
    if let (Some(_), Ok(globs)) = (&others, Globs::new(&order.files))
        && !order.files.is_empty()
    {
        let (own, foreign) = changed.into_iter().partition(|path| globs.is_match(path));
        changed = own;
        unclaimed = BTreeSet::<PathBuf>::iter(&foreign).map(|path| path_text(path)).collect();
    }
    for other in others.iter().flatten() {
        for path in changed.intersection(&other.changed) {
            let shown = path.display();
            doubts.push(format!(
                "`{shown}` changed while `{}` and {} worked at the same time: who wrote it is not known",
                order.step, other.name
            ));
        }
    }
    let files = changed.into_iter().map(|path| {
        let file = read(workspace, &path, before, after);
        (path, file)
    });
    TapedTurn::new(order, outcome, files.collect(), doubts, unclaimed, redactor)
}

fn read(workspace: &Path, path: &Path, before: &Snapshot, after: &Snapshot) -> TapedFile {
    let Some(stamp) = after.get(path) else { return TapedFile::Deleted };
    if !stamp.is_file() {
        return TapedFile::Left("it is a link or something else that is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = open_beneath(workspace, path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => {
            let word = |stamp: &super::tree::Stamp| stamp.file_kind() == FileKind::Program;
            let (was, is) = (before.get(path).is_some_and(word), word(stamp));
            TapedFile::Written { bytes, executable: (was != is).then_some(is) }
        }
        Err(error) => TapedFile::Left(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn who_worked_at_the_same_time_is_known_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let taper = Taper::new(folder.path().join("r"), Arc::default()).unwrap();
        let (here, there) = (Path::new("/here"), Path::new("/there"));
        let (a, b, elsewhere) = (taper.begin(here), taper.begin(here), taper.begin(there));
        let (is_beside, before) = taper.end(a, "a", changed(&["x"]));
        assert!(is_beside && before.is_empty());
        let c = taper.begin(here);
        let (_, before) = taper.end(b, "b", changed(&["x", "y"]));
        assert_eq!(before.iter().map(|ended| ended.name.as_str()).collect::<Vec<_>>(), ["a"]);
        let (_, before) = taper.end(c, "c", changed(&[]));
        assert_eq!(before.iter().map(|ended| ended.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(!taper.end(elsewhere, "e", changed(&[])).0);
        assert!(taper.state().ended.is_empty() && taper.state().live.is_empty());
        let alone = taper.begin(here);
        assert!(!taper.end(alone, "d", changed(&["x"])).0);
    }
}
