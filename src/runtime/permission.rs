//! Which rules of an order its runtime cannot keep, and what to say of an attempt that ran into one.
//!
//! Invariant: a rule that cannot be kept stops the work before it begins; it is never dropped.

use std::collections::BTreeSet;

use crate::{
    base::Failure,
    definition::{Narrowed, Permissions, read_rule, rule_parts},
    runtime::{adapter::Capabilities, order::Order, program::DENIED},
};

/// Rules that are named in a reason.
const SHOWN_MAX: usize = 6;

/// The rules that a runtime cannot keep, in the words of a fault: "keeps the rule `Edit(src/**)`". `tools` are those that
/// remain, `None` for all.
#[must_use]
pub fn unkept(permissions: &Permissions, tools: Option<&[String]>, reads_only: bool, can: Capabilities) -> Vec<String> {
    let mut faults = BTreeSet::new();
    if permissions.is_empty() {
        return Vec::new();
    }
    // Without lists of tools a runtime either only looks, or edits and runs commands.
    let has = |name: &str| tools.is_none_or(|tools| tools.iter().any(|tool| tool.eq_ignore_ascii_case(name)));
    let is_all = has("Bash") && (has("Edit") || has("Write"));
    let is_kept = can.tool_lists || is_all || (reads_only && can.read_only);
    if !is_kept {
        faults.insert("gives some of its tools and not others".to_owned());
    }
    let allowed = permissions.allow.iter().flatten().map(String::as_str);
    let allowed = allowed.filter(|rule| tools.is_none_or(|tools| tools.iter().any(|tool| tool == rule)));
    for rule in allowed.chain(permissions.partial(tools)) {
        let is_kept = match read_rule(rule) {
            Ok((name, Narrowed::Whole)) => can.tool_lists || !name.starts_with("mcp__"),
            Ok((_, Narrowed::Command { .. })) => can.command_rules,
            Ok((_, Narrowed::Written(_) | Narrowed::Looked(_))) => can.path_rules,
            Ok((_, Narrowed::Host(_))) => can.page_rules,
            Err(_) => false,
        };
        if !is_kept {
            faults.insert(format!("has the rule `{rule}` under `permissions:`"));
        }
    }
    faults.into_iter().collect()
}

/// Adds to the failure of an attempt that was denied something which rules there are, and what to do.
pub fn hint(failure: &mut Failure, permissions: &Permissions) {
    if !failure.reason.starts_with(DENIED) || permissions.is_empty() {
        return;
    }
    let seen = failure.reason.to_lowercase();
    let fits = |rule: &&String| {
        let words = rule_parts(rule.as_str()).1.unwrap_or(rule.as_str()).trim_end_matches([':', '*', ' ', '/']);
        seen.contains(&words.to_lowercase())
    };
    let named = |rules: &[String]| {
        let mut shown: Vec<_> = rules.iter().filter(fits).take(SHOWN_MAX).collect();
        if shown.is_empty() {
            shown = rules.iter().take(SHOWN_MAX).collect();
        }
        shown.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ")
    };
    let Permissions { allow, ask, deny } = permissions;
    let mut words = Vec::new();
    if !deny.is_empty() {
        words.push(format!("`deny` names {}", named(deny)));
    }
    if !ask.is_empty() {
        words.push(format!("`ask` names {}, and nobody is there to ask", named(ask)));
    }
    if let Some(allow) = allow {
        let more = if allow.len() > SHOWN_MAX { " and others" } else { "" };
        let allow: Vec<_> = allow.iter().take(SHOWN_MAX).map(|rule| format!("`{rule}`")).collect();
        words.push(format!("`allow` names only {}{more}", allow.join(", ")));
    }
    let fix = "let the step do without it, or change these rules";
    failure.reason.push_str(&format!(" (`permissions:` of the step: {}; {fix})", words.join("; ")));
}

/// The paths that an order's rules speak of; each may hold globs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathRules {
    /// What may be changed and nothing else; everything where absent.
    pub writes: Option<Vec<String>>,
    /// What may not be changed.
    pub no_writes: Vec<String>,
    /// What may be looked at and nothing else; everything where absent.
    pub looks: Option<Vec<String>>,
    /// What may not be looked at.
    pub no_looks: Vec<String>,
}

/// The rules on paths of an order, for the tools of `orch` itself.
#[must_use]
pub fn path_rules(order: &Order) -> PathRules {
    let mut rules = PathRules::default();
    for rule in order.tools.iter().flatten() {
        match read_rule(rule) {
            Ok((_, Narrowed::Written(path))) => rules.writes.get_or_insert_default().push(anywhere(path)),
            Ok((_, Narrowed::Looked(path))) => rules.looks.get_or_insert_default().push(anywhere(path)),
            _ => {}
        }
    }
    for rule in order.permissions.denied() {
        match read_rule(rule) {
            Ok((_, Narrowed::Written(path))) => rules.no_writes.push(anywhere(path)),
            Ok((_, Narrowed::Looked(path))) => rules.no_looks.push(anywhere(path)),
            _ => {}
        }
    }
    rules
}

/// As in a gitignore: a name without a slash stands in every folder.
fn anywhere(path: &str) -> String {
    let path = path.trim_start_matches("./");
    if path.trim_end_matches('/').contains('/') { path.to_owned() } else { format!("**/{path}") }
}
