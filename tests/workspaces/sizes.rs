//! Disk and time of many workspaces of a large repository. `ORCH_SIZES=1` is the full size; always a small one, because
//! the disk that a workspace takes is a promise too.

use std::{fs, path::Path, time::Instant};

use orch::execute::workspace::{Base, Bounds, Point};

use crate::world::{World, number, run, write};

/// Bytes on the disk below a folder, without following links.
fn disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let found = entry.metadata().unwrap();
            found.blocks() * 512 + if found.is_dir() { disk(&entry.path()) } else { 0 }
        })
        .sum()
}

#[test]
fn workspaces_share_the_objects() {
    let is_full = number("ORCH_SIZES", 0) > 0;
    // A history larger than its files, as grown repositories have.
    let (files, versions, bytes, spaces) = if is_full { (500, 10, 40_000, 50) } else { (20, 4, 40_000, 3) };
    let world = World::new();
    let mut seed = 1_u64;
    for version in 0..versions {
        for file in 0..files {
            let mut text = format!("{file} {version}\n");
            while text.len() < bytes {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(&format!("{seed:016x}\n"));
            }
            world.write(&format!("data/{}/{file}.txt", file % 20), &text);
        }
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", &format!("version {version}")]);
    }
    world.git(&["gc", "-q"]);
    let objects = disk(&world.root().join(".git"));
    let checkout = disk(&world.root().join("data"));
    let began = Instant::now();
    let base = world.open().base(&run(), &Base::Now, Bounds::default()).unwrap();
    let snapshot = began.elapsed();
    let began = Instant::now();
    let mut all: Vec<_> = (0..spaces).map(|number| world.space_from(&format!("s{number}"), &base)).collect();
    let making = began.elapsed();
    let each = disk(all[0].folder());
    let own = disk(&all[0].folder().join("tree/.git")) + disk(all[0].folder()) - disk(&all[0].folder().join("tree"));
    let began = Instant::now();
    for space in &mut all {
        write(&space.root().join("data/0/0.txt"), &format!("{}\n", space.name()));
        let name = space.name();
        space.checkpoint(&Point::Step(&name), "x").unwrap();
        space.merged(&space.owner().checkpoint.clone().unwrap()).unwrap();
        space.release().unwrap();
    }
    let checkpoints = began.elapsed();
    let began = Instant::now();
    let removed = world.workspaces().collect(false).unwrap().removed.len();
    let collecting = began.elapsed();
    let mb = |bytes: u64| format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10);
    println!("| what | figure |\n| --- | --- |");
    println!("| repository | {} of objects, {} of files ({}) |", mb(objects), mb(checkout), files);
    println!("| first snapshot | {snapshot:?} |");
    println!("| {spaces} workspaces | {making:?}, {:?} each |", making / spaces);
    println!("| disk of one | {}, of that {} beside its files |", mb(each), mb(own));
    println!("| {spaces} checkpoints | {checkpoints:?}, {:?} each |", checkpoints / spaces);
    println!("| collection of {removed} | {collecting:?} |");
    assert_eq!(removed, usize::try_from(spaces).unwrap());
    assert!(own < 1_000_000 && own * 4 < objects, "a workspace has {own} bytes of its own, the objects are {objects}");
}

/// What a checkpoint costs in a repository of many files.
#[test]
fn a_checkpoint_of_many_files() {
    let files = if number("ORCH_SIZES", 0) > 0 { 10_000 } else { 500 };
    let world = World::new();
    for file in 0..files {
        world.write(&format!("data/{}/{file}.txt", file % 100), &format!("{file}\n").repeat(200));
    }
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "many"]);
    let repository = world.open();
    let timed = |what: &str| {
        let began = Instant::now();
        let checkpoint = repository.checkpoint(&run(), &Point::Named(what), what, Bounds::default()).unwrap();
        println!("{files} files, {what}: {:?}", began.elapsed());
        checkpoint
    };
    let first = timed("first checkpoint");
    assert_eq!(first.tree, timed("nothing changed").tree);
    world.write("data/7/7.txt", "changed\n");
    let changed = timed("one file changed");
    let began = Instant::now();
    assert_eq!(repository.roll_back(&run(), &first.commit, &[], "x").unwrap().changes.len(), 1);
    println!("{files} files, rollback of one: {:?}", began.elapsed());
    assert_ne!(first.tree, changed.tree);
}
