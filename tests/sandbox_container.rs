//! A step in a container: what the engine is told, letter by letter, by a program that only writes it down; and what gets
//! out of a real container, where podman and runc are there. Says loudly where they are not.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

#[path = "sandbox/image.rs"]
mod image;

#[path = "sandbox/world.rs"]
mod world;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use image::Engine;
use support::{Done, Project};
use world::World;

/// For `world.rs`, which is used by other files as well.
pub fn project() -> Project {
    Engine::real().expect("asked for before").project()
}

fn run(project: &Project, step: &str) -> Done {
    project.write(".orch/workflows/one.yaml", &format!("steps:\n{step}"));
    let mut done = project.run(&["run", "one"]);
    done.stdout.push_str(&done.stderr);
    done
}

/// Writes down what it is told, and does nothing else.
const SCRIBE: &str = r#"#!/bin/sh
log=$(dirname "$0")
echo "$@" >> "$log/calls"
case "$1" in
run)
  printf '%s\n' "$@" > "$log/words"
  env > "$log/own"
  while [ $# -gt 0 ]; do
    case "$1" in
    --env-file) cat "$2" > "$log/variables" ;;
    --cidfile) [ -e "$log/silent" ] || echo id > "$2" ;;
    esac
    shift
  done
  [ ! -e "$log/slow" ] || sleep 60
  exit "$(cat "$log/code")" ;;
ps) [ ! -e "$log/left" ] || cat "$log/left" ;;
esac
"#;

/// A project whose engine is the scribe, and its folder.
fn with_scribe(code: &str) -> (Project, PathBuf) {
    let project = Project::new();
    let folder = project.home().join("engine");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("docker"), SCRIBE).unwrap();
    fs::write(folder.join("code"), code).unwrap();
    fs::set_permissions(folder.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let settings = "[container]\nimage = \"rust:1.90\"\nmemory = \"2G\"\nprocesses = 99\n";
    let project = project.variable("PATH", &path).variable("OWN", "1").variable("DOCKER_HOST", "unix:///there");
    (project.file("orch.toml", settings), folder)
}

#[test]
fn the_engine_is_told_this_and_nothing_else() {
    let (project, engine) = with_scribe("0");
    let step = "  - id: a\n    sandbox: { mode: container, network: none }\n    \
                env: { LD_PRELOAD: /evil.so, DOCKER_HOST: tcp://evil, WORD: \"of a step\" }\n    run: [cargo, test, \"a b\"]\n";
    let done = run(&project, step);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let root = project.root().display().to_string();
    let words = fs::read_to_string(engine.join("words")).unwrap();
    let run = done.stdout.split_whitespace().nth(1).unwrap().to_owned();
    let attempt = format!("{root}/.orch/state/runs/{run}/attempts/0-1");
    let mut words: Vec<String> = words
        .lines()
        .map(|word| word.replace(&attempt, "[attempt]").replace(&root, "[root]").replace(&run, "RUN"))
        .collect();
    for word in &mut words {
        // What differs from run to run: a random part of the name, and where the variables are read.
        if let Some((name, _)) = word.split_once("orch-RUN-") {
            let end = if word.ends_with(".id") { ".id" } else { "" };
            *word = format!("{name}orch-RUN-N{end}");
        } else if word.starts_with("/proc/") {
            "/proc/P/fd/N".clone_into(word);
        }
    }
    let user = fs::metadata(project.root()).map(|found| {
        use std::os::unix::fs::MetadataExt as _;
        format!("{}:{}", found.uid(), found.gid())
    });
    let held = |names: &[&str]| names.iter().map(|name| mount(&format!("[root]/{name}"), true)).collect::<Vec<_>>();
    let mut expected: Vec<String> = [
        "run",
        "--rm",
        "-i",
        "--pull",
        "never",
        "--name",
        "orch-RUN-N",
        "--label",
        "orch.run=RUN",
        "--cidfile",
        "[attempt]/tmp/orch-RUN-N.id",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--read-only",
        "--security-opt",
        "seccomp=[attempt]/filter.json",
        "--pids-limit",
        "99",
        "--memory",
        "2000000000",
        "--network",
        "none",
        "--user",
        &user.unwrap(),
        "--env-file",
        "/proc/P/fd/N",
        "--workdir",
        "[root]",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut mounts = vec![mount("[root]", false)];
    mounts.extend(held(&[".claude", ".codex", ".cursor", ".gemini", ".mcp.json", ".orch"]));
    mounts.push("type=bind,source=[attempt]/covers/N,target=[root]/.orch/state,readonly".to_owned());
    mounts.push(mount("[attempt]", false));
    mounts.extend(["order.json", "stderr.log", "stdout.log"].map(|name| mount(&format!("[attempt]/{name}"), true)));
    mounts.extend(held(&[".vscode", "orch.lock", "orch.toml"]));
    if !root.starts_with("/var/tmp") {
        mounts.push("type=bind,source=[attempt]/tmp,target=/var/tmp".to_owned());
    }
    if !root.starts_with("/tmp") {
        mounts.push("type=bind,source=[attempt]/tmp,target=/tmp".to_owned());
    }
    let told: Vec<String> =
        words.iter().filter(|word| word.starts_with("type=")).map(|word| numberless(word)).collect();
    words.retain(|word| !word.starts_with("type=") && word != "--mount");
    let mut sorted = (told.clone(), mounts);
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
    let place = |at: &str| told.iter().position(|word| word.contains(&format!("target={at}"))).unwrap();
    assert!(place("[root]/.orch,") < place("[root]/.orch/state,") && place("[root]/.orch/state,") < place("[attempt]"));
    expected.extend(["--entrypoint", "cargo", "--", "rust:1.90", "test", "a b"].map(str::to_owned));
    assert_eq!(words, expected);
    let variables = fs::read_to_string(engine.join("variables")).unwrap();
    for line in ["LD_PRELOAD=/evil.so", "DOCKER_HOST=tcp://evil", "WORD=of a step"] {
        assert!(variables.lines().any(|other| other == line), "{variables}");
    }
    assert!(!variables.contains("\nPATH=") && variables.contains("\nORCH_RUN="), "{variables}");
    // The engine itself hears its user, never the step.
    let own = fs::read_to_string(engine.join("own")).unwrap();
    assert!(
        own.contains("DOCKER_HOST=unix:///there\n") && !own.contains("evil") && !own.contains("of a step"),
        "{own}"
    );
}

fn mount(path: &str, is_frozen: bool) -> String {
    format!("type=bind,source={path},target={path}{}", if is_frozen { ",readonly" } else { "" })
}

/// A mount without the number of its cover.
fn numberless(word: &str) -> String {
    let Some((before, after)) = word.split_once("/covers/") else { return word.to_owned() };
    format!("{before}/covers/N{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn what_is_missing_is_said_before_anything_starts() {
    let step = "  - { id: a, sandbox: container, run: \"true\" }\n";
    let (project, engine) = with_scribe("0");
    let no_image = Project::new();
    let (hosts, _) = with_scribe("0");
    let none = Project::new().file("orch.toml", "[container]\nimage = \"a\"\n").variable("PATH", "/nowhere");
    fs::write(engine.join("docker"), "#!/bin/sh\n[ \"$1\" = version ] && exit 0\necho 'No such image' >&2\nexit 1\n")
        .unwrap();
    for (project, step, words) in [
        (&no_image, step, "name no image"),
        (&none, step, "neither docker nor podman is on PATH"),
        (&project, step, "has no image `rust:1.90` (No such image)"),
        (&hosts, "  - { id: a, sandbox: { mode: container, network: [a.example] }, run: \"true\" }\n", "names hosts"),
    ] {
        let done = run(project, step);
        assert_eq!(done.code, Some(41), "{words}: {}", done.stdout);
        assert!(done.stdout.contains("E0375") && done.stdout.contains(words), "{words}: {}", done.stdout);
        assert!(done.stdout.contains("help: "), "{}", done.stdout);
    }
    fs::write(engine.join("docker"), "#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n").unwrap();
    let settings = "[container]\nimage = \"a\"\nengine = \"docker\"\n";
    let done = run(&project.file("orch.toml", settings), step);
    assert!(done.code == Some(41) && done.stdout.contains("Cannot connect to the daemon"), "{}", done.stdout);
}

#[test]
fn an_image_is_never_an_option_and_an_engine_never_a_path() {
    for settings in ["image = \"--privileged\"", "image = \"a b\"", "engine = \"./evil\"", "engine = \"sh\""] {
        let project = Project::new().file("orch.toml", &format!("[container]\n{settings}\n"));
        let done = run(&project, "  - { id: a, sandbox: container, run: \"true\" }\n");
        assert!(done.code != Some(0) && done.stdout.contains("error["), "{settings}: {}", done.stdout);
        assert!(done.stdout.contains("orch.toml"), "{settings}: {}", done.stdout);
    }
}

#[test]
fn how_it_ended_is_told_as_it_was() {
    let step = "  - { id: a, sandbox: container, run: \"true\" }\n";
    for (code, words) in [("7", "ended with exit code 7"), ("125", "ended with exit code 125")] {
        let (project, _) = with_scribe(code);
        let done = run(&project, step);
        assert!(done.code == Some(1) && done.stdout.contains(words), "{code}: {}", done.stdout);
    }
    // No container was made, so this is the engine's own failure.
    let (project, engine) = with_scribe("125");
    fs::write(engine.join("silent"), "").unwrap();
    let done = run(&project, step);
    assert!(done.stdout.contains("the engine has made no container"), "{}", done.stdout);
}

#[test]
fn a_container_is_taken_away_with_its_attempt() {
    let (project, engine) = with_scribe("0");
    fs::write(engine.join("slow"), "").unwrap();
    let done = run(&project, "  - { id: a, sandbox: container, timeout: 1s, run: \"true\" }\n");
    assert_ne!(done.code, Some(0), "{}", done.stdout);
    let name = name(&engine);
    assert!(calls(&engine).contains(&format!("rm -f -v {name}")), "{:?}", calls(&engine));
}

#[test]
fn what_a_dead_orch_left_is_taken_away() {
    let (project, engine) = with_scribe("0");
    fs::write(engine.join("slow"), "").unwrap();
    project.write(".orch/workflows/one.yaml", "steps:\n  - { id: a, sandbox: container, run: \"true\" }\n");
    let mut orch = project.command(&["run", "one"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| engine.join("variables").exists());
    orch.kill().unwrap();
    orch.wait().unwrap();
    let name = name(&engine);
    // The keeper outlives its engine for as long as this takes.
    until(|| calls(&engine).contains(&format!("rm -f -v {name}")));
    // Where both were killed, whoever goes on with the run finds it by its label.
    fs::write(engine.join("left"), "abc123\n").unwrap();
    fs::remove_file(engine.join("slow")).unwrap();
    fs::write(engine.join("calls"), "").unwrap();
    let done = project.run(&["resume"]);
    let calls = calls(&engine);
    assert!(calls.iter().any(|call| call.starts_with("ps -a -q --filter label=orch.run=")), "{done:?} {calls:?}");
    assert!(calls.contains(&"rm -f -v abc123".to_owned()), "{calls:?}");
}

fn calls(engine: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(engine.join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The name of the container that the scribe was asked for.
fn name(engine: &std::path::Path) -> String {
    let words = fs::read_to_string(engine.join("words")).unwrap();
    words.lines().skip_while(|word| *word != "--name").nth(1).unwrap().to_owned()
}

/// Waits for what other processes do.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not happen");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What does no harm where the tree and the processes are the container's own: a folder of memory stands where the home
/// would be, and nobody is the parent of the first process. That nothing of this machine has changed is looked at.
const HARMLESS: &[&str] = &["create_user_settings_of_an_agent", "signal_orch"];

#[test]
fn nothing_gets_out_of_a_real_container() {
    let Some(_) = Engine::real() else { return };
    let world = World::new();
    let confined = world.attempts("container");
    assert!(confined.len() >= 40, "{}", confined.len());
    let got_out: Vec<_> =
        confined.iter().filter(|(name, word)| word.as_str() == "done" && !HARMLESS.contains(&name.as_str())).collect();
    assert!(got_out.is_empty(), "got out: {got_out:#?}");
    world.assert_untouched();
    eprintln!("{} attempts in a container, 0 got out", confined.len());
}

#[test]
fn a_real_container_does_its_work_and_leaves_nothing() {
    let Some(engine) = Engine::real() else { return };
    let project = engine.project().file(
        "work.sh",
        "echo made > made; echo t > $TMPDIR/t; cat /etc/hostname > /dev/null; echo \"$WORD\"; \
         touch /etc/new 2> /dev/null && exit 9; touch .orch/new 2> /dev/null && exit 8; ls .orch/state/orch.db 2> /dev/null && exit 7; exit 3\n",
    );
    let done =
        run(&project, "  - id: a\n    sandbox: container\n    env: { WORD: \"of a step\" }\n    run: [sh, work.sh]\n");
    assert!(done.stdout.contains("ended with exit code 3") && done.stdout.contains("of a step"), "{}", done.stdout);
    assert!(done.stdout.contains("sandbox container"), "{}", done.stdout);
    assert_eq!(project.read("made"), "made\n");
    // One that hears no signal, and one whose `orch` is killed.
    let slow = "trap '' TERM; touch begun; sleep 100 & sleep 100\n";
    let project = project.file("slow.sh", slow);
    let step = "  - { id: a, sandbox: container, timeout: 3s, run: [sh, slow.sh] }\n";
    let done = run(&project, step);
    assert!(done.stdout.contains("ran longer than"), "{}", done.stdout);
    assert_eq!(engine.left(&project), "", "{}", done.stdout);
    fs::remove_file(project.root().join("begun")).unwrap();
    project.write(".orch/workflows/one.yaml", &format!("steps:\n{}", step.replace("timeout: 3s, ", "")));
    let mut orch = project.command(&["run", "one"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| project.root().join("begun").exists());
    assert_ne!(engine.left(&project), "");
    orch.kill().unwrap();
    orch.wait().unwrap();
    until(|| engine.left(&project).is_empty());
}
