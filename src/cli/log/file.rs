//! The file of log lines: put aside when it is large or old, and what was put aside taken away in time.
//!
//! Several processes may write the same file: each appends whole lines, one of them puts it aside, and the others see that.
//! A crate for this would be welcome; those that are kept turn by size or by time but not by both, and none knows of others.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use crate::{base::Timestamp, service::now};

/// When a file is put aside, and what is kept of those.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeping {
    pub bytes_max: u64,
    pub every: Duration,
    pub keep: usize,
    pub age: Duration,
}

/// The open file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    keeping: Keeping,
    /// None as long as it cannot be opened.
    file: Option<File>,
    /// When it was written last.
    written: Timestamp,
}

impl LogFile {
    /// Opens the file, with the folder around it.
    pub fn open(path: PathBuf, keeping: Keeping) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = append_to(&path)?;
        let written = written(&file)?;
        let log = Self { path, keeping, file: Some(file), written };
        log.forget(now());
        Ok(log)
    }

    /// Writes a line. What cannot be written is lost: whoever cannot keep logs must still work.
    pub fn write(&mut self, line: &[u8], at: Timestamp) {
        if !self.is_ours() {
            self.file = append_to(&self.path).ok();
            // Another process has begun this one, and may have done so in this very interval.
            self.written = self.file.as_ref().and_then(|file| written(file).ok()).unwrap_or(at);
        }
        if self.is_due(line.len() as u64, at) && self.turn(at).is_ok() {
            self.file = append_to(&self.path).ok();
            self.forget(at);
        }
        if let Some(file) = &mut self.file
            && file.write_all(line).is_ok()
        {
            self.written = at;
        }
    }

    /// Whether what is open is still what lies there: another process may have put it aside, or somebody taken it away.
    fn is_ours(&self) -> bool {
        let Some(open) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return false };
        self.path.metadata().is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino()))
    }

    fn is_due(&self, more: u64, at: Timestamp) -> bool {
        let Some(bytes) = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|file| file.len()) else {
            return false;
        };
        let every = u64::try_from(self.keeping.every.as_millis()).unwrap_or(u64::MAX).max(1);
        bytes > 0 && (bytes + more > self.keeping.bytes_max || self.written.0 / every != at.0 / every)
    }

    /// Puts the file aside under the time, unless another process is just doing so.
    fn turn(&self, at: Timestamp) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.try_lock().map_err(io::Error::other)?;
        let turned = if self.is_ours() { std::fs::rename(&self.path, self.aside(at)) } else { Ok(()) };
        turned.and(file.unlock())
    }

    /// `orch.log.20261122T085748.123Z`: sorted by name is sorted by time.
    fn aside(&self, at: Timestamp) -> PathBuf {
        let stamp: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let named = |more: &str| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{stamp}{more}"));
            PathBuf::from(name)
        };
        let free = (0..1_000).map(|count| named(&if count == 0 { String::new() } else { format!("-{count:03}") }));
        free.into_iter().find(|path| !path.exists()).unwrap_or_else(|| named("-x"))
    }

    /// Takes away what was put aside and is too old or too much.
    fn forget(&self, at: Timestamp) {
        let mut aside = self.all_aside();
        aside.sort();
        let kept_from = aside.len().saturating_sub(self.keeping.keep);
        for (place, path) in aside.iter().enumerate() {
            let age =
                path.metadata().and_then(|file| file.modified()).ok().and_then(|written| {
                    Duration::from_millis(at.0).checked_sub(written.duration_since(UNIX_EPOCH).ok()?)
                });
            if place < kept_from || age.is_some_and(|age| age > self.keeping.age) {
                std::fs::remove_file(path).ok();
            }
        }
    }

    fn all_aside(&self) -> Vec<PathBuf> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let is_aside = |entry: &std::fs::DirEntry| {
            entry
                .file_name()
                .to_str()
                .and_then(|other| other.strip_prefix(name)?.strip_prefix('.'))
                .is_some_and(is_stamp)
        };
        entries.filter(is_aside).map(|entry| entry.path()).collect()
    }
}

/// Whether a name ends as ours do: nothing else in that folder is ever taken away.
fn is_stamp(text: &str) -> bool {
    let (stamp, count) = text.split_at_checked(20).unwrap_or((text, "x"));
    let shape = stamp.bytes().enumerate().all(|(place, byte)| match place {
        8 => byte == b'T',
        15 => byte == b'.',
        19 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    let count = count.is_empty() || count.strip_prefix('-').is_some_and(|count| count.parse::<u16>().is_ok());
    stamp.len() == 20 && shape && count
}

/// When somebody has written a file last.
fn written(file: &File) -> io::Result<Timestamp> {
    let written = file.metadata()?.modified().unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp(u64::try_from(written.as_millis()).unwrap_or(u64::MAX)))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn keeping(bytes_max: u64, keep: usize) -> Keeping {
        Keeping { bytes_max, every: Duration::from_millis(24 * HOUR), keep, age: Duration::from_secs(86_400 * 30) }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_large_file_is_put_aside_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/orch.log");
        let mut log = LogFile::open(path.clone(), keeping(25, 3)).unwrap();
        std::fs::write(folder.path().join("logs/orch.log.old"), "somebody else's").unwrap();
        let today = now().0 / (24 * HOUR) * 24 * HOUR;
        for number in 0..20 {
            log.write(format!("line {number:05}\n").as_bytes(), Timestamp(today + number));
        }
        let names = names(path.parent().unwrap());
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(names.contains(&"orch.log.old".to_owned()));
        let kept = names[1..4].iter().chain(&names[..1]);
        let kept = kept.map(|name| std::fs::read_to_string(path.parent().unwrap().join(name)).unwrap());
        let newest: String = (12..20).map(|number| format!("line {number:05}\n")).collect();
        assert_eq!(kept.collect::<String>(), newest, "no line is cut, and the oldest go first");
    }

    #[test]
    fn a_new_day_begins_a_new_file_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orch.log");
        let mut log = LogFile::open(path.clone(), keeping(1_000_000, 10)).unwrap();
        let today = Timestamp(now().0 / (24 * HOUR) * 24 * HOUR);
        log.write(b"a\n", today);
        log.write(b"b\n", Timestamp(today.0 + 23 * HOUR));
        assert_eq!(names(folder.path()), ["orch.log"]);
        log.write(b"c\n", Timestamp(today.0 + 24 * HOUR));
        assert_eq!(names(folder.path()).len(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c\n");
        log.write(b"d\n", Timestamp(today.0 + 40 * 24 * HOUR));
        assert_eq!(names(folder.path()), ["orch.log"], "what was put aside long ago is gone");
    }

    #[test]
    fn of_several_processes_one_begins_the_file_of_a_new_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orch.log");
        let mut all: Vec<_> = (0..5).map(|_| LogFile::open(path.clone(), keeping(1_000_000, 10)).unwrap()).collect();
        let today = now();
        for log in &mut all {
            log.write(b"yesterday\n", today);
            log.written = Timestamp(today.0 - 24 * HOUR);
        }
        for log in &mut all {
            log.write(b"today\n", today);
        }
        assert_eq!(names(folder.path()).len(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "today\n".repeat(5));
    }

    #[test]
    fn two_processes_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orch.log");
        let mut two: Vec<_> = (0..2).map(|_| LogFile::open(path.clone(), keeping(100, 1_000)).unwrap()).collect();
        for number in 0..200 {
            two[number % 2].write(format!("line {number:05}\n").as_bytes(), now());
        }
        let mut lines: Vec<String> = Vec::new();
        for name in names(folder.path()) {
            lines.extend(std::fs::read_to_string(folder.path().join(name)).unwrap().lines().map(str::to_owned));
        }
        lines.sort();
        assert_eq!(lines, (0..200).map(|number| format!("line {number:05}")).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_that_somebody_took_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orch.log");
        let mut log = LogFile::open(path.clone(), keeping(1_000, 3)).unwrap();
        log.write(b"a\n", now());
        std::fs::remove_file(&path).unwrap();
        log.write(b"b\n", now());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b\n");
    }

    #[test]
    fn only_our_own_names_are_taken_away() {
        assert!(is_stamp("20261122T085748.123Z") && is_stamp("20261122T085748.123Z-001"));
        for text in ["old", "1", "20261122T085748.123", "20261122T085748.123Z.gz", "20261122X085748.123Z", "é"] {
            assert!(!is_stamp(text), "{text}");
        }
    }
}
