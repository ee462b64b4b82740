//! Texts written so that YAML reads them back unchanged. Knows nothing of files.

/// A text in single quotes, which know no escapes but the quote itself. A text of several lines or with control
/// characters is written in double quotes, where they can be escaped.
pub(super) fn single(text: &str) -> String {
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return double(text);
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// A text in double quotes: the form of a JSON string, which YAML reads too.
fn double(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A text after `key:` as it can stand there: plain where that is safe, else in single quotes.
pub(super) fn plain(text: &str) -> String {
    let safe = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_alphanumeric() || " -_./()".contains(c))
        && !text.ends_with(' ')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if safe { text.to_owned() } else { single(text) }
}

/// A text that may go on over several lines, in single quotes: YAML joins the lines by spaces, as it does without quotes.
pub(super) fn folded(text: &str) -> String {
    if text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return double(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    format!("'{}'", text.replace('\'', "''"))
}
