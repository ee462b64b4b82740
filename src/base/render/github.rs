//! Diagnostics as workflow commands of GitHub Actions, which shows them beside the changed lines.
//!
//! Format: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.

use crate::base::{Diagnostic, Severity};

/// One line for each diagnostic; `prefix` is put before the path, for a project below the root of its repository.
#[must_use]
pub fn annotations(diagnostics: &[Diagnostic], prefix: &str) -> String {
    diagnostics.iter().map(|diagnostic| annotation(diagnostic, prefix)).collect()
}

fn annotation(diagnostic: &Diagnostic, prefix: &str) -> String {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let (start, end) =
        (diagnostic.source.position(diagnostic.span.start), diagnostic.source.position(diagnostic.span.end));
    // Columns mean something only where both are on one line.
    let place = if start.line == end.line {
        format!("line={},col={},endColumn={}", start.line, start.column, end.column.max(start.column))
    } else {
        format!("line={},endLine={}", start.line, end.line)
    };
    let parts = [diagnostic.message.as_str(), diagnostic.cause.as_str(), diagnostic.help.as_str()];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    let path = format!("{prefix}{}", diagnostic.source.path.display());
    format!("::{level} file={},{place},title={}::{}\n", property(&path), property(diagnostic.code.0), data(&text))
}

/// Text after `::`: what would end the line is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property: what would end it is escaped as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Code, Source, Span};

    #[test]
    fn nothing_in_a_message_can_end_it() {
        let source = Source::new("a,b:c.md", "one\ntwo\n");
        let fault = Diagnostic::error(Code("E0107"), &source, Span::new(4..7), "50% of\n::error::x")
            .cause("because")
            .help("mend it");
        assert_eq!(
            annotations(&[fault], "sub/"),
            "::error file=sub/a%2Cb%3Ac.md,line=2,col=1,endColumn=4,title=E0107::50%25 of%0A::error::x%0Abecause%0Amend it\n"
        );
        let long = Diagnostic::error(Code("E0107"), &source, Span::new(0..7), "x").info();
        assert_eq!(annotations(&[long], ""), "::notice file=a%2Cb%3Ac.md,line=1,endLine=2,title=E0107::x\n");
    }
}
