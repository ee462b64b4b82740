//! Cases for skills: a text of a step, and the skills that must or must not be activated by it. Runs no agent.
//!
//! Cases stand in a file `tests.yaml` in a folder of skills or beside a `SKILL.md`:
//! `cases: [{ text: "…", files: [src/a.rs], activates: [rust-conventions], not: [python] }]`. The compiler's own
//! activation judges them; `activates: []` wants no skill at all. Such a file is no definition, so no loader reads it.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    base::Source,
    definition::{
        Scope,
        load::{Lined, LinedKind, lined},
        normal_name,
    },
    guard::contained_path,
    plan::activated_skills,
    service::project::Project,
};

/// The name of the files.
const FILE: &str = "tests.yaml";
/// A larger file is a fault.
const BYTES_MAX: u64 = 1024 * 1024;
/// More cases in one file are a fault.
const CASES_MAX: usize = 10_000;
const KEYS: [&str; 5] = ["name", "text", "files", "activates", "not"];

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// Its `name:`, else the beginning of its text.
    pub name: String,
    /// Whether all of `activates` were found and nothing of `not`.
    pub passed: bool,
    /// The skills that the text activates, the strongest reason first.
    pub found: Vec<String>,
    /// The skills that it must activate; others may be there as well, unless the case says `activates: []`.
    pub expected: Vec<String>,
    /// The file and the line, as `skills/tests.yaml:3`.
    pub place: String,
    /// Why it failed, in words; empty where it passed.
    pub why: String,
}

#[derive(Debug)]
struct Case {
    name: String,
    text: String,
    files: Vec<String>,
    activates: Vec<String>,
    not: Vec<String>,
    /// `activates: []`: no skill at all.
    nothing: bool,
    place: String,
}

/// Runs all cases of the project: of `tests.yaml` in the folders that its skills were found in, and beside each skill.
/// The cases come in the order of files and lines. A file that cannot be read as cases is one failed case that says why.
#[must_use]
pub fn run(project: &Project) -> Vec<CaseResult> {
    let mut results = Vec::new();
    for path in files(project) {
        match cases(project, &path) {
            Ok(cases) => results.extend(judged(project, cases)),
            Err((line, why)) => results.push(CaseResult {
                name: path.display().to_string(),
                passed: false,
                found: Vec::new(),
                expected: Vec::new(),
                place: format!("{}:{line}", path.display()),
                why,
            }),
        }
    }
    results
}

/// The files that are there, relative to the root.
fn files(project: &Project) -> BTreeSet<PathBuf> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::from([PathBuf::from("skills"), PathBuf::from(".orch/skills")]);
    for (skill, _) in project.library().skills.all().filter(|(skill, _)| skill.origin.scope != Scope::Builtin) {
        folders.extend(skill.origin.path.ancestors().skip(1).take(2).map(Path::to_path_buf));
    }
    let paths = folders.into_iter().map(|folder| folder.join(FILE));
    paths.filter(|path| path.is_relative() && project.root().join(path).is_file()).collect()
}

fn cases(project: &Project, path: &Path) -> Result<Vec<Case>, (usize, String)> {
    let whole = |why: String| (1, why);
    let full = contained_path(project.root(), path).map_err(|fault| whole(fault.to_string()))?;
    let mut text = String::new();
    fs::File::open(full)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| whole(format!("it cannot be read: {error}")))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(whole(format!("it has more than {BYTES_MAX} bytes")));
    }
    let root = lined(&Source::new(path, text)).map_err(|faults| {
        let fault = faults.first().map(|fault| (fault.source.position(fault.span.start).line, fault.message.clone()));
        fault.unwrap_or_else(|| whole("it is not YAML".to_owned()))
    })?;
    for (key, line, _) in root.entries() {
        if key != "cases" {
            return Err((*line, format!("the key `{key}` is not known here; write `cases:`")));
        }
    }
    let items = root.get("cases").map(Lined::items).unwrap_or_default();
    if items.is_empty() || items.len() > CASES_MAX {
        return Err(whole(format!("`cases:` holds {} cases; it takes 1 to {CASES_MAX}", items.len())));
    }
    items.iter().map(|item| case(path, item)).collect()
}

fn case(path: &Path, item: &Lined) -> Result<Case, (usize, String)> {
    if let Some((key, line, _)) = item.entries().iter().find(|(key, ..)| !KEYS.contains(&key.as_str())) {
        return Err((*line, format!("the key `{key}` is not known here; a case has {}", KEYS.join(", "))));
    }
    let list = |key: &str| -> Result<Vec<String>, (usize, String)> {
        let Some(value) = item.get(key) else { return Ok(Vec::new()) };
        let words = value.items().iter().map(|item| match item.kind {
            LinedKind::Scalar(_) => item.text(),
            LinedKind::List(_) | LinedKind::Map(_) => None,
        });
        words.collect::<Option<_>>().ok_or_else(|| (value.line, format!("`{key}` takes a list of texts")))
    };
    let text = item.get("text").and_then(Lined::text);
    let text = text.ok_or_else(|| (item.line, "a case needs `text:`, the text of a step".to_owned()))?;
    let (files, activates, not) = (list("files")?, list("activates")?, list("not")?);
    let nothing = item.get("activates").is_some() && activates.is_empty();
    if activates.is_empty() && not.is_empty() && !nothing {
        return Err((item.line, "a case needs `activates:` or `not:`, or it can never fail".to_owned()));
    }
    let name = item.get("name").and_then(Lined::text).unwrap_or_else(|| text.chars().take(60).collect());
    Ok(Case { nothing, name, text, files, activates, not, place: format!("{}:{}", path.display(), item.line) })
}

fn judged(project: &Project, cases: Vec<Case>) -> Vec<CaseResult> {
    let library = project.library();
    let asked: Vec<(&str, &[String])> = cases.iter().map(|case| (case.text.as_str(), case.files.as_slice())).collect();
    let found = activated_skills(library, &asked);
    cases
        .into_iter()
        .zip(found)
        .map(|(case, found)| {
            let is_found = |name: &&String| found.iter().any(|(other, _)| normal_name(other) == normal_name(name));
            let mut why: Vec<String> = Vec::new();
            for name in case.activates.iter().filter(|name| !is_found(name)) {
                let known = library.skills.get(name).is_some();
                why.push(if known {
                    format!("`{name}` is not activated")
                } else {
                    format!("there is no skill `{name}`")
                });
            }
            for (name, reason) in &found {
                if case.nothing || case.not.iter().any(|other| normal_name(other) == normal_name(name)) {
                    why.push(format!("`{name}` is activated ({reason})"));
                }
            }
            CaseResult {
                name: case.name,
                passed: why.is_empty(),
                found: found.into_iter().map(|(name, _)| name.to_owned()).collect(),
                expected: case.activates,
                place: case.place,
                why: why.join("; "),
            }
        })
        .collect()
}
