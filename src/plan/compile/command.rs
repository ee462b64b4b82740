//! Slash commands: a workflow by name, steps in place, or prose that becomes one agent step.
//!
//! Knows no arguments: they are values of the input `arguments`, put in when a run renders the prompt, so they are
//! never read as template text. Invariant: braces of the prose mean nothing.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};

use crate::{
    base::{Diagnostic, Source, Span, Spanned},
    definition::{
        Command, CommandBody, Library,
        workflow::{Budget, Input, Limits, Prompt, Step, StepKind, Workflow},
    },
    plan::compile::{
        draft::is_taken,
        entry::{Compiled, compile},
        faults::{self, Place, suggest},
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
        CommandBody::Prose { text, agent, model, .. } => {
            let base = Base::of(command);
            let prose = translate(&text.value, base);
            let (agent, unknown) = agent_of_prose(library, &command.origin, agent.as_deref());
            let workflow = prose_workflow(command, text, &prose, agent, model.as_deref());
            let mut compiled = compile(library, &workflow)?;
            compiled.warnings.extend(unknown);
            if prose.first_without_zeroth && base == Base::Zero {
                let fault = Place { source: &command.origin.source, span: text.span }
                    .error(faults::ARGUMENT_BASE, "`$1` is the second word here, and `$0` is never used")
                    .cause("words are counted from 0")
                    .help("write `$0` for the first word, or `$ARGUMENTS` for all");
                compiled.warnings.push(fault.warning());
            }
            Ok(compiled)
        }
    }
}

/// The number of the first word after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// As in commands for Claude Code.
    Zero,
    /// As in those for Codex and opencode.
    One,
}

impl Base {
    fn of(command: &Command) -> Self {
        let counts_from_one = |folder: &str| matches!(folder, ".codex" | ".opencode" | "codex" | "opencode");
        let mut folders = command.origin.path.components().filter_map(|part| part.as_os_str().to_str());
        if folders.any(counts_from_one) { Self::One } else { Self::Zero }
    }
}

/// Prose as template text.
#[derive(Debug, PartialEq, Eq)]
struct Prose {
    text: String,
    first_without_zeroth: bool,
}

/// A part of the prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Text(&'t str),
    /// `$ARGUMENTS`.
    All,
    /// `$N` or `$ARGUMENTS[N]`: the number and the words themselves.
    One(usize, &'t str),
}

/// Cuts prose at its placeholders; `\$` is a plain `$`.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(offset) = text[at..].find('$') {
        let dollar = at + offset;
        if text[..dollar].ends_with('\\') {
            found.push(Token::Text(&text[start..dollar - 1]));
            start = dollar;
            at = dollar + 1;
            continue;
        }
        match placeholder(&text[dollar..]) {
            Some((token, length)) => {
                found.push(Token::Text(&text[start..dollar]));
                found.push(token);
                start = dollar + length;
                at = start;
            }
            None => at = dollar + 1,
        }
    }
    found.push(Token::Text(&text[start..]));
    found
}

/// The placeholder at the beginning of a text, and its length.
fn placeholder(text: &str) -> Option<(Token<'_>, usize)> {
    let rest = &text[1..];
    let number = |digits: &str| {
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        digits[..length].parse::<usize>().ok().filter(|number| *number < 100).map(|number| (number, length))
    };
    if let Some(after) = rest.strip_prefix("ARGUMENTS") {
        let length = 1 + "ARGUMENTS".len();
        if let Some(inner) = after.strip_prefix('[')
            && let Some((number, digits)) = number(inner).filter(|(_, digits)| inner[*digits..].starts_with(']'))
        {
            let length = length + digits + 2;
            return Some((Token::One(number, &text[..length]), length));
        }
        let longer = after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        return (!longer).then_some((Token::All, length));
    }
    let (number, digits) = number(rest)?;
    Some((Token::One(number, &text[..=digits]), 1 + digits))
}

/// Makes prose a template that renders to itself with the arguments in place.
fn translate(text: &str, base: Base) -> Prose {
    let tokens = tokens(text);
    let used = |wanted: usize| tokens.iter().any(|token| matches!(token, Token::One(number, _) if *number == wanted));
    let placeholders = tokens.iter().any(|token| !matches!(token, Token::Text(_)));
    let mut template = String::with_capacity(text.len() + 64);
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Text(text) => escape(text, place + 1 < tokens.len() || !placeholders, &mut template),
            Token::All => template.push_str("{{ inputs.arguments }}"),
            Token::One(number, written) => {
                let index = match base {
                    Base::Zero => Some(*number),
                    Base::One => number.checked_sub(1),
                };
                // A word that was not given leaves the placeholder as it is, as its home tool does.
                match index {
                    Some(index) => template
                        .push_str(&format!("{{{{ (inputs.arguments | split)[{index}] | default({written:?}) }}}}")),
                    None => template.push_str(written),
                }
            }
        }
    }
    if !placeholders {
        template.push_str("{% if inputs.arguments %}\n\nARGUMENTS: {{ inputs.arguments }}{% endif %}");
    }
    Prose { text: template, first_without_zeroth: used(1) && !used(0) }
}

/// Writes text so that a template gives it back; `before_value`: a `{{` follows.
fn escape(text: &str, before_value: bool, template: &mut String) {
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let opens = match rest.peek() {
            Some(after) => matches!(after, '{' | '%' | '#'),
            None => before_value,
        };
        if next == '{' && opens { template.push_str("{{ \"{\" }}") } else { template.push(next) }
    }
}

fn prose_workflow(
    command: &Command,
    text: &Spanned<String>,
    prose: &Prose,
    agent: Option<&str>,
    model: Option<&str>,
) -> Workflow {
    let source: &Arc<Source> = &command.origin.source;
    let here = |name: &str| Spanned::new(name.to_owned(), text.span);
    let string = || json!({ "type": "string" });
    let step = Step {
        id: here(&step_id(&command.name)),
        span: text.span,
        kind: StepKind::Agent { agent: agent.map(here), prompt: Some(Prompt { text: here(&prose.text), file: None }) },
        needs: None,
        join: None,
        when: None,
        gate: Vec::new(),
        on_gate_fail: None,
        retry: None,
        timeout: None,
        idle_timeout: None,
        recovery: None,
        optional: false,
        on_failure: None,
        model: model.filter(|model| *model != "inherit").map(here),
        runtime: None,
        tools: None,
        context: None,
        context_budget: None,
        skills: Vec::new(),
        workspace: None,
        output: None,
        with: Vec::new(),
        env: Vec::new(),
        args: Vec::new(),
        files: Vec::new(),
        key: None,
        summary: None,
    };
    let id = step.id.value.clone();
    Workflow {
        source: Arc::clone(source),
        folder: command.origin.path.parent().map_or_else(PathBuf::new, PathBuf::from),
        name: here(&command.name),
        description: command.description.clone(),
        inputs: vec![Input {
            name: Spanned::new("arguments".to_owned(), Span::default()),
            schema: string(),
            required: false,
            positional: true,
            default: Some(Spanned::new(Value::String(String::new()), Span::default())),
            description: command.argument_hint.clone().unwrap_or_else(|| "the words after the command".to_owned()),
        }],
        models: Vec::new(),
        budget: Budget::default(),
        limits: Limits::default(),
        on_failure: None,
        steps: vec![step],
        outputs: vec![(here("text"), Spanned::new(Value::String(format!("{{{{ {id}.result.text }}}}")), text.span))],
    }
}

/// A step's id from a command's name: `git:review-pr` gives `git_review_pr`.
fn step_id(name: &str) -> String {
    let letters =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    let id: String = letters.trim_matches('_').chars().take(60).collect();
    let starts_well = id.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && !is_taken(&id) { id } else { format!("do_{id}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_values() {
        let prose = translate("Fix $ARGUMENTS, first $0, cost \\$1 and $name", Base::Zero);
        assert_eq!(
            prose.text,
            "Fix {{ inputs.arguments }}, first {{ (inputs.arguments | split)[0] | default(\"$0\") }}, cost $1 and $name"
        );
        assert!(!prose.first_without_zeroth);
        assert!(translate("$1", Base::Zero).first_without_zeroth);
        assert!(translate("$1", Base::One).text.contains("[0]"));
        assert!(translate("$ARGUMENTS[2]", Base::Zero).text.contains("[2]"));
        assert!(translate("${ARGUMENTS} $ARGUMENTSX", Base::Zero).text.starts_with("${ARGUMENTS} $ARGUMENTSX{% if"));
    }

    #[test]
    fn braces_of_the_prose_mean_nothing() {
        for text in ["{{ x }}", "{% if %}", "{# c #}", "{$ARGUMENTS}", "{{{%{#", "a {\"b\": {}} c", "{", "{-{"] {
            let prose = translate(text, Base::Zero);
            let template = crate::template::Template::parse(&prose.text).unwrap();
            assert!(template.references().iter().all(|reference| reference.path == ["inputs", "arguments"]), "{text}");
        }
    }

    #[test]
    fn arguments_are_values_and_prose_stays_as_it_is() {
        let render = |text: &str, arguments: &str| {
            let template = crate::template::Template::parse(&translate(text, Base::Zero).text).unwrap();
            let values = json!({ "inputs": { "arguments": arguments } });
            template.render(values.as_object().unwrap()).unwrap()
        };
        assert_eq!(render("Say {{ $ARGUMENTS }} {% x %}", "{{ 7 * 7 }}"), "Say {{ {{ 7 * 7 }} }} {% x %}");
        assert_eq!(render("{$ARGUMENTS}", "{"), "{{}");
        assert_eq!(render("$0 and $1 and $ARGUMENTS[1]", "one"), "one and $1 and $ARGUMENTS[1]");
        assert_eq!(render("plain", ""), "plain");
        assert_eq!(render("plain {", "a b"), "plain {\n\nARGUMENTS: a b");
    }

    #[test]
    fn ids() {
        assert_eq!(step_id("git:review-pr"), "git_review_pr");
        assert_eq!(step_id("2fa"), "do_2fa");
        assert_eq!(step_id("loop"), "do_loop");
    }
}
