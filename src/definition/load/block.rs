//! A frontmatter whose ends are found: what is odd about them, in words and as a change that mends it.
//!
//! Knows where things stand; what the keys say is for others.

use std::{borrow::Cow, ops::Range, sync::Arc};

use crate::{
    base::{Code, Diagnostic, Edit, Fix, Source, Span, codes::definition as codes},
    definition::load::{
        closer::{Close, How},
        faults::Faults,
        known,
        node::Entry,
        opener::{self, Oddity, Open, lines},
        parts::{Parts, What},
        patch::difference,
        quote,
        repair::Repaired,
    },
};

/// A frontmatter whose ends are found.
pub(super) struct Block {
    pub what: What,
    pub source: Arc<Source>,
    pub open: Open,
    pub close: Close,
}

impl Block {
    /// Whether an end is not a line that is exactly `---`.
    pub fn is_odd(&self) -> bool {
        self.open.oddity != Oddity::None || self.close.how != How::Exact
    }

    /// The parts of the file, with the keys that were read.
    pub fn parts<'a>(&self, source: &'a Source, keys: Vec<Entry<'a>>, mended: bool) -> Parts<'a> {
        let body = self.body();
        let text = Cow::Borrowed(&source.text[body.clone()]);
        let parts = Parts::of(keys, text, body).at(self.open.keys..self.close.line.start);
        Parts { title: self.open.title.clone(), mended, exact: !self.is_odd(), ..parts }
    }

    /// The body, without the lines of a code fence around the file or around the keys.
    fn body(&self) -> Range<usize> {
        let text = self.source.text.as_str();
        let start = self.close.body;
        let Some((fence, above)) = self.fence_below() else { return start..text.len() };
        if above { fence.end..text.len() } else { start..fence.start.max(start) }
    }

    /// The line that closes the fence: right below the keys (`true`), or at the end of the file.
    fn fence_below(&self) -> Option<(Range<usize>, bool)> {
        self.open.fence.as_ref()?;
        let text = self.source.text.as_str();
        let is_fence = |line: &opener::Line<'_>| matches!(line.text.trim(), "```" | "~~~");
        let mut below = lines(text, self.close.body).filter(|line| !line.is_blank());
        let first = below.next()?;
        if is_fence(&first) {
            return Some((first.start..first.next, true));
        }
        below.last().filter(is_fence).map(|line| (line.start..line.next, false))
    }

    fn warning(&self, code: Code, span: Range<usize>, message: &str) -> Diagnostic {
        Diagnostic::error(code, &self.source, Span::new(span), message).warning()
    }

    /// Reports what is odd about the ends, and a `---` between them.
    pub fn report(&self, faults: &mut Faults) {
        if self.open.oddity != Oddity::None {
            faults.add(self.opener());
        }
        if self.close.how != How::Exact && !self.dashes_twice() {
            faults.add(self.closer());
        }
        let keys = &self.source.text[self.open.keys..self.close.line.start];
        if self.close.how == How::Exact
            && let Some(at) = keys.find("---")
        {
            let at = self.open.keys + at;
            let fault = self
                .warning(codes::DASHES_INSIDE, at..at + 3, "`---` inside the frontmatter")
                .cause("some tools end the frontmatter here")
                .assumed("a part of the value or comment")
                .elsewhere("Claude Code", "ends the frontmatter here and takes the rest for text")
                .help("write other characters here");
            faults.add(fault);
        }
    }

    /// Whether both ends have too many dashes, which is one oddity.
    fn dashes_twice(&self) -> bool {
        self.open.oddity == Oddity::Dashes && self.close.how == How::Longer && self.only_dashes()
    }

    /// Whether nothing but dashes stands in the closing line.
    fn only_dashes(&self) -> bool {
        self.source.text[self.close.line.clone()].trim().bytes().all(|byte| byte == b'-')
    }

    /// Reports a block of TOML, with the same keys in YAML.
    pub fn report_toml(&self, keys: &[Entry<'_>], faults: &mut Faults) {
        let mut written = "---\n".to_owned();
        for entry in keys {
            let key = if known::is_word(&entry.key) { entry.key.to_string() } else { quote::single(&entry.key) };
            let value = match entry.value.as_text().filter(|_| entry.value.as_word().is_none()) {
                Some(text) => quote::plain(text),
                None => entry.value.to_json().to_string(),
            };
            written.push_str(&format!("{key}: {value}\n"));
        }
        written.push_str("---");
        let fault = self.opener().fix("write it as YAML", Span::new(0..self.close.line.end), written);
        faults.add(fault);
    }

    fn opener(&self) -> Diagnostic {
        let open = &self.open;
        let (message, cause) = match open.oddity {
            Oddity::None | Oddity::Lead => ("something stands above the frontmatter", "`---` is not the first line"),
            Oddity::Indented => ("the frontmatter is indented", "spaces before `---`"),
            Oddity::Fenced => ("the frontmatter stands in a code fence", "`---` is not the first line"),
            Oddity::Dashes => ("the frontmatter starts with too many dashes", "exactly three are wanted"),
            Oddity::Word => ("the frontmatter starts with more than `---`", "nothing may follow the dashes"),
            Oddity::Toml => ("the frontmatter is TOML", "`+++` instead of `---`"),
            Oddity::Heading => ("the frontmatter stands below a heading", "`---` is not the first line"),
            Oddity::Missing => ("the frontmatter has no first line", "a line `---` is missing above this one"),
        };
        let line = if open.line.is_empty() { self.first_line() } else { open.line.clone() };
        let fault = self
            .warning(codes::FRONTMATTER_OPENER, line, message)
            .cause(cause)
            .assumed("frontmatter all the same")
            .elsewhere("Claude Code", self.what.claude(false))
            .help("make a line `---` the first line of the file");
        let mut fault = self.what.strict_tools(fault);
        let edits = self.opener_edits();
        fault.fix = (!edits.is_empty()).then(|| Fix { title: "make `---` the first line".to_owned(), edits });
        fault
    }

    fn first_line(&self) -> Range<usize> {
        lines(&self.source.text, self.open.keys).next().map_or(0..0, |line| line.range())
    }

    fn opener_edits(&self) -> Vec<Edit> {
        let open = &self.open;
        let text = self.source.text.as_str();
        let edit = |range: Range<usize>, text: &str| Edit { span: Span::new(range), text: text.to_owned() };
        match open.oddity {
            Oddity::None | Oddity::Toml | Oddity::Heading => Vec::new(),
            Oddity::Missing => vec![edit(0..open.keys, "---\n")],
            Oddity::Dashes | Oddity::Word => {
                let mut edits = vec![edit(0..open.line.end, "---")];
                if self.dashes_twice() {
                    edits.push(edit(self.close.line.clone(), "---"));
                }
                edits
            }
            Oddity::Lead | Oddity::Indented | Oddity::Fenced => {
                let above = open.fence.as_ref().map_or(open.line.start, |fence| fence.start);
                let mut edits = vec![edit(0..open.line.end, "---")];
                // Comments above are kept: inside the frontmatter they are comments too.
                let comments = lines(&text[..above], 0).filter(|line| !line.is_blank());
                let kept: String = comments.map(|line| format!("# {}\n", line.text.trim())).collect();
                if !kept.is_empty() {
                    edits.push(edit(open.keys..open.keys, &kept));
                }
                if let Some((fence, _)) = self.fence_below() {
                    edits.push(edit(fence, ""));
                }
                if open.indent > 0 {
                    let block = lines(text, open.keys).take_while(|line| line.start <= self.close.line.start);
                    let spaces = block.map(|line| line.start..line.start + line.indent().min(open.indent));
                    edits.extend(spaces.filter(|spaces| !spaces.is_empty()).map(|spaces| edit(spaces, "")));
                }
                edits
            }
        }
    }

    fn closer(&self) -> Diagnostic {
        let close = &self.close;
        let line = close.line.clone();
        let text = self.source.text.as_str();
        let (message, cause, edit) = match close.how {
            How::Exact | How::Longer => {
                let all = self.only_dashes();
                let after = &text[line.start + 3..line.end];
                let space = line.start + 3 + (after.len() - after.trim_start().len());
                let span = if all { line.start..line.end } else { line.start + 3..space };
                let edit = Edit { span: Span::new(span), text: if all { "---" } else { "\n" }.to_owned() };
                ("the frontmatter ends with more than `---`", "exactly three dashes are wanted", edit)
            }
            How::Dots => {
                let edit = Edit { span: Span::new(line.clone()), text: "---".to_owned() };
                ("the frontmatter ends with `...`", "`---` is wanted", edit)
            }
            How::Indented => {
                let edit = Edit { span: Span::new(line.clone()), text: "---".to_owned() };
                ("the line that ends the frontmatter is indented", "it may have no spaces before it", edit)
            }
            How::Missing => {
                let newline = if text[..line.start].ends_with('\n') { "" } else { "\n" };
                let edit = Edit { span: Span::new(line.clone()), text: format!("{newline}---\n") };
                ("the frontmatter is not closed", "a line `---` is missing above this one", edit)
            }
        };
        let shown =
            if line.is_empty() { lines(text, line.start).next().map_or(line, |line| line.range()) } else { line };
        let mut fault = self
            .warning(codes::FRONTMATTER_CLOSER, shown, message)
            .cause(cause)
            .assumed("the end of the frontmatter")
            .help("write a line `---` below the last key");
        if matches!(close.how, How::Dots | How::Missing) {
            fault = fault.elsewhere("Claude Code", self.what.claude(false));
        }
        let mut fault = self.what.strict_tools(fault);
        fault.fix = Some(Fix { title: "write the line `---`".to_owned(), edits: vec![edit] });
        fault
    }

    /// One warning for all repaired values, at the place where reading stops without the repair.
    pub fn repaired(&self, repaired: &Repaired, written: &str, place: usize, fault: Option<&Diagnostic>) -> Diagnostic {
        let base = self.open.keys;
        let end = place + self.source.text[place..].chars().next().map_or(0, char::len_utf8);
        let shown: Vec<String> = repaired.keys.iter().take(12).map(|key| format!("`{key}`")).collect();
        let message = match fault {
            Some(fault) => format!("the frontmatter is not YAML: {}", fault.message),
            None => "the frontmatter is not YAML".to_owned(),
        };
        let assumed = if shown.is_empty() {
            "spaces instead of the tabs".to_owned()
        } else {
            let more = repaired.keys.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("the text as it stands, in {}{more}", shown.join(", "))
        };
        let mut fault = self
            .warning(codes::REPAIRED, place..end, &message)
            .cause(fault.map_or("reading stops here", |fault| fault.cause.as_str()))
            .assumed(assumed)
            .help(fault.map_or("write `key: value`", |fault| fault.help.as_str()));
        if self.open.indent == 0 {
            for part in repaired.places.iter().filter(|part| !part.is_empty()).take(8) {
                let part = base + part.start..base + part.end;
                if !part.contains(&place) {
                    fault = fault.label(Span::new(part), "read as text");
                }
            }
        }
        if !self.is_odd() {
            let edits = match &repaired.patches {
                [first, second] if first.is_empty() => second.edits(base),
                [first, second] if second.is_empty() => first.edits(base),
                _ => vec![difference(written, &repaired.text, base)],
            };
            fault.fix = Some(Fix { title: "write it as YAML".to_owned(), edits });
        }
        if !repaired.claude {
            fault = fault.elsewhere("Claude Code", self.what.claude(true));
        }
        self.what.strict_tools(fault)
    }
}
