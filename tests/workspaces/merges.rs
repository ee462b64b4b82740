//! How merges end, scenario by scenario, and what becomes of the line, of conflicts and of the user's files.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use orch::{
    base::Timestamp,
    execute::workspace::{
        Base, Bounds, Candidate, Line, Merged, Oid, Point, Proposal, Request, Side, Space, Strategy, WorkspaceFault,
    },
};

use crate::world::{World, files, git, lines, maker, run, same, write};

type Work = fn(&Path);

/// How a scenario ends.
#[derive(Debug, PartialEq)]
enum Ends {
    /// Merged, and these files hold this afterwards; `None` is not there.
    Clean(&'static [(&'static str, Option<&'static str>)]),
    Nothing,
    Conflict(&'static [&'static str]),
    Refused,
}

struct Scenario {
    name: &'static str,
    ours: Work,
    theirs: Work,
    gate: fn(&Path) -> Result<(), String>,
    ends: Ends,
}

fn edit(root: &Path, path: &str, line: usize, text: &str) {
    let file = root.join(path);
    let mut all: Vec<String> = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    text.clone_into(&mut all[line]);
    fs::write(file, all.join("\n") + "\n").unwrap();
}

fn set(root: &Path, path: &str, text: &str) {
    write(&root.join(path), text);
}

fn go(root: &Path, path: &str) {
    fs::remove_file(root.join(path)).unwrap();
}

fn rename(root: &Path, from: &str, to: &str) {
    fs::create_dir_all(root.join(to).parent().unwrap()).unwrap();
    fs::rename(root.join(from), root.join(to)).unwrap();
}

fn link(root: &Path, path: &str, to: &str) {
    fs::remove_file(root.join(path)).ok();
    std::os::unix::fs::symlink(to, root.join(path)).unwrap();
}

fn executable(root: &Path, path: &str) {
    fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Another commit of the submodule.
fn bump(root: &Path, word: &str) {
    let sub = root.join("sub");
    let env = [("PATH".into(), std::env::var_os("PATH").unwrap()), ("HOME".into(), "/nonexistent".into())];
    git(&sub, &env, &["init", "-q"]);
    fs::write(sub.join("file.txt"), word).unwrap();
    git(&sub, &env, &["add", "-A"]);
    git(&sub, &env, &["commit", "-qm", word]);
}

fn both_use_each_other(root: &Path) -> Result<(), String> {
    let has = |path: &str, word: &str| fs::read_to_string(root.join(path)).is_ok_and(|text| text.contains(word));
    if has("src/a.txt", "renamed()") && has("src/b.txt", "original()") {
        Err("b calls what a has renamed".to_owned())
    } else {
        Ok(())
    }
}

const PASS: fn(&Path) -> Result<(), String> = |_| Ok(());

#[rustfmt::skip]
const SCENARIOS: &[Scenario] = &[
    Scenario { name: "other files", ours: |r| set(r, "o.txt", "o\n"), theirs: |r| set(r, "t.txt", "t\n"), gate: PASS, ends: Ends::Clean(&[("o.txt", Some("o\n")), ("t.txt", Some("t\n"))]) },
    Scenario { name: "nothing before", ours: |_| (), theirs: |r| set(r, "t.txt", "t\n"), gate: PASS, ends: Ends::Clean(&[("t.txt", Some("t\n"))]) },
    Scenario { name: "no work", ours: |r| set(r, "o.txt", "o\n"), theirs: |_| (), gate: PASS, ends: Ends::Nothing },
    Scenario { name: "other lines of one file", ours: |r| edit(r, "README.md", 0, "ONE"), theirs: |r| edit(r, "src/a.txt", 30, "A"), gate: PASS, ends: Ends::Clean(&[("README.md", Some("ONE\ntwo\nthree\n"))]) },
    Scenario { name: "far lines of one file", ours: |r| edit(r, "src/a.txt", 0, "first"), theirs: |r| edit(r, "src/a.txt", 39, "last"), gate: |r| { let text = fs::read_to_string(r.join("src/a.txt")).unwrap(); if text.contains("first") && text.contains("last") { Ok(()) } else { Err(text) } }, ends: Ends::Clean(&[]) },
    Scenario { name: "the same change", ours: |r| edit(r, "src/a.txt", 3, "same"), theirs: |r| edit(r, "src/a.txt", 3, "same"), gate: PASS, ends: Ends::Nothing },
    Scenario { name: "the same line", ours: |r| edit(r, "src/a.txt", 3, "ours"), theirs: |r| edit(r, "src/a.txt", 3, "theirs"), gate: PASS, ends: Ends::Conflict(&["src/a.txt"]) },
    Scenario { name: "two files with conflicts, one without", ours: |r| { edit(r, "src/a.txt", 3, "ours"); edit(r, "src/b.txt", 3, "ours"); }, theirs: |r| { edit(r, "src/a.txt", 3, "theirs"); edit(r, "src/b.txt", 3, "theirs"); set(r, "t.txt", "t\n"); }, gate: PASS, ends: Ends::Conflict(&["src/a.txt", "src/b.txt"]) },
    Scenario { name: "deleted against changed", ours: |r| go(r, "src/a.txt"), theirs: |r| edit(r, "src/a.txt", 3, "theirs"), gate: PASS, ends: Ends::Conflict(&["src/a.txt"]) },
    Scenario { name: "changed against deleted", ours: |r| edit(r, "src/a.txt", 3, "ours"), theirs: |r| go(r, "src/a.txt"), gate: PASS, ends: Ends::Conflict(&["src/a.txt"]) },
    Scenario { name: "deleted twice", ours: |r| go(r, "src/a.txt"), theirs: |r| go(r, "src/a.txt"), gate: PASS, ends: Ends::Nothing },
    Scenario { name: "deleted by one", ours: |r| set(r, "o.txt", "o\n"), theirs: |r| go(r, "src/a.txt"), gate: PASS, ends: Ends::Clean(&[("src/a.txt", None), ("o.txt", Some("o\n"))]) },
    Scenario { name: "renamed, then changed", ours: |r| rename(r, "README.md", "docs/read.md"), theirs: |r| edit(r, "README.md", 0, "ONE"), gate: PASS, ends: Ends::Clean(&[("README.md", None), ("docs/read.md", Some("ONE\ntwo\nthree\n"))]) },
    Scenario { name: "changed, then renamed", ours: |r| edit(r, "README.md", 2, "THREE"), theirs: |r| rename(r, "README.md", "docs/read.md"), gate: PASS, ends: Ends::Clean(&[("README.md", None), ("docs/read.md", Some("one\ntwo\nTHREE\n"))]) },
    Scenario { name: "renamed to two names", ours: |r| rename(r, "src/a.txt", "src/x.txt"), theirs: |r| rename(r, "src/a.txt", "src/y.txt"), gate: PASS, ends: Ends::Conflict(&["src/a.txt", "src/x.txt", "src/y.txt"]) },
    Scenario { name: "two files renamed to one name", ours: |r| rename(r, "src/a.txt", "src/x.txt"), theirs: |r| rename(r, "src/b.txt", "src/x.txt"), gate: PASS, ends: Ends::Conflict(&["src/x.txt"]) },
    Scenario { name: "renamed alike", ours: |r| rename(r, "src/a.txt", "src/x.txt"), theirs: |r| rename(r, "src/a.txt", "src/x.txt"), gate: PASS, ends: Ends::Nothing },
    Scenario { name: "added twice, alike", ours: |r| set(r, "n.txt", "n\n"), theirs: |r| set(r, "n.txt", "n\n"), gate: PASS, ends: Ends::Nothing },
    Scenario { name: "added twice, differently", ours: |r| set(r, "n.txt", "ours\n"), theirs: |r| set(r, "n.txt", "theirs\n"), gate: PASS, ends: Ends::Conflict(&["n.txt"]) },
    Scenario { name: "a folder was renamed", ours: |r| rename(r, "src", "lib"), theirs: |r| set(r, "src/new.txt", "new\n"), gate: PASS, ends: Ends::Conflict(&["lib/new.txt"]) },
    Scenario { name: "no text, both", ours: |r| set(r, "image.bin", "\0ours"), theirs: |r| set(r, "image.bin", "\0theirs"), gate: PASS, ends: Ends::Conflict(&["image.bin"]) },
    Scenario { name: "no text, one", ours: |r| set(r, "o.txt", "o\n"), theirs: |r| set(r, "image.bin", "\0theirs"), gate: PASS, ends: Ends::Clean(&[("image.bin", Some("\0theirs"))]) },
    Scenario { name: "executable here, changed there", ours: |r| executable(r, "README.md"), theirs: |r| edit(r, "README.md", 0, "ONE"), gate: |r| if fs::metadata(r.join("README.md")).unwrap().permissions().mode() & 0o111 == 0 { Err("not executable".to_owned()) } else { Ok(()) }, ends: Ends::Clean(&[("README.md", Some("ONE\ntwo\nthree\n"))]) },
    Scenario { name: "a link here, changed there", ours: |r| edit(r, "src/a.txt", 0, "ours"), theirs: |r| link(r, "src/a.txt", "b.txt"), gate: PASS, ends: Ends::Conflict(&["src/a.txt", "src/a.txt~theirs"]) },
    Scenario { name: "links to two places", ours: |r| link(r, "link", "README.md"), theirs: |r| link(r, "link", "run.sh"), gate: PASS, ends: Ends::Conflict(&["link"]) },
    Scenario { name: "a file here, a folder there", ours: |r| set(r, "x", "file\n"), theirs: |r| set(r, "x/y", "folder\n"), gate: PASS, ends: Ends::Conflict(&["x~ours"]) },
    Scenario { name: "a submodule here", ours: |r| set(r, "o.txt", "o\n"), theirs: |r| bump(r, "theirs"), gate: PASS, ends: Ends::Clean(&[("o.txt", Some("o\n"))]) },
    Scenario { name: "a submodule here and there", ours: |r| bump(r, "ours"), theirs: |r| bump(r, "theirs"), gate: PASS, ends: Ends::Conflict(&["sub"]) },
    Scenario { name: "the gate says no", ours: |r| set(r, "o.txt", "o\n"), theirs: |r| set(r, "t.txt", "t\n"), gate: |r| Err(format!("{} tests fail", files(r, &|path| path.extension().is_some_and(|end| end == "txt")).len())), ends: Ends::Refused },
    Scenario { name: "each fits alone, both do not", ours: |r| edit(r, "src/a.txt", 5, "renamed()"), theirs: |r| edit(r, "src/b.txt", 5, "original()"), gate: both_use_each_other, ends: Ends::Refused },
    Scenario { name: "names of any bytes", ours: |r| fs::write(r.join(OsStr::from_bytes(b"\xff\n")), "o").unwrap(), theirs: |r| fs::write(r.join(OsStr::from_bytes(b"\xfe\t\"")), "t").unwrap(), gate: |r| if r.join(OsStr::from_bytes(b"\xff\n")).exists() && r.join(OsStr::from_bytes(b"\xfe\t\"")).exists() { Ok(()) } else { Err("gone".to_owned()) }, ends: Ends::Clean(&[]) },
    Scenario { name: "an empty file", ours: |r| set(r, "o.txt", ""), theirs: |r| set(r, "t.txt", ""), gate: PASS, ends: Ends::Clean(&[("o.txt", Some("")), ("t.txt", Some(""))]) },
    Scenario { name: "everything is gone", ours: |_| (), theirs: |r| for path in files(r, &|path| !path.starts_with(".git")).keys() { fs::remove_file(r.join(path)).unwrap(); }, gate: PASS, ends: Ends::Clean(&[("README.md", None), ("src/a.txt", None)]) },
];

struct Table {
    world: World,
    base: Oid,
}

impl Table {
    fn new() -> Self {
        let world = World::new();
        let other = World::new();
        world.git(&["submodule", "add", "-q", other.root().to_str().unwrap(), "sub"]);
        world.write("image.bin", "\0base");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "second"]);
        world.git(&["submodule", "--quiet", "deinit", "-f", "sub"]);
        let base = world.open().base(&run(), &Base::Now, Bounds::default()).unwrap();
        Self { world, base }
    }

    fn line(&self, name: &str) -> Line {
        Line::begin(&self.world.open(), &run(), name, &self.base).unwrap()
    }

    /// A workspace in which something has been done, as a commit of the agent's own or not.
    fn worked(&self, step: &str, is_committed: bool, work: Work) -> (Space, Oid) {
        let mut space = self.world.space_from(step, &self.base);
        work(&space.root());
        if is_committed {
            git(&space.root(), &self.world.env(), &["add", "-A"]);
            git(&space.root(), &self.world.env(), &["commit", "-q", "--allow-empty", "-m", "by the agent"]);
        }
        let checkpoint = space.checkpoint(&Point::Step(step), step).unwrap();
        (space, checkpoint.commit)
    }

    /// The files of a commit, in a place of their own.
    fn show(&self, commit: &Oid) -> Space {
        let maker = maker("show");
        let request = Request { maker: &maker, base: Some(commit), now: Timestamp(1), is_line: true };
        self.world.workspaces().make(&request).unwrap()
    }
}

#[test]
fn merges_end_as_declared() {
    let table = Table::new();
    let before = table.world.fingerprint();
    assert!(SCENARIOS.len() >= 30);
    for (turn, scenario) in SCENARIOS.iter().enumerate() {
        let all = [Strategy::Merge, Strategy::Rebase, Strategy::Squash];
        // Each in one way always; in every way where somebody has the time.
        let one = &all[turn % 3..=turn % 3];
        for strategy in if crate::world::number("ORCH_CASES", 0) > 0 { &all } else { one } {
            let name = format!("{}-{turn}-{strategy:?}", scenario.name);
            play(&table, scenario, *strategy, &name);
        }
    }
    same(&table.world.fingerprint(), &before, "the user's project");
}

fn play(table: &Table, scenario: &Scenario, strategy: Strategy, name: &str) {
    let line = table.line(name);
    let merge = |work: Work, gate: &mut dyn FnMut(&Candidate) -> Result<(), String>, step: &str| {
        let (mut space, result) = table.worked(&format!("{name}-{step}"), strategy == Strategy::Rebase, work);
        line.merge(&mut space, &result, strategy, step, gate).unwrap()
    };
    merge(scenario.ours, &mut |_| Ok(()), "ours");
    let before = line.tip().unwrap();
    let mut gate = |candidate: &Candidate| (scenario.gate)(&table.show(&candidate.new).root());
    let merged = merge(scenario.theirs, &mut gate, "theirs");
    let tip = line.tip().unwrap();
    match (&scenario.ends, merged) {
        (Ends::Nothing, Merged::Nothing) | (Ends::Refused, Merged::Refused { .. }) => assert_eq!(tip, before, "{name}"),
        (Ends::Conflict(paths), Merged::Conflict(conflict)) => {
            assert_eq!(tip, before, "{name}");
            let is_expected = |path: &Path| {
                let text = path.to_string_lossy();
                // Git makes a name where two things want one: what it ends in is the commit.
                paths.iter().any(|wanted| {
                    text == *wanted
                        || wanted.split_once('~').is_some_and(|(stem, _)| text.starts_with(&format!("{stem}~")))
                })
            };
            let found: Vec<_> = conflict.files.iter().map(|file| file.path.clone()).collect();
            assert!(found.iter().all(|path| is_expected(path)) && found.len() == paths.len(), "{name}: {found:?}");
            assert!(!conflict.said.is_empty(), "{name}");
        }
        (Ends::Clean(expected), Merged::Taken(candidate)) => {
            assert_eq!(tip, candidate.new, "{name}");
            let shown = table.show(&tip).root();
            for (path, text) in *expected {
                assert_eq!(fs::read_to_string(shown.join(path)).ok().as_deref(), *text, "{name}: {path}");
            }
            let parents = table.world.git(&["rev-list", "-1", "--parents", tip.as_str()]).split(' ').count() - 1;
            assert_eq!(parents, if strategy == Strategy::Merge { 2 } else { 1 }, "{name}");
            if strategy == Strategy::Rebase {
                let author = table.world.git(&["log", "-1", "--format=%an: %s", tip.as_str()]);
                assert_eq!(author, "User: by the agent", "{name}");
            }
        }
        (expected, found) => panic!("{name}: expected {expected:?}, found {found:?}"),
    }
}

#[test]
fn a_conflict_is_solved_where_everybody_knows_how() {
    let table = Table::new();
    let env = table.world.env();
    let line = table.line("solved");
    let ours: Work = |r| {
        edit(r, "src/a.txt", 3, "ours");
        go(r, "README.md");
    };
    let theirs: Work = |r| {
        edit(r, "src/a.txt", 3, "theirs");
        edit(r, "README.md", 0, "ONE");
    };
    let (mut space, result) = table.worked("one", false, ours);
    line.merge(&mut space, &result, Strategy::Merge, "one", &mut |_| Ok(())).unwrap();
    let (mut space, result) = table.worked("two", false, theirs);
    let Merged::Conflict(conflict) = line.merge(&mut space, &result, Strategy::Merge, "two", &mut |_| Ok(())).unwrap()
    else {
        panic!("no conflict")
    };
    let readme = &conflict.files[0];
    assert!(readme.side(Side::Ours).is_none());
    let content = table.world.open().content(readme.side(Side::Theirs).unwrap()).unwrap();
    assert_eq!(content, b"ONE\ntwo\nthree\n");

    let mut solving = table
        .world
        .workspaces()
        .resolving(&maker("solve"), &conflict, ("project", "one/two\nthree"), Timestamp(2))
        .unwrap();
    let root = solving.root();
    let status = git(&root, &env, &["status", "--porcelain"]);
    assert_eq!(status, "DU README.md\nUU src/a.txt");
    // The sides have names that people know, each on one line.
    let marked = fs::read_to_string(root.join("src/a.txt")).unwrap();
    let marks: Vec<_> =
        marked.lines().filter(|line| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>")).collect();
    assert_eq!(marks, ["<<<<<<< project", ">>>>>>> one/two three"]);
    let open = |space: &mut Space| match space.resolved(&conflict) {
        Err(WorkspaceFault::Unresolved { paths }) => paths,
        other => panic!("{other:?}"),
    };
    assert_eq!(open(&mut solving), [PathBuf::from("README.md"), PathBuf::from("src/a.txt")]);
    set(&root, "src/a.txt", &lines("both", 40));
    assert_eq!(open(&mut solving), [PathBuf::from("README.md")]);
    git(&root, &env, &["rm", "-q", "README.md"]);
    let candidate = solving.resolved(&conflict).unwrap();
    assert!(line.accept(&candidate).unwrap());
    let shown = table.show(&line.tip().unwrap()).root();
    assert_eq!(fs::read_to_string(shown.join("src/a.txt")).unwrap(), lines("both", 40));
    assert!(!shown.join("README.md").exists());
    assert_eq!(table.world.git(&["rev-list", "-1", "--parents", candidate.new.as_str()]).split(' ').count(), 3);
}

#[test]
fn a_line_that_moved_is_merged_again_and_a_merge_can_be_taken_back() {
    let table = Table::new();
    let line = table.line("moved");
    let (one, one_result) = table.worked("one", false, |r| set(r, "one.txt", "1\n"));
    let (mut two, two_result) = table.worked("two", false, |r| set(r, "two.txt", "2\n"));
    let Proposal::Clean(stale) = line.propose(&one, &one_result, Strategy::Squash, "one").unwrap() else { panic!() };
    let mut gates = 0;
    let merged = line.merge(&mut two, &two_result, Strategy::Squash, "two", &mut |_| {
        gates += 1;
        if gates == 1 {
            // Another merge comes first.
            assert!(line.accept(&stale).unwrap());
        }
        Ok(())
    });
    let Merged::Taken(taken) = merged.unwrap() else { panic!() };
    assert_eq!(gates, 2, "what was not what the gate saw is not taken");
    assert!(!line.accept(&stale).unwrap());
    let Proposal::Clean(back) = line.propose_revert(&stale, "take it back").unwrap() else { panic!() };
    assert!(line.accept(&back).unwrap());
    let shown = table.show(&line.tip().unwrap()).root();
    assert!(!shown.join("one.txt").exists() && shown.join("two.txt").exists());
    assert_eq!(back.old, taken.new);
}

#[test]
fn a_workspace_that_goes_on_is_merged_from_where_it_was() {
    let table = Table::new();
    for strategy in [Strategy::Merge, Strategy::Rebase, Strategy::Squash] {
        let name = format!("{strategy:?}");
        let line = table.line(&name);
        let (mut space, result) = table.worked(&name, true, |r| edit(r, "src/a.txt", 3, "first"));
        line.merge(&mut space, &result, strategy, "first", &mut |_| Ok(())).unwrap();
        edit(&space.root(), "src/a.txt", 3, "second");
        let result = space.checkpoint(&Point::Step(&name), "second").unwrap().commit;
        let merged = line.merge(&mut space, &result, strategy, "second", &mut |_| Ok(())).unwrap();
        assert!(matches!(merged, Merged::Taken(_)), "{name}: {merged:?}");
        let text = fs::read_to_string(table.show(&line.tip().unwrap()).root().join("src/a.txt")).unwrap();
        assert_eq!(text.lines().nth(3), Some("second"), "{name}");
    }
}

/// The user's checkout gets the result at the end, or a list of what is in the way and nothing else.
#[test]
fn a_delivery_is_whole_or_not_at_all() {
    let world = World::busy();
    let repository = world.open();
    let base = repository.base(&run(), &Base::Now, Bounds::default()).unwrap();
    let mut space = world.space_from("code", &base);
    let root = space.root();
    edit(&root, "src/a.txt", 3, "by the agent");
    set(&root, "new/file.txt", "new\n");
    set(&root, "secret.log2", "x\n");
    go(&root, "src/b.txt");
    go(&root, "untracked/deep/file.txt");
    link(&root, "link", "README.md");
    let result = space.checkpoint(&Point::Step("code"), "code").unwrap().commit;

    world.write("src/b.txt", "by the user\n");
    world.write("new/file.txt", "by the user\n");
    let before = world.fingerprint();
    let fault = repository.deliver(&run(), &base, &result, "deliver").unwrap_err();
    let WorkspaceFault::InTheWay { paths } = fault else { panic!("{fault}") };
    assert_eq!(paths, [PathBuf::from("new/file.txt"), PathBuf::from("src/b.txt")]);
    same(&world.fingerprint(), &before, "the user's project");

    world.write("src/b.txt", &lines("b", 40));
    world.write("new/file.txt", "new\n");
    world.write("mine.txt", "the user's own\n");
    let before = world.fingerprint();
    let delivery = repository.deliver(&run(), &base, &result, "deliver").unwrap();
    assert_eq!((delivery.changes.len(), delivery.there), (5, 1));
    let after = world.fingerprint();
    let changed: Vec<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    let mut changed: Vec<_> = changed.into_iter().map(|path| path.to_str().unwrap()).collect();
    changed.sort_unstable();
    changed.dedup();
    assert_eq!(changed, ["link", "secret.log2", "src/a.txt", "src/b.txt", "untracked/deep/file.txt"]);
    assert!(!world.root().join("untracked").exists(), "no empty folder is left");

    let undo = delivery.undo.unwrap().commit;
    repository.roll_back(&run(), &undo, &[], "undo").unwrap();
    same(&world.fingerprint(), &before, "the user's project");
}
