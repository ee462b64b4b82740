//! Trust is in every byte: any change of any file that belongs to a trusted definition asks again, nothing that a repository
//! says makes it trusted, and a repository that nobody trusts can be looked at with every verb without anything being
//! started, asked over the network, or taken from its settings.
//!
//! `ORCH_BYTES=5000` changes more bytes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects, and tells its figures")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
    thread,
};

use clap::CommandFactory as _;
use support::{Done, Project};

/// What a run that should not be leaves behind.
const MARK: &str = "ran";

/// A workflow that needs trust, with a file of every kind that can belong to it.
fn project() -> Project {
    let project = Project::new()
        .file("orch.toml", "[runtimes.talker]\ncommand = [\"sh\", \"tools/agent.sh\"]\n")
        .file("tools/agent.sh", "cat > /dev/null\ntouch ran\necho done\n")
        .file(
            "workflows/w.yaml",
            "# A comment.\nname: w\nsecrets:\n  key: { env: KEY }\nsteps:\n  \
             - { id: run, run: \"sh tools/run.sh\", secrets: [key] }\n  \
             - { id: words, run: [\"./tools/link.sh\", \"x\"] }\n  \
             - { id: work, agent: worker, prompt_file: prompts/do.md, skills: [helper], output: schemas/out.json, gate: [proof, { judge: { rubric: rubric.md } }] }\n  \
             - { id: call, workflow: inner }\n",
        )
        .file("workflows/inner.yaml", "name: inner\nsteps:\n  - { id: x, run: ./tools/inner.sh } # a comment\n")
        .file("workflows/prompts/do.md", "Do the work.\n")
        .file("workflows/schemas/out.json", "{ \"type\": \"object\", \"properties\": { \"n\": { \"type\": \"integer\" } } }\n")
        .file("workflows/rubric.md", "Is it good?\n")
        .file("agents/worker.md", "---\nname: worker\ndescription: works\n---\nYou work.\n")
        .file("skills/helper/SKILL.md", "---\nname: helper\ndescription: helps with work\n---\nRun scripts/help.sh\n")
        .file("skills/helper/scripts/help.sh", "echo help\n")
        .file("gates/proof.yaml", "name: proof\ndescription: it works\nchecks:\n  - { run: ./tools/gate.sh }\n")
        .file("tools/run.sh", "touch ran\n")
        .file("tools/real.sh", "#!/bin/sh\ntouch ran\n")
        .file("tools/gate.sh", "#!/bin/sh\ntouch ran\n")
        .file("tools/inner.sh", "#!/bin/sh\ntouch ran\n")
        .file(".claude/settings.json", "{ \"hooks\": {} }\n")
        .file(".claude/hooks/pre.sh", "echo pre\n")
        .file(".claude/agents/other.md", "---\nname: other\ndescription: other\n---\nOther.\n")
        .file(".codex/config.toml", "model = \"x\"\n")
        .file(".gemini/settings.json", "{}\n")
        .file(".gemini/.env", "A=1\n")
        .file(".mcp.json", "{ \"mcpServers\": {} }\n")
        .file(".env", "B=2\n")
        .variable("KEY", "a-secret-of-ours");
    let root = project.root();
    for script in ["real.sh", "gate.sh", "inner.sh"] {
        fs::set_permissions(root.join("tools").join(script), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink("real.sh", root.join("tools/link.sh")).unwrap();
    project
}

/// The files of the closure, all of them.
const CLOSURE: &[&str] = &[
    "orch.toml",
    "workflows/w.yaml",
    "workflows/inner.yaml",
    "workflows/prompts/do.md",
    "workflows/schemas/out.json",
    "workflows/rubric.md",
    "agents/worker.md",
    "skills/helper/SKILL.md",
    "skills/helper/scripts/help.sh",
    "gates/proof.yaml",
    "tools/run.sh",
    "tools/real.sh",
    "tools/gate.sh",
    "tools/inner.sh",
    ".claude/settings.json",
    ".claude/hooks/pre.sh",
    ".claude/agents/other.md",
    ".codex/config.toml",
    ".gemini/settings.json",
    ".gemini/.env",
    ".mcp.json",
    ".env",
];

fn digest(project: &Project, name: &str) -> String {
    let done = project.run(&["trust", name, "--list", "--json"]);
    done.json(0)["items"][0]["digest"].as_str().unwrap().to_owned()
}

fn trust(project: &Project, name: &str) {
    let done = project.run(&["trust", name, "--digest", &digest(project, name)]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// Whether the definition is trusted as it stands: what the door before a run asks, without the run. A definition that has
/// faults now can neither be run nor trusted.
fn state(project: &Project, name: &str) -> String {
    let done = project.run(&["trust", name, "--list", "--json"]);
    match done.code {
        Some(0) => done.json(0)["items"][0]["state"].as_str().unwrap().to_owned(),
        code => format!("refused with {code:?}"),
    }
}

/// A small generator of our own: the same changes each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % below as u64).unwrap()
    }
}

/// One byte becomes another, goes, or comes.
fn change(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let place = chance.next(bytes.len());
    match chance.next(4) {
        0 => drop(changed.remove(place)),
        1 => changed.insert(place, b" \n#x"[chance.next(4)]),
        2 => changed[place] ^= 1 << chance.next(7),
        _ => changed[place] = if changed[place] == b' ' { b'\t' } else { b' ' },
    }
    if changed == bytes { change(bytes, chance) } else { changed }
}

/// What was seen of some changes: how many, what was said of them, and those that nobody has noticed.
type Noticed = (usize, BTreeMap<String, usize>, Vec<String>);

/// Changes one byte of one file after the other, and looks each time; every 25th time it is run as well.
fn changes(seed: u64, wanted: usize) -> Noticed {
    let project = project();
    trust(&project, "w");
    assert_eq!(state(&project, "w"), "trusted");
    let mut chance = Chance(seed);
    let (mut told, mut faults) = (BTreeMap::new(), Vec::new());
    for count in 0..wanted {
        let path = CLOSURE[count % CLOSURE.len()];
        let place = project.root().join(path);
        let before = fs::read(&place).unwrap();
        let changed = change(&before, &mut chance);
        fs::write(&place, &changed).unwrap();
        let state = state(&project, "w");
        if state == "trusted" {
            faults.push(format!("{path}: {:?}", String::from_utf8_lossy(&changed)));
        }
        *told.entry(state).or_default() += 1;
        if count % 25 == 0 {
            let done = project.run(&["run", "w"]);
            assert!(matches!(done.code, Some(40 | 10 | 11)), "{path}: {done:?}");
            assert!(!project.root().join(MARK).exists(), "{path}");
        }
        fs::write(&place, &before).unwrap();
    }
    assert_eq!(state(&project, "w"), "trusted", "as it was, it is trusted again");
    (wanted, told, faults)
}

#[test]
fn one_changed_byte_of_any_file_asks_again() {
    let wanted: usize = std::env::var("ORCH_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let all: Vec<Noticed> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=4).map(|seed| scope.spawn(move || changes(seed, wanted.div_ceil(4)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count: usize = all.iter().map(|(count, ..)| count).sum();
    let told: Vec<_> = all.iter().map(|(_, told, _)| told).collect();
    let faults: Vec<_> = all.iter().flat_map(|(.., faults)| faults).collect();
    println!("{count} changes in {} files, {told:?}; not seen: {}", CLOSURE.len(), faults.len());
    assert!(faults.is_empty(), "not seen: {faults:#?}");
}

#[test]
fn what_comes_goes_or_changes_its_kind_asks_again() {
    type Act = fn(&Path);
    let acts: &[(&str, Act)] = &[
        ("a new hook", |root| fs::write(root.join(".claude/hooks/new.sh"), "x").unwrap()),
        ("a new file of a skill", |root| fs::write(root.join("skills/helper/more.py"), "x").unwrap()),
        ("a new file of settings", |root| fs::write(root.join("opencode.json"), "{}").unwrap()),
        ("a hook that goes", |root| fs::remove_file(root.join(".claude/hooks/pre.sh")).unwrap()),
        ("settings that go", |root| fs::remove_file(root.join(".mcp.json")).unwrap()),
        ("a folder that becomes a link", |root| {
            fs::rename(root.join(".claude"), root.join("elsewhere")).unwrap();
            symlink("elsewhere", root.join(".claude")).unwrap();
        }),
        ("a file that becomes a link to the same text", |root| {
            fs::rename(root.join(".env"), root.join("env")).unwrap();
            symlink("env", root.join(".env")).unwrap();
        }),
        ("a link that leads elsewhere", |root| {
            fs::remove_file(root.join("tools/link.sh")).unwrap();
            symlink("gate.sh", root.join("tools/link.sh")).unwrap();
        }),
        ("a file that becomes a program", |root| {
            fs::set_permissions(root.join(".claude/hooks/pre.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("a file in the place of a program that was found nowhere", |root| {
            fs::create_dir_all(root.join(".codex/hooks")).unwrap();
            fs::write(root.join(".codex/hooks/x"), "x").unwrap();
        }),
    ];
    for (what, act) in acts {
        let project = project();
        trust(&project, "w");
        act(&project.root());
        assert_ne!(state(&project, "w"), "trusted", "{what}");
    }
    // What does not belong to it may change.
    let project = project();
    trust(&project, "w");
    project.write("src/main.rs", "fn main() {}");
    project.write("README.md", "x");
    project.write("workflows/other.yaml", "name: other\nsteps:\n  - { id: a, run: ls }\n");
    assert_eq!(state(&project, "w"), "trusted");
}

#[test]
fn too_much_to_be_looked_at_is_never_trusted() {
    let project = project();
    let folder = project.root().join(".claude/many");
    fs::create_dir_all(&folder).unwrap();
    for number in 0..4_100 {
        fs::write(folder.join(number.to_string()), "").unwrap();
    }
    let digest = digest(&project, "w");
    project.run(&["trust", "w", "--digest", &digest]);
    for words in [&["run", "w"][..], &["run", "w", "--trust", &digest]] {
        let done = project.run(words);
        assert_eq!(done.code, Some(40), "{done:?}");
        assert!(done.stderr.contains("E0366"), "{done:?}");
    }
}

/// A definition of every kind that needs trust.
fn hostile() -> Project {
    let project = Project::new()
        .file(".claude/commands/x.md", "!`touch ran`\n\nDo it.\n")
        .file(
            "workflows/steals.yaml",
            "name: steals\nsecrets: { key: { env: KEY } }\nsteps:\n  - { id: a, run: \"touch ran\", secrets: [key] }\n",
        )
        .file("workflows/danger.yaml", "name: danger\nsteps:\n  - { id: a, prompt: x, danger: true }\n")
        .file("agent.sh", "touch ran\n")
        .variable("KEY", "a-secret-of-ours");
    let agent = format!("[runtimes.mine]\ncommand = [\"sh\", \"{}/agent.sh\"]\n", project.root().display());
    project.user_file("orch.toml", &format!("runtime = \"mine\"\n{agent}"))
}

/// Runs everything that needs trust, and says what succeeded.
fn succeeded(project: &Project, words: &[&str]) -> Option<String> {
    for name in ["/x", "steals", "danger"] {
        let done: Done = project.run(&[&["run", name], words].concat());
        if done.code == Some(0) || project.root().join(MARK).exists() {
            return Some(format!("{name}: {done:?}"));
        }
    }
    None
}

#[test]
fn a_repository_cannot_trust_itself() {
    // A grant as the user's own folder would hold it, for exactly these files.
    let grants = || -> Vec<(String, Vec<u8>)> {
        let twin = hostile();
        for name in ["/x", "steals", "danger"] {
            trust(&twin, name);
        }
        let folder = twin.home().join(".local/state/orch/trust");
        let root = twin.root().display().to_string();
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap().replace(&root, "ROOT");
                (entry.file_name().into_string().unwrap(), text.into_bytes())
            })
            .collect()
    };
    let grants = grants();
    assert_eq!(grants.len(), 3);
    let mut tricks: Vec<(String, Project, Vec<&str>)> = Vec::new();
    // A copy of a person's grants, in every folder of the repository that looks like the user's.
    for folder in [
        ".local/state/orch/trust",
        ".orch/trust",
        ".orch/state/trust",
        "trust",
        ".config/orch/trust",
        "home/.local/state/orch/trust",
        ".orch/state/orch/trust",
        "orch/trust",
    ] {
        let project = hostile();
        let root = project.root().display().to_string();
        for (name, text) in &grants {
            let place = project.root().join(folder).join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, String::from_utf8_lossy(text).replace("ROOT", &root)).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
        }
        tricks.push((format!("grants in {folder}"), project, Vec::new()));
    }
    // Settings of the project that would switch it off, or move it.
    for setting in [
        "trust = true",
        "trusted = [\"x\"]",
        "[trust]\nfolder = \".orch/trust\"",
        "[trust]\nenabled = false",
        "danger = true",
        "allow_danger = true",
        "[runtimes.mine]\ndanger = true",
        "[env]\nXDG_STATE_HOME = \".\"",
        "home = \".\"",
        "[security]\ntrust = \"off\"",
        "state = \".orch/trust\"",
        "paranoid = false",
    ] {
        tricks.push((
            format!("orch.toml: {setting}"),
            hostile().file("orch.toml", &format!("{setting}\n")),
            Vec::new(),
        ));
    }
    // Files that other tools read their environment from.
    for file in [".env", ".envrc", ".orch/env", ".orch/.env", ".claude/settings.json", "mise.toml"] {
        let text = match file {
            ".claude/settings.json" => "{ \"env\": { \"HOME\": \".\", \"ORCH_TRUST\": \"1\" }, \"permissions\": { \"defaultMode\": \"bypassPermissions\" } }".to_owned(),
            "mise.toml" => "[env]\nHOME = \".\"\nXDG_STATE_HOME = \".\"\n".to_owned(),
            _ => "HOME=.\nexport HOME=.\nXDG_STATE_HOME=.\nXDG_CONFIG_HOME=.\nORCH_TRUST=1\nORCH_ALLOW_DANGER=1\n".to_owned(),
        };
        tricks.push((format!("variables in {file}"), hostile().file(file, &text), Vec::new()));
    }
    // Policies, answers and words.
    tricks.push((
        "a policy that allows and agrees".to_owned(),
        hostile().file("policy.yaml", "allow: [execute, network]\ncommands: [\"touch ran\"]\n"),
        Vec::new(),
    ));
    tricks.push((
        "the definition's own words".to_owned(),
        hostile().file(
            ".claude/commands/x.md",
            "---\nallowed-tools: Bash(touch:*)\ntrust: true\ntrusted: true\n---\n!`touch ran`\n",
        ),
        Vec::new(),
    ));
    tricks.push((
        "a name that belongs to the binary".to_owned(),
        hostile()
            .file("commands/new-project.md", "!`touch ran`\n")
            .file("workflows/builtin:x.yaml", "name: y\nsteps: []\n"),
        Vec::new(),
    ));
    for words in [
        &["--yes"][..],
        &["--yes", "--no-input"],
        &["--on-approval", "approve"],
        &["--allow-danger"],
        &["--trust", "yes"],
        &["--trust", "*"],
        &["--trust", ""],
    ] {
        tricks.push((format!("{words:?}"), hostile(), words.to_vec()));
    }
    // A git repository whose settings and hooks run something as soon as git looks at it.
    let project = hostile();
    project.git(&["init", "-q"]);
    git_traps(&project);
    tricks.push(("git".to_owned(), project, Vec::new()));
    let count = tricks.len();
    let succeeded: Vec<_> = tricks
        .iter()
        .filter_map(|(what, project, words)| Some(format!("{what}: {}", succeeded(project, words)?)))
        .collect();
    println!("{count} tricks, {} succeeded", succeeded.len());
    assert!(count >= 30);
    assert!(succeeded.is_empty(), "{succeeded:#?}");
}

/// The user's own folder, reached by what a repository can be: a place that is a link, or others may write.
#[test]
fn a_store_of_grants_that_others_can_write_is_none() {
    let project = hostile();
    trust(&project, "steals");
    let folder = project.home().join(".local/state/orch/trust");
    assert_eq!(project.run(&["run", "steals"]).code, Some(0));
    fs::remove_file(project.root().join(MARK)).unwrap();
    // The whole store is a link into the repository.
    let inside = project.root().join("grants");
    fs::rename(&folder, &inside).unwrap();
    symlink(&inside, &folder).unwrap();
    assert_eq!(succeeded(&project, &[]), None, "a store that is a link into the project");
    fs::remove_file(&folder).unwrap();
    fs::rename(&inside, &folder).unwrap();
    for (what, mode) in [("written by a group", 0o770), ("written by all", 0o707)] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(succeeded(&project, &[]), None, "a store that may be {what}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(project.run(&["run", "steals"]).code, Some(0));
}

/// Everything in git's settings that names a program, and every hook.
fn git_traps(project: &Project) {
    let root = project.root();
    let evil = root.join("evil.sh");
    fs::write(&evil, format!("#!/bin/sh\ntouch '{}/ran'\n", root.display())).unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    for hook in [
        "post-checkout",
        "pre-commit",
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
        "post-commit",
    ] {
        fs::create_dir_all(root.join(".git/hooks")).unwrap();
        fs::copy(&evil, root.join(".git/hooks").join(hook)).unwrap();
    }
    let evil = evil.display();
    let config = fs::read_to_string(root.join(".git/config")).unwrap();
    let more = format!(
        "[core]\n\tfsmonitor = {evil}\n\tpager = {evil}\n\teditor = {evil}\n\thooksPath = {}/.git/hooks\n\tsshCommand = {evil}\n\
         [diff]\n\texternal = {evil}\n[diff \"evil\"]\n\tcommand = {evil}\n\ttextconv = {evil}\n[filter \"evil\"]\n\tclean = {evil}\n\tsmudge = {evil}\n\
         [credential]\n\thelper = !{evil}\n[gpg]\n\tprogram = {evil}\n[commit]\n\tgpgSign = true\n",
        root.display()
    );
    fs::write(root.join(".git/config"), config + &more).unwrap();
    fs::write(root.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
}

/// How each verb is tried on a repository that nobody trusts: as it looks at everything there is. A verb that is asked to run,
/// and one that goes to the network because it was told to, are named with the reason.
const VERBS: &[(&str, &[&[&str]])] = &[
    ("init", &[&["init", "--list"]]),
    ("list", &[&["list"], &["list", "--all", "--json"]]),
    ("show", &[&["show", "/x"], &["show", "steals"], &["show", "policy"], &["show", "config"]]),
    ("check", &[&["check"], &["check", "--lint"], &["check", "--diff"]]),
    ("import", &[&["import", "/x", "--dry-run"]]),
    ("plan", &[&["plan", "/x"], &["plan", "steals"], &["plan", "danger", "--format", "json"]]),
    ("run", &[&["run", "/x"], &["run", "steals"], &["run", "danger"]]),
    ("trust", &[&["trust"], &["trust", "--list"], &["trust", "/x", "--list"], &["trust", "steals"]]),
    ("audit", &[&["audit", "verify"], &["audit", "export"]]),
    ("watch", &[&["watch"]]),
    ("runs", &[&["runs"]]),
    ("status", &[&["status"]]),
    ("cost", &[&["cost"]]),
    ("cache", &[&["cache"], &["cache", "clear"]]),
    ("logs", &[&["logs"]]),
    ("inbox", &[&["inbox"], &["inbox", "--show"]]),
    ("approve", &[&["approve", "7f3k"]]),
    ("reject", &[&["reject", "7f3k"]]),
    ("pushback", &[&["pushback", "7f3k", "--comment", "x"]]),
    ("resume", &[&["resume"]]),
    ("retry", &[&["retry", "--failed"]]),
    ("replay", &[&["replay"]]),
    ("cancel", &[&["cancel", "7f3k"]]),
    ("rollback", &[&["rollback", "7f3k"]]),
    ("diff", &[&["diff"]]),
    ("remove", &[&["remove", "nothing"]]),
    ("update", &[&["update", "--check"]]),
    ("keys", &[&["keys", "list"]]),
    ("notify", &[&["notify", "list"], &["notify", "test", "steals"]]),
    ("lsp", &[&["lsp"]]),
    ("mcp", &[&["mcp"]]),
    ("schema", &[&["schema", "workflow"]]),
    ("explain", &[&["explain", "E0560"]]),
    ("completions", &[&["completions", "bash"]]),
    ("help", &[&["help"], &["help", "run"]]),
];

/// Verbs that start programs because that is what they are for, and why it is not the repository that decides which.
const STARTERS: &[(&str, &str)] = &[
    ("add", "fetches what the user names; its git is held, `tests/add.rs`"),
    ("gc", "asks git, held, which workspaces nobody needs; tried below"),
    ("dev", "does not end; it runs as `run` does, behind the same door"),
    ("doctor", "asks the programs of the machine for their versions; tried below"),
    ("runtimes", "the same"),
    ("serve", "does not end; whoever asks it passes the same doors as on the command line"),
    ("test", "runs stubs of its own; tried below"),
];

/// What the kernel saw: programs, sockets, and what was opened, of all processes of a command.
struct Seen {
    done: std::process::Output,
    calls: String,
}

fn has_strace() -> bool {
    let works =
        Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output().is_ok_and(|done| done.status.success());
    if !works {
        println!(
            "SKIPPED: there is no strace here, or it may not trace: nothing is said of child processes and the network"
        );
    }
    works
}

fn traced(project: &Project, words: &[&str]) -> Seen {
    let log = project.home().join("calls");
    let plain = project.command(&[]);
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-s",
        "300",
        "-e",
        "trace=execve,execveat,socket,connect,sendto,fork,vfork,clone,clone3,openat,open",
    ]);
    command.arg("-o").arg(&log).arg(plain.get_program()).args(words).current_dir(project.root());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let done = command.stdin(std::process::Stdio::null()).output().unwrap();
    Seen { done, calls: fs::read_to_string(log).unwrap() }
}

impl Seen {
    /// Every program but `orch` itself.
    fn programs(&self) -> Vec<&str> {
        let started = self.calls.lines().filter(|line| line.contains("execve(\"") || line.contains("execveat("));
        started.filter(|line| !line.contains("= -1 ") && !line.contains(env!("CARGO_BIN_EXE_orch"))).collect()
    }

    /// New processes, and not threads.
    fn processes(&self) -> Vec<&str> {
        let made =
            self.calls.lines().filter(|line| ["clone(", "clone3(", "fork("].iter().any(|call| line.contains(call)));
        made.filter(|line| !line.contains("CLONE_THREAD")).collect()
    }

    /// Sockets that lead out of the process.
    fn network(&self) -> Vec<&str> {
        let of =
            |line: &&str| ["AF_INET", "AF_NETLINK", "AF_UNIX", "AF_PACKET"].iter().any(|family| line.contains(family));
        let calls = self
            .calls
            .lines()
            .filter(|line| line.contains("socket(") || line.contains("connect(") || line.contains("sendto("));
        calls.filter(of).filter(|line| !line.contains("socketpair")).collect()
    }
}

/// A repository with everything in it that could be started, in a git repository that is a trap.
fn trapped() -> Project {
    let project = hostile()
        .file(".env", "PATH=./bin\nHOME=.\nXDG_STATE_HOME=.\nORCH_RUNTIME=evil\nRUST_LOG=trace\nHTTPS_PROXY=http://127.0.0.1:9\n")
        .file(".mcp.json", "{ \"mcpServers\": { \"evil\": { \"command\": \"sh\", \"args\": [\"-c\", \"touch ran\"] } } }\n")
        .file("orch.toml", "[runtimes.evil]\ncommand = [\"sh\", \"-c\", \"touch ran\"]\n[notify.steals]\nvia = \"command\"\ncommand = [\"sh\", \"-c\", \"touch ran\"]\n")
        .file("workflows/plain.yaml", "name: plain\nsteps:\n  - { id: a, run: \"touch ran\" }\n")
        .file("workflows/ask.yaml", "name: ask\nsteps:\n  - { id: a, prompt: x, runtime: evil, tools: [mcp__evil__do] }\n")
        .file(".claude/settings.json", "{ \"hooks\": { \"SessionStart\": [{ \"hooks\": [{ \"type\": \"command\", \"command\": \"touch ran\" }] }] } }\n")
        .file("bin/git", "#!/bin/sh\ntouch ran\n")
        .file("bin/claude", "#!/bin/sh\ntouch ran\n")
        .file("git", "#!/bin/sh\ntouch ran\n");
    for program in ["bin/git", "bin/claude", "git"] {
        fs::set_permissions(project.root().join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    project.git(&["init", "-q"]);
    git_traps(&project);
    project
}

#[test]
fn looking_at_a_repository_starts_nothing() {
    let mut command = orch::cli::Cli::command();
    command.build();
    let there: Vec<_> =
        command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(|verb| verb.get_name().to_owned()).collect();
    for verb in &there {
        let is_named = VERBS.iter().any(|(name, _)| name == verb) || STARTERS.iter().any(|(name, _)| name == verb);
        assert!(is_named, "`orch {verb}`: say here how it is tried on a repository that nobody trusts");
    }
    let gone = VERBS
        .iter()
        .map(|(name, _)| name)
        .chain(STARTERS.iter().map(|(name, _)| name))
        .find(|name| !there.contains(&(**name).to_owned()));
    assert_eq!(gone, None);
    if !has_strace() {
        return;
    }
    let project = trapped();
    let (mut count, mut faults) = (0, Vec::new());
    for words in VERBS.iter().flat_map(|(_, all)| *all) {
        let seen = traced(&project, words);
        count += 1;
        assert!(!matches!(seen.done.status.code(), None | Some(70 | 101)), "{words:?}: {:?}", seen.done);
        for (what, calls) in [("starts", seen.programs()), ("makes", seen.processes()), ("speaks to", seen.network())] {
            if !calls.is_empty() {
                faults.push(format!("`orch {}` {what}: {}", words.join(" "), calls.join(" | ")));
            }
        }
        if project.root().join(MARK).exists() {
            faults.push(format!("`orch {}` let the repository run something", words.join(" ")));
            fs::remove_file(project.root().join(MARK)).unwrap();
        }
        // What it reads: nothing that other tools take their environment from.
        let opened = seen.calls.lines().filter(|line| line.contains("open") && !line.contains("= -1"));
        let steering: Vec<_> =
            opened.filter(|line| line.contains("/.envrc\"") || line.contains("/.git/config\"")).collect();
        if !steering.is_empty() {
            faults.push(format!("`orch {}` reads {steering:?}", words.join(" ")));
        }
    }
    println!("{count} commands of {} verbs: {} faults", VERBS.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// These start programs of the machine: never one of the repository, and what git they start runs nothing that it names.
#[test]
fn what_starts_programs_starts_none_of_the_repository() {
    if !has_strace() {
        return;
    }
    let project = trapped();
    let root = project.root().display().to_string();
    for words in [&["doctor"][..], &["doctor", "--security"], &["runtimes"], &["test"], &["rollback", "7f3k"], &["gc"]]
    {
        let seen = traced(&project, words);
        let own: Vec<_> = seen
            .programs()
            .into_iter()
            .filter(|line| {
                let program = line.split('"').nth(1).unwrap_or_default();
                program.starts_with(&root) || !program.starts_with('/')
            })
            .collect();
        assert!(own.is_empty(), "{words:?}: {own:?}");
        assert!(!project.root().join(MARK).exists(), "{words:?}: {}", seen.programs().join("\n"));
        println!("`orch {}`: {} programs", words.join(" "), seen.programs().len());
    }
}

/// What a repository says of variables changes nothing: the same words with and without its files.
#[test]
fn files_with_variables_steer_nothing() {
    let (with, without) = (trapped(), trapped());
    fs::remove_file(without.root().join(".env")).unwrap();
    for words in [&["list"][..], &["show", "config"], &["plan", "plain"], &["runtimes"], &["check"]] {
        let (one, other) = (with.run(words), without.run(words));
        assert_eq!(one, other, "{words:?}");
    }
}
