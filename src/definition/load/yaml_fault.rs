//! What breaks the rules of YAML, in words that say what to do.

use std::sync::Arc;

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use crate::base::{Diagnostic, Source, Span, codes::definition as codes};

/// The diagnostic of a syntax error in `text`, which starts at byte `base` of the source.
///
/// `bracket` is the innermost bracket that was open there: if it stands on an earlier line, it is the likely cause.
pub(super) fn fault(
    source: &Arc<Source>,
    base: usize,
    text: &str,
    error: &ScanError,
    bracket: Option<usize>,
) -> Diagnostic {
    let mut offset = error.marker().byte_offset().unwrap_or(0).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let forgotten = bracket.filter(|open| text[open - base..offset.max(open - base)].contains('\n'));
    let (message, cause, help) = if forgotten.is_some() { BRACKET } else { words(error.kind()) };
    let deep = forgotten.is_none() && matches!(error.kind(), ErrorKind::RecursionLimitExceeded);
    let code = if deep { codes::YAML_LIMIT } else { codes::YAML_SYNTAX };
    let fault = Diagnostic::error(code, source, span(text, base, offset), message).cause(cause).help(help);
    match forgotten {
        Some(open) => fault.label(Span::new(open..open + 1), "opened here"),
        None => fault,
    }
}

/// The character at the fault; at the end of a text, its last character.
fn span(text: &str, base: usize, offset: usize) -> Span {
    let mut start = offset;
    if text[start..].trim().is_empty() {
        start = text.trim_end().char_indices().next_back().map_or(0, |(last, _)| last);
    }
    let width = text[start..].chars().next().map_or(0, char::len_utf8);
    Span::new(base + start..base + start + width)
}

const COLON: (&str, &str, &str) = (
    "a `: ` where no key can stand",
    "YAML takes this colon for the end of a key",
    "quote the value if the colon belongs to it; else check the indentation of this line",
);
const INDENTATION: (&str, &str, &str) = (
    "the indentation does not fit",
    "this line is neither in the block above nor beside it",
    "give it as many spaces as the lines that it belongs to; quote a value that goes on over several lines",
);
const TAB: (&str, &str, &str) =
    ("a tab where YAML wants spaces", "tabs cannot indent", "replace it by two spaces for each level");
const QUOTE: (&str, &str, &str) =
    ("a quote is not closed", "the text does not end", "add the closing quote; inside '…' a quote is written ''");
const ESCAPE: (&str, &str, &str) = (
    "an escape that YAML does not know",
    "inside \"…\" a backslash starts an escape",
    "write \\\\ for a backslash, or use '…', which has no escapes",
);
const BRACKET: (&str, &str, &str) = (
    "a bracket is not closed",
    "the list or mapping does not end, or a `,` is missing",
    "close it with `]` or `}`; quote a text that has brackets",
);
const ALIAS: (&str, &str, &str) = (
    "no anchor of this name",
    "`*name` stands for a value that was marked `&name` above",
    "quote the text if the `*` belongs to it",
);
const AFTER_QUOTE: (&str, &str, &str) = (
    "text after the closing quote",
    "the value ended with the quote",
    "put the whole value into quotes; inside \"…\" a quote is written \\\"",
);

const NO_COLON: (&str, &str, &str) = (
    "a key without its `:`",
    "in a mapping every line is `key: value`",
    "add the colon, or indent the line so that it belongs to the value above; a key has at most 1024 characters",
);
const NO_LIST: (&str, &str, &str) = (
    "a `- ` where no list can stand",
    "the value above is not a list",
    "put the list on the lines below its key, each item with `- `",
);
const OPEN_TEXT: (&str, &str, &str) = (
    "a quoted text is not closed",
    "it goes on into this line, which is not indented for it",
    "add the closing quote to the line above; inside '…' a quote is written ''",
);
const STRAY_BRACKET: (&str, &str, &str) = (
    "a bracket that does not fit",
    "it closes nothing, or the wrong thing",
    "match it with its opening bracket; quote a text that has brackets",
);
const NESTING: (&str, &str, &str) = (
    "more than 32 levels of nesting",
    "the brackets are nested too deep",
    "write the inner part as a workflow of its own and call it",
);
const CHARACTER: (&str, &str, &str) = (
    "a character that cannot start a value",
    "`@`, `` ` ``, `%` and control characters have no meaning here",
    "put the value into quotes",
);
const COMMENT: (&str, &str, &str) = (
    "a `#` in the middle of a value",
    "a comment starts after a space and ends the value",
    "quote the value if the `#` belongs to it",
);

/// What is wrong, why, how to fix it.
fn words(kind: &ErrorKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::FlowMappingValueAdjacentCollection
        | ErrorKind::InvalidMappingValueWhitespace => COLON,
        ErrorKind::InvalidSimpleKey | ErrorKind::SimpleKeyExpected => NO_COLON,
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::ExpectedBlockSequenceEntry => INDENTATION,
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => NO_LIST,
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => TAB,
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => QUOTE,
        ErrorKind::InvalidQuotedScalarIndent => OPEN_TEXT,
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape
        | ErrorKind::InvalidLowSurrogate
        | ErrorKind::MissingLowSurrogate
        | ErrorKind::UnpairedLowSurrogate => ESCAPE,
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => AFTER_QUOTE,
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => BRACKET,
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => STRAY_BRACKET,
        ErrorKind::RecursionLimitExceeded => NESTING,
        ErrorKind::UnknownAnchor => ALIAS,
        ErrorKind::UnexpectedCharacter { .. } => CHARACTER,
        ErrorKind::CommentNotSeparated | ErrorKind::CommentInterceptedScalar => COMMENT,
        ErrorKind::UndeclaredTagHandle => {
            ("a tag that nobody declared", "`!` starts a tag", "quote the value if the `!` belongs to it")
        }
        // The crate may add kinds; all of them stop reading at a place that is shown.
        _ => (
            "this is not YAML",
            "reading stops here",
            "check the quotes, brackets and spaces of this line and of the one above",
        ),
    }
}
