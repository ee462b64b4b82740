// All that is tried in a sandbox, whoever makes it: taken in by one file for each way.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::net::UnixListener,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use support::Project;
use world::World;

/// What works without a sandbox only for root, or only where the machine has what it reaches for.
const ONLY_SOMEWHERE: &[&str] = &[
    // Root may, others may not.
    "write_by_proc_of_init",
    "make_writable_by_remount",
    "mount_over",
    "mounts_by_the_new_calls",
    "another_root",
    "namespaces_of_another",
    "read_disk",
    "make_own_disk",
    "raw_socket",
    "packet_socket",
    "settings_of_the_kernel",
    "keys_of_the_console",
    "uncover_by_umount",
    "terminals_of_others",
    "programs_in_the_kernel",
    "files_by_number",
    "counters_of_the_kernel",
    "socket_of_the_kernel",
    "state_of_a_service",
    "rights_over_the_machine",
    "trace_another",
    "memory_of_another",
    "memory_of_another_by_call",
    "descriptor_of_another",
    "read_environment_of_another",
    // The kernel may have been built without it.
    "faults_by_hand",
    "ring_of_calls",
    "other_numbers_of_calls",
    "socket_of_the_host_of_this_machine",
    "namespaces_again",
    "namespaces_again_by_clone",
    "namespaces_again_by_clone3",
    // The keeper hands on no descriptor to anybody, sandbox or not.
    "write_by_inherited_descriptor",
    // There may be no network at all.
    "network_has_a_way_out",
];

fn has_python() -> bool {
    let is_there = Command::new("python3").arg("-V").output().is_ok_and(|done| done.status.success());
    if !is_there {
        eprintln!("SKIPPED: no python3 on this machine, so no escape is tried");
    }
    is_there
}

/// A project whose `orch` makes sandboxes in this file's way only.
pub fn project() -> Project {
    Project::new().variable("ORCH_SANDBOX_WITHOUT", WITHOUT)
}

fn can_confine(project: &Project) -> bool {
    let health = project.run(&["doctor"]);
    let is_possible = health.stdout.contains(WORKS);
    if !is_possible {
        eprintln!("SKIPPED: this machine makes no sandbox in this way ({WORKS}): {}", health.stdout);
    }
    is_possible
}

#[test]
fn nothing_gets_out() {
    if !has_python() {
        return;
    }
    let control = World::new();
    if !can_confine(&control.project) {
        return;
    }
    let free = control.attempts("off");
    let world = World::new();
    let confined = world.attempts("workspace-write");
    assert!(confined.len() >= 40, "{}", confined.len());
    let got_out: Vec<_> = confined.iter().filter(|(_, word)| word.as_str() == "done").collect();
    assert!(got_out.is_empty(), "got out: {got_out:#?}");
    world.assert_untouched();
    // Where nothing is writable, the first layer answers: the second alone would say "Permission denied".
    for name in ["write_by_path", "write_by_symlink", "create_hook", "settings_of_the_kernel"] {
        assert!(confined[name].contains("Read-only file system"), "{name}: {}", confined[name]);
    }
    // Without a sandbox the same attempts do their harm, so each of them shows something.
    let harmless: Vec<_> = free
        .iter()
        .filter(|(name, word)| word.as_str() != "done" && !ONLY_SOMEWHERE.contains(&name.as_str()))
        .collect();
    assert!(harmless.is_empty(), "proves nothing: {harmless:#?}");
    let done = free.iter().filter(|(_, word)| word.as_str() == "done").count();
    eprintln!("{} attempts: {done} work without a sandbox, 0 inside", confined.len());
}

/// With a network, sockets without a path and loopback services are in reach: only those that the network is may be.
#[test]
fn a_network_opens_nothing_but_the_network() {
    if !has_python() {
        return;
    }
    let world = World::new();
    if !can_confine(&world.project) {
        return;
    }
    let is_network =
        |name: &str| name.starts_with("loopback_") || name.starts_with("network_") || name == "name_by_udp";
    let confined = world.attempts("{ mode: workspace-write, network: any }");
    let (reached, got_out): (Vec<_>, Vec<_>) =
        confined.iter().filter(|(_, word)| word.as_str() == "done").partition(|(name, _)| is_network(name));
    assert!(got_out.is_empty(), "got out: {got_out:#?}");
    assert!(reached.len() >= 3, "the network is not there: {reached:?}");
    world.assert_untouched();
}

fn workflow(project: &Project, name: &str, text: &str) {
    project.write(&format!(".orch/workflows/{name}.yaml"), text);
}

/// Runs a workflow with one step. All that it says stands in `stdout`.
fn run(project: &Project, step: &str, flags: &[&str]) -> support::Done {
    workflow(project, "one", &format!("steps:\n{step}"));
    let mut words = vec!["run", "one"];
    words.extend(flags);
    let mut done = project.run(&words);
    done.stdout.push_str(&done.stderr);
    done
}

#[test]
fn a_confined_step_does_its_work() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    Command::new("git").args(["init", "-q"]).current_dir(project.root()).status().unwrap();
    let step = r#"  - id: work
    sandbox: workspace-write
    run: |
      echo made > made
      echo x > "$TMPDIR/x"
      echo y > /dev/shm/y
      echo z > /dev/null
      head -c 4 /dev/urandom | wc -c > four
      git add made
      git -c user.name=a -c user.email=a@b commit -qm made
      git status --short > status
      printf '{"n": 1}' > "$ORCH_OUTPUT"
      exit 0
    output: { n: integer }
"#;
    let done = run(&project, step, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert!(done.stdout.contains("sandbox workspace-write"), "{}", done.stdout);
    assert_eq!(project.read("four").trim(), "4");
    // What holds the place of protected files is neither seen nor committed, and gone afterwards.
    assert!(!project.read("status").contains(".mcp.json"), "{}", project.read("status"));
    for name in [".mcp.json", ".claude", ".gemini", ".codex", ".vscode", "orch.lock"] {
        assert!(!project.root().join(name).exists(), "{name} is left");
    }
}

#[test]
fn exit_codes_signals_and_missing_programs_look_as_ever() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    for (command, words) in [
        ("exit 7", "ended with exit code 7"),
        ("kill -9 $$", "was ended by signal 9"),
        ("exit 41", "ended with exit code 41"),
    ] {
        let step = format!("  - id: a\n    sandbox: workspace-write\n    run: \"{command}; true\"\n");
        let done = run(&project, &step.replace("; true\"", "\""), &[]);
        assert_eq!(done.code, Some(1), "{command}: {}", done.stdout);
        assert!(done.stdout.contains(words), "{command}: {}", done.stdout);
    }
    fs::write(project.root().join("plain.sh"), "echo plain > plain\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(project.root().join("plain.sh"), mode).unwrap();
    let done = run(&project, "  - id: a\n    sandbox: workspace-write\n    run: [./plain.sh]\n", &[]);
    assert_eq!(done.code, Some(0), "a script without a first line: {}", done.stdout);
    assert_eq!(project.read("plain"), "plain\n");
}

#[test]
fn read_only_writes_nothing_but_its_answer() {
    let project = project().file("there", "old\n");
    if !can_confine(&project) {
        return;
    }
    let step = "  - id: a\n    sandbox: read-only\n    run: |\n      cat there\n      echo t > \"$TMPDIR/t\"\n      ! touch new 2>/dev/null\n      ! echo x > there\n      echo '{\"n\":1}' > \"$ORCH_OUTPUT\"\n    output: { n: integer }\n";
    let done = run(&project, step, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert_eq!(project.read("there"), "old\n");
    assert!(!project.root().join("new").exists());
}

#[test]
fn the_command_line_confines_more_but_never_less() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    let outside = project.home().join("outside");
    let step = |sandbox: &str| format!("  - id: a\n{sandbox}    run: \"echo x > {}\"\n", outside.display());
    let done = run(&project, &step(""), &["--sandbox", "workspace-write"]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    let done = run(&project, &step("    sandbox: off\n"), &["--sandbox", "workspace-write"]);
    assert_eq!(done.code, Some(1), "a definition does not loosen what the command line says: {}", done.stdout);
    let done = run(&project, &step("    sandbox: workspace-write\n"), &["--sandbox", "off"]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(!outside.exists());
    let done = run(&project, &step("    sandbox: { mode: workspace-write, write: [~/] }\n"), &[]);
    assert_eq!(done.code, Some(0), "what the step names it may write: {}", done.stdout);
    assert!(outside.exists());
    let project = project.file("orch.toml", "sandbox = \"read-only\"\n");
    let done = run(&project, "  - id: a\n    run: touch here\n", &[]);
    assert_eq!(done.code, Some(1), "the settings are the standard: {}", done.stdout);
}

#[test]
fn variables_of_a_step_do_not_steer_the_helper() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    // The loader of programs writes there before a program's first line.
    let trace = project.home().join("trace");
    let step = format!(
        "  - id: a\n    sandbox: workspace-write\n    env: {{ LD_DEBUG: files, LD_DEBUG_OUTPUT: {} }}\n    run: \"true\"\n",
        trace.display()
    );
    let left = || {
        fs::read_dir(project.home())
            .unwrap()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("trace"))
    };
    run(&project, &step, &[]);
    assert!(!left(), "the helper obeyed the step before it was confined");
    run(&project, &step.replace("workspace-write", "off"), &[]);
    assert!(left(), "this loader does not trace, so the test proves nothing");
}

/// A variable of a step replaces one of the run: whoever reads the first of two would have the wrong one.
#[test]
fn a_variable_has_one_value() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    // From a file: the judge of commands lets nobody read the environment by name. The shell's own environment is as it got it.
    let project = project.file("copy.sh", "cat /proc/$$/environ > seen\n");
    let step = "  - id: a\n    sandbox: workspace-write\n    env: { HOME: /elsewhere }\n    run: [/bin/sh, copy.sh]\n";
    let done = run(&project, step, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let seen = project.read("seen");
    let homes: Vec<_> = seen.split('\0').filter(|line| line.starts_with("HOME=")).collect();
    assert_eq!(homes, ["HOME=/elsewhere"]);
}

#[test]
fn what_must_not_appear_is_taken_away_and_fails_the_step() {
    let project = project();
    if !has_python() || !can_confine(&project) {
        return;
    }
    Command::new("git").args(["init", "-q"]).current_dir(project.root()).status().unwrap();
    // From a file: the judge of commands does not see into it, and the sandbox must hold by itself.
    let project = project.file("evil.py", "open('.git/commondir', 'w').write('/evil')\n");
    let done = run(&project, "  - id: a\n    sandbox: workspace-write\n    run: [python3, evil.py]\n", &[]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(done.stdout.contains("commondir"), "{}", done.stdout);
    assert!(!project.root().join(".git/commondir").exists());
}

#[test]
fn a_protected_path_behind_a_link_is_refused() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    fs::create_dir(project.home().join("dotfiles")).unwrap();
    std::os::unix::fs::symlink(project.home().join("dotfiles"), project.root().join(".claude")).unwrap();
    let done = run(&project, "  - id: a\n    sandbox: workspace-write\n    run: touch here\n", &[]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(done.stdout.contains("sandbox cannot be made") && done.stdout.contains(".claude"), "{}", done.stdout);
    assert!(!project.root().join("here").exists());
}

#[test]
fn steps_side_by_side_hold_the_same_paths() {
    let project = project();
    if !has_python() || !can_confine(&project) {
        return;
    }
    let evil = "import os, sys, time\ntime.sleep(float(sys.argv[1]))\nfor harm in (lambda: open('.mcp.json', 'a'), lambda: os.mkdir('.claude/x')):\n    \
                try:\n        harm()\n    except OSError:\n        continue\n    sys.exit('it is not held')\n";
    let project = project.file("evil.py", evil);
    // The short ones end while the long ones still work: what holds a place must stay until the last.
    let steps: String = (0..6)
        .map(|n| format!("      - {{ id: s{n}, sandbox: workspace-write, run: [python3, evil.py, \"0.{n}\"] }}\n"))
        .collect();
    workflow(&project, "many", &format!("steps:\n  - id: all\n    parallel:\n{steps}"));
    let done = project.run(&["run", "many", "--parallel", "6"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(!project.root().join(".mcp.json").exists() && !project.root().join(".claude").exists());
}

/// What is covered may be gone before it is: other programs open and close their sockets as they like.
#[test]
fn sockets_that_come_and_go_stop_nobody() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let inner = folder.path().join(number.to_string());
                fs::create_dir(&inner).unwrap();
                let listeners: Vec<_> =
                    (0..8).map(|one| UnixListener::bind(inner.join(one.to_string())).unwrap()).collect();
                std::thread::sleep(Duration::from_millis(10));
                drop(listeners);
                fs::remove_dir_all(&inner).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let ended: Vec<_> = (0..12)
            .map(|_| run(&project, "  - { id: a, sandbox: workspace-write, run: 'true' }\n", &[]))
            .map(|done| (done.code, done.stdout))
            .collect();
        is_over.store(true, Ordering::Relaxed);
        for (code, said) in ended {
            assert_eq!(code, Some(0), "{said}");
        }
    });
}

#[test]
fn a_network_that_is_asked_for_is_there() {
    let project = project();
    if !has_python() || !can_confine(&project) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"hello").unwrap();
    });
    let talk = "import socket, sys\nopen('got', 'wb').write(socket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(5))\n";
    let itself =
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname())\n";
    let project = project.file("talk.py", talk).file("itself.py", itself);
    let step = format!(
        "  - id: a\n    sandbox: {{ mode: workspace-write, network: any }}\n    run: [python3, talk.py, \"{port}\"]\n"
    );
    let done = run(&project, &step, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    answer.join().unwrap();
    assert_eq!(project.read("got"), "hello");
    // Without one it still talks to itself.
    let step = "  - id: a\n    sandbox: workspace-write\n    run: [python3, itself.py]\n";
    let done = run(&project, step, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
}

/// An agent's program that notes outside of its workspace that it was there, and a command beside it that does so too.
fn with_agent(settings: &str) -> Project {
    let agent = "cat > /dev/null\necho agent > here\necho agent >> \"$HOME/outside\" || true\n\
                 printf '{\"status\":\"succeeded\",\"summary\":\"done\"}' > \"$ORCH_OUTPUT\"\n";
    let steps = "name: two\nsteps:\n  - { id: agent, prompt: Work }\n  - id: command\n    needs: [agent]\n    \
                 run: |\n      echo command >> \"$HOME/outside\" || true\n      curl --version > /dev/null || true\n";
    let alone = "name: alone\nsteps:\n  - { id: command, run: \"echo command >> \\\"$HOME/outside\\\" || true\" }\n";
    let settings = format!("{settings}runtime = \"mine\"\n[runtimes.mine]\ncommand = [\"sh\", \"./agent.sh\"]\n");
    project()
        .file("orch.toml", &settings)
        .file("agent.sh", agent)
        .file("workflows/two.yaml", steps)
        .file("workflows/alone.yaml", alone)
}

fn outside(project: &Project) -> String {
    fs::read_to_string(project.home().join("outside")).unwrap_or_default()
}

#[test]
fn where_agents_work_everything_is_confined_and_nobody_has_to_say_so() {
    let project = with_agent("");
    if !can_confine(&project) {
        return;
    }
    let done = project.run(&["run", "two"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("sandbox workspace-write"), "{}", done.stdout);
    assert_eq!((project.read("here").as_str(), outside(&project).as_str()), ("agent\n", ""));
    // Nobody but the user has written what runs there.
    let done = project.run(&["run", "alone"]);
    assert!(done.code == Some(0) && done.stderr.contains("sandbox off"), "{}{}", done.stdout, done.stderr);
    assert_eq!(outside(&project), "command\n");
    let done = project.run(&["run", "two", "--sandbox", "off"]);
    assert!(done.code == Some(0) && done.stderr.contains("sandbox off"), "{}{}", done.stdout, done.stderr);
    assert_eq!(outside(&project), "command\nagent\ncommand\n");
    let project = with_agent("sandbox = \"off\"\n");
    let done = project.run(&["run", "two"]);
    assert!(done.code == Some(0) && done.stderr.contains("sandbox off"), "{}{}", done.stdout, done.stderr);
    assert_eq!(outside(&project), "agent\ncommand\n");
}

/// Who fails by what the sandbox keeps is told what to write.
#[test]
fn a_step_that_wants_more_is_told_how_to_ask_for_it() {
    let project = with_agent("");
    if !can_confine(&project) {
        return;
    }
    project.write(
        "workflows/two.yaml",
        "name: two\nsteps:\n  - { id: agent, prompt: Work }\n  - { id: b, run: \"mkdir ~/new\" }\n",
    );
    let done = project.run(&["run", "two"]);
    let plain = (done.stdout.clone() + &done.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(done.code, Some(1), "{plain}");
    assert!(plain.contains("it ran in the sandbox `workspace-write`") && plain.contains("`sandbox: off`"), "{plain}");
}

/// Runs `orch` where the kernel makes no more namespaces; `None` where that cannot be arranged.
fn without_namespaces(project: &Project, words: &[&str]) -> Option<support::Done> {
    let orch = project.command(words);
    let line = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", line]).arg(orch.get_program()).args(orch.get_args());
    command.current_dir(orch.get_current_dir().unwrap()).env_clear();
    command.envs(orch.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Bubblewrap needs none where it is root.
    command.env("ORCH_SANDBOX_WITHOUT", "bubblewrap");
    let done = command.output().ok()?;
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    if stderr.contains("unshare:") || stderr.contains("max_user_namespaces") {
        return None;
    }
    Some(support::Done { code: done.status.code(), stdout: String::from_utf8_lossy(&done.stdout).into_owned(), stderr })
}

#[test]
fn where_there_is_no_sandbox_a_person_says_that_there_is_none() {
    let project = with_agent("");
    if !can_confine(&project) {
        return;
    }
    let Some(done) = without_namespaces(&project, &["run", "two"]) else {
        eprintln!("SKIPPED: no `unshare`, or it may not");
        return;
    };
    assert_eq!(done.code, Some(41), "{done:?}");
    assert!(done.stderr.contains("orch run two --sandbox off") && done.stderr.contains("E0344"), "{}", done.stderr);
    assert!(!project.root().join("here").exists());
    let done = without_namespaces(&project, &["run", "alone"]).unwrap();
    assert_eq!(done.code, Some(0), "it needs none: {done:?}");
    let done = without_namespaces(&project, &["run", "two", "--sandbox", "off"]).unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    // A run that began in a sandbox goes on in one or not at all.
    project.write(
        "workflows/two.yaml",
        "name: two\nsteps:\n  - { id: agent, prompt: Work }\n  - { id: ask, needs: [agent], approve: \"Go on?\" }\n  \
         - { id: last, needs: [ask], run: touch last }\n",
    );
    let done = project.run(&["run", "two"]);
    let run = done.stderr.split_whitespace().nth(1).unwrap().to_owned();
    assert_ne!(done.code, Some(0), "it waits: {done:?}");
    let done = project.run(&["approve", &run, "ask"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = without_namespaces(&project, &["resume", &run]).unwrap();
    assert_eq!(done.code, Some(41), "{done:?}");
    assert!(!project.root().join("last").exists());
    let done = project.run(&["resume", &run]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// While a confined step works, empty files hold the places of protected ones: nobody beside it has changed them.
#[test]
fn what_holds_a_place_is_no_change() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    fs::remove_file(project.root().join("orch.toml")).unwrap();
    workflow(
        &project,
        "w",
        "name: w\nsteps:\n  - id: both\n    parallel:\n      - id: long\n        sandbox: workspace-write\n        run: |\n          \
         touch begun\n          n=0; while [ ! -e ended ] && [ $n -lt 300 ]; do sleep 0.05; n=$((n+1)); done\n      - id: judged\n        \
         run: |\n          n=0; while [ ! -e begun ] && [ $n -lt 300 ]; do sleep 0.05; n=$((n+1)); done\n          test -e .mcp.json\n        \
         gate: [{ changed: { allow: [begun, ended] } }]\n      - { id: end, needs: [judged], run: touch ended }\n",
    );
    let done = project.run(&["run", "w", "--parallel", "3"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}
