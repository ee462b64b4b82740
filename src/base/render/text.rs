//! Draws diagnostics as compilers do it.
//!
//! The only module that names `annotate-snippets`. Knows nothing of terminals: callers say whether they want colour.

use std::{fmt::Write as _, ops::Range};

use crate::base::{Diagnostic, Severity, Source, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// A line longer than this is quoted in part; drawing it whole would fill the screen.
const LINE_BYTES_MAX: usize = 400;
/// Two places further apart than this are not drawn in one picture.
const WINDOW_BYTES_MAX: usize = 16 * 1024;

/// Draws one diagnostic, with ANSI colour or without. Ends with a newline.
///
/// Control characters in the file's text come out as pictures of themselves, never raw.
#[must_use]
pub fn render(diagnostic: &Diagnostic, coloured: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let path = diagnostic.source.path.display().to_string();
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.0);
    let mut group = place(diagnostic, &path, Group::with_title(title));
    if !diagnostic.assumed.is_empty() {
        group = group.element(Level::NOTE.message(format!("read as: {}", diagnostic.assumed)));
    }
    for elsewhere in &diagnostic.elsewhere {
        group = group.element(Level::NOTE.message(format!("{}: {}", elsewhere.tool, elsewhere.effect)));
    }
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(diagnostic.help.as_str()));
    }
    if let Some(fix) = &diagnostic.fix {
        group = group.element(Level::HELP.message(format!("`orch check --fix` can {}", fix.title)));
    }
    let renderer = if coloured { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let mut text = renderer.render(&[group]).lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// Draws all diagnostics with an empty line between them.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], coloured: bool) -> String {
    diagnostics.iter().map(|diagnostic| render(diagnostic, coloured)).collect::<Vec<_>>().join("\n")
}

/// Adds the picture of the place, or only its line and column where the lines are too long to draw.
fn place<'a>(diagnostic: &'a Diagnostic, path: &str, group: Group<'a>) -> Group<'a> {
    let text = diagnostic.source.text.as_str();
    let span = one_line(text, diagnostic.span);
    let mut window = lines_around(text, span.clone());
    let mut labels = Vec::new();
    for label in &diagnostic.labels {
        let at = one_line(text, label.span);
        let lines = lines_around(text, at.clone());
        let both = window.start.min(lines.start)..window.end.max(lines.end);
        if both.len() <= WINDOW_BYTES_MAX {
            window = both;
            labels.push((at, label.text.as_str()));
        }
    }
    let huge = window.len() > WINDOW_BYTES_MAX;
    if huge || text[window.clone()].lines().any(|line| line.len() > LINE_BYTES_MAX) {
        return long_line(diagnostic, path, span, group);
    }
    let shift = |range: Range<usize>| range.start - window.start..range.end - window.start;
    let mut snippet = Snippet::source(&text[window.clone()])
        .line_start(diagnostic.source.position(window.start).line)
        .path(path.to_owned())
        .annotation(AnnotationKind::Primary.span(shift(span)).label(diagnostic.cause.as_str()));
    for (at, label) in labels {
        snippet = snippet.annotation(AnnotationKind::Context.span(shift(at)).label(label));
    }
    group.element(snippet)
}

fn long_line<'a>(diagnostic: &Diagnostic, path: &str, span: Range<usize>, group: Group<'a>) -> Group<'a> {
    let position = diagnostic.source.position(span.start);
    let mut note = excerpt(&diagnostic.source, span.start);
    if !diagnostic.cause.is_empty() {
        let _ = write!(note, ": {}", diagnostic.cause);
    }
    group
        .element(Origin::path(path.to_owned()).line(position.line).char_column(position.column))
        .element(Level::NOTE.message(note))
}

/// Forty characters from a place, in quotes.
fn excerpt(source: &Source, start: usize) -> String {
    let rest: String = source.text[start..].chars().take_while(|c| *c != '\n').take(40).collect();
    format!("at `{rest}`")
}

/// The part of a span on its first line, on character borders, at least one byte wide where the text allows.
fn one_line(text: &str, span: Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end).max(start);
    start..text[start..end].find(['\n', '\r']).map_or(end, |length| start + length)
}

/// The whole lines that hold a range.
fn lines_around(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |length| range.end + length);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Code;

    fn sample(text: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic::error(
            Code("E0107"),
            &Source::new("flows/x.yaml", text),
            Span::new(span),
            "`run:` may not contain `{{ }}`",
        )
        .cause("would be pasted into a shell script")
        .help("use \"$ORCH_INPUT_V\"")
    }

    #[test]
    fn text_has_code_place_caret_cause_and_help() {
        let text = render(&sample("name: x\nrun: tag {{ v }}\n", 17..24), false);
        assert_eq!(
            text,
            "error[E0107]: `run:` may not contain `{{ }}`\n --> flows/x.yaml:2:10\n  |\n2 | run: tag {{ v }}\n  |          ^^^^^^^ would be pasted into a shell script\n  |\n  = help: use \"$ORCH_INPUT_V\"\n"
        );
    }

    #[test]
    fn colour_changes_only_the_escapes() {
        let one = sample("name: x\nrun: tag {{ v }}\n", 17..24);
        let coloured = render(&one, true);
        assert!(coloured.contains("\u{1b}["));
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, render(&one, false));
    }

    #[test]
    fn a_long_line_is_quoted_in_part() {
        let text = format!("a: b\nx: {}{{{{ v }}}}\n", "é".repeat(100_000));
        let drawn = render(&sample(&text, text.len() - 8..text.len() - 1), false);
        assert!(drawn.len() < 400, "{}", drawn.len());
        assert!(drawn.contains("flows/x.yaml:2:100004"), "{drawn}");
    }

    #[test]
    fn places_past_the_end_and_inside_characters_are_safe() {
        for span in [0..0, 5..900, 900..901, 2..3, 1..2] {
            let drawn = render(&sample("é\r\né", span), false);
            assert!(drawn.contains("flows/x.yaml:"), "{drawn}");
        }
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let one = sample("run: \u{1b}[31mred\u{7}", 5..9);
        assert!(!render(&one, false).contains(['\u{1b}', '\u{7}']));
    }
}
