//! What a workspace and a checkpoint hold, and what they leave alone.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use orch::{
    base::Timestamp,
    execute::workspace::{Base, Bounds, Kind, Point, Repository, Request, WorkspaceFault},
};

use crate::world::{World, files, git, maker, run, same, write};

/// A workspace begins with what the user sees, and the user's own things stay as they are.
#[test]
fn a_workspace_begins_with_what_the_user_sees() {
    let world = World::busy();
    let before = world.fingerprint();
    let space = world.space("build[a b]/code");
    let not_ours = |path: &Path| !path.starts_with(".git") && !path.starts_with(".orch");
    let mut expected = files(&world.root(), &not_ours);
    assert!(expected.remove(Path::new("secret.log")).is_some(), "what is ignored stays out");
    assert_eq!(files(&space.root(), &not_ours), expected);
    assert_eq!(git(&space.root(), &world.env(), &["status", "--porcelain"]), "");
    assert_eq!(git(&space.root(), &world.env(), &["branch", "--show-current"]), format!("orch/{}", space.name()));
    assert_eq!(git(&space.root(), &world.env(), &["rev-parse", "project/main"]), world.git(&["rev-parse", "main"]));
    let env: Vec<_> = space.env().into_iter().map(|(name, _)| name.into_string().unwrap()).collect();
    assert!(["ORCH_PORT", "ORCH_PORT_COUNT", "ORCH_WORKSPACE"].iter().all(|name| env.contains(&(*name).to_owned())));
    same(&world.fingerprint(), &before, "the user's project");
}

#[test]
fn the_base_is_as_it_is_declared() {
    let world = World::busy();
    let repository = world.open();
    let head = repository.base(&run(), &Base::Head, Bounds::default()).unwrap();
    let now = repository.base(&run(), &Base::Now, Bounds::default()).unwrap();
    assert_eq!(head.as_str(), world.git(&["rev-parse", "HEAD"]));
    let names: Vec<_> = repository.changes(&head, &now).unwrap().into_iter().map(|change| change.path).collect();
    let odd = PathBuf::from(std::ffi::OsStr::from_bytes(b"odd \xff\n\"name"));
    let expected = [odd, "src/a.txt".into(), "staged.txt".into(), "untracked/deep/file.txt".into()];
    assert_eq!(names, expected);
    assert!(!world.space_from("x", &head).root().join("staged.txt").exists());
}

#[test]
fn every_attempt_has_a_folder_and_ports_of_its_own() {
    let world = World::new();
    let spaces: Vec<_> = (0..4).map(|_| world.space("same")).collect();
    let mut folders: Vec<_> = spaces.iter().map(|space| space.folder().to_path_buf()).collect();
    let mut ports: Vec<_> = spaces.iter().map(|space| space.owner().first_port).collect();
    folders.dedup();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!((folders.len(), ports.len()), (4, 4));
    let scratch = world.workspaces();
    let maker = maker("scratch");
    let request = Request { maker: &maker, base: None, now: Timestamp(1), is_line: false };
    let scratch = scratch.make(&request).unwrap();
    assert_eq!(fs::read_dir(scratch.root()).unwrap().count(), 0);
}

/// What is tracked although it is ignored is kept, and what is neither is not.
#[test]
fn a_checkpoint_of_a_workspace_holds_what_was_done_in_it() {
    let world = World::new();
    let mut space = world.space("code");
    let (root, env) = (space.root(), world.env());
    write(&root.join("new/file.txt"), "new\n");
    write(&root.join("kept.log"), "tracked although ignored\n");
    write(&root.join("other.log"), "ignored\n");
    git(&root, &env, &["add", "-f", "kept.log"]);
    fs::remove_file(root.join("src/b.txt")).unwrap();
    fs::remove_file(root.join("src/a.txt")).unwrap();
    write(&root.join("src/a.txt/now/a/folder"), "x\n");
    fs::remove_file(root.join("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", root.join("link")).unwrap();
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let checkpoint = space.checkpoint(&Point::Step("code"), "code").unwrap();
    let base = space.owner().base.clone().unwrap();
    let changes = world.open().changes(&base, &checkpoint.commit).unwrap();
    let text: Vec<_> = changes.iter().map(|change| format!("{:?} {}", change.kind(), change.path.display())).collect();
    assert_eq!(
        text,
        [
            "Added kept.log",
            "Modified link",
            "Added new/file.txt",
            "Deleted src/a.txt",
            "Added src/a.txt/now/a/folder",
            "Deleted src/b.txt"
        ]
    );
    let stat = world.open().stat(&base, &checkpoint.commit, &[PathBuf::from("new")]).unwrap();
    assert_eq!((stat.files, stat.added, stat.removed), (1, 1, 0));
}

/// The list of the home folder counts only where the user's settings name no other, as for git.
#[test]
fn the_users_own_list_says_what_is_ignored() {
    let named = |world: &World| world.git(&["config", "--global", "core.excludesFile", "~/list"]);
    let empty = |world: &World| world.git(&["config", "core.excludesFile", ""]);
    type Set = Option<fn(&World) -> String>;
    let cases: [(Set, &[&str]); 3] = [
        (None, &["forced.home", "forced.list", "x.list"]),
        (Some(named), &["forced.home", "forced.list", "x.home"]),
        (Some(empty), &["forced.home", "forced.list", "x.home", "x.list"]),
    ];
    for (set, kept) in cases {
        let world = World::new();
        let home = world.folder.path().join("home");
        write(&home.join(".config/git/ignore"), "*.home\n");
        write(&home.join("list"), "*.list\n");
        set.map(|set| set(&world));
        for name in ["forced.home", "forced.list", "x.home", "x.list"] {
            world.write(name, "x\n");
        }
        world.git(&["add", "-f", "forced.home", "forced.list"]);
        let repository = world.open();
        let start = repository.base(&run(), &Base::Now, Bounds::default()).unwrap();
        let changes = repository.changes(&repository.head().unwrap().unwrap(), &start).unwrap();
        let paths: Vec<_> = changes.iter().map(|change| change.path.to_str().unwrap()).collect();
        assert_eq!(paths, kept);
    }
}

#[test]
fn a_folder_that_became_a_link_is_a_link() {
    let world = World::new();
    let mut space = world.space("code");
    let root = space.root();
    fs::rename(root.join("src"), root.join("moved")).unwrap();
    std::os::unix::fs::symlink("moved", root.join("src")).unwrap();
    // What git remembers of `src/a.txt` is now another file, which it can reach and must not take.
    write(&root.join("moved/a.txt"), "changed behind the link\n");
    let checkpoint = space.checkpoint(&Point::Step("code"), "code").unwrap();
    let copy = world.space_from("copy", &checkpoint.commit);
    assert_eq!(files(&copy.top(), &|path| !path.starts_with(".git")), files(&root, &|path| !path.starts_with(".git")));
}

/// Bytes are kept as they are, whatever the repository says about line ends, filters and encodings.
#[test]
fn bytes_are_kept_as_they_are() {
    let world = World::new();
    world.write(".gitattributes", "* text=auto eol=crlf ident working-tree-encoding=UTF-16\n*.bin filter=lfs\n");
    world.write("mixed.txt", "a\r\nb\n$Id$\n");
    world.write("large.bin", "content\n");
    let before = files(&world.root(), &|path| !path.starts_with(".git") && !path.starts_with(".orch"));
    let mut space = world.space("code");
    assert_eq!(files(&space.root(), &|path| !path.starts_with(".git")), before);
    let checkpoint = space.checkpoint(&Point::Step("code"), "code").unwrap();
    let base = space.owner().base.clone().unwrap();
    assert_eq!(world.open().changes(&base, &checkpoint.commit).unwrap(), []);
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let world = World::new();
    world.write("large.bin", &"x".repeat(2000));
    let repository = world.open();
    let bounds = Bounds { file_bytes_max: 1000, ..Bounds::default() };
    let fault = repository.checkpoint(&run(), &Point::Start, "x", bounds).unwrap_err();
    let WorkspaceFault::TooLarge { files, .. } = &fault else { panic!("{fault}") };
    assert_eq!(files, &[(PathBuf::from("large.bin"), 2000)]);
    // What is committed is nothing new, however large.
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "large"]);
    let repository = world.open();
    repository.checkpoint(&run(), &Point::Start, "x", bounds).unwrap();
    ["1", "2", "3"].iter().for_each(|name| world.write(name, "x\n"));
    let bounds = Bounds { files_max: 2, ..Bounds::default() };
    let fault = repository.checkpoint(&run(), &Point::Start, "x", bounds).unwrap_err();
    assert!(matches!(fault, WorkspaceFault::TooMuch { .. }), "{fault}");
}

/// A project may be a folder of its repository, a linked worktree, a submodule, or have no repository.
#[test]
fn every_kind_of_project_is_found() {
    let world = World::new();
    let env = world.env();
    let inner = world.root().join("src");
    let repository = Repository::open(&inner, &inner.join(".orch/state"), &env).unwrap();
    assert_eq!((repository.kind(), repository.inner()), (Kind::Git, Path::new("src")));
    assert_eq!(repository.path(Path::new("../README.md")), Some(PathBuf::from("README.md")));
    assert_eq!(repository.path(Path::new("../../x")), None);

    let linked = world.folder.path().join("linked");
    world.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let repository = Repository::open(&linked, &linked.join(".orch/state"), &env).unwrap();
    let checkpoint = repository.checkpoint(&run(), &Point::Start, "x", Bounds::default()).unwrap();
    assert_eq!(world.git(&["rev-parse", &checkpoint.name]), checkpoint.commit.as_str());

    world.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", linked.to_str().unwrap(), "sub"]);
    let sub = world.root().join("sub");
    let repository = Repository::open(&sub, &sub.join(".orch/state"), &env).unwrap();
    assert_eq!(repository.top(), sub.canonicalize().unwrap());
    repository.checkpoint(&run(), &Point::Start, "x", Bounds::default()).unwrap();
    let outer = world.open().checkpoint(&run(), &Point::Start, "x", Bounds::default()).unwrap();
    let submodules = world.open().changes(&world.open().head().unwrap().unwrap(), &outer.commit).unwrap();
    assert!(submodules.iter().any(|change| change.is_submodule() && change.path == Path::new("sub")));

    let bare = world.folder.path().join("bare");
    world.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let fault = Repository::open(&bare, &bare.join("state"), &env).unwrap_err();
    assert!(matches!(fault, WorkspaceFault::Odd { .. }), "{fault}");

    let plain = World::plain();
    plain.write("a.txt", "a\n");
    assert_eq!(plain.open().kind(), Kind::Plain);
    let ignored = world.root().join("build/inner");
    fs::create_dir_all(&ignored).unwrap();
    let repository = Repository::open(&ignored, &ignored.join(".orch/state"), &env).unwrap();
    assert_eq!(repository.kind(), Kind::Plain, "what the repository ignores is none of its files");
}

/// Settings of a repository can say that its files are somewhere else; a rollback there would be a disaster.
#[test]
fn a_repository_whose_files_are_elsewhere_is_refused() {
    let world = World::new();
    world.git(&["config", "core.worktree", world.folder.path().to_str().unwrap()]);
    let fault = Repository::open(&world.root(), &world.state(), &world.env()).unwrap_err();
    assert!(matches!(fault, WorkspaceFault::Odd { .. }), "{fault}");
}

#[test]
fn other_forms_of_repositories_work() {
    for words in [&["--object-format=sha256"][..], &["--ref-format=reftable"][..]] {
        let world = World::plain();
        world.git(&[&["init", "-q"][..], words].concat());
        world.write("a.txt", "a\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "first"]);
        world.write("b.txt", "b\n");
        let mut space = world.space("code");
        write(&space.root().join("c.txt"), "c\n");
        git(&space.root(), &world.env(), &["add", "-A"]);
        git(&space.root(), &world.env(), &["commit", "-qm", "mine"]);
        space.checkpoint(&Point::Step("code"), "code").unwrap();
        assert_eq!(world.open().points(&run()).unwrap().len(), 3, "{words:?}");
    }
    let world = World::new();
    let shallow = world.folder.path().join("shallow");
    world.write("later.txt", "later\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "second"]);
    let url = format!("file://{}", world.root().display());
    world.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().unwrap()]);
    let repository = Repository::open(&shallow, &shallow.join(".orch/state"), &world.env()).unwrap();
    let base = repository.base(&run(), &Base::Now, Bounds::default()).unwrap();
    let workspaces = orch::execute::workspace::Workspaces::open(&repository).unwrap();
    let maker = maker("code");
    let request = Request { maker: &maker, base: Some(&base), now: Timestamp(1), is_line: false };
    let mut space = workspaces.make(&request).unwrap();
    git(&space.root(), &world.env(), &["commit", "--allow-empty", "-qm", "mine"]);
    space.checkpoint(&Point::Step("code"), "code").unwrap();
}

/// Without a repository there are no rules of what to ignore; what tools make is left out all the same.
#[test]
fn a_project_without_git_has_the_same_verbs() {
    let world = World::plain();
    world.write("a.txt", "a\n");
    world.write("web/node_modules/x/index.js", "x\n");
    world.write("target/debug/x", "x\n");
    world.write("target/CACHEDIR.TAG", "x\n");
    let mut space = world.space("code");
    let found = files(&space.root(), &|path| !path.starts_with(".git"));
    assert_eq!(found.keys().collect::<Vec<_>>(), [Path::new("a.txt")]);
    write(&space.root().join("a.txt"), "b\n");
    git(&space.root(), &world.env(), &["commit", "-qam", "mine"]);
    let result = space.checkpoint(&Point::Step("code"), "x").unwrap();
    let base = space.owner().base.clone().unwrap();
    let delivery = world.open().deliver(&run(), &base, &result.commit, "x").unwrap();
    assert_eq!(fs::read_to_string(world.root().join("a.txt")).unwrap(), "b\n");
    world.open().roll_back(&run(), &delivery.undo.unwrap().commit, &[], "x").unwrap();
    assert_eq!(fs::read_to_string(world.root().join("a.txt")).unwrap(), "a\n");
    assert!(world.root().join("target/debug/x").exists());
}

/// A change of the same length in the same instant is a change.
#[test]
fn a_quick_change_is_seen() {
    let world = World::new();
    let mut space = world.space("code");
    for turn in 0..6 {
        write(&space.root().join("quick.txt"), &format!("{:02}\n", turn));
        let first = space.checkpoint(&Point::Step("code"), "code").unwrap();
        write(&space.root().join("quick.txt"), &format!("{:02}\n", turn + 50));
        let second = space.checkpoint(&Point::Step("code"), "code").unwrap();
        assert_ne!(first.tree, second.tree, "turn {turn}");
        let name = format!("space{turn}");
        let mut other = world.space_from(&name, &second.commit);
        write(&other.root().join("quick.txt"), "xx\n");
        assert_ne!(other.checkpoint(&Point::Step(&name), "x").unwrap().tree, second.tree, "turn {turn}");
    }
}
