//! Paths as texts: resolved against a folder, without looking at the disk. Links are therefore not seen.

use super::expand::UNKNOWN;

/// Where a path of a command leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    /// Absolute and without `.` and `..`; patterns and unknown parts stand in it as they are.
    pub path: String,
    /// What comes first is not known, so it can be anywhere.
    pub is_adrift: bool,
}

/// Resolves a path against a folder. A folder that is unknown makes every relative path adrift.
pub(super) fn resolve(path: &str, cwd: &str, home: &str) -> Resolved {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let absolute = match path.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => format!("{home}{rest}"),
        // The home of somebody: `~root`, `~+`.
        Some(rest) if !rest.starts_with(UNKNOWN) => format!("/home/{rest}"),
        // A value that nobody knows may begin with a slash.
        _ if path.starts_with(['/', UNKNOWN]) => path.to_owned(),
        _ => format!("{cwd}/{path}"),
    };
    let is_adrift = absolute.starts_with(UNKNOWN);
    let mut parts: Vec<&str> = Vec::new();
    for part in absolute.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                // One step up from what is not known may lead anywhere.
                if parts.last().is_some_and(|last| last.contains(UNKNOWN)) {
                    return Resolved { path: format!("{UNKNOWN}"), is_adrift: true };
                }
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let slash = if is_adrift { "" } else { "/" };
    Resolved { path: format!("{slash}{}", parts.join("/")), is_adrift }
}

/// What is left of `path` below `folder`; empty for the folder itself.
pub(super) fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    if folder == "/" {
        return path.strip_prefix('/');
    }
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Whether a part of a path is a pattern that takes everything.
pub(super) fn takes_all(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|letter| "*?.![]".contains(letter)) && part.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_texts() {
        let path = |path: &str| resolve(path, "/work", "/home/me").path;
        assert_eq!(path("a/./b/../c"), "/work/a/c");
        assert_eq!(path("~/x"), "/home/me/x");
        assert_eq!(path("../../../.."), "/");
        assert_eq!(path("~root/.ssh"), "/home/root/.ssh");
        assert_eq!(path("a~"), "/work/a~");
        assert!(resolve(&format!("{UNKNOWN}/x"), "/work", "/h").is_adrift);
        assert!(resolve(&format!("a/{UNKNOWN}/../../x"), "/work", "/h").is_adrift);
        assert!(!resolve(&format!("a/{UNKNOWN}/x"), "/work", "/h").is_adrift);
        assert_eq!((below("/work/a", "/work"), below("/workshop", "/work")), (Some("a"), None));
    }
}
