//! MCP servers as files declare them: a program that an agent's runtime starts and asks.
//!
//! Values of variables stand here as they are written, often `${NAME}`; nothing here reads the environment.

use std::{collections::BTreeMap, sync::Arc};

use crate::base::{Digest, Hasher, Source, Span, Spanned};

/// A declared server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, as tools name it: `mcp__NAME__tool`.
    pub name: String,
    /// What it is.
    pub form: ServerForm,
    /// The file that declares it.
    pub source: Arc<Source>,
    /// Where in it.
    pub span: Span,
    /// Whether only the user's own settings can have said so. Everything else may have come with a repository.
    pub is_own: bool,
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerForm {
    /// A program that speaks over its standard input and output.
    Program {
        /// Program and arguments.
        command: Vec<String>,
        /// Its variables, as they are written.
        env: BTreeMap<String, String>,
    },
    /// Something that is reached by an address.
    Remote,
    /// Nothing that can be used: why.
    Unusable(String),
}

/// A server that an agent's file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerUse {
    /// By its name.
    Named(Spanned<String>),
    /// Declared in that file itself.
    Declared(Arc<Server>),
}

impl ServerUse {
    /// The server's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => &name.value,
            Self::Declared(server) => &server.name,
        }
    }
}

impl Server {
    /// The digest of everything that decides what would be started.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        let mut part = |text: &str| hasher.update(Digest::of(text.as_bytes()).as_str().as_bytes());
        part(&self.name);
        if let ServerForm::Program { command, env } = &self.form {
            command.iter().for_each(|word| part(word));
            part("\0env");
            env.iter().for_each(|(name, value)| {
                part(name);
                part(value);
            });
        }
        hasher.finish()
    }
}

/// Whether a variable stands for the project's folder in one of the tools that know it.
fn is_folder(name: &str) -> bool {
    matches!(name, "PWD" | "CLAUDE_PROJECT_DIR" | "workspaceFolder" | "workspacePath")
}

/// The variables that a text reads, but for those that stand for the project's folder.
#[must_use]
pub fn variables_of(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut note = |name: &str, _: Option<&str>| {
        if !is_folder(name) {
            names.push(name.to_owned());
        }
        Some(String::new())
    };
    fill(text, &mut note).ok();
    names
}

/// The text with the values of its variables; `folder` is the project's.
///
/// # Errors
/// The first variable that has no value and no default.
pub fn expand(text: &str, folder: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut find = |name: &str, default: Option<&str>| {
        if is_folder(name) {
            return Some(folder.to_owned());
        }
        value(name).filter(|value| !(value.is_empty() && default.is_some())).or_else(|| default.map(str::to_owned))
    };
    fill(text, &mut find)
}

/// Replaces `${NAME}`, `${NAME:-default}`, `${env:NAME}`, `{env:NAME}`, and a text that is nothing but `$NAME`. What has
/// another form stays as it is.
fn fill(text: &str, find: &mut dyn FnMut(&str, Option<&str>) -> Option<String>) -> Result<String, String> {
    if let Some(name) = text.strip_prefix('$').filter(|name| is_name(name)) {
        return find(name, None).ok_or_else(|| name.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let before = &rest[..start];
        let has_dollar = before.ends_with('$');
        let inside = rest[start + 1..].split_once('}');
        let found = inside.and_then(|(inside, _)| {
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) if has_dollar => (name, Some(default)),
                Some(_) | None => (inside, None),
            };
            let plain = name.strip_prefix("env:");
            let name = plain.unwrap_or(name);
            (is_name(name) && (has_dollar || plain.is_some())).then_some((name, default))
        });
        let Some(((name, default), (_, after))) = found.zip(inside) else {
            out.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        };
        out.push_str(before.strip_suffix('$').unwrap_or(before));
        out.push_str(&find(name, default).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_have_the_forms_of_every_tool() {
        let cases = [
            ("${A}-${A}", "one-one"),
            ("$A", "one"),
            ("${env:A} {env:A}", "one one"),
            ("${NONE:-two}${EMPTY:-three}${EMPTY}", "twothree"),
            ("${workspaceFolder}/x ${PWD}", "/p/x /p"),
            // Not ours: shell, JSON, a password.
            ("$A b", "$A b"),
            ("{\"a\":1} {A} $${", "{\"a\":1} {A} $${"),
            ("${1A} ${input:key}", "${1A} ${input:key}"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, "/p", value).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(expand("x${NONE}", "/p", value), Err("NONE".to_owned()));
        assert_eq!(variables_of("${A} ${PWD} {env:B} ${C:-x}"), ["A", "B", "C"]);
    }

    #[test]
    fn the_digest_is_of_all_that_is_started() {
        let server = |command: &[&str], env: &[(&str, &str)]| Server {
            name: "s".into(),
            form: ServerForm::Program {
                command: command.iter().map(|&word| word.to_owned()).collect(),
                env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            },
            source: Source::new("x", ""),
            span: Span::default(),
            is_own: false,
        };
        let all = [
            server(&["a", "b"], &[]),
            server(&["ab"], &[]),
            server(&["a"], &[("b", "")]),
            server(&["a"], &[("b", "c")]),
            server(&["a", "b", "c"], &[]),
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(|one| one.digest().as_str().to_owned()).collect();
        assert_eq!(digests.len(), all.len());
    }
}
