//! The command line of Codex. Knows nothing of what it prints.
//!
//! It gets a closed world: no configuration of the user or the project, no memory file, no skill, no plugin, no rule,
//! no server that the order does not name. Logins are no configuration and stay; another address of the service comes by
//! `OPENAI_BASE_URL`.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    base::Failure,
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, Reader, Scene},
        order::{Access, McpServer, Order},
        program::{
            ProgramSettings,
            codex::reader::Events,
            hook::HOOK_SECONDS,
            launch::{ARGUMENT_BYTES_MAX, environment, flag, impossible, server_name, session, stdin},
            strict::is_strict,
        },
    },
};

/// How often it tries a request again by itself: `orch` decides and sees more.
const RETRIES: u32 = 1;
/// Where its service is, where that is not the usual place.
const ADDRESS: &str = "OPENAI_BASE_URL";
/// What it must not do by itself. Without plugins it clones nothing; memory files are told with the order.
const QUIET: [&str; 10] = [
    "check_for_update_on_startup=false",
    "analytics.enabled=false",
    "feedback.enabled=false",
    "features.plugins=false",
    "features.apps=false",
    "features.memories=false",
    "features.goals=false",
    "skills.include_instructions=false",
    "project_doc_max_bytes=0",
    "history.persistence=\"none\"",
];

/// Codex with these settings.
pub(in crate::runtime::program) fn codex(settings: ProgramSettings) -> Arc<dyn Adapter> {
    Arc::new(Codex { settings })
}

struct Codex {
    settings: ProgramSettings,
}

impl Adapter for Codex {
    fn name(&self) -> &str {
        "codex"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            forks: true,
            streams: true,
            reports_usage: true,
            system_prompt: true,
            models: true,
            structured: true,
            mcp: true,
            read_only: true,
            unlimited: true,
            own_sandbox: true,
            hooks: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>> {
        let mut argv = vec![self.settings.program.clone()];
        let mut env = environment(&self.settings);
        let mut files = Vec::new();
        let fixed = ["exec", "--json", "--skip-git-repo-check", "--ignore-user-config", "--ignore-rules"];
        argv.extend(fixed.map(OsString::from));
        argv.push(match order.access {
            // Another sandbox keeps it, in which its own cannot be made.
            Access::Read | Access::Edit if scene.is_kept => "--sandbox=danger-full-access".into(),
            Access::Read => "--sandbox=read-only".into(),
            Access::Edit => "--sandbox=workspace-write".into(),
            Access::Full => "--dangerously-bypass-approvals-and-sandbox".into(),
        });
        if let Some(model) = self.settings.model(order.model.as_deref()) {
            argv.push(flag("model", model)?);
        }
        let mut config: Vec<String> = QUIET.map(str::to_owned).to_vec();
        config.extend(self.service());
        match &scene.hook {
            // These hooks are `orch`'s own, and with the user's configuration ignored there are no others.
            Some(hook) => {
                argv.push("--dangerously-bypass-hook-trust".into());
                let hook = format!("type=\"command\",command={},timeout={HOOK_SECONDS}", toml(&json!(hook)));
                config.push("features.hooks=true".to_owned());
                config.push(format!("hooks.PreToolUse=[{{matcher=\"*\",hooks=[{{{hook}}}]}}]"));
            }
            None => config.push("features.hooks=false".to_owned()),
        }
        if order.tools.as_ref().is_some_and(|tools| !tools.iter().any(|tool| matches!(tool.trim(), "WebSearch" | "*")))
        {
            config.push("web_search=\"disabled\"".into());
        }
        let role = order.agent.instructions.trim();
        let is_role_apart = role.len() <= ARGUMENT_BYTES_MAX;
        if is_role_apart && !role.is_empty() {
            config.push(format!("developer_instructions={}", toml(&json!(role))));
        }
        config.extend(servers(&order.mcp_servers, &mut env)?);
        for setting in config {
            argv.extend(["-c".into(), setting.into()]);
        }
        if let Some(schema) = order.expected_output.as_ref().filter(|schema| is_strict(schema)) {
            files.push(("schema.json".into(), schema.to_string().into_bytes()));
            let mut flag = OsString::from("--output-schema=");
            flag.push(scene.folder.join("schema.json"));
            argv.push(flag);
        }
        if self.settings.isolated_home {
            let home = scene.folder.join("home");
            env.insert("CODEX_HOME".into(), home.join(".codex").into());
            env.insert("HOME".into(), home.into());
            // It makes no home by itself.
            files.push(("home/.codex/config.toml".into(), Vec::new()));
        }
        if let Some(id) = session(order)? {
            argv.extend([if order.forks { "fork" } else { "resume" }.into(), OsString::from(id)]);
        }
        argv.push("-".into());
        let prompt = if is_role_apart { order.message() } else { order.prompt() };
        Ok(Call::Program(Invocation { argv, env, stdin: stdin(prompt)?, files }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Events::new(order))
    }
}

impl Codex {
    /// Another address of the service. Only such a one can be told how often to try again.
    fn service(&self) -> Vec<String> {
        let Some(address) = self.settings.env.get(OsStr::new(ADDRESS)).and_then(|address| address.to_str()) else {
            return Vec::new();
        };
        let service = [
            ("name", json!("orch")),
            ("base_url", json!(address)),
            ("env_key", json!("OPENAI_API_KEY")),
            ("wire_api", json!("responses")),
            ("request_max_retries", json!(RETRIES)),
            ("stream_max_retries", json!(RETRIES)),
        ];
        let service = service.map(|(key, value)| format!("model_providers.orch.{key}={}", toml(&value)));
        [vec!["model_provider=\"orch\"".to_owned()], service.to_vec()].concat()
    }
}

/// The settings of the servers. What is in their environment goes through the program's own, which hands on what is
/// named: arguments are seen by all.
fn servers(servers: &[McpServer], env: &mut BTreeMap<OsString, OsString>) -> Result<Vec<String>, Box<Failure>> {
    let mut settings = Vec::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for server in servers {
        let at = format!("mcp_servers.{}", server_name(&server.name)?);
        let (command, args) = server
            .command
            .split_first()
            .ok_or_else(|| impossible(format!("the MCP server `{}` has no command", server.name)))?;
        let mut set = |key: &str, value: Value| settings.push(format!("{at}.{key}={}", toml(&value)));
        set("command", json!(command));
        set("args", json!(args));
        set("required", json!(true));
        set("default_tools_approval_mode", json!("approve"));
        set("env_vars", json!(server.env.keys().collect::<Vec<_>>()));
        for (name, value) in &server.env {
            if names.insert(name, value).is_some_and(|other| other != value) {
                return Err(impossible(format!(
                    "two MCP servers want different values of `{name}`, and codex has one environment for all: \
                     start one of them by a command that sets its own"
                )));
            }
            env.insert(name.into(), value.into());
        }
    }
    if !names.is_empty() {
        let names: Vec<&str> = names.into_keys().collect();
        settings.push(format!("shell_environment_policy.exclude={}", toml(&json!(names))));
    }
    Ok(settings)
}

/// A value as TOML writes it: as JSON does, but for one character.
fn toml(value: &Value) -> String {
    value.to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::program::launch::samples::{argv, invocation, order};

    #[test]
    fn access_and_sessions_are_mapped() {
        for (access, flag) in [
            (Access::Read, "--sandbox=read-only"),
            (Access::Edit, "--sandbox=workspace-write"),
            (Access::Full, "--dangerously-bypass-approvals-and-sandbox"),
        ] {
            let argv = argv(codex, &Order { access, ..order() });
            assert!(argv.contains(&flag.to_owned()), "{argv:?}");
            assert_eq!(argv.iter().filter(|word| word.contains("sandbox")).count(), 1, "{argv:?}");
            assert_eq!(argv.last().unwrap(), "-");
        }
        let goes_on = Order { session: Some("t-1".into()), ..order() };
        assert!(argv(codex, &goes_on).ends_with(&["resume".into(), "t-1".into(), "-".into()]));
        let forks = Order { forks: true, ..goes_on };
        assert!(argv(codex, &forks).ends_with(&["fork".into(), "t-1".into(), "-".into()]));
    }

    #[test]
    fn secrets_of_a_server_are_no_arguments() {
        let server = |name: &str, value: &str| McpServer {
            name: name.into(),
            command: vec!["srv".into(), "--x\"".into()],
            env: BTreeMap::from([("TOKEN".to_owned(), value.to_owned())]),
        };
        let one = Order { mcp_servers: vec![server("a", "hush")], ..order() };
        let call = invocation(codex, &one).unwrap();
        assert_eq!(call.env[OsStr::new("TOKEN")], "hush");
        let words = format!("{:?}", call.argv);
        assert!(!words.contains("hush") && words.contains("mcp_servers.a.env_vars"), "{words}");
        assert!(argv(codex, &one).contains(&"mcp_servers.a.args=[\"--x\\\"\"]".to_owned()));
        let two = Order { mcp_servers: vec![server("a", "hush"), server("b", "other")], ..order() };
        assert!(invocation(codex, &two).unwrap_err().reason.contains("different values of `TOKEN`"));
    }

    #[test]
    fn a_long_role_stands_in_the_prompt() {
        let mut long = order();
        long.agent.instructions = "role ".repeat(30_000);
        let call = invocation(codex, &long).unwrap();
        assert!(call.argv.iter().all(|word| word.len() < ARGUMENT_BYTES_MAX));
        assert!(String::from_utf8_lossy(&call.stdin).contains("# Role"));
        assert!(!String::from_utf8_lossy(&invocation(codex, &order()).unwrap().stdin).contains("# Role"));
    }

    #[test]
    fn only_a_strict_schema_is_handed_over() {
        let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
        assert!(invocation(codex, &Order { expected_output: Some(open.clone()), ..order() }).unwrap().files.is_empty());
        let mut closed = open;
        closed["required"] = json!(["a"]);
        closed["additionalProperties"] = json!(false);
        let call = invocation(codex, &Order { expected_output: Some(closed), ..order() }).unwrap();
        assert_eq!(call.files.len(), 1);
        assert!(call.argv.contains(&"--output-schema=/attempt/schema.json".into()));
    }
}
