//! Rules and output styles: Markdown with globs.

use crate::{
    base::Span,
    definition::{
        Dialect, Origin, Rule, RuleKind,
        load::{
            describe::body,
            faults::Faults,
            parts::{What, parts},
            places::Kind,
            values::Values,
        },
        normal_name,
    },
};

/// Keys that say which files a rule is for, of all tools.
const GLOBS: [&str; 3] = ["paths", "globs", "applyTo"];

/// Reads a rule or an output style; `inside` is its path in its folder without the ending.
pub(super) fn rule(origin: &Origin, kind: Kind, inside: &str, faults: &mut Faults) -> Rule {
    let source = &*origin.source;
    let parts = parts(source, What::Rule, faults);
    let mut values = Values { parts: &parts, source, faults, what: What::Rule };
    let name = values.text("name").unwrap_or_else(|| inside.to_owned());
    let description = values.text("description").unwrap_or_default();
    let mut globs: Vec<String> = Vec::new();
    for key in GLOBS {
        let Some(entry) = values.entry(key) else { continue };
        match entry.value.as_text() {
            Some(text) => globs.extend(split_globs(text)),
            None => globs.extend(values.words_of(entry, false)),
        }
    }
    let asked = values.boolean("alwaysApply");
    let kind = if kind == Kind::OutputStyles { RuleKind::OutputStyle } else { RuleKind::Rule };
    // Cursor and Copilot ask for a word; the others apply what names no files to all of them.
    let by_default =
        globs.is_empty() && kind == RuleKind::Rule && !matches!(origin.dialect, Dialect::Cursor | Dialect::Copilot);
    let meta = values.meta(name.clone(), None);
    Rule {
        name: normal_name(&name),
        description,
        kind,
        always: asked.unwrap_or(by_default),
        globs,
        meta,
        body: body(&parts, &origin.source),
        origin: Origin { frontmatter: Span::new(parts.frontmatter.clone()), ..origin.clone() },
    }
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
