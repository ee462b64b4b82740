//! Values of flags that are more than a word: pairs and files. Knows no verb.

use std::{fs::File, io::Read as _, os::unix::fs::FileTypeExt as _, path::Path};

/// The text of a file that a person has named, if it is one of at most `bytes_max`. A pipe that the shell has opened is one as
/// well; one that lies on the disk would be waited for without an end.
pub(super) fn text_of(path: &Path, bytes_max: u64) -> Result<String, String> {
    let is_open = ["/dev/", "/proc/"].iter().any(|folder| path.starts_with(folder));
    let found = path.metadata().map_err(|error| error.to_string())?;
    if found.file_type().is_fifo() && !is_open {
        return Err("it is a pipe, to which nobody may ever write".to_owned());
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > bytes_max {
        return Err(format!("it has more than {bytes_max} bytes"));
    }
    Ok(text)
}

/// `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Before the first `=`.
    pub name: String,
    /// After it.
    pub value: String,
}

pub(super) fn pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Pair { name: name.to_owned(), value: value.to_owned() }),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}
