//! Keys of programs and people that ask a server: opaque, kept as digests only, each with a role and an end.
//!
//! A key is `orch_ID_SECRET`: the id finds the entry, the secret has 256 bits of chance, and what is kept is the SHA-256 of
//! the whole. Knows no route and no connection.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{
    base::{Timestamp, hex, random},
    guard::write_whole,
};

/// Keys of one file.
const KEYS_MAX: usize = 1_000;
/// Bytes of the file of keys.
const BYTES_MAX: u64 = 1024 * 1024;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Look, start runs, and move them.
    Operator,
    /// Look, and decide what runs ask a person.
    Approver,
    /// All of it, and give keys.
    Admin,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing.
    Public,
    /// To look.
    Read,
    /// To start runs and move them.
    Operate,
    /// To decide what runs ask.
    Decide,
    /// To give keys.
    Admin,
    /// A signature over the request itself; no key opens it.
    Signed,
}

impl Role {
    /// All of them, from the least.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// The role of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether somebody with this role may do that.
    #[must_use]
    pub fn may(self, scope: Scope) -> bool {
        match scope {
            Scope::Public | Scope::Read => true,
            Scope::Operate => matches!(self, Self::Operator | Self::Admin),
            Scope::Decide => matches!(self, Self::Approver | Self::Admin),
            Scope::Admin => self == Self::Admin,
            Scope::Signed => false,
        }
    }
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// By which it is named and found.
    pub id: String,
    /// Whose it is, for the record.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The SHA-256 of the whole key, in hexadecimal.
    digest: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Requests a minute; the server's own limit where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

#[derive(Debug, Default)]
struct Read {
    stamp: Option<SystemTime>,
    keys: Vec<ApiKey>,
}

/// The keys of a user's servers.
#[derive(Debug)]
pub struct ApiKeys {
    file: PathBuf,
    read: Mutex<Read>,
}

impl ApiKeys {
    /// The keys in that file, which need not be there.
    #[must_use]
    pub fn of(file: PathBuf) -> Self {
        Self { file, read: Mutex::default() }
    }

    /// All keys. Read again when the file has changed.
    ///
    /// # Errors
    /// When the file cannot be read, others may write it, or it is none of keys.
    pub fn all(&self) -> io::Result<Vec<ApiKey>> {
        let stamp = match fs::metadata(&self.file) {
            Ok(found) => found.modified().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.stamp != stamp || stamp.is_none() {
            *read = Read { stamp, keys: keys_in(&self.file)? };
        }
        Ok(read.keys.clone())
    }

    /// Makes a key and gives it whole, once: it cannot be shown again.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds too many.
    pub fn make(
        &self,
        name: &str,
        role: Role,
        now: Timestamp,
        expires: Option<Timestamp>,
        rate: Option<u32>,
    ) -> io::Result<(ApiKey, String)> {
        let _alone = self.alone()?;
        let mut keys = self.all()?;
        keys.retain(|key| key.expires.is_none_or(|end| end > now));
        if keys.len() >= KEYS_MAX {
            return Err(io::Error::other(format!("there are {KEYS_MAX} keys already")));
        }
        let (id, whole) = fresh()?;
        let key = ApiKey { id, name: name.to_owned(), role, digest: digest_of(&whole), created: now, expires, rate };
        keys.push(key.clone());
        self.write(&keys)?;
        Ok((key, whole))
    }

    /// Takes a key away. Gives whether there was one.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn revoke(&self, id: &str) -> io::Result<bool> {
        let _alone = self.alone()?;
        let mut keys = self.all()?;
        let before = keys.len();
        keys.retain(|key| key.id != id);
        if keys.len() == before {
            return Ok(false);
        }
        self.write(&keys)?;
        Ok(true)
    }

    /// Whose key that is; nobody's where it is unknown, has ended, or was taken away.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn who(&self, given: &str, now: Timestamp) -> io::Result<Option<ApiKey>> {
        let Some(id) = id_of(given) else { return Ok(None) };
        let digest = digest_of(given);
        let found = self.all()?.into_iter().find(|key| key.id == id);
        let is_right = |key: &ApiKey| bool::from(key.digest.as_bytes().ct_eq(digest.as_bytes()));
        Ok(found.filter(is_right).filter(|key| key.expires.is_none_or(|end| end > now)))
    }

    /// While this is held nobody else writes, in no process.
    fn alone(&self) -> io::Result<File> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = private(&self.file.with_extension("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    fn write(&self, keys: &[ApiKey]) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(keys).map_err(io::Error::other)?;
        // Made first, for its owner's eyes only: what is written in its place keeps that.
        private(&self.file)?;
        write_whole(&self.file, &text)?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Read::default();
        Ok(())
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn keys_in(file: &Path) -> io::Result<Vec<ApiKey>> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, format!("{}: {why}", file.display()));
    let found = fs::symlink_metadata(file)?;
    if !found.is_file() || found.len() > BYTES_MAX {
        return Err(refused("it is no file of keys"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(refused("others may write it, so that it says nothing"));
    }
    let text = fs::read(file)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&text).map_err(|error| refused(&format!("it is no file of keys: {error}")))
}

/// A new key: its id and the whole.
fn fresh() -> io::Result<(String, String)> {
    let bytes = random::<38>()?;
    let (id, secret) = bytes.split_at(6);
    let id = hex(id);
    let whole = format!("orch_{id}_{}", hex(secret));
    Ok((id, whole))
}

fn id_of(whole: &str) -> Option<&str> {
    let (id, secret) = whole.strip_prefix("orch_")?.split_once('_')?;
    (id.len() == 12 && secret.len() == 64).then_some(id)
}

fn digest_of(whole: &str) -> String {
    hex(digest(&SHA256, whole.as_bytes()).as_ref())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, ApiKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = ApiKeys::of(folder.path().join("serve/keys.json"));
        (folder, keys)
    }

    #[test]
    fn a_key_is_known_until_it_ends_or_is_taken_away() {
        let (_folder, keys) = keys();
        let (key, whole) = keys.make("ci", Role::Operator, Timestamp(10), Some(Timestamp(20)), None).unwrap();
        assert_eq!(keys.who(&whole, Timestamp(19)).unwrap().map(|found| found.id), Some(key.id.clone()));
        assert_eq!(keys.who(&whole, Timestamp(20)).unwrap(), None, "it has ended");
        let text = fs::read_to_string(&keys.file).unwrap();
        assert!(!text.contains(&whole[18..]), "the key itself is kept nowhere");
        assert_eq!(fs::metadata(&keys.file).unwrap().mode() & 0o777, 0o600);
        assert!(keys.revoke(&key.id).unwrap() && !keys.revoke(&key.id).unwrap());
        assert_eq!(keys.who(&whole, Timestamp(11)).unwrap(), None);
    }

    #[test]
    fn nothing_but_the_whole_key_opens() {
        let (_folder, keys) = keys();
        let (key, whole) = keys.make("ci", Role::Admin, Timestamp(1), None, None).unwrap();
        let (other, _) = keys.make("other", Role::Viewer, Timestamp(1), None, None).unwrap();
        let swapped = whole.replace(&key.id, &other.id);
        let forged = [
            String::new(),
            "orch_".to_owned(),
            whole[..whole.len() - 1].to_owned(),
            format!("{whole}0"),
            whole.to_uppercase(),
            format!("orch_{}_{}", key.id, "0".repeat(64)),
            format!(" {whole}"),
            swapped,
            key.digest.clone(),
        ];
        for given in forged {
            assert_eq!(keys.who(&given, Timestamp(2)).unwrap(), None, "{given}");
        }
        assert!(keys.who(&whole, Timestamp(2)).unwrap().is_some());
    }

    #[test]
    fn a_file_that_others_may_write_is_no_file_of_keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, keys) = keys();
        let (_, whole) = keys.make("ci", Role::Admin, Timestamp(1), None, None).unwrap();
        fs::set_permissions(&keys.file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(keys.who(&whole, Timestamp(2)).is_err());
    }

    #[test]
    fn each_role_may_what_its_name_says() {
        let may = |role: Role| {
            [Scope::Read, Scope::Operate, Scope::Decide, Scope::Admin].map(|scope| u8::from(role.may(scope)))
        };
        assert_eq!(Role::ALL.map(may), [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]]);
    }
}
