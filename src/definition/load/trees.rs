//! Whether added folders are what `library.lock` says, looked at again only where a file may have changed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    base::{Code, Diagnostic, Digest, Source, Span, codes::definition as codes},
    definition::{
        Added, Pin,
        load::{
            lock::{LOCK, read_lock, tree_digest, tree_files},
            stamp::Stamp,
        },
    },
};

/// The digests of folders, with what they were made from.
#[derive(Debug, Default)]
pub(super) struct Trees {
    kept: HashMap<PathBuf, (Vec<(PathBuf, Option<Stamp>)>, Digest)>,
}

impl Trees {
    /// The digest of a folder as it is now.
    fn digest(&mut self, root: &Path) -> Result<Digest, String> {
        let now = SystemTime::now();
        let stamps: Vec<_> = tree_files(root)?
            .into_iter()
            .map(|path| {
                let stamp = Stamp::of(&root.join(&path)).filter(|stamp| stamp.is_settled(now));
                (path, stamp)
            })
            .collect();
        let settled = stamps.iter().all(|(_, stamp)| stamp.is_some());
        if let Some((known, digest)) = self.kept.get(root)
            && settled
            && *known == stamps
        {
            return Ok(digest.clone());
        }
        let digest = tree_digest(root)?;
        if settled {
            self.kept.insert(root.to_path_buf(), (stamps, digest.clone()));
        }
        Ok(digest)
    }

    /// Compares the folders (by name) with the lock file in `base`; `cut` is taken from paths that are shown.
    pub fn check(
        &mut self,
        base: &Path,
        cut: &Path,
        folders: &[(String, PathBuf)],
        faults: &mut Vec<Diagnostic>,
    ) -> Vec<Added> {
        let lock = base.join(LOCK);
        let shown = |path: &Path| path.strip_prefix(cut).unwrap_or(path).to_path_buf();
        let mut warn = |code: Code, message: String, cause: &str, help: String| {
            let source = Source::new(shown(&lock), "");
            faults.push(Diagnostic::error(code, &source, Span::default(), message).cause(cause).help(help).warning());
        };
        let pins = match read_lock(&lock) {
            Ok(pins) => pins,
            Err(cause) => {
                let help = "take the file from your version control, or add the repositories again".to_owned();
                warn(codes::LIBRARY_LOCK, "the lock file of the library cannot be read".to_owned(), &cause, help);
                Vec::new()
            }
        };
        for pin in &pins {
            if !folders.iter().any(|(name, _)| *name == pin.name) {
                let message = format!("`{}` is in the lock file, and its folder is not there", pin.name);
                let help = format!("`orch update {}` takes it anew, `orch remove {0}` forgets it", pin.name);
                warn(codes::LIBRARY_MISSING, message, "nothing of it can be used", help);
            }
        }
        let mut added = Vec::new();
        for (name, folder) in folders {
            let pin: Option<&Pin> = pins.iter().find(|pin| pin.name == *name);
            match pin {
                None => {
                    let message = format!("`{name}` in the library has no entry in the lock file");
                    let help = "add it with `orch add SOURCE --name NAME`, or move it out of `library/`".to_owned();
                    warn(codes::LIBRARY_UNPINNED, message, "nobody can tell where it came from", help);
                }
                Some(pin) if self.digest(folder).as_ref() != Ok(&pin.digest) => {
                    let message = format!("`{name}` in the library is not what was added");
                    let help = format!("`orch update {name}` shows what differs and takes it anew");
                    warn(
                        codes::LIBRARY_CHANGED,
                        message,
                        "its files have another digest than the lock file says",
                        help,
                    );
                }
                Some(_) => {}
            }
            added.push(Added { path: shown(folder), pin: pin.cloned() });
        }
        added
    }
}
