//! What a process remembers of a project from one run to the next: what is touched in between is seen, and nothing is asked
//! twice of what is not.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use orch::{
    base::{RunId, Timestamp},
    execute::workspace::{Kind, Oid, Point, Spaces, Unit},
};

use crate::world::{World, git, write};

/// Longer than a stamp is mistrusted.
const SETTLED: Duration = Duration::from_millis(250);

/// Runs of one process in a project whose git counts its calls.
struct Runs {
    world: World,
    count: u32,
}

impl Runs {
    fn of(world: World) -> Self {
        let folder = world.folder.path().join("counting");
        let path = std::env::var_os("PATH").unwrap();
        let real = std::env::split_paths(&path).map(|path| path.join("git")).find(|path| path.is_file()).unwrap();
        let script = format!("#!/bin/sh\necho x >> '{0}/calls'\nexec '{1}' \"$@\"\n", folder.display(), real.display());
        write(&folder.join("git"), &script);
        fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { world, count: 0 }
    }

    fn next(&mut self) -> (Spaces, RunId) {
        self.count += 1;
        let run: RunId = format!("{:08}", self.count).parse().unwrap();
        let path = format!("{}:{}", self.counting().display(), std::env::var("PATH").unwrap());
        let mut env = self.world.env();
        env[0] = ("PATH".into(), OsString::from(path));
        (Spaces::new(self.world.root(), self.world.state(), env, run.clone()), run)
    }

    fn counting(&self) -> PathBuf {
        self.world.folder.path().join("counting")
    }

    /// Begins a run and says how often git was asked for it.
    fn begin(&mut self) -> (Oid, usize) {
        fs::write(self.counting().join("calls"), "").unwrap();
        let (spaces, run) = self.next();
        spaces.begin().unwrap();
        let calls = fs::read_to_string(self.counting().join("calls")).unwrap().lines().count();
        (self.world.open().find(&Point::Start.reference(&run)).unwrap().unwrap(), calls)
    }

    /// Begins runs until nothing is asked twice any more.
    fn warm(&mut self) -> Oid {
        let mut begun = Vec::new();
        for _ in 0..3 {
            thread::sleep(SETTLED);
            begun.push(self.begin());
        }
        let asked = if self.world.open().kind() == Kind::Git { 2 } else { 1 };
        assert_eq!(begun.last().unwrap().1, asked, "{begun:?}");
        begun.pop().unwrap().0
    }

    /// What stands in a commit is what git, asked by somebody who remembers nothing, finds in the folder.
    fn is_exact(&self, commit: &Oid, what: &str) {
        let repository = self.world.open();
        let preview = repository.preview(commit, &[]).unwrap();
        assert_eq!(preview.changes, [], "{what}: the state that was kept is not the one that was there");
    }
}

fn with_cache(world: World) -> World {
    world.write("a.txt", "one\n");
    world.write("kept/deep/b.txt", "one\n");
    world.write("cache/CACHEDIR.TAG", "a cache\n");
    world.write("cache/x", "1\n");
    world.write("node_modules/x/index.js", "1\n");
    world.write("build/out", "1\n");
    world
}

/// What somebody does to a project or a home between two runs.
type Change = fn(&World, &Path);

/// A run in a project that nobody has touched costs the one call that names the state before it, and one that asks where
/// the user's branch stands.
#[test]
fn a_run_that_begins_like_the_last_asks_for_nothing_again() {
    for world in [World::busy(), World::plain()] {
        let mut runs = Runs::of(with_cache(world));
        let before = runs.world.fingerprint();
        let start = runs.warm();
        assert_eq!(runs.begin().0, start, "the same state has the same commit");
        runs.is_exact(&start, "after all of them");
        assert!(runs.world.fingerprint() == before);
    }
}

/// Each of these is seen by the run that begins next.
#[test]
fn what_is_touched_between_two_runs_is_seen() {
    type Touch = (&'static str, fn(&World));
    let touches: [Touch; 9] = [
        ("another text", |world| world.write("a.txt", "two, and more\n")),
        ("the same size at the same time", |world| {
            let path = world.root().join("a.txt");
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "2wo, and more\n").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }),
        ("another file in its place", |world| {
            write(&world.root().join("kept/new"), "ine\n");
            fs::rename(world.root().join("kept/new"), world.root().join("kept/deep/b.txt")).unwrap();
        }),
        ("a new file", |world| world.write("kept/deep/new", "new\n")),
        ("a file that has gone", |world| fs::remove_file(world.root().join("kept/deep/b.txt")).unwrap()),
        ("another mode", |world| {
            fs::set_permissions(world.root().join("a.txt"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("a link", |world| {
            fs::remove_file(world.root().join("a.txt")).unwrap();
            std::os::unix::fs::symlink("kept", world.root().join("a.txt")).unwrap();
        }),
        ("a rule", |world| world.write(".gitignore", "/kept/\n")),
        ("a cache that is none any more", |world| {
            fs::remove_file(world.root().join("cache/CACHEDIR.TAG")).unwrap();
        }),
    ];
    for (is_git, world) in [(true, World::busy as fn() -> World), (false, World::plain)] {
        let mut runs = Runs::of(with_cache(world()));
        for (what, touch) in touches {
            if is_git && what.starts_with("a cache") {
                continue;
            }
            let before = runs.warm();
            touch(&runs.world);
            let (after, _) = runs.begin();
            // Not the commits: those of one state differ by the second in which they were made.
            assert_ne!(runs.world.open().changes(&before, &after).unwrap(), [], "{what}");
            runs.is_exact(&after, what);
        }
    }
}

/// What git told of the project is asked again when the user changes it.
#[test]
fn settings_and_repositories_that_change_are_seen() {
    let mut runs = Runs::of(with_cache(World::plain()));
    runs.warm();
    runs.world.git(&["init", "-q", "-b", "main"]);
    runs.world.write(".gitignore", "/.orch/state/\n");
    runs.world.git(&["add", "a.txt", ".gitignore"]);
    runs.world.git(&["commit", "-qm", "first"]);
    let start = runs.warm();
    let head = |runs: &Runs| runs.world.git(&["rev-parse", "HEAD"]);
    assert_eq!(runs.world.git(&["rev-parse", &format!("{start}^")]), head(&runs), "the project has a repository now");
    runs.world.git(&["commit", "--allow-empty", "-qm", "second"]);
    let (start, _) = runs.begin();
    assert_eq!(runs.world.git(&["rev-parse", &format!("{start}^")]), head(&runs), "the branch has moved");
    let home = runs.world.folder.path().join("home");
    // What a list no longer ignores is there, although no file of the project has been touched.
    write(&home.join(".config/git/ignore"), "*.1\n*.2\n*.3\n");
    runs.world.write(".git/info/exclude", "*.4\n");
    for name in ["x.1", "x.2", "x.3", "x.4"] {
        runs.world.write(name, "ignored\n");
    }
    let steps: [(&str, Change); 4] = [
        ("a list of one's own", |_, home| write(&home.join(".config/git/ignore"), "*.2\n*.3\n")),
        ("a list that settings name", |world, home| {
            write(&home.join("list"), "*.3\n");
            world.git(&["config", "--global", "core.excludesFile", "~/list"]);
        }),
        ("that list", |_, home| write(&home.join("list"), "*.5\n")),
        ("a list of the repository", |world, _| world.write(".git/info/exclude", "*.5\n")),
    ];
    for ((what, step), name) in steps.into_iter().zip(["x.1", "x.2", "x.3", "x.4"]) {
        let before = runs.warm();
        step(&runs.world, &home);
        let (after, _) = runs.begin();
        let changes = runs.world.open().changes(&before, &after).unwrap();
        assert_eq!(changes.iter().map(|change| change.path.as_path()).collect::<Vec<_>>(), [Path::new(name)], "{what}");
        runs.is_exact(&after, what);
    }
    for (name, words) in [("Ann", &["config", "--global"][..]), ("Bo", &["config"])] {
        runs.warm();
        runs.world.git(&[words, &["user.name", name]].concat());
        let (spaces, _) = runs.next();
        let seat = spaces.sit(&Unit { step: "code".to_owned(), number: 1 }, Timestamp(1)).unwrap();
        assert_eq!(git(&seat.root, &runs.world.env(), &["config", "--local", "user.name"]), name);
    }
    runs.warm();
    fs::rename(runs.world.root().join(".git"), home.join("elsewhere")).unwrap();
    runs.begin();
    assert_eq!(runs.world.open().kind(), Kind::Plain);
    runs.warm();
}

/// A state whose commit the user's `git gc` has taken away is kept anew, with all of its files.
#[test]
fn what_is_gone_is_kept_anew() {
    for world in [World::new(), World::plain()] {
        let mut runs = Runs::of(world);
        runs.world.write("a.txt", "one\n");
        let names = match runs.world.open().kind() {
            Kind::Git => runs.world.root().join(".git"),
            Kind::Plain => runs.world.state().join("git/plain.git"),
        };
        let start = runs.warm();
        for number in 1..=runs.count {
            runs.world.open().forget(&format!("{number:08}").parse().unwrap()).unwrap();
        }
        git(&names, &runs.world.env(), &["gc", "--prune=now", "--quiet"]);
        let there = runs.world.open().find(start.as_str()).unwrap();
        assert_eq!(there, None, "nobody has held it");
        let (again, _) = runs.begin();
        runs.is_exact(&again, "after the user's gc");
        git(&names, &runs.world.env(), &["fsck", "--connectivity-only", again.as_str()]);
        runs.warm();
    }
}

/// A state that was kept stays, even where a run begins a second time.
#[test]
fn the_state_before_a_run_is_the_first() {
    let mut runs = Runs::of(World::new());
    runs.world.write("a.txt", "one\n");
    runs.warm();
    let (spaces, run) = runs.next();
    spaces.begin().unwrap();
    let find = |runs: &Runs| runs.world.open().find(&Point::Start.reference(&run)).unwrap().unwrap();
    let first = find(&runs);
    runs.world.write("a.txt", "two\n");
    assert_ne!(runs.begin().0, first);
    spaces.begin().unwrap();
    runs.warm();
    spaces.begin().unwrap();
    assert_eq!(find(&runs), first);
}

/// A folder that is ignored no longer is looked at from then on.
#[test]
fn a_folder_that_is_ignored_no_longer_is_looked_at() {
    let world = World::new();
    world.write("build/out", "1\n");
    let mut runs = Runs::of(world);
    runs.warm();
    let (spaces, _) = runs.next();
    spaces.begin().unwrap();
    // Nobody else may look in between: that would be noticed, and git asked.
    let keep = || spaces.keep(None, &Point::Step("code"), "code").unwrap();
    runs.world.write(".gitignore", "/.orch/state/\n");
    let mut last = keep();
    for turn in 0..3 {
        thread::sleep(SETTLED);
        assert_eq!(keep().tree, last.tree, "nothing has changed");
        runs.world.write("build/out", &format!("turn {turn}\n"));
        let made = keep();
        assert_ne!(made.tree, last.tree, "turn {turn}: a file where nothing was looked at before");
        last = made;
    }
    runs.is_exact(&last.commit, "at the end");
}
