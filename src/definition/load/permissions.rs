//! What an agent may do: `permissions:` and `danger:` of a step, and what the dialects write in an agent's file.
//!
//! A rule that nobody can read in one way is an error: a denial that matches nothing would deny nothing.

use serde_json::Value;

use crate::{
    base::{Diagnostic, Span, Spanned, codes::definition as codes, did_you_mean},
    definition::{
        Meta, Permissions, TOOLS, ToolMode, ToolPolicy, ToolRule, ToolStatus,
        load::{
            faults::Faults,
            keys::PERMISSIONS,
            node::{Entry, Node},
            reader::Reader,
            shape::Fields,
            tools::rule,
        },
        permissions::{INHERITED, Narrowed, read_rule},
    },
};

impl Reader<'_, '_> {
    /// `permissions:`.
    pub fn permissions(&mut self, node: &Node<'_>) -> Permissions {
        let Some(mut fields) = Fields::open(node, &PERMISSIONS, self.faults) else { return Permissions::default() };
        let allow = self.texts(fields.take("allow")).map(|rules| self.rules(&rules));
        let ask = self.texts(fields.take("ask")).map(|rules| self.rules(&rules)).unwrap_or_default();
        let deny = self.texts(fields.take("deny")).map(|rules| self.rules(&rules)).unwrap_or_default();
        fields.done("`permissions:`", self.faults, |_| String::new());
        Permissions { allow, ask, deny }
    }

    fn rules(&mut self, written: &[Spanned<String>]) -> Vec<String> {
        let mut rules = Vec::with_capacity(written.len());
        for text in written {
            let known = rule(&text.value);
            let shown: String = text.value.chars().filter(|letter| !letter.is_control()).take(80).collect();
            let message = format!("`{shown}` is no rule on a tool");
            let (cause, help) = if known.status == ToolStatus::Unknown {
                let near = did_you_mean(&known.name, TOOLS.iter().copied());
                let help = near.map_or_else(
                    || "name a tool such as `Bash`, `Edit`, `WebFetch` or `mcp__SERVER__TOOL`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                ("no tool has this name", help)
            } else if !text.value.trim_end().ends_with(')') && text.value.contains('(') {
                ("the parenthesis is not closed", "write `Tool(what)`".to_owned())
            } else {
                match read_rule(&known.shown()) {
                    Ok(_) => {
                        rules.push(known.shown());
                        continue;
                    }
                    Err(why) => ("not every program would read it in the same way", why.to_owned()),
                }
            };
            self.faults.error(codes::BAD_VALUE, text.span, message, cause, help);
        }
        rules
    }

    /// `danger: true`. Nothing that narrows may stand beside it.
    pub fn danger(&mut self, entry: &Entry<'_>, fields: &Fields<'_, '_>) -> Option<Span> {
        let is_danger = self.boolean(Some(entry))?;
        if is_danger && fields.has("permissions") {
            self.faults.error(
                codes::CONFLICT,
                entry.key_span,
                "`danger: true` and `permissions:` say the opposite",
                "everything is allowed here, and something is not",
                "remove one of them",
            );
            return None;
        }
        is_danger.then_some(entry.key_span)
    }
}

/// What an agent's file says of its rights in the words of its dialect, beside its list of tools.
pub(super) fn agent_permissions(meta: &Meta, tools: &mut ToolPolicy, faults: &mut Faults) -> Permissions {
    // Whole tools are taken from the list; a part of one stays as a rule.
    let mut permissions = Permissions::default();
    for denied in tools.deny.iter().filter(|rule| rule.specifier.is_some()) {
        deny(&mut permissions, denied);
    }
    for extra in &meta.extra {
        let word = extra.value.as_str().unwrap_or_default();
        match (extra.key.as_str(), word) {
            ("permissionMode", "plan") => look_only(&mut permissions),
            ("permissionMode", "bypassPermissions") => {
                let message = "`permissionMode: bypassPermissions` is not taken from an agent's file";
                let fault = Diagnostic::error(codes::VALUE_IGNORED, faults.source(), extra.span, message)
                    .cause("everything, with no question asked, is for the step and a person to say")
                    .assumed("what its tools allow")
                    .help("write `danger: true` at the step, and run it with `--allow-danger`")
                    .info();
                faults.add(fault);
            }
            ("readonly", _) if extra.value == Value::Bool(true) => look_only(&mut permissions),
            ("sandbox_mode", "read-only") => look_only(&mut permissions),
            ("permission", _) => opencode(&extra.value, tools, &mut permissions),
            _ => {}
        }
    }
    permissions
}

fn look_only(permissions: &mut Permissions) {
    permissions.deny.extend(["Edit", "Write", "NotebookEdit", "Bash"].map(str::to_owned));
}

/// A denial; one that not everybody reads in the same way denies the whole tool.
fn deny(permissions: &mut Permissions, rule: &ToolRule) {
    let shown = rule.shown();
    permissions.deny.push(if read_rule(&shown).is_ok() { shown } else { rule.name.clone() });
}

/// opencode's map: tool → `allow`, `ask`, `deny`, or pattern → one of them, of which the last that fits wins.
fn opencode(map: &Value, tools: &mut ToolPolicy, permissions: &mut Permissions) {
    let Some(map) = map.as_object() else { return };
    for (name, value) in map {
        let tool = rule(name);
        match value {
            Value::String(word) => put(permissions, word, tool.shown()),
            Value::Object(patterns) => {
                let is_open = patterns.get("*").and_then(Value::as_str).unwrap_or("allow") == "allow";
                let mut allowed = Vec::new();
                for (pattern, word) in patterns.iter().filter(|(pattern, _)| *pattern != "*") {
                    let part = rule(&format!("{}({pattern})", tool.name));
                    let is_read = read_rule(&part.shown()).is_ok_and(|(_, part)| part != Narrowed::Whole);
                    match word.as_str() {
                        Some("allow") if is_read => allowed.push(part),
                        Some("allow") => {}
                        word if is_read => put(permissions, word.unwrap_or("deny"), part.shown()),
                        // What cannot be said of a part is said of the whole.
                        word if is_open => put(permissions, word.unwrap_or("deny"), tool.name.clone()),
                        _ => {}
                    }
                }
                if !is_open {
                    only(tools, &tool.name, allowed);
                }
            }
            _ => {}
        }
    }
}

fn put(permissions: &mut Permissions, word: &str, rule: String) {
    match word {
        "allow" => {}
        "ask" => permissions.ask.push(rule),
        _ => permissions.deny.push(rule),
    }
}

/// Of one tool only these parts; all others stay as they are.
fn only(tools: &mut ToolPolicy, name: &str, parts: Vec<ToolRule>) {
    if matches!(tools.mode, ToolMode::Inherit | ToolMode::All) {
        tools.allow = INHERITED.iter().map(|tool| rule(tool)).collect();
        tools.mode = ToolMode::List;
    }
    if tools.mode == ToolMode::List {
        let had = tools.allow.iter().any(|rule| rule.name == name);
        tools.allow.retain(|rule| rule.name != name);
        if had {
            tools.allow.extend(parts);
        }
        if tools.allow.is_empty() {
            tools.mode = ToolMode::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(map: &Value) -> (Option<Vec<String>>, Permissions) {
        let (mut tools, mut permissions) = (ToolPolicy::default(), Permissions::default());
        opencode(map, &mut tools, &mut permissions);
        (permissions.narrow(tools.allowed()), permissions)
    }

    #[test]
    fn the_map_of_opencode_narrows_and_never_widens() {
        let (tools, permissions) = read(&json!({ "edit": "deny", "webfetch": "ask", "bash": "allow" }));
        assert_eq!(tools.unwrap(), ["Read", "Glob", "Grep", "Bash", "WebSearch", "TodoWrite"]);
        assert_eq!((permissions.deny, permissions.ask), (vec!["Edit".to_owned()], vec!["WebFetch".to_owned()]));
        let (tools, permissions) = read(&json!({ "bash": { "*": "ask", "git *": "allow", "git push *": "deny" } }));
        let tools = tools.unwrap();
        assert!(tools.contains(&"Bash(git *)".to_owned()) && !tools.contains(&"Bash".to_owned()), "{tools:?}");
        assert_eq!(permissions.deny, ["Bash(git push *)"]);
        let (tools, permissions) = read(&json!({ "bash": { "git push *": "deny", "npm": "allow" } }));
        assert_eq!((tools, permissions.deny), (None, vec!["Bash(git push *)".to_owned()]));
        // What cannot be said of a part is said of the whole.
        let (tools, _) = read(&json!({ "bash": { "a*b?": "deny" } }));
        assert!(!tools.unwrap().contains(&"Bash".to_owned()));
    }
}
