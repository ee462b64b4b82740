//! Risk, policy and lint as a person meets them: what is stopped before a run, what passes, and what is said.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::Stdio,
};

use orch::{
    definition::{
        load::is_shipped_script,
        policy::{Level, Policy},
    },
    guard::risk::{Finding, RiskContext, assess_shell},
};
use support::Project;

fn workflow(command: &str) -> String {
    format!("name: w\nsteps:\n  - id: one\n    run: {}\n", serde_json::to_string(command).unwrap())
}

fn context() -> RiskContext {
    RiskContext::new("/home/me/project", "/home/me", "/home/me/.local/state/orch", Policy::default()).unwrap()
}

/// The digest that a refusal names.
fn digest(help: &str) -> String {
    help.split("--trust ").nth(1).unwrap().split_whitespace().next().unwrap().trim_matches(['`', ',']).to_owned()
}

#[test]
fn a_dangerous_command_is_stopped_before_anything_runs() {
    let project = Project::new().file(
        "workflows/w.yaml",
        "name: w\nsteps:\n  - { id: first, run: touch made }\n  - { id: second, run: rm -rf src }\n",
    );
    project.write("src/a", "");
    let error = project.run(&["run", "w", "--json"]).json_error(42)["error"].clone();
    assert_eq!(error["id"], "E0590", "{error}");
    let message = error["message"].as_str().unwrap();
    for part in ["the step `second`", "`rm -rf src`", "delete", "L3"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!project.root().join("made").exists() && project.root().join("src/a").exists());
}

#[test]
fn a_person_agrees_to_exactly_one_command() {
    let project = Project::new().file("workflows/w.yaml", &workflow("rm -rf src"));
    project.write("src/a", "");
    let error = project.run(&["run", "w", "--json"]).json_error(42)["error"].clone();
    let digest = digest(error["help"].as_str().unwrap());
    // Another command, and the same one elsewhere, is not agreed to.
    project.write("workflows/w.yaml", &workflow("rm -rf  src"));
    assert_eq!(project.run(&["run", "w", "--trust", &digest]).code, Some(42));
    let other = Project::new().file("workflows/w.yaml", &workflow("rm -rf src"));
    assert_eq!(other.run(&["run", "w", "--trust", &digest]).code, Some(42));
    project.write("workflows/w.yaml", &workflow("rm -rf src"));
    let done = project.run(&["run", "w", "--trust", &digest]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!project.root().join("src").exists());
}

/// Runs `orch` with a terminal on which somebody types that; its exit code and what the terminal shows.
fn at_a_terminal(project: &Project, words: &[&str], typed: &str) -> (Option<i32>, String) {
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut command = project.command(words);
    command.stdin(pty.slave.try_clone().unwrap()).stderr(pty.slave).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    // What is left of the other end must not keep the terminal open.
    drop(command);
    let mut terminal = fs::File::from(pty.master);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut shown = Vec::new();
    // The end of a terminal is an error, behind all that was written.
    let _ = terminal.read_to_end(&mut shown);
    (child.wait().unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_person_at_a_terminal_is_asked_about_the_whole_command() {
    let long = format!("true {}\nrm -rf src", "x".repeat(200));
    let project = Project::new().file("workflows/w.yaml", &workflow(&long));
    project.write("src/a", "");
    for (typed, code) in [("\n", 42), ("n\n", 42), ("yes, but\n", 42), ("y\n", 0)] {
        assert!(project.root().join("src/a").exists());
        let (ended, shown) = at_a_terminal(&project, &["run", "w"], typed);
        assert_eq!(ended, Some(code), "{typed:?}: {shown}");
        for part in [&"x".repeat(200), "rm -rf src", "the step `one`", "L3", "digest "] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    assert!(!project.root().join("src").exists());
    // It was for that run only, and nobody is asked about what never passes.
    project.write("src/a", "");
    assert_eq!(project.run(&["run", "w"]).code, Some(42));
    project.write("workflows/w.yaml", &workflow("false && rm -rf ~; rm -rf src"));
    let (ended, shown) = at_a_terminal(&project, &["run", "w"], "y\n");
    assert!(ended == Some(42) && !shown.contains("digest "), "{shown}");
    assert!(project.root().join("src/a").exists());
}

#[test]
fn what_never_passes_cannot_be_agreed_to() {
    let project = Project::new()
        .file("workflows/w.yaml", &workflow("true || rm -rf ~"))
        .user_file("policy.yaml", "commands: [\"true || rm -rf ~\"]\nallow: [delete]\n");
    let error = project.run(&["run", "w", "--json"]).json_error(42)["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("L4"), "{error}");
    assert!(!error["help"].as_str().unwrap().contains("--trust"), "{error}");
}

#[test]
fn gates_and_recovery_commands_are_judged_too() {
    for text in [
        "name: w\nsteps:\n  - { id: a, run: \"true\", gate: [{ run: git push }] }\n",
        "name: w\nsteps:\n  - { id: a, run: \"true\", recovery: { reconcile: git push } }\n",
        "name: w\nsteps:\n  - { id: a, run: [git, push] }\n",
    ] {
        let project = Project::new().file("workflows/w.yaml", text);
        let error = project.run(&["run", "w", "--json"]).json_error(42)["error"].clone();
        assert!(error["message"].as_str().unwrap().contains("publish"), "{error}");
    }
}

#[test]
fn a_users_policy_may_allow_and_a_projects_may_only_refuse() {
    let pushes = || Project::new().file("workflows/w.yaml", &workflow("false && git push; true"));
    let project = pushes().user_file("policy.yaml", "allow: [publish]\n");
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    let project = pushes().user_file("policy.yaml", "commands: [\"false && git push; true\"]\n");
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    // The project takes away what the user gives.
    let project = pushes().user_file("policy.yaml", "allow: [publish]\n").file("policy.yaml", "deny: [publish]\n");
    let error = project.run(&["run", "w", "--json"]).json_error(42)["error"].clone();
    assert!(error["help"].as_str().unwrap().contains("policy.yaml denies it"), "{error}");
    // What would give stands in a project: nothing starts at all.
    let project = pushes().file("policy.yaml", "allow: [publish]\n");
    assert_eq!(project.run(&["run", "w", "--json"]).json_error(10)["error"]["id"], "E0591");
    let done = project.run(&["check"]);
    assert_eq!(done.code, Some(10), "{}", done.stdout);
    assert!(done.stdout.contains("policy.yaml:1:1") && done.stdout.contains("E0114"), "{}", done.stdout);
}

#[test]
fn hosts_and_protected_paths_hold_for_commands() {
    let project = Project::new().file("policy.yaml", "protected: [\"db/**\"]\nhosts: [good.example]\n");
    for (command, passes) in [
        ("false && touch db/x; true", false),
        ("false && touch dbx; true", true),
        ("false && curl -s https://evil.example/x; true", false),
        ("false && curl -s https://good.example/x; true", true),
        ("false && curl -s https://good.example@evil.example/; true", false),
        ("false && curl -s http://127.0.0.1:1/; true", true),
    ] {
        project.write("workflows/w.yaml", &workflow(command));
        let done = project.run(&["run", "w"]);
        assert_eq!(done.code, Some(if passes { 0 } else { 42 }), "{command}: {}", done.stderr);
    }
}

#[test]
fn every_list_of_hosts_and_of_protected_paths_counts() {
    let project = Project::new()
        .user_file("policy.yaml", "hosts: [a.example, b.example]\nprotected: [\"db/**\"]\n")
        .file("policy.yaml", "hosts: [b.example, c.example]\nprotected: [\"web/**\"]\n");
    for (command, passes) in [
        ("false && curl -s https://a.example/x; true", false),
        ("false && curl -s https://b.example/x; true", true),
        ("false && curl -s https://c.example/x; true", false),
        ("false && touch db/x; true", false),
        ("false && touch web/x; true", false),
        ("false && touch x; true", true),
    ] {
        project.write("workflows/w.yaml", &workflow(command));
        let done = project.run(&["run", "w"]);
        assert_eq!(done.code, Some(if passes { 0 } else { 42 }), "{command}: {}", done.stderr);
    }
}

#[test]
fn a_faulty_policy_is_told_whole() {
    let text = "protectd: [x]\nmax_changed_files: none\nhosts: [\"http://x/\"]\nask: [publsh, network]\ndeny: [network]\nprotected: [\"../x\", \"a[\"]\n";
    let project = Project::new().file("policy.yaml", text).file("workflows/w.yaml", &workflow("true"));
    let done = project.run(&["check", "--json"]);
    let found = done.json(10);
    let codes: Vec<&str> =
        found["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.len() >= 6, "{}", done.stdout);
    assert_eq!(project.run(&["run", "w"]).code, Some(10));
}

#[test]
fn the_effective_policy_says_where_each_rule_comes_from() {
    let project = Project::new()
        .user_file("policy.yaml", "deny: [database]\nmax_changed_files: 9\n")
        .file("policy.yaml", "ask: [network]\nmax_changed_files: 5\nprotected: [db]\n");
    let shown = project.run(&["show", "policy", "--json"]).json(0);
    assert_eq!(
        (&shown["max_changed_files"]["value"], &shown["max_changed_files"]["from"]),
        (&5.into(), &"policy.yaml".into())
    );
    let class = |name: &str| {
        let all = shown["classes"].as_array().unwrap();
        let one = all.iter().find(|one| one["class"] == name).unwrap();
        (one["rule"].as_str().unwrap().to_owned(), one["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(class("network"), ("ask".to_owned(), "policy.yaml".to_owned()));
    assert_eq!(class("database").0, "deny");
    assert!(class("database").1.starts_with('~'), "{shown}");
    assert_eq!(class("publish"), ("ask".to_owned(), "default".to_owned()));
    let text = project.run(&["show", "policy"]).stdout;
    assert!(text.contains("protected: db") && text.contains("at most 5 changed files"), "{text}");
}

#[test]
fn strangers_words_with_write_and_network_are_reported() {
    let fetch = "  - { id: issue, run: \"curl -s https://example.com/issue\" , output: { body: string } }\n";
    for (step, is_bad) in [
        ("  - { id: fix, prompt: \"Do {{ issue.body }}\" }\n", true),
        ("  - { id: fix, prompt: \"Do {{ issue.body }}\", tools: [Read, Write, Bash] }\n", true),
        ("  - { id: fix, prompt: \"Do {{ issue.body }}\", tools: [Read, Grep] }\n", false),
        ("  - { id: fix, prompt: \"Do {{ issue.body }}\", tools: [Read, Write] }\n", false),
        ("  - { id: fix, prompt: \"Do it\" }\n", false),
        ("  - { id: fix, prompt: \"Do it\", tools: [WebFetch, Write] }\n", true),
        (
            "  - { id: read, prompt: \"Sum {{ issue.body }}\", tools: [Read], output: { x: string } }\n  - { id: fix, prompt: \"Do {{ read.x }}\" }\n",
            true,
        ),
    ] {
        let project = Project::new().file("workflows/w.yaml", &format!("name: w\nsteps:\n{fetch}{step}"));
        let done = project.run(&["check", "--lint", "--json"]);
        assert_eq!(done.stdout.contains("E0188"), is_bad, "{step}: {}", done.stdout);
        assert_eq!(done.code, Some(if is_bad { 10 } else { 0 }), "{step}: {}", done.stdout);
        assert_eq!(project.run(&["check"]).code, Some(0), "only the lint says so");
    }
}

#[test]
fn shipped_workflows_pass_without_a_question() {
    // No command of them is above L2; only a shipped script, letter for letter, may run what it has looked for.
    let project = Project::new();
    let names =
        ["new-project", "fix-bug", "add-feature", "refactor", "security-audit", "optimize-performance", "deploy"];
    let mut asked = Vec::new();
    for name in names {
        let shown = project.run(&["show", &format!("/{name}"), "--json"]).json(0);
        let text = shown["steps"].to_string();
        let commands = commands(&shown["steps"]);
        assert!(!commands.is_empty() || name == "security-audit", "{name}: {text}");
        let context = context();
        for command in commands {
            let assessment = assess_shell(&command, &context);
            for one in assessment.findings.iter().filter(|one| one.level >= Level::L3 && !is_looked_for(&command, one))
            {
                asked.push(format!("{name}: `{}`: {one:?}", command.get(one.span.clone()).unwrap_or_default()));
            }
        }
    }
    assert!(asked.is_empty(), "{}", asked.join("\n"));
}

#[test]
fn shipped_gates_pass_without_a_question() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("gates");
    let names = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".yaml").map(str::to_owned)
    });
    let context = context();
    let mut asked = Vec::new();
    for name in names {
        let text =
            format!("name: w\nsteps:\n  - {{ id: a, run: \"true\", output: {{ x: string }}, gate: [{name}] }}\n");
        let project = Project::new().file("workflows/w.yaml", &text);
        let shown = project.run(&["show", "w", "--json"]);
        assert_eq!(shown.code, Some(0), "{name}: {}", shown.stderr);
        for command in commands(&shown.json(0)["steps"]) {
            let assessment = assess_shell(&command, &context);
            for one in assessment.findings.iter().filter(|one| one.level >= Level::L3 && !is_looked_for(&command, one))
            {
                asked.push(format!("{name}: `{}`: {one:?}", command.get(one.span.clone()).unwrap_or_default()));
            }
        }
    }
    assert!(asked.is_empty(), "{}", asked.join("\n"));
}

/// A program that a shipped script has found by itself: who reads the text alone cannot know which one it is.
fn is_looked_for(command: &str, finding: &Finding) -> bool {
    finding.level == Level::L3 && finding.rule == "opaque" && is_shipped_script(command)
}

#[test]
fn a_shipped_script_passes_only_letter_for_letter() {
    let shipped = |name: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gates/scripts").join(name)).unwrap()
    };
    let (tools, licence) = (shipped("tools.sh"), shipped("licence-check.sh"));
    let gate = |more: &str| format!("# scripts/licence-check.sh\n{}\n{}\n{more}", tools.trim_end(), licence.trim_end());
    assert!(is_shipped_script(&gate("")));
    for more in [" ", "\n", "true\n", "$tool .\n"] {
        assert!(!is_shipped_script(&gate(more)), "{more:?}");
    }
    assert!(!is_shipped_script(&gate("").replacen("--format=csv", "--format=tsv", 1)));
    assert!(!is_shipped_script("# x\n") && !is_shipped_script("") && !is_shipped_script(&gate("")[1..]));
    // A policy that names the class is heard, whoever wrote the script.
    let workflow = "name: w\nsteps:\n  - { id: a, run: \"true\", gate: [licence-check] }\n";
    let project = Project::new().file("workflows/w.yaml", workflow);
    let done = project.run(&["run", "w", "--json"]);
    assert_ne!(done.code, Some(42), "{}", done.stderr);
    let log = project.read(".orch/state/audit/log.jsonl");
    assert!(log.contains("\"rule\":\"shipped\""), "{log}");
    let project = Project::new().file("workflows/w.yaml", workflow).file("policy.yaml", "ask: [opaque]\n");
    assert_eq!(project.run(&["run", "w", "--json"]).json_error(42)["error"]["id"], "E0590");
}

/// Every command in a plan's JSON form.
fn commands(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("shell" | "reconcile", serde_json::Value::String(text)) => vec![text.clone()],
                ("argv", serde_json::Value::Array(words)) => {
                    vec![words.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")]
                }
                (_, value) => commands(value),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(commands).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_doctor_of_security_says_who_could_get_in() {
    use std::os::unix::fs::PermissionsExt as _;
    let state = |project: &Project, name: &str| {
        let health: serde_json::Value =
            serde_json::from_str(&project.run(&["doctor", "--security", "--json"]).stdout).unwrap();
        let checks = health["checks"].as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["name"] == name).unwrap();
        (check["state"].as_str().unwrap().to_owned(), check["detail"].as_str().unwrap().to_owned())
    };
    let good = |project: &Project| {
        for name in [
            "own settings",
            "own state",
            "run state",
            "project files",
            "keys in files",
            "secret files",
            "policy",
            "weak settings",
            "audit log",
        ] {
            let (state, detail) = state(project, name);
            assert_eq!(state, "ok", "{name}: {detail}");
        }
    };
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let project =
        Project::new().file("workflows/w.yaml", &workflow("true")).user_file("policy.yaml", "deny: [publish]\n");
    let user = project.home().join(".config/orch");
    mode(&user, 0o755);
    mode(&user.join("policy.yaml"), 0o644);
    mode(&project.root().join("workflows"), 0o755);
    mode(&project.root().join("workflows/w.yaml"), 0o644);
    good(&project);
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    good(&project);

    mode(&user.join("policy.yaml"), 0o666);
    let (found, detail) = state(&project, "own settings");
    assert!(found == "fail" && detail.contains("policy.yaml"), "{detail}");
    mode(&user.join("policy.yaml"), 0o644);

    let own = project.home().join(".local/state/orch");
    mode(&own, 0o755);
    mode(&own.join("audit.key"), 0o644);
    let (found, detail) = state(&project, "own state");
    assert!(found == "fail" && detail.contains("audit.key"), "{detail}");
    mode(&own.join("audit.key"), 0o600);

    mode(&project.root().join("workflows/w.yaml"), 0o666);
    assert_eq!(state(&project, "project files").0, "fail");
    mode(&project.root().join("workflows/w.yaml"), 0o644);

    // In two parts, because our own sources may not hold it.
    let key = concat!("ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4");
    project.write("agents/a.md", &format!("---\nname: a\ndescription: x\n---\nUse {key}.\n"));
    let (found, detail) = state(&project, "keys in files");
    assert!(found == "fail" && detail.contains("agents/a.md") && !detail.contains(key), "{detail}");

    project.write(".env", "A=b\n");
    mode(&project.root().join(".env"), 0o644);
    assert_eq!(state(&project, "secret files").0, "warn");

    project.write("orch.toml", "on_approval = \"approve\"\n");
    let (found, detail) = state(&project, "weak settings");
    assert!(found == "warn" && detail.contains("on_approval"), "{detail}");

    let log = project.read(".orch/state/audit/log.jsonl");
    project.write(".orch/state/audit/log.jsonl", &log.replacen("attempt", "attampt", 1));
    assert_eq!(state(&project, "audit log").0, "fail");

    fs::write(user.join("policy.yaml"), "allow: [publish]\n").unwrap();
    let (found, detail) = state(&project, "policy");
    assert!(found == "warn" && detail.contains("publish"), "{detail}");
    let done = project.run(&["doctor", "--security"]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(done.stdout.contains("fix:") && !done.stdout.contains(key), "{}", done.stdout);
}
