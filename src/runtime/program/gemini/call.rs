//! The command line of Gemini CLI. Knows nothing of what it prints.
//!
//! It gets a closed world by two files that stand above those of the user and the project: settings that turn off
//! servers, skills, hooks and extensions that the order does not name, and a policy that denies every
//! other tool. The user's own settings stay, because the login is among them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use crate::{
    base::Failure,
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, Reader, Scene},
        order::{Access, Order},
        program::{
            ProgramSettings,
            gemini::{policy::policy, reader::Events},
            launch::{environment, flag, impossible, server_name, session, stdin},
            rights::Rights,
        },
    },
};

/// How often it tries a request in all: `orch` decides and sees more.
const ATTEMPTS: u32 = 2;
/// A name that no server has: an empty list of allowed servers would allow all.
const NO_SERVER: &str = "orch-allows-none";
/// The one memory file that it reads whatever its settings say; a project's settings cannot name more. The memory of
/// other programs is told by `orch`.
const MEMORY: &str = "GEMINI.md";

/// Gemini CLI with these settings.
pub(in crate::runtime::program) fn gemini(settings: ProgramSettings) -> Arc<dyn Adapter> {
    Arc::new(Gemini { settings })
}

struct Gemini {
    settings: ProgramSettings,
}

impl Adapter for Gemini {
    fn name(&self) -> &str {
        "gemini"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            presets_session: true,
            streams: true,
            reports_usage: true,
            system_prompt: true,
            models: true,
            mcp: true,
            read_only: true,
            unlimited: true,
            tool_lists: true,
            command_rules: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>> {
        let rights = Rights::of(order);
        let mut argv = vec![self.settings.program.clone(), "--output-format=stream-json".into()];
        if let Some(model) = self.settings.model(order.model.as_deref()) {
            argv.push(flag("model", model)?);
        }
        argv.push(match session(order)? {
            Some(_) if order.forks => return Err(impossible("gemini cannot fork a session")),
            Some(id) => flag("resume", id)?,
            None => flag("session-id", &scene.session)?,
        });
        argv.push("--extensions=none".into());
        if order.mcp_servers.is_empty() {
            argv.push(flag("allowed-mcp-server-names", NO_SERVER)?);
        }
        for server in &order.mcp_servers {
            argv.push(flag("allowed-mcp-server-names", server_name(&server.name)?)?);
        }
        let mut files = vec![(PathBuf::from("gemini.json"), settings(order)?)];
        let context = context_folders(order);
        for folder in &context {
            argv.push(path_flag("include-directories", folder)?);
        }
        if rights.all {
            argv.push("--approval-mode=yolo".into());
        } else {
            // The mode decides where an administrator's own rules take the place of ours.
            let mode = if order.access == Access::Read { "default" } else { "auto_edit" };
            argv.push(flag("approval-mode", mode)?);
            files.push(("policy.toml".into(), policy(&rights, &context).into_bytes()));
            let path = scene.folder.join("policy.toml");
            argv.push(path_flag("policy", &path)?);
            argv.push(path_flag("admin-policy", &path)?);
        }
        let mut env = environment(&self.settings);
        env.insert("GEMINI_CLI_SYSTEM_SETTINGS_PATH".into(), scene.folder.join("gemini.json").into());
        for (name, value) in [
            ("GEMINI_TELEMETRY_ENABLED", "false"),
            // Else it does nothing at all without a person. What a project's settings could do is turned off above.
            ("GEMINI_CLI_TRUST_WORKSPACE", "true"),
            // Else the process that is started is not the one that works.
            ("GEMINI_CLI_NO_RELAUNCH", "true"),
        ] {
            env.insert(name.into(), value.into());
        }
        if env.contains_key(&OsString::from("GEMINI_API_KEY")) {
            // The weakest settings of all: a login that the user has chosen goes before the key.
            let key = json!({ "security": { "auth": { "selectedType": "gemini-api-key" } } });
            files.push(("gemini-defaults.json".into(), key.to_string().into_bytes()));
            env.insert("GEMINI_CLI_SYSTEM_DEFAULTS_PATH".into(), scene.folder.join("gemini-defaults.json").into());
        }
        if !order.agent.instructions.trim().is_empty() {
            files.push(("role.md".into(), role(order).into_bytes()));
            env.insert("GEMINI_SYSTEM_MD".into(), scene.folder.join("role.md").into());
        }
        if self.settings.isolated_home {
            env.insert("HOME".into(), scene.folder.join("home").into());
            files.push(("home/.gemini/settings.json".into(), b"{}".to_vec()));
        }
        Ok(Call::Program(Invocation { argv, env, stdin: stdin(order.message())?, files }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Events::new(order))
    }
}

/// The role takes the place of the program's own system prompt, and with it of its advice on tools.
fn role(order: &Order) -> String {
    format!(
        "{}\n\n# How you work\n\nYou work alone, with nobody to ask. Do the whole task with the tools that you have: \
         look before you change, keep to the style that is there, and check what you did. Paths are relative to the \
         current folder. End with your answer as text.\n",
        order.agent.instructions.trim()
    )
}

/// `--name=PATH`; the program takes a comma for the end of the path.
fn path_flag(name: &str, path: &Path) -> Result<OsString, Box<Failure>> {
    if path.as_os_str().as_encoded_bytes().contains(&b',') {
        let shown = path.display();
        return Err(impossible(format!("gemini takes no path with a comma, and it needs `{shown}`: move the project")));
    }
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(path);
    Ok(flag)
}

/// Folders outside the workspace that hold what did not fit into the prompt.
fn context_folders(order: &Order) -> Vec<&Path> {
    let files = order.context_files.iter().map(Path::new).filter(|file| file.is_absolute());
    let mut folders: Vec<&Path> = files.filter_map(Path::parent).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// Settings that stand above all others.
fn settings(order: &Order) -> Result<Vec<u8>, Box<Failure>> {
    let mut servers = Map::new();
    for server in &order.mcp_servers {
        let (command, args) = server
            .command
            .split_first()
            .ok_or_else(|| impossible(format!("the MCP server `{}` has no command", server.name)))?;
        let value = json!({ "command": command, "args": args, "env": server.env, "trust": true });
        servers.insert(server.name.clone(), value);
    }
    let settings: Value = json!({
        "general": { "enableAutoUpdate": false, "enableAutoUpdateNotification": false, "maxAttempts": ATTEMPTS },
        "privacy": { "usageStatisticsEnabled": false },
        "telemetry": { "enabled": false },
        "context": { "fileName": MEMORY },
        "tools": { "discoveryCommand": "", "callCommand": "" },
        "skills": { "enabled": false },
        "hooksConfig": { "enabled": false },
        "experimental": { "enableAgents": false },
        "advanced": { "ignoreLocalEnv": true },
        "mcpServers": servers
    });
    Ok(settings.to_string().into_bytes())
}
