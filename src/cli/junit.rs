//! The results of `orch test` as JUnit XML, which build servers read. Knows no case but its result.

use std::fmt::Write as _;

use crate::service::TestReport;

/// The report as a document: one suite a section.
pub(super) fn junit(report: &TestReport) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let (all, failed) = (report.passed + report.failed, report.failed);
    let _ = writeln!(text, "<testsuites name=\"orch\" tests=\"{all}\" failures=\"{failed}\">");
    for section in &report.sections {
        let failures = section.cases.iter().filter(|case| !case.passed).count();
        let millis: u64 = section.cases.iter().map(|case| case.millis).sum();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{}\">",
            escaped(section.name),
            section.cases.len(),
            seconds(millis),
        );
        for case in &section.cases {
            let _ = write!(
                text,
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\"",
                escaped(&case.subject),
                escaped(&case.name),
                escaped(&case.file),
                case.line,
                seconds(case.millis),
            );
            let Some(first) = case.differences.first() else {
                text.push_str("/>\n");
                continue;
            };
            let message = format!("{}: expected {}, found {}", first.about, first.expected, first.found);
            let _ = writeln!(text, ">\n      <failure message=\"{}\">", escaped(&message));
            for one in &case.differences {
                let words = format!("{}: expected {}, found {}\n{}", one.about, one.expected, one.found, one.evidence);
                let _ = writeln!(text, "{}", escaped(words.trim_end()));
            }
            text.push_str("      </failure>\n    </testcase>\n");
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// A text for an element or an attribute. What XML cannot hold at all is shown as `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(letter));
            }
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            letter if letter.is_control() => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(escaped("a<b>\"&\u{1b}[31m\u{0}\u{ffff}"), "a&lt;b&gt;&quot;&amp;?[31m??");
        assert_eq!(escaped("]]>\n"), "]]&gt;&#10;");
    }
}
