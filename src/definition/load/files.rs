//! Files that definitions name: prompts and schemas. They are read from the folder of the definition and never from
//! outside its root.

use std::{
    cell::RefCell,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Code, Digest, Source, codes::definition as codes},
    definition::load::{builtin, bytes},
};

/// Where the relative paths of one definition start.
#[derive(Debug, Clone)]
pub(super) enum Folder {
    /// On disk.
    Disk {
        /// Nothing outside of it is read.
        root: PathBuf,
        /// The definition's folder.
        folder: PathBuf,
        /// What was asked for so far, whether it is there or not.
        asked: RefCell<Vec<PathBuf>>,
        /// The digests of those that were there, in the order in which they were read.
        reads: RefCell<Vec<Digest>>,
    },
    /// In the library built into the binary; the path inside it.
    Builtin(PathBuf),
}

/// Why a named file is not there.
#[derive(Debug)]
pub(super) struct FileFault {
    pub code: Code,
    pub cause: String,
    pub help: String,
}

impl Folder {
    /// A folder on disk; nothing outside of `root` is read.
    pub fn disk(root: &Path, folder: &Path) -> Self {
        Self::Disk {
            root: root.to_path_buf(),
            folder: folder.to_path_buf(),
            asked: RefCell::default(),
            reads: RefCell::default(),
        }
    }

    /// The digests of the files that were read so far, byte for byte.
    pub fn reads(&self) -> Vec<Digest> {
        match self {
            Self::Disk { reads, .. } => reads.borrow().clone(),
            Self::Builtin(_) => Vec::new(),
        }
    }

    /// The files that were asked for, whether they are there or not.
    pub fn asked(self) -> Vec<PathBuf> {
        match self {
            Self::Disk { asked, .. } => asked.into_inner(),
            Self::Builtin(_) => Vec::new(),
        }
    }

    /// The folder as a workflow keeps it.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Disk { folder, .. } => folder.clone(),
            Self::Builtin(folder) => PathBuf::from(format!("builtin:{}", folder.display())),
        }
    }

    /// Reads a file that a definition names.
    pub fn read(&self, name: &str) -> Result<Arc<Source>, FileFault> {
        let path = Path::new(name);
        let outside = |cause: &str| FileFault {
            code: codes::FILE_OUTSIDE,
            cause: cause.to_owned(),
            help: "put the file below the folder of this definition and name it from there".to_owned(),
        };
        if path.is_absolute() {
            return Err(outside("an absolute path"));
        }
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(outside("`..` leads out of the folder"));
        }
        match self {
            Self::Disk { root, folder, asked, reads } => {
                let path = folder.join(path);
                asked.borrow_mut().push(path.clone());
                let source = read_disk(root, &path, name, outside)?;
                reads.borrow_mut().push(source.digest().clone());
                Ok(source)
            }
            Self::Builtin(folder) => {
                let inside: PathBuf =
                    folder.join(path).components().filter(|part| *part != Component::CurDir).collect();
                builtin::read(&inside).map(|text| text.source).ok_or_else(|| missing(name, "no such file".to_owned()))
            }
        }
    }
}

fn read_disk(
    root: &Path,
    path: &Path,
    name: &str,
    outside: impl Fn(&str) -> FileFault,
) -> Result<Arc<Source>, FileFault> {
    let real = path.canonicalize().map_err(|error| missing(name, bytes::plain_io(&error)))?;
    let real_root = root.canonicalize().map_err(|error| missing(name, bytes::plain_io(&error)))?;
    if !real.starts_with(&real_root) {
        return Err(outside("a link leads out of the project"));
    }
    let shown: PathBuf =
        path.strip_prefix(root).unwrap_or(path).components().filter(|part| *part != Component::CurDir).collect();
    match bytes::read(&real, &shown) {
        Ok(text) => Ok(text.source),
        Err(fault) => Err(FileFault {
            code: codes::FILE_MISSING,
            cause: format!("{}: {}", fault.message, fault.cause),
            help: fault.help,
        }),
    }
}

fn missing(name: &str, cause: String) -> FileFault {
    let help = format!("paths start at the folder of this file; create `{name}` there, or correct the path");
    FileFault { code: codes::FILE_MISSING, cause, help }
}
