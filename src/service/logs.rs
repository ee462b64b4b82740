//! What attempts have printed, from the run's folder.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use crate::{
    base::RunId,
    guard::Root,
    service::{refusal::Refusal, runs::Runs},
};

/// The most of one file that is read, in bytes: its end.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// The streams of an attempt, in the order in which they are shown.
pub const STREAMS: [&str; 3] = ["stdout.log", "stderr.log", "answer.txt"];

/// Opens a file that an attempt has left; `None` where there is none. Never through a link: an agent may have put one there,
/// and what it leads to is not what the agent has said.
///
/// # Errors
/// When it is no plain file, or cannot be read.
pub fn open_kept(path: &Path) -> io::Result<Option<File>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    match Root::open(folder).and_then(|folder| folder.read(Path::new(name))) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The end of a file; `None` where there is none.
#[must_use]
pub fn end_of(path: &Path, lines: Option<usize>) -> Option<String> {
    let mut file = open_kept(path).ok()??;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(FILE_MAX))).ok()?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if size > FILE_MAX {
        text.insert_str(0, &format!("… {} bytes before this are in {}\n", size - FILE_MAX, path.display()));
    }
    if let Some(wanted) = lines {
        let all: Vec<_> = text.lines().collect();
        text = all[all.len().saturating_sub(wanted)..].iter().map(|line| format!("{line}\n")).collect();
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

/// That a run has no step of that path.
#[must_use]
pub fn no_step(run: &RunId, step: &str) -> Refusal {
    Refusal::new(11, "E0314", format!("run {run} has no step `{step}`"), format!("`orch status {run}` lists the steps"))
}

impl Runs {
    /// The last lines that the latest attempt of a step has printed, the streams one after the other.
    ///
    /// # Errors
    /// When there is no such step, or the run cannot be read.
    pub fn last_lines(&self, run: &RunId, step: &str, lines: usize) -> Result<String, Refusal> {
        let now = self.standing(run)?;
        let found = now.steps.iter().rev().find(|other| other.id == step).ok_or_else(|| no_step(run, step))?;
        let Some(attempt) = found.history.last() else { return Ok(String::new()) };
        let folder = self.folder(run)?.join("attempts").join(&attempt.id);
        Ok(STREAMS.iter().filter_map(|name| end_of(&folder.join(name), Some(lines))).collect())
    }
}
