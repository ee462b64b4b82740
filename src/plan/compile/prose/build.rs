//! A plan for prose: a `run` step for each command in it, then one agent step.
//!
//! The commands are steps of the graph, so that a run journals them, shows them and ends when one fails.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    base::{Diagnostic, Source, Span, Spanned},
    definition::{
        Arguments, Library, Origin, Scope, Style,
        workflow::{Budget, Input, Limits, Prompt, Recovery, Retry, RetryOn, RunCommand, Step, StepKind, Workflow},
    },
    plan::{
        ProseWork, Work,
        compile::{
            draft::is_taken,
            entry::{Compiled, compile, seal},
            memory,
            prose::{
                lint::{Read, lint},
                tokens::{Cutter, Placed, Token},
                translate::{Prose, Surroundings, shell_id, translate},
            },
            servers,
        },
    },
};

/// The longest that a command in a prompt may take; what takes longer belongs into a workflow.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(2);

/// What is run as prose: a slash command or a skill.
#[derive(Debug, Clone, Copy)]
pub(in crate::plan::compile) struct Subject<'a> {
    pub(in crate::plan::compile) name: &'a str,
    pub(in crate::plan::compile) description: &'a str,
    /// What to type after it.
    pub(in crate::plan::compile) hint: Option<&'a str>,
    pub(in crate::plan::compile) text: &'a Spanned<String>,
    pub(in crate::plan::compile) arguments: &'a Arguments,
    pub(in crate::plan::compile) agent: Option<&'a str>,
    pub(in crate::plan::compile) model: Option<&'a str>,
    pub(in crate::plan::compile) effort: Option<&'a str>,
    pub(in crate::plan::compile) origin: &'a Origin,
    /// A skill begins with the line about its folder.
    pub(in crate::plan::compile) is_skill: bool,
}

/// Compiles prose.
pub(in crate::plan::compile) fn compile_prose(
    library: &Library,
    subject: Subject<'_>,
) -> Result<Compiled, Vec<Diagnostic>> {
    let style = subject.arguments.style;
    let shown = format!("/{}", subject.name);
    let folder = subject.origin.path.parent().map_or_else(String::new, |folder| folder.display().to_string());
    let root = plugin_root(subject.origin);
    let around = Surroundings {
        name: &shown,
        folder: &folder,
        plugin: subject.origin.plugin.as_deref().zip(root.as_deref()),
        effort: subject.effort.unwrap_or("medium"),
    };
    let cutter = Cutter { arguments: subject.arguments, variables: variables(subject) };
    let mut tokens = cutter.cut(&subject.text.value);
    let prose = translate(&tokens, style, around);
    let remarks = lint(&Read {
        origin: subject.origin,
        text: subject.text,
        arguments: subject.arguments,
        tokens: &tokens,
        prose: &prose,
        name: &shown,
    });
    let prose = if subject.is_skill {
        tokens.splice(0..0, base_line());
        translate(&tokens, style, around)
    } else {
        prose
    };
    let mut compiled = compile(library, &workflow(subject, &prose))?;
    compiled.warnings.extend(remarks);
    for step in &mut compiled.plan.steps {
        match &mut step.work {
            Work::Run { keeps_text, .. } => *keeps_text = true,
            Work::Agent(work) => {
                let attaches = matches!(style, Style::Claude | Style::OpenCode);
                work.prose = Some(ProseWork { values: prose.values.clone(), attaches });
            }
            _ => {}
        }
    }
    let is_own = subject.origin.scope != Scope::Builtin;
    let commands = prose.commands.iter().filter(|_| is_own).map(|command| command.text.clone()).collect();
    memory::pin(library, &mut compiled.plan, subject.origin.dialect);
    compiled.plan.trust = None;
    seal(&mut compiled.plan);
    let path = subject.origin.path.display().to_string();
    compiled.plan.trust = servers::trust(&compiled, (&shown, &path), commands);
    Ok(compiled)
}

/// The names that `${…}` gives.
fn variables(subject: Subject<'_>) -> &'static [&'static str] {
    const ALL: [&str; 6] = [
        "CLAUDE_SESSION_ID",
        "CLAUDE_PROJECT_DIR",
        "CLAUDE_EFFORT",
        "CLAUDE_SKILL_DIR",
        "CLAUDE_PLUGIN_ROOT",
        "CLAUDE_PLUGIN_DATA",
    ];
    const IN_PLUGIN: [&str; 5] =
        ["CLAUDE_SESSION_ID", "CLAUDE_PROJECT_DIR", "CLAUDE_EFFORT", "CLAUDE_PLUGIN_ROOT", "CLAUDE_PLUGIN_DATA"];
    match (subject.is_skill, subject.origin.plugin.is_some()) {
        (true, true) => &ALL,
        (true, false) => &ALL[..4],
        (false, true) => &IN_PLUGIN,
        (false, false) => &ALL[..3],
    }
}

/// The folder of a plugin: the one that holds the folder of its kind.
fn plugin_root(origin: &Origin) -> Option<String> {
    let kinds = ["commands", "skills", "agents"];
    let mut above = origin.path.ancestors();
    let kind = above.find(|path| path.file_name().is_some_and(|name| kinds.iter().any(|kind| name == *kind)))?;
    kind.parent().map(|root| root.display().to_string())
}

/// The line that Claude Code puts before a skill.
fn base_line() -> [Placed; 3] {
    let placed = |token| Placed { token, at: 0..0, code: None };
    [
        placed(Token::Text("Base directory for this skill: ".to_owned())),
        placed(Token::Variable("CLAUDE_SKILL_DIR".to_owned())),
        placed(Token::Text("\n\n".to_owned())),
    ]
}

fn workflow(subject: Subject<'_>, prose: &Prose) -> Workflow {
    let source: &Arc<Source> = &subject.origin.source;
    let span = subject.text.span;
    let here = |name: &str| Spanned::new(name.to_owned(), span);
    let commands = prose.commands.iter().enumerate().map(|(place, command)| {
        let argv = ["bash", "-c", command.text.as_str()].map(here).to_vec();
        let env = command.env.iter().map(|(name, template)| (here(name), text(template, span)));
        Step {
            env: env.collect(),
            recovery: Some(Spanned::new(Recovery::Retry, span)),
            retry: Some(Spanned::new(Retry { tries: 0, delay: None, max_delay: None, on: RetryOn::Transient }, span)),
            timeout: Some(COMMAND_TIMEOUT),
            idle_timeout: Some(COMMAND_TIMEOUT),
            ..Step::new(Spanned::new(shell_id(place), span), StepKind::Run(RunCommand::Argv(argv)))
        }
    });
    let mut steps: Vec<Step> = commands.collect();
    let id = step_id(subject.name);
    let prompt = Some(Prompt { text: here(&prose.text), file: None });
    steps.push(Step {
        model: subject.model.filter(|model| *model != "inherit").map(here),
        with: prose.values.iter().map(|(name, _)| (here(name), Spanned::new(Value::Null, span))).collect(),
        ..Step::new(Spanned::new(id.clone(), span), StepKind::Agent { agent: subject.agent.map(here), prompt })
    });
    Workflow {
        source: Arc::clone(source),
        folder: subject.origin.path.parent().map_or_else(PathBuf::new, PathBuf::from),
        name: here(subject.name),
        description: subject.description.to_owned(),
        inputs: inputs(subject, prose),
        models: Vec::new(),
        budget: Budget::default(),
        limits: Limits::default(),
        on_failure: None,
        secrets: Vec::new(),
        steps,
        outputs: vec![(here("text"), text(&format!("{{{{ {id}.result.text }}}}"), span))],
        reads: Vec::new(),
    }
}

fn text(text: &str, span: Span) -> Spanned<Value> {
    Spanned::new(Value::String(text.to_owned()), span)
}

/// The words after the command as one input, or the named inputs that the prose asks for.
fn inputs(subject: Subject<'_>, prose: &Prose) -> Vec<Input> {
    let input = |name: &str, description: String, required: bool| Input {
        name: Spanned::new(name.to_owned(), Span::default()),
        schema: json!({ "type": "string" }),
        required,
        positional: required || name == "arguments",
        default: (!required).then(|| Spanned::new(Value::String(String::new()), Span::default())),
        description,
    };
    let mut inputs: Vec<Input> = prose
        .inputs
        .iter()
        // What an editor would know is given by name, or is empty.
        .map(|(name, hint)| input(name, hint.clone(), !matches!(name.as_str(), "selection" | "file")))
        .collect();
    if inputs.iter().all(|input| !input.required) {
        let hint = subject.hint.map_or_else(|| "the words after the command".to_owned(), str::to_owned);
        inputs.insert(0, input("arguments", hint, false));
    }
    inputs
}

/// A step's id from a command's name: `git:review-pr` gives `git_review_pr`.
fn step_id(name: &str) -> String {
    let letters =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    let id: String = letters.trim_matches('_').chars().take(60).collect();
    let starts_well = id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.starts_with("shell_");
    if starts_well && !is_taken(&id) && id != "with" { id } else { format!("do_{id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(step_id("git:review-pr"), "git_review_pr");
        assert_eq!(step_id("2fa"), "do_2fa");
        assert_eq!(step_id("loop"), "do_loop");
        assert_eq!(step_id("shell-1"), "do_shell_1");
    }
}
