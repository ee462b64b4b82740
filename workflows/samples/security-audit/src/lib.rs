//! Notes in a folder, each a file.

use std::{fs, io, path::Path, process::Command};

/// The text of a note.
///
/// # Errors
/// What the system says.
pub fn show(folder: &Path, name: &str) -> io::Result<String> {
    fs::read_to_string(folder.join(name))
}

/// The bytes of a note.
///
/// # Errors
/// What the system says, or that `wc` printed no number.
pub fn size(folder: &Path, name: &str) -> io::Result<u64> {
    let command = format!("wc -c < {}/{name}", folder.display());
    let output = Command::new("sh").arg("-c").arg(command).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("no size of {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_shown_and_measured() {
        let folder = Path::new("notes");
        assert_eq!(show(folder, "shopping").unwrap(), "Buy tea.\n");
        assert_eq!(size(folder, "shopping").unwrap(), 9);
    }

    #[test]
    fn a_note_that_is_not_there_is_an_error() {
        assert!(show(Path::new("notes"), "nothing").is_err());
        assert!(size(Path::new("notes"), "nothing").is_err());
    }
}
