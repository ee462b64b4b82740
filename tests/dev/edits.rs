//! Random edits of eight kinds, one after the other. After each the last state that was told is what a fresh look at
//! the files gives. `ORCH_DEV_EDITS` says how many (default 120), `ORCH_DEV_SEED` which.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use orch::{
    base::render::to_json,
    config::{Environment, Flags},
    definition::Scope,
    service::{Opening, check, find_runnable},
};
use serde_json::{Value, json};

use super::{support::Project, watcher::Watcher};

/// Files that a checkout changes.
const CHECKED_OUT: usize = 500;

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// What `orch check` and `orch plan` say now.
fn now(project: &Project) -> Value {
    let home = project.root().parent().unwrap().join("home");
    let environment = Environment::of([("HOME".into(), home.into())], project.root(), 1);
    let open = orch::service::Project::open(&project.root(), Opening::Search, &environment, &Flags::new()).unwrap();
    let library = open.library();
    let workflows = library.workflows.iter().map(|one| (one.workflow.name.value.clone(), one.origin.scope));
    let commands = library.commands.iter().map(|one| (format!("/{}", one.name), one.origin.scope));
    let mut plans = BTreeMap::new();
    for (name, _) in workflows.chain(commands).filter(|(_, scope)| *scope != Scope::Builtin) {
        if let Ok(runnable) = find_runnable(&open, &name) {
            plans.insert(name, runnable.plan.digest);
        }
    }
    let checked = check(&open, &[]).unwrap();
    json!({ "plans": plans, "diagnostics": checked.diagnostics.iter().map(to_json).collect::<Vec<_>>() })
}

fn content(state: &Value) -> Value {
    json!({ "plans": state["plans"], "diagnostics": state["diagnostics"] })
}

fn git(root: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.hooksPath=/dev/null"]);
    command.args(words).current_dir(root).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let done = command.output().unwrap();
    assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn flow(name: &str, words: &str) -> String {
    format!(
        "name: {name}\ndescription: {words}\nsteps:\n  - {{ id: one, agent: worker, skills: [care], prompt_file: prompts/one.md, tools: [Read] }}\n  - {{ id: two, run: \"echo {words}\", recovery: retry }}\n"
    )
}

fn agent(name: &str, words: &str) -> String {
    format!("---\nname: {name}\ndescription: works\ntools: [Read]\n---\nYou {words}.\n")
}

fn begin() -> Project {
    let project = Project::new()
        .file("workflows/base.yaml", &flow("base", "begin"))
        .file("workflows/prompts/one.md", "one")
        .file("skills/care/SKILL.md", "---\nname: care\ndescription: Care for it\n---\nCare.\n")
        .file("commands/ask.md", "---\ndescription: asks\n---\nAsk $ARGUMENTS\n")
        .file("agents/worker.md", &agent("worker", "work"))
        .file(".gitignore", ".orch/state\n");
    for place in 0..CHECKED_OUT {
        project.write(&format!("agents/many/a{place}.md"), &agent(&format!("a{place}"), "work"));
    }
    git(&project.root(), &["init", "-b", "main"]);
    git(&project.root(), &["add", "-A"]);
    git(&project.root(), &["commit", "-m", "one"]);
    git(&project.root(), &["checkout", "-b", "other"]);
    for place in 0..CHECKED_OUT {
        // Some of them have faults, so that a file that was not read again shows.
        let text = if place % 50 == 0 { "---\nname: [\n---\n".to_owned() } else { agent(&format!("a{place}"), "rest") };
        project.write(&format!("agents/many/a{place}.md"), &text);
    }
    project.write("workflows/base.yaml", &flow("base", "other"));
    git(&project.root(), &["commit", "-a", "-m", "two"]);
    git(&project.root(), &["checkout", "main"]);
    project
}

/// Files that edits may take: those that were made, and those that were there.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["workflows", "commands", "agents", ".claude"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("many") && !path.ends_with("prompts") {
                folders.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn text_for(path: &Path, rng: &mut Rng, count: u64) -> String {
    let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
    let words = format!("edit {count}");
    match rng.below(6) {
        0 => format!("---\nname: [{count}\n---\n"),
        1 => format!("name: {stem}\nwhat{count}: 1\n"),
        _ if path.extension().is_some_and(|ending| ending == "yaml") => flow(&stem, &words),
        _ => agent(&stem, &words),
    }
}

/// One edit; gives its kind.
fn edit(project: &Project, rng: &mut Rng, count: u64, branch: &mut bool) -> &'static str {
    let root = project.root();
    let some = sources(&root);
    let path = rng.pick(&some).clone();
    let text = text_for(&path, rng, count);
    match rng.below(8) {
        0 => {
            fs::write(&path, text).unwrap();
            "write"
        }
        1 => {
            // As editors save: a swap file, a new file, and its place is taken.
            let folder = path.parent().unwrap();
            let (swap, new) = (folder.join(".x.swp"), folder.join(format!("4913-{count}")));
            fs::write(&swap, "swap").unwrap();
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
            fs::remove_file(swap).unwrap();
            "save"
        }
        2 => {
            if some.len() > 3 {
                fs::remove_file(&path).unwrap();
            }
            if rng.below(4) == 0 {
                drop(fs::remove_dir_all(root.join("workflows/deep")));
            }
            "delete"
        }
        3 => {
            let folder = *rng.pick(&["workflows", "workflows/deep/a/b", "agents/deep/x", ".claude/agents/y"]);
            let ending = if folder.starts_with("workflows") { "yaml" } else { "md" };
            let path = format!("{folder}/new{}.{ending}", rng.below(6));
            project.write(&path, &text_for(Path::new(&path), rng, count));
            "create"
        }
        4 => {
            let deep = root.join("workflows/deep");
            let aside = root.join("workflows/moved");
            match rng.below(3) {
                0 if deep.is_dir() && !aside.exists() => fs::rename(deep, aside).unwrap(),
                1 if aside.is_dir() && !deep.exists() => fs::rename(aside, deep).unwrap(),
                _ => {
                    let new = path.with_file_name(format!("moved{count}.{}", ending(&path)));
                    fs::rename(&path, new).unwrap();
                }
            }
            "rename"
        }
        5 => {
            let mode = if rng.below(2) == 0 { 0o600 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let same = fs::read(&path).unwrap();
            fs::write(&path, same).unwrap();
            "touch"
        }
        6 => {
            *branch = !*branch;
            git(&root, &["checkout", "-f", if *branch { "other" } else { "main" }]);
            "checkout"
        }
        _ => {
            let (path, text) = match rng.below(3) {
                0 => ("workflows/prompts/one.md", format!("prompt {count}")),
                1 => ("agents/worker.md", agent("worker", &format!("work {count}"))),
                _ => ("skills/care/SKILL.md", format!("---\nname: care\ndescription: Care\n---\nCare {count}.\n")),
            };
            project.write(path, &text);
            "part"
        }
    }
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn no_edit_is_lost() {
    let (edits, seed) = (number("ORCH_DEV_EDITS", 120), number("ORCH_DEV_SEED", 7));
    let project = begin();
    let mut dev = Watcher::start(&project, &[]);
    let mut last = content(&dev.state());
    assert_eq!(last, now(&project));
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut branch, mut told) = (false, 0);
    for count in 0..edits {
        let kind = edit(&project, &mut rng, count, &mut branch);
        *kinds.entry(kind).or_default() += 1;
        let wanted = now(&project);
        let deadline = Instant::now() + Duration::from_secs(30);
        while last != wanted {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(state) = dev.next_within(left) else {
                panic!("edit {count} ({kind}) of seed {seed} was lost\ntold: {last:#}\nwanted: {wanted:#}");
            };
            let next = content(&state);
            assert_ne!(next, last, "the same was told twice after edit {count} ({kind})");
            (last, told) = (next, told + 1);
        }
        // Sometimes the next edit comes at once, sometimes it is quiet first.
        std::thread::sleep(Duration::from_millis(rng.below(40) as u64));
    }
    println!("{edits} edits of seed {seed}, 0 lost, {told} states told: {kinds:?}");
    assert!(kinds.len() == 8 || edits < 100, "{kinds:?}");
    // The program itself agrees.
    let said: Value = serde_json::from_str(&project.run(&["check", "--json"]).stdout).unwrap();
    assert_eq!(said["diagnostics"], last["diagnostics"]);
    for (name, digest) in last["plans"].as_object().unwrap() {
        assert_eq!(*digest, project.run(&["plan", name, "--json"]).json(0)["digest"], "{name}");
    }
    dev.typed("q");
}
