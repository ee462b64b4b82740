//! A Markdown file of any tool, split into the keys of its frontmatter and its body. Nothing is refused: what deviates
//! is read as its author most likely meant it, with a warning that says so.
//!
//! The rules of `opener`, `closer`, `yaml` and `repair` meet here, in this order. Knows nothing of what the keys mean.

use std::{borrow::Cow, cell::Cell, ops::Range, sync::Arc};

use crate::{
    base::{Diagnostic, Severity, Source, Span, codes::definition as codes, did_you_mean},
    definition::{
        Extra,
        load::{
            block::Block,
            closer::{self, Close, How},
            faults::Faults,
            known,
            node::{Entry, Kind, Node},
            opener::{self, Oddity, Open, lines},
            patch::Patch,
            quote,
            repair::repair,
            toml, yaml,
        },
    },
};

/// Unknown keys that are compared with the known ones.
const HINTS_MAX: usize = 32;

/// What a file defines. It decides what other tools do with a file that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Agent,
    Skill,
    Command,
    /// A rule or an output style.
    Rule,
}

impl What {
    /// With its article.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Agent => "an agent",
            Self::Skill => "a skill",
            Self::Command => "a command",
            Self::Rule => "a rule",
        }
    }

    /// Without its article.
    pub fn noun(self) -> &'static str {
        self.shown().split(' ').next_back().unwrap_or_default()
    }

    /// What Claude Code does when it finds no frontmatter or cannot read it.
    pub fn claude(self, found: bool) -> &'static str {
        match (self, found) {
            (Self::Agent, _) => "does not load the agent, and does not say so",
            (Self::Skill | Self::Command | Self::Rule, true) => "loads it without any of its keys",
            (Self::Skill | Self::Command | Self::Rule, false) => "takes the keys for a part of the text",
        }
    }

    /// Adds what tools do that read no more than YAML allows.
    pub fn strict_tools(self, fault: Diagnostic) -> Diagnostic {
        // Codex reads skills of this form; its agents are TOML.
        if self == Self::Skill { fault.elsewhere("Codex", "skips the skill") } else { fault }
    }
}

/// A file, split and with its keys read.
pub(super) struct Parts<'a> {
    /// The keys in the order of the file; empty where there is no frontmatter.
    pub keys: Vec<Entry<'a>>,
    /// Which keys were asked for.
    pub(super) used: Vec<Cell<bool>>,
    /// Whether there is frontmatter.
    pub has_frontmatter: bool,
    /// Where the keys stand.
    pub frontmatter: Range<usize>,
    /// Where the body stands.
    pub body: Range<usize>,
    /// The body.
    pub text: Cow<'a, str>,
    /// A heading above the frontmatter.
    pub title: Option<Range<usize>>,
    /// Whether a part of it was guessed.
    pub mended: bool,
    /// Whether the places of the values are exact, so that changes to them may be offered.
    pub exact: bool,
}

impl<'a> Parts<'a> {
    /// The parts of a text whose keys were read, for files that are not Markdown too.
    pub fn of(keys: Vec<Entry<'a>>, text: Cow<'a, str>, body: Range<usize>) -> Self {
        Self {
            used: vec![Cell::new(false); keys.len()],
            keys,
            has_frontmatter: true,
            frontmatter: 0..0,
            body,
            text,
            title: None,
            mended: false,
            exact: true,
        }
    }

    /// Says where the keys stand.
    pub fn at(self, frontmatter: Range<usize>) -> Self {
        Self { frontmatter, ..self }
    }

    /// A file without frontmatter.
    pub fn none(source: &'a Source) -> Self {
        let body = 0..source.text.len();
        Self { has_frontmatter: false, ..Self::of(Vec::new(), Cow::Borrowed(source.text.as_str()), body) }
    }

    /// The value of a key that is written exactly so; nothing counts as absent. Does not take it.
    pub fn get(&self, key: &str) -> Option<&Entry<'a>> {
        self.keys.iter().find(|entry| entry.key == key).filter(|entry| !entry.value.is_nothing())
    }

    /// Takes a key, also if its value is nothing. Without an exact match, one that differs in capitals, `_` and `-` is
    /// taken, with a note.
    pub fn take_even_empty(&self, name: &'static str, faults: &mut Faults) -> Option<&Entry<'a>> {
        if let Some(place) = self.keys.iter().position(|entry| entry.key == name) {
            self.used[place].set(true);
            return Some(&self.keys[place]);
        }
        let free = |place: &usize| !self.used[*place].get() && known::alike(&self.keys[*place].key, name);
        let place = (0..self.keys.len()).find(free)?;
        self.used[place].set(true);
        let entry = &self.keys[place];
        let mut fault = Diagnostic::error(
            codes::KEY_SPELLING,
            faults.source(),
            entry.key_span,
            format!("the key `{}` is written `{name}`", quote::shown(&entry.key)),
        )
        .cause("keys are read with capitals and with `_` or `-` too, elsewhere they are not")
        .assumed(format!("`{name}`"))
        .elsewhere("Claude Code", "ignores the key")
        .help(format!("write `{name}`"))
        .info();
        if self.exact {
            fault = fault.fix(format!("write `{name}`"), entry.key_span, name);
        }
        faults.add(fault);
        Some(entry)
    }

    /// Takes a key; one with nothing behind it counts as absent.
    pub fn take(&self, name: &'static str, faults: &mut Faults) -> Option<&Entry<'a>> {
        self.take_even_empty(name, faults).filter(|entry| !entry.value.is_nothing())
    }

    /// Counts a key as taken.
    pub fn mark(&self, name: &str) {
        for (_, used) in self.keys.iter().zip(&self.used).filter(|(entry, _)| entry.key == name) {
            used.set(true);
        }
    }

    /// Keeps a key that was taken among the unknown ones, as its value says nothing to `orch`.
    pub fn give_back(&self, name: &str) {
        if let Some(place) = self.keys.iter().position(|entry| known::alike(&entry.key, name)) {
            self.used[place].set(false);
        }
    }

    /// The keys that nobody took, in the order of the file; hints at those that look misspelled.
    pub fn extra(&self, faults: &mut Faults) -> Vec<Extra> {
        let mut extra = Vec::new();
        for (entry, _) in self.keys.iter().zip(&self.used).filter(|(_, used)| !used.get()) {
            extra.push(Extra {
                key: entry.key.to_string(),
                value: entry.value.to_json(),
                key_span: entry.key_span,
                span: entry.value.span,
            });
            if extra.len() > HINTS_MAX {
                continue;
            }
            if let Some(near) = near(&entry.key).filter(|near| self.get(near).is_none()) {
                let message = format!("nothing reads the key `{}`", entry.key);
                let fault = Diagnostic::error(codes::NEAR_KEY, faults.source(), entry.key_span, message)
                    .cause("it looks like a key that is known")
                    .assumed("a key of your own, which is kept")
                    .help(format!("did you mean `{near}`?"))
                    .info();
                faults.add(fault);
            }
        }
        extra
    }
}

/// The known key that an unknown one was probably meant to be.
fn near(key: &str) -> Option<&'static str> {
    if key.len() < 4 || key.len() > 32 || known::is_known(key) {
        return None;
    }
    let alike = |known: &&'static str| known.len().abs_diff(key.len()) <= 2;
    did_you_mean(key, known::FIRST.into_iter().filter(alike)).or_else(|| did_you_mean(key, known::all().filter(alike)))
}

/// Where in a block reading stopped, and why.
type Failed = (usize, Option<Box<Diagnostic>>);
/// The keys of a block of YAML, or why it gives none.
type Read<'a> = Result<(Vec<Entry<'a>>, Vec<Diagnostic>), Failed>;

/// Reads a block that starts at byte `base` of the source, or a copy of it.
fn keys_of<'a>(text: &'a str, base: usize, source: &Arc<Source>) -> Read<'a> {
    let mut scratch = Faults::new(source);
    let Some(node) = yaml::parse_lenient(text, base, &mut scratch) else {
        let fault = scratch.first_error().cloned();
        let at = fault.as_ref().map_or(base, |fault| fault.span.start);
        return Err((at.saturating_sub(base), fault.map(Box::new)));
    };
    let nothing = node.is_nothing();
    match node.kind {
        Kind::Map(keys) => Ok((keys, scratch.into_found())),
        _ if nothing => Ok((Vec::new(), scratch.into_found())),
        _ => Err((0, None)),
    }
}

/// Splits a file and reads its keys.
pub(super) fn parts<'a>(source: &'a Source, what: What, faults: &mut Faults) -> Parts<'a> {
    let text = source.text.as_str();
    let Some(open) = opener::find(text) else { return Parts::none(source) };
    let shared = Arc::clone(faults.source());
    let close = closer::find(text, &open);
    if open.oddity == Oddity::Toml {
        return toml_parts(source, what, open, close, faults);
    }
    let mut failed = None;
    if let (Some(close), 0) = (&close, open.indent)
        && !closer::has_prose(&text[open.keys..close.line.start])
    {
        match keys_of(&text[open.keys..close.line.start], open.keys, &shared) {
            Ok((keys, found)) => {
                let block = Block { what, source: shared, open, close: close.clone() };
                return whole(source, &block, keys, found, faults);
            }
            Err(why) => failed = Some(why),
        }
    }
    odd(source, what, open, close, failed, faults)
}

/// A block that is YAML as it stands.
fn whole<'a>(
    source: &'a Source,
    block: &Block,
    keys: Vec<Entry<'a>>,
    found: Vec<Diagnostic>,
    faults: &mut Faults,
) -> Parts<'a> {
    block.report(faults);
    let mended = found.iter().any(|fault| fault.severity >= Severity::Warning) || block.is_odd();
    for mut fault in found {
        // First the ends are mended, then what stands between them: each change keeps what the file says.
        fault.fix = fault.fix.filter(|_| !block.is_odd());
        faults.add(block.what.strict_tools(fault));
    }
    block.parts(source, keys, mended)
}

/// A block of TOML between two lines `+++`.
fn toml_parts<'a>(source: &'a Source, what: What, open: Open, close: Option<Close>, faults: &mut Faults) -> Parts<'a> {
    let close = close.filter(|close| close.how == How::Exact);
    let keys = close.and_then(|close| Some((toml::keys(&source.text[open.keys..close.line.start], open.keys)?, close)));
    let Some((keys, close)) = keys.filter(|(keys, _)| !keys.is_empty()) else { return Parts::none(source) };
    let block = Block { what, source: Arc::clone(faults.source()), open, close };
    block.report_toml(&keys, faults);
    let mut parts = block.parts(source, keys, true);
    parts.exact = false;
    parts
}

/// A block that is not plain YAML between two lines. `failed` says why, where the block was read already.
fn odd<'a>(
    source: &'a Source,
    what: What,
    open: Open,
    close: Option<Close>,
    failed: Option<Failed>,
    faults: &mut Faults,
) -> Parts<'a> {
    let text = source.text.as_str();
    let shared = Arc::clone(faults.source());
    let end = close.as_ref().map_or(text.len(), |close| close.line.start);
    let good = |cut: usize| {
        let (part, _) = dedented(&text[open.keys..cut], open.indent);
        let read = keys_of(&part, 0, &shared);
        read.is_ok_and(|(keys, _)| keys.iter().any(|entry| matches!(&*entry.key, "name" | "description")))
    };
    let whole = dedented(&text[open.keys..end], open.indent).0;
    let whole_is_good =
        close.is_some() && failed.is_none() && !closer::has_prose(&whole) && keys_of(&whole, 0, &shared).is_ok();
    let earlier = if whole_is_good { None } else { closer::earlier(text, &open, end, close.is_some(), good) };
    let starts_with_key = lines(text, open.keys)
        .find(|line| !line.is_blank() && !line.text.trim_start().starts_with('#'))
        .is_some_and(|line| known::key_of(line.text.trim()).is_some_and(known::is_known));
    let failed = failed.filter(|_| earlier.is_none());
    let Some(close) = earlier.or(close).or(starts_with_key.then(|| closer::missing(text, &open))) else {
        return no_keys(source, what, &open, faults);
    };
    let (written, dedent) = dedented(&text[open.keys..close.line.start], open.indent);
    let block = Block { what, source: shared, open, close };
    let base = block.open.keys;
    let back = |at: usize| base + dedent.back(at);
    match failed.map_or_else(|| keys_of(&written, 0, &block.source), Err) {
        Ok((keys, found)) => {
            block.report(faults);
            found.into_iter().for_each(|fault| faults.add(moved_fault(fault, &back)));
            let keys = moved(keys, &back);
            block.parts(source, keys, true)
        }
        Err((at, fault)) => {
            let mut check = |text: &str| {
                if text == written {
                    return Err(at);
                }
                match keys_of(text, 0, &block.source) {
                    Ok((keys, _)) if !keys.is_empty() => Ok(()),
                    Ok(_) => Err(0),
                    Err((at, _)) => Err(at),
                }
            };
            let Some(repaired) = repair(&written, &mut check) else {
                return no_keys(source, what, &block.open, faults);
            };
            let back = |at: usize| back(repaired.patches[0].back(repaired.patches[1].back(at)));
            let Ok((keys, found)) = keys_of(&repaired.text, 0, &block.source) else {
                return no_keys(source, what, &block.open, faults);
            };
            block.report(faults);
            let place = base + dedent.back(at);
            faults.add(block.repaired(&repaired, &written, place, fault.as_deref()));
            found.into_iter().for_each(|fault| faults.add(moved_fault(fault, &back)));
            let keys = moved(keys, &back);
            let mut parts = block.parts(source, keys, true);
            parts.exact = false;
            parts
        }
    }
}

/// A block without the spaces that all its lines have.
fn dedented(text: &str, indent: usize) -> (Cow<'_, str>, Patch) {
    if indent == 0 {
        return (Cow::Borrowed(text), Patch::default());
    }
    let mut patch = Patch::default();
    lines(text, 0).for_each(|line| patch.push(line.start..line.start + line.indent().min(indent), ""));
    (Cow::Owned(patch.apply(text)), patch)
}

/// Entries of a copy, with their places in the source.
fn moved(keys: Vec<Entry<'_>>, back: &dyn Fn(usize) -> usize) -> Vec<Entry<'static>> {
    let node = Node::map(keys, Span::default()).moved(back);
    if let Kind::Map(keys) = node.kind { keys } else { Vec::new() }
}

/// A warning about a copy, with its places in the source. What would mend the copy does not mend the file.
fn moved_fault(mut fault: Diagnostic, back: &dyn Fn(usize) -> usize) -> Diagnostic {
    let span = |span: Span| Span::new(back(span.start)..back(span.end).max(back(span.start)));
    fault.span = span(fault.span);
    for label in &mut fault.labels {
        label.span = span(label.span);
    }
    fault.fix = None;
    fault
}

/// Reports a block without keys; all of the file is body. Where only the start of a line looked like one, that is no news.
fn no_keys<'a>(source: &'a Source, what: What, open: &Open, faults: &mut Faults) -> Parts<'a> {
    if open.oddity == Oddity::None {
        let span = Span::new(open.line.clone());
        let fault = Diagnostic::error(codes::NO_KEYS, faults.source(), span, "the frontmatter holds no keys")
            .cause("no `key: value` lines follow")
            .assumed("a file without frontmatter, all of it text")
            .elsewhere("Claude Code", what.claude(true))
            .help("write `name: …` and `description: …` below this line, one key a line")
            .warning();
        faults.add(what.strict_tools(fault));
    }
    Parts::none(source)
}
