//! Another thread exchanges a folder of the project for a link to the outside, as fast as it can, while the product's own
//! functions read, write and delete below it.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use orch::{
    base::{Digest, RunId},
    execute::{
        FileKind, Traces, Wanted, put_back, tree_digest,
        workspace::{Bounds, Point, Repository},
    },
    guard::Root,
};
use rustix::fs::{CWD, RenameFlags, renameat_with};

const OUTSIDE: &str = "what stands outside";

fn rounds() -> usize {
    std::env::var("ORCH_RACE").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

/// Ends the other thread when it goes.
struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Field {
    folder: tempfile::TempDir,
}

impl Field {
    /// `root/sub/deep/file` and, in the place that it is exchanged with, a link to `outside`, which has the same names.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let field = Self { folder };
        for (path, text) in
            [("root/sub/deep/file", "inside"), ("outside/deep/file", OUTSIDE), ("outside/deep/gone", OUTSIDE)]
        {
            let place = field.at(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        symlink(field.at("outside"), field.at("link")).unwrap();
        field
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn root(&self) -> PathBuf {
        self.at("root")
    }

    /// Does something again and again while `root/sub` comes and goes; gives how often it was exchanged.
    fn race(&self, rounds: usize, mut work: impl FnMut(usize)) -> usize {
        let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Where the folder is away for a moment, there is nothing to exchange.
                    if renameat_with(CWD, self.at("root/sub"), CWD, self.at("link"), RenameFlags::EXCHANGE).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::yield_now();
                }
            });
            // Also where the work fails, or the other thread would go on for ever.
            let _stops = Stops(&stop);
            (0..rounds).for_each(&mut work);
        });
        self.is_untouched();
        count.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn is_untouched(&self) {
        let mut found = BTreeMap::new();
        let mut open = vec![self.at("outside")];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(self.at("outside")).unwrap().display().to_string();
                    found.insert(name, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        let expected = ["deep/file", "deep/gone"].map(|path| (path.to_owned(), OUTSIDE.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }
}

#[test]
fn nothing_outside_is_written_or_deleted() {
    let (field, done) = (Field::new(), AtomicUsize::new(0));
    let aside = field.at("aside");
    let wanted: [Wanted; 3] = [
        ("sub/deep/file".to_owned(), Some((FileKind::File, b"put back".to_vec()))),
        ("sub/new/file".to_owned(), Some((FileKind::Program, b"put back".to_vec()))),
        ("sub/deep/gone".to_owned(), None),
    ];
    let rounds = rounds();
    let exchanged = field.race(rounds, |round| {
        let fits = if round % 2 == 0 {
            put_back(&field.root(), &aside, &wanted).is_ok()
        } else {
            let root = Root::open(&field.root()).unwrap();
            let path = Path::new(if round % 4 == 1 { "sub/deep/file" } else { "sub/deep/made/file" });
            let fits = root.write(path, b"written", None, ".beside.tmp").is_ok();
            fits & root.remove_file(Path::new("sub/deep/gone")).is_ok()
                & root.create(Path::new("sub/deep/x"), 0o600).is_ok()
        };
        done.fetch_add(usize::from(fits), Ordering::Relaxed);
    });
    let done = done.into_inner();
    println!(
        "{rounds} rounds of writes, the folder was exchanged {exchanged} times, {done} found it in its place: nothing outside changed"
    );
    assert!(exchanged > rounds / 1000, "the other thread was too slow to prove anything: {exchanged}");
    assert!(done > 0, "no write was ever done");
}

#[test]
fn nothing_outside_is_read() {
    let (field, done) = (Field::new(), AtomicUsize::new(0));
    let (inside, outside) = (Digest::of(b"inside"), Digest::of(OUTSIDE.as_bytes()));
    let path = "sub/deep/file".to_owned();
    let rounds = rounds();
    // What a digest of the tree is when the folder is there, and when a link is in its place.
    let as_folder = tree_digest(&field.root()).unwrap();
    fs::rename(field.at("root/sub"), field.at("kept")).unwrap();
    symlink(field.at("outside"), field.at("root/sub")).unwrap();
    let as_link = tree_digest(&field.root()).unwrap();
    fs::remove_file(field.at("root/sub")).unwrap();
    let empty = tree_digest(&field.root()).unwrap();
    fs::rename(field.at("kept"), field.at("root/sub")).unwrap();
    let exchanged = field.race(rounds, |round| {
        let root = Root::open(&field.root()).unwrap();
        if let Ok(mut file) = root.read(Path::new(&path)) {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "inside");
            done.fetch_add(1, Ordering::Relaxed);
        }
        let names = root.entries(Path::new("sub/deep")).unwrap_or_default();
        assert!(names.iter().all(|(name, _)| name == "file"), "{names:?}");
        // Each with a memory of its own, which would else hide what is read.
        if let Some(states) = Traces::default().some(&field.root(), std::iter::once(&path))
            && let Some(state) = &states[&path]
        {
            assert!(state.content == inside && state.content != outside);
        }
        if round % 4 == 0
            && let Ok(digest) = tree_digest(&field.root())
        {
            assert!([&as_folder, &as_link, &empty].contains(&&digest), "a tree was seen that is none of the project's");
        }
    });
    let done = done.into_inner();
    println!(
        "{rounds} rounds of reads, the folder was exchanged {exchanged} times, {done} found it in its place: nothing outside was read"
    );
    assert!(exchanged > rounds / 1000 && done > 0, "{exchanged} {done}");
}

/// A rollback goes through git, which is slower; what it does to the project's files goes the same way.
#[test]
fn a_rollback_leaves_alone_what_stands_outside() {
    let field = Field::new();
    let env =
        vec![("PATH".into(), std::env::var_os("PATH").unwrap()), ("HOME".into(), field.at("home").into_os_string())];
    let run: RunId = "7f3k2m9q".parse().unwrap();
    let repository = Repository::open(&field.root(), &field.root().join(".orch/state"), &env).unwrap();
    let before = repository.checkpoint(&run, &Point::Start, "x", Bounds::default()).unwrap();
    let rounds = (rounds() / 500).max(10);
    let exchanged = field.race(rounds, |round| {
        // Whatever stands there now is changed by the user himself, where it is the project's.
        let root = Root::open(&field.root()).unwrap();
        drop(root.write(Path::new("sub/deep/file"), format!("{round}").as_bytes(), None, ".beside.tmp"));
        drop(root.write(Path::new("sub/deep/newer"), b"newer", None, ".beside.tmp"));
        drop(repository.roll_back(&run, &before.commit, &[], "back"));
    });
    println!("{rounds} rollbacks, the folder was exchanged {exchanged} times: nothing outside changed");
}
