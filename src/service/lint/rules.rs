//! The rules. Each gives nothing where it is not sure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Diagnostic, Span, codes::definition as codes, did_you_mean},
    definition::{Library, ToolMode, normal_name},
    service::lint::{
        subject::{Kind, Subject},
        text::{lines, mentions, without_code, without_fences, words_of},
    },
};

/// Beyond so many lines a text is too long to be followed.
const LINES_MAX: usize = 500;
/// Findings of one rule in one file at most.
const FINDINGS_MAX: usize = 20;
/// Shorter descriptions may well be the same by chance.
const DESCRIPTION_CHARS_MIN: usize = 20;

/// Beginnings of words that say something about what comes out.
const OUTPUT: [&str; 20] = [
    "output",
    "report",
    "return",
    "respon",
    "answer",
    "result",
    "format",
    "deliver",
    "produc",
    "summar",
    "generat",
    "print",
    "template",
    "example",
    "display",
    "present",
    "recommend",
    "commit",
    "provid",
    "write",
];
/// Beginnings of words that say when.
const WHEN: [&str; 26] = [
    "use ",
    "used",
    "using",
    "when",
    "for ",
    "if ",
    "before",
    "after",
    "during",
    "trigger",
    "invoke",
    "need",
    "call",
    "ask",
    "proactive",
    "while",
    "upon",
    "once",
    "must be",
    "should",
    "whenever",
    "to ",
    "helps",
    "handles",
    "covers",
    "specializ",
];
/// Agents that home tools bring along.
const FOREIGN_AGENTS: [&str; 9] = [
    "general-purpose",
    "explore",
    "plan",
    "statusline-setup",
    "output-style-setup",
    "claude-code-guide",
    "claude",
    "build",
    "default",
];
/// Orders to write a file, as a line begins.
const WRITES: [&str; 14] = [
    "write the file",
    "write a file",
    "create the file",
    "create a file",
    "save the file",
    "save it to",
    "save the report",
    "save the result",
    "save to `",
    "write to `",
    "edit the file",
    "update the file",
    "save your",
    "write the report to",
];
/// Tools that change files, by themselves or through others.
const WRITING_TOOLS: [&str; 8] = ["Write", "Edit", "NotebookEdit", "Bash", "PowerShell", "Agent", "Skill", "Workflow"];

/// How placeholders for people begin and end.
const OPENERS: [(&str, &str); 4] = [("<YOUR", ">"), ("[YOUR", "]"), ("<INSERT", ">"), ("[INSERT", "]")];
/// Words of lines that put work off, in two parts because our own sources may not hold them.
const LATER: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// What is wrong with one definition by itself.
pub(super) fn one(subject: &Subject<'_>, library: &Library) -> Vec<Diagnostic> {
    if let Some(fault) = empty(subject) {
        return vec![fault];
    }
    let mut found: Vec<Diagnostic> = [output(subject), when(subject), long(subject)].into_iter().flatten().collect();
    found.extend(references(subject, library).into_iter().take(FINDINGS_MAX));
    found.extend(placeholders(subject).into_iter().take(FINDINGS_MAX));
    found.extend(contradiction(subject));
    found
}

fn empty(subject: &Subject<'_>) -> Option<Diagnostic> {
    let has_words = lines(subject.body)
        .any(|(_, line)| !line.trim_start().starts_with('#') && line.chars().any(char::is_alphanumeric));
    let message = format!("the {} `{}` has no text", subject.kind.word(), subject.name);
    (!has_words).then(|| {
        subject
            .fault(codes::LINT_EMPTY, Span::new(0..0), message)
            .warning()
            .cause("below the frontmatter stands nothing but headings, or nothing at all")
            .help("write what is to be done, how, and what comes out")
    })
}

fn output(subject: &Subject<'_>) -> Option<Diagnostic> {
    let text = subject.body.to_lowercase();
    let is_said = OUTPUT.iter().any(|word| text.contains(word));
    // A skill is knowledge; who uses it says what comes out.
    (!is_said && subject.kind != Kind::Skill).then(|| {
        let message = format!("the {} `{}` does not say what comes out", subject.kind.word(), subject.name);
        subject
            .fault(codes::LINT_OUTPUT, subject.place(0, 0), message)
            .info()
            .cause("no word of the text asks for an output or its form")
            .help("add a section `## Output`: what the answer holds, in which form, and what it leaves out")
    })
}

fn when(subject: &Subject<'_>) -> Option<Diagnostic> {
    // A command is started by its name, and what has triggers says when.
    if subject.has_triggers || subject.meta.when_to_use.is_some() || !subject.meta.model_invocable {
        return None;
    }
    let span = subject.description_place()?;
    let text = format!("{} ", subject.description.to_lowercase());
    let is_said = subject.description.trim().is_empty() || WHEN.iter().any(|word| text.contains(word));
    (!is_said).then(|| {
        subject
            .fault(codes::LINT_WHEN, span, format!("the description of `{}` does not say when to use it", subject.name))
            .info()
            .cause("who chooses by this text learns what it is, but not for which work")
            .help("add a sentence: `Use when …`")
    })
}

fn long(subject: &Subject<'_>) -> Option<Diagnostic> {
    let count = subject.body.lines().count();
    (count > LINES_MAX).then(|| {
        subject
            .fault(codes::LINT_LONG, subject.place(0, 0), format!("the text of `{}` has {count} lines", subject.name))
            .info()
            .cause(format!("all of it goes into every prompt; beyond {LINES_MAX} lines much of it is overlooked"))
            .help("move details into files beside it, and say when to read which one")
    })
}

fn references(subject: &Subject<'_>, library: &Library) -> Vec<Diagnostic> {
    let text = without_fences(subject.body);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for mention in mentions(&text) {
        let bare = mention.name.rsplit(':').next().unwrap_or_default();
        let is_known = [mention.name, bare].iter().any(|name| {
            library.agents.get(name).is_some()
                || library.skills.get(name).is_some()
                || library.commands.get(name).is_some()
                || FOREIGN_AGENTS.contains(name)
        });
        if is_known || normal_name(mention.name) == normal_name(subject.name) || !seen.insert(mention.name) {
            continue;
        }
        let kind = if mention.is_agent { "agent" } else { "skill" };
        let near = if mention.is_agent {
            did_you_mean(mention.name, library.agents.names())
        } else {
            did_you_mean(mention.name, library.skills.names())
        };
        let help = near.map_or_else(
            || format!("add the {kind}, or name one that `orch list` shows"),
            |near| format!("did you mean `{near}`?"),
        );
        let span = subject.place(mention.at, mention.name.len());
        let message = format!("there is no {kind} `{}`", mention.name);
        let cause = "the text sends its reader to it, and nobody has that name";
        found.push(subject.fault(codes::LINT_REFERENCE, span, message).warning().cause(cause).help(help));
    }
    found
}

fn placeholders(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let text = without_code(subject.body);
    let mut found = Vec::new();
    let mut add = |at: usize, shown: &str| {
        let shown: String = shown.chars().take(60).collect();
        let span = subject.place(at, shown.len());
        found.push(
            subject
                .fault(codes::LINT_PLACEHOLDER, span, format!("nothing fills the placeholder `{shown}`"))
                .warning()
                .cause("the reader gets these characters as they are")
                .help("write what belongs there, or put it between backticks if it is an example"),
        );
    };
    for (at, line) in lines(&text) {
        for (open, close) in OPENERS {
            if let Some(start) = line.find(open)
                && let Some(end) = line[start..].find(close)
            {
                add(at + start, &line[start..=start + end]);
            }
        }
        // Commands have placeholders of their own, which the compiler reads.
        if subject.kind != Kind::Command
            && let Some(start) = line.find("{{")
            && let Some(end) = line[start..].find("}}")
        {
            add(at + start, &line[start..start + end + 2]);
        }
        let (start, words) = words_of(at, line);
        let is_later =
            |later: &str| words.strip_prefix(later).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        if LATER.iter().any(|later| is_later(later)) {
            add(start, words);
        }
    }
    found
}

/// A text that orders to write files, and tools that cannot.
fn contradiction(subject: &Subject<'_>) -> Option<Diagnostic> {
    let tools = subject.tools.filter(|tools| tools.mode == ToolMode::List)?;
    let names = tools.allowed()?;
    let writes = names.iter().any(|name| {
        WRITING_TOOLS.iter().any(|tool| name == tool || name.starts_with(&format!("{tool}(")))
            || name.starts_with("mcp__")
            || name == "*"
    });
    // What nobody knows may well write.
    if writes || tools.allow.iter().any(|rule| rule.status == crate::definition::ToolStatus::Unknown) {
        return None;
    }
    let text = without_fences(subject.body);
    let (at, words) = lines(&text).map(|(at, line)| words_of(at, line)).find(|(_, words)| {
        let lower = words.to_lowercase();
        WRITES.iter().any(|order| lower.starts_with(order))
    })?;
    let message = format!("the text of `{}` orders to write a file, and its tools cannot", subject.name);
    Some(
        subject
            .fault(codes::LINT_TOOLS, subject.place(at, words.len()), message)
            .warning()
            .cause(format!("its tools are {}", names.join(", ")))
            .help("add `Write` to `tools:`, or ask for the text in the answer"),
    )
}

/// Definitions of one kind that nobody can tell apart by their descriptions.
pub(super) fn same_descriptions(subjects: &[Subject<'_>]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<(Kind, String), &Subject<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for subject in subjects {
        let words = subject.description.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let Some(span) = subject.description_place().filter(|_| words.chars().count() >= DESCRIPTION_CHARS_MIN) else {
            continue;
        };
        let Some(other) = first.get(&(subject.kind, words.clone())) else {
            first.insert((subject.kind, words), subject);
            continue;
        };
        let message = format!("`{}` and `{}` have the same description", other.name, subject.name);
        found.push(
            subject
                .fault(codes::LINT_SAME, span, message)
                .warning()
                .cause(format!("the other one is in {}", other.origin.path.display()))
                .help("say in each what the other one is not for, or remove one of them"),
        );
    }
    found
}
