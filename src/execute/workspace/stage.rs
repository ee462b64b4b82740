//! Puts contents aside, each as a file with a number, so that later only names have to be changed.

use std::{fs, path::Path};

use super::{Entry, Repository, WorkspaceFault};

impl Repository {
    /// Writes each entry to `folder/NUMBER`, with its mode, byte by byte. The folder must be empty or not there.
    pub(super) fn stage(&self, folder: &Path, entries: &[(usize, &Entry)]) -> Result<(), WorkspaceFault> {
        fs::create_dir_all(folder).map_err(WorkspaceFault::io(format!("make {}", folder.display())))?;
        if entries.is_empty() {
            return Ok(());
        }
        let index = folder.with_extension("index");
        let mut lines = Vec::new();
        for (number, entry) in entries {
            lines.extend_from_slice(format!("{} {} 0\t{number}\0", entry.mode, entry.oid).as_bytes());
        }
        let call = |words: &'static [&'static str]| self.call(words).tree(folder).index(&index);
        call(&["update-index", "-z", "--add", "--index-info"]).input(&lines).run()?;
        let staged = call(&["checkout-index", "--all", "--quiet"]).run();
        fs::remove_file(&index).ok();
        staged.map(drop)
    }
}
