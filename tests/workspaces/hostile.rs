//! A repository that wants to run code, or to make us write where we must not.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use orch::{
    base::Timestamp,
    execute::workspace::{HELD, Line, Point, Strategy, WorkspaceFault},
};

use crate::world::{World, git, maker, run, same, write};

/// Everything in git that can name a program.
fn trap(world: &World, git_folder: &Path, files: &Path, name: &str) {
    let evil = world.folder.path().join("evil.sh");
    let marker = world.folder.path().join("evil.ran");
    write(&evil, &format!("#!/bin/sh\necho \"{name} $0 $*\" >> '{}'\ncat\n", marker.display()));
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    for hook in [
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "post-merge",
        "post-rewrite",
        "pre-rebase",
        "fsmonitor-watchman",
        "sendemail-validate",
        "post-update",
        "update",
    ] {
        fs::create_dir_all(git_folder.join("hooks")).unwrap();
        fs::copy(&evil, git_folder.join("hooks").join(hook)).unwrap();
    }
    let evil = evil.display();
    let config = format!(
        "[core]\n\tfsmonitor = {evil}\n\tpager = {evil}\n\teditor = {evil}\n\tsshCommand = {evil}\n\tattributesFile = {files}/.gitattributes\n\
         \talternateRefsCommand = {evil}\n\taskPass = {evil}\n\tgitProxy = {evil}\n\
         [filter \"evil\"]\n\tclean = {evil}\n\tsmudge = {evil}\n\tprocess = {evil}\n\trequired = true\n\
         [merge \"evil\"]\n\tdriver = {evil}\n[diff \"evil\"]\n\tcommand = {evil}\n\ttextconv = {evil}\n[diff]\n\texternal = {evil}\n\
         [alias]\n\tread-tree = !{evil}\n\tcommit-tree = !{evil}\n\tls-files = !{evil}\n\
         [gpg]\n\tprogram = {evil}\n[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n[pager]\n\tdiff-tree = {evil}\n\trev-list = {evil}\n\
         [credential]\n\thelper = !{evil}\n[uploadpack]\n\tpackObjectsHook = {evil}\n[gc]\n\tauto = 1\n[submodule]\n\trecurse = true\n\
         [interactive]\n\tdiffFilter = {evil}\n[sequence]\n\teditor = {evil}\n[trace2]\n\tnormalTarget = {marker}\n",
        files = files.display(),
        marker = marker.display(),
    );
    let path = git_folder.join("config");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(path, before + &config).unwrap();
    let attributes = "* filter=evil merge=evil diff=evil\n";
    fs::write(git_folder.join("info/attributes"), attributes).unwrap();
    fs::write(files.join(".gitattributes"), attributes).unwrap();
}

#[test]
fn no_repository_runs_code_through_us() {
    let world = World::busy();
    fs::create_dir_all(world.root().join(".git/info")).unwrap();
    trap(&world, &world.root().join(".git"), &world.root(), "project");
    let marker = world.folder.path().join("evil.ran");
    let ran = || fs::read_to_string(&marker).unwrap_or_default();
    // The trap works: the user's own git walks into it.
    let (root, env) = (world.root(), world.env());
    std::process::Command::new("git").arg("status").current_dir(&root).env_clear().envs(env.clone()).output().unwrap();
    assert!(ran().contains("project"), "the trap does not work");
    fs::remove_file(&marker).unwrap();

    let repository = world.open();
    let mut space = world.space("code");
    git(&space.root(), &env, &["commit", "-q", "--allow-empty", "-m", "x"]);
    trap(&world, &space.top().join(".git"), &space.top(), "workspace");
    write(&space.root().join("src/a.txt"), "by the agent\n");
    write(&space.root().join(".gitmodules"), "[submodule \"x\"]\n\tpath = x\n\turl = ext::evil\n\tupdate = !evil\n");
    let checkpoint = space.checkpoint(&Point::Step("code"), "code").unwrap();
    let base = space.owner().base.clone().unwrap();
    repository.patch(&base, &checkpoint.commit, &[]).unwrap();
    repository.stat(&base, &checkpoint.commit, &[]).unwrap();

    let line = Line::begin(&repository, &run(), "join", &base).unwrap();
    let mut other = world.space_from("other", &base);
    write(&other.root().join("src/a.txt"), "by another\n");
    let result = other.checkpoint(&Point::Step("other"), "other").unwrap();
    line.merge(&mut other, &result.commit, Strategy::Rebase, "other", &mut |_| Ok(())).unwrap();
    let merged = line.merge(&mut space, &checkpoint.commit, Strategy::Rebase, "code", &mut |_| Ok(())).unwrap();
    let orch::execute::workspace::Merged::Conflict(conflict) = merged else { panic!("{merged:?}") };
    let mut solving =
        world.workspaces().resolving(&maker("solve"), &conflict, ("project", "solve"), Timestamp(2)).unwrap();
    write(&solving.root().join("src/a.txt"), "by both\n");
    git(&solving.root(), &env, &["add", "-A"]);
    trap(&world, &solving.top().join(".git"), &solving.top(), "solving");
    let candidate = solving.resolved(&conflict).unwrap();
    assert!(line.accept(&candidate).unwrap());
    space.place(&candidate.new).unwrap();
    repository.deliver(&run(), &base, &candidate.new, "deliver").unwrap();
    repository.roll_back(&run(), &base, &[], "back").unwrap();
    space.abandon().unwrap();
    space.release().unwrap();
    world.workspaces().collect(false).unwrap();
    assert_eq!(ran(), "");
}

/// Each setting that is held does something: its name is one that git knows, and it has a reason.
#[test]
fn what_is_held_has_a_reason() {
    for (setting, why) in HELD {
        assert!(setting.contains('=') && why.len() > 5, "{setting}");
    }
}

/// An agent that destroys its repository must not reach the user's with its next command.
#[test]
fn no_repository_is_found_above_a_workspace() {
    let world = World::busy();
    let before = world.fingerprint();
    let space = world.space("code");
    fs::remove_dir_all(space.top().join(".git")).unwrap();
    for words in [&["reset", "--hard", "HEAD~0"][..], &["clean", "-ffdx"], &["stash", "-u"], &["checkout", "."]] {
        // Without any of the variables that a workspace gives.
        let mut command = std::process::Command::new("git");
        let output = command.args(words).current_dir(space.root()).env_clear().envs(world.env()).output().unwrap();
        assert!(!output.status.success(), "{words:?} found a repository");
    }
    same(&world.fingerprint(), &before, "the user's project");
}

/// A link in the project, or one that a checkpoint holds, leads no write out of it.
#[test]
fn nothing_is_written_through_a_link() {
    let world = World::new();
    let outside = world.folder.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    write(&outside.join("a.txt"), "the user's\n");
    let repository = world.open();
    let before =
        repository.checkpoint(&run(), &Point::Start, "x", orch::execute::workspace::Bounds::default()).unwrap();
    fs::remove_dir_all(world.root().join("src")).unwrap();
    std::os::unix::fs::symlink(&outside, world.root().join("src")).unwrap();
    repository.roll_back(&run(), &before.commit, &[], "back").unwrap();
    assert_eq!(fs::read_to_string(outside.join("a.txt")).unwrap(), "the user's\n");
    assert!(!fs::symlink_metadata(world.root().join("src")).unwrap().is_symlink());
    // Where the link stays, because only paths behind it are wanted, nothing happens at all.
    fs::remove_dir_all(world.root().join("src")).unwrap();
    std::os::unix::fs::symlink(&outside, world.root().join("src")).unwrap();
    let fault = repository.roll_back(&run(), &before.commit, &["src/a.txt".into()], "back").unwrap_err();
    assert!(matches!(fault, WorkspaceFault::InTheWay { .. }), "{fault}");
    assert_eq!(fs::read_to_string(outside.join("a.txt")).unwrap(), "the user's\n");
}

/// An object that an agent has put under a false name does not become one of the project's.
#[test]
fn a_false_object_is_not_taken() {
    let world = World::new();
    let mut space = world.space("code");
    let (root, env) = (space.root(), world.env());
    git(&root, &env, &["commit", "-q", "--allow-empty", "-m", "mine"]);
    let commit = git(&root, &env, &["rev-parse", "HEAD"]);
    let other = git(&root, &env, &["commit-tree", "HEAD^{tree}", "-m", "another"]);
    let object = |oid: &str| space.top().join(".git/objects").join(&oid[..2]).join(&oid[2..]);
    fs::remove_file(object(&commit)).unwrap();
    fs::copy(object(&other), object(&commit)).unwrap();
    assert!(space.checkpoint(&Point::Step("code"), "code").is_err());
    assert!(world.open().find(&commit).unwrap().is_none());
}
