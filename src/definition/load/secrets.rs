//! `secrets:` of a workflow and of a step: where values are, and which step gets which.

use crate::{
    base::{Diagnostic, Span, Spanned, codes::definition as codes, did_you_mean},
    definition::{
        load::{
            keys::SECRET,
            names::{Names, check_id},
            node::Entry,
            reader::Reader,
            shape::{Fields, wrong_type},
            step_kind::{Class, Known},
        },
        secrets::{SecretDeclared, SecretSource, SecretUse},
    },
};

/// An entry of `env:`.
type Named = (Spanned<String>, Spanned<serde_json::Value>);

/// The sources, each with an example.
const SOURCES: [&str; 3] = ["env", "file", "command"];

impl Reader<'_, '_> {
    /// `secrets:` at the top. Steps that are read after it may name them.
    pub fn secrets_declared(&mut self, entry: Option<&Entry<'_>>) -> Vec<SecretDeclared> {
        let mut names = Names::default();
        let mut declared = Vec::new();
        for pair in self.pairs(entry).unwrap_or_default() {
            let name = Spanned::new(pair.key.to_string(), pair.key_span);
            if !check_id(&name, "a secret", true, self.faults) {
                continue;
            }
            names.claim(&name, "secrets", self.faults);
            let Some(mut fields) = Fields::open(&pair.value, &SECRET, self.faults) else { continue };
            let exposed = self.boolean(fields.take("expose_to_model")).unwrap_or(false);
            let source = self.secret_source(&mut fields, &name);
            fields.done("a secret", self.faults, |_| String::new());
            declared.extend(source.map(|source| SecretDeclared { name, source, exposed }));
        }
        declared
    }

    fn secret_source(&mut self, fields: &mut Fields<'_, '_>, name: &Spanned<String>) -> Option<SecretSource> {
        let there: Vec<&Entry<'_>> = SOURCES.iter().filter_map(|source| fields.take(source)).collect();
        let [entry] = there[..] else {
            if there.is_empty() && fields.has_unknown() {
                return None;
            }
            let variable = name.value.to_uppercase();
            let (message, cause) = if there.is_empty() {
                (format!("the secret `{}` has no source", name.value), "nothing says where its value is")
            } else {
                (format!("the secret `{}` has two sources", name.value), "one of them would never be read")
            };
            let help = format!(
                "write one: `{}: {{ env: {variable} }}`, `{{ file: PATH }}` or `{{ command: [PROGRAM] }}`",
                name.value
            );
            let span = there.last().map_or(name.span, |entry| entry.key_span);
            self.faults.error(codes::SECRET_SOURCE, span, message, cause, help);
            return None;
        };
        if entry.key == "command" {
            let words: Vec<String> = self.list_of_texts(entry)?.into_iter().map(|word| word.value).collect();
            if words.is_empty() {
                let form = "`command: [secret-tool, lookup, service, npm]`";
                wrong_type(&entry.value, "`command`", "a program and its arguments", form, self.faults);
                return None;
            }
            return Some(SecretSource::Command(words));
        }
        let text = self.text_of(Some(entry))?;
        if entry.key == "file" {
            return Some(SecretSource::File(text.value));
        }
        if !is_variable(&text.value) {
            let help = format!("write the variable's name alone: `env: {}`", name.value.to_uppercase());
            let message = format!("`{}` is no variable", text.value.chars().take(60).collect::<String>());
            self.faults.error(
                codes::SECRET_SOURCE,
                text.span,
                message,
                "letters, digits and `_`, no digit first",
                help,
            );
            return None;
        }
        Some(SecretSource::Env(text.value))
    }

    /// `secrets:` of a step: names, each in a variable of its own name in capitals, or variables and names.
    pub fn secrets_used(&mut self, known: &mut Known<'_, '_, '_>, env: &[Named]) -> Vec<SecretUse> {
        let Some(entry) = known.take("secrets") else { return Vec::new() };
        let mut used: Vec<(SecretUse, Span)> = Vec::new();
        if let Some(pairs) = entry.value.as_map() {
            for pair in pairs {
                let Some(secret) = self.text(&pair.key, &pair.value) else { continue };
                used.push((SecretUse { variable: pair.key.to_string(), secret }, pair.key_span));
            }
        } else {
            for secret in self.texts(Some(entry)).unwrap_or_default() {
                let span = secret.span;
                used.push((SecretUse { variable: secret.value.to_uppercase(), secret }, span));
            }
        }
        let mut kept: Vec<SecretUse> = Vec::new();
        for (one, span) in used {
            let is_double = kept.iter().any(|other| other.variable == one.variable);
            if self.is_usable(&one, span, is_double, known.class) {
                kept.push(one);
            }
        }
        for one in &kept {
            if let Some((name, _)) = env.iter().find(|(name, _)| name.value == one.variable) {
                let message = format!("`{}` is set by `env:` and by `secrets:`", one.variable);
                let help = "remove one of them";
                self.faults.error(codes::SECRET_VARIABLE, name.span, message, "one variable has one value", help);
            }
        }
        kept
    }

    fn is_usable(&mut self, one: &SecretUse, span: Span, is_double: bool, class: Class) -> bool {
        let name = one.secret.value.as_str();
        let shown: String = one.variable.chars().take(60).collect();
        let Some((_, exposed)) = self.secrets.iter().find(|(declared, _)| declared == name) else {
            let known: Vec<String> = self.secrets.iter().map(|(declared, _)| format!("`{declared}`")).collect();
            let variable = name.to_uppercase();
            let help = match did_you_mean(name, self.secrets.iter().map(|(declared, _)| declared.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None if !known.is_empty() => format!("declared are: {}", known.join(", ")),
                None => format!("declare it at the top: `secrets: {{ {name}: {{ env: {variable} }} }}`"),
            };
            let message = format!("there is no secret `{}`", name.chars().take(60).collect::<String>());
            self.faults.error(
                codes::UNKNOWN_SECRET,
                one.secret.span,
                message,
                "the workflow declares none of that name",
                help,
            );
            return false;
        };
        if class == Class::Agent && !exposed {
            let fault = Diagnostic::error(
                codes::SECRET_FOR_AGENT,
                self.faults.source(),
                one.secret.span,
                format!("an agent would get the secret `{name}`"),
            );
            let help = "let a `run:` step do what needs it; or say it where it is declared: `expose_to_model: true`";
            self.faults.add(fault.cause("what an agent's program can read, its model can read").help(help));
            return false;
        }
        if !is_variable(&one.variable) || one.variable.starts_with("ORCH_") || is_double {
            let cause = if is_double {
                "a second secret for the same variable"
            } else {
                "letters, digits and `_`, no digit first, and not `ORCH_*`, which `orch` sets"
            };
            let help = format!("take another name: `secrets: {{ MY_{}: {name} }}`", name.to_uppercase());
            self.faults.error(
                codes::SECRET_VARIABLE,
                span,
                format!("`{shown}` cannot hold the secret `{name}`"),
                cause,
                help,
            );
            return false;
        }
        true
    }
}

/// What every environment takes as a name.
fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
