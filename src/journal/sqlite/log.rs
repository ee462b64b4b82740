//! Looks for bit rot in the write-ahead log that an earlier process left.
//!
//! SQLite reads such a log up to the first frame whose checksum is wrong and
//! forgets the rest, because after a power cut that is where the last, unfinished
//! commit begins. Every commit here is synced before the next one begins, so at
//! most one commit can lie behind a bad frame. Where there are more, frames that
//! were durable have changed, and acknowledged records would vanish in silence.
//!
//! Does not see a log that was cut short, nor damage in the last commit.

use std::{fs, io, path::Path};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The page size that SQLite gives a new store; it stands in where the log's own header is rotten.
const PAGE_BYTES: usize = 4096;

/// A place in the log that changed after it was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rot {
    /// The first byte of the bad frame or header.
    pub(super) offset: usize,
    /// How many commits lie there and behind it.
    pub(super) commits: usize,
}

/// Looks through the log beside the database at `path`. No process may have the store open.
pub(super) fn find_rot(path: &Path) -> io::Result<Option<Rot>> {
    match fs::read(path.with_extension("db-wal")) {
        Ok(log) => Ok(scan(&log)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn scan(log: &[u8]) -> Option<Rot> {
    let (header, body) = log.split_at_checked(HEADER_BYTES)?;
    let big_endian = word(header, 0)? & 1 == 1;
    let mut sum = add((0, 0), &header[..24], big_endian);
    if sum != (word(header, 24)?, word(header, 28)?) {
        // Without its header the whole log is ignored; the first frame tells which frames belong to it.
        let salts = body.get(8..16)?;
        let commits = commits(body.chunks_exact(FRAME_HEADER_BYTES + PAGE_BYTES), salts);
        return (commits > 1).then_some(Rot { offset: 0, commits });
    }
    let page_bytes = usize::try_from(word(header, 8)?).ok()?;
    let frame_bytes = page_bytes.checked_add(FRAME_HEADER_BYTES)?;
    let salts = &header[16..24];
    for (index, frame) in body.chunks_exact(frame_bytes).enumerate() {
        sum = add(add(sum, &frame[..8], big_endian), &frame[FRAME_HEADER_BYTES..], big_endian);
        if &frame[8..16] != salts || sum != (word(frame, 16)?, word(frame, 20)?) {
            let start = index * frame_bytes;
            let commits = commits(body[start..].chunks_exact(frame_bytes), salts);
            return (commits > 1).then_some(Rot { offset: HEADER_BYTES + start, commits });
        }
    }
    None
}

/// Frames of this log that end a commit. Frames of an older log in the same file have other salts.
fn commits<'log>(frames: impl Iterator<Item = &'log [u8]>, salts: &[u8]) -> usize {
    frames.filter(|frame| &frame[8..16] == salts && frame[4..8] != [0; 4]).count()
}

/// SQLite's running checksum (<https://www.sqlite.org/fileformat2.html#checksum_algorithm>).
fn add(sum: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let (pairs, _) = bytes.as_chunks::<8>();
    pairs.iter().fold(sum, |(first, second), [a, b, c, d, e, f, g, h]| {
        let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let first = first.wrapping_add(read([*a, *b, *c, *d])).wrapping_add(second);
        (first, second.wrapping_add(read([*e, *f, *g, *h])).wrapping_add(first))
    })
}

/// A number of the log's headers, which are big-endian whatever the checksum is.
fn word(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(place..place + 4)?.try_into().ok()?))
}
