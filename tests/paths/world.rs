//! A project full of ways out, and what lies outside of it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

use crate::support::Project;

/// What stands in each file outside: no output may hold it.
pub const CANARY: &str = "canary7c1f9b";

/// All of a tree but when it was read: kind and mode, content, when it was changed.
pub type Print = BTreeMap<PathBuf, (u32, Vec<u8>, i64, i64)>;

pub struct World {
    pub project: Project,
    /// Beside the project: nobody names it.
    pub outside: PathBuf,
}

impl World {
    /// A project with workflows and links, and a folder outside with files that nobody names.
    pub fn new() -> Self {
        let project = Project::new()
            .file("workflows/ok.yaml", "name: ok\nsteps:\n  - { id: a, run: \"true\" }\n")
            .file("sub/file.yaml", "title: x\n")
            .file("a/b", "");
        let root = project.root();
        let outside = root.parent().unwrap().join("outside");
        for (path, text) in [
            ("secret.yaml", format!("name: {CANARY}\n{CANARY}: 1\nsteps: []\n")),
            ("workflows/deep.yaml", format!("name: {CANARY}\nsteps: []\n")),
            ("agents/deep.md", format!("---\nname: {CANARY}\ndescription: x\n---\n{CANARY}\n")),
        ] {
            fs::create_dir_all(outside.join(path).parent().unwrap()).unwrap();
            fs::write(outside.join(path), text).unwrap();
        }
        symlink(outside.join("secret.yaml"), root.join("link-file")).unwrap();
        symlink(&outside, root.join("link-dir")).unwrap();
        symlink("link-loop", root.join("link-loop")).unwrap();
        symlink("..", root.join("link-up")).unwrap();
        symlink("nowhere", root.join("link-gone")).unwrap();
        symlink("/proc/self/root", root.join("link-proc")).unwrap();
        // Whoever reads this reads a file of the project; whoever writes it in place changes one outside.
        fs::write(outside.join("hard.yaml"), "kept: 1\n").unwrap();
        fs::hard_link(outside.join("hard.yaml"), root.join("hard.yaml")).unwrap();
        rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
        Self { project, outside }
    }

    /// Everything outside as it is.
    pub fn print(&self) -> Print {
        let mut print = Print::new();
        look(&self.outside, &mut print);
        print
    }

    /// Makes it seen when a file outside is read: the time of the last look lies far back.
    pub fn watch(&self) {
        for path in self.print().keys() {
            let old = Timespec { tv_sec: 1_000_000, tv_nsec: 0 };
            let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
            let times = Timestamps { last_access: old, last_modification: keep };
            rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
    }

    /// What was read outside since then.
    pub fn read(&self) -> Vec<PathBuf> {
        // A look at a folder reads it, so the times are taken on the way down, before.
        fn down(path: &Path, read: &mut Vec<PathBuf>) {
            let found = fs::symlink_metadata(path).unwrap();
            // Folders are listed by others as well, by whoever looks how full the disk is.
            if found.is_file() && found.atime() != 1_000_000 && !path.ends_with("hard.yaml") {
                read.push(path.to_owned());
            }
            if found.is_dir() {
                let entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
                entries.iter().for_each(|entry| down(entry, read));
            }
        }
        let mut read = Vec::new();
        down(&self.outside, &mut read);
        read
    }
}

/// Whether this disk says when a file was read.
pub fn tells_of_reads(world: &World) -> bool {
    world.watch();
    fs::read(world.outside.join("secret.yaml")).unwrap();
    let tells = world.read().iter().any(|path| path.ends_with("secret.yaml"));
    if !tells {
        println!("SKIPPED: this disk does not say when a file was read; only contents, names and modes are compared");
    }
    tells
}

fn look(path: &Path, print: &mut Print) {
    let found = fs::symlink_metadata(path).unwrap();
    let bytes = if found.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    let change = if found.is_dir() { (found.mtime(), found.mtime_nsec()) } else { (found.ino() as i64, 0) };
    print.insert(path.to_owned(), (found.permissions().mode(), bytes, change.0, change.1));
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), print);
        }
    }
}
