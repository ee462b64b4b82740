//! The command line of GitHub Copilot CLI. Knows nothing of what it prints.
//!
//! It gets a closed world: only the tools that the order allows are shown to the model, and only those are allowed. It
//! counts tokens in a file and nowhere else.

use std::{collections::BTreeSet, ffi::OsString, path::Path, sync::Arc};

use serde_json::{Map, json};

use crate::{
    base::Failure,
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, Reader, Scene},
        order::Order,
        program::{
            ProgramSettings,
            copilot::reader::Events,
            hook::HOOK_SECONDS,
            launch::{environment, flag, impossible, server_name, session, stdin},
            rights::{Commands, Right, Rights},
        },
    },
};

/// The file in the attempt's folder where it counts its tokens.
const USAGE: &str = "usage.json";
/// No questions, no updates, no servers and no advice that the order does not name, nothing sent to its maker.
const FIXED: [&str; 12] = [
    "--output-format=json",
    "--no-color",
    "--no-auto-update",
    "--no-ask-user",
    "--no-experimental",
    "--no-bash-env",
    "--no-remote",
    "--no-remote-export",
    "--no-custom-instructions",
    "--disable-builtin-mcps",
    "--disable-client-telemetry",
    "--log-level=none",
];
/// Keys that no command of the agent gets to see.
const SECRETS: &str =
    "COPILOT_GITHUB_TOKEN,GH_TOKEN,GITHUB_TOKEN,COPILOT_PROVIDER_API_KEY,COPILOT_PROVIDER_BEARER_TOKEN";
/// The tools of a right. Which of them there are depends on the model.
const TOOLS: [(Right, &[&str]); 7] = [
    (Right::Read, &["view"]),
    (Right::Find, &["glob"]),
    (Right::Search, &["grep", "rg"]),
    (Right::Edit, &["apply_patch", "create", "edit", "str_replace_editor"]),
    (Right::Fetch, &["web_fetch"]),
    (Right::Web, &["web_search"]),
    (Right::Todo, &["update_todo"]),
];
const SHELL: [&str; 5] = ["bash", "list_bash", "read_bash", "stop_bash", "write_bash"];

/// GitHub Copilot CLI with these settings.
pub(in crate::runtime::program) fn copilot(settings: ProgramSettings) -> Arc<dyn Adapter> {
    Arc::new(Copilot { settings })
}

struct Copilot {
    settings: ProgramSettings,
}

impl Adapter for Copilot {
    fn name(&self) -> &str {
        "copilot"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            presets_session: true,
            streams: true,
            reports_usage: true,
            models: true,
            mcp: true,
            read_only: true,
            unlimited: true,
            tool_lists: true,
            command_rules: true,
            hooks: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>> {
        let mut argv = vec![self.settings.program.clone()];
        argv.extend(FIXED.map(OsString::from));
        argv.push(flag("secret-env-vars", SECRETS)?);
        if let Some(model) = self.settings.model(order.model.as_deref()) {
            argv.push(flag("model", model)?);
        }
        argv.push(match session(order)? {
            Some(_) if order.forks => return Err(impossible("copilot cannot fork a session")),
            Some(id) => flag("resume", id)?,
            None => flag("session-id", &scene.session)?,
        });
        argv.extend(permissions(&Rights::of(order))?);
        argv.extend(context(order));
        argv.push(path_flag("usage-output-file=", &scene.folder.join(USAGE)));
        let mut files = Vec::new();
        if let Some(hook) = &scene.hook {
            let hook = json!({ "type": "command", "bash": hook, "timeoutSec": HOOK_SECONDS });
            let hooks = json!({ "version": 1, "hooks": { "preToolUse": [hook] } });
            let plugin = json!({ "name": "orch-guard", "version": "1.0.0", "hooks": "hooks.json" });
            files.push(("guard/plugin.json".into(), plugin.to_string().into_bytes()));
            files.push(("guard/hooks.json".into(), hooks.to_string().into_bytes()));
            argv.push(path_flag("plugin-dir=", &scene.folder.join("guard")));
        }
        if !order.mcp_servers.is_empty() {
            // In a file, because its environment may hold secrets and arguments are seen by all.
            files.push(("mcp.json".into(), servers(order)?));
            argv.push(path_flag("additional-mcp-config=@", &scene.folder.join("mcp.json")));
        }
        let mut env = environment(&self.settings);
        env.insert("COPILOT_AUTO_UPDATE".into(), "false".into());
        if self.settings.isolated_home {
            let home = scene.folder.join("home");
            env.insert("COPILOT_HOME".into(), home.join(".copilot").into());
            env.insert("HOME".into(), home.into());
            files.push(("home/.copilot/.orch".into(), Vec::new()));
        }
        Ok(Call::Program(Invocation { argv, env, stdin: stdin(order.prompt())?, files }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Events::new(order))
    }

    fn side_file(&self) -> Option<&Path> {
        Some(Path::new(USAGE))
    }
}

fn path_flag(begin: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(format!("--{begin}"));
    flag.push(path);
    flag
}

/// Which tools are shown to the model, and which of them need no question: nobody is there to answer one.
fn permissions(rights: &Rights) -> Result<Vec<OsString>, Box<Failure>> {
    if rights.all {
        return Ok(vec!["--allow-all".into()]);
    }
    let (mut shown, mut allowed) = (BTreeSet::new(), Vec::new());
    for (right, tools) in TOOLS {
        if rights.has(right) {
            shown.extend(tools.iter().map(|tool| (*tool).to_owned()));
        }
    }
    // A command that redirects its output counts as a write, and who may run any command may do that.
    if rights.has(Right::Edit) || rights.commands == Commands::All {
        allowed.push("write".to_owned());
    }
    match &rights.commands {
        Commands::All => allowed.push("shell".to_owned()),
        Commands::These(commands) => {
            // A comma begins another rule, and a parenthesis ends one.
            let plain = commands.iter().filter(|command| !command.words.contains([',', '(', ')']));
            allowed.extend(
                plain.map(|command| format!("shell({}{})", command.words, if command.is_open { ":*" } else { "" })),
            );
        }
    }
    if rights.runs_commands() {
        shown.extend(SHELL.map(str::to_owned));
    }
    for (server, tool) in &rights.mcp {
        let server = server_name(server)?;
        match tool {
            Some(tool) => {
                shown.insert(format!("{server}-{}", server_name(tool)?));
                allowed.push(format!("{server}({tool})"));
            }
            None => {
                shown.insert(server.to_owned());
                allowed.push(server.to_owned());
            }
        }
    }
    // An empty list would show all tools.
    shown.insert("orch-shows-no-other".to_owned());
    let shown = shown.iter().map(|tool| flag("available-tools", tool));
    let mut flags: Vec<OsString> =
        shown.chain(allowed.iter().map(|rule| flag("allow-tool", rule))).collect::<Result<_, _>>()?;
    for command in &rights.no_commands {
        let rest = if command.is_open { ":*" } else { "" };
        flags.push(flag("deny-tool", &format!("shell({}{rest})", command.words))?);
    }
    for (server, tool) in &rights.no_mcp {
        let tool = tool.as_ref().map(|tool| format!("({tool})")).unwrap_or_default();
        flags.push(flag("deny-tool", &format!("{}{tool}", server_name(server)?))?);
    }
    if rights.has(Right::Fetch) {
        flags.push("--allow-all-urls".into());
    }
    Ok(flags)
}

/// What did not fit into the prompt lies outside of the workspace; it may be read, and never be changed.
fn context(order: &Order) -> Vec<OsString> {
    let files: Vec<&Path> = order.context_files.iter().map(Path::new).filter(|file| file.is_absolute()).collect();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let folders = folders.into_iter().map(|folder| path_flag("add-dir=", folder));
    folders.chain(files.iter().map(|file| format!("--deny-tool=write({})", file.display()).into())).collect()
}

fn servers(order: &Order) -> Result<Vec<u8>, Box<Failure>> {
    let mut all = Map::new();
    for server in &order.mcp_servers {
        let (command, args) = server
            .command
            .split_first()
            .ok_or_else(|| impossible(format!("the MCP server `{}` has no command", server.name)))?;
        let value = json!({
            "type": "local", "command": command, "args": args, "env": server.env, "tools": ["*"]
        });
        all.insert(server_name(&server.name)?.to_owned(), value);
    }
    Ok(json!({ "mcpServers": all }).to_string().into_bytes())
}
