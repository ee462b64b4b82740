//! Values of Archon in texts, commands and conditions.
//!
//! A node may read what stands before it in the graph; anything else that begins with a dollar is literal.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::import::text::literal;

/// What is known of the nodes of one list.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    /// The id of Archon to ours.
    pub ids: BTreeMap<String, String>,
    /// What ends before each node, by Archon's ids.
    pub before: BTreeMap<String, BTreeSet<String>>,
    /// Nodes that may be skipped.
    pub conditional: BTreeSet<String>,
    /// Fields that somebody reads, by node.
    pub fields: BTreeMap<String, BTreeSet<String>>,
}

/// What a text reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub arguments: bool,
    /// Nodes of which the whole output is read.
    pub whole: BTreeSet<String>,
    /// Words with a dollar that nobody can fill in.
    pub unknown: BTreeSet<String>,
}

/// A value at a dollar.
enum Value<'a> {
    Arguments,
    Output { node: &'a str, field: Option<&'a str> },
    Other(&'a str),
}

/// Words for the arguments of a run.
const ARGUMENTS: [&str; 3] = ["ARGUMENTS", "USER_MESSAGE", "INPUT"];
/// Values that Archon fills in and `orch` does not have.
const FOREIGN: [&str; 12] = [
    "ARTIFACTS_DIR",
    "BASE_BRANCH",
    "WORKFLOW_ID",
    "DOCS_DIR",
    "LOOP_USER_INPUT",
    "LOOP_PREV_OUTPUT",
    "CONTEXT",
    "EXTERNAL_CONTEXT",
    "ISSUE_CONTEXT",
    "REJECTION_REASON",
    "RUN_ID",
    "SCRATCH_DIR",
];

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The value behind a dollar and how long it is.
fn value(rest: &str) -> Option<(Value<'_>, usize)> {
    let end = rest.find(|c: char| !(is_word(c) || c == '-')).unwrap_or(rest.len());
    if let Some(behind) = rest[end..].strip_prefix(".output")
        && end > 0
    {
        let used = end + ".output".len();
        let field =
            behind.strip_prefix('.').map(|field| &field[..field.find(|c: char| !is_word(c)).unwrap_or(field.len())]);
        let field = field.filter(|field| !field.is_empty());
        let length = used + field.map_or(0, |field| field.len() + 1);
        return Some((Value::Output { node: &rest[..end], field }, length));
    }
    let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    let word = &rest[..end];
    if ARGUMENTS.contains(&word) {
        Some((Value::Arguments, end))
    } else {
        FOREIGN.contains(&word).then_some((Value::Other(word), end))
    }
}

/// All `(node, field)` that a text reads.
pub(super) fn outputs(text: &str) -> Vec<(String, Option<String>)> {
    let found = text.match_indices('$').filter_map(|(at, _)| match value(&text[at + 1..]) {
        Some((Value::Output { node, field }, _)) => Some((node.to_owned(), field.map(str::to_owned))),
        Some((Value::Arguments | Value::Other(_), _)) | None => None,
    });
    found.collect()
}

impl Names {
    /// The expression for an output, if the node at `here` may read it.
    fn expression(&self, here: &str, node: &str, field: Option<&str>) -> Option<String> {
        if !self.before.get(here).is_some_and(|before| before.contains(node)) {
            return None;
        }
        let id = self.ids.get(node)?;
        let value = match field {
            Some(field) => format!("{id}.{field}"),
            None => format!("{id}.result.summary"),
        };
        Some(value)
    }

    /// A text as a template.
    pub fn template(&self, here: &str, text: &str, reads: &mut Reads) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&literal(&rest[..at]));
            let behind = &rest[at + 1..];
            let escaped = rest[..at].ends_with('\\');
            match value(behind).filter(|_| !escaped) {
                Some((Value::Arguments, length)) => {
                    reads.arguments = true;
                    out.push_str("{{ inputs.arguments }}");
                    rest = &behind[length..];
                }
                Some((Value::Output { node, field }, length)) => {
                    match self.expression(here, node, field) {
                        Some(expression) => {
                            if field.is_none() {
                                reads.whole.insert(node.to_owned());
                            }
                            // Archon gives nothing where a node was skipped; without this the reader would be skipped too.
                            let default = if self.conditional.contains(node) { " | default('')" } else { "" };
                            out.push_str(&format!("{{{{ {expression}{default} }}}}"));
                        }
                        None => {
                            reads.unknown.insert(format!("${}", &behind[..length]));
                            out.push('$');
                            out.push_str(&literal(&behind[..length]));
                        }
                    }
                    rest = &behind[length..];
                }
                Some((Value::Other(word), length)) => {
                    reads.unknown.insert(format!("${word}"));
                    out.push('$');
                    out.push_str(word);
                    rest = &behind[length..];
                }
                None => {
                    out.push('$');
                    rest = behind;
                }
            }
        }
        out.push_str(&literal(rest));
        out
    }

    /// A script whose values arrive in its environment, and that environment.
    pub fn script(&self, here: &str, text: &str, reads: &mut Reads) -> (String, BTreeMap<String, String>) {
        let (mut out, mut env) = (String::new(), BTreeMap::new());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let escaped = rest[..at].ends_with('\\');
            let found = value(behind).filter(|_| !escaped);
            let (variable, template, length) = match found {
                Some((Value::Arguments, length)) => {
                    reads.arguments = true;
                    ("ARGUMENTS".to_owned(), "{{ inputs.arguments }}".to_owned(), length)
                }
                Some((Value::Output { node, field }, length)) => {
                    let Some(expression) = self.expression(here, node, field) else {
                        reads.unknown.insert(format!("${}", &behind[..length]));
                        out.push('$');
                        rest = behind;
                        continue;
                    };
                    if field.is_none() {
                        reads.whole.insert(node.to_owned());
                    }
                    let id = self.ids.get(node).map_or(node, String::as_str);
                    let name = format!("{id}_{}", field.unwrap_or("output")).to_uppercase();
                    let default = if self.conditional.contains(node) { " | default('')" } else { "" };
                    (name, format!("{{{{ {expression}{default} }}}}"), length)
                }
                Some((Value::Other(word), _)) => {
                    reads.unknown.insert(format!("${word}"));
                    out.push('$');
                    rest = behind;
                    continue;
                }
                None => {
                    out.push('$');
                    rest = behind;
                    continue;
                }
            };
            // Archon puts values in quotes of its own; ours stand in quotes unless the script has them already.
            let line = &out[out.rfind('\n').map_or(0, |newline| newline + 1)..];
            let in_quotes = line.matches('"').count() - line.matches("\\\"").count();
            let in_quotes = in_quotes % 2 == 1;
            out.push_str(&if in_quotes { format!("${{{variable}}}") } else { format!("\"${variable}\"") });
            env.insert(variable, template);
            rest = &behind[length..];
        }
        out.push_str(rest);
        (out, env)
    }

    /// A condition as an expression; `None` where it says something that ours cannot.
    pub fn condition(&self, here: &str, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        let mut quote: Option<char> = None;
        while let Some(c) = rest.chars().next() {
            let step = c.len_utf8();
            match quote {
                Some(open) => {
                    quote = (c != open).then_some(open);
                    out.push(c);
                }
                None if c == '\'' || c == '"' => {
                    quote = Some(c);
                    out.push(c);
                }
                None if rest.starts_with("&&") || rest.starts_with("||") => {
                    out.push_str(if c == '&' { " and " } else { " or " });
                    rest = &rest[2..];
                    continue;
                }
                None if c == '$' => {
                    let Some((Value::Output { node, field }, length)) = value(&rest[1..]) else { return None };
                    out.push_str(&self.expression(here, node, field)?);
                    if self.conditional.contains(node) {
                        out.push_str(" | default('')");
                    }
                    rest = &rest[1 + length..];
                    continue;
                }
                None if c.is_ascii_alphanumeric() || " =!<>().-_".contains(c) => out.push(c),
                None => return None,
            }
            rest = &rest[step..];
        }
        let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
        (quote.is_none() && !words.is_empty() && !words.contains('{')).then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let ids = [("a-b", "a_b"), ("c", "c")].map(|(one, two)| (one.to_owned(), two.to_owned())).into();
        let before = [("here".to_owned(), ["a-b".to_owned(), "c".to_owned()].into())].into();
        Names { ids, before, conditional: ["c".to_owned()].into(), ..Names::default() }
    }

    #[test]
    fn values_in_texts() {
        let mut reads = Reads::default();
        let text = "$ARGUMENTS {{x}} $a-b.output.kind, $c.output. cost $5 \\$c.output $z.output $ARTIFACTS_DIR/x";
        let found = names().template("here", text, &mut reads);
        let expected = "{{ inputs.arguments }} {{ \"{{\" }}x}} {{ a_b.kind }}, {{ c.result.summary | default('') }}. \
                        cost $5 \\$c.output $z.output $ARTIFACTS_DIR/x";
        assert_eq!(found, expected);
        assert!(reads.arguments && reads.whole.contains("c"));
        assert_eq!(reads.unknown.into_iter().collect::<Vec<_>>(), ["$ARTIFACTS_DIR", "$z.output"]);
    }

    #[test]
    fn values_in_scripts_arrive_as_variables() {
        let mut reads = Reads::default();
        let (script, env) = names().script("here", "x=$a-b.output.kind; echo \"$HOME $c.output\"", &mut reads);
        assert_eq!(script, "x=\"$A_B_KIND\"; echo \"$HOME ${C_OUTPUT}\"");
        assert_eq!(env["A_B_KIND"], "{{ a_b.kind }}");
    }

    #[test]
    fn conditions_become_expressions_or_nothing() {
        let names = names();
        let expression = |text| names.condition("here", text);
        assert_eq!(
            expression("$a-b.output.kind == 'x y' && $a-b.output.n > 1").unwrap(),
            "a_b.kind == 'x y' and a_b.n > 1"
        );
        assert_eq!(expression("$c.output.ok == 'true'").unwrap(), "c.ok | default('') == 'true'");
        for text in ["$z.output.a == 1", "$HOME == 'x'", "a; b", "'open", "{{ x }}"] {
            assert_eq!(expression(text), None, "{text}");
        }
    }
}
