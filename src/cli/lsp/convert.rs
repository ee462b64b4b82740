//! Between our places and those of the protocol: lines from 0, columns in UTF-16 units, files as URIs.

use std::path::{Path, PathBuf};

use lsp_types::{
    CodeActionOrCommand, CompletionItem, CompletionItemKind, CompletionTextEdit, DiagnosticRelatedInformation,
    DiagnosticSeverity, Location, NumberOrString, Position, Range, TextEdit, Uri,
};

use crate::{
    base::{Diagnostic, Edit, Severity, Span},
    service::editor::{Action, Completion, CompletionKind},
};

/// The place of a byte.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let column = before[line_start..].encode_utf16().count();
    Position::new(u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The byte of a place; the end of the line, or of the text, where it has no such place.
pub(super) fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text[start..].find('\n') {
            Some(length) => start += length + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split('\n').next().unwrap_or_default();
    let mut units = usize::try_from(position.character).unwrap_or(usize::MAX);
    for (at, c) in line.char_indices() {
        if units < c.len_utf16() {
            return start + at;
        }
        units -= c.len_utf16();
    }
    start + line.trim_end_matches('\r').len()
}

/// The range of a span.
pub(super) fn range(text: &str, span: Span) -> Range {
    Range::new(position(text, span.start), position(text, span.end.max(span.start)))
}

/// The file of a URI; `None` where it is no file.
pub(super) fn path_of(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.bytes();
    while let Some(byte) = left.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        if byte == b'%' {
            let (high, low) = (digit(left.next())?, digit(left.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(PathBuf::from(String::from_utf8(bytes).ok()?))
}

/// The URI of a file.
pub(super) fn uri_of(path: &Path) -> Option<Uri> {
    let mut text = "file://".to_owned();
    for byte in path.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.parse().ok()
}

/// A fault as editors show it: what is wrong, why, what was read all the same, what others do, how to mend it.
pub(super) fn diagnostic(fault: &Diagnostic, uri: &Uri) -> lsp_types::Diagnostic {
    let text = &fault.source.text;
    let severity = match fault.severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Info => DiagnosticSeverity::INFORMATION,
    };
    let mut message = fault.message.clone();
    if !fault.cause.is_empty() {
        message.push_str(&format!(" ({})", fault.cause));
    }
    if !fault.assumed.is_empty() {
        message.push_str(&format!("\nread as: {}", fault.assumed));
    }
    for other in &fault.elsewhere {
        message.push_str(&format!("\n{}: {}", other.tool, other.effect));
    }
    if !fault.help.is_empty() {
        message.push_str(&format!("\nhelp: {}", fault.help));
    }
    let related = fault.labels.iter().map(|label| DiagnosticRelatedInformation {
        location: Location::new(uri.clone(), range(text, label.span)),
        message: label.text.clone(),
    });
    let related: Vec<_> = related.collect();
    lsp_types::Diagnostic {
        range: range(text, fault.span),
        severity: Some(severity),
        code: Some(NumberOrString::String(fault.code.0.to_owned())),
        source: Some("orch".to_owned()),
        message,
        related_information: (!related.is_empty()).then_some(related),
        ..lsp_types::Diagnostic::default()
    }
}

/// A completion that replaces the word at the place.
pub(super) fn completion(completion: Completion, text: &str, word: Span) -> CompletionItem {
    let kind = match completion.kind {
        CompletionKind::Key => CompletionItemKind::PROPERTY,
        CompletionKind::Value => CompletionItemKind::ENUM_MEMBER,
        CompletionKind::Definition => CompletionItemKind::REFERENCE,
        CompletionKind::Name => CompletionItemKind::VARIABLE,
    };
    let label = completion.text.trim_end_matches([':', ' ']).to_owned();
    // Keys that must be there stand first.
    let sort = format!("{}{label}", if completion.required { "0" } else { "1" });
    CompletionItem {
        label,
        kind: Some(kind),
        detail: (!completion.detail.is_empty()).then_some(completion.detail),
        sort_text: Some(sort),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range(text, word), completion.text))),
        ..CompletionItem::default()
    }
}

/// The changes of a file.
pub(super) fn edits(edits: &[Edit], text: &str) -> Vec<TextEdit> {
    edits.iter().map(|edit| TextEdit::new(range(text, edit.span), edit.text.clone())).collect()
}

/// An action with its changes.
// The protocol's own type has the URI as a key; it is never changed.
#[allow(clippy::mutable_key_type, reason = "the map of the protocol's types")]
pub(super) fn action(action: Action, uri: &Uri, text: &str) -> CodeActionOrCommand {
    let changes = [(uri.clone(), edits(&action.edits, text))].into_iter().collect();
    CodeActionOrCommand::CodeAction(lsp_types::CodeAction {
        title: action.title,
        kind: Some(lsp_types::CodeActionKind::QUICKFIX),
        edit: Some(lsp_types::WorkspaceEdit { changes: Some(changes), ..lsp_types::WorkspaceEdit::default() }),
        is_preferred: Some(action.preferred),
        ..lsp_types::CodeAction::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn places_count_utf16_units() {
        let text = "aé\n𝄞x\r\nend";
        for (offset_, line, column) in [(0, 0, 0), (3, 0, 2), (4, 1, 0), (8, 1, 2), (9, 1, 3), (11, 2, 0), (14, 2, 3)] {
            assert_eq!(position(text, offset_), Position::new(line, column));
            assert_eq!(offset(text, Position::new(line, column)), offset_);
        }
        assert_eq!(offset(text, Position::new(1, 99)), 9);
        assert_eq!(offset(text, Position::new(99, 0)), text.len());
        assert_eq!(offset(text, Position::new(1, 1)), 4, "the middle of a character is its beginning");
    }

    #[test]
    fn files_go_there_and_back() {
        for path in ["/a/b c.md", "/ä/100%/x#y?.yaml", "/plain"] {
            assert_eq!(path_of(&uri_of(Path::new(path)).unwrap()).unwrap(), Path::new(path));
        }
        assert_eq!(path_of(&"untitled:x".parse().unwrap()), None);
    }
}
