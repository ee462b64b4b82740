//! Whether two paths or globs may name the same file.
//!
//! Knows patterns only. Careful: says yes where it cannot tell.

use crate::{base::Spanned, plan::types::StepIx};

/// A path or glob that a step writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) pattern: &'a str,
    /// The sibling that is the step or holds it.
    pub(super) holder: StepIx,
    pub(super) writer: StepIx,
    pub(super) file: &'a Spanned<String>,
}

/// The pattern without `./` and a closing slash.
fn plain(pattern: &str) -> &str {
    let mut rest = pattern.trim();
    while let Some(inner) = rest.strip_prefix("./") {
        rest = inner;
    }
    if rest == "." { "" } else { rest.trim_end_matches('/') }
}

/// The part before the first character that stands for something else.
fn literal_start(pattern: &str) -> &str {
    &pattern[..pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len())]
}

/// The part after the last character that stands for something else; everything where there is none.
fn literal_end(pattern: &str) -> &str {
    &pattern[pattern.rfind(['*', '?', ']', '}']).map_or(0, |place| place + 1)..]
}

/// Whether `inner` is `outer` or a path in that folder.
fn within(inner: &str, outer: &str) -> bool {
    outer.is_empty() || inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether two patterns may name the same file.
pub(super) fn may_overlap(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    let (start_one, start_other) = (literal_start(one), literal_start(other));
    match (start_one.len() == one.len(), start_other.len() == other.len()) {
        (true, true) => within(one, other) || within(other, one),
        (true, false) => path_meets_glob(one, other),
        (false, true) => path_meets_glob(other, one),
        (false, false) => {
            let (end_one, end_other) = (literal_end(one), literal_end(other));
            let starts = start_one.starts_with(start_other) || start_other.starts_with(start_one);
            starts && (end_one.ends_with(end_other) || end_other.ends_with(end_one))
        }
    }
}

fn path_meets_glob(path: &str, glob: &str) -> bool {
    // A folder is written as a whole, so any file of the glob in it counts.
    let start = literal_start(glob);
    let folder = start.rfind('/').map_or("", |slash| &start[..slash]);
    if within(folder, path) && !(path.is_empty() && folder.is_empty()) {
        return true;
    }
    if path.is_empty() || start.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')) {
        return true;
    }
    match globset::Glob::new(glob) {
        // A text in the glob is filled in by a run and may become anything.
        Ok(parsed) if !glob.contains("{{") => {
            parsed.compile_matcher().is_match(path) || within(path, folder) && !path.contains('.')
        }
        Ok(_) | Err(_) => path.starts_with(start) && path.ends_with(literal_end(glob)),
    }
}

/// For each writer, one other claim that may name the same file at the same time. Sorted by how patterns begin, two
/// claims can meet only where one beginning is a prefix of the other, so far-away claims are never compared.
pub(super) fn overlaps<'a>(
    claims: &mut [Claim<'a>],
    concurrent: impl Fn(StepIx, StepIx) -> bool,
) -> Vec<(Claim<'a>, Claim<'a>)> {
    claims.sort_by_key(|claim| (literal_start(plain(claim.pattern)), claim.writer));
    let mut found: Vec<(Claim<'a>, Claim<'a>)> = Vec::new();
    let mut open: Vec<Claim<'a>> = Vec::new();
    for claim in claims.iter() {
        let start = literal_start(plain(claim.pattern));
        while open.last().is_some_and(|last| !start.starts_with(literal_start(plain(last.pattern)))) {
            open.pop();
        }
        let clash = open
            .iter()
            .find(|other| concurrent(other.holder, claim.holder) && may_overlap(other.pattern, claim.pattern))
            .copied();
        if let Some(other) = clash {
            found.push((*claim, other));
        }
        open.push(*claim);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_may_meet() {
        for (one, other) in [
            ("src/a.rs", "src/a.rs"),
            ("src", "src/a.rs"),
            ("./src/", "src/**"),
            ("src/*.rs", "src/a.rs"),
            ("src/**/*.rs", "src/api/*.rs"),
            ("**", "docs/x.md"),
            (".", "docs/x.md"),
            ("src/{{ module.name }}.rs", "src/lib.rs"),
            ("src/api", "src/**"),
        ] {
            assert!(may_overlap(one, other) && may_overlap(other, one), "{one} {other}");
        }
    }

    #[test]
    fn patterns_that_never_meet() {
        for (one, other) in [
            ("src/a.rs", "src/b.rs"),
            ("src/a", "src/ab"),
            ("src/*.rs", "src/*.md"),
            ("src/api/**", "src/web/**"),
            ("docs/*.md", "src/lib.rs"),
            ("src/*.rs", "src/a.md"),
            ("src/{{ module.name }}.rs", "docs/{{ module.name }}.rs"),
        ] {
            assert!(!may_overlap(one, other) && !may_overlap(other, one), "{one} {other}");
        }
    }

    #[test]
    fn only_claims_of_the_same_time_clash() {
        let file = Spanned::new(String::new(), crate::base::Span::default());
        let claim = |pattern, ix| Claim { pattern, holder: StepIx(ix), writer: StepIx(ix), file: &file };
        let mut claims = vec![claim("src/**", 0), claim("docs/x.md", 1), claim("src/a.rs", 2), claim("src/b.rs", 3)];
        let pairs = overlaps(&mut claims, |one, other| one.0 + other.0 != 3);
        let writers: Vec<_> = pairs.iter().map(|(one, other)| (one.writer.0, other.writer.0)).collect();
        assert_eq!(writers, [(2, 0)]);
    }
}
