//! Makes template text of tokens: it renders to the prose with the values in place.
//!
//! Knows no arguments: they are values of inputs, put in when a run renders the prompt, so they are never read as
//! template text. Invariant: braces of the prose mean nothing.

use crate::{
    definition::Style,
    plan::{
        ProseValue,
        compile::prose::{
            shell::{Injection, injection},
            tokens::{Placed, Token},
        },
    },
};

/// What the prose of a command needs beside its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// What to type to run it: `/git:review`.
    pub(super) name: &'a str,
    /// The folder of the definition, relative to the project or absolute.
    pub(super) folder: &'a str,
    /// The root of the plugin it belongs to.
    pub(super) plugin: Option<(&'a str, &'a str)>,
    /// How hard the model thinks, as the file says.
    pub(super) effort: &'a str,
}

/// Prose as template text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prose {
    pub(super) text: String,
    /// The commands whose outputs it reads, in order: `shell_1`, `shell_2`, …
    pub(super) commands: Vec<Injection>,
    /// Values that only the run knows, under `with`.
    pub(super) values: Vec<(String, ProseValue)>,
    /// Named inputs and what they are for.
    pub(super) inputs: Vec<(String, String)>,
}

/// The id of the step that runs the command at that place, from 0.
pub(super) fn shell_id(place: usize) -> String {
    format!("shell_{}", place + 1)
}

/// Makes prose of tokens.
pub(super) fn translate(tokens: &[Placed], style: Style, around: Surroundings<'_>) -> Prose {
    let mut prose = Prose::default();
    let given = tokens.iter().any(|placed| is_given(&placed.token));
    let appends = !given && style != Style::Codex;
    for (place, placed) in tokens.iter().enumerate() {
        match &placed.token {
            Token::Text(text) => escape(text, place + 1 < tokens.len() || appends, &mut prose.text),
            Token::All => prose.text.push_str("{{ inputs.arguments }}"),
            Token::Word(place, written) => {
                // A word that was not given leaves the placeholder as it is, as Claude Code does; others leave nothing.
                let missing = if style == Style::Claude { written.as_str() } else { "" };
                prose.push(&format!("(inputs.arguments | words)[{place}] | default({missing:?})"));
            }
            Token::Rest(place) => prose.push(&format!("(inputs.arguments | words)[{place}:] | join(\" \")")),
            Token::Named(place) => prose.push(&format!("(inputs.arguments | words)[{place}] | default(\"\")")),
            Token::Variable(name) => prose.variable(name, around),
            Token::Input(name, hint) => {
                prose.push(&format!("inputs.{name}"));
                if prose.inputs.iter().all(|(other, _)| other != name) {
                    prose.inputs.push((name.clone(), hint.clone()));
                }
            }
            Token::File(path) => prose.value("file", ProseValue::File(path.clone())),
            Token::Shell(inner) => {
                let command = injection(inner, style, &|name| shell_variable(name, around));
                let id = shell_id(prose.commands.len());
                prose.push(&format!("{id}.result.text"));
                prose.commands.push(command);
            }
        }
    }
    if appends {
        let before = match style {
            Style::Claude => "ARGUMENTS: ".to_owned(),
            Style::Gemini => format!("{} ", around.name),
            Style::Codex | Style::OpenCode | Style::Copilot => String::new(),
        };
        let mut label = String::new();
        escape(&before, true, &mut label);
        prose.text.push_str(&format!("{{% if inputs.arguments %}}\n\n{label}{{{{ inputs.arguments }}}}{{% endif %}}"));
    }
    prose
}

/// Whether a token puts in what is given to the command.
fn is_given(token: &Token) -> bool {
    match token {
        Token::All | Token::Word(..) | Token::Rest(_) | Token::Named(_) | Token::Input(..) => true,
        Token::Shell(inner) => inner.iter().any(is_given),
        Token::Text(_) | Token::Variable(_) | Token::File(_) => false,
    }
}

/// A variable as the shell of a command reads it: commands run in the project's folder.
fn shell_variable(name: &str, around: Surroundings<'_>) -> String {
    let below = |folder: &str| {
        if folder.starts_with('/') { folder.to_owned() } else { format!("${{PWD}}/{folder}") }
    };
    match name {
        "CLAUDE_SESSION_ID" => "${ORCH_RUN}".to_owned(),
        "CLAUDE_PROJECT_DIR" => "${PWD}".to_owned(),
        "CLAUDE_SKILL_DIR" => below(around.folder),
        "CLAUDE_PLUGIN_ROOT" => around.plugin.map_or_else(String::new, |(_, root)| below(root)),
        "CLAUDE_PLUGIN_DATA" => around.plugin.map_or_else(String::new, |(name, _)| below(&plugin_data(name))),
        _ => around.effort.to_owned(),
    }
}

fn plugin_data(plugin: &str) -> String {
    format!(".orch/state/plugins/{}", plugin.replace(['/', '\\', '.'], "-"))
}

impl Prose {
    fn push(&mut self, expression: &str) {
        self.text.push_str(&format!("{{{{ {expression} }}}}"));
    }

    fn variable(&mut self, name: &str, around: Surroundings<'_>) {
        let folder = |path: &str| ProseValue::Folder(path.to_owned());
        match name {
            "CLAUDE_SESSION_ID" => self.value("session", ProseValue::Session),
            "CLAUDE_PROJECT_DIR" => self.value("folder", folder("")),
            "CLAUDE_SKILL_DIR" => self.value("folder", folder(around.folder)),
            "CLAUDE_PLUGIN_ROOT" => self.value("folder", folder(around.plugin.map_or("", |(_, root)| root))),
            "CLAUDE_PLUGIN_DATA" => {
                self.value("folder", folder(&around.plugin.map_or_else(String::new, |(name, _)| plugin_data(name))));
            }
            _ => self.text.push_str(around.effort),
        }
    }

    /// Reads a value that only the run knows.
    fn value(&mut self, kind: &str, value: ProseValue) {
        let known = self.values.iter().position(|(_, other)| *other == value);
        let place = known.unwrap_or_else(|| {
            self.values.push((format!("{kind}_{}", self.values.len() + 1), value));
            self.values.len() - 1
        });
        let name = self.values[place].0.clone();
        self.push(&format!("with.{name}"));
    }
}

/// Writes text so that a template gives it back; `before_value`: a `{{` follows.
pub(super) fn escape(text: &str, before_value: bool, template: &mut String) {
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let opens = match rest.peek() {
            Some(after) => matches!(after, '{' | '%' | '#'),
            None => before_value,
        };
        if next == '{' && opens { template.push_str("{{ \"{\" }}") } else { template.push(next) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        definition::{Arguments, Base},
        plan::compile::prose::tokens::Cutter,
        template::Template,
    };

    const AROUND: Surroundings<'static> =
        Surroundings { name: "/git:x", folder: ".claude/skills/x", plugin: None, effort: "high" };

    fn prose(style: Style, text: &str) -> Prose {
        let base = if matches!(style, Style::Codex | Style::OpenCode) { Base::One } else { Base::Zero };
        let arguments = Arguments { style, base, named: vec!["issue".to_owned()] };
        let variables = ["CLAUDE_SESSION_ID", "CLAUDE_EFFORT", "CLAUDE_PROJECT_DIR"];
        translate(&Cutter { arguments: &arguments, variables: &variables }.cut(text), style, AROUND)
    }

    #[track_caller]
    fn render(style: Style, text: &str, arguments: &str) -> String {
        let template = Template::parse(&prose(style, text).text).unwrap();
        let values = json!({
            "inputs": { "arguments": arguments, "name": "N" },
            "with": { "session_1": "RUN", "folder_2": "/p", "file_1": "{{ FILE }}" },
            "shell_1": { "result": { "text": "$0 {{ 7 }} !`x`" } },
        });
        template.render(values.as_object().unwrap()).unwrap()
    }

    #[test]
    fn braces_of_the_prose_mean_nothing() {
        for text in ["{{ x }}", "{% if %}", "{# c #}", "{$ARGUMENTS}", "{{{%{#", "a {\"b\": {}} c", "{", "{-{"] {
            for style in [Style::Claude, Style::Codex, Style::Copilot] {
                let template = Template::parse(&prose(style, text).text).unwrap();
                let inputs = |path: &[String]| path == ["inputs", "arguments"];
                assert!(template.references().iter().all(|reference| inputs(&reference.path)), "{text}");
            }
        }
    }

    #[test]
    fn claude_code() {
        let render = |text: &str, given: &str| render(Style::Claude, text, given);
        assert_eq!(render("Say {{ $ARGUMENTS }} {% x %}", "{{ 7 * 7 }}"), "Say {{ {{ 7 * 7 }} }} {% x %}");
        assert_eq!(render("{$ARGUMENTS}", "{"), "{{}");
        assert_eq!(render("$0 and $1 and $ARGUMENTS[1]", "one"), "one and $1 and $ARGUMENTS[1]");
        assert_eq!(render("$0|$1", "'a b' c"), "a b|c");
        assert_eq!(render("$0|$1", "it's two"), "it's|two");
        assert_eq!(render("$1.00", "a b"), "b.00");
        assert_eq!(render("[$issue]", ""), "[]");
        assert_eq!(render("plain", ""), "plain");
        assert_eq!(render("plain {", "a b"), "plain {\n\nARGUMENTS: a b");
        assert_eq!(render("${CLAUDE_SESSION_ID} ${CLAUDE_PROJECT_DIR} ${CLAUDE_EFFORT}", ""), "RUN /p high");
        // What a command has said is a value as well.
        assert_eq!(render("!`a` $0", "x"), "$0 {{ 7 }} !`x` x");
        // Values are never read again.
        assert_eq!(render("$0", "'$1 !`x` ${CLAUDE_EFFORT}' b"), "$1 !`x` ${CLAUDE_EFFORT}");
    }

    #[test]
    fn other_tools() {
        assert_eq!(render(Style::Codex, "$1-$2-$$1 {", "a"), "a--$1 {");
        assert_eq!(render(Style::Codex, "plain", "a"), "plain");
        assert_eq!(render(Style::OpenCode, "$1|$2", "a b c"), "a|b c");
        assert_eq!(render(Style::OpenCode, "plain", "a b"), "plain\n\na b");
        assert_eq!(render(Style::Gemini, "<{{args}}>", "'a b'"), "<'a b'>");
        assert_eq!(render(Style::Gemini, "plain {", "a b"), "plain {\n\n/git:x a b");
        assert_eq!(render(Style::Gemini, "@{a.md}", ""), "{{ FILE }}");
        assert_eq!(render(Style::Copilot, "Hi ${input:name:who}", ""), "Hi N");
        assert_eq!(prose(Style::Copilot, "${input:name:who}").inputs, [("name".to_owned(), "who".to_owned())]);
    }
}
