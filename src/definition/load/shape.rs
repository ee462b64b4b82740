//! Third stage: the shape of a mapping. Which keys stand there, which are unknown, which nobody read.

use crate::{
    base::{Span, codes::definition as codes, did_you_mean},
    definition::load::{
        faults::Faults,
        keys::{FOREIGN, Table},
        node::{Entry, Node},
    },
};

/// Keys that a message lists; of more than that nobody finds the right one.
const KEYS_LISTED_MAX: usize = 12;

/// A mapping that is being read. Every key of it is taken by its reader; [`Fields::done`] reports the rest.
#[must_use]
pub(super) struct Fields<'n, 'a> {
    table: &'static Table,
    entries: &'n [Entry<'a>],
    taken: Vec<bool>,
    unknown: usize,
    /// The place of the mapping.
    pub span: Span,
}

impl<'n, 'a> Fields<'n, 'a> {
    /// Opens a mapping; reports unknown and missing keys. `None` if it is no mapping, which is reported too.
    pub fn open(node: &'n Node<'a>, table: &'static Table, faults: &mut Faults) -> Option<Self> {
        let fields = Self::open_lenient(node, table, faults)?;
        for name in table.required {
            if !fields.has(name) {
                fields.missing(name, table.what, None, faults);
            }
        }
        Some(fields)
    }

    /// Opens a mapping without asking for required keys.
    pub fn open_lenient(node: &'n Node<'a>, table: &'static Table, faults: &mut Faults) -> Option<Self> {
        let Some(entries) = node.as_map() else {
            wrong_type(node, table.what, "a mapping", &example(table), faults);
            return None;
        };
        let mut fields = Self { table, entries, taken: vec![false; entries.len()], unknown: 0, span: node.span };
        for (place, entry) in entries.iter().enumerate() {
            if !table.keys.iter().any(|key| key.name == entry.key) {
                fields.taken[place] = true;
                fields.unknown += 1;
                unknown(entry, table, faults);
            }
        }
        Some(fields)
    }

    /// Whether a key stands here. Does not take it.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// Whether a key was misspelled, so that a missing one is no news.
    pub fn has_unknown(&self) -> bool {
        self.unknown > 0
    }

    /// Takes a key.
    pub fn take(&mut self, name: &str) -> Option<&'n Entry<'a>> {
        debug_assert!(self.table.keys.iter().any(|key| key.name == name), "{name} is in no table");
        let place = self.entries.iter().position(|entry| entry.key == name)?;
        self.taken[place] = true;
        Some(&self.entries[place])
    }

    /// The entry of a key, not taken.
    pub fn peek(&self, name: &str) -> Option<&'n Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// Reports keys that nobody took: they mean nothing for `kind`.
    pub fn done(self, kind: &str, faults: &mut Faults, advice: impl Fn(&str) -> String) {
        for (entry, _) in self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            faults.error(
                codes::MISPLACED_KEY,
                entry.key_span,
                format!("`{}` means nothing on {kind}", entry.key),
                "nothing would read it",
                advice(&entry.key),
            );
        }
    }

    /// Reports a missing key of `what`, unless a misspelled one explains it. Points at the key `beside`, else at the
    /// first one.
    pub fn missing(&self, name: &str, what: &str, beside: Option<&str>, faults: &mut Faults) {
        if self.unknown > 0 {
            return;
        }
        let start = Span::new(self.span.start..self.span.start.max(self.span.end.min(self.span.start + 1)));
        let entry = beside.and_then(|beside| self.peek(beside)).or(self.entries.first());
        faults.error(
            codes::MISSING_KEY,
            entry.map_or(start, |entry| entry.key_span),
            format!("`{name}` is missing in {what}"),
            format!("{what} cannot do without it"),
            advice_missing(self.table, name),
        );
    }
}

/// Reports a value of the wrong shape, with the form that is expected.
pub(super) fn wrong_type(node: &Node<'_>, what: &str, expected: &str, form: &str, faults: &mut Faults) {
    if node.is_broken() {
        return;
    }
    let help = if form.is_empty() { format!("write {expected}") } else { format!("write {form}") };
    faults.error(
        codes::WRONG_TYPE,
        node.span,
        format!("{what} takes {expected}"),
        format!("found {}", node.describe()),
        help,
    );
}

fn unknown(entry: &Entry<'_>, table: &Table, faults: &mut Faults) {
    let shown: String = entry.key.chars().take(60).collect();
    let foreign = FOREIGN.iter().find(|(place, key, _)| *place == table.name && *key == entry.key);
    let help = match foreign {
        Some((_, _, advice)) => (*advice).to_owned(),
        None if faults.is_full() => String::new(),
        None => match did_you_mean(&shown, table.keys.iter().map(|key| key.name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if table.keys.len() > KEYS_LISTED_MAX => {
                format!("remove it; `orch schema` lists the keys of {}", table.what)
            }
            None => {
                let names: Vec<&str> =
                    table.keys.iter().map(|key| key.name).filter(|name| *name != "$schema").collect();
                format!("the keys here are: {}", names.join(" "))
            }
        },
    };
    faults.error(
        codes::UNKNOWN_KEY,
        entry.key_span,
        format!("unknown key `{shown}` in {}", table.what),
        format!("not a key of {}", table.what),
        help,
    );
}

fn example(table: &Table) -> String {
    let keys = table.required;
    let names = keys.iter().copied().chain(table.keys.iter().map(|key| key.name).filter(|name| !keys.contains(name)));
    let pairs: Vec<String> = names.filter(|name| *name != "$schema").take(3).map(|name| format!("{name}: …")).collect();
    match table.name {
        "workflow" => "`steps:` at the top, and below it the list of steps".to_owned(),
        "step" => "`run: COMMAND`, or `agent: NAME` and `prompt: TEXT`".to_owned(),
        _ if table.what.starts_with('`') => format!("`{} {{ {} }}`", table.what.trim_matches('`'), pairs.join(", ")),
        _ => format!("{{ {} }}", pairs.join(", ")),
    }
}

fn advice_missing(table: &Table, name: &str) -> String {
    match (table.name, name) {
        ("workflow", "steps") => "add `steps:` with a list: `- run: cargo test`".to_owned(),
        ("step", "steps") => "add `steps:` and below it a list: `- run: cargo test`".to_owned(),
        ("loop", "max") => "say how often at most: `loop: { max: 3, until: … }`".to_owned(),
        ("retry", "tries") => "say how often: `retry: { tries: 3 }`".to_owned(),
        ("task", "task") => "add `task: implement`, or `review`, `refine`, `suggestions`, or a text".to_owned(),
        ("task", "agent") => "add the agent's name: `agent: code-reviewer`".to_owned(),
        ("stop", "status") => "add `status: succeeded` or `status: failed`".to_owned(),
        (_, name) => format!("add `{name}: …`"),
    }
}
