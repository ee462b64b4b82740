//! Rollback in its three forms over generated histories: what comes back is what was, byte for byte.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    time::Instant,
};

use orch::execute::workspace::{Bounds, Oid, Point, Spaces, WorkspaceFault};

use crate::world::{Chance, Files, World, files, number, run, same};

/// Paths that clash with each other in every way: file, folder, link, ignored, odd.
const PATHS: &[&[u8]] = &[
    b"a",
    b"a/b",
    b"a/b/c",
    b"d.txt",
    b"d.txt/e",
    b"src/x",
    b"src/y",
    b"src/z/w",
    b"x.log",
    b"logs/x.log",
    b"odd \xff\n",
    b"-rf",
    b"*",
    b":(top)x",
    b"\xc3\xbc",
    b"%41",
    b"deep/er/and/deep/er/file",
];

fn is_kept(path: &Path) -> bool {
    !path.starts_with(".git") && !path.starts_with(".orch") && path.extension().is_none_or(|end| end != "log")
}

fn change(root: &Path, chance: &mut Chance) {
    for _ in 0..1 + chance.below(6) {
        let path = root.join(OsStr::from_bytes(PATHS[chance.below(PATHS.len())]));
        let clear = |path: &Path| {
            let Ok(found) = fs::symlink_metadata(path) else { return };
            if found.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        };
        match chance.below(8) {
            0 | 1 => {
                clear(&path);
                continue;
            }
            2 if path.is_file() => {
                let mode = if chance.below(2) == 0 { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).ok();
                continue;
            }
            _ => {}
        }
        for above in path.ancestors().skip(1).take_while(|above| *above != root) {
            if fs::symlink_metadata(above).is_ok_and(|found| !found.is_dir()) {
                fs::remove_file(above).unwrap();
            }
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        clear(&path);
        match chance.below(6) {
            0 => std::os::unix::fs::symlink(["a", "src", "/nowhere", "../.."][chance.below(4)], &path).unwrap(),
            1 => fs::write(&path, "").unwrap(),
            2 => fs::write(&path, [0, 255, 13, 10, 0]).unwrap(),
            _ => fs::write(&path, format!("{}\r\n{}\n", chance.below(1000), chance.below(1000))).unwrap(),
        }
    }
}

#[test]
fn what_comes_back_is_what_was() {
    let cases = number("ORCH_CASES", 15);
    let first = number("ORCH_SEED", 1);
    let began = Instant::now();
    let (mut full, mut partial, mut selected, mut refused) = (0, 0, 0, 0);
    let mut seed = first;
    while full + partial + selected < cases {
        let world = if seed.is_multiple_of(4) { World::plain() } else { World::new() };
        world.write(".gitignore", "*.log\n");
        let repository = world.open();
        let mut chance = Chance::new(seed);
        let mut history: Vec<(Oid, Files)> = Vec::new();
        for step in 0..4 {
            change(&world.root(), &mut chance);
            if world.root().join(".git").is_dir() && chance.below(3) == 0 {
                world.git(&["add", "-A"]);
                world.git(&["commit", "-q", "--allow-empty", "-m", "by the user"]);
            }
            let name = format!("s{step}");
            let point = if step == 0 { Point::Start } else { Point::Step(&name) };
            let checkpoint = repository.checkpoint(&run(), &point, "x", Bounds::default()).unwrap();
            history.push((checkpoint.commit, files(&world.root(), &is_kept)));
        }
        change(&world.root(), &mut chance);
        let ignored = |path: &Path| {
            !is_kept(path)
                && !path.starts_with(".orch")
                && !path.starts_with(".git/objects")
                && !path.starts_with(".git/refs/orch")
                && !path.starts_with(".git/orch")
        };
        for form in 0..3 {
            let before = files(&world.root(), &is_kept);
            let others = files(&world.root(), &ignored);
            let (to, recorded) = &history[if form == 0 { 0 } else { 1 + chance.below(3) }];
            let paths: Vec<PathBuf> = match form {
                2 => [b"a".as_slice(), b"src", b"odd \xff\n", b"d.txt"]
                    .iter()
                    .map(|path| OsStr::from_bytes(path).into())
                    .collect(),
                _ => Vec::new(),
            };
            let preview = repository.preview(to, &paths).unwrap();
            let rollback = match repository.roll_back(&run(), to, &paths, "back") {
                Ok(rollback) => rollback,
                Err(WorkspaceFault::InTheWay { paths }) => {
                    // Refused means that nothing has changed, and that what is named is really in the way.
                    same(&files(&world.root(), &is_kept), &before, &format!("seed {seed} form {form}"));
                    assert!(
                        paths.iter().all(|path| fs::symlink_metadata(world.root().join(path)).is_ok()),
                        "{paths:?}"
                    );
                    refused += 1;
                    continue;
                }
                Err(fault) => panic!("seed {seed} form {form}: {fault}"),
            };
            assert_eq!(preview.changes, rollback.changes, "seed {seed} form {form}");
            let is_wanted = |path: &Path| paths.is_empty() || paths.iter().any(|wanted| path.starts_with(wanted));
            let mut expected: Files = before.iter().filter(|(path, _)| !is_wanted(path)).map(own).collect();
            expected.extend(recorded.iter().filter(|(path, _)| is_wanted(path)).map(own));
            same(&files(&world.root(), &is_kept), &expected, &format!("seed {seed} form {form}"));
            same(&files(&world.root(), &ignored), &others, &format!("seed {seed} form {form}: ignored, or git's own"));
            if form != 2 || chance.below(2) == 0 {
                repository.roll_back(&run(), &rollback.undo.commit, &[], "undo").unwrap();
                same(&files(&world.root(), &is_kept), &before, &format!("seed {seed} form {form}: the undo"));
            }
            match form {
                0 => full += 1,
                1 => partial += 1,
                _ => selected += 1,
            }
        }
        seed += 1;
        if seed.is_multiple_of(20) {
            println!("{} cases, next seed {seed}, in {:?}", full + partial + selected, began.elapsed());
        }
    }
    println!(
        "rollback: {full} full, {partial} to a step, {selected} of paths, {refused} refused, in {:?}",
        began.elapsed()
    );
    assert!(refused * 4 < cases, "{refused} of {cases} are refused");
}

fn own<'a>((path, file): (&'a PathBuf, &'a (char, Vec<u8>))) -> (PathBuf, (char, Vec<u8>)) {
    (path.clone(), file.clone())
}

/// A file that a checkpoint holds comes back although it is ignored by now, and what it is now is kept for the undo.
#[test]
fn what_is_ignored_by_now_comes_back_as_well() {
    let world = World::new();
    let repository = world.open();
    world.write("notes.txt", "old\n");
    let old = repository.checkpoint(&run(), &Point::Start, "x", Bounds::default()).unwrap();
    fs::remove_file(world.root().join("notes.txt")).unwrap();
    repository.checkpoint(&run(), &Point::Named("without"), "x", Bounds::default()).unwrap();
    world.write(".gitignore", "notes.txt\n");
    world.write("notes.txt", "new\n");
    let text = || fs::read_to_string(world.root().join("notes.txt")).unwrap();
    let rollback = repository.roll_back(&run(), &old.commit, &[], "x").unwrap();
    assert_eq!(text(), "old\n");
    repository.roll_back(&run(), &rollback.undo.commit, &[], "x").unwrap();
    assert_eq!(text(), "new\n");
}

/// What has changed nothing has the checkpoint of what was before it; a name that moves keeps its history, so that nothing
/// that a journal names is taken away by the user's `git gc`.
#[test]
fn what_changes_nothing_has_the_checkpoint_before_it_and_nothing_is_lost() {
    let world = World::busy();
    let spaces = Spaces::new(world.root(), world.state(), world.env(), run());
    spaces.begin().unwrap();
    let keep = |step: &str| spaces.keep(None, &Point::Step(step), step).unwrap();
    let start = world.open().find(&Point::Start.reference(&run())).unwrap().unwrap();
    assert_eq!(keep("nothing").commit, start);
    world.write("new", "1");
    let first = keep("first");
    assert_eq!(keep("second"), first);
    assert_eq!(world.open().find(&Point::Step("second").reference(&run())).unwrap(), None);
    world.write("new", "2");
    let again = keep("first");
    assert_ne!(again.tree, first.tree);
    world.write("new", "1");
    assert_ne!(keep("third").commit, first.commit, "the last state counts, not an earlier one");
    // A new process knows nothing of the states before.
    let later = Spaces::new(world.root(), world.state(), world.env(), run());
    world.write("new", "3");
    let moved = later.keep(None, &Point::Step("third"), "third").unwrap();
    for old in [&start, &first.commit, &again.commit, &keep("third").commit] {
        let held = world.git(&["for-each-ref", "--contains", old.as_str(), "refs/orch"]);
        assert!(!held.is_empty(), "{old} would be taken away");
    }
    world.git(&["gc", "--prune=now", "--quiet"]);
    for old in [&start, &first.commit, &again.commit, &moved.commit] {
        assert_eq!(world.git(&["cat-file", "-t", &format!("{old}^{{tree}}")]), "tree");
    }
}
