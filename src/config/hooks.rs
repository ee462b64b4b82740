//! Reads `[hooks.NAME]`: what another system may start by a signed request. Only in the user's own file: who signs
//! is let in.

use std::{collections::BTreeMap, ops::Range};

use toml_edit::TableLike;

use crate::{
    config::{
        file::{Reader, key_span},
        form::is_name,
    },
    definition::SecretSource,
};

/// What may be said of a hook.
pub(super) const HOOK_KEYS: &[&str] = &["kind", "secret", "workflow", "project", "events", "inputs", "rate"];
/// Inputs of one hook.
const INPUTS_MAX: usize = 50;

/// How a delivery says who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// With the signature of `orch` itself: over time, delivery and body.
    Generic,
    /// As GitHub does: over the body.
    GitHub,
}

/// What a signed request starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name, the last part of its address.
    pub name: String,
    /// How a delivery is signed.
    pub kind: HookKind,
    /// With what.
    pub secret: SecretSource,
    /// What is started.
    pub workflow: String,
    /// In which project of the server; the only one where nobody says.
    pub project: Option<String>,
    /// Which events count: `pull_request`, or `pull_request.opened`. All where there are none.
    pub events: Vec<String>,
    /// Inputs, each with its place in the payload as a JSON pointer.
    pub inputs: BTreeMap<String, String>,
    /// Deliveries a minute.
    pub rate: u32,
}

impl Reader<'_> {
    pub(super) fn hooks(&mut self, at: Range<usize>, hooks: &dyn TableLike) {
        if self.place.is_project {
            let help = "move it to ~/.config/orch/orch.toml: who may start runs is for the user of the server to say";
            self.refuse(at, "hooks", "a project cannot let anybody in", help);
            return;
        }
        for (name, item) in hooks.iter() {
            let at = key_span(hooks, name);
            if !is_name(name) {
                self.refuse(at, "hooks", "this cannot be a hook's name", "use letters, digits, `_` and `-`");
            } else if let Some(table) = item.as_table_like() {
                self.hook(name, at, table);
            } else {
                self.refuse(
                    at,
                    &format!("hooks.{name}"),
                    "this is no table",
                    &format!("write a table: [hooks.{name}]"),
                );
            }
        }
    }

    fn hook(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) {
        let before = self.layer.faults.len();
        let mut words: BTreeMap<&str, String> = BTreeMap::new();
        let (mut secret, mut events, mut inputs, mut rate) = (None, Vec::new(), BTreeMap::new(), 60);
        for (key, item) in table.iter() {
            let path = format!("hooks.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "secret" => secret = self.secret(&path, place, item),
                "events" => events = self.texts(&path, place, item).unwrap_or_default(),
                "inputs" => inputs = self.variables(&path, place, item),
                "rate" => match item.as_integer().and_then(|rate| u32::try_from(rate).ok()) {
                    Some(given @ 1..=10_000) => rate = given,
                    Some(_) | None => self.refuse(place, &path, "this is no number from 1 to 10000", "rate = 60"),
                },
                "kind" | "workflow" | "project" => match item.as_str() {
                    Some(text) => drop(words.insert(key, text.to_owned())),
                    None => self.refuse(place, &path, "this is no text", "write it in quotes"),
                },
                _ => self.unknown(key_span(table, key), &format!("hooks.{name}"), key),
            }
        }
        let path = |key: &str| format!("hooks.{name}.{key}");
        let kind = match words.remove("kind").as_deref() {
            None | Some("generic") => HookKind::Generic,
            Some("github") => HookKind::GitHub,
            Some(_) => {
                self.refuse(at.clone(), &path("kind"), "this is no kind of hook", "generic or github");
                return;
            }
        };
        if !events.is_empty() && kind == HookKind::Generic {
            self.refuse(at.clone(), &path("events"), "only deliveries of GitHub name an event", "take it out");
        }
        if inputs.len() > INPUTS_MAX {
            self.refuse(at.clone(), &path("inputs"), &format!("there are more than {INPUTS_MAX}"), "name fewer");
        }
        for (input, pointer) in &inputs {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let help = "write the way to the field: \"/pull_request/title\"; \"\" is all of it";
                self.refuse(at.clone(), &format!("{}.{input}", path("inputs")), "this is no JSON pointer", help);
            }
        }
        let workflow = words.remove("workflow").filter(|workflow| !workflow.is_empty());
        let (Some(secret), Some(workflow)) = (secret, workflow) else {
            if self.layer.faults.len() == before {
                let help = "secret = { env = \"NAME\" } and workflow = \"NAME\"";
                self.refuse(at, &format!("hooks.{name}"), "it needs `secret` and `workflow`", help);
            }
            return;
        };
        if self.layer.faults.len() == before {
            let (name, project) = (name.to_owned(), words.remove("project"));
            self.layer.hooks.push(Hook { name, kind, secret, workflow, project, events, inputs, rate });
        }
    }
}
