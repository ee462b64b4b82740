//! Why something cannot be done with a workspace or a checkpoint. Every fault leaves the user's files as they were.

use std::{io, path::PathBuf};

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceFault {
    /// There is no git program.
    #[error("start git: {0}")]
    NoGit(#[source] io::Error),
    /// Git is older than what is needed.
    #[error("use git {found}: workspaces need git 2.40 or newer")]
    OldGit {
        /// What it calls itself.
        found: String,
    },
    /// Git said no.
    #[error("run git {verb}: {said}")]
    Git {
        /// Its verb.
        verb: String,
        /// Its words.
        said: String,
    },
    /// Git did not end in time.
    #[error("run git {verb}: it took longer than {minutes} minutes")]
    Slow {
        /// Its verb.
        verb: String,
        /// The limit.
        minutes: u64,
    },
    /// Git printed more than is read.
    #[error("run git {verb}: it printed more than {bytes_max} bytes")]
    Flood {
        /// Its verb.
        verb: String,
        /// The limit.
        bytes_max: usize,
    },
    /// A file or folder.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The repository is not one that can be worked with.
    #[error("use the repository of {}: {why}", root.display())]
    Odd {
        /// The project.
        root: PathBuf,
        /// What is odd.
        why: String,
    },
    /// Another process works on the repository.
    #[error("take the repository: {}", holder.map_or_else(|| "another process has it".to_owned(), |pid| format!("process {pid} has it")))]
    Busy {
        /// Who has it.
        holder: Option<u32>,
    },
    /// A checkpoint would be too large.
    #[error("keep the files: {}", large(files, *bytes_max))]
    TooLarge {
        /// The files, with their bytes.
        files: Vec<(PathBuf, u64)>,
        /// What one may have.
        bytes_max: u64,
    },
    /// A checkpoint would hold too many files or too much altogether.
    #[error(
        "keep the files: there are {files} new ones with {bytes} bytes, at most {files_max} with {bytes_max} are kept; ignore what need not be"
    )]
    TooMuch {
        /// How many files.
        files: usize,
        /// How large together.
        bytes: u64,
        /// How many may be.
        files_max: usize,
        /// How large they may be.
        bytes_max: u64,
    },
    /// The user's files are in the way.
    #[error("change the files of the project: {} in the way: {}", count(paths.len()), named(paths))]
    InTheWay {
        /// Which.
        paths: Vec<PathBuf>,
    },
    /// There is no such checkpoint.
    #[error("find the checkpoint `{0}`")]
    Unknown(String),
    /// A stored form that cannot be read.
    #[error("read {}: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The conflict still stands.
    #[error("take the resolved files: {} marks of the conflict: {}", if paths.len() == 1 { "one has" } else { "some have" }, named(paths))]
    Unresolved {
        /// Where.
        paths: Vec<PathBuf>,
    },
    /// No ports are free.
    #[error("find free ports: all of {first} to {last} are taken")]
    NoPorts {
        /// The first that was tried.
        first: u16,
        /// The last.
        last: u16,
    },
}

impl WorkspaceFault {
    /// A fault of a file or folder.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

fn count(files: usize) -> String {
    if files == 1 { "1 file is".to_owned() } else { format!("{files} files are") }
}

fn large(files: &[(PathBuf, u64)], bytes_max: u64) -> String {
    let shown: Vec<_> =
        files.iter().take(5).map(|(path, bytes)| format!("`{}` ({bytes} bytes)", shown(path))).collect();
    let more = files.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} larger than {bytes_max} bytes; ignore them, or raise the limit", shown.join(", "))
}

fn named(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().take(20).map(|path| format!("`{}`", shown(path))).collect();
    let more = paths.len().saturating_sub(names.len());
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

/// A path for people, whatever bytes it holds.
fn shown(path: &std::path::Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
