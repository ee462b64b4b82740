//! The command line of Claude Code. Knows nothing of what it prints.
//!
//! It gets a closed world: no settings file of the user or the project, no memory file, no skill, no server that the
//! order does not name. Logins and keys are no settings and stay.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use crate::{
    base::Failure,
    definition::rule_parts,
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, Reader, Scene},
        order::{Access, Order},
        program::{
            ProgramSettings,
            claude::reader::Events,
            hook::HOOK_SECONDS,
            launch::{ARGUMENT_BYTES_MAX, environment, flag, impossible, named, server_name, session, stdin},
        },
    },
};

/// How often it tries a request again by itself: `orch` decides and sees more.
const RETRIES: &str = "1";
/// What it must not do by itself.
const QUIET: [&str; 4] =
    ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING"];
/// The tools of an agent that declares none. Agents of its own making are not among them: nobody could count them.
const TOOLS: [&str; 10] =
    ["Read", "Glob", "Grep", "Edit", "Write", "NotebookEdit", "Bash", "WebFetch", "WebSearch", "TodoWrite"];
/// Tools that change files without a command; where an agent has one, edits in the workspace are accepted.
const EDITORS: [&str; 3] = ["Edit", "Write", "NotebookEdit"];
/// Tools that change nothing, by the reading that makes an agent read-only.
const READERS: [&str; 6] = ["Read", "Glob", "Grep", "WebFetch", "WebSearch", "TodoWrite"];

/// Claude Code with these settings.
pub(in crate::runtime::program) fn claude(settings: ProgramSettings) -> Arc<dyn Adapter> {
    Arc::new(Claude { settings })
}

struct Claude {
    settings: ProgramSettings,
}

impl Adapter for Claude {
    fn name(&self) -> &str {
        "claude"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            forks: true,
            presets_session: true,
            streams: true,
            reports_usage: true,
            system_prompt: true,
            models: true,
            structured: true,
            mcp: true,
            read_only: true,
            unlimited: true,
            // Its maker's word for a machine that is only for this.
            refuses_root: !self.settings.env.contains_key(OsStr::new("IS_SANDBOX")),
            tool_lists: true,
            command_rules: true,
            path_rules: true,
            page_rules: true,
            hooks: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>> {
        let mut argv = vec![self.settings.program.clone()];
        let mut files = Vec::new();
        let fixed = ["-p", "--output-format=stream-json", "--verbose", "--setting-sources=", "--strict-mcp-config"];
        argv.extend(fixed.map(OsString::from));
        // A prompt that begins with a slash is no command of the program.
        argv.push("--disable-slash-commands".into());
        if let Some(model) = self.settings.model(order.model.as_deref()) {
            argv.push(flag("model", model)?);
        }
        argv.extend(permissions(order)?);
        if let Some(hook) = &scene.hook {
            argv.push(format!("--settings={}", hooks(hook)).into());
        }
        argv.extend(session_flags(order, scene)?);
        if !order.agent.instructions.trim().is_empty() {
            files.push(("role.md".into(), order.agent.instructions.clone().into_bytes()));
            argv.push(path_flag("append-system-prompt-file", scene, "role.md"));
        }
        if !order.mcp_servers.is_empty() {
            // In a file, because its environment may hold secrets and arguments are seen by all.
            files.push(("mcp.json".into(), servers(order)?));
            argv.push(path_flag("mcp-config", scene, "mcp.json"));
        }
        if let Some(schema) = schema(order) {
            argv.push(format!("--json-schema={schema}").into());
        }
        let mut env = environment(&self.settings);
        env.extend(QUIET.map(|name| (OsString::from(name), OsString::from("1"))));
        env.insert("CLAUDE_CODE_MAX_RETRIES".into(), RETRIES.into());
        if self.settings.isolated_home {
            let home = scene.folder.join("home");
            env.insert("CLAUDE_CONFIG_DIR".into(), home.join(".claude").into());
            env.insert("HOME".into(), home.into());
            files.push(("home/.claude/settings.json".into(), b"{}".to_vec()));
        }
        Ok(Call::Program(Invocation { argv, env, stdin: stdin(order.message())?, files }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Events::new(order))
    }
}

/// `--name=PATH` of a file in the attempt's folder.
fn path_flag(name: &str, scene: &Scene, file: &str) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(scene.folder.join(file));
    flag
}

/// Settings whose only word is that `orch` is asked before a tool is used.
fn hooks(command: &str) -> Value {
    let hook = json!({ "type": "command", "command": command, "timeout": HOOK_SECONDS });
    json!({ "hooks": { "PreToolUse": [{ "matcher": "*", "hooks": [hook] }] } })
}

fn session_flags(order: &Order, scene: &Scene) -> Result<Vec<OsString>, Box<Failure>> {
    let new = flag("session-id", &scene.session)?;
    Ok(match session(order)? {
        None => vec![new],
        Some(id) if order.forks => vec![flag("resume", id)?, "--fork-session".into(), new],
        Some(id) => vec![flag("resume", id)?],
    })
}

/// Which tools there are, and which of them need no question: nobody is there to answer one.
fn permissions(order: &Order) -> Result<Vec<OsString>, Box<Failure>> {
    let declared: Option<Vec<&str>> = order
        .tools
        .as_ref()
        .map(|tools| tools.iter().map(|tool| tool.trim()).collect())
        .filter(|tools: &Vec<&str>| !tools.contains(&"*"));
    let mut rules = declared.clone().unwrap_or_else(|| TOOLS.to_vec());
    if order.access == Access::Read {
        rules.retain(|rule| READERS.contains(&base(rule)) || is_of_server(rule));
    }
    let mut builtin: Vec<&str> = rules.iter().map(|rule| base(rule)).filter(|name| is_builtin(name)).collect();
    builtin.sort_unstable();
    builtin.dedup();
    let mut flags = vec![OsString::from(format!("--tools={}", builtin.join(",")))];
    for rule in order.permissions.denied() {
        flags.push(flag("disallowedTools", &on_files(named("permissions", rule)?))?);
    }
    match order.access {
        Access::Full => {
            flags.push("--dangerously-skip-permissions".into());
            return Ok(flags);
        }
        // Where a path narrows one, its rule is all that is accepted.
        Access::Edit if rules.iter().any(|rule| EDITORS.contains(rule)) => {
            flags.push("--permission-mode=acceptEdits".into());
        }
        Access::Read | Access::Edit => flags.push("--permission-mode=dontAsk".into()),
    }
    // Edits are accepted in the workspace; a bare rule for them would allow them everywhere.
    for rule in rules.iter().filter(|rule| !EDITORS.contains(rule)) {
        flags.push(flag("allowedTools", &on_files(named("tools", rule)?))?);
    }
    for server in &order.mcp_servers {
        let prefix = format!("mcp__{}", server_name(&server.name)?);
        // Single tools of a server were named: those only.
        if !rules.iter().any(|rule| rule.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with("__"))) {
            flags.push(flag("allowedTools", &prefix)?);
        }
    }
    Ok(flags)
}

/// A rule on files as the program reads it: only paths behind `Edit` hold, and they hold for all that change files.
fn on_files(rule: &str) -> Cow<'_, str> {
    match rule_parts(rule) {
        (name, Some(path)) if EDITORS.contains(&name) => format!("Edit({path})").into(),
        _ => rule.into(),
    }
}

/// A tool without what stands in parentheses behind it.
fn base(rule: &str) -> &str {
    rule.split_once('(').map_or(rule, |(name, _)| name).trim_end()
}

fn is_of_server(rule: &str) -> bool {
    rule.starts_with("mcp__")
}

fn is_builtin(name: &str) -> bool {
    !is_of_server(name) && !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn servers(order: &Order) -> Result<Vec<u8>, Box<Failure>> {
    let mut all = Map::new();
    for server in &order.mcp_servers {
        let (command, args) = server
            .command
            .split_first()
            .ok_or_else(|| impossible(format!("the MCP server `{}` has no command", server.name)))?;
        // Else its tools hide behind a search tool.
        let value = json!({
            "type": "stdio", "command": command, "args": args, "env": server.env, "alwaysLoad": true
        });
        all.insert(server_name(&server.name)?.to_owned(), value);
    }
    Ok(json!({ "mcpServers": all }).to_string().into_bytes())
}

/// The schema as the program takes it; `None` where it would not, and then only `orch` holds the answer to it.
fn schema(order: &Order) -> Option<String> {
    let mut schema = order.expected_output.as_ref()?.as_object()?.clone();
    // It knows no dialect by its name.
    schema.shift_remove("$schema");
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return None;
    }
    Some(Value::Object(schema).to_string()).filter(|text| text.len() <= ARGUMENT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        definition::Permissions,
        runtime::{
            order::McpServer,
            program::launch::samples::{argv, invocation, order},
        },
    };

    fn of_permissions(order: &Order) -> Vec<String> {
        let signs = ["--tools", "--allowedTools", "--permission-mode", "--dangerously"];
        argv(claude, order).into_iter().filter(|word| signs.iter().any(|sign| word.starts_with(sign))).collect()
    }

    #[test]
    fn access_and_tools_are_mapped() {
        let tools = |access, tools: &[&str]| Order {
            access,
            tools: Some(tools.iter().map(|tool| (*tool).to_owned()).collect()),
            ..order()
        };
        let reads = tools(Access::Read, &["Read", "Write", "Bash(git *)"]);
        assert_eq!(of_permissions(&reads), ["--tools=Read", "--permission-mode=dontAsk", "--allowedTools=Read"]);
        let runs = tools(Access::Edit, &["Read", "Bash(git *)", "Bash(npm test)"]);
        assert_eq!(
            of_permissions(&runs),
            [
                "--tools=Bash,Read",
                "--permission-mode=dontAsk",
                "--allowedTools=Read",
                "--allowedTools=Bash(git *)",
                "--allowedTools=Bash(npm test)"
            ]
        );
        let edits = of_permissions(&tools(Access::Edit, &["Edit"]));
        assert_eq!(edits, ["--tools=Edit", "--permission-mode=acceptEdits"]);
        let all = of_permissions(&tools(Access::Full, &["Edit"]));
        assert_eq!(all, ["--tools=Edit", "--dangerously-skip-permissions"]);
        let any = of_permissions(&order());
        assert!(any[0].contains("Bash") && any.contains(&"--permission-mode=acceptEdits".to_owned()), "{any:?}");
        assert!(of_permissions(&tools(Access::Edit, &["*"]))[0].contains("Bash"));
        let none = of_permissions(&tools(Access::Edit, &[]));
        assert_eq!(none, ["--tools=", "--permission-mode=dontAsk"]);
    }

    #[test]
    fn rules_narrow_and_no_bare_rule_lets_edits_out_of_the_workspace() {
        let permissions = Permissions {
            allow: None,
            ask: vec!["Bash(git push:*)".into()],
            deny: vec!["Write(ci/**)".into(), "WebFetch".into()],
        };
        let tools = Some(vec!["Edit".to_owned(), "Bash".to_owned()]);
        let flags = of_permissions(&Order { permissions, tools, ..order() });
        assert_eq!(flags, ["--tools=Bash,Edit", "--permission-mode=acceptEdits", "--allowedTools=Bash"]);
        let narrow = Order { tools: Some(vec!["Write(src/**)".into()]), ..order() };
        let flags = of_permissions(&narrow);
        assert_eq!(flags, ["--tools=Write", "--permission-mode=dontAsk", "--allowedTools=Edit(src/**)"]);
        let permissions = Permissions { deny: vec!["Write(ci/**)".into()], ..Permissions::default() };
        let words = argv(claude, &Order { permissions, ..order() });
        assert!(words.contains(&"--disallowedTools=Edit(ci/**)".to_owned()), "{words:?}");
    }

    #[test]
    fn servers_come_in_a_file_and_no_other_way() {
        let server = McpServer {
            name: "db".into(),
            command: vec!["srv".into(), "-v".into()],
            env: BTreeMap::from([("TOKEN".to_owned(), "hush".to_owned())]),
        };
        let order = Order { mcp_servers: vec![server], ..order() };
        let call = invocation(claude, &order).unwrap();
        assert!(!format!("{:?}", call.argv).contains("hush"));
        assert!(call.argv.contains(&"--mcp-config=/attempt/mcp.json".into()));
        assert!(call.argv.contains(&"--allowedTools=mcp__db".into()));
        let file = &call.files.iter().find(|(path, _)| path.ends_with("mcp.json")).unwrap().1;
        let file: Value = serde_json::from_slice(file).unwrap();
        assert_eq!(file["mcpServers"]["db"]["env"], json!({ "TOKEN": "hush" }));
        let single = Order { tools: Some(vec!["mcp__db__read".into()]), ..order };
        let flags = of_permissions(&single);
        assert_eq!(flags, ["--tools=", "--permission-mode=dontAsk", "--allowedTools=mcp__db__read"]);
    }

    #[test]
    fn sessions_homes_and_schemas() {
        let new = argv(claude, &order());
        assert!(new.contains(&"--session-id=5e551011".to_owned()), "{new:?}");
        let goes_on = Order { session: Some("s-1".into()), ..order() };
        let words = argv(claude, &goes_on);
        assert!(words.contains(&"--resume=s-1".to_owned()) && !format!("{words:?}").contains("--session-id"));
        let words = argv(claude, &Order { forks: true, ..goes_on });
        assert!(words.contains(&"--fork-session".to_owned()) && words.contains(&"--session-id=5e551011".to_owned()));
        let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object" });
        let words = argv(claude, &Order { expected_output: Some(schema), ..order() });
        assert!(words.contains(&"--json-schema={\"type\":\"object\"}".to_owned()), "{words:?}");
        let call = invocation(|settings| claude(ProgramSettings { isolated_home: true, ..settings }), &order());
        assert_eq!(call.unwrap().env[OsStr::new("HOME")], "/attempt/home");
    }
}
