//! Diagnostics as SARIF 2.1.0, which code hosts and editors take.
//!
//! Format: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{Diagnostic, Severity, Span, codes};

/// A log with one run; `version` is that of the program.
#[must_use]
pub fn sarif(diagnostics: &[Diagnostic], version: &str) -> Value {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for diagnostic in diagnostics {
        rules.insert(diagnostic.code.0, 0);
    }
    for (index, place) in rules.values_mut().enumerate() {
        *place = index;
    }
    let described: Vec<Value> = rules.keys().map(|code| rule(code)).collect();
    let results: Vec<Value> = diagnostics.iter().map(|one| result(one, rules[one.code.0])).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "orch", "version": version, "rules": described } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let info = codes::find(code);
    json!({
        "id": code,
        "shortDescription": { "text": info.map_or(code, |info| info.title) },
        "fullDescription": { "text": info.map_or("", |info| info.story) },
    })
}

fn result(diagnostic: &Diagnostic, rule: usize) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let parts = [diagnostic.message.as_str(), diagnostic.cause.as_str(), diagnostic.help.as_str()];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    let mut result = json!({
        "ruleId": diagnostic.code.0,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": text },
        "locations": [location(diagnostic, diagnostic.span, None)],
    });
    if !diagnostic.labels.is_empty() {
        let related: Vec<Value> =
            diagnostic.labels.iter().map(|label| location(diagnostic, label.span, Some(&label.text))).collect();
        result["relatedLocations"] = Value::Array(related);
    }
    if let Some(fix) = diagnostic.fix.as_ref().filter(|fix| !fix.edits.is_empty()) {
        let replacements: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| json!({ "deletedRegion": region(diagnostic, edit.span), "insertedContent": { "text": edit.text } }))
            .collect();
        result["fixes"] = json!([{
            "description": { "text": fix.title },
            "artifactChanges": [{ "artifactLocation": { "uri": uri(diagnostic) }, "replacements": replacements }],
        }]);
    }
    result
}

fn location(diagnostic: &Diagnostic, span: Span, text: Option<&str>) -> Value {
    let mut location = json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(diagnostic) }, "region": region(diagnostic, span) },
    });
    if let Some(text) = text {
        location["message"] = json!({ "text": text });
    }
    location
}

fn region(diagnostic: &Diagnostic, span: Span) -> Value {
    let (start, end) = (diagnostic.source.position(span.start), diagnostic.source.position(span.end));
    json!({ "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column })
}

/// The path as a relative reference: what a URI cannot have is written as `%` and two digits.
fn uri(diagnostic: &Diagnostic) -> String {
    let path = diagnostic.source.path.to_string_lossy().replace('\\', "/");
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Code, Source};

    #[test]
    fn a_log_has_rules_places_and_fixes() {
        let source = Source::new("agents/a b.md", "---\nname: é: x\n---\n");
        let fault = |code| Diagnostic::error(Code(code), &source, Span::new(10..15), "not YAML");
        let log = sarif(
            &[
                fault("E0107").fix("quote it", Span::new(10..15), "\"é: x\""),
                fault("E0104").warning().label(Span::new(0..3), "here"),
            ],
            "1.2.3",
        );
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "E0104");
        let first = &run["results"][0];
        assert_eq!((first["ruleId"].as_str(), first["ruleIndex"].as_u64()), (Some("E0107"), Some(1)));
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "agents/a%20b.md");
        assert_eq!(place["region"], json!({ "startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 11 }));
        assert_eq!(first["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"], "\"é: x\"");
        assert_eq!(run["results"][1]["level"], "warning");
        assert_eq!(run["results"][1]["relatedLocations"][0]["message"]["text"], "here");
    }
}
