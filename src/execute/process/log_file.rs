//! The file of one stream: its first bytes, then a ring with its last ones.
//!
//! Invariants: the file is never larger than its limit; after [`LogFile::finish`]
//! the bytes stand in the order in which they were written.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::PathBuf,
};

const SWAP_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    head_max: u64,
    ring_max: u64,
    total: u64,
}

impl LogFile {
    /// A log that keeps at most `bytes_max` bytes: a quarter from the start, the rest from the end.
    pub(super) fn new(path: PathBuf, bytes_max: u64) -> Self {
        let head_max = bytes_max / 4;
        Self { path, file: None, head_max, ring_max: bytes_max - head_max, total: 0 }
    }

    /// Bytes that the ring has overwritten.
    pub(super) fn dropped(&self) -> u64 {
        self.total.saturating_sub(self.head_max + self.ring_max)
    }

    /// Takes the next bytes of the stream; the file is created with the first.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        if self.total < self.head_max {
            let room = usize::try_from(self.head_max - self.total).unwrap_or(usize::MAX).min(bytes.len());
            file.write_all_at(&bytes[..room], self.total)?;
            self.total += room as u64;
            bytes = &bytes[room..];
        }
        while !bytes.is_empty() {
            let place = if self.ring_max == 0 { 0 } else { (self.total - self.head_max) % self.ring_max };
            let room = usize::try_from(self.ring_max - place).unwrap_or(usize::MAX).min(bytes.len());
            if room == 0 {
                self.total += bytes.len() as u64;
                break;
            }
            file.write_all_at(&bytes[..room], self.head_max + place)?;
            self.total += room as u64;
            bytes = &bytes[room..];
        }
        Ok(())
    }

    /// Makes the folder too, because a command that writes nothing should cost no folder.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        match (options.open(&self.path), self.path.parent()) {
            (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                options.open(&self.path)
            }
            (opened, _) => opened,
        }
    }

    /// Whether [`finish`](Self::finish) has work to do that should not block a task.
    pub(super) fn must_turn(&self) -> bool {
        self.dropped() > 0 && self.ring_max > 0
    }

    /// Turns the ring so that its oldest byte comes first.
    pub(super) fn finish(self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if !self.must_turn() {
            return Ok(());
        }
        let (start, end) = (self.head_max, self.head_max + self.ring_max);
        let border = start + (self.total - self.head_max) % self.ring_max;
        // Three reversals rotate in place, so that the disk never holds more than the limit.
        reverse(file, start, border)?;
        reverse(file, border, end)?;
        reverse(file, start, end)
    }
}

fn reverse(file: &File, mut start: u64, mut end: u64) -> io::Result<()> {
    let (mut low, mut high) = (vec![0; SWAP_BYTES], vec![0; SWAP_BYTES]);
    while end - start > 1 {
        let size = SWAP_BYTES.min(usize::try_from((end - start) / 2).unwrap_or(SWAP_BYTES));
        let (low, high) = (&mut low[..size], &mut high[..size]);
        file.read_exact_at(low, start)?;
        file.read_exact_at(high, end - size as u64)?;
        low.reverse();
        high.reverse();
        file.write_all_at(high, start)?;
        file.write_all_at(low, end - size as u64)?;
        start += size as u64;
        end -= size as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_log_is_head_and_tail(
            bytes_max in 0u64..200,
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..12),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            let mut log = LogFile::new(path.clone(), bytes_max);
            let mut all = Vec::new();
            for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                log.write(chunk).unwrap();
                all.extend_from_slice(chunk);
                prop_assert!(path.metadata().unwrap().len() <= bytes_max);
            }
            let dropped = log.dropped();
            log.finish().unwrap();
            prop_assert_eq!(path.exists(), !all.is_empty());
            let kept = if path.exists() { std::fs::read(&path).unwrap() } else { vec![] };
            prop_assert_eq!(kept.len() as u64 + dropped, all.len() as u64);
            let head = all.len().min(usize::try_from(bytes_max / 4).unwrap());
            prop_assert_eq!(&kept[..head], &all[..head]);
            prop_assert_eq!(&kept[head..], &all[all.len() - (kept.len() - head)..]);
        }
    }
}
