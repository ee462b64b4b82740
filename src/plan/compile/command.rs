//! Slash commands: a workflow by name, steps in place, or prose that becomes one agent step; and skills, which are
//! started like commands.
//!
//! Knows no arguments: they are values of inputs, put in when a run renders the prompt.

use serde_json::Value;

use crate::{
    base::{Diagnostic, Span, Spanned},
    definition::{Arguments, Base, Command, CommandBody, Library, Meta, Origin, Skill, Style},
    plan::compile::{
        entry::{Compiled, compile},
        faults::{self, Place, suggest},
        prose::{Subject, compile_prose},
        reference::agent_of_prose,
    },
};

/// Compiles a slash command.
///
/// # Errors
/// As [`compile`].
pub fn compile_command(library: &Library, command: &Command) -> Result<Compiled, Vec<Diagnostic>> {
    match &command.body {
        CommandBody::Inline(workflow) => compile(library, workflow),
        CommandBody::Workflow(name) => match library.workflows.get(&name.value) {
            Some(entry) => compile(library, &entry.workflow),
            None => {
                let help = suggest(&name.value, library.workflows.names(), "workflows", "there are no workflows");
                let fault = Place { source: &command.origin.source, span: name.span }
                    .error(faults::UNKNOWN_WORKFLOW, format!("there is no workflow `{}`", name.value));
                Err(vec![fault.cause("not found in any folder").help(help)])
            }
        },
        CommandBody::Prose { text, arguments, agent, model } => {
            let arguments = of_dialect(arguments, &command.origin, &command.meta);
            let (agent, unknown) = agent_of_prose(library, &command.origin, agent.as_deref());
            let subject = Subject {
                name: &command.name,
                description: &command.description,
                hint: command.argument_hint.as_deref(),
                text: &text.clone().map(|text| text.to_string()),
                arguments: &arguments,
                agent,
                model: model.as_deref(),
                effort: word(&command.meta, "effort"),
                origin: &command.origin,
                is_skill: false,
            };
            let mut compiled = compile_prose(library, subject)?;
            compiled.warnings.extend(unknown);
            Ok(compiled)
        }
    }
}

/// Compiles a skill that is started like a command: its text, after the line about its folder.
///
/// # Errors
/// As [`compile`].
pub fn skill_command(library: &Library, skill: &Skill) -> Result<Compiled, Vec<Diagnostic>> {
    let source = &skill.origin.source;
    let start = source.text.rfind(&*skill.body).unwrap_or_default();
    let text = Spanned::new(skill.body.to_string(), Span::new(start..start + skill.body.len()));
    let arguments = of_dialect(&Arguments::default(), &skill.origin, &skill.meta);
    let subject = Subject {
        name: &skill.name,
        description: &skill.description,
        hint: word(&skill.meta, "argument-hint"),
        text: &text,
        arguments: &arguments,
        agent: None,
        model: word(&skill.meta, "model"),
        effort: word(&skill.meta, "effort"),
        origin: &skill.origin,
        is_skill: true,
    };
    compile_prose(library, subject)
}

/// How the placeholders are read: as the reader of the file says, else as its keys say, else as the tool does that the
/// file was written for.
fn of_dialect(arguments: &Arguments, origin: &Origin, meta: &Meta) -> Arguments {
    if arguments.style != Style::Claude {
        return arguments.clone();
    }
    let Arguments { style, base, .. } = Arguments::of(origin.dialect);
    let base = if style == Style::Claude { arguments.base } else { base };
    let base = match meta.extra("argument-base") {
        Some(Value::Number(number)) if number.as_u64() == Some(1) => Base::One,
        Some(Value::Number(number)) if number.as_u64() == Some(0) => Base::Zero,
        _ => base,
    };
    let named = match meta.extra("arguments") {
        Some(Value::String(names)) if arguments.named.is_empty() => {
            names.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(names)) if arguments.named.is_empty() => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => arguments.named.clone(),
    };
    Arguments { style, base, named }
}

fn word<'m>(meta: &'m Meta, key: &str) -> Option<&'m str> {
    meta.extra(key).and_then(Value::as_str)
}
