//! What the YAML reader does where other tools' files are read with a warning: the last of two equal keys wins, unknown
//! tags are text.

use std::borrow::Cow;

use serde_yaml::granit_parser::Span as Mark;

use crate::{
    base::{Diagnostic, Span, codes::definition as codes},
    definition::load::{
        node::{Entry, Kind, Node},
        quote,
        yaml::Builder,
    },
};

impl<'a> Builder<'a, '_> {
    /// Reports a tag that is left out.
    pub fn dropped_tag(&mut self, name: &str, span: Span) {
        let fault = Diagnostic::error(codes::TEXT_ASSUMED, self.faults.source(), span, "a tag that nobody knows")
            .cause(format!("`{name}` asks for a special value"))
            .assumed("the list or mapping without the tag")
            .help("remove the tag")
            .warning();
        self.faults.add(fault);
    }

    /// A scalar with a tag that nobody knows: a text that begins with `!`.
    pub fn tagged(&mut self, mark: &Mark) -> Node<'a> {
        let scalar = mark.byte_range().unwrap_or(0..0);
        let tag = mark.tag_span().and_then(|tag| tag.byte_range()).unwrap_or(scalar.clone());
        let whole = tag.start..scalar.end.max(tag.end);
        let text = self.text.get(whole.clone()).unwrap_or_default().trim_end();
        let span = Span::new(self.base + whole.start..self.base + whole.start + text.len());
        self.assumed_text(
            text,
            span,
            "a tag that nobody knows",
            "a `!` at the start of a value asks for a special value",
        );
        Node { span, weight: 1, depth: 1, kind: Kind::Scalar { text: Cow::Borrowed(text), plain: false } }
    }

    /// Reports a value that is read as the text that it is.
    pub fn assumed_text(&mut self, text: &str, span: Span, message: &str, cause: &str) {
        if self.faults.is_full() {
            return self.faults.skip_warning();
        }
        let fault = Diagnostic::error(codes::TEXT_ASSUMED, self.faults.source(), span, message)
            .cause(cause)
            .assumed("the text as it stands")
            .elsewhere("Claude Code", "takes the key for missing")
            .help("quote the value")
            .warning()
            .fix("quote the value", span, quote::single(text));
        self.faults.add(fault);
    }

    /// Reports that the last of two equal keys is read.
    pub fn last_wins(&mut self, name: &str, span: Span, first: &Entry<'a>) {
        if self.faults.is_full() {
            return self.faults.skip_warning();
        }
        let shown: String = name.chars().take(60).collect();
        let message = format!("the key `{shown}` is written twice");
        let mut fault = Diagnostic::error(codes::DUPLICATE_KEY, self.faults.source(), span, message)
            .cause("second time here")
            .label(first.key_span, "first time here")
            .assumed("the last one")
            .help("keep one of them")
            .warning();
        if let Some(lines) = self.lines_of(first, span.start) {
            fault = fault.fix("remove the first one, which nobody reads", lines, "");
        }
        self.faults.add(fault);
    }

    /// The whole lines of an entry that stands alone in them, above byte `next`, and that nothing else refers to.
    fn lines_of(&self, entry: &Entry<'a>, next: usize) -> Option<Span> {
        let (start, end) = (entry.key_span.start - self.base, entry.value.span.end.max(entry.key_span.end) - self.base);
        let start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[end..].find('\n').map(|newline| end + newline + 1)?;
        let lines = self.text.get(start..end)?;
        let alone = self.base + end <= next
            && !lines.contains('&')
            && self.text[start..entry.key_span.start - self.base].trim().is_empty()
            && self.stack.iter().all(|frame| !frame.flow);
        alone.then(|| Span::new(self.base + start..self.base + end))
    }
}
