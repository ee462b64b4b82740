//! Files written whole or not at all.

use std::{fs, io, io::Write as _, path::Path};

/// Writes a file so that a reader, and a crash at any moment, sees the old content or the new and nothing between. A
/// file that was there keeps its permissions. The folder must exist.
///
/// # Errors
/// What the file system says; the old content is then untouched.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // A name that no definition has, so that a watcher or a loader never takes it for one.
    builder.prefix(".orch-").suffix(".tmp");
    let mut file = match fs::metadata(path) {
        Ok(there) => builder.permissions(there.permissions()).tempfile_in(folder)?,
        Err(_) => builder.permissions(plain_permissions()).tempfile_in(folder)?,
    };
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What the process's mask makes of read and write for all.
fn plain_permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn content_changes_and_permissions_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sh");
        write_whole(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
        assert!(write_whole(&folder.path().join("no/such"), b"x").is_err());
    }
}
