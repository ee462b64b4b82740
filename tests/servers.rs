//! MCP servers from a definition file to the program that an agent's runtime starts: found, refused, trusted, handed on.
//!
//! The last test needs real agent programs (`ORCH_CLIS`, see `agents_real.rs`); it says loudly where it skips.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop; skips are loud")]

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use scripted::Scripted;
use serde_json::{Value, json};
use support::{Project, path_without_agents};

const SECRET: &str = "hush-4711-hush";
const WORKFLOW: &str = "name: w\nsteps:\n  - { id: ask, agent: caller, prompt: Ask the server }\n";
/// What it is started with goes into files, then it answers as Claude Code does.
const CLAUDE: &str = "#!/bin/sh\ncat > /dev/null\nfor word in \"$@\"; do\n  printf '%s\\n' \"$word\" >> argv.txt\n  \
    case \"$word\" in --mcp-config=*) cp \"${word#--mcp-config=}\" seen.json ;; esac\ndone\n\
    echo '{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s\"}'\n\
    echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"done\",\"session_id\":\"s\",\
    \"num_turns\":1,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}'\n";

fn agent(head: &str) -> String {
    format!("---\nname: caller\ndescription: Calls a server\ntools: Read\n{head}---\nYou call.\n")
}

/// A project whose agent is `caller`, and the file that declares servers.
fn project(head: &str, servers: Value) -> Project {
    let project = Project::new()
        .file("agents/caller.md", &agent(head))
        .file("workflows/w.yaml", WORKFLOW)
        .file(".mcp.json", &json!({ "mcpServers": servers }).to_string())
        .file("server.sh", "#!/bin/sh\nexit 0\n")
        .file("bin/claude", CLAUDE);
    for name in ["server.sh", "bin/claude"] {
        fs::set_permissions(project.root().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let settings =
        format!("runtime = \"claude\"\n[runtimes.claude]\nprogram = \"{}/bin/claude\"\n", project.root().display());
    project.file("orch.toml", &settings).variable("OUTER", SECRET)
}

fn db() -> Value {
    json!({ "db": { "command": "./server.sh", "args": ["--root", "${PWD}"], "env": { "TOKEN": "x-${OUTER}" } } })
}

fn trust(project: &Project) {
    let items = project.run(&["trust", "w", "--list", "--json"]).json(0);
    let digest = items["items"][0]["digest"].as_str().unwrap();
    assert_eq!(project.run(&["trust", "w", "--digest", digest]).code, Some(0));
}

#[test]
fn a_plan_says_which_servers_a_step_gets() {
    let project = project("mcpServers: [db]\n", db());
    let done = project.run(&["plan", "w"]);
    assert!(done.stdout.contains("MCP server db: ./server.sh --root ${PWD} (.mcp.json)"), "{}", done.stdout);
    let plan = project.run(&["plan", "w", "--json"]).json(0);
    assert_eq!(plan["servers"][0]["env"], json!(["TOKEN"]), "{plan:#}");
    assert_eq!(plan["steps"][0]["work"]["servers"], json!([0]));
    assert!(project.run(&["show", "w"]).stdout.contains("MCP server db"));
    // One that only tools name is there as well; one that nobody names is not.
    project.write("agents/caller.md", &agent("").replace("tools: Read", "tools: Read, mcp__db__query"));
    assert!(project.run(&["plan", "w"]).stdout.contains("MCP server db"));
    // The words of other tools for the same.
    for (name, wanted) in [("db/query", "mcp__db__query"), ("mcp_db_query", "mcp__db__query"), ("db/*", "mcp__db")] {
        project.write(
            "agents/caller.md",
            &agent("mcpServers: db\n").replace("tools: Read", &format!("tools: Read, {name}")),
        );
        let plan = project.run(&["plan", "w", "--json"]).json(0);
        assert_eq!(plan["steps"][0]["work"]["tools"], json!(["Read", wanted]), "{name}");
    }
    project.write("agents/caller.md", &agent(""));
    assert!(!project.run(&["plan", "w"]).stdout.contains("MCP server"));
}

#[test]
fn what_cannot_be_handed_on_is_a_fault_with_place_and_fix() {
    let servers = json!({
        "github": { "command": "true" }, "remote": { "url": "https://example.org/mcp" }, "off": { "command": "x", "disabled": true },
        "leaky": { "command": "true", "args": ["--token", "${OUTER}"] }, "odd": { "args": [] },
    });
    let project = project("", servers);
    for (head, code, words) in [
        ("mcpServers: [githb]\n", "E0229", "did you mean `github`?"),
        ("mcpServers: [remote]\n", "E0230", "is reached by an address"),
        ("mcpServers: [off]\n", "E0230", "switched off"),
        ("mcpServers: [leaky]\n", "E0230", "reads the variable `OUTER`"),
        ("mcpServers: [odd]\n", "E0230", "has no `command`"),
        ("mcp-servers:\n  \"a b\": { command: \"true\" }\n", "E0230", "cannot be called"),
    ] {
        project.write("agents/caller.md", &agent(head));
        let error = project.run(&["plan", "w", "--json"]).json_error(10)["error"].clone();
        let fault = &error["diagnostics"][0];
        assert_eq!((&fault["code"], &fault["path"]), (&json!(code), &json!("agents/caller.md")), "{error:#}");
        assert!(fault["place"]["line"].as_u64() == Some(5) || fault["place"]["line"].as_u64() == Some(6), "{error:#}");
        assert!(format!("{}{}", fault["message"], fault["help"]).contains(words), "{error:#}");
    }
    // A tool that is taken away is kept away, or it is a fault: never is more given than the file says.
    let denies = |denied: &str, tools: &str| {
        let head = format!("mcpServers: [github]\ndisallowedTools: {denied}\n");
        project.write("agents/caller.md", &agent(&head).replace("tools: Read", &format!("tools: {tools}")));
        let done = project.run(&["plan", "w"]);
        (done.code, done.stdout.contains("MCP server github"), done.stderr.contains("E0230"))
    };
    assert_eq!(denies("mcp__github__drop", "Read"), (Some(10), false, true));
    assert_eq!(denies("mcp__github__drop", "Read, mcp__github__*"), (Some(10), false, true));
    assert_eq!(denies("mcp__github__drop", "Read, mcp__github__get"), (Some(0), true, false));
    assert_eq!(denies("mcp__github", "Read"), (Some(0), false, false));
    assert_eq!(denies("mcp__*", "Read, mcp__github__get"), (Some(0), false, false));
    // Tools of a server that nobody declares: the step works without them, and that is said.
    project.write("agents/caller.md", &agent("").replace("tools: Read", "tools: Read, mcp__nobody__x"));
    let done = project.run(&["plan", "w"]);
    assert_eq!(done.code, Some(0));
    assert!(done.stderr.contains("E0229") && done.stderr.contains("nobody"), "{}", done.stderr);
    // A runtime that takes none.
    project.write("agents/caller.md", &agent("mcpServers: [github]\nruntime: anthropic\n"));
    let done = project.run(&["plan", "w"]);
    assert_eq!(done.code, Some(43), "{}", done.stderr);
    assert!(done.stderr.contains("E0316") && done.stderr.contains("uses an MCP server"), "{}", done.stderr);
}

#[test]
fn a_server_of_the_project_starts_only_where_a_person_trusts_it() {
    let project = project("mcpServers: [db]\n", db());
    let refused = project.run(&["run", "w", "--json"]).json_error(40);
    assert_eq!(refused["error"]["id"], "E0560", "{refused}");
    assert!(!project.root().join("argv.txt").exists());
    let listed = project.run(&["trust", "--list", "--json"]).json(0);
    assert_eq!(listed["items"][0]["name"], "w", "{listed:#}");
    let command = listed["items"][0]["commands"][0].as_str().unwrap();
    assert!(command.starts_with("./server.sh --root") && command.contains("MCP server db of .mcp.json, gets TOKEN"));
    // The script that is the server is a part of what is trusted.
    assert_eq!(listed["items"][0]["files"], json!(["server.sh"]));
    trust(&project);
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    for change in ["server.sh", ".mcp.json"] {
        let before = project.read(change);
        match change {
            "server.sh" => project.write(change, "#!/bin/sh\necho other\n"),
            _ => project.write(change, &before.replace("x-${OUTER}", "y-${OUTER}")),
        }
        assert_eq!(project.run(&["run", "w"]).code, Some(40), "{change}");
        project.write(change, &before);
        assert_eq!(project.run(&["run", "w"]).code, Some(0), "{change}");
    }
}

#[test]
fn values_reach_the_program_and_stay_nowhere() {
    let project = project("mcpServers: [db]\n", db());
    trust(&project);
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    let seen: Value = serde_json::from_str(&project.read("seen.json")).unwrap();
    let server = &seen["mcpServers"]["db"];
    assert_eq!(server["env"]["TOKEN"], format!("x-{SECRET}"), "{seen:#}");
    assert_eq!(server["command"], project.root().join("server.sh").display().to_string());
    assert_eq!(server["args"], json!(["--root", project.root().display().to_string()]));
    assert!(project.read("argv.txt").contains("mcp__db"), "its tools are not allowed");
    fs::remove_file(project.root().join("seen.json")).unwrap();
    let found = holding(&project.root(), SECRET.as_bytes());
    assert!(found.is_empty(), "{found:?}");
}

/// The files below a folder that hold some bytes.
fn holding(folder: &Path, wanted: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, wanted));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_variable_that_is_not_set_is_told_before_anything_starts() {
    let servers =
        json!({ "db": { "command": "./server.sh", "env": { "A": "${NOT_SET_HERE}", "B": "${ALSO_NOT:-b}" } } });
    let project = project("mcpServers: [db]\n", servers);
    trust(&project);
    let error = project.run(&["run", "w", "--json"]).json_error(43)["error"].clone();
    assert_eq!(error["id"], "E0321", "{error}");
    assert!(error["message"].as_str().unwrap().contains("`NOT_SET_HERE` for `db`"), "{error}");
    assert!(!error["message"].as_str().unwrap().contains("ALSO_NOT"), "{error}");
    assert_eq!(project.run(&["runs", "--json"]).json(0), json!([]));
}

#[test]
fn a_run_that_goes_on_wants_the_servers_it_began_with() {
    let project = project("mcpServers: [db]\n", db());
    project.write(
        "workflows/w.yaml",
        "name: w\nsteps:\n  - { id: sure, approve: Sure? }\n  - { id: ask, agent: caller, prompt: x }\n",
    );
    trust(&project);
    assert_eq!(project.run(&["run", "w"]).code, Some(20));
    let run = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(project.run(&["approve", &run]).code, Some(0));
    let before = project.read(".mcp.json");
    project.write(".mcp.json", &before.replace("x-${OUTER}", "LD_PRELOAD"));
    let error = project.run(&["resume", &run, "--json"]).json_error(2)["error"].clone();
    assert_eq!(error["id"], "E0320", "{error}");
    project.write(".mcp.json", &before);
    assert_eq!(project.run(&["resume", &run]).code, Some(0));
}

#[test]
fn settings_declare_servers_by_reference() {
    let project = project("mcpServers: [own]\n", json!({}));
    let settings = project.read("orch.toml");
    let with = |text: &str| project.write("orch.toml", &format!("{settings}{text}"));
    with("[mcp.own]\ncommand = [\"./server.sh\"]\nenv = { TOKEN = \"${OUTER}\" }\n");
    assert!(project.run(&["plan", "w"]).stdout.contains("MCP server own: ./server.sh (orch.toml)"));
    // The project's settings come with the project.
    assert_eq!(project.run(&["run", "w"]).code, Some(40));
    for (text, words) in [
        ("[mcp.own]\ncommand = [\"x\"]\nenv = { TOKEN = \"secret\" }\n", "stand in the file in clear"),
        ("[mcp.own]\nurl = \"https://x\"\n", "reached by an address"),
        ("[mcp.own]\nenv = { A = \"$A\" }\n", "has no `command`"),
        ("[mcp.own]\ncommand = [\"x\"]\ncomand = []\n", "did you mean `command`?"),
        ("[mcp]\nown = 3\n", "no table"),
    ] {
        with(text);
        let done = project.run(&["plan", "w"]);
        assert_eq!(done.code, Some(10), "{text}");
        assert!(done.stderr.contains(words), "{text}: {}", done.stderr);
    }
    // The user's own settings are nobody else's.
    project.write("orch.toml", &settings);
    let project = project.user_file("orch.toml", "[mcp.own]\ncommand = [\"true\"]\nenv = { TOKEN = \"${OUTER}\" }\n");
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let seen: Value = serde_json::from_str(&project.read("seen.json")).unwrap();
    assert_eq!(seen["mcpServers"]["own"]["env"]["TOKEN"], SECRET);
}

/// The blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let parts = page.split("```").skip(1).step_by(2);
    parts.filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned)).collect()
}

#[test]
fn the_examples_of_the_page_work() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mcp.md")).unwrap();
    let agent = blocks(&page, "yaml").remove(0);
    let settings = blocks(&page, "toml").into_iter().find(|block| block.contains("[mcp.db]")).unwrap();
    let project = project("", json!({}));
    project.write("agents/reporter.md", &agent);
    project.write("workflows/w.yaml", &WORKFLOW.replace("caller", "reporter"));
    project.write("orch.toml", &settings);
    let done = project.run(&["plan", "w"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    for line in [
        "MCP server db: ./tools/db-server --read-only (orch.toml)",
        "MCP server files: npx -y @modelcontextprotocol/server-filesystem",
    ] {
        assert!(done.stdout.contains(line), "{}", done.stdout);
    }
    // What a client is told: each file starts this server.
    let client: Value = serde_json::from_str(&blocks(&page, "json")[0]).unwrap();
    assert_eq!(client["mcpServers"]["orch"]["args"], json!(["-C", "/path/to/project", "mcp"]));
    let codex = blocks(&page, "toml").into_iter().find(|block| block.contains("[mcp_servers.orch]")).unwrap();
    assert!(codex.contains("args = [\"-C\", \"/path/to/project\", \"mcp\"]"));
}

// --- Real agent programs.

/// From `mcpServers:` in an agent's file to a tool of the server that was really called.
fn calls(name: &str, program: &Path, stub: &Path, lab: &Path) -> Result<(), String> {
    let root = lab.join("project");
    for folder in ["home/.codex", "project/agents", "project/workflows"] {
        fs::create_dir_all(lab.join(folder)).unwrap();
    }
    let model = Scripted::start(stub, &scripted::cases(stub), lab).unwrap();
    let (env, tier) = match name {
        "claude" => {
            (format!("ANTHROPIC_BASE_URL = {:?}, ANTHROPIC_API_KEY = \"sk-stub\"", model.address), "claude-sonnet-4-6")
        }
        _ => (format!("OPENAI_BASE_URL = \"{}/v1\", OPENAI_API_KEY = \"sk-stub\"", model.address), "gpt-5.5"),
    };
    let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
    let program = program.display().to_string();
    write("orch.toml", &format!("[runtimes.{name}]\nprogram = {program:?}\nmodel = {tier:?}\nenv = {{ {env} }}\n"));
    let server = format!(
        "#!/bin/sh\nprintf %s \"$TOKEN\" > '{}/token'\nexec python3 '{}/mcp_stub.py'\n",
        lab.display(),
        stub.display()
    );
    write("server.sh", &server);
    fs::set_permissions(root.join("server.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let orch = env!("CARGO_BIN_EXE_orch");
    let servers = json!({
        "orch": { "command": "./server.sh", "env": { "TOKEN": "${OUTER}" } },
        "served": { "command": orch, "args": ["-C", "${PWD}", "mcp"] },
    });
    write(".mcp.json", &json!({ "mcpServers": servers }).to_string());
    for (agent, server) in [("caller", "orch"), ("asker", "served")] {
        let head = format!("name: {agent}\ndescription: d\ntools: Read, mcp__{server}\nmcpServers:\n  - {server}\n");
        write(&format!("agents/{agent}.md"), &format!("---\n{head}---\nYou call servers.\n"));
    }
    let steps = "  - { id: call, agent: caller, prompt: \"case: mcp orch submit_result\" }\n  \
        - { id: ask, agent: asker, prompt: \"case: mcp served list\" }\n";
    let outputs = "outputs: { call: \"{{ call.result.text }}\", ask: \"{{ ask.result.text }}\" }\n";
    write("workflows/w.yaml", &format!("name: w\nsteps:\n{steps}{outputs}"));
    let orch = |words: &[&str]| {
        let mut command = Command::new(orch);
        command.args(words).current_dir(&root).env_clear().stdin(Stdio::null()).env("PATH", path_without_agents());
        let output = command.env("HOME", lab.join("home")).env("OUTER", SECRET).output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), output.stdout, told)
    };
    if orch(&["run", "w", "--runtime", name]).0 != Some(40) || lab.join("token").exists() {
        return Err("it started what nobody trusts".to_owned());
    }
    let items: Value = serde_json::from_slice(&orch(&["trust", "w", "--list", "--json"]).1).unwrap();
    orch(&["trust", "w", "--digest", items["items"][0]["digest"].as_str().unwrap()]);
    let (code, _, told) = orch(&["run", "w", "--runtime", name]);
    let need = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}\n{told}")) };
    need(code == Some(0), "it did not succeed")?;
    let status: Value = serde_json::from_slice(&orch(&["status", "--json"]).1).unwrap();
    let outputs = &status["outputs"];
    need(outputs["call"].as_str().unwrap_or_default().contains("recorded: pass"), "the server was not called")?;
    // The scripted model gives an argument that the tool does not have: `orch mcp` answered.
    need(
        outputs["ask"].as_str().unwrap_or_default().contains("E0580"),
        &format!("orch mcp was not called: {outputs}"),
    )?;
    need(fs::read_to_string(lab.join("token")).is_ok_and(|token| token == SECRET), "the server has no token")?;
    let found = holding(&root, SECRET.as_bytes());
    need(found.is_empty(), &format!("the token stands in {found:?}"))
}

#[test]
fn real_programs_call_the_servers_of_a_definition() {
    let (Some(stub), Some(programs)) = (scripted::folder(), std::env::var_os("ORCH_CLIS")) else {
        println!("SKIPPED: servers of definitions need ORCH_CLIS=/path/to/bin and ../shared/stub-model");
        return;
    };
    let lab = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut wrong = Vec::new();
    for name in ["claude", "codex"] {
        let found = std::env::split_paths(&programs).map(|folder| folder.join(name)).find(|path| path.exists());
        let Some(program) = found else {
            println!("SKIPPED: {name} is in no folder of ORCH_CLIS");
            continue;
        };
        let result = calls(name, &program, &stub, &lab.path().join(name));
        println!("{name} calls servers: {}", result.as_ref().err().map_or("yes", |fault| fault));
        wrong.extend(result.err().map(|fault| format!("==== {name}\n{fault}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
