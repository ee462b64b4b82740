//! The table of places: where each tool keeps its files, what they are, and which of them count.
//!
//! The order of rows is the precedence within a scope. Knows no disk.

use std::{ffi::OsStr, path::Path};

use crate::definition::Dialect;

/// The kinds of definitions, in the order in which they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Agents,
    Skills,
    Commands,
    Workflows,
    Gates,
    Rules,
    OutputStyles,
}

impl Kind {
    /// The word for many of them.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Skills => "skills",
            Self::Commands => "commands",
            Self::Workflows => "workflows",
            Self::Gates => "gates",
            Self::Rules | Self::OutputStyles => "rules",
        }
    }
}

/// Which files of a folder are definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// `x.md`, in folders as well.
    Markdown,
    /// `x.ENDING`, in folders as well; the ending belongs to no name.
    Ending(&'static str),
    /// `NAME/SKILL.md`.
    Skill,
    /// `x.toml`, in folders as well.
    Toml,
    /// `x.yaml` and `x.yml`.
    Yaml,
    /// YAML and Markdown, but not below `prompts/`, `rubrics/`, `recordings/`, `samples/` or `tests/`.
    Workflow,
}

/// How a file fits its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// As the home tool has it.
    Proper,
    /// The home tool would not see it; says why.
    Odd(&'static str),
    /// No definition.
    Not,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The folder, from the project's root, the user's home or the root of a plugin.
    pub folder: &'static str,
    /// What its files are.
    pub kind: Kind,
    /// The tool that they were written for.
    pub dialect: Dialect,
    /// Which of its files count.
    pub files: Files,
    /// Counts only where this file or folder stands beside it.
    pub only_with: Option<&'static str>,
    side: Side,
}

/// Where a tool has such a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Project,
    Home,
}

const fn row(folder: &'static str, kind: Kind, dialect: Dialect, files: Files) -> Place {
    Place { folder, kind, dialect, files, only_with: None, side: Side::Both }
}

const fn project(folder: &'static str, kind: Kind, dialect: Dialect, files: Files) -> Place {
    Place { side: Side::Project, ..row(folder, kind, dialect, files) }
}

const fn home(folder: &'static str, kind: Kind, dialect: Dialect, files: Files) -> Place {
    Place { side: Side::Home, ..row(folder, kind, dialect, files) }
}

const fn with(only_with: &'static str, place: Place) -> Place {
    Place { only_with: Some(only_with), ..place }
}

/// The project's own folders, those under `.orch/`, the user's own, and those in the binary.
pub(super) const OWN: &[Place] = &[
    row("agents", Kind::Agents, Dialect::Orch, Files::Markdown),
    row("skills", Kind::Skills, Dialect::Orch, Files::Skill),
    row("commands", Kind::Commands, Dialect::Orch, Files::Markdown),
    row("workflows", Kind::Workflows, Dialect::Orch, Files::Workflow),
    row("gates", Kind::Gates, Dialect::Orch, Files::Yaml),
];

/// The folders of other tools, in a project and in a home folder.
const OTHERS: &[Place] = &[
    row(".claude/agents", Kind::Agents, Dialect::ClaudeCode, Files::Markdown),
    row(".claude/skills", Kind::Skills, Dialect::ClaudeCode, Files::Skill),
    row(".claude/commands", Kind::Commands, Dialect::ClaudeCode, Files::Markdown),
    row(".claude/output-styles", Kind::OutputStyles, Dialect::ClaudeCode, Files::Markdown),
    row(".claude/rules", Kind::Rules, Dialect::ClaudeCode, Files::Markdown),
    row(".agents/skills", Kind::Skills, Dialect::AgentSkills, Files::Skill),
    row(".codex/agents", Kind::Agents, Dialect::Codex, Files::Toml),
    row(".codex/skills", Kind::Skills, Dialect::Codex, Files::Skill),
    row(".codex/prompts", Kind::Commands, Dialect::Codex, Files::Markdown),
    row(".gemini/agents", Kind::Agents, Dialect::Gemini, Files::Markdown),
    row(".gemini/skills", Kind::Skills, Dialect::Gemini, Files::Skill),
    row(".gemini/commands", Kind::Commands, Dialect::Gemini, Files::Toml),
    project(".github/agents", Kind::Agents, Dialect::Copilot, Files::Ending(".agent.md")),
    project(".github/chatmodes", Kind::Agents, Dialect::Copilot, Files::Ending(".chatmode.md")),
    project(".github/skills", Kind::Skills, Dialect::Copilot, Files::Skill),
    project(".github/prompts", Kind::Commands, Dialect::Copilot, Files::Ending(".prompt.md")),
    project(".github/instructions", Kind::Rules, Dialect::Copilot, Files::Ending(".instructions.md")),
    project(".opencode/agent", Kind::Agents, Dialect::OpenCode, Files::Markdown),
    project(".opencode/agents", Kind::Agents, Dialect::OpenCode, Files::Markdown),
    project(".opencode/skill", Kind::Skills, Dialect::OpenCode, Files::Skill),
    project(".opencode/skills", Kind::Skills, Dialect::OpenCode, Files::Skill),
    project(".opencode/command", Kind::Commands, Dialect::OpenCode, Files::Markdown),
    project(".opencode/commands", Kind::Commands, Dialect::OpenCode, Files::Markdown),
    home(".copilot/agents", Kind::Agents, Dialect::Copilot, Files::Ending(".agent.md")),
    home(".copilot/skills", Kind::Skills, Dialect::Copilot, Files::Skill),
    home(".config/opencode/agent", Kind::Agents, Dialect::OpenCode, Files::Markdown),
    home(".config/opencode/agents", Kind::Agents, Dialect::OpenCode, Files::Markdown),
    home(".config/opencode/skills", Kind::Skills, Dialect::OpenCode, Files::Skill),
    home(".config/opencode/command", Kind::Commands, Dialect::OpenCode, Files::Markdown),
    home(".config/opencode/commands", Kind::Commands, Dialect::OpenCode, Files::Markdown),
    row(".cursor/agents", Kind::Agents, Dialect::Cursor, Files::Markdown),
    row(".cursor/skills", Kind::Skills, Dialect::Cursor, Files::Skill),
    row(".cursor/commands", Kind::Commands, Dialect::Cursor, Files::Markdown),
    project(".cursor/rules", Kind::Rules, Dialect::Cursor, Files::Ending(".mdc")),
    row(".kiro/agents", Kind::Agents, Dialect::Kiro, Files::Markdown),
    project(".kiro/skills", Kind::Skills, Dialect::Kiro, Files::Skill),
    project(".kiro/steering", Kind::Rules, Dialect::Kiro, Files::Markdown),
    project(".specify/templates/commands", Kind::Commands, Dialect::SpecKit, Files::Markdown),
    with(
        "templates/spec-template.md",
        project("templates/commands", Kind::Commands, Dialect::SpecKit, Files::Markdown),
    ),
];

/// The folders of other tools in a project.
pub(super) fn in_project() -> impl Iterator<Item = &'static Place> {
    OTHERS.iter().filter(|place| place.side != Side::Home)
}

/// The folders of other tools in a home folder.
pub(super) fn in_home() -> impl Iterator<Item = &'static Place> {
    OTHERS.iter().filter(|place| place.side != Side::Project)
}

/// The folders of a plugin, an extension, or a plain repository of definitions.
pub(super) const PLUGIN: &[Place] = &[
    row("agents", Kind::Agents, Dialect::ClaudeCode, Files::Markdown),
    row("skills", Kind::Skills, Dialect::ClaudeCode, Files::Skill),
    row("commands", Kind::Commands, Dialect::ClaudeCode, Files::Markdown),
    row("output-styles", Kind::OutputStyles, Dialect::ClaudeCode, Files::Markdown),
    row("rules", Kind::Rules, Dialect::ClaudeCode, Files::Markdown),
    row("workflows", Kind::Workflows, Dialect::Orch, Files::Workflow),
    row("gates", Kind::Gates, Dialect::Orch, Files::Yaml),
    with("gemini-extension.json", row("commands", Kind::Commands, Dialect::Gemini, Files::Toml)),
];

impl Files {
    /// How a file (by its path inside the folder) fits.
    pub fn fit(self, inside: &Path) -> Fit {
        let Some(name) = inside.file_name().and_then(OsStr::to_str) else { return Fit::Not };
        match self {
            Self::Markdown => markdown(name),
            Self::Ending(ending) if name.ends_with(ending) => Fit::Proper,
            // Copilot reads agents with the plain ending as well.
            Self::Ending(".agent.md") => markdown(name),
            Self::Ending(_) => Fit::Not,
            Self::Skill => skill(name, inside),
            Self::Toml if ends(name, "toml") => Fit::Proper,
            Self::Yaml if ends(name, "yaml") || ends(name, "yml") => Fit::Proper,
            Self::Workflow => {
                let is_aside = |part: &OsStr| {
                    ["prompts", "rubrics", "recordings", "samples", "tests"].iter().any(|aside| part == *aside)
                };
                let aside = inside.parent().is_some_and(|parent| parent.iter().any(is_aside));
                let fits = ["yaml", "yml", "md"].iter().any(|ending| ends(name, ending));
                if fits && !aside { Fit::Proper } else { Fit::Not }
            }
            Self::Toml | Self::Yaml => Fit::Not,
        }
    }

    /// A file's path inside the folder without what its kind of file ends with.
    pub fn bare(self, inside: &Path) -> String {
        let text = inside.to_string_lossy();
        let cut = match self {
            Self::Ending(ending) => text.strip_suffix(ending),
            Self::Markdown | Self::Skill | Self::Toml | Self::Yaml | Self::Workflow => None,
        };
        cut.map_or_else(|| inside.with_extension("").to_string_lossy().into_owned(), str::to_owned)
    }
}

fn ends(name: &str, ending: &str) -> bool {
    name.len() > ending.len() + 1 && name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.') && stem.len() > 1)
}

fn markdown(name: &str) -> Fit {
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or("", |(_, ending)| ending);
    if ending == "md" {
        Fit::Proper
    } else if ending.eq_ignore_ascii_case("md") || ending.eq_ignore_ascii_case("markdown") {
        Fit::Odd("its ending is not `.md`")
    } else {
        Fit::Not
    }
}

fn skill(name: &str, inside: &Path) -> Fit {
    match (name, inside.iter().count()) {
        ("SKILL.md", 2) => Fit::Proper,
        ("SKILL.md", 1) => Fit::Odd("a skill has a folder of its own"),
        ("SKILL.md", _) => Fit::Odd("it is not directly in a folder of the skills folder"),
        (_, 2..) if name.eq_ignore_ascii_case("skill.md") => Fit::Odd("the file is not called `SKILL.md`"),
        // A text directly in the folder; what is read beside skills is none.
        (_, 1) if markdown(name) != Fit::Not && !is_about(name) => Fit::Odd("a skill is `NAME/SKILL.md`"),
        _ => Fit::Not,
    }
}

/// Whether a file tells about its folder.
fn is_about(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    ["readme", "index", "changelog", "contributing", "license", "agents", "claude", "todo"]
        .iter()
        .any(|about| stem.eq_ignore_ascii_case(about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_fit_or_not() {
        let fit = |files: Files, path: &str| match files.fit(Path::new(path)) {
            Fit::Proper => "proper",
            Fit::Odd(_) => "odd",
            Fit::Not => "not",
        };
        for (files, path, expected) in [
            (Files::Markdown, "a/b.md", "proper"),
            (Files::Markdown, ".x.md", "proper"),
            (Files::Markdown, "x.MD", "odd"),
            (Files::Markdown, "x.markdown", "odd"),
            (Files::Markdown, ".md", "not"),
            (Files::Markdown, "x.mdc", "not"),
            (Files::Skill, "a/SKILL.md", "proper"),
            (Files::Skill, "a/b/SKILL.md", "odd"),
            (Files::Skill, "SKILL.md", "odd"),
            (Files::Skill, "a/skill.md", "odd"),
            (Files::Skill, "x.md", "odd"),
            (Files::Skill, "README.md", "not"),
            (Files::Skill, "a/reference.md", "not"),
            (Files::Ending(".agent.md"), "x.agent.md", "proper"),
            (Files::Ending(".agent.md"), "x.md", "proper"),
            (Files::Ending(".prompt.md"), "x.md", "not"),
            (Files::Ending(".mdc"), "a/x.mdc", "proper"),
            (Files::Toml, "a/x.toml", "proper"),
            (Files::Toml, ".toml", "not"),
            (Files::Workflow, "prompts/x.md", "not"),
            (Files::Workflow, "tests/x.yaml", "not"),
            (Files::Workflow, "x/y.yml", "proper"),
            (Files::Yaml, "x.md", "not"),
        ] {
            assert_eq!(fit(files, path), expected, "{files:?} {path}");
        }
        assert_eq!(Files::Ending(".prompt.md").bare(Path::new("a/x.prompt.md")), "a/x");
        assert_eq!(Files::Markdown.bare(Path::new("a/x.md")), "a/x");
    }
}
