//! What definitions there are, and what one of them says.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    base::did_you_mean,
    definition::{Added, CommandBody, Dialect, Manifest, Origin, Scope, Shelf, workflow::Workflow},
    plan::{Plan, draw},
    service::{
        fault::Fault,
        find::{Found, Runnable, compile_found, find},
        project::Project,
        refusal::Refusal,
    },
};

/// The version of the form of `orch list --json`; `schemas/list.schema.json`.
pub const LIST_VERSION: u16 = 1;

/// One definition in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// `workflow command agent skill gate`, and with all: `rule hooks mcp plugin marketplace extension`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// One line.
    pub description: String,
    /// Tools an agent may use or a skill narrows to; `None` for no limit and for other kinds.
    pub tools: Option<Vec<String>>,
    /// Its file.
    pub path: PathBuf,
    /// Where it was found.
    pub scope: Scope,
    /// The file that is used instead.
    pub shadowed_by: Option<PathBuf>,
    /// The tool that it was written for, where that is not `orch`.
    #[serde(skip_serializing_if = "is_own")]
    pub dialect: Dialect,
    /// The plugin or added repository that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Where an added repository came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether `orch` can use it; `false` for what is only recorded.
    #[serde(skip_serializing_if = "is_true")]
    pub used: bool,
    /// Whether only `--all` shows it.
    #[serde(skip)]
    pub hidden: bool,
    /// What to type after the name; for people only.
    #[serde(skip)]
    pub arguments: String,
}

impl Listed {
    /// Where it is from and whose it is, in a few words; nothing for the project's own files.
    #[must_use]
    pub fn tag(&self) -> Option<String> {
        let place = match self.scope {
            Scope::Project | Scope::Dialect => None,
            Scope::DotOrch => Some(".orch"),
            Scope::Added => Some("added"),
            Scope::User | Scope::UserDialect => Some("user"),
            Scope::UserAdded => Some("user, added"),
            Scope::Builtin => Some("built in"),
        };
        let tool = Some(self.dialect.tool()).filter(|_| self.dialect != Dialect::Orch);
        let kind = Some(self.kind).filter(|_| !self.used);
        let words: Vec<&str> = [place, tool, kind].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Its file, and what that belongs to.
    #[must_use]
    pub fn place(&self) -> String {
        let mut text = self.path.display().to_string();
        if let Some(plugin) = &self.plugin {
            text.push_str(&format!(" of {plugin}"));
        }
        if let Some(source) = &self.source {
            text.push_str(&format!(" from {source}"));
        }
        text
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_own(dialect: &Dialect) -> bool {
    *dialect == Dialect::Orch
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_true(used: &bool) -> bool {
    *used
}

/// What one definition says.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Something that runs.
    Runnable {
        /// `workflow` or `command`.
        kind: &'static str,
        /// The compiled form.
        runnable: Box<Runnable>,
        /// The plan as a tree for the terminal.
        drawing: String,
    },
    /// An agent, a skill or a gate.
    Text {
        /// Its line in the list.
        listed: Box<Listed>,
        /// The text of its file.
        text: String,
    },
}

impl Shown {
    /// The plan, where there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Runnable { runnable, .. } => Some(&runnable.plan),
            Self::Text { .. } => None,
        }
    }
}

/// All definitions by kind and name; with `all`, those that are shadowed as well.
#[must_use]
pub fn list(project: &Project, all: bool) -> Vec<Listed> {
    let library = project.library();
    let mut lines = Vec::new();
    add(&mut lines, "workflow", &library.workflows, |entry| Line {
        name: &entry.workflow.name.value,
        description: &entry.workflow.description,
        tools: None,
        origin: &entry.origin,
        arguments: arguments(&entry.workflow),
        hidden: false,
    });
    add(&mut lines, "command", &library.commands, |command| Line {
        name: &command.name,
        description: &command.description,
        tools: None,
        origin: &command.origin,
        arguments: command.argument_hint.clone().unwrap_or_else(|| match &command.body {
            CommandBody::Inline(workflow) => arguments(workflow),
            CommandBody::Workflow(name) => {
                library.workflows.get(&name.value).map(|entry| arguments(&entry.workflow)).unwrap_or_default()
            }
            CommandBody::Prose { .. } => String::new(),
        }),
        hidden: command.meta.hidden,
    });
    add(&mut lines, "agent", &library.agents, |agent| Line {
        name: &agent.name,
        description: &agent.description,
        tools: agent.tools.allowed(),
        origin: &agent.origin,
        arguments: String::new(),
        hidden: agent.meta.hidden,
    });
    add(&mut lines, "skill", &library.skills, |skill| Line {
        name: &skill.name,
        description: &skill.description,
        tools: skill.allowed_tools.allowed(),
        origin: &skill.origin,
        arguments: String::new(),
        hidden: skill.meta.hidden,
    });
    add(&mut lines, "gate", &library.gates, |gate| Line {
        name: &gate.name,
        description: &gate.description,
        tools: None,
        origin: &gate.origin,
        arguments: String::new(),
        hidden: false,
    });
    add(&mut lines, "rule", &library.rules, |rule| Line {
        name: &rule.name,
        description: &rule.description,
        tools: None,
        origin: &rule.origin,
        arguments: String::new(),
        hidden: true,
    });
    lines.extend(library.manifests.iter().map(recorded));
    lines.retain(|line| all || (line.shadowed_by.is_none() && !line.hidden));
    for line in &mut lines {
        line.source = library.added.iter().find(|added| line.path.starts_with(&added.path)).map(Added::shown);
    }
    lines
}

/// A file of another tool that is only recorded.
fn recorded(manifest: &Manifest) -> Listed {
    Listed {
        kind: manifest.kind.word(),
        name: manifest.name.clone(),
        description: manifest.description.clone(),
        tools: None,
        path: manifest.path.clone(),
        scope: manifest.scope,
        shadowed_by: None,
        dialect: manifest.dialect,
        plugin: manifest.plugin.clone(),
        source: None,
        used: false,
        hidden: true,
        arguments: String::new(),
    }
}

struct Line<'a> {
    name: &'a str,
    description: &'a str,
    tools: Option<Vec<String>>,
    origin: &'a Origin,
    arguments: String,
    hidden: bool,
}

fn add<T>(lines: &mut Vec<Listed>, kind: &'static str, shelf: &Shelf<T>, line: impl for<'a> Fn(&'a T) -> Line<'a>) {
    for (definition, winner) in shelf.all() {
        let Line { name, description, tools, origin, arguments, hidden } = line(definition);
        lines.push(Listed {
            kind,
            name: name.to_owned(),
            description: description.to_owned(),
            tools,
            path: origin.path.clone(),
            scope: origin.scope,
            shadowed_by: winner.map(|winner| line(winner).origin.path.clone()),
            dialect: origin.dialect,
            plugin: origin.plugin.clone(),
            source: None,
            used: true,
            hidden,
            arguments,
        });
    }
}

/// `IDEA [STACK]`, then the number of inputs that are given by name.
fn arguments(workflow: &Workflow) -> String {
    let words = workflow.inputs.iter().filter(|input| input.positional || input.required).map(|input| {
        let name =
            if input.positional { input.name.value.to_uppercase() } else { format!("-i {}=…", input.name.value) };
        if input.required { name } else { format!("[{name}]") }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Shows the definition called `name`; `kind` narrows where two kinds share a name.
///
/// # Errors
/// When there is none (with a suggestion), or it has faults.
pub fn show(project: &Project, name: &str, kind: Option<&str>) -> Result<Shown, Fault> {
    let runs = kind.is_none_or(|kind| kind == "workflow" || kind == "command");
    let text = || text_of(project, name.strip_prefix('/').unwrap_or(name), kind);
    if !runs {
        return text().ok_or_else(|| nothing(project, name, kind));
    }
    let asked = match kind {
        Some("command") if !name.starts_with('/') => format!("/{name}"),
        Some(_) | None => name.to_owned(),
    };
    match find(project, &asked) {
        Ok(found) => {
            let compiled = compile_found(project, &found).map_err(Fault::Diagnosed)?;
            let (kind, name, path) = match &found {
                Found::Workflow(entry) => ("workflow", entry.workflow.name.value.clone(), entry.origin.path.clone()),
                Found::File(entry) => ("workflow", entry.workflow.name.value.clone(), entry.origin.path.clone()),
                Found::Command(command) => ("command", format!("/{}", command.name), command.origin.path.clone()),
            };
            let drawing = draw::tree(&compiled.plan);
            let runnable = Runnable { name, path, plan: compiled.plan, warnings: compiled.warnings };
            Ok(Shown::Runnable { kind, runnable: Box::new(runnable), drawing })
        }
        Err(Fault::Refused(refusal)) if kind.is_none() => match text() {
            Some(shown) => Ok(shown),
            None if refusal.id == "E0511" => Err(nothing(project, name, kind)),
            None => Err(refusal.into()),
        },
        Err(fault) => Err(fault),
    }
}

fn text_of(project: &Project, name: &str, kind: Option<&str>) -> Option<Shown> {
    let library = project.library();
    let origins = [
        ("agent", library.agents.get(name).map(|agent| &agent.origin)),
        ("skill", library.skills.get(name).map(|skill| &skill.origin)),
        ("gate", library.gates.get(name).map(|gate| &gate.origin)),
    ];
    let mut there = origins.into_iter().filter_map(|(kind, origin)| Some((kind, origin?)));
    let (kind, origin) = there.find(|(other, _)| kind.is_none_or(|kind| kind == *other))?;
    let listed = list(project, true)
        .into_iter()
        .find(|line| line.kind == kind && line.path == origin.path)
        .expect("a definition on a shelf is in the list");
    Some(Shown::Text { listed: Box::new(listed), text: origin.source.text.clone() })
}

fn nothing(project: &Project, name: &str, kind: Option<&str>) -> Fault {
    let lines = list(project, false);
    let names = lines.iter().filter(|line| kind.is_none_or(|kind| kind == line.kind)).map(|line| line.name.as_str());
    let help = match did_you_mean(name.strip_prefix('/').unwrap_or(name), names) {
        Some(near) => format!("did you mean `{near}`? `orch list` names them all"),
        None => "`orch list` names all definitions".to_owned(),
    };
    Refusal::new(11, "E0511", format!("there is no {} `{name}`", kind.unwrap_or("definition")), help).into()
}
