//! Paths and globs of a workspace. The only module of this room that names `globset`.
//!
//! `*` stays within a folder, `**` does not; a path that names a folder means everything in it.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns ready to match.
#[derive(Debug, Clone)]
pub(super) struct Globs(GlobSet);

impl Globs {
    /// # Errors
    /// The first pattern that cannot be understood, with the reason.
    pub(super) fn new<'p>(patterns: impl IntoIterator<Item = &'p String>) -> Result<Self, String> {
        let mut builder = GlobSetBuilder::new();
        let fault = |error: globset::Error| error.to_string();
        for pattern in patterns {
            let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
            for pattern in [pattern.to_owned(), format!("{pattern}/**")] {
                builder.add(GlobBuilder::new(&pattern).literal_separator(true).build().map_err(fault)?);
            }
        }
        builder.build().map(Self).map_err(fault)
    }

    /// Whether any pattern matches.
    pub(super) fn is_match(&self, path: &Path) -> bool {
        self.0.is_match(path)
    }
}

/// Whether a text is a plain path.
pub(super) fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

/// The folder below which everything lies that a glob can match.
pub(super) fn base(pattern: &str) -> PathBuf {
    let pattern = pattern.trim_start_matches("./");
    let fixed = pattern.split('/').take_while(|part| is_literal(part)).count();
    let parts: Vec<&str> = pattern.split('/').collect();
    parts[..fixed.min(parts.len() - 1)].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, path, matches) in [
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/sub/a.rs", false),
            ("src/**/*.rs", "src/a.rs", true),
            ("src", "src/sub/a.rs", true),
            ("./src/", "src/a.rs", true),
            (".github/**", ".github/workflows/x.yml", true),
            (".github", ".githubx", false),
            ("**/secret", "a/b/secret", true),
        ] {
            assert_eq!(
                Globs::new(&[pattern.to_owned()]).unwrap().is_match(Path::new(path)),
                matches,
                "{pattern} {path}"
            );
        }
        assert!(Globs::new(&["a[".to_owned()]).is_err());
        assert!(!Globs::new(&[]).unwrap().is_match(Path::new("a")));
    }

    #[test]
    fn a_glob_has_a_base() {
        for (pattern, folder) in
            [("a/b/*.rs", "a/b"), ("**/x", ""), ("*.rs", ""), ("a/b", "a"), ("./a/{b,c}/d", "a"), ("x", "")]
        {
            assert_eq!(base(pattern), Path::new(folder), "{pattern}");
        }
    }
}
