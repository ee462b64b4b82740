//! What checkpoints are good for: seeing what a run has changed, taking files back, and removing workspaces that nobody needs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    base::RunId,
    execute::workspace::{
        Bounds, Change, ChangeKind, Collected, KeptWhy, Oid, Point, Repository, WorkspaceFault, Workspaces,
    },
    service::{refusal::Refusal, runs::Runs},
};

/// The version of what `rollback`, `diff` and `gc` print for programs.
pub const ROLLBACK_VERSION: u32 = 1;
/// Checkpoints that a refusal names.
const NAMED_MAX: usize = 20;
/// What the message of a checkpoint begins with that an undo goes back to.
const BEFORE: &str = "before a rollback";

/// Where a rollback goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// The state before the run.
    Start,
    /// When a step had finished, or when a `checkpoint:` of that name was made.
    Named(String),
    /// The state before the last rollback.
    Undo,
}

/// One file that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// From the project's folder, or from the repository's where it lies outside.
    pub path: String,
    /// What becomes of it.
    pub kind: ChangeKind,
}

/// What a rollback has done, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// Of the form.
    pub version: u32,
    /// The run.
    pub run: String,
    /// To which checkpoint.
    pub to: String,
    /// Whether anything has been done.
    pub done: bool,
    /// File by file.
    pub files: Vec<ChangedFile>,
    /// Submodules and repositories inside, which stay as they are.
    pub left_out: Vec<String>,
}

/// A workspace, and whether it stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpaceLine {
    /// Its folder.
    pub folder: String,
    /// Why it stays; absent where it goes.
    pub kept: Option<String>,
}

impl Runs {
    fn repository(&self) -> Result<Repository, Refusal> {
        Repository::open(&self.root, self.store.state_folder(), &self.settings.env).map_err(|fault| refused(&fault))
    }

    /// Takes the files of the project back; with a rehearsal, says what that would do. The run must not be going on.
    ///
    /// # Errors
    /// A live run, a checkpoint that is not there, files in the way.
    pub fn roll_back(
        &self,
        run: &RunId,
        target: &Target,
        paths: &[PathBuf],
        is_rehearsal: bool,
    ) -> Result<RolledBack, Refusal> {
        let lock = self.take(run)?;
        let repository = self.repository()?;
        let (to, commit) = self.checkpoint(&repository, run, target)?;
        let paths = inside(&repository, paths)?;
        let fault = |fault: WorkspaceFault| refused(&fault);
        let preview = repository.preview(&commit, &paths).map_err(fault)?;
        let changes = if is_rehearsal || preview.changes.is_empty() {
            preview.changes
        } else {
            let message = format!("{BEFORE} of run {run} to {to}");
            repository.roll_back(run, &commit, &paths, &message).map_err(fault)?.changes
        };
        drop(lock);
        Ok(RolledBack {
            version: ROLLBACK_VERSION,
            run: run.to_string(),
            to,
            done: !is_rehearsal,
            files: changes.iter().map(|change| file(&repository, change)).collect(),
            left_out: preview.left_out.iter().map(|path| path.display().to_string()).collect(),
        })
    }

    /// What has changed since before a run, up to a checkpoint or up to now, as text that `git apply` takes.
    ///
    /// # Errors
    /// A checkpoint that is not there, files that cannot be read.
    pub fn changes(&self, run: &RunId, to: Option<&str>, paths: &[PathBuf]) -> Result<Vec<u8>, Refusal> {
        let repository = self.repository()?;
        let (_, start) = self.checkpoint(&repository, run, &Target::Start)?;
        let paths = inside(&repository, paths)?;
        let to = match to {
            Some(name) => self.checkpoint(&repository, run, &Target::Named(name.to_owned()))?.1,
            None => repository.now(Bounds::default()).map_err(|fault| refused(&fault))?,
        };
        repository.patch(&start, &to, &paths).map_err(|fault| refused(&fault))
    }

    /// Removes workspaces that nobody needs, of all runs; with a rehearsal, says which.
    ///
    /// # Errors
    /// When the folder of all workspaces cannot be read.
    pub fn collect(&self, is_rehearsal: bool) -> Result<Vec<SpaceLine>, Refusal> {
        let repository = self.repository()?;
        let collected = Workspaces::open(&repository).and_then(|all| all.collect(is_rehearsal));
        let Collected { removed, kept } = collected.map_err(|fault| refused(&fault))?;
        let gone = removed.into_iter().map(|folder| SpaceLine { folder: folder.display().to_string(), kept: None });
        let stays = kept
            .into_iter()
            .map(|kept| SpaceLine { folder: kept.folder.display().to_string(), kept: Some(why(&kept.why)) });
        Ok(gone.chain(stays).collect())
    }
}

impl Runs {
    /// The checkpoint of a target: its words and its commit.
    fn checkpoint(&self, repository: &Repository, run: &RunId, target: &Target) -> Result<(String, Oid), Refusal> {
        let fault = |fault: WorkspaceFault| refused(&fault);
        match target {
            Target::Start => {
                let found = repository.find(&Point::Start.reference(run)).map_err(fault)?;
                let found = found.map(|found| ("the state before it".to_owned(), found));
                found.ok_or_else(|| missing(repository, run, &[], "of the state before it"))
            }
            Target::Named(name) => {
                let words = format!("`{name}`");
                if let Some(found) = repository.find(&Point::Named(name).reference(run)).map_err(fault)? {
                    return Ok((words, found));
                }
                // A step that has changed nothing has the checkpoint of another one, so the journal says which.
                let steps = self.kept_steps(run)?;
                let said = steps.iter().rev().find(|(step, _)| step == name).map(|(_, commit)| commit.as_str());
                let found = match said.and_then(Oid::parse) {
                    Some(found) => Some(found),
                    // Runs of a version that did not write it down.
                    None => repository.find(&Point::Step(name).reference(run)).map_err(fault)?,
                };
                let found = found.map(|found| (words.clone(), found));
                found.ok_or_else(|| missing(repository, run, &steps, &words))
            }
            Target::Undo => {
                let folder = Point::Undo(0).reference(run);
                let folder = folder.trim_end_matches('0');
                let points = repository.points(run).map_err(fault)?;
                for (name, commit) in points.into_iter().rev().filter(|(name, _)| name.starts_with(folder)) {
                    if repository.message(&name).map_err(fault)?.starts_with(BEFORE) {
                        return Ok(("the state before the last rollback".to_owned(), commit));
                    }
                }
                Err(missing(repository, run, &[], "of the state before a rollback"))
            }
        }
    }

    /// The steps of a run and the commits that hold what they have left, in the order of their beginning.
    fn kept_steps(&self, run: &RunId) -> Result<Vec<(String, String)>, Refusal> {
        let scheduler = self.load(run, |_, _, _| {})?.scheduler;
        let kept = |instance| {
            let commit = scheduler.envelope(instance)?.checkpoint.clone()?;
            Some((scheduler.path(instance).as_str().to_owned(), commit))
        };
        Ok(scheduler.instances().filter_map(kept).collect())
    }
}

/// Says which checkpoints there are instead.
fn missing(repository: &Repository, run: &RunId, steps: &[(String, String)], what: &str) -> Refusal {
    let points = repository.points(run).unwrap_or_default();
    let folder = |kind: &str| format!("refs/orch/{run}/{kind}/");
    let (old, named) = (folder("step"), folder("point"));
    let names = points.iter().filter_map(|(name, _)| name.strip_prefix(&old).or(name.strip_prefix(&named)));
    let mut names: Vec<_> = names.map(|name| name.replace('+', "/")).collect();
    names.extend(steps.iter().map(|(step, _)| step.clone()));
    names.sort();
    names.dedup();
    let names: Vec<_> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    let help = match names.is_empty() {
        true => "runs keep checkpoints where an agent may write, where work is isolated, or where a step says \
                 `checkpoint:`"
            .to_owned(),
        false => format!("it has: {}", names.join(", ")),
    };
    Refusal::new(11, "E0340", format!("run {run} has no checkpoint {what}"), help)
}

fn inside(repository: &Repository, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Refusal> {
    let path = |given: &PathBuf| {
        repository.path(given).ok_or_else(|| {
            let message = format!("{} does not lie in the project", given.display());
            Refusal::new(2, "E0520", message, "name files and folders from the project's folder")
        })
    };
    paths.iter().map(path).collect()
}

fn file(repository: &Repository, change: &Change) -> ChangedFile {
    let path: &Path = change.path.strip_prefix(repository.inner()).unwrap_or(&change.path);
    ChangedFile { path: path.display().to_string(), kind: change.kind() }
}

fn why(why: &KeptWhy) -> String {
    match why {
        KeptWhy::InUse { pid } => format!("process {pid} works in it"),
        KeptWhy::Dirty { paths } => {
            let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
            let first = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
            format!("it holds files that no checkpoint holds: {first}{more}")
        }
        KeptWhy::Unmerged => "its work has not been merged".to_owned(),
        KeptWhy::Unfinished => "its step has not finished".to_owned(),
        KeptWhy::Unreadable { why } => format!("it cannot be looked at: {why}"),
    }
}

/// A fault as a refusal.
fn refused(fault: &WorkspaceFault) -> Refusal {
    let text = format!("failed to {fault}");
    match fault {
        WorkspaceFault::InTheWay { .. } => {
            Refusal::new(1, "E0341", text, "move them away, or name other paths; nothing was changed")
        }
        WorkspaceFault::NoGit(_) | WorkspaceFault::OldGit { .. } => {
            Refusal::new(43, "E0342", text, "install git 2.40 or newer")
        }
        WorkspaceFault::Busy { .. } | WorkspaceFault::Slow { .. } => {
            Refusal::new(1, "E0343", text, "try again in a moment; nothing was changed").retryable()
        }
        WorkspaceFault::Git { .. }
        | WorkspaceFault::Flood { .. }
        | WorkspaceFault::Io { .. }
        | WorkspaceFault::Odd { .. }
        | WorkspaceFault::TooLarge { .. }
        | WorkspaceFault::TooMuch { .. }
        | WorkspaceFault::Unknown(_)
        | WorkspaceFault::Damaged { .. }
        | WorkspaceFault::Unresolved { .. }
        | WorkspaceFault::NoPorts { .. } => {
            Refusal::new(1, "E0343", text, "look at what the message names; nothing was changed")
        }
    }
}
