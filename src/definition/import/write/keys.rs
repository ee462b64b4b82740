//! The head of a file and the keys of a step, which both forms share.

use std::collections::HashMap;

use crate::definition::import::{
    draft::{Draft, Kind, Step},
    text::literal,
    write::yaml_value,
};

/// How much care a step's texts need, by its path; none where it is not named.
pub(in crate::definition::import) type Care = HashMap<String, u8>;

/// The keys of the frontmatter or of the head of a YAML file.
pub(super) fn head(draft: &Draft) -> String {
    let mut out = format!("name: {}\n", yaml_value::scalar(&draft.name));
    if !draft.description.is_empty() {
        out.push_str(&yaml_value::entry("description", &draft.description.clone().into(), 0, 0));
    }
    if !draft.inputs.is_empty() {
        out.push_str("inputs:\n");
    }
    for input in &draft.inputs {
        let mut parts = vec![format!("type: {}", input.kind)];
        if input.required {
            parts.push("required: true".to_owned());
        }
        if input.positional {
            parts.push("positional: true".to_owned());
        }
        if let Some(default) = &input.default {
            parts.push(format!("default: {default}"));
        }
        if !input.description.is_empty() {
            parts.push(format!("description: {}", yaml_value::quoted(&input.description)));
        }
        out.push_str(&format!("  {}: {{ {} }}\n", input.name, parts.join(", ")));
    }
    out
}

/// The keys of a step as YAML, without its id and children. `in_heading` leaves out what a heading says.
pub(super) fn keys(step: &Step, care: u8, indent: usize, in_heading: bool) -> String {
    let entry = |key: &str, text: &str| yaml_value::entry(key, &text.into(), indent, care);
    let mut out = String::new();
    match &step.kind {
        Kind::Agent { agent, prompt } => {
            if let Some(agent) = agent.as_ref().filter(|agent| !in_heading || !is_word(agent)) {
                out.push_str(&entry("agent", agent));
            }
            if !in_heading || care > 0 {
                out.push_str(&entry("prompt", prompt));
            }
        }
        Kind::Run { program, script } if program.is_empty() && !has_braces(script) => {
            out.push_str(&entry("run", script))
        }
        Kind::Run { program, script } => {
            let shell = ["sh", "-e", "-u", "-c"].map(str::to_owned);
            let program = if program.is_empty() { &shell[..] } else { program };
            let mut words: Vec<serde_json::Value> = program.iter().map(|word| word.as_str().into()).collect();
            // Braces are refused in `run:`, so that no value becomes a command; in `args:` they can be made literal.
            if has_braces(script) {
                out.push_str(&yaml_value::entry("run", &words.into(), indent, care));
                let args = vec![serde_json::Value::from(literal(script))];
                out.push_str(&yaml_value::entry("args", &args.into(), indent, care));
            } else {
                words.push(script.as_str().into());
                out.push_str(&yaml_value::entry("run", &words.into(), indent, care));
            }
        }
        Kind::Approve(text) => {
            if !in_heading || care > 0 {
                out.push_str(&entry("approve", text));
            }
        }
        Kind::Stop(text) => {
            let stop = serde_json::json!({ "status": "failed", "text": text });
            out.push_str(&yaml_value::entry("stop", &stop, indent, care));
        }
        Kind::Parallel => {}
        Kind::Each(items) => out.push_str(&entry("each", items)),
        Kind::Loop { max, until } => {
            let value = serde_json::json!({ "max": max, "until": until });
            out.push_str(&yaml_value::entry("loop", &value, indent, care));
        }
    }
    for (key, value) in &step.keys {
        out.push_str(&yaml_value::entry(key, value, indent, care));
    }
    if !step.gates.is_empty() {
        out.push_str(&yaml_value::entry("gate", &step.gates.clone().into(), indent, care));
    }
    out
}

fn has_braces(script: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| script.contains(open))
}

/// Whether a value can stand in a heading's attributes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A text as comment lines. Characters that YAML refuses even in comments become spaces.
pub(super) fn comment(text: &str, indent: usize, out: &mut String) {
    for line in text.lines() {
        let line: String = line.chars().map(|c| if yaml_value::is_printable(c) { c } else { ' ' }).collect();
        out.push_str(format!("{:indent$}# {line}", "").trim_end());
        out.push('\n');
    }
}
