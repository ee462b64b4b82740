//! `orch add`, `remove` and `update` with real folders and real git repositories: plugins, marketplaces, plain ones,
//! hostile ones, edits, and a kill at any moment.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod support;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use orch::definition::load::{read_lock, tree_digest};
use support::Project;
use tempfile::TempDir;

/// A git repository that people would share.
struct Repository(TempDir);

impl Repository {
    fn new(files: &[(&str, &str)]) -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit(files);
        repository
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"])
            .args(words)
            .current_dir(self.0.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn commit(&self, files: &[(&str, &str)]) -> String {
        self.write(files);
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

fn agent(name: &str, description: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\nBody.\n")
}

/// The files of a folder below the project.
fn files(project: &Project, folder: &str) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), root, found);
            } else {
                found.push(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let root = project.root().join(folder);
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort();
    found
}

fn names(project: &Project, kind: &str) -> Vec<String> {
    let list = project.run(&["list", "--json", "--kind", kind]).json(0);
    let added =
        list.as_array().unwrap().iter().filter(|line| line["scope"] == "added" || line["scope"] == "user_added");
    added.map(|line| line["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_plugin_is_taken_pinned_and_listed() {
    let repository = Repository::new(&[
        (".claude-plugin/plugin.json", r#"{"name": "kit", "description": "d"}"#),
        ("agents/helper.md", &agent("helper", "Helps.")),
        ("commands/go.md", "---\ndescription: Goes.\n---\nGo.\n"),
        ("skills/pdf/SKILL.md", &agent("pdf", "Reads.")),
        ("skills/pdf/scripts/run.sh", "echo run\n"),
        ("hooks/hooks.json", r#"{"hooks": {}}"#),
        ("LICENSE", "MIT\n"),
        ("src/main.rs", "fn main() {}\n"),
        ("docs/guide.md", "# Guide\n"),
    ]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let project = Project::new();
    let added = project.run(&["add", &repository.url(), "--name", "kit", "--json"]).json(0);
    assert_eq!((added["name"].as_str(), added["commit"].as_str()), (Some("kit"), Some(commit.as_str())));
    assert_eq!(added["definitions"], serde_json::json!({ "agents": 1, "commands": 1, "skills": 1 }));
    assert_eq!(
        files(&project, ".orch/library/kit"),
        [
            ".claude-plugin/plugin.json",
            "LICENSE",
            "agents/helper.md",
            "commands/go.md",
            "hooks/hooks.json",
            "skills/pdf/SKILL.md",
            "skills/pdf/scripts/run.sh"
        ]
    );
    assert_eq!(
        (names(&project, "agent"), names(&project, "skill")),
        (vec!["helper".to_owned()], vec!["pdf".to_owned()])
    );
    let pins = read_lock(&project.root().join(".orch/library.lock")).unwrap();
    assert_eq!((pins.len(), pins[0].commit.as_deref(), pins[0].files), (1, Some(commit.as_str()), 7));
    assert_eq!(pins[0].digest, tree_digest(&project.root().join(".orch/library/kit")).unwrap());
    // Its own folders come first, the library's name finds the other.
    project.write("agents/helper.md", &agent("helper", "Ours."));
    assert!(project.run(&["show", "helper"]).stdout.contains("Ours."));
    assert!(project.run(&["show", "kit:helper"]).stdout.contains("Helps."));
    let source = project.run(&["list", "--all", "--source"]).stdout;
    assert!(source.contains("[added, Claude Code]"), "{source}");
    let list = project.run(&["list", "--all", "--json"]).json(0);
    let hooks = list.as_array().unwrap().iter().find(|line| line["kind"] == "hooks").unwrap();
    assert_eq!((&hooks["used"], hooks["plugin"].as_str()), (&serde_json::json!(false), Some("kit")));
    assert!(hooks["source"].as_str().unwrap().ends_with(&format!(" at {}", &commit[..12])), "{hooks}");
    let schema = serde_json::from_str(orch::service::schema("list").unwrap()).unwrap();
    assert_eq!(orch::base::schema_faults(&schema, &list).unwrap(), Vec::<String>::new());
    // A second time under the same name is refused, and changes nothing.
    let again = project.run(&["add", &repository.url(), "--name", "kit"]);
    assert!(again.code == Some(2) && again.stderr.contains("E0543"), "{}", again.stderr);
    assert_eq!(project.run(&["check", "--strict"]).code, Some(0));
    let done = project.run(&["remove", "kit"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "removed [root]/.orch/library/kit\n"));
    assert!(!project.root().join(".orch/library/kit").exists());
    assert_eq!(read_lock(&project.root().join(".orch/library.lock")).unwrap(), []);
    assert_eq!(project.run(&["remove", "kit"]).code, Some(11));
}

#[test]
fn one_plugin_of_a_marketplace_and_one_kind_of_it() {
    let repository = Repository::new(&[
        (
            ".claude-plugin/marketplace.json",
            r#"{"name": "shop", "plugins": [{"name": "docs", "source": "./plugins/docs"}, {"name": "core", "source": "./"  , "skills": ["./skills/x"], "strict": false}]}"#,
        ),
        ("plugins/docs/agents/writer.md", &agent("writer", "Writes.")),
        ("plugins/docs/commands/draft.md", "Draft.\n"),
        ("plugins/other/agents/o.md", &agent("o", "d")),
        ("skills/x/SKILL.md", &agent("x", "d")),
    ]);
    let project = Project::new();
    let url = repository.url();
    let done = project.run(&["add", &format!("docs@{url}"), "--only", "agents"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        files(&project, ".orch/library/docs"),
        [".claude-plugin/marketplace.json", "plugins/docs/agents/writer.md"]
    );
    assert!(project.run(&["show", "docs:writer"]).stdout.contains("Writes."));
    let wrong = project.run(&["add", &format!("dosc@{url}")]);
    assert!(wrong.code == Some(11) && wrong.stderr.contains("did you mean `docs`?"), "{}", wrong.stderr);
    assert_eq!(project.run(&["add", &format!("core@{url}")]).code, Some(0));
    assert_eq!(files(&project, ".orch/library/core"), [".claude-plugin/marketplace.json", "skills/x/SKILL.md"]);
    // All of it, into the user's library.
    assert_eq!(project.run(&["add", &url, "--name", "all", "--user"]).code, Some(0));
    assert_eq!(names(&project, "agent"), ["o", "writer"]);
    assert_eq!(project.run(&["remove", "all"]).code, Some(0));
}

#[test]
fn a_plain_folder_and_one_folder_of_a_repository() {
    let repository = Repository::new(&[
        ("pack/deep/agents/a.md", &agent("a", "d")),
        ("pack/deep/workflows/w.yaml", "steps:\n  - { prompt_file: prompts/p.md, agent: a }\n"),
        ("pack/deep/workflows/prompts/p.md", "Do it.\n"),
        ("pack/deep/workflows/prompts/unused.md", "Unused.\n"),
    ]);
    let project = Project::new();
    let done = project.run(&["add", &repository.url()]);
    assert!(done.code == Some(11) && done.stderr.contains("`#pack/deep`"), "{}", done.stderr);
    let done = project.run(&["add", &format!("{}#pack/deep", repository.path().display()), "--name", "plain"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(files(&project, ".orch/library/plain"), ["agents/a.md", "workflows/prompts/p.md", "workflows/w.yaml"]);
    assert_eq!(project.run(&["plan", "w"]).code, Some(0));
    assert_eq!(files(&project, ".orch/library").len(), 3, "{:?}", files(&project, ".orch/library"));
    // What was typed relative to the project is found by other clones of it.
    project.write("vendor/agents/v.md", &agent("v", "d"));
    assert_eq!(project.run(&["add", "vendor"]).code, Some(0));
    assert!(project.read(".orch/library.lock").contains("source = \"./vendor\""));
    assert_eq!(project.run(&["update", "vendor", "--check"]).code, Some(0));
}

#[test]
fn nothing_of_a_hostile_repository_has_any_effect() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("secret.md"), "SECRET").unwrap();
    let repository = Repository::new(&[("agents/good.md", &agent("good", "d"))]);
    let marker = secret.path().join("ran");
    let evil = format!("touch {}", marker.display());
    // Links out of it, to a file and to a folder.
    symlink(secret.path().join("secret.md"), repository.path().join("agents/link.md")).unwrap();
    symlink(secret.path(), repository.path().join("skills")).unwrap();
    // Filters, attributes, a hook that is committed, large file storage.
    repository.write(&[
        (".gitattributes", "*.md filter=evil\n"),
        (".lfsconfig", "[lfs]\n\turl = https://example.invalid\n"),
        (".git/hooks/post-checkout", &format!("#!/bin/sh\n{evil}\n")),
        (".git/hooks/pre-upload", &format!("#!/bin/sh\n{evil}\n")),
    ]);
    for hook in ["post-checkout", "pre-upload"] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(repository.path().join(".git/hooks").join(hook), fs::Permissions::from_mode(0o755))
            .unwrap();
    }
    repository.git(&["add", "--all"]);
    // A submodule whose address is a command.
    repository.write(&[(".gitmodules", &format!("[submodule \"x\"]\n\tpath = sub\n\turl = ext::sh -c {evil}\n"))]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    repository.git(&["add", ".gitmodules"]);
    repository.git(&["commit", "--quiet", "-m", "evil"]);
    // A tree with a path that leads out of it, which git itself would not make.
    let blob = repository.git(&["hash-object", "-w", "agents/good.md"]);
    let inner = repository.tree(&[("100644", "escaped.md", &blob)]);
    let upper = repository.tree(&[("40000", "..", &inner)]);
    let agents = repository.git(&["rev-parse", "HEAD:agents"]);
    let root = repository.tree(&[("40000", ".git", &inner), ("40000", "agents", &agents), ("40000", "zz", &upper)]);
    let bad = repository.git(&["commit-tree", &root, "-m", "escape"]);
    repository.git(&["branch", "escape", &bad]);

    let project = Project::new();
    let done = project.run(&["add", &repository.url(), "--name", "evil", "--json"]).json(0);
    assert_eq!(files(&project, ".orch/library/evil"), ["agents/good.md"]);
    let skipped = done["skipped"].to_string();
    assert!(skipped.contains("agents/link.md") && skipped.contains("links are not followed"), "{skipped}");
    // Either git or orch refuses the tree; nothing stands outside of the library in any case.
    let done = project.run(&["add", &repository.url(), "--name", "escape", "--ref", "escape"]);
    if done.code == Some(0) {
        assert_eq!(files(&project, ".orch/library/escape"), ["agents/good.md"]);
    }
    assert!(
        !project.root().join(".orch/library/escaped.md").exists() && !project.root().join(".orch/escaped.md").exists()
    );
    assert!(!marker.exists(), "something of the repository ran");
    for all in files(&project, ".") {
        assert!(!fs::read_to_string(project.root().join(&all)).unwrap().contains("SECRET"), "{all}");
    }
    // A link in a plain folder, and sources that are commands.
    let done = project.run(&["add", &repository.path().display().to_string(), "--name", "folder"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(files(&project, ".orch/library/folder"), ["agents/good.md"]);
    for source in [format!("ext::sh -c {evil}"), format!("--upload-pack={evil}"), "http://example.org/x".to_owned()] {
        let done = project.run(&["add", "--", &source]);
        assert!(done.code == Some(2) && done.stderr.contains("E0540"), "{source}: {}", done.stderr);
    }
    let done = project.run(&["add", &repository.url(), "--name", "r", "--ref=--upload-pack=x"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert_eq!(project.run(&["add", &repository.url(), "--name", "../x"]).code, Some(2));
    assert!(!marker.exists());
}

impl Repository {
    /// A tree with entries that `git add` would refuse.
    fn tree(&self, entries: &[(&str, &str, &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, object) in entries {
            bytes.extend(format!("{mode} {name}\0").bytes());
            bytes.extend((0..20).map(|at| u8::from_str_radix(&object[2 * at..2 * at + 2], 16).unwrap()));
        }
        fs::write(self.0.path().join(".git/tree"), bytes).unwrap();
        self.git(&["hash-object", "-w", "-t", "tree", "--literally", ".git/tree"])
    }
}

#[test]
fn a_source_beyond_the_limits_is_refused_and_leaves_nothing() {
    let repository = Repository::new(&[("agents/a.md", &agent("a", "d"))]);
    for number in 0..20_001 {
        fs::write(repository.path().join(format!("agents/n{number}.md")), "x").unwrap();
    }
    repository.commit(&[]);
    let project = Project::new();
    for source in [repository.url(), repository.path().display().to_string()] {
        let done = project.run(&["add", &source, "--name", "huge"]);
        assert!(done.code == Some(1) && done.stderr.contains("E0545"), "{}", done.stderr);
    }
    // One file that is too large is left out, and said so.
    let repository = Repository::new(&[("agents/a.md", &agent("a", "d")), ("agents/big.md", &"x".repeat(9 << 20))]);
    let done = project.run(&["add", &repository.url(), "--name", "big"]);
    assert!(done.stdout.contains("left out agents/big.md: it is larger than 8 MB"), "{}", done.stdout);
    assert_eq!(files(&project, ".orch/library"), ["big/agents/a.md"]);
}

#[test]
fn an_update_shows_what_changes_and_asks() {
    let repository = Repository::new(&[
        ("agents/a.md", &agent("a", "First.")),
        ("agents/b.md", &agent("b", "d")),
        ("agents/c.md", &agent("c", "d")),
    ]);
    let project = Project::new();
    project.run(&["add", &repository.url(), "--name", "kit"]);
    let first = project.read(".orch/library.lock");
    project.run(&["update"]).is(
        0,
        &format!("kit is up to date, from {} at {}\n", repository.url(), &repository.git(&["rev-parse", "HEAD"])[..12]),
        "",
    );
    fs::remove_file(repository.path().join("agents/b.md")).unwrap();
    let second = repository.commit(&[("agents/a.md", &agent("a", "Second.")), ("agents/n.md", &agent("n", "d"))]);
    let looked = project.run(&["update", "kit", "--check"]);
    assert_eq!(looked.code, Some(0));
    for line in [
        "  changed  agents/a.md\n",
        "  removed  agents/b.md\n",
        "  added    agents/n.md\n",
        "-description: First.\n",
        "+description: Second.\n",
    ] {
        assert!(looked.stdout.contains(line), "{line:?} in {}", looked.stdout);
    }
    assert_eq!(project.read(".orch/library.lock"), first);
    // Nobody is there to say yes.
    let asked = project.run(&["update", "kit"]);
    assert!(asked.code == Some(2) && asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(names(&project, "agent"), ["a", "b", "c"]);
    let done = project.run(&["update", "kit", "--yes", "--json"]).json(0);
    assert_eq!(
        (&done["updates"][0]["applied"], done["updates"][0]["commit"].as_str()),
        (&serde_json::json!(true), Some(second.as_str()))
    );
    assert_eq!(names(&project, "agent"), ["a", "c", "n"]);
    assert_eq!(project.run(&["check", "--strict"]).code, Some(0));
    assert_eq!(files(&project, ".orch/library"), ["kit/agents/a.md", "kit/agents/c.md", "kit/agents/n.md"]);
}

#[test]
fn what_was_edited_is_named_at_load_and_never_lost() {
    let repository = Repository::new(&[("agents/a.md", &agent("a", "First."))]);
    let project = Project::new();
    project.run(&["add", &repository.url(), "--name", "kit"]);
    project.write(".orch/library/kit/agents/a.md", &agent("a", "Mine."));
    let checked = project.run(&["check"]);
    assert!(checked.stdout.contains("E0174") && checked.stdout.contains("orch update kit"), "{}", checked.stdout);
    repository.commit(&[("agents/a.md", &agent("a", "Second."))]);
    for words in [&["update", "kit", "--yes"][..], &["remove", "kit"]] {
        let done = project.run(words);
        assert!(done.code == Some(1) && done.stderr.contains("E0544"), "{words:?} {}", done.stderr);
        assert!(project.read(".orch/library/kit/agents/a.md").contains("Mine."));
    }
    let done = project.run(&["update", "kit", "--yes", "--force", "--json"]).json(0);
    let kept = PathBuf::from(
        done["updates"][0]["kept"].as_str().unwrap().replace("[root]", &project.root().display().to_string()),
    );
    assert!(fs::read_to_string(kept.join("agents/a.md")).unwrap().contains("Mine."));
    assert!(project.read(".orch/library/kit/agents/a.md").contains("Second."));
    assert_eq!(project.run(&["check", "--strict"]).code, Some(0));
    // A folder that is gone comes back, and a strange one is named.
    fs::remove_dir_all(project.root().join(".orch/library/kit")).unwrap();
    assert!(project.run(&["check"]).stdout.contains("E0176"));
    assert_eq!(project.run(&["update", "--yes"]).code, Some(0));
    assert!(project.read(".orch/library/kit/agents/a.md").contains("Second."));
    project.write(".orch/library/stray/agents/s.md", &agent("s", "d"));
    assert!(project.run(&["check"]).stdout.contains("E0175"));
    let done = project.run(&["update", "stray"]);
    assert!(done.code == Some(11) && done.stderr.contains("E0548"), "{}", done.stderr);
}

#[test]
fn a_tag_a_branch_and_a_commit_are_found() {
    let repository = Repository::new(&[("agents/a.md", &agent("a", "First."))]);
    repository.git(&["tag", "v1"]);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.commit(&[("agents/a.md", &agent("a", "Second."))]);
    let project = Project::new();
    for (name, reference) in [("tag", "v1"), ("whole", first.as_str()), ("short", &first[..9])] {
        let done = project.run(&["add", &repository.url(), "--name", name, "--ref", reference]);
        assert_eq!(done.code, Some(0), "{name}: {}", done.stderr);
        assert!(project.read(&format!(".orch/library/{name}/agents/a.md")).contains("First."), "{name}");
    }
    let done = project.run(&["add", &repository.url(), "--name", "none", "--ref", "no-such-branch"]);
    assert!(done.code == Some(1) && done.stderr.contains("E0541"), "{}", done.stderr);
    assert!(!project.root().join(".orch/library/none").exists());
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_or_the_new_one() {
    let file = |number: usize, state: &str| (format!("agents/a{number}.md"), agent(&format!("a{number}"), state));
    let all = |state: &str| (0..400).map(|number| file(number, state)).collect::<Vec<_>>();
    let repository = Repository::new(&[]);
    let commit = |state: &str| {
        let files = all(state);
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        repository.commit(&files)
    };
    commit("one");
    let project = Project::new();
    project.run(&["add", &repository.url(), "--name", "kit"]);
    let folder = project.root().join(".orch/library/kit");
    let mut states = vec![tree_digest(&folder).unwrap()];
    let mut killed = 0;
    let whole = {
        let begin = Instant::now();
        project.run(&["update", "kit", "--check"]);
        begin.elapsed()
    };
    for round in 0..16u32 {
        commit(&format!("state {round}"));
        let mut child = project.command(&["update", "kit", "--yes"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + whole * round / 12;
        // Whoever looks while it works finds one of the two.
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            for number in [0, 200, 399] {
                assert!(folder.join(file(number, "").0).is_file(), "round {round}: a{number} is not there");
            }
        }
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().ok();
        child.wait().unwrap();
        // Every file of it is of one state, and all are there.
        let texts: Vec<_> =
            (0..400).map(|number| fs::read_to_string(folder.join(file(number, "").0)).unwrap()).collect();
        let state = texts[0].lines().find(|line| line.starts_with("description")).unwrap();
        assert!(texts.iter().all(|text| text.contains(state)), "round {round} is torn");
        states.push(tree_digest(&folder).unwrap());
        // The lock file is whole, and the next update mends what is left.
        assert_eq!(read_lock(&project.root().join(".orch/library.lock")).unwrap().len(), 1);
    }
    println!("{killed} of 16 were killed before their end");
    assert!(killed >= 4, "{killed} were killed");
    let deadline = Instant::now() + Duration::from_secs(60);
    while project.run(&["update", "kit", "--yes"]).code != Some(0) {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(project.run(&["check", "--strict"]).code, Some(0));
    assert_eq!(files(&project, ".orch/library").len(), 400);
}

#[test]
fn a_kill_between_the_folder_and_its_entry_is_no_edit() {
    let repository = Repository::new(&[("agents/a.md", &agent("a", "state 0"))]);
    let project = Project::new();
    project.run(&["add", &repository.url(), "--name", "kit"]);
    let folder = project.root().join(".orch/library/kit");
    let lock = project.root().join(".orch/library.lock");
    let inode = || fs::metadata(&folder).map(|meta| meta.ino()).unwrap_or_default();
    let mut between = 0;
    for round in 1..=20u32 {
        repository.commit(&[("agents/a.md", &agent("a", &format!("state {round}")))]);
        let before = inode();
        let mut child = project.command(&["update", "kit", "--yes"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment the new folder is in its place.
        while inode() == before && child.try_wait().unwrap().is_none() {}
        child.kill().ok();
        child.wait().unwrap();
        let pinned = read_lock(&lock).unwrap().remove(0).digest;
        between += u32::from(tree_digest(&folder).unwrap() != pinned);
        // Upstream goes on, and so does the next update: nobody has edited anything here.
        repository.commit(&[("agents/a.md", &agent("a", &format!("state {round}, later")))]);
        let done = project.run(&["update", "kit", "--yes"]);
        assert_eq!(done.code, Some(0), "round {round}: {}", done.stderr);
        assert!(project.read(".orch/library/kit/agents/a.md").contains("later"));
        assert_eq!(tree_digest(&folder).unwrap(), read_lock(&lock).unwrap().remove(0).digest);
    }
    println!("{between} of 20 were killed between the two");
    assert!(between > 0, "no kill came between the two");
    // What people edit is still theirs.
    project.write(".orch/library/kit/agents/a.md", &agent("a", "mine"));
    let done = project.run(&["update", "kit", "--yes"]);
    assert!(done.code == Some(1) && done.stderr.contains("E0544"), "{}", done.stderr);
    assert!(fs::read_dir(folder.parent().unwrap()).unwrap().count() == 1, "something was left behind");
}
