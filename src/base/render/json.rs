//! Diagnostics as JSON for programs. Knows nothing of any other tool's format.

use serde_json::{Value, json};

use crate::base::{Diagnostic, Severity, Span};

/// The JSON form: lines and columns from 1 (columns in characters), `start` and `end` in bytes.
#[must_use]
pub fn to_json(diagnostic: &Diagnostic) -> Value {
    let source = &diagnostic.source;
    let place = |span: Span| {
        let (start, end) = (source.position(span.start), source.position(span.end));
        json!({
            "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
            "start": span.start, "end": span.end,
        })
    };
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let labels: Vec<Value> =
        diagnostic.labels.iter().map(|label| json!({ "place": place(label.span), "text": label.text })).collect();
    let elsewhere: Vec<Value> =
        diagnostic.elsewhere.iter().map(|one| json!({ "tool": one.tool, "effect": one.effect })).collect();
    let fix = diagnostic.fix.as_ref().map(|fix| {
        let edits: Vec<Value> =
            fix.edits.iter().map(|edit| json!({ "place": place(edit.span), "text": edit.text })).collect();
        json!({ "title": fix.title, "edits": edits })
    });
    json!({
        "code": diagnostic.code.0,
        "severity": severity,
        "message": diagnostic.message,
        "path": source.path.display().to_string(),
        "place": place(diagnostic.span),
        "cause": diagnostic.cause,
        "labels": labels,
        "help": diagnostic.help,
        "assumed": diagnostic.assumed,
        "elsewhere": elsewhere,
        "fix": fix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Code, Source};

    #[test]
    fn places_count_from_one_in_characters() {
        let source = Source::new("a.yaml", "é: x\nrun: é{{ v }}\n");
        let fault = Diagnostic::error(Code("E0107"), &source, Span::new(13..20), "braces")
            .elsewhere("Codex", "skips the file")
            .fix("remove them", Span::new(13..20), "");
        let value = to_json(&fault);
        assert_eq!((&value["place"]["line"], &value["place"]["column"]), (&json!(2), &json!(7)));
        assert_eq!(value["code"], "E0107");
        assert_eq!(value["elsewhere"][0]["tool"], "Codex");
        assert_eq!(value["fix"]["edits"][0]["place"]["start"], 13);
    }
}
