//! Every hostile name in the place of every key of a definition that takes a path, in what agents answer, and in what archives
//! and recordings hold.

use std::fs;

use serde_json::json;

use crate::{
    corpus::{hostile_texts, some},
    world::{CANARY, World, tells_of_reads},
};

/// Keys of a step that take a path, and the step around the name (`@`, as JSON, which is YAML). What is not here takes none:
/// `the_table_names_every_key_that_takes_a_path` looks.
const KEYS: &[(&str, &str)] = &[
    ("step.prompt_file", r#"{"id":"a","agent":"worker","prompt_file":@}"#),
    ("step.files", r#"{"id":"a","run":"true","files":[@]}"#),
    ("step.output", r#"{"id":"a","run":"true","output":@}"#),
    ("step.sandbox.write", r#"{"id":"a","run":"true","sandbox":{"mode":"workspace-write","write":[@]}}"#),
    ("plan.prompt_file", r#"{"id":"a","plan":{"agent":"worker","prompt_file":@}}"#),
    ("gate.run_file", r#"{"id":"a","run":"true","gate":[{"run_file":@}]}"#),
    ("gate.schema", r#"{"id":"a","run":"true","gate":[{"schema":@}]}"#),
    ("gate.files", r#"{"id":"a","run":"true","gate":[{"files":[@]}]}"#),
    ("gate.changed.allow", r#"{"id":"a","run":"true","gate":[{"changed":{"allow":[@]}}]}"#),
    ("gate.changed.deny", r#"{"id":"a","run":"true","gate":[{"changed":{"deny":[@]}}]}"#),
    ("gate.secrets.paths", r#"{"id":"a","run":"true","gate":[{"secrets":{"paths":[@]}}]}"#),
    ("gate.secrets.allow.path", r#"{"id":"a","run":"true","gate":[{"secrets":{"allow":[{"path":@,"why":"x"}]}}]}"#),
    ("gate.judge.rubric", r#"{"id":"a","run":"true","gate":[{"judge":{"rubric":@}}]}"#),
    ("step.id", r#"{"id":@,"run":"true"}"#),
    ("step.workflow", r#"{"id":"a","workflow":@}"#),
    ("step.agent", r#"{"id":"a","agent":@,"prompt":"x"}"#),
    ("step.skills", r#"{"id":"a","agent":"worker","prompt":"x","skills":[@]}"#),
    ("step.gate", r#"{"id":"a","run":"true","gate":@}"#),
    ("step.runtime", r#"{"id":"a","prompt":"x","runtime":@}"#),
    ("step.checkpoint", r#"{"id":"a","checkpoint":@}"#),
    ("step.context", r#"{"id":"a","prompt":"x","context":@}"#),
    ("step.prompt", r#"{"id":"a","prompt":@}"#),
];

/// Words in the descriptions of keys by which one that takes a path is known.
const WORDS: &[&str] = &["path", "file", "glob", "folder"];
/// Keys whose description has such a word, and which take none.
const NO_PATHS: &[&str] = &[
    "workflow.name",
    "workflow.$schema",
    "dialect.$schema",
    "step.files_from",
    "step.checkpoint",
    "step.workspace",
    "secrets_gate.all",
    "changed.max_files",
    "secret.file",
    "step.danger",
    "step.merge",
    "step.sandbox",
    "gate.changed",
];

#[test]
fn the_table_names_every_key_that_takes_a_path() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/workflow.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut missing = Vec::new();
    for (table, about) in schema["definitions"].as_object().unwrap() {
        for (key, about) in about["properties"].as_object().into_iter().flatten() {
            let says = about["description"].as_str().unwrap_or_default().to_lowercase();
            let name = format!("{table}.{key}");
            let is_known = KEYS.iter().any(|(known, _)| known.rsplit('.').next() == Some(key.as_str()));
            if WORDS.iter().any(|word| says.contains(word)) && !is_known && !NO_PATHS.contains(&name.as_str()) {
                missing.push(format!("{name}: {says}"));
            }
        }
    }
    assert!(missing.is_empty(), "do these take a path? {missing:#?}");
}

#[test]
fn no_key_of_a_definition_leads_out() {
    let world = World::new();
    world.project.write("agents/worker.md", "---\nname: worker\ndescription: works\n---\nWork.\n");
    let (tells, before) = (tells_of_reads(&world), world.print());
    let mut count = 0;
    for (key, step) in KEYS {
        // All names of a key at once: faults are told one by one, and what is not refused is compiled.
        for (number, name) in hostile_texts(&world.outside).iter().enumerate() {
            let step = step.replace('@', &json!(name).to_string());
            let text = format!("name: k{number}\nsteps:\n  - {step}\n");
            world.project.write(&format!("workflows/k{number}.yaml"), &text);
            count += 1;
        }
        world.watch();
        let done = world.project.run(&["check", "--json"]);
        let text = format!("{}{}", done.stdout, done.stderr);
        assert!(matches!(done.code, Some(0 | 10)), "{key}: {:?}", done.code);
        assert!(!text.contains(CANARY), "{key} shows what stands outside");
        let read = if tells { world.read() } else { Vec::new() };
        assert!(read.is_empty(), "{key} reads {read:?}");
        assert_eq!(world.print(), before, "{key}");
    }
    println!("{} keys, {count} definitions", KEYS.len());
}

#[test]
fn gates_and_outputs_look_at_nothing_outside() {
    let world = World::new();
    for entry in ["link-file", "link-dir"] {
        assert!(world.project.root().join(entry).is_symlink());
    }
    let tells = tells_of_reads(&world);
    let before = world.print();
    let mut count = 0;
    let names: Vec<String> = hostile_texts(&world.outside).into_iter().filter(|name| name.len() < 2_000).collect();
    for name in some(names, 0, 6) {
        world.watch();
        for gate in [json!({ "files": [name] }), json!({ "secrets": { "paths": [name], "all": true } })] {
            let step = json!({ "id": "a", "run": "true", "gate": [gate] });
            world.project.write("workflows/all.yaml", &format!("name: all\nsteps:\n  - {step}\n"));
            let done = world.project.run(&["run", "all"]);
            assert!(!matches!(done.code, None | Some(70 | 101)), "{name}: {done:?}");
            assert!(!format!("{}{}", done.stdout, done.stderr).contains(CANARY), "{name}: {done:?}");
            // A gate that asks for a file outside never passes.
            let leads_out =
                name.contains("outside/secret") || name.contains("link-dir/secret") || name == "/etc/passwd";
            if leads_out && gate["files"].is_array() {
                assert_ne!(done.code, Some(0), "{name} is found");
            }
            count += 1;
        }
        let read = if tells { world.read() } else { Vec::new() };
        assert!(read.is_empty(), "{name} reads {read:?}");
    }
    assert_eq!(world.print(), before);
    println!("{count} gates");
}

/// An agent that answers with files, and recordings that write and delete.
#[test]
fn what_an_agent_names_is_written_beneath_the_workspace_or_not_at_all() {
    let world = World::new();
    let root = world.project.root();
    world.project.write("answer.sh", "cat > /dev/null\ncat answer.md\n");
    let command =
        format!("runtime = \"talker\"\n[runtimes.talker]\ncommand = [\"sh\", \"{}/answer.sh\"]\n", root.display());
    world.project.write("orch.toml", &command);
    world.project.write("workflows/say.yaml", "name: say\nsteps:\n  - { id: a, prompt: x, files_from: answer }\n");
    let before = world.print();
    let (mut count, mut refused) = (0, 0);
    let mut names = hostile_texts(&world.outside);
    names.retain(|name| !name.contains('\n') && !name.contains('\0'));
    for name in some(names, 1, 6) {
        let answer = format!("```text path=\"{name}\"\nwritten by an agent\n```\n");
        world.project.write("answer.md", &answer);
        let done = world.project.run(&["run", "say"]);
        assert!(!matches!(done.code, None | Some(70 | 101)), "{name}: {done:?}");
        assert_eq!(world.print(), before, "{name}");
        count += 1;
        refused += usize::from(done.code != Some(0));
    }
    println!("{count} answers, {refused} refused, nothing written outside");
    assert!(refused > count / 2);
    // A plain name is written, so what is refused is refused for its name.
    world.project.write("answer.md", "```text path=\"sub/plain.txt\"\nwritten by an agent\n```\n");
    assert_eq!(world.project.run(&["run", "say"]).code, Some(0));
    assert_eq!(world.project.read("sub/plain.txt"), "written by an agent\n");
    for name in [".git/config", ".orch/state/x"] {
        assert!(!root.join(name).exists(), "{name}");
    }
}

#[test]
fn what_a_recording_writes_and_deletes_stays_beneath() {
    let world = World::new();
    let before = world.print();
    let (mut count, mut refused) = (0, 0);
    world.project.write("workflows/play.yaml", "name: play\nsteps:\n  - { id: a, prompt: x }\n");
    for name in some(hostile_texts(&world.outside), 2, 6) {
        for what in [json!({ "writes": [{ "path": name, "text": "x" }] }), json!({ "deletes": [name] })] {
            let mut turn = json!({ "step": "a", "attempt": 1, "turn": 1, "says": { "summary": "s", "text": "done" } });
            turn.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
            let recording = json!({ "recording": 1, "workflow": "play", "turns": [turn] });
            world.project.write("workflows/recordings/play.yaml", &recording.to_string());
            let done = world.project.run(&["run", "play", "--runtime", "replay"]);
            assert!(!matches!(done.code, None | Some(70 | 101)), "{name}: {done:?}");
            assert_eq!(world.print(), before, "{name}");
            count += 1;
            refused += usize::from(done.code != Some(0));
        }
    }
    println!("{count} recordings, {refused} refused");
    // The rest names a plain file of the project, so not all may be refused, or the test says nothing.
    assert!(refused > count / 2 && refused < count, "{refused} of {count}");
}
