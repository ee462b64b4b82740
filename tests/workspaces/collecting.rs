//! What a collection removes, and what it keeps and why.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use orch::{
    base::Timestamp,
    execute::workspace::{
        KeptWhy, Line, Owner, Point, Process, Request, Space, State, Strategy, WorkspaceFault, Workspaces,
    },
};

use crate::world::{World, files, git, maker, run, write};

/// Makes it look as if its owner had died.
fn orphan(space: &Space) {
    let path = space.folder().join("owner.json");
    let mut owner = Owner::read(space.folder()).unwrap().unwrap();
    owner.process = Process { started: 1, ..owner.process };
    fs::write(path, serde_json::to_vec(&owner).unwrap()).unwrap();
}

fn why(workspaces: &Workspaces, space: &Space) -> Option<KeptWhy> {
    let collected = workspaces.collect(true).unwrap();
    collected.kept.into_iter().find(|kept| kept.folder == space.folder()).map(|kept| kept.why)
}

#[test]
fn only_what_nobody_needs_is_removed() {
    let world = World::busy();
    let workspaces = world.workspaces();
    let base = world
        .open()
        .base(&run(), &orch::execute::workspace::Base::Now, orch::execute::workspace::Bounds::default())
        .unwrap();
    let line = Line::begin(&world.open(), &run(), "join", &base).unwrap();
    let new = |name: &str| world.space_from(name, &base);

    let in_use = new("in_use");
    assert_eq!(why(&workspaces, &in_use), Some(KeptWhy::InUse { pid: std::process::id() }));

    let dirty = new("dirty");
    write(&dirty.root().join("unsaved.txt"), "x\n");
    orphan(&dirty);
    assert_eq!(why(&workspaces, &dirty), Some(KeptWhy::Dirty { paths: vec!["unsaved.txt".into()] }));

    let mut unmerged = new("unmerged");
    write(&unmerged.root().join("a.txt"), "x\n");
    unmerged.checkpoint(&Point::Step("unmerged"), "x").unwrap();
    orphan(&unmerged);
    assert_eq!(why(&workspaces, &unmerged), Some(KeptWhy::Unmerged));

    let mut committed = new("committed");
    git(&committed.root(), &world.env(), &["commit", "-q", "--allow-empty", "-m", "mine"]);
    orphan(&committed);
    assert_eq!(why(&workspaces, &committed), Some(KeptWhy::Unmerged));
    committed.abandon().unwrap();

    let nested = new("nested");
    write(&nested.root().join("inner/file.txt"), "x\n");
    git(&nested.root().join("inner"), &world.env(), &["init", "-q"]);
    orphan(&nested);
    assert_eq!(why(&workspaces, &nested), Some(KeptWhy::Dirty { paths: vec!["inner".into()] }));

    let broken = new("broken");
    fs::write(broken.folder().join("owner.json"), "{").unwrap();
    assert!(matches!(why(&workspaces, &broken), Some(KeptWhy::Unreadable { .. })));

    // Merged, and then worked on again.
    let mut again = new("again");
    write(&again.root().join("again.txt"), "x\n");
    let result = again.checkpoint(&Point::Step("again"), "x").unwrap();
    line.merge(&mut again, &result.commit, Strategy::Merge, "x", &mut |_| Ok(())).unwrap();
    write(&again.root().join("again.txt"), "y\n");
    orphan(&again);
    assert_eq!(why(&workspaces, &again), Some(KeptWhy::Dirty { paths: vec!["again.txt".into()] }));
    workspaces.adopt(again.folder()).unwrap().checkpoint(&Point::Step("again"), "x").unwrap();
    orphan(&again);
    assert_eq!(why(&workspaces, &again), Some(KeptWhy::Unmerged));

    // From here on, what goes.
    let mut merged = new("merged");
    write(&merged.root().join("merged.txt"), "x\n");
    let result = merged.checkpoint(&Point::Step("merged"), "x").unwrap();
    line.merge(&mut merged, &result.commit, Strategy::Merge, "x", &mut |_| Ok(())).unwrap();
    merged.release().unwrap();
    let untouched = new("untouched");
    fs::create_dir_all(untouched.root().join("build")).unwrap();
    write(&untouched.root().join("build/ignored.txt"), "x\n");
    fs::set_permissions(untouched.root().join("build"), fs::Permissions::from_mode(0o500)).unwrap();
    orphan(&untouched);
    let mut abandoned = new("abandoned");
    write(&abandoned.root().join("abandoned.txt"), "x\n");
    abandoned.abandon().unwrap();
    orphan(&abandoned);
    let half = new("half");
    let mut owner = Owner::read(half.folder()).unwrap().unwrap();
    owner.state = State::Making;
    fs::write(half.folder().join("owner.json"), serde_json::to_vec(&owner).unwrap()).unwrap();
    orphan(&half);
    let empty = half.folder().with_file_name("empty");
    fs::create_dir(&empty).unwrap();
    // Its maker was killed while it wrote whose it is.
    let begun = half.folder().with_file_name("begun");
    write(&begun.join("owner.json.4711-18d2-0.new"), "{");
    let strange = half.folder().with_file_name("strange");
    write(&strange.join("owner.json.4711-18d2-0.new"), "{");
    write(&strange.join("work"), "x\n");
    orphan(&committed);
    let gone =
        [merged.folder(), untouched.folder(), abandoned.folder(), half.folder(), &empty, &begun, committed.folder()];
    let kept = [&in_use, &dirty, &unmerged, &nested, &broken, &again];
    let before = world.fingerprint();
    let collected = workspaces.collect(false).unwrap();
    assert_eq!(collected.kept.len(), kept.len() + 1, "{:?}", collected.kept);
    assert!(strange.join("work").exists(), "nobody knows whose that is");
    for folder in gone {
        assert!(!folder.exists() && collected.removed.iter().any(|removed| removed == folder), "{}", folder.display());
    }
    for space in kept {
        assert!(space.root().join("README.md").exists(), "{}", space.name());
    }
    assert!(files(&world.state().join("workspaces/removed"), &|_| true).is_empty());
    // What was abandoned can be had again.
    let left = Point::Left(&abandoned.name()).reference(&run());
    assert_eq!(world.git(&["cat-file", "-p", &format!("{left}:abandoned.txt")]), "x");
    crate::world::same(&world.fingerprint(), &before, "the user's project");
}

#[test]
fn a_scratch_folder_goes_when_its_step_has_finished() {
    let world = World::new();
    let workspaces = world.workspaces();
    let maker = maker("scratch");
    let request = Request { maker: &maker, base: None, now: Timestamp(1), is_line: false };
    let mut space = workspaces.make(&request).unwrap();
    write(&space.root().join("a.txt"), "x\n");
    orphan(&space);
    assert_eq!(why(&workspaces, &space), Some(KeptWhy::Unfinished));
    space.release().unwrap();
    assert_eq!(workspaces.collect(false).unwrap().removed, [space.folder()]);
}

#[test]
fn a_workspace_is_taken_over_only_from_the_dead() {
    let world = World::new();
    let workspaces = world.workspaces();
    let space = world.space("code");
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let mut owner = Owner::read(space.folder()).unwrap().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    owner.process.pid = child.id();
    owner.process.started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    fs::write(space.folder().join("owner.json"), serde_json::to_vec(&owner).unwrap()).unwrap();
    let fault = workspaces.adopt(space.folder()).unwrap_err();
    assert!(matches!(fault, WorkspaceFault::Busy { holder: Some(pid) } if pid == child.id()), "{fault}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(workspaces.adopt(space.folder()).unwrap().owner().process, Process::current());
}
