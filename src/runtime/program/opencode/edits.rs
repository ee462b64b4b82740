//! Where an agent of opencode may change files. Knows nothing of its other permissions.
//!
//! The program compares a path with its rules as seen from the root of the repository, or from `/` where there is none,
//! and keeps an agent inside of the repository, not inside of the folder that it works in (seen with version 1.18.33).

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

/// The rules on changing files, in their order: nothing but what lies in the workspace, and never in the folders
/// `only_read`. The last rule that matches wins.
pub(super) fn edits(workspace: &Path, may_edit: bool, only_read: &[&Path]) -> Map<String, Value> {
    let workspace = real(workspace);
    let root = workspace.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(Path::new("/"));
    let inside = way(root, &workspace);
    let rule = |pattern: String, is_allowed: bool| (pattern, Value::from(if is_allowed { "allow" } else { "deny" }));
    let mut rules = if inside.is_empty() {
        Map::from_iter([rule("*".into(), may_edit), rule("..*".into(), false)])
    } else {
        Map::from_iter([rule("*".into(), false), rule(format!("{inside}/*"), may_edit)])
    };
    rules.extend(only_read.iter().map(|folder| rule(format!("{}/*", way(root, &real(folder))), false)));
    rules
}

/// As the program sees it: it asks the system where it is.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The way from one folder to another, as the program writes it; both are absolute and without `..`.
fn way(from: &Path, to: &Path) -> String {
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to.components().skip(common)).collect();
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rules: &Map<String, Value>) -> Vec<(&str, &str)> {
        rules.iter().map(|(pattern, word)| (pattern.as_str(), word.as_str().unwrap())).collect()
    }

    #[test]
    fn an_agent_changes_nothing_beside_its_workspace() {
        let lab = tempfile::tempdir().unwrap();
        let place = |name: &str| lab.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(place("repo/sub/work")).unwrap();
        std::fs::create_dir_all(place("notes")).unwrap();
        let free = place("repo/sub/work");
        let from_the_top = free.strip_prefix("/").unwrap().display().to_string();
        assert_eq!(words(&edits(&free, true, &[])), [("*", "deny"), (&format!("{from_the_top}/*")[..], "allow")]);

        std::fs::create_dir(place("repo/.git")).unwrap();
        let rules = edits(&free, true, &[&place("notes"), &place("repo/sub/work/only")]);
        assert_eq!(
            words(&rules),
            [("*", "deny"), ("sub/work/*", "allow"), ("../notes/*", "deny"), ("sub/work/only/*", "deny")]
        );
        assert_eq!(words(&edits(&free, false, &[])), [("*", "deny"), ("sub/work/*", "deny")]);
        let rules = edits(&place("repo"), true, &[&place("notes")]);
        assert_eq!(words(&rules), [("*", "allow"), ("..*", "deny"), ("../notes/*", "deny")]);

        // A linked worktree has a file of this name.
        std::fs::write(place("repo/sub/work/.git"), "gitdir: x").unwrap();
        std::os::unix::fs::symlink(&free, place("link")).unwrap();
        assert_eq!(words(&edits(&place("link"), true, &[])), [("*", "allow"), ("..*", "deny")]);
    }
}
