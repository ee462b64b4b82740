//! From a text to a text: chooses the reader, writes the draft, and reads the output again to see that it says what
//! the draft says.

use std::{collections::HashMap, path::Path, sync::Arc};

use crate::{
    base::{Diagnostic, Severity, Source},
    definition::{
        import::{
            actions, archon, claims, dagu,
            draft::{Draft, Kind, Mark, Phase, Piece, Reference, Step},
            known::Known,
            order, prose, recipes,
            write::{Care, literate, yaml},
        },
        load::load_workflow_text,
        workflow::{self, StepKind, Workflow},
    },
};

/// The largest source, in bytes; the output is longer, and a definition may have 1 MB.
const SOURCE_BYTES_MAX: usize = 512 * 1024;
/// The longest prompt, in bytes; beyond it the template engine refuses.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Steps of one import at most: more is no workflow that a person reads.
pub(super) const STEPS_MAX: usize = 1000;
/// Readings of the output at most; each one raises the care of what was read wrongly.
const ROUNDS: usize = 3;

/// How the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Markdown whose headings are steps.
    Literate,
    /// YAML.
    Yaml,
}

impl Form {
    /// The ending of its files.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Literate => "md",
            Self::Yaml => "yaml",
        }
    }
}

/// What the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A text for a coding agent.
    Prose,
    /// An Archon workflow: `nodes:`.
    Archon,
    /// A GitHub Actions workflow: `jobs:`.
    GithubActions,
    /// A Dagu workflow: `steps:` with commands.
    Dagu,
    /// A Makefile.
    Makefile,
    /// A justfile.
    Justfile,
}

impl Format {
    /// The word for it on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Archon => "archon",
            Self::GithubActions => "github-actions",
            Self::Dagu => "dagu",
            Self::Makefile => "makefile",
            Self::Justfile => "justfile",
        }
    }
}

/// What to import.
#[derive(Debug)]
pub struct Request<'a> {
    /// The text and its path.
    pub source: &'a Arc<Source>,
    /// The name of the workflow, where the source has none.
    pub name: &'a str,
    /// How to write it; what suits the source where absent.
    pub form: Option<Form>,
    /// What the source is; found out where absent.
    pub format: Option<Format>,
    /// The names that are there.
    pub known: &'a Known,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The name of the workflow.
    pub name: String,
    /// Its text.
    pub text: String,
    /// How it is written.
    pub form: Form,
    /// What the source was.
    pub format: Format,
    /// Steps, those inside others included.
    pub steps: usize,
    /// What was not decided, by line of the source.
    pub marks: Vec<Mark>,
    /// The parts of a prose source.
    pub phases: Vec<Phase>,
    /// The agents that a prose source names.
    pub references: Vec<Reference>,
}

/// Why there is no output.
#[derive(Debug)]
pub enum ImportError {
    /// The source is beyond a limit.
    TooLarge(String),
    /// The source is not what it should be.
    Unknown(String),
    /// The source has faults of its own.
    Faults(Vec<Diagnostic>),
    /// Steps of the source wait for each other in a circle, so it can start nowhere.
    Circle(String),
    /// The output would not say what the source says. A bug.
    Unwritable(Vec<Diagnostic>),
}

/// Turns the source into a workflow.
///
/// # Errors
/// When the source cannot be read, is too large, or is nothing that can be imported.
pub fn import(request: &Request<'_>) -> Result<Imported, ImportError> {
    if request.source.text.len() > SOURCE_BYTES_MAX {
        return Err(ImportError::TooLarge(format!(
            "the source has {} bytes, more than {SOURCE_BYTES_MAX}",
            request.source.text.len()
        )));
    }
    let format = request.format.map_or_else(|| detect(request.source), Ok)?;
    let mut draft = match format {
        Format::Prose => prose::read(request.source, request.name, request.known),
        Format::Archon => archon::read(request.source, request.name, request.known),
        Format::GithubActions => actions::read(request.source, request.name),
        Format::Dagu => dagu::read(request.source, request.name),
        Format::Makefile | Format::Justfile => recipes::read(request.source, request.name, format),
    }?;
    if let Some(circle) = order::circle(&draft) {
        return Err(ImportError::Circle(circle));
    }
    if let Format::Makefile | Format::Justfile | Format::Dagu = format {
        strict_shell(&mut draft);
    }
    claims::claim(&mut draft, request.known);
    let (mut steps, mut longest) = (0, 0);
    draft.each_step(&mut |step| {
        steps += 1;
        if let Kind::Agent { prompt: text, .. } | Kind::Approve(text) | Kind::Stop(text) = &step.kind {
            longest = longest.max(text.len());
        }
    });
    if longest > TEXT_BYTES_MAX {
        return Err(ImportError::TooLarge(format!(
            "one step has a text of {longest} bytes, more than {TEXT_BYTES_MAX}"
        )));
    }
    if steps > STEPS_MAX {
        return Err(ImportError::TooLarge(format!("the source has {steps} steps, more than {STEPS_MAX}")));
    }
    if steps == 0 {
        return Err(ImportError::Unknown("the source has nothing that could be a step".to_owned()));
    }
    let wanted = request.form.unwrap_or(if format == Format::Prose { Form::Literate } else { Form::Yaml });
    let (form, text) = match written(&draft, wanted) {
        Ok(text) => (wanted, text),
        // YAML can hold every text; headings cannot.
        Err(_) if wanted == Form::Literate => (Form::Yaml, written(&draft, Form::Yaml)?),
        Err(error) => return Err(error),
    };
    let mut marks = draft.marks;
    marks.sort_by_key(|mark| mark.line);
    let (phases, references) = (draft.phases, draft.references);
    Ok(Imported { name: draft.name, text, form, format, steps, marks, phases, references })
}

/// Says once that commands run under a stricter shell than at home.
fn strict_shell(draft: &mut Draft) {
    let mut line = None;
    draft.each_step(&mut |step| {
        if matches!(&step.kind, Kind::Run { program, .. } if program.is_empty()) {
            line.get_or_insert(step.line);
        }
    });
    if let Some(line) = line {
        draft.head(
            line,
            "commands run under `sh -eu` here, which is stricter than the shell of the source",
            "each one ends at its first fault, and at a variable that is not set",
            "write `${NAME:-}` where a variable may be missing, and `|| true` where a command may fail",
        );
    }
}

/// Writes the draft and reads it again, with more care for what was read as something else.
fn written(draft: &Draft, form: Form) -> Result<String, ImportError> {
    let mut care = Care::new();
    let mut faults = Vec::new();
    for _ in 0..ROUNDS {
        let text = match form {
            Form::Literate => literate(draft, &care),
            Form::Yaml => yaml(draft, &care),
        };
        let path = format!("{}.{}", draft.name, form.ending());
        let (entries, found) = load_workflow_text(Path::new(""), Path::new(&path), &text);
        let has_errors = found.iter().any(|fault| fault.severity == Severity::Error);
        let wrong = match entries.first() {
            Some(entry) if !has_errors => differences(draft, &entry.workflow),
            // Nothing can be compared; the texts are what a reader may have stumbled over.
            Some(_) | None => all_paths(draft),
        };
        if wrong.is_empty() {
            return Ok(text);
        }
        faults = found;
        for path in wrong {
            *care.entry(path).or_insert(0) += 1;
        }
    }
    Err(ImportError::Unwritable(faults))
}

fn top(draft: &Draft) -> Vec<&Step> {
    let steps = draft.pieces.iter().filter_map(|piece| if let Piece::Step(step) = piece { Some(step) } else { None });
    steps.collect()
}

/// The paths of steps that were read differently; all paths where the steps are not even the same.
fn differences(draft: &Draft, read: &Workflow) -> Vec<String> {
    let mut wrong = Vec::new();
    let top = top(draft);
    if compare(&top, &read.steps, "", &mut wrong) { wrong } else { all_paths(draft) }
}

/// Whether the steps are the same ones; texts that differ go to `wrong`.
fn compare(ours: &[&Step], theirs: &[workflow::Step], above: &str, wrong: &mut Vec<String>) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    ours.iter().zip(theirs).all(|(ours, theirs)| {
        if ours.id != theirs.id.value {
            return false;
        }
        let path = format!("{above}{}", ours.id);
        if !same(ours, theirs) {
            wrong.push(path.clone());
        }
        compare(&ours.children.iter().collect::<Vec<_>>(), theirs.kind.steps(), &format!("{path}/"), wrong)
    })
}

/// Whether a step does what the draft says, gates counted.
fn same(ours: &Step, theirs: &workflow::Step) -> bool {
    let gates = ours.gates.len() == theirs.gate.len();
    let what = match (&ours.kind, &theirs.kind) {
        (Kind::Agent { agent, prompt }, StepKind::Agent { agent: their_agent, prompt: Some(theirs) }) => {
            *agent == their_agent.as_ref().map(|agent| agent.value.clone()) && same_text(prompt, &theirs.text.value)
        }
        (Kind::Approve(text), StepKind::Approve { text: theirs }) => same_text(text, &theirs.value),
        (Kind::Run { .. }, StepKind::Run(_))
        | (Kind::Stop(_), StepKind::Stop { .. })
        | (Kind::Parallel, StepKind::Parallel { .. })
        | (Kind::Each(_), StepKind::Each { .. })
        | (Kind::Loop { .. }, StepKind::Loop { .. }) => true,
        (
            Kind::Agent { .. }
            | Kind::Approve(_)
            | Kind::Run { .. }
            | Kind::Stop(_)
            | Kind::Parallel
            | Kind::Each(_)
            | Kind::Loop { .. },
            _,
        ) => false,
    };
    gates && what
}

/// Line ends and the spaces before them are not meaning.
fn same_text(one: &str, other: &str) -> bool {
    let lines = |text: &str| text.trim().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines(one) == lines(other)
}

fn all_paths(draft: &Draft) -> Vec<String> {
    fn walk(step: &Step, above: &str, paths: &mut Vec<String>) {
        let path = format!("{above}{}", step.id);
        for child in &step.children {
            walk(child, &format!("{path}/"), paths);
        }
        paths.push(path);
    }
    let mut paths = Vec::new();
    for step in top(draft) {
        walk(step, "", &mut paths);
    }
    paths
}

/// What the source is, by its file's name and its keys.
fn detect(source: &Arc<Source>) -> Result<Format, ImportError> {
    let name = source.path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    let by_name: HashMap<&str, Format> =
        [("makefile", Format::Makefile), ("gnumakefile", Format::Makefile), ("justfile", Format::Justfile)].into();
    if let Some(format) = by_name.get(name.trim_start_matches('.')) {
        return Ok(*format);
    }
    match source.path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "mk" => Ok(Format::Makefile),
        "just" => Ok(Format::Justfile),
        "yaml" | "yml" => {
            let root = crate::definition::load::lined(source).map_err(ImportError::Faults)?;
            let is_there = |key: &str| root.get(key).is_some();
            if is_there("nodes") {
                Ok(Format::Archon)
            } else if is_there("jobs") {
                Ok(Format::GithubActions)
            } else if is_there("steps") {
                Ok(Format::Dagu)
            } else {
                Err(ImportError::Unknown("none of the keys `nodes`, `jobs` and `steps` is there".to_owned()))
            }
        }
        _ => Ok(Format::Prose),
    }
}
