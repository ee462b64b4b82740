//! What `orch add` took in: where it came from, and which bytes it had then.

use std::path::PathBuf;

use crate::base::Digest;

/// The version of `library.lock`.
pub const LOCK_VERSION: u16 = 1;

/// One entry of `library.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The name of the folder in `library/`.
    pub name: String,
    /// A URL of a git repository, or the path of a folder.
    pub source: String,
    /// The folder inside the source; empty for all of it.
    pub folder: String,
    /// The plugin of a marketplace, if one was asked for.
    pub plugin: Option<String>,
    /// The branch, tag or commit that was asked for.
    pub reference: Option<String>,
    /// The commit that it was then.
    pub commit: Option<String>,
    /// The kinds that were asked for; empty for all.
    pub only: Vec<String>,
    /// The files.
    pub files: u64,
    /// The digest of all paths and contents.
    pub digest: Digest,
}

impl Pin {
    /// The source as people write it after `orch add`.
    #[must_use]
    pub fn written(&self) -> String {
        let plugin = self.plugin.as_ref().map(|plugin| format!("{plugin}@")).unwrap_or_default();
        let folder = if self.folder.is_empty() { String::new() } else { format!("#{}", self.folder) };
        format!("{plugin}{}{folder}", self.source)
    }
}

/// One folder in `library/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its path as shown to people.
    pub path: PathBuf,
    /// Its entry in the lock file, if it has one.
    pub pin: Option<Pin>,
}

impl Added {
    /// Where it came from, with the commit.
    #[must_use]
    pub fn shown(&self) -> String {
        let Some(pin) = &self.pin else { return "nowhere: it has no entry in library.lock".to_owned() };
        match &pin.commit {
            Some(commit) => format!("{} at {}", pin.written(), commit.get(..12).unwrap_or(commit)),
            None => pin.written(),
        }
    }
}
