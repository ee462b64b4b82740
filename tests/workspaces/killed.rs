//! `kill -9` in the middle of a change of the user's files, of making and of removing a workspace: afterwards it is as
//! before or as wanted, never something between.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use orch::{
    base::Timestamp,
    execute::workspace::{Base, Bounds, Oid, Point, Repository, Request, Workspaces},
};

use crate::world::{Chance, World, maker, number, run, same, write};

const VARIABLE: &str = "ORCH_KILLED_PART";

/// A part that is going to be killed: `VERB COMMIT COMMIT FOLDER`.
#[test]
#[ignore = "a part of another test, in a process that can be killed"]
fn one_part() {
    let Ok(order) = std::env::var(VARIABLE) else { return };
    let [verb, one, two, place] = order.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{order}") };
    let place = PathBuf::from(place);
    let env = vec![("PATH".into(), std::env::var_os("PATH").unwrap()), ("HOME".into(), place.join("home").into())];
    let root = place.join("project");
    let repository = Repository::open(&root, &root.join(".orch/state"), &env).unwrap();
    let (one, two) = (Oid::parse(one).unwrap(), Oid::parse(two).unwrap());
    match verb {
        "deliver" => drop(repository.deliver(&run(), &one, &two, "x").unwrap()),
        "back" => drop(repository.roll_back(&run(), &two, &[], "x").unwrap()),
        _ => {
            let workspaces = Workspaces::open(&repository).unwrap();
            let maker = maker("code");
            let request = Request { maker: &maker, base: Some(&one), now: Timestamp(1), is_line: false };
            workspaces.make(&request).unwrap();
            // Its owner is alive, so it has to say that it is done.
            for mut space in workspaces.all().unwrap() {
                space.release().unwrap();
            }
            workspaces.collect(false).unwrap();
        }
    }
}

/// Starts a part and kills it after this long, unless it has ended before; how long it took then.
fn part(world: &World, verb: &str, one: &Oid, two: &Oid, after: Option<Duration>) -> Option<Duration> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::one_part", "--ignored", "--nocapture"]);
    command.env(VARIABLE, format!("{verb} {one} {two} {}", world.folder.path().display()));
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(after) = after {
        thread::sleep(after);
        child.kill().ok();
    }
    let output = child.wait_with_output().unwrap();
    let is_dead = std::os::unix::process::ExitStatusExt::signal(&output.status).is_some();
    assert!(is_dead || output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    (!is_dead).then(|| began.elapsed())
}

#[test]
fn a_killed_delivery_or_rollback_is_whole_or_not_at_all() {
    let world = World::busy();
    let repository = world.open();
    let base = repository.base(&run(), &Base::Now, Bounds::default()).unwrap();
    let mut space = world.space_from("code", &base);
    for file in 0..300 {
        write(&space.root().join(format!("many/{file}/file.txt")), &format!("{file}\n"));
    }
    write(&space.root().join("src/a.txt"), "changed\n");
    fs::remove_file(space.root().join("src/b.txt")).unwrap();
    let result = space.checkpoint(&Point::Step("code"), "code").unwrap().commit;
    let before = world.fingerprint();
    let typical = part(&world, "deliver", &base, &result, None).unwrap();
    let after = world.fingerprint();
    part(&world, "back", &result, &base, None).unwrap();
    same(&world.fingerprint(), &before, "there and back");

    let mut chance = Chance::new(number("ORCH_SEED", 1));
    let (mut old, mut new, mut finished) = (0, 0, 0);
    for _ in 0..number("ORCH_KILLS", 12) {
        // Most of the time goes into looking and putting aside; names change at the end.
        let share = 40 + u32::try_from(chance.below(70)).unwrap();
        part(&world, "deliver", &base, &result, Some(typical * share / 100));
        finished += u32::from(world.state().join("git/intent.json").exists());
        world.open();
        let found = world.fingerprint();
        if found == before {
            old += 1;
            continue;
        }
        same(&found, &after, "after a killed delivery");
        new += 1;
        part(&world, "back", &result, &base, Some(typical * share / 100));
        finished += u32::from(world.state().join("git/intent.json").exists());
        let repository = world.open();
        if world.fingerprint() != before {
            same(&world.fingerprint(), &after, "after a killed rollback");
            repository.roll_back(&run(), &base, &[], "back").unwrap();
        }
        same(&world.fingerprint(), &before, "back");
    }
    println!("killed: {old} as before, {new} as wanted, {finished} finished by the next one, in {typical:?}");
}

/// What a killed process has begun is finished by the next one, but for what the user has changed since.
#[test]
fn an_intent_is_finished_and_newer_work_stays() {
    let world = World::busy();
    let repository = world.open();
    let base = repository.base(&run(), &Base::Now, Bounds::default()).unwrap();
    let mut space = world.space_from("code", &base);
    for file in ["one.txt", "two.txt", "src/a.txt"] {
        write(&space.root().join(file), "by the agent\n");
    }
    fs::remove_file(space.root().join("src/b.txt")).unwrap();
    fs::remove_file(space.root().join("run.sh")).unwrap();
    let result = space.checkpoint(&Point::Step("code"), "code").unwrap().commit;
    let changes = repository.changes(&base, &result).unwrap();
    let stage = world.state().join("git/stage.test");
    let mut stored = Vec::new();
    for (number, change) in changes.iter().enumerate() {
        if let Some(entry) = &change.to {
            write(&stage.join(number.to_string()), &String::from_utf8(repository.content(entry).unwrap()).unwrap());
        }
        stored.push(serde_json::json!({ "path": change.path, "from": change.from, "to": change.to }));
    }
    let top = repository.top().to_path_buf();
    let text =
        serde_json::json!({ "version": 1, "top": top, "stage": stage.canonicalize().unwrap(), "changes": stored });
    fs::write(world.state().join("git/intent.json"), text.to_string()).unwrap();
    // One is done already, and the user has worked on two others since.
    let done = changes.iter().position(|change| change.path.ends_with("one.txt")).unwrap();
    fs::rename(stage.join(done.to_string()), world.root().join("one.txt")).unwrap();
    world.write("src/a.txt", "newer, by the user\n");
    world.write("src/b.txt", "newer, by the user\n");
    world.open();
    let text = |path: &str| fs::read_to_string(world.root().join(path)).ok();
    assert_eq!(text("one.txt").as_deref(), Some("by the agent\n"));
    assert_eq!(text("two.txt").as_deref(), Some("by the agent\n"));
    assert_eq!(text("run.sh"), None);
    assert_eq!(text("src/a.txt").as_deref(), Some("newer, by the user\n"));
    assert_eq!(text("src/b.txt").as_deref(), Some("newer, by the user\n"));
    assert!(!world.state().join("git/intent.json").exists() && !stage.exists());
}

#[test]
fn a_killed_making_or_removing_leaves_nothing_that_a_collection_does_not_see() {
    let world = World::new();
    for file in 0..200 {
        world.write(&format!("many/{file}.txt"), &format!("{file}\n"));
    }
    let base = world.open().base(&run(), &Base::Now, Bounds::default()).unwrap();
    let before = world.fingerprint();
    let typical = part(&world, "make", &base, &base, None).unwrap();
    let mut chance = Chance::new(number("ORCH_SEED", 1));
    for _ in 0..number("ORCH_KILLS", 12) {
        part(&world, "make", &base, &base, Some(typical * u32::try_from(chance.below(110)).unwrap() / 100));
        let workspaces = world.workspaces();
        workspaces.collect(false).unwrap();
        let rest = workspaces.collect(false).unwrap();
        assert_eq!((rest.kept.len(), rest.removed.len()), (0, 0), "{rest:?}");
        let trash = world.state().join("workspaces/removed");
        assert!(fs::read_dir(trash).map_or(true, |mut left| left.next().is_none()));
        same(&world.fingerprint(), &before, "the user's project");
    }
}

/// A git that was killed while it gave a checkpoint its name leaves a lock file; the next checkpoint is not stopped by it.
#[test]
fn a_dead_lock_of_a_name_stops_nobody() {
    let world = World::new();
    let mut space = world.space("code");
    let checkpoint = space.checkpoint(&Point::Step("code"), "x").unwrap();
    let lock = world.root().join(".git").join(format!("{}.lock", checkpoint.name));
    fs::write(&lock, "").unwrap();
    space.checkpoint(&Point::Step("code"), "x").unwrap();
    assert!(!lock.exists());
}
