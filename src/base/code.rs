//! Which parts of a Markdown text are code: fenced blocks and spans. Knows no placeholders.

use std::ops::Range;

/// What a part of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Between fences.
    Fence,
    /// Between fences, the opener of which is three backticks and `!`: a command.
    Command,
    /// Between backticks on one line.
    Span,
}

/// A part of a text that is code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePart {
    /// What it is.
    pub kind: CodeKind,
    /// With fences and backticks.
    pub whole: Range<usize>,
    /// Without them.
    pub inner: Range<usize>,
    /// How many backticks or tildes open it.
    pub ticks: usize,
}

/// All parts that are code, in order; they do not overlap.
#[must_use]
pub fn code_parts(text: &str) -> Vec<CodePart> {
    let mut found = Vec::new();
    let mut open: Option<(CodePart, u8)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let fence = fence(line);
        match (&mut open, fence) {
            (Some((part, mark)), Some((other, ticks, info)))
                if *mark == other && ticks >= part.ticks && info.is_empty() =>
            {
                part.inner.end = start;
                part.whole.end = start + line.trim_end_matches(['\n', '\r']).len();
                found.extend(open.take().map(|(part, _)| part));
            }
            (Some(_), _) => {}
            (None, Some((mark, ticks, info))) => {
                let command = mark == b'`' && ticks == 3 && info.starts_with('!');
                let kind = if command { CodeKind::Command } else { CodeKind::Fence };
                open = Some((CodePart { kind, whole: start..text.len(), inner: end..text.len(), ticks }, mark));
            }
            (None, None) => spans(line, start, &mut found),
        }
    }
    // A fence that is never closed holds the rest of the text, but it runs nothing.
    found.extend(open.map(|(part, _)| CodePart { kind: CodeKind::Fence, ..part }));
    found
}

/// The mark, the length and the info string of a line that opens or closes a fence.
fn fence(line: &str) -> Option<(u8, usize, &str)> {
    let inner = line.trim_start_matches(' ');
    let mark = *inner.as_bytes().first().filter(|mark| matches!(mark, b'`' | b'~'))?;
    let ticks = inner.bytes().take_while(|byte| *byte == mark).count();
    let info = inner[ticks..].trim();
    let is_fence = line.len() - inner.len() <= 3 && ticks >= 3 && !(mark == b'`' && info.contains('`'));
    is_fence.then_some((mark, ticks, info))
}

/// The code spans of one line: as many backticks at the end as at the beginning.
fn spans(line: &str, start: usize, found: &mut Vec<CodePart>) {
    let runs = runs(line);
    let mut next = 0;
    while let Some((at, ticks)) = runs.get(next).copied() {
        next += 1;
        let Some(close) = runs[next..].iter().position(|(_, other)| *other == ticks) else { continue };
        let (end, _) = runs[next + close];
        next += close + 1;
        found.push(CodePart {
            kind: CodeKind::Span,
            whole: start + at..start + end + ticks,
            inner: start + at + ticks..start + end,
            ticks,
        });
    }
}

/// Each run of backticks: where, and how long. More than so many on one line are no code that people write.
fn runs(line: &str) -> Vec<(usize, usize)> {
    const RUNS_MAX: usize = 1_000;
    let bytes = line.as_bytes();
    let mut runs = Vec::new();
    let mut at = 0;
    while at < bytes.len() && runs.len() < RUNS_MAX {
        if bytes[at] == b'`' {
            let ticks = bytes[at..].iter().take_while(|byte| **byte == b'`').count();
            runs.push((at, ticks));
            at += ticks;
        } else {
            at += 1;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(CodeKind, &str)> {
        code_parts(text).into_iter().map(|part| (part.kind, &text[part.inner])).collect()
    }

    #[test]
    fn fences_and_spans() {
        assert_eq!(shown("a `b` c ``d ` e`` f"), [(CodeKind::Span, "b"), (CodeKind::Span, "d ` e")]);
        assert_eq!(shown("```sh\nx `y`\n```\n`z`"), [(CodeKind::Fence, "x `y`\n"), (CodeKind::Span, "z")]);
        assert_eq!(shown("```!\ngit log\n```\n"), [(CodeKind::Command, "git log\n")]);
        assert_eq!(shown("~~~\n```!\nx\n```\n~~~\n"), [(CodeKind::Fence, "```!\nx\n```\n")]);
        assert_eq!(shown("````\n```!\nx\n```\n````\n"), [(CodeKind::Fence, "```!\nx\n```\n")]);
        assert_eq!(shown("a ` b\nc ` d"), []);
    }

    #[test]
    fn a_fence_that_is_never_closed_runs_nothing() {
        assert_eq!(shown("```!\nrm x\n"), [(CodeKind::Fence, "rm x\n")]);
    }
}
