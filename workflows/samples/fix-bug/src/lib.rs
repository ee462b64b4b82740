//! Finds the newest of a repository's version tags.
//!
//! A tag is `1.2.3` or `v1.2.3`, with a pre-release behind a hyphen: `v2.0.0-rc.1`. Everything else is no version.

use std::cmp::Ordering;

/// The newest version among the tags; `None` where none of them is a version.
pub fn newest<'t>(tags: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
    tags.into_iter()
        .filter(|tag| is_version(tag))
        .max_by(|one, other| order(one, other))
}

/// How two versions stand to each other: `Less` where the first is older. A pre-release is older than its release.
pub fn order(one: &str, other: &str) -> Ordering {
    let (one, one_pre) = parts(one);
    let (other, other_pre) = parts(other);
    one.cmp(other).then_with(|| match (one_pre, other_pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => one.cmp(other),
    })
}

/// Whether a tag is a version: three numbers, whatever pre-release follows.
pub fn is_version(tag: &str) -> bool {
    let numbers: Vec<_> = parts(tag).0.split('.').map(str::parse::<u64>).collect();
    numbers.len() == 3 && numbers.iter().all(Result::is_ok)
}

/// The numbers and the pre-release of a tag, as they are written.
fn parts(tag: &str) -> (&str, Option<&str>) {
    let version = tag.strip_prefix('v').unwrap_or(tag);
    match version.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (version, None),
    }
}
