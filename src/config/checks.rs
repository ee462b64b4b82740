//! Reads `[health.NAME]`: what a user has looked at beside what `orch` looks at itself. Only in the user's own file: a
//! check is a program that runs without anybody asking.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use toml_edit::TableLike;

use crate::{
    base::parse_duration,
    config::{
        file::{Reader, key_span},
        form::is_name,
    },
};

/// What may be said of a check.
pub(super) const CHECK_KEYS: &[&str] = &["command", "time", "severity", "fix", "projects"];
/// How long a check may take where nobody says.
const TIME: Duration = Duration::from_secs(10);
/// How long it may take at most, in seconds: somebody waits for the table.
const TIME_MAX_S: u64 = 60;
/// Checks of one file.
const CHECKS_MAX: usize = 20;

/// A program whose exit code says whether something is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCheck {
    /// Its name.
    pub name: String,
    /// Program and arguments.
    pub words: Vec<String>,
    /// How long it may take.
    pub time: Duration,
    /// Whether what it finds is only to be looked at.
    pub is_warning: bool,
    /// What to do where it is not well.
    pub fix: Option<String>,
    /// Of which projects, by the names of their folders; a `*` stands for anything. All where there are none.
    pub projects: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn checks(&mut self, at: Range<usize>, checks: &dyn TableLike) {
        if self.place.is_project {
            let help = "move it to ~/.config/orch/orch.toml: what runs without being asked for is for the user to say";
            self.refuse(at, "health", "a project cannot add checks", help);
            return;
        }
        if checks.len() > CHECKS_MAX {
            self.refuse(
                at,
                "health",
                &format!("there are more than {CHECKS_MAX} checks"),
                "let one look at several things",
            );
            return;
        }
        for (name, item) in checks.iter() {
            let at = key_span(checks, name);
            if !is_name(name) {
                self.refuse(at, "health", "this cannot be a check's name", "use letters, digits, `_` and `-`");
            } else if let Some(table) = item.as_table_like() {
                self.check(name, at, table);
            } else {
                let help = format!("write a table: [health.{name}] and below it command = [\"PROGRAM\"]");
                self.refuse(at, &format!("health.{name}"), "this is no table", &help);
            }
        }
    }

    fn check(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) {
        let before = self.layer.faults.len();
        let mut words: BTreeMap<&str, String> = BTreeMap::new();
        let (mut command, mut projects) = (Vec::new(), Vec::new());
        for (key, item) in table.iter() {
            let path = format!("health.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            match key {
                "command" => command = self.texts(&path, place, item).unwrap_or_default(),
                "projects" => projects = self.texts(&path, place, item).unwrap_or_default(),
                "time" | "severity" | "fix" => match item.as_str() {
                    Some(text) => drop(words.insert(key, text.to_owned())),
                    None => self.refuse(place, &path, "this is no text", "write it in quotes"),
                },
                _ => self.unknown(key_span(table, key), &format!("health.{name}"), key),
            }
        }
        let path = |key: &str| format!("health.{name}.{key}");
        let time = words.get("time").map_or(Some(TIME), |time| parse_duration(time).ok());
        let time = time.filter(|time| (1..=TIME_MAX_S).contains(&time.as_secs()));
        if time.is_none() {
            self.refuse(
                at.clone(),
                &path("time"),
                &format!("this is no time from 1s to {TIME_MAX_S}s"),
                "time = \"10s\"",
            );
        }
        let severity = words.get("severity").map_or("fail", String::as_str);
        if !["fail", "warn"].contains(&severity) {
            self.refuse(at.clone(), &path("severity"), "this is no severity", "fail or warn");
        }
        if self.layer.faults.len() == before && command.first().is_none_or(String::is_empty) {
            self.refuse(at, &path("command"), "it needs a program", "command = [\"./look.sh\"]");
        }
        if let Some(time) = time.filter(|_| self.layer.faults.len() == before) {
            let (is_warning, fix) = (severity == "warn", words.remove("fix"));
            let name = name.to_owned();
            self.layer.checks.push(OwnCheck { name, words: command, time, is_warning, fix, projects });
        }
    }
}
