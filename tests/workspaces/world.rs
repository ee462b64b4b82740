//! A user's project with everything that must not change: history, staged, changed, untracked and ignored files, a stash.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use orch::{
    base::{RunId, Timestamp},
    execute::workspace::{Base, Bounds, Maker, Oid, Repository, Request, Space, Workspaces},
};
use tempfile::TempDir;

/// A project and its home folder.
pub struct World {
    pub folder: TempDir,
}

/// What a folder holds: kind, executable bit and content of every path.
pub type Files = BTreeMap<PathBuf, (char, Vec<u8>)>;

impl World {
    /// A repository with a bit of everything.
    pub fn new() -> Self {
        let world = Self::plain();
        let root = world.root();
        world.git(&["init", "-q", "-b", "main"]);
        world.write("README.md", "one\ntwo\nthree\n");
        world.write("src/a.txt", &lines("a", 40));
        world.write("src/b.txt", &lines("b", 40));
        world.write("run.sh", "#!/bin/sh\n");
        fs::set_permissions(root.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("src/a.txt", root.join("link")).unwrap();
        world.write(".gitignore", "*.log\n/build/\n/.orch/state/\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "first"]);
        world
    }

    /// The same with work that is not committed.
    pub fn busy() -> Self {
        let world = Self::new();
        world.write("README.md", "one\nstashed\nthree\n");
        world.git(&["stash"]);
        world.git(&["branch", "other"]);
        world.write("src/a.txt", &lines("a, changed", 40));
        world.write("staged.txt", "staged\n");
        world.git(&["add", "staged.txt"]);
        world.write("untracked/deep/file.txt", "untracked\n");
        world.write("secret.log", "ignored\n");
        fs::write(world.root().join(std::ffi::OsStr::from_bytes(b"odd \xff\n\"name")), "odd\n").unwrap();
        world
    }

    /// No repository at all.
    pub fn plain() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(world.root()).unwrap();
        fs::create_dir_all(world.folder.path().join("home")).unwrap();
        world
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn state(&self) -> PathBuf {
        self.root().join(".orch/state")
    }

    pub fn write(&self, path: &str, text: &str) {
        write(&self.root().join(path), text);
    }

    /// What the user types.
    pub fn git(&self, words: &[&str]) -> String {
        git(&self.root(), &self.env(), words)
    }

    pub fn env(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("PATH".into(), std::env::var_os("PATH").unwrap()),
            ("HOME".into(), self.folder.path().join("home").into()),
        ]
    }

    pub fn open(&self) -> Repository {
        Repository::open(&self.root(), &self.state(), &self.env()).unwrap()
    }

    pub fn workspaces(&self) -> Workspaces {
        Workspaces::open(&self.open()).unwrap()
    }

    /// A workspace of a step, from the project's files as they are.
    pub fn space(&self, step: &str) -> Space {
        let base = self.open().base(&run(), &Base::Now, Bounds::default()).unwrap();
        self.space_from(step, &base)
    }

    pub fn space_from(&self, step: &str, base: &Oid) -> Space {
        let maker = maker(step);
        let request = Request { maker: &maker, base: Some(base), now: Timestamp(1), is_line: false };
        self.workspaces().make(&request).unwrap()
    }

    /// Everything of the user's that nobody may touch: files, index, branches, stash, settings, hooks, histories.
    pub fn fingerprint(&self) -> Files {
        let root = self.root();
        let mut files = files(&root, &|path| !path.starts_with(".orch") && !path.starts_with(".git"));
        if root.join(".git").is_dir() {
            let of_git = |path: &Path| {
                let inner = path.strip_prefix(".git").unwrap_or(path);
                !["objects", "orch", "refs/orch"].iter().any(|left| inner.starts_with(left))
            };
            for (path, file) in self::files(&root, &|path| path.starts_with(".git") && of_git(path)) {
                files.insert(path, file);
            }
        }
        files
    }
}

pub fn run() -> RunId {
    "00000001".parse().unwrap()
}

pub fn maker(step: &str) -> Maker {
    Maker { run: run(), step: step.to_owned(), attempt: "1".to_owned() }
}

pub fn lines(word: &str, count: usize) -> String {
    (0..count).map(|line| format!("{word} {line}\n")).collect()
}

pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs git as a person would; every fault stops the test.
pub fn git(folder: &Path, env: &[(OsString, OsString)], words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=User", "-c", "user.email=user@localhost", "-c", "protocol.file.allow=always"]);
    let output = command.args(words).current_dir(folder).env_clear().envs(env.iter().cloned()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {words:?} in {}: {said}", folder.display());
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The files below a folder that are wanted. Folders count where they are empty.
pub fn files(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> Files {
    let mut found = Files::new();
    walk(folder, Path::new(""), is_wanted, &mut found);
    found
}

fn walk(folder: &Path, inner: &Path, is_wanted: &dyn Fn(&Path) -> bool, found: &mut Files) {
    for entry in fs::read_dir(folder.join(inner)).unwrap() {
        let entry = entry.unwrap();
        let path = inner.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(folder, &path, is_wanted, found);
        } else if is_wanted(&path) {
            let full = entry.path();
            let value = if kind.is_symlink() {
                ('l', fs::read_link(&full).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                let mode = entry.metadata().unwrap().permissions().mode();
                (if mode & 0o111 == 0 { 'f' } else { 'x' }, fs::read(&full).unwrap_or_default())
            };
            found.insert(path, value);
        }
    }
}

/// A small generator of numbers that a seed repeats.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % end as u64).unwrap()
    }
}

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Compares, and names what differs instead of showing all.
pub fn same(found: &Files, expected: &Files, what: &str) {
    let differs = |path: &&PathBuf| found.get(*path) != expected.get(*path);
    let mut paths: Vec<_> = found.keys().chain(expected.keys()).filter(differs).collect();
    paths.sort();
    paths.dedup();
    let shown: Vec<_> = paths.iter().take(5).map(|path| (path, found.get(*path), expected.get(*path))).collect();
    assert!(paths.is_empty(), "{what}: {} paths differ, found and expected: {shown:?}", paths.len());
}
