//! Fourth stage: values of the types that keys take. Each function reports what does not fit and goes on.

use std::time::Duration;

use crate::{
    base::{
        Diagnostic, QuantityError, Source, Span, Spanned, codes::definition as codes, did_you_mean, parse_count,
        parse_duration,
    },
    definition::load::{
        faults::Faults,
        files::Folder,
        names::{check_id, is_name},
        node::{Entry, Node},
        shape::wrong_type,
        unsupported::Unsupported,
    },
};

/// What every reader of a file needs.
pub(super) struct Reader<'f, 's> {
    /// The file's text.
    pub source: &'s Source,
    /// Its faults.
    pub faults: &'f mut Faults,
    /// Where its relative paths start.
    pub folder: &'f Folder,
    /// Steps read so far.
    pub steps: usize,
    /// The secrets that the file declares, each with whether agents may get it.
    pub secrets: Vec<(String, bool)>,
}

impl Reader<'_, '_> {
    /// A text; numbers and booleans count as what is written.
    pub fn text(&mut self, what: &str, node: &Node<'_>) -> Option<Spanned<String>> {
        match node.as_text() {
            Some(text) if !text.trim().is_empty() => Some(Spanned::new(text.to_owned(), node.span)),
            Some(_) => {
                self.faults.error(
                    codes::BAD_VALUE,
                    node.span,
                    format!("`{what}` is empty"),
                    "no text here",
                    "write the text, or remove the key",
                );
                None
            }
            None => {
                wrong_type(node, &format!("`{what}`"), "a text", &text_form(what, node), self.faults);
                None
            }
        }
    }

    /// A text of an entry.
    pub fn text_of(&mut self, entry: Option<&Entry<'_>>) -> Option<Spanned<String>> {
        let entry = entry?;
        self.text(&entry.key, &entry.value)
    }

    /// A bare expression: a text without `{{ }}`.
    pub fn expression(&mut self, entry: Option<&Entry<'_>>) -> Option<Spanned<String>> {
        let entry = entry?;
        let text = self.text(&entry.key, &entry.value)?;
        let Some((span, _)) = self.braces(&text) else { return Some(text) };
        let fixed = without_braces(&text.value);
        let mut fault = Diagnostic::error(
            codes::BRACES_IN_EXPRESSION,
            self.faults.source(),
            span,
            format!("`{}` may not contain `{{{{ }}}}`", entry.key),
        )
        .cause("it is an expression already; braces belong into texts")
        .help(format!("write `{}: {fixed}`", entry.key));
        // Several pairs may be several values in one text, and then removing the braces is a guess.
        if text.value.matches("{{").count() == 1 {
            // A JSON text is a YAML text whatever stands in it.
            let bare = text.value.replacen("{{", "", 1).replacen("}}", "", 1).trim().to_owned();
            let quoted = serde_json::Value::String(bare).to_string();
            fault = fault.fix("remove the braces", entry.value.span, quoted);
        }
        self.faults.add(fault);
        None
    }

    /// The place of the first `{{ … }}` of a text, and what stands inside.
    pub fn braces(&self, text: &Spanned<String>) -> Option<(Span, String)> {
        let start = text.value.find("{{")?;
        let inner = text.value[start + 2..].split("}}").next().unwrap_or_default().trim().to_owned();
        let written = self.source.text.get(text.span.start..text.span.end).unwrap_or_default();
        let span = match written.find("{{") {
            Some(open) => {
                let end = written[open..].find("}}").map_or(open + 2, |close| open + close + 2);
                Span::new(text.span.start + open..text.span.start + end)
            }
            None => text.span,
        };
        Some((span, inner))
    }

    /// An id.
    pub fn id(&mut self, what: &str, kind: &str, node: &Node<'_>, reserve: bool) -> Option<Spanned<String>> {
        let text = self.text(what, node)?;
        check_id(&text, kind, reserve, self.faults).then_some(text)
    }

    /// A name of a workflow, agent, runtime, tier or gate.
    pub fn name(&mut self, entry: Option<&Entry<'_>>) -> Option<Spanned<String>> {
        let entry = entry?;
        let text = self.text(&entry.key, &entry.value)?;
        self.check_name(&text).then_some(text)
    }

    /// Reports a text that cannot be a name.
    pub fn check_name(&mut self, text: &Spanned<String>) -> bool {
        let legal = is_name(&text.value);
        if !legal {
            let shown: String = text.value.chars().take(70).collect();
            self.faults.error(
                codes::BAD_ID,
                text.span,
                format!("`{shown}` cannot be a name"),
                "names have letters, digits, `-` and `_`, a letter first, 63 at most",
                "use such a name, for example `new-project`",
            );
        }
        legal
    }

    /// `true` or `false`, without quotes.
    pub fn boolean(&mut self, entry: Option<&Entry<'_>>) -> Option<bool> {
        let entry = entry?;
        match entry.value.as_word() {
            Some("true" | "True" | "TRUE") => Some(true),
            Some("false" | "False" | "FALSE") => Some(false),
            _ => {
                let form = format!("`{}: true` or `{}: false`", entry.key, entry.key);
                wrong_type(&entry.value, &format!("`{}`", entry.key), "true or false", &form, self.faults);
                None
            }
        }
    }

    /// A whole number within a range.
    pub fn whole(&mut self, entry: Option<&Entry<'_>>, min: u32, max: u32) -> Option<u32> {
        let entry = entry?;
        let Some(number) = entry.value.as_word().and_then(|word| word.parse::<i128>().ok()) else {
            let form = format!("`{}: {}`", entry.key, min.max(3).min(max));
            wrong_type(&entry.value, &format!("`{}`", entry.key), "a whole number", &form, self.faults);
            return None;
        };
        let fits = u32::try_from(number).ok().filter(|number| (min..=max).contains(number));
        if fits.is_none() {
            self.faults.error(
                codes::BAD_VALUE,
                entry.value.span,
                format!("`{}` is out of range", entry.key),
                format!("{min} to {max} is allowed"),
                format!("write a number from {min} to {max}"),
            );
        }
        fits
    }

    /// A number above zero, or within 0 and `max` where there is one.
    pub fn number(&mut self, entry: Option<&Entry<'_>>, max: Option<f64>) -> Option<f64> {
        let entry = entry?;
        let number = entry.value.as_word().and_then(|_| entry.value.to_json().as_f64());
        let Some(number) = number else {
            wrong_type(
                &entry.value,
                &format!("`{}`", entry.key),
                "a number",
                &format!("`{}: 0.5`", entry.key),
                self.faults,
            );
            return None;
        };
        let (fits, range) = match max {
            Some(max) => ((0.0..=max).contains(&number), format!("0 to {max} is allowed")),
            None => (number > 0.0, "it must be above zero".to_owned()),
        };
        if !fits {
            let help = "write a number in that range";
            self.faults.error(
                codes::BAD_VALUE,
                entry.value.span,
                format!("`{}` is out of range", entry.key),
                range,
                help,
            );
        }
        fits.then_some(number)
    }

    /// A duration with its unit.
    pub fn duration(&mut self, entry: Option<&Entry<'_>>) -> Option<Duration> {
        let entry = entry?;
        let text = self.text(&entry.key, &entry.value)?;
        self.quantity(&entry.key, &text, parse_duration(&text.value), "a duration")
    }

    /// A count such as `20k`.
    pub fn count(&mut self, entry: Option<&Entry<'_>>) -> Option<u64> {
        let entry = entry?;
        let text = self.text(&entry.key, &entry.value)?;
        self.quantity(&entry.key, &text, parse_count(&text.value), "a count")
    }

    fn quantity<T>(
        &mut self,
        key: &str,
        text: &Spanned<String>,
        read: Result<T, QuantityError>,
        what: &str,
    ) -> Option<T> {
        let duration = what == "a duration";
        match read {
            Ok(value) => Some(value),
            Err(_) => {
                let bare = text.value.bytes().all(|byte| byte.is_ascii_digit());
                let (cause, help) = match (duration, bare) {
                    (true, true) => ("a duration needs a unit", format!("write `{key}: {}s` for seconds", text.value)),
                    (true, false) => {
                        ("units are ms, s, m, h and d", format!("write for example `{key}: 30s`, `10m`, `1h30m`"))
                    }
                    (false, _) => {
                        ("a whole number, with k or M if you like", format!("write for example `{key}: 20k`"))
                    }
                };
                let shown: String = text.value.chars().take(40).collect();
                self.faults.error(codes::BAD_QUANTITY, text.span, format!("`{shown}` is not {what}"), cause, help);
                None
            }
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, entry: Option<&Entry<'_>>, words: &[(&str, T)]) -> Option<T> {
        let entry = entry?;
        let text = self.text(&entry.key, &entry.value)?;
        self.word(&entry.key, &text, words, "")
    }

    /// One of a few words; `or` adds other forms to the help.
    pub fn word<T: Copy>(&mut self, key: &str, text: &Spanned<String>, words: &[(&str, T)], or: &str) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let all = all.join(", ");
        let help = match did_you_mean(&text.value, words.iter().map(|(word, _)| *word)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {all}{or}"),
        };
        let shown: String = text.value.chars().take(40).collect();
        self.faults.error(
            codes::BAD_VALUE,
            text.span,
            format!("`{key}` cannot be `{shown}`"),
            format!("{all}{or} are allowed"),
            help,
        );
        None
    }

    /// A list of texts; one text counts as a list of one.
    pub fn texts(&mut self, entry: Option<&Entry<'_>>) -> Option<Vec<Spanned<String>>> {
        let entry = entry?;
        if entry.value.as_text().is_some() {
            return self.text(&entry.key, &entry.value).map(|text| vec![text]);
        }
        self.list_of_texts(entry)
    }

    /// A list of texts.
    pub fn list_of_texts(&mut self, entry: &Entry<'_>) -> Option<Vec<Spanned<String>>> {
        let Some(items) = entry.value.as_list() else {
            let form = format!("`{}: [first, second]`", entry.key);
            wrong_type(&entry.value, &format!("`{}`", entry.key), "a list of texts", &form, self.faults);
            return None;
        };
        Some(items.iter().filter_map(|item| self.text(&entry.key, item)).collect())
    }

    /// A list of texts, or one text with commas (not inside parentheses).
    pub fn words(&mut self, entry: Option<&Entry<'_>>) -> Option<Vec<Spanned<String>>> {
        let entry = entry?;
        let Some(text) = entry.value.as_text() else { return self.list_of_texts(entry) };
        Some(split_commas(text).into_iter().map(|word| Spanned::new(word, entry.value.span)).collect())
    }

    /// A mapping of names to values.
    pub fn pairs<'n, 'a>(&mut self, entry: Option<&'n Entry<'a>>) -> Option<&'n [Entry<'a>]> {
        let entry = entry?;
        let pairs = entry.value.as_map();
        if pairs.is_none() {
            let form = format!("`{}: {{ name: value }}`", entry.key);
            wrong_type(&entry.value, &format!("`{}`", entry.key), "a mapping", &form, self.faults);
        }
        pairs
    }

    /// Reports a key or value that the language has and this version cannot do.
    ///
    /// `before` is the count of faults before it was read: where its type is wrong, that is said first and alone.
    pub fn unsupported(&mut self, place: &Unsupported, span: Span, before: usize) {
        if self.faults.count() > before {
            return;
        }
        self.faults.error(
            codes::UNSUPPORTED,
            span,
            format!("{} is not supported in this version", place.shown),
            "read and checked, but it cannot run yet",
            place.instead,
        );
    }

    /// The text of a file that the definition names.
    pub fn file(&mut self, name: &Spanned<String>) -> Option<std::sync::Arc<Source>> {
        match self.folder.read(&name.value) {
            Ok(source) => Some(source),
            Err(fault) => {
                let shown: String = name.value.chars().take(100).collect();
                self.faults.error(fault.code, name.span, format!("cannot read `{shown}`"), fault.cause, fault.help);
                None
            }
        }
    }
}

/// An expression without its braces, in quotes where YAML needs them.
fn without_braces(text: &str) -> String {
    let mut fixed = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{") {
        let (inner, after) = inside.split_once("}}").unwrap_or((inside, ""));
        fixed.push_str(before);
        fixed.push_str(inner.trim());
        rest = after;
    }
    fixed.push_str(rest);
    let fixed = fixed.trim();
    let plain = fixed.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !fixed.contains(": ")
        && !fixed.contains(" #");
    if plain { fixed.to_owned() } else { format!("\"{}\"", fixed.replace('"', "'")) }
}

/// Splits at commas outside parentheses; empty words are left out.
pub(super) fn split_commas(text: &str) -> Vec<String> {
    let mut depth = 0usize;
    let words = text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    words.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn text_form(what: &str, node: &Node<'_>) -> String {
    match (what, node.as_list()) {
        ("each", Some(_)) => {
            "an expression that gives the list: `each: design.modules`, `each: \"['a', 'b']\"`".to_owned()
        }
        _ => format!("`{what}: \"…\"`"),
    }
}
