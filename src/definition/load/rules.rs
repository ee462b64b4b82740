//! Rules and output styles: Markdown with globs.

use crate::definition::{
    Dialect, Origin, Rule, RuleKind,
    load::{faults::Faults, files::Folder, markdown, node::Entry, places::Kind, reader::Reader},
    normal_name,
};

/// Keys that say which files a rule is for, of all tools.
const GLOBS: [&str; 3] = ["paths", "globs", "applyTo"];
const KNOWN: &[&str] = &["name", "description", "paths", "globs", "applyTo", "alwaysApply"];

/// Reads a rule or an output style; `inside` is its path in its folder without the ending.
pub(super) fn rule(origin: &Origin, kind: Kind, inside: &str, folder: &Folder, faults: &mut Faults) -> Option<Rule> {
    let source = &*origin.source;
    let parts = markdown::parts(source, faults)?;
    let mut reader = Reader { source, faults, folder, steps: 0 };
    let name = reader.text_of(parts.get("name")).map_or_else(|| inside.to_owned(), |name| name.value);
    let description = reader.text_of(parts.get("description")).map(|text| text.value).unwrap_or_default();
    let entry: Option<&Entry<'_>> = GLOBS.iter().find_map(|key| parts.get(key));
    let globs: Vec<String> = match entry.map(|entry| (entry, entry.value.as_text())) {
        Some((_, Some(text))) => split_globs(text),
        Some((entry, None)) => {
            reader.list_of_texts(entry).unwrap_or_default().into_iter().map(|glob| glob.value).collect()
        }
        None => Vec::new(),
    };
    let asked = parts.get("alwaysApply").map(|entry| entry.value.as_text() == Some("true"));
    let kind = if kind == Kind::OutputStyles { RuleKind::OutputStyle } else { RuleKind::Rule };
    // Cursor and Copilot ask for a word; the others apply what names no files to all of them.
    let by_default =
        globs.is_empty() && kind == RuleKind::Rule && !matches!(origin.dialect, Dialect::Cursor | Dialect::Copilot);
    let rule = Rule {
        name: normal_name(&name),
        description,
        kind,
        always: asked.unwrap_or(by_default),
        globs,
        meta: parts.meta(&name, KNOWN),
        body: source.text[parts.body.clone()].trim().to_owned(),
        origin: origin.clone(),
    };
    Some(rule)
}

/// Splits at commas outside braces and brackets, which belong to a glob.
fn split_globs(text: &str) -> Vec<String> {
    let mut depth = 0usize;
    let globs = text.split(|letter: char| {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    globs.map(str::trim).filter(|glob| !glob.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::split_globs;

    #[test]
    fn commas_in_braces_do_not_separate() {
        assert_eq!(split_globs("**/*.{ts,tsx}, src/[a,b]/** ,,x"), ["**/*.{ts,tsx}", "src/[a,b]/**", "x"]);
    }
}
