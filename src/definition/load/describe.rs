//! Names and descriptions: which key they come from, what stands in when it is missing, and who else accepts them.

use std::{path::Path, sync::Arc};

use crate::{
    base::{Diagnostic, Passage, Source, Span, codes::definition as codes},
    definition::{
        Dialect, Meta, Origin,
        load::{
            node::Entry,
            parts::{Parts, What},
            quote,
            values::Values,
        },
        normal_name,
    },
};

/// Characters of a description that is taken from the body, as Claude Code cuts it.
const FIRST_WORDS_MAX: usize = 100;
/// The longest name that the open standard for skills allows.
const NAME_CHARS_MAX: usize = 64;

/// A description, and what a file says about when to use it.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub description: String,
    pub when_to_use: Option<String>,
}

/// The name that a path gives: agents their file, skills their folder.
pub(super) fn path_name(path: &Path, what: What) -> String {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = || path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).map(str::to_owned);
    match what {
        What::Skill if stem.eq_ignore_ascii_case("skill") => folder().unwrap_or_else(|| "skill".to_owned()),
        What::Agent => {
            let stem = stem.strip_suffix(".agent").or_else(|| stem.strip_suffix(".chatmode")).unwrap_or(stem);
            if stem.is_empty() { "agent".to_owned() } else { stem.to_owned() }
        }
        What::Skill | What::Command | What::Rule => stem.to_owned(),
    }
}

/// The identifier of a name: lower case, one `-` for each run of spaces, `_`, `:` and `/`.
pub(super) fn identifier(name: &str, path_name: &str) -> String {
    let id = |name: &str| normal_name(&name.replace([':', '/', '\n', '\t'], " "));
    let made = id(name);
    if made.is_empty() { id(path_name) } else { made }
}

impl Values<'_, '_, '_> {
    /// The name that an agent or a skill shows. Reports where it had to be taken from elsewhere, and who rejects it.
    pub fn display_name(&mut self, origin: &Origin) -> String {
        let from_path = path_name(&origin.path, self.what);
        if let Some(entry) = self.entry("name")
            && let Some(name) = self.text_of(entry)
        {
            self.check_name(&name, entry, &from_path, origin);
            return name;
        }
        for key in ["agent_name", "id"] {
            if let Some(entry) = self.parts.get(key)
                && let Some(name) = self.text(key)
            {
                self.name_assumed(origin, &name, entry.key_span, &format!("the key `{key}`"));
                return name;
            }
        }
        if let Some((name, span)) = self.inside_metadata("name") {
            self.name_assumed(origin, &name, span, "`metadata.name`");
            return name;
        }
        if self.parts.has_frontmatter {
            let span = self.first_line();
            self.name_assumed(origin, &from_path, span, "the path");
        }
        from_path
    }

    fn inside_metadata(&self, key: &str) -> Option<(String, Span)> {
        let metadata = self.parts.get("metadata")?.value.as_map()?;
        let entry = metadata.iter().find(|entry| entry.key == key)?;
        let text = entry.value.as_text()?.trim().to_owned();
        (!text.is_empty()).then_some((text, entry.key_span))
    }

    fn name_assumed(&mut self, origin: &Origin, name: &str, span: Span, from: &str) {
        // These tools name an agent by its file.
        let by_file = matches!(origin.dialect, Dialect::Orch | Dialect::OpenCode | Dialect::Copilot | Dialect::Cursor);
        if by_file || (self.what == What::Skill && self.parts.has_frontmatter && from == "the path" && span.end == 0) {
            return;
        }
        let shown = quote::shown(name);
        let message = format!("this {} does not say its name", self.what.noun());
        let mut fault = Diagnostic::error(codes::NAME_ASSUMED, self.faults.source(), span, message)
            .cause("no key `name`")
            .assumed(format!("`{shown}`, from {from}"))
            .help(format!("write `name: {shown}`"));
        fault = match self.what {
            What::Agent => fault.elsewhere("Claude Code", "does not load the agent, and does not say so").warning(),
            What::Skill | What::Command | What::Rule => self.what.strict_tools(fault).info(),
        };
        if let Some((at, indent)) = self.top() {
            let line = format!("{indent}name: {}\n", quote::plain(name));
            fault = fault.fix("write the name into the frontmatter", Span::new(at..at), line);
        }
        self.faults.add(fault);
    }

    /// Where a line can be added above the first key, and the spaces that it needs. `None` where keys stand in braces or
    /// below something else.
    fn top(&self) -> Option<(usize, String)> {
        if !self.parts.exact || !self.parts.has_frontmatter {
            return None;
        }
        let block = self.parts.frontmatter.clone();
        let end = self.parts.keys.first().map_or(block.end, |entry| entry.key_span.start);
        let above = self.source.text.get(block.start..end)?;
        let start = above.rfind('\n').map_or(0, |newline| newline + 1);
        let (lines, indent) = above.split_at(start);
        let bare = lines.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        (bare && indent.trim_matches(' ').is_empty()).then(|| (block.start + start, indent.to_owned()))
    }

    /// Says who rejects a name.
    fn check_name(&mut self, name: &str, entry: &Entry<'_>, from_path: &str, origin: &Origin) {
        if self.what == What::Agent {
            let why = if name.starts_with('-') {
                "starts with `-`"
            } else if name.contains(':') {
                "contains `:`"
            } else {
                return;
            };
            let message = format!("the name of this agent {why}");
            let fault = Diagnostic::error(codes::NAME_FORM, self.faults.source(), entry.value.span, message)
                .cause("not every tool takes such a name")
                .assumed("the name as it stands")
                .elsewhere("Claude Code", "does not load the agent, and does not say so")
                .help(format!("write `{}`", quote::shown(&identifier(name, from_path))))
                .warning();
            return self.faults.add(fault);
        }
        let kebab = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.contains("--");
        let why = if !kebab {
            "has more than lower-case letters, digits and single `-`".to_owned()
        } else if name.len() > NAME_CHARS_MAX {
            format!("is longer than {NAME_CHARS_MAX} characters")
        } else if name != from_path && origin.path.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("skill")) {
            format!("is not that of its folder, `{from_path}`")
        } else {
            return;
        };
        let fault = Diagnostic::error(
            codes::NAME_FORM,
            self.faults.source(),
            entry.value.span,
            format!("the name of this skill {why}"),
        )
        .cause("the open standard for skills does not allow this")
        .assumed("the name as it stands")
        .elsewhere("Agent Skills", "rejects the skill on upload and in strict readers")
        .help("use lower-case letters, digits and `-`, and call the folder the same")
        .info();
        self.faults.add(fault);
    }

    /// The description and when to use it.
    pub fn described(&mut self, dialect: Dialect) -> Described {
        let mut when = None;
        for key in ["when_to_use", "useWhen"] {
            when = when.or_else(|| self.text(key));
        }
        let when_to_use = when.map(|text| text.replace("\\n", "\n"));
        if let Some(entry) = self.entry("description")
            && let Some(text) = self.text_of(entry)
        {
            let description = self.with_newlines(text, entry.value.span);
            return Described { description, when_to_use };
        }
        if let Some(text) = self.text("agent_description") {
            self.description_assumed("the key `agent_description`");
            return Described { description: text.replace("\\n", "\n"), when_to_use };
        }
        if let Some((text, _)) = self.inside_metadata("description") {
            self.description_assumed("`metadata.description`");
            return Described { description: text.replace("\\n", "\n"), when_to_use };
        }
        if let Some(when) = &when_to_use {
            self.description_assumed("the key that says when to use it");
            return Described { description: when.clone(), when_to_use };
        }
        let title = self.parts.title.clone().and_then(|title| self.source.text.get(title));
        let description = first_words(title.unwrap_or(&self.parts.text));
        if self.parts.has_frontmatter && !(self.what == What::Command && dialect == Dialect::Orch) {
            self.description_assumed("the start of the text");
        }
        Described { description, when_to_use }
    }

    /// The two characters `\n` as a line's end.
    fn with_newlines(&mut self, text: String, span: Span) -> String {
        let Some(at) = text.find("\\n") else { return text };
        let written = self.source.text.get(span.start..span.end).unwrap_or_default();
        let start = span.start + written.find("\\n").unwrap_or(0);
        let span = Span::new(start..(start + 2).min(span.end.max(start)));
        debug_assert!(at < text.len());
        let fault = Diagnostic::error(codes::LITERAL_NEWLINE, self.faults.source(), span, "`\\n` in a description")
            .cause("these are two characters, not a new line")
            .assumed("a new line, as Claude Code does")
            .help("write the description as a block: `description: |`, its lines below, indented")
            .info();
        self.faults.add(self.what.strict_newline(fault));
        text.replace("\\n", "\n")
    }

    fn description_assumed(&mut self, from: &str) {
        let span = self.first_line();
        let fault = Diagnostic::error(
            codes::DESCRIPTION_ASSUMED,
            self.faults.source(),
            span,
            format!("this {} does not say what it is for", self.what.noun()),
        )
        .cause("no key `description`")
        .assumed(format!("{from} as the description"))
        .help("write `description: …`: when to use it, in a sentence");
        let fault = match self.what {
            What::Agent => fault.elsewhere("Claude Code", "does not load the agent, and does not say so").warning(),
            What::Skill | What::Command | What::Rule => self.what.strict_tools(fault).info(),
        };
        self.faults.add(fault);
    }

    /// What all kinds have: the shown name, visibility, and the keys that nobody took. Call it last.
    pub fn meta(&mut self, display_name: String, when_to_use: Option<String>) -> Meta {
        let hidden = self.boolean("hidden").unwrap_or(false) | (self.boolean("user-invocable") == Some(false));
        let model_invocable = self.boolean("disable-model-invocation") != Some(true);
        let extra = self.parts.extra(self.faults);
        Meta { display_name, aliases: Vec::new(), when_to_use, hidden, model_invocable, extra }
    }
}

impl What {
    fn strict_newline(self, fault: Diagnostic) -> Diagnostic {
        if self == Self::Skill { fault.elsewhere("Codex", "shows the two characters") } else { fault }
    }
}

/// Reports a file without frontmatter.
pub(super) fn no_frontmatter(values: &mut Values<'_, '_, '_>, origin: &Origin) {
    let what = values.what;
    let plain = what == What::Command && (origin.dialect == Dialect::Orch || is_document(&origin.path));
    if plain || values.faults.has(codes::NO_KEYS) {
        return;
    }
    let span = values.first_line();
    let fault = Diagnostic::error(
        codes::FRONTMATTER_MISSING,
        values.faults.source(),
        span,
        format!("this file has no frontmatter that makes it {}", what.shown()),
    )
    .cause("a definition starts with `---`")
    .assumed("the name from the path, the description from the text")
    .help("add `---`, `name: …`, `description: …`, `---` at the top");
    let fault = match what {
        What::Agent => fault.elsewhere("Claude Code", "does not load the agent, and does not say so").warning(),
        What::Skill => what.strict_tools(fault).warning(),
        What::Command | What::Rule => fault.info(),
    };
    values.faults.add(fault);
}

/// The first heading or line of a text, as Claude Code shows it.
pub(super) fn first_words(text: &str) -> String {
    let line = text.lines().map(|line| line.trim_start().trim_start_matches('#').trim()).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    if line.chars().count() <= FIRST_WORDS_MAX {
        return line.to_owned();
    }
    let cut: String = line.chars().take(FIRST_WORDS_MAX - 3).collect();
    format!("{cut}...")
}

/// Whether a file without frontmatter is a document and no agent.
pub(super) fn is_document(path: &Path) -> bool {
    /// Files beside definitions that are only to be read.
    const DOCUMENTS: [&str; 8] =
        ["readme", "index", "changelog", "contributing", "license", "agents", "claude", "todo"];
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    DOCUMENTS.iter().any(|document| document.eq_ignore_ascii_case(stem))
}

/// The body, without the empty lines around it.
pub(super) fn body(parts: &Parts<'_>, source: &Arc<Source>) -> Passage {
    let text = &source.text[parts.body.clone()];
    let start = parts.body.end - text.trim_start().len();
    Passage::new(source, Span::new(start..start + text.trim().len()))
}
