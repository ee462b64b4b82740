//! Names: which are legal, which are reserved, and ids made where a step has none.

use std::collections::HashMap;

use crate::{
    base::{Diagnostic, Span, Spanned, codes::definition as codes},
    definition::load::faults::Faults,
};

/// Words that mean something of their own in expressions.
pub(in crate::definition) const RESERVED: [&str; 11] =
    ["inputs", "env", "models", "this", "item", "index", "iteration", "result", "loop", "true", "false"];

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Whether a text is `[a-z][a-z0-9_]{0,62}`.
pub(super) fn is_id(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a text can name a workflow, gate, tier or runtime: letters, digits, `-` and `_`, a letter first.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The legal id nearest to a text: lower case, `_` for everything that ids cannot have.
pub(in crate::definition) fn legal_id(text: &str) -> String {
    let mut id = String::new();
    for c in text.trim().chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('_') {
            id.push('_');
        }
        if id.len() >= NAME_BYTES_MAX {
            break;
        }
    }
    let id = id.trim_end_matches('_');
    match id.chars().next() {
        None => "step".to_owned(),
        Some(first) if first.is_ascii_lowercase() => id.to_owned(),
        Some(_) => format!("s_{}", &id[..id.len().min(NAME_BYTES_MAX - 2)]),
    }
}

/// Reports a name that is not an id, or is reserved. `what` as in "a step id".
pub(super) fn check_id(name: &Spanned<String>, what: &str, reserve: bool, faults: &mut Faults) -> bool {
    let shown: String = name.value.chars().take(70).collect();
    if !is_id(&name.value) {
        let cause = if name.value.len() > NAME_BYTES_MAX {
            format!("{} characters, 63 are allowed", name.value.chars().count())
        } else if name.value.contains('-') {
            "in an expression `-` means minus".to_owned()
        } else {
            "a lower-case letter, then lower-case letters, digits and `_`".to_owned()
        };
        faults.error(
            codes::BAD_ID,
            name.span,
            format!("`{shown}` cannot be {what}"),
            cause,
            format!("write `{}`", legal_id(&name.value)),
        );
        return false;
    }
    if reserve && RESERVED.contains(&name.value.as_str()) {
        faults.error(
            codes::RESERVED_NAME,
            name.span,
            format!("`{shown}` is reserved and cannot be {what}"),
            "it has a meaning of its own in expressions",
            format!("take another name, such as `my_{shown}`"),
        );
        return false;
    }
    true
}

/// The names of one list.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// A made name has no place.
    taken: HashMap<String, Option<Span>>,
    /// The last number given to each base, so that many steps of one kind cost no search.
    numbers: HashMap<String, u32>,
}

impl Names {
    /// Claims a name that the file gives; reports the second one.
    pub fn claim(&mut self, name: &Spanned<String>, what: &str, faults: &mut Faults) {
        let Some(first) = self.taken.get(&name.value).copied() else {
            self.taken.insert(name.value.clone(), Some(name.span));
            return;
        };
        let mut fault = Diagnostic::error(
            codes::DUPLICATE_NAME,
            faults.source(),
            name.span,
            format!("two {what} called `{}`", name.value),
        )
        .cause("second time here")
        .help(format!("rename one of them, for example `{}`", self.free(&name.value)));
        if let Some(first) = first {
            fault = fault.label(first, "first time here");
        }
        faults.add(fault);
    }

    /// Makes a name that is free: the base, else `base_2`, `base_3`, …
    pub fn make(&mut self, base: &str) -> String {
        let base = &base[..base.len().min(NAME_BYTES_MAX - 6)];
        let number = self.numbers.entry(base.to_owned()).or_insert(0);
        loop {
            *number += 1;
            let name = match *number {
                1 if !RESERVED.contains(&base) => base.to_owned(),
                number => format!("{base}_{number}"),
            };
            if !self.taken.contains_key(&name) {
                self.taken.insert(name.clone(), None);
                return name;
            }
        }
    }

    fn free(&self, base: &str) -> String {
        let base = &base[..base.len().min(NAME_BYTES_MAX - 6)];
        (2..).map(|number| format!("{base}_{number}")).find(|name| !self.taken.contains_key(name)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_ids_are_ids() {
        for (text, id) in
            [("code-reviewer", "code_reviewer"), ("A  b!", "a_b"), ("2nd", "s_2nd"), ("日本", "step"), ("--x--", "x")]
        {
            assert_eq!(legal_id(text), id);
            assert!(is_id(id));
        }
        assert!(is_id(&legal_id(&"9".repeat(500))));
    }

    #[test]
    fn made_names_never_meet() {
        let mut names = Names::default();
        let made: Vec<String> = ["run", "run", "loop", "run"].iter().map(|base| names.make(base)).collect();
        assert_eq!(made, ["run", "run_2", "loop_1", "run_3"]);
    }
}
