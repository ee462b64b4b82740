//! Values of any type, read as the type that a key wants: numbers and lists as text, words as booleans, commas as lists.
//! Each reading that is not plain is said; what cannot be read counts as absent and is said too. Nothing fails.

use crate::{
    base::{Diagnostic, Source, Span, codes::definition as codes},
    definition::load::{
        faults::Faults,
        node::{Entry, Kind, Node},
        parts::{Parts, What},
        quote,
        reader::split_commas,
    },
};

/// Reads the values of one file.
pub(super) struct Values<'f, 'p, 'a> {
    /// Its parts.
    pub parts: &'p Parts<'a>,
    /// Its text.
    pub source: &'p Source,
    /// Its faults.
    pub faults: &'f mut Faults,
    /// What it defines.
    pub what: What,
}

impl<'p, 'a> Values<'_, 'p, 'a> {
    /// The entry of a key with a value.
    pub fn entry(&mut self, name: &'static str) -> Option<&'p Entry<'a>> {
        self.parts.take(name, self.faults)
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let entry = self.entry(name)?;
        self.text_of(entry)
    }

    /// The text of an entry, whatever its type. An empty one counts as absent.
    pub fn text_of(&mut self, entry: &Entry<'_>) -> Option<String> {
        let (text, was) = match entry.value.kind() {
            Kind::Scalar { text, .. } => {
                let odd = matches!(entry.value.describe(), "a number" | "true or false");
                (text.trim().to_owned(), odd.then(|| entry.value.describe()))
            }
            Kind::List(items) => (items.iter().map(item_text).collect::<Vec<_>>().join(", "), Some("a list")),
            Kind::Map(_) => (entry.value.to_json().to_string(), Some("a mapping")),
            Kind::Shared(_) | Kind::Broken => return None,
        };
        if let Some(was) = was {
            self.coerced(entry, &text, was, "a text");
        }
        (!text.is_empty()).then_some(text)
    }

    fn coerced(&mut self, entry: &Entry<'_>, text: &str, was: &str, wanted: &str) {
        let shown: String = text.chars().take(60).collect();
        let message = format!("`{}` is {was}, {wanted} is wanted", entry.key);
        let mut fault = Diagnostic::error(codes::COERCED, self.faults.source(), entry.value.span, message)
            .cause(format!("{was} here"))
            .assumed(format!("the text `{shown}`"))
            .help("write the value in quotes")
            .info();
        if self.what == What::Agent && matches!(&*entry.key, "name" | "description") {
            fault = fault.elsewhere("Claude Code", "does not load the agent, and does not say so");
        }
        if self.parts.exact && !text.is_empty() && !matches!(entry.value.kind, Kind::Shared(_)) {
            fault = fault.fix("write the value in quotes", entry.value.span, quote::single(text));
        }
        self.faults.add(fault);
    }

    /// The text of an entry as it stands in the file, brackets and all, on one line.
    pub fn as_written(&mut self, name: &'static str) -> Option<String> {
        let entry = self.entry(name)?;
        if let Kind::Scalar { text, .. } = entry.value.kind() {
            return Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        let written = self.source.text.get(entry.value.span.start..entry.value.span.end).unwrap_or_default();
        Some(written.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// `true` or `false`, also as `yes`, `no`, `on`, `off`, `1`, `0`.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let entry = self.entry(name)?;
        let text = entry.value.as_text().unwrap_or_default().trim().to_ascii_lowercase();
        let value = match text.as_str() {
            "true" | "yes" | "on" | "1" => true,
            "false" | "no" | "off" | "0" => false,
            _ => {
                self.ignored(entry, "`true` or `false`");
                return None;
            }
        };
        Some(value)
    }

    /// A list of texts: a list, or a text with commas outside parentheses, with spaces, or with JSON in it.
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        let Some(entry) = self.entry(name) else { return Vec::new() };
        self.words_of(entry, true)
    }

    /// A list of texts that may have spaces: a list, or a text with commas.
    pub fn list_with_commas(&mut self, name: &'static str) -> Vec<String> {
        let Some(entry) = self.entry(name) else { return Vec::new() };
        self.words_of(entry, false)
    }

    /// A list of sentences: a list, or one text.
    pub fn sentences(&mut self, name: &'static str) -> Vec<String> {
        let Some(entry) = self.entry(name) else { return Vec::new() };
        match entry.value.as_list() {
            Some(items) => self.items(entry, items),
            None => self.text_of(entry).into_iter().collect(),
        }
    }

    /// The words of an entry. Whether spaces separate is for the caller to say; commas always do.
    pub fn words_of(&mut self, entry: &Entry<'_>, spaces: bool) -> Vec<String> {
        match entry.value.kind() {
            Kind::Scalar { text, .. } => words(text, spaces),
            Kind::List(items) => self.items(entry, items),
            Kind::Map(_) => {
                self.ignored(entry, "a list");
                Vec::new()
            }
            Kind::Shared(_) | Kind::Broken => Vec::new(),
        }
    }

    /// The texts of a list. What is a list or a mapping itself is taken as JSON, and said.
    fn items(&mut self, entry: &Entry<'_>, items: &[Node<'_>]) -> Vec<String> {
        for item in items.iter().filter(|item| item.as_list().is_some() || item.as_map().is_some()) {
            let message = format!("an item of `{}` is {}, a text is wanted", entry.key, item.describe());
            let shown: String = item_text(item).chars().take(60).collect();
            let fault = Diagnostic::error(codes::COERCED, self.faults.source(), item.span, message)
                .cause(format!("{} here", item.describe()))
                .assumed(format!("the text `{shown}`"))
                .help("write a text, in quotes if it has special characters");
            self.faults.add(fault.info());
        }
        items.iter().map(item_text).filter(|text| !text.is_empty()).collect()
    }

    /// A whole number with `k` or `M`.
    pub fn count(&mut self, name: &'static str) -> Option<u64> {
        let entry = self.entry(name)?;
        let count = entry.value.as_text().and_then(|text| crate::base::parse_count(text).ok());
        if count.is_none() {
            self.ignored(entry, "a whole number such as `20k`");
        }
        count
    }

    /// Reports a value that says nothing; it is kept among the unknown keys.
    pub fn ignored(&mut self, entry: &Entry<'_>, wanted: &str) {
        self.parts.give_back(&entry.key);
        let message = format!("`{}` cannot be read and counts as absent", entry.key);
        let fault = Diagnostic::error(codes::VALUE_IGNORED, self.faults.source(), entry.value.span, message)
            .cause(format!("{} stands here", entry.value.describe()))
            .assumed("nothing")
            .help(format!("write {wanted}"))
            .warning();
        self.faults.add(fault);
    }

    /// The place that stands for the whole file: its first line.
    pub fn first_line(&self) -> Span {
        Span::new(0..self.source.text.lines().next().map_or(0, str::len))
    }
}

/// The words of a text.
pub(super) fn words(text: &str, spaces: bool) -> Vec<String> {
    let mut text = text.trim();
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        if let Ok(words) = serde_json::from_str::<Vec<String>>(text) {
            return words;
        }
        text = inner;
    }
    let unquoted = |word: String| word.trim_matches(['"', '\'']).to_owned();
    if spaces && !text.contains(',') {
        return split_spaces(text).into_iter().map(unquoted).collect();
    }
    split_commas(text).into_iter().map(unquoted).collect()
}

/// Splits at spaces outside parentheses.
pub(super) fn split_spaces(text: &str) -> Vec<String> {
    let mut depth = 0usize;
    let words = text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c.is_whitespace() && depth == 0
    });
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// An item of a list as text.
fn item_text(node: &Node<'_>) -> String {
    match node.kind() {
        Kind::Scalar { text, .. } => text.trim().to_owned(),
        Kind::List(_) | Kind::Map(_) | Kind::Shared(_) | Kind::Broken => node.to_json().to_string(),
    }
}
