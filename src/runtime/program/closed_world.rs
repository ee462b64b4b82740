//! What the command lines of Gemini CLI, GitHub Copilot CLI and opencode allow.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use crate::runtime::{
    adapter::{Adapter, Call, Invocation, Scene},
    order::{Access, McpServer, Order, OrderAgent},
    program::{PROGRAMS, ProgramSettings},
};

const NAMES: [&str; 3] = ["gemini", "copilot", "opencode"];

fn order(tools: Option<&[&str]>, access: Access) -> Order {
    Order {
        workflow: "w".into(),
        step: "s".into(),
        attempt: 1,
        turn: 1,
        agent: OrderAgent { name: "developer".into(), instructions: "You write code.".into() },
        task: "Do it".into(),
        requirements: String::new(),
        constraints: vec![],
        context: String::new(),
        context_files: vec![],
        expected_output: None,
        feedback: None,
        session: None,
        forks: false,
        session_usage: crate::base::Usage::default(),
        model: None,
        tools: tools.map(|tools| tools.iter().map(|tool| (*tool).to_owned()).collect()),
        files: vec![],
        answer_files: false,
        access,
        permissions: crate::definition::Permissions::default(),
        mcp_servers: vec![],
        attached: vec![],
        inputs: serde_json::Map::new(),
    }
}

fn adapter(name: &str, settings: ProgramSettings) -> Arc<dyn Adapter> {
    let kind = PROGRAMS.iter().find(|kind| kind.name == name).unwrap();
    (kind.make)(ProgramSettings { program: name.into(), ..settings })
}

fn scene() -> Scene {
    Scene {
        folder: PathBuf::from("/run/a1"),
        workspace: PathBuf::from("/work"),
        home: PathBuf::from("/home/me"),
        session: "11111111-2222-8333-8444-555555555555".into(),
        is_kept: false,
        hook: None,
    }
}

fn call(name: &str, order: &Order, settings: ProgramSettings) -> Result<Invocation, String> {
    match adapter(name, settings).call(order, &scene()) {
        Ok(Call::Program(invocation)) => Ok(invocation),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.reason),
    }
}

fn plain(name: &str, order: &Order) -> Invocation {
    call(name, order, ProgramSettings::default()).unwrap()
}

fn argv(invocation: &Invocation) -> Vec<String> {
    invocation.argv.iter().map(|word| word.to_str().unwrap().to_owned()).collect()
}

fn env(invocation: &Invocation) -> BTreeMap<&str, &str> {
    invocation.env.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect()
}

fn file(invocation: &Invocation, name: &str) -> String {
    let found = invocation.files.iter().find(|(path, _)| path == Path::new(name));
    String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).1.clone()).unwrap()
}

/// The values of a flag that may be given many times.
fn values(invocation: &Invocation, name: &str) -> Vec<String> {
    let begin = format!("--{name}=");
    argv(invocation).iter().filter_map(|word| word.strip_prefix(&begin)).map(str::to_owned).collect()
}

/// What opencode's agent may do.
fn permissions(order: &Order) -> Value {
    let config: Value = serde_json::from_str(&file(&plain("opencode", order), "opencode.json")).unwrap();
    config["agent"]["orch-step"]["permission"].clone()
}

/// The allowing rules of gemini's policy.
fn allowed(order: &Order) -> Vec<String> {
    let policy = file(&plain("gemini", order), "policy.toml");
    let rules = policy.split("[[rule]]\n").filter(|rule| rule.contains("\"allow\""));
    rules
        .map(|rule| rule.lines().take_while(|line| !line.starts_with("decision")).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn an_agent_that_only_looks_gets_nothing_that_writes() {
    // Even where its tools would allow more.
    let order = order(Some(&["Read", "Grep", "Write", "Bash"]), Access::Read);
    let gemini = plain("gemini", &order);
    assert_eq!(values(&gemini, "approval-mode"), ["default"]);
    assert_eq!(
        allowed(&order),
        [
            r#"toolName = ["read_file", "read_many_files", "list_directory"]"#,
            r#"toolName = ["grep_search", "search_file_content"]"#
        ]
    );
    assert!(file(&gemini, "policy.toml").starts_with("[[rule]]\ntoolName = \"*\"\ndecision = \"deny\""));
    assert_eq!(values(&gemini, "policy"), ["/run/a1/policy.toml"]);
    assert_eq!(values(&gemini, "admin-policy"), ["/run/a1/policy.toml"]);
    let copilot = plain("copilot", &order);
    assert_eq!(values(&copilot, "available-tools"), ["grep", "orch-shows-no-other", "rg", "view"]);
    assert_eq!(values(&copilot, "allow-tool"), [] as [&str; 0]);
    let map = permissions(&order);
    assert_eq!((&map["*"], &map["read"], &map["grep"]), (&"deny".into(), &"allow".into(), &"allow".into()));
    assert_eq!(
        (&map["glob"], &map["edit"]["*"], &map["bash"]),
        (&"deny".into(), &"deny".into(), &serde_json::json!({ "*": "deny" }))
    );
    // The last rule that matches wins: the one that denies all has to be the first.
    assert_eq!(map.as_object().unwrap().keys().next().unwrap(), "*");
}

#[test]
fn only_the_named_commands_may_be_run() {
    let order =
        order(Some(&["Edit", "Bash(git log *)", "Bash(npm audit --json)", "Bash(make:*)", "Bash(a*b)"]), Access::Edit);
    assert_eq!(
        allowed(&order)[1..],
        [
            r#"toolName = "run_shell_command" commandPrefix = "git log""#,
            r#"toolName = "run_shell_command" commandRegex = "npm audit \\-\\-json\"""#,
            r#"toolName = "run_shell_command" commandPrefix = "make""#,
        ]
    );
    assert_eq!(values(&plain("gemini", &order), "approval-mode"), ["auto_edit"]);
    assert_eq!(
        values(&plain("copilot", &order), "allow-tool"),
        ["write", "shell(git log:*)", "shell(npm audit --json)", "shell(make:*)"]
    );
    let commands = serde_json::json!({
        "*": "deny", "git log": "allow", "git log *": "allow", "npm audit --json": "allow",
        "make": "allow", "make *": "allow"
    });
    assert_eq!(permissions(&order)["bash"], commands);
    assert_eq!(permissions(&order)["edit"]["work/*"], "allow");
}

#[test]
fn a_narrowed_tool_that_cannot_be_kept_narrow_is_not_given() {
    let order = order(Some(&["WebFetch(domain:docs.rs)", "Edit(src/**)", "Bash(cd x, y)", "Agent"]), Access::Edit);
    assert_eq!(allowed(&order), [r#"toolName = "run_shell_command" commandRegex = "cd x, y\"""#]);
    assert_eq!(values(&plain("copilot", &order), "allow-tool"), [] as [&str; 0]);
    assert_eq!(permissions(&order)["webfetch"], "deny");
    assert_eq!(permissions(&order)["edit"], serde_json::json!({ "*": "deny", "work/*": "deny" }));
}

#[test]
fn what_is_denied_or_asked_about_is_denied_by_every_program() {
    let mut order = order(Some(&["Read", "Bash", "mcp__docs"]), Access::Edit);
    order.permissions = crate::definition::Permissions {
        allow: None,
        ask: vec!["Bash(git push:*)".into()],
        deny: vec!["Bash(make)".into(), "mcp__docs__drop".into(), "Edit(ci/**)".into()],
    };
    let policy = file(&plain("gemini", &order), "policy.toml");
    for rule in [
        "toolName = \"run_shell_command\"\ncommandPrefix = \"git push\"\ndecision = \"deny\"\npriority = 990",
        "toolName = \"run_shell_command\"\ncommandRegex = \"make\\\"\"\ndecision = \"deny\"\npriority = 990",
        "mcpName = \"docs\"\ntoolName = \"drop\"\ndecision = \"deny\"\npriority = 990",
    ] {
        assert!(policy.contains(rule), "{rule}\n{policy}");
    }
    assert_eq!(values(&plain("copilot", &order), "deny-tool"), ["shell(make)", "shell(git push:*)", "docs(drop)"]);
    let map = permissions(&order);
    let commands = serde_json::json!({ "*": "allow", "make": "deny", "git push": "deny", "git push *": "deny" });
    assert_eq!((&map["bash"], &map["docs_drop"]), (&commands, &"deny".into()));
    // The last rule that matches wins.
    let keys: Vec<&String> = map.as_object().unwrap().keys().collect();
    let place = |name: &str| keys.iter().position(|key| *key == name);
    assert!(place("docs_drop") > place("docs_*"), "{keys:?}");
}

#[test]
fn an_agent_without_tools_inherits_them_and_full_access_is_said() {
    let usual = order(None, Access::Edit);
    assert!(values(&plain("copilot", &usual), "allow-tool").contains(&"shell".to_owned()));
    assert_eq!(permissions(&usual)["bash"], "allow");
    assert_eq!(permissions(&usual)["task"], "deny");
    let star = order(Some(&["*"]), Access::Edit);
    assert_eq!(permissions(&star), permissions(&usual));
    for order in [&usual, &order(Some(&["Bash"]), Access::Full)] {
        for name in NAMES {
            let words = argv(&plain(name, order)).join(" ");
            assert!(
                !["yolo", "--allow-all-tools", "--auto", "--allow-all "].iter().any(|word| words.contains(word)),
                "{words}"
            );
        }
    }
    let full = order(None, Access::Full);
    assert_eq!(values(&plain("gemini", &full), "approval-mode"), ["yolo"]);
    assert!(argv(&plain("copilot", &full)).contains(&"--allow-all".to_owned()));
    assert_eq!(permissions(&full)["*"], "allow");
}

#[test]
fn servers_of_the_order_and_no_others() {
    let mut order = order(Some(&["Read", "mcp__docs__search"]), Access::Read);
    assert_eq!(values(&plain("gemini", &order), "allowed-mcp-server-names"), ["orch-allows-none"]);
    let server = |name: &str| McpServer {
        name: name.into(),
        command: vec!["serve".into(), "--x".into()],
        env: BTreeMap::from([("TOKEN".into(), "s3cret".into())]),
    };
    order.mcp_servers = vec![server("docs"), server("all_of")];
    let gemini = plain("gemini", &order);
    assert_eq!(values(&gemini, "allowed-mcp-server-names"), ["docs", "all_of"]);
    assert!(allowed(&order).contains(&r#"mcpName = "docs" toolName = "search""#.to_owned()));
    assert!(allowed(&order).contains(&r#"mcpName = "all_of" toolName = "*""#.to_owned()));
    assert_eq!(values(&gemini, "extensions"), ["none"]);
    let settings: Value = serde_json::from_str(&file(&gemini, "gemini.json")).unwrap();
    for (part, key) in [("skills", "enabled"), ("hooksConfig", "enabled"), ("experimental", "enableAgents")] {
        assert_eq!(settings[part][key], false, "{part}");
    }
    assert_eq!(settings["mcpServers"]["docs"]["args"], serde_json::json!(["--x"]));
    let copilot = plain("copilot", &order);
    assert_eq!(values(&copilot, "available-tools"), ["all_of", "docs-search", "orch-shows-no-other", "view"]);
    assert_eq!(values(&copilot, "allow-tool"), ["docs(search)", "all_of"]);
    assert_eq!(
        (&permissions(&order)["docs_search"], &permissions(&order)["all_of_*"]),
        (&"allow".into(), &"allow".into())
    );
    for name in NAMES {
        let invocation = plain(name, &order);
        assert!(!argv(&invocation).join(" ").contains("s3cret"), "{name}: a secret stands in the arguments");
        assert!(invocation.files.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("s3cret")), "{name}");
    }
    for bad in ["-x", "a b", "a\"b", ""] {
        order.mcp_servers = vec![server(bad)];
        for name in NAMES {
            assert!(call(name, &order, ProgramSettings::default()).unwrap_err().contains("MCP server"), "{name} {bad}");
        }
    }
}

#[test]
fn nothing_of_a_definition_becomes_a_flag_or_an_argument() {
    let mut order = order(Some(&["--yolo", "Bash(--yolo)", "mcp__--yolo"]), Access::Edit);
    order.task = "--yolo".into();
    order.model = Some("--yolo".into());
    for name in NAMES {
        let words = call(name, &order, ProgramSettings::default());
        // A server of such a name is refused by one program and is a value for the others.
        if let Ok(invocation) = words {
            assert!(!argv(&invocation)[1..].iter().any(|word| word == "--yolo"), "{name}");
            assert!(argv(&invocation).contains(&"--model=--yolo".to_owned()), "{name}");
            assert!(String::from_utf8_lossy(&invocation.stdin).contains("--yolo"), "{name}");
        }
    }
    order.session = Some("--yolo".into());
    for name in NAMES {
        assert!(call(name, &order, ProgramSettings::default()).is_err(), "{name}");
    }
}

#[test]
fn sessions_begin_go_on_and_fork() {
    let mut order = order(None, Access::Edit);
    let id = &scene().session;
    assert_eq!(values(&plain("gemini", &order), "session-id"), [id.as_str()]);
    assert_eq!(values(&plain("copilot", &order), "session-id"), [id.as_str()]);
    assert!(!argv(&plain("opencode", &order)).iter().any(|word| word.contains("session")));
    order.session = Some("ses_1".into());
    assert_eq!(values(&plain("gemini", &order), "resume"), ["ses_1"]);
    assert_eq!(values(&plain("copilot", &order), "resume"), ["ses_1"]);
    assert_eq!(values(&plain("opencode", &order), "session"), ["ses_1"]);
    assert!(!argv(&plain("opencode", &order)).contains(&"--fork".to_owned()));
    order.forks = true;
    assert!(argv(&plain("opencode", &order)).contains(&"--fork".to_owned()));
    for name in ["gemini", "copilot"] {
        assert!(!adapter(name, ProgramSettings::default()).capabilities().forks);
        assert!(call(name, &order, ProgramSettings::default()).unwrap_err().contains("cannot fork"));
    }
}

#[test]
fn what_did_not_fit_may_be_read_and_not_be_changed() {
    let mut order = order(None, Access::Edit);
    order.context_files = vec!["/run/context/a.md".into(), "CLAUDE.md".into()];
    let gemini = plain("gemini", &order);
    assert_eq!(values(&gemini, "include-directories"), ["/run/context"]);
    let never = r#"argsPattern = "\"file_path\":\"\\/run\\/context""#;
    assert!(file(&gemini, "policy.toml").contains(never), "{}", file(&gemini, "policy.toml"));
    let copilot = plain("copilot", &order);
    assert_eq!(values(&copilot, "add-dir"), ["/run/context"]);
    assert_eq!(values(&copilot, "deny-tool"), ["write(/run/context/a.md)"]);
    let map = permissions(&order);
    assert_eq!(map["external_directory"], serde_json::json!({ "*": "deny", "/run/context/*": "allow" }));
    assert_eq!(map["edit"], serde_json::json!({ "*": "deny", "work/*": "allow", "run/context/*": "deny" }));
}

#[test]
fn homes_keys_and_roles() {
    let order = order(None, Access::Edit);
    for name in NAMES {
        let shared = plain(name, &order);
        assert!(!env(&shared).contains_key("HOME"), "{name}");
        let settings = ProgramSettings {
            isolated_home: true,
            env: BTreeMap::from([("GEMINI_API_KEY".into(), "k".into())]),
            model: Some("m".into()),
            ..ProgramSettings::default()
        };
        let isolated = call(name, &order, settings).unwrap();
        assert_eq!(env(&isolated)["HOME"], "/run/a1/home", "{name}");
        assert_eq!(env(&isolated)["GEMINI_API_KEY"], "k", "{name}");
        assert_eq!(values(&isolated, "model"), ["m"], "{name}");
        assert!(isolated.files.iter().any(|(path, _)| path.starts_with("home")), "{name}: nothing makes its home");
    }
    let gemini = plain("gemini", &order);
    assert!(!env(&gemini).contains_key("GEMINI_CLI_SYSTEM_DEFAULTS_PATH"));
    assert_eq!(env(&gemini)["GEMINI_SYSTEM_MD"], "/run/a1/role.md");
    assert!(file(&gemini, "role.md").starts_with("You write code.\n"));
    assert!(!String::from_utf8_lossy(&gemini.stdin).contains("You write code."));
    // The others have no place for a role but the prompt.
    assert!(String::from_utf8_lossy(&plain("copilot", &order).stdin).contains("You write code."));
    assert!(String::from_utf8_lossy(&plain("opencode", &order).stdin).contains("You write code."));
}
