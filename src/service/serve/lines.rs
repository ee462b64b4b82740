//! Lines of a file that may be long and may still grow: any of them at once, without reading all that stand before.
//!
//! An index of every so manyth line is kept for the files that were asked for last, and goes on where it ended as the file
//! grows. Bounded: a line is cut, and so is what is given at once.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::service::open_kept;

/// Every so manyth line is in the index.
const STRIDE: u64 = 256;
/// Files whose index is kept.
const FILES_MAX: usize = 32;
/// Bytes of a line that are given.
const LINE_MAX: usize = 16 * 1024;
/// Bytes that are given at once.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Some lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The first of them, counted from 0.
    pub from: u64,
    /// The lines that the file has now; one that has no end yet counts.
    pub total: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What stands in them.
    pub lines: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Index {
    /// Which file it was: another one under the same name is another file.
    inode: u64,
    /// Where lines 0, `STRIDE`, … begin.
    starts: Vec<u64>,
    /// The bytes that were looked at, and the ends of lines in them.
    bytes: u64,
    ends: u64,
}

impl Index {
    /// Looks at what was added.
    fn grow(&mut self, file: &mut File, size: u64) -> io::Result<()> {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        file.seek(SeekFrom::Start(self.bytes))?;
        let mut reader = BufReader::with_capacity(256 * 1024, file.take(size - self.bytes));
        loop {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            for (place, _) in buffer.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                self.ends += 1;
                if self.ends.is_multiple_of(STRIDE) {
                    self.starts.push(self.bytes + place as u64 + 1);
                }
            }
            let read = buffer.len();
            self.bytes += read as u64;
            reader.consume(read);
        }
    }
}

static KEPT: Mutex<BTreeMap<PathBuf, Index>> = Mutex::new(BTreeMap::new());

/// Reads `count` lines from line `from` on; with `find`, from the first line there that holds it.
///
/// A file that is not there has no lines.
///
/// # Errors
/// When it cannot be read, or is no plain file.
pub fn read_lines(path: &Path, from: u64, count: usize, find: Option<&str>) -> io::Result<Lines> {
    let Some(mut file) = open_kept(path)? else { return Ok(Lines { from, total: 0, bytes: 0, lines: Vec::new() }) };
    let found = file.metadata()?;
    let size = found.len();
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let mut index = kept.filter(|kept| kept.inode == found.ino() && kept.bytes <= size).unwrap_or_default();
    index.inode = found.ino();
    index.grow(&mut file, size)?;
    let total = index.ends + u64::from(ends_open(&mut file, size)?);
    let known = from.min(index.ends) / STRIDE;
    let start = index.starts.get(usize::try_from(known).unwrap_or(usize::MAX)).copied().unwrap_or_default();
    keep(path, index);
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::with_capacity(256 * 1024, file.take(size - start));
    let (mut number, mut lines, mut bytes, mut first) = (known * STRIDE, Vec::new(), 0, from);
    let mut is_found = find.is_none();
    while lines.len() < count && bytes < BYTES_MAX && number < total {
        let line = next(&mut reader, number >= from)?;
        if number >= from {
            if !is_found && find.is_some_and(|find| line.contains(find)) {
                (is_found, first) = (true, number);
            }
            if is_found {
                bytes += line.len();
                lines.push(line);
            }
        }
        number += 1;
    }
    Ok(Lines { from: first, total, bytes: size, lines })
}

/// Whether something stands behind the last end of a line.
fn ends_open(file: &mut File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else { return Ok(false) };
    file.seek(SeekFrom::Start(last))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte != *b"\n")
}

/// The next line without its end; empty where nobody wants it.
fn next(reader: &mut impl io::BufRead, is_wanted: bool) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        if is_wanted {
            line.extend_from_slice(&part[..part.len().min(LINE_MAX.saturating_sub(line.len()))]);
        }
        let read = part.len() + usize::from(end.is_some());
        reader.consume(read);
        if end.is_some() {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
}

fn keep(path: &Path, index: Index) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= FILES_MAX && !kept.contains_key(path) {
        kept.pop_first();
    }
    kept.insert(path.to_owned(), index);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use std::{fmt::Write as _, fs, io::Write as _};

    use super::*;

    #[test]
    fn any_line_of_a_growing_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(read_lines(&path, 0, 5, None).unwrap().total, 0);
        let mut text = String::new();
        (0..10_000).for_each(|number| writeln!(text, "line {number}").unwrap());
        fs::write(&path, &text).unwrap();
        for from in [0, 1, 255, 256, 257, 5_000, 9_999] {
            let read = read_lines(&path, from, 2, None).unwrap();
            assert_eq!((read.total, read.lines[0].clone()), (10_000, format!("line {from}")));
        }
        assert!(read_lines(&path, 10_000, 2, None).unwrap().lines.is_empty());
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"more\r\nhalf").unwrap();
        let read = read_lines(&path, 9_999, 10, None).unwrap();
        assert_eq!((read.total, read.lines), (10_002, vec!["line 9999".to_owned(), "more".into(), "half".into()]));
        file.write_all(b" done\n").unwrap();
        assert_eq!(read_lines(&path, 10_001, 10, None).unwrap().lines, ["half done"]);
        let read = read_lines(&path, 100, 1, Some("line 777")).unwrap();
        assert_eq!((read.from, read.lines), (777, vec!["line 777".to_owned()]));
        // Another file under the same name.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "new\n").unwrap();
        assert_eq!(read_lines(&path, 0, 5, None).unwrap().lines, ["new"]);
    }

    #[test]
    fn hostile_lines_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut bytes = vec![b'x'; 3 * LINE_MAX];
        bytes.extend_from_slice(b"\n\xff\xfe\n\n");
        fs::write(&path, &bytes).unwrap();
        let read = read_lines(&path, 0, 10, None).unwrap();
        assert_eq!(read.lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_MAX, 6, 0]);
        assert!(read_lines(folder.path(), 0, 1, None).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_lines(&link, 0, 1, None).is_err(), "what a link leads to was not said by anybody");
    }
}
