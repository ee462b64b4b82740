//! Ports for workspaces: each gets a few in a row that no other one has, so that servers of parallel attempts do not meet.

use std::{collections::BTreeSet, net::TcpListener, path::Path};

use crate::base::Digest;

use super::WorkspaceFault;

/// How many each workspace gets.
pub(super) const COUNT: u16 = 10;
/// Below what systems give out by themselves, above what services use.
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 1_000;

/// The first of some ports in a row that are free; `taken` are those of other workspaces. Projects begin at different
/// places, so that two of them seldom try the same.
pub(super) fn free(project: &Path, taken: &BTreeSet<u16>) -> Result<u16, WorkspaceFault> {
    let digest = Digest::of(project.as_os_str().as_encoded_bytes());
    let start = u16::from_str_radix(&digest.as_str()[..3], 16).unwrap_or_default() % BLOCKS;
    (0..BLOCKS)
        .map(|step| FIRST + (start + step) % BLOCKS * COUNT)
        .find(|first| !taken.contains(first) && is_free(*first))
        .ok_or(WorkspaceFault::NoPorts { first: FIRST, last: FIRST + BLOCKS * COUNT - 1 })
}

fn is_free(first: u16) -> bool {
    (first..first + COUNT).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_or_in_use_is_left_alone() {
        let project = Path::new("/p");
        let first = free(project, &BTreeSet::new()).unwrap();
        let second = free(project, &BTreeSet::from([first])).unwrap();
        assert!(second.abs_diff(first) >= COUNT);
        let _busy = TcpListener::bind(("127.0.0.1", second + 3)).unwrap();
        let third = free(project, &BTreeSet::from([first])).unwrap();
        assert!(third != second && third != first);
    }
}
