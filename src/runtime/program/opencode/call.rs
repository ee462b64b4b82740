//! The command line of opencode. Knows nothing of what it prints.
//!
//! Everything is allowed by default, so the order gets an agent of its own with a whole map of permissions. It stands
//! behind the permissions of the user's settings, and the last rule that matches wins. The settings of the project are
//! not read; those of the user stay, because services and logins are among them.

use std::{ffi::OsString, path::Path, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    base::Failure,
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, Reader, Scene},
        order::Order,
        program::{
            ProgramSettings,
            launch::{environment, flag, impossible, server_name, session, stdin},
            opencode::{edits::edits, reader::Events},
            rights::{Commands, Right, Rights},
        },
    },
};

/// The agent that an order gets. No definition of the user has this name.
const AGENT: &str = "orch-step";
/// What it must not do by itself, or read beside what the order says.
const QUIET: [&str; 8] = [
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
    "OPENCODE_DISABLE_PROJECT_CONFIG",
    "OPENCODE_DISABLE_CLAUDE_CODE",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS",
    "OPENCODE_DISABLE_SHARE",
];

/// opencode with these settings.
pub(in crate::runtime::program) fn opencode(settings: ProgramSettings) -> Arc<dyn Adapter> {
    Arc::new(OpenCode { settings })
}

struct OpenCode {
    settings: ProgramSettings,
}

impl Adapter for OpenCode {
    fn name(&self) -> &str {
        "opencode"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            forks: true,
            streams: true,
            reports_usage: true,
            models: true,
            mcp: true,
            read_only: true,
            unlimited: true,
            tool_lists: true,
            command_rules: true,
            ..Capabilities::default()
        }
    }

    /// Neither `--pure` nor any variable keeps version 1.18.33 from loading them.
    fn runs_unasked(&self) -> &'static [&'static str] {
        &[".opencode/plugin", ".opencode/plugins"]
    }

    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>> {
        let rights = Rights::of(order);
        let mut argv = vec![self.settings.program.clone()];
        // A title of ours saves the request in which a small model makes one up.
        argv.extend(["run", "--format=json", "--pure", "--title=orch"].map(OsString::from));
        argv.push(flag("agent", AGENT)?);
        if let Some(model) = self.settings.model(order.model.as_deref()) {
            argv.push(flag("model", model)?);
        }
        if let Some(id) = session(order)? {
            argv.push(flag("session", id)?);
            if order.forks {
                argv.push("--fork".into());
            }
        }
        let config = json!({
            "autoupdate": false,
            "share": "disabled",
            "agent": { AGENT: { "mode": "primary", "permission": permissions(&rights, order, &scene.workspace) } },
            "mcp": servers(order)?
        });
        // In a file, because the environment of a server may hold secrets.
        let mut files = vec![("opencode.json".into(), config.to_string().into_bytes())];
        let mut env = environment(&self.settings);
        env.extend(QUIET.map(|name| (OsString::from(name), OsString::from("1"))));
        env.insert("OPENCODE_CONFIG".into(), scene.folder.join("opencode.json").into());
        if self.settings.isolated_home {
            let home = scene.folder.join("home");
            for (name, folder) in [
                ("XDG_CONFIG_HOME", ".config"),
                ("XDG_DATA_HOME", ".local/share"),
                ("XDG_STATE_HOME", ".local/state"),
                ("XDG_CACHE_HOME", ".cache"),
            ] {
                env.insert(name.into(), home.join(folder).into());
            }
            env.insert("HOME".into(), home.into());
            files.push(("home/.config/opencode/.orch".into(), Vec::new()));
        }
        Ok(Call::Program(Invocation { argv, env, stdin: stdin(order.prompt())?, files }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Events::new(order, self.settings.model(order.model.as_deref())))
    }
}

/// The whole map of permissions; the order of its keys is the order in which they are looked at, and the last one wins.
fn permissions(rights: &Rights, order: &Order, workspace: &Path) -> Value {
    if rights.all {
        return json!({ "*": "allow", "external_directory": "allow", "doom_loop": "allow", "question": "deny" });
    }
    let word = |is_allowed: bool| Value::from(if is_allowed { "allow" } else { "deny" });
    let mut map = Map::new();
    map.insert("*".into(), word(false));
    for (right, names) in [
        (Right::Read, &["read", "list"][..]),
        (Right::Find, &["glob"]),
        (Right::Search, &["grep"]),
        (Right::Fetch, &["webfetch"]),
        (Right::Web, &["websearch", "codesearch"]),
        (Right::Todo, &["todowrite", "todoread"]),
    ] {
        for name in names {
            map.insert((*name).into(), word(rights.has(right)));
        }
    }
    // What did not fit into the prompt lies outside of the workspace; it may be read, and never be changed.
    let mut outside = Map::from_iter([("*".to_owned(), word(false))]);
    let folders = order.context_files.iter().filter_map(|file| Path::new(file).parent());
    let folders: Vec<_> = folders.filter(|folder| folder.is_absolute()).collect();
    outside.extend(folders.iter().map(|folder| (format!("{}/*", folder.display()), word(true))));
    map.insert("edit".into(), edits(workspace, rights.has(Right::Edit), &folders).into());
    map.insert("external_directory".into(), outside.into());
    map.insert("bash".into(), commands(rights));
    for (server, tool) in &rights.mcp {
        map.insert(format!("{server}_{}", tool.as_deref().unwrap_or("*")), word(true));
    }
    for (server, tool) in &rights.no_mcp {
        map.insert(format!("{server}_{}", tool.as_deref().unwrap_or("*")), word(false));
    }
    // Nobody is there to answer, and an agent that turns in circles is stopped.
    for name in ["doom_loop", "question", "task", "skill"] {
        map.insert(name.into(), word(false));
    }
    map.into()
}

fn commands(rights: &Rights) -> Value {
    let allowed = match &rights.commands {
        Commands::All if rights.no_commands.is_empty() => return Value::from("allow"),
        Commands::All => None,
        Commands::These(commands) => Some(commands),
    };
    let standard = if allowed.is_none() { "allow" } else { "deny" };
    let mut map = Map::from_iter([("*".to_owned(), Value::from(standard))]);
    // It matches single letters by `?` and has no way to name the letter itself.
    let allowed = allowed.into_iter().flatten().filter(|command| !command.words.contains('?'));
    let allowed = allowed.map(|command| (command, "allow"));
    for (command, word) in allowed.chain(rights.no_commands.iter().map(|command| (command, "deny"))) {
        for pattern in [Some(command.words.clone()), command.is_open.then(|| format!("{} *", command.words))] {
            // Who comes last wins, and a key keeps its first place.
            let Some(pattern) = pattern else { continue };
            map.shift_remove(&pattern);
            map.insert(pattern, word.into());
        }
    }
    map.into()
}

fn servers(order: &Order) -> Result<Value, Box<Failure>> {
    let mut all = Map::new();
    for server in &order.mcp_servers {
        if server.command.is_empty() {
            return Err(impossible(format!("the MCP server `{}` has no command", server.name)));
        }
        let value = json!({
            "type": "local", "command": server.command, "environment": server.env, "enabled": true
        });
        all.insert(server_name(&server.name)?.to_owned(), value);
    }
    Ok(all.into())
}
