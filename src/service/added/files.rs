//! The files of a source before any of them is written: their paths and sizes, checked.

use std::{
    collections::HashSet,
    fs,
    path::{Component, Path},
};

use crate::{definition::load::FILES_MAX, service::refusal::Refusal};

/// The largest file that is taken.
pub(super) const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// All files that are taken, together.
pub(super) const BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Entries of a source at most, whether they are taken or not.
pub(super) const ENTRIES_MAX: usize = 500_000;
const DEPTH_MAX: usize = 32;
/// Endings of files that may be definitions or manifests.
const ENDINGS: [&str; 7] = ["md", "markdown", "mdc", "toml", "yaml", "yml", "json"];
/// What goes with every part of a repository.
const LICENCES: [&str; 4] = ["LICENSE", "LICENCE", "NOTICE", "COPYING"];

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path from the root of the source, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// How the source finds its content.
    pub key: String,
}

/// What a source holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Plain files.
    pub files: Vec<Entry>,
    /// What is left out, and why.
    pub skipped: Vec<(String, &'static str)>,
}

impl Listing {
    /// Keeps the files below `folder` that may be of use, with their paths from there.
    pub fn choose(self, folder: &str) -> Result<Self, Refusal> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = |path: &str| path.strip_prefix(&prefix).map(str::to_owned);
        let mut skipped: Vec<_> =
            self.skipped.into_iter().filter_map(|(path, why)| Some((below(&path)?, why))).collect();
        let files: Vec<Entry> =
            self.files.into_iter().filter_map(|file| Some(Entry { path: below(&file.path)?, ..file })).collect();
        let parent = |path: &str| path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        let is_skill =
            |file: &&Entry| file.path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("skill.md"));
        let skills: HashSet<String> = files.iter().filter(is_skill).map(|file| parent(&file.path)).collect();
        let mut chosen = Vec::new();
        let mut bytes = 0;
        for file in files {
            if !is_candidate(&file.path, &skills) {
                continue;
            }
            if let Some(why) = fault(&file.path).or((file.bytes > FILE_BYTES_MAX).then_some("it is larger than 8 MB")) {
                skipped.push((file.path, why));
                continue;
            }
            bytes += file.bytes;
            if bytes > BYTES_MAX || chosen.len() >= FILES_MAX {
                let message = format!("the source has more than {FILES_MAX} files or {} MB of them", BYTES_MAX >> 20);
                let help = "take one folder of it: `orch add SOURCE#FOLDER`";
                return Err(Refusal::new(1, "E0545", message, help));
            }
            chosen.push(file);
        }
        skipped.retain(|(path, _)| is_candidate(path, &skills));
        Ok(Self { files: chosen, skipped })
    }
}

/// Whether a file may be a definition, or belong to one.
fn is_candidate(path: &str, skills: &HashSet<String>) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let of_skill = || {
        let mut folder = path;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if skills.contains(parent) {
                return true;
            }
            folder = parent;
        }
        false
    };
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
        || LICENCES.iter().any(|licence| name.starts_with(licence))
        || of_skill()
}

/// Whether a file goes with every part of a repository.
pub(super) fn is_licence(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    LICENCES.iter().any(|licence| name.starts_with(licence))
}

/// Why a path is not taken.
fn fault(path: &str) -> Option<&'static str> {
    if path.chars().any(char::is_control) || path.contains('\\') {
        return Some("its name has characters that no file should have");
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > DEPTH_MAX || path.len() > 1024 {
        return Some("its path is too long");
    }
    let is_bad = |part: &&str| {
        part.is_empty() || *part == "." || *part == ".." || part.len() > 255 || part.eq_ignore_ascii_case(".git")
    };
    parts.iter().any(is_bad).then_some("its path leads elsewhere")
}

/// The files of a folder on this machine. Links are not followed.
pub(super) fn list_folder(root: &Path) -> Result<Listing, Refusal> {
    let mut listing = Listing::default();
    let mut open = vec![(root.to_path_buf(), 0)];
    let refuse = |path: &Path, error: &std::io::Error| {
        let message = format!("{} cannot be read: {error}", path.display());
        Refusal::new(1, "E0541", message, "check that you may read it").retryable()
    };
    while let Some((folder, depth)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| refuse(&folder, &error))? {
            let entry = entry.map_err(|error| refuse(&folder, &error))?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().map_err(|error| refuse(&path, &error))?;
            let inside = path.strip_prefix(root).unwrap_or(&path);
            let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
            let Some(shown) = inside.to_str().filter(|_| plain) else {
                listing.skipped.push((inside.to_string_lossy().into_owned(), "its name is not text"));
                continue;
            };
            if kind.is_dir() && depth < DEPTH_MAX && name != ".git" && name != "node_modules" {
                open.push((path, depth + 1));
            } else if kind.is_file() {
                use std::os::unix::fs::PermissionsExt as _;
                let found = entry.metadata().map_err(|error| refuse(&path, &error))?;
                let executable = found.permissions().mode() & 0o111 != 0;
                let key = path.to_string_lossy().into_owned();
                listing.files.push(Entry { path: shown.to_owned(), bytes: found.len(), executable, key });
            } else if kind.is_symlink() {
                listing.skipped.push((shown.to_owned(), "links are not followed"));
            }
            if listing.files.len() > ENTRIES_MAX {
                let message = format!("{} has more than {ENTRIES_MAX} files", root.display());
                return Err(Refusal::new(1, "E0545", message, "take one folder of it: `orch add SOURCE#FOLDER`"));
            }
        }
    }
    listing.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, bytes: u64) -> Entry {
        Entry { path: path.to_owned(), bytes, executable: false, key: String::new() }
    }

    #[test]
    fn only_what_may_be_of_use_is_taken() {
        let paths = [
            "LICENSE",
            "agents/a.md",
            "src/main.rs",
            "skills/x/SKILL.md",
            "skills/x/run.sh",
            "skills/x/deep/data.bin",
            "skills/y.bin",
            "agents/../../etc/passwd.md",
            ".GIT/config.md",
            "agents/b\nc.md",
            "a\\b.md",
        ];
        let files = paths.iter().map(|path| entry(path, 1)).chain([entry("big.md", FILE_BYTES_MAX + 1)]).collect();
        let skipped = vec![("agents/link.md".to_owned(), "a link"), ("src/link".to_owned(), "a link")];
        let chosen = Listing { files, skipped }.choose("").unwrap();
        let taken: Vec<_> = chosen.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(taken, ["LICENSE", "agents/a.md", "skills/x/SKILL.md", "skills/x/run.sh", "skills/x/deep/data.bin"]);
        let left: Vec<_> = chosen.skipped.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            left,
            ["agents/link.md", "agents/../../etc/passwd.md", ".GIT/config.md", "agents/b\nc.md", "a\\b.md", "big.md"]
        );
    }

    #[test]
    fn a_folder_of_a_source_is_its_own_root() {
        let files = vec![entry("kit/agents/a.md", 1), entry("kitten/agents/b.md", 1)];
        let chosen = Listing { files, skipped: Vec::new() }.choose("kit").unwrap();
        assert_eq!(chosen.files, [entry("agents/a.md", 1)]);
        let many = (0..20).map(|number| entry(&format!("{number}.md"), FILE_BYTES_MAX)).collect();
        assert_eq!(Listing { files: many, skipped: Vec::new() }.choose("").unwrap_err().id, "E0545");
    }
}
