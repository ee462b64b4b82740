//! Brings workflows in: finds the source, has it turned into a workflow, checks that it compiles, writes it.
//!
//! Invariant: nothing is written that does not compile, nothing is written over unasked, and a file is there whole or
//! not at all.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Severity, Source},
    definition::{
        import::{ImportError, Imported, Known, Request},
        load::{lined_frontmatter, load_workflow_text},
    },
    guard::{Root, contained_path},
    plan::compile,
    service::{fault::Fault, filling, project::Project, refusal::Refusal},
};

pub use crate::definition::import::{Form as ImportForm, Format as ImportFrom};

/// The largest source, in bytes.
const BYTES_MAX: u64 = 512 * 1024;
/// Files of one folder at most.
const FILES_MAX: usize = 1_000;
/// Folders inside each other at most.
const DEPTH_MAX: usize = 16;

/// What to import and where to.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// A file, a folder or a `/command`.
    pub what: String,
    /// The file or folder to write; `workflows/` in the project where absent.
    pub output: Option<PathBuf>,
    /// How to write it; what suits the source where absent.
    pub form: Option<ImportForm>,
    /// What the source is; found out where absent.
    pub from: Option<ImportFrom>,
    /// Write nothing.
    pub dry_run: bool,
    /// Replace files.
    pub force: bool,
}

/// One workflow that was brought in.
#[derive(Debug, Clone)]
pub struct ImportFile {
    /// The source, as shown to people.
    pub source: PathBuf,
    /// The file, relative to the project's root.
    pub path: PathBuf,
    /// Whether it was written.
    pub is_written: bool,
    /// What it holds, and what was not decided.
    pub imported: Imported,
}

/// A file of a folder that could not be brought in.
#[derive(Debug, Clone)]
pub struct ImportFailure {
    /// The source, as shown to people.
    pub source: PathBuf,
    /// Why.
    pub fault: Fault,
}

/// Imports a file, every file of a folder, or a command.
///
/// # Errors
/// When the source is not there or a single source cannot be imported. Of a folder, the files that cannot be imported
/// are listed, and the others are.
pub fn import(project: &Project, request: &ImportRequest) -> Result<(Vec<ImportFile>, Vec<ImportFailure>), Fault> {
    let mut known = Known::of(project.library());
    if let Some(name) = request.what.strip_prefix('/').filter(|_| !Path::new(&request.what).exists()) {
        let Some(command) = project.library().commands.get(name) else {
            let help = "`orch list --kind command` names the commands";
            return Err(Refusal::new(11, "E0511", format!("there is no command `/{name}`"), help).into());
        };
        let text = normal_ends(&command.origin.source.text);
        let source = Source::new(&command.origin.path, text);
        let file = one(project, request, &source, &command.name, &known)?;
        return Ok((vec![file], Vec::new()));
    }
    let near = project.environment().folder().join(&request.what);
    let full = if near.exists() { near } else { project.root().join(&request.what) };
    known.commands = commands_beside(&full);
    if full.is_dir() {
        return folder(project, request, &full, &known);
    }
    let source = read(project, &full)?;
    let file = one(project, request, &source, &stem(&full), &known)?;
    Ok((vec![file], Vec::new()))
}

fn folder(
    project: &Project,
    request: &ImportRequest,
    full: &Path,
    known: &Known,
) -> Result<(Vec<ImportFile>, Vec<ImportFailure>), Fault> {
    let mut paths = Vec::new();
    files_below(full, 0, &mut paths);
    if paths.len() > FILES_MAX {
        let message = format!("{} holds more than {FILES_MAX} files that may be sources", full.display());
        return Err(Refusal::new(11, "E0570", message, "name a folder below it, or one of the files").into());
    }
    paths.sort();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for path in paths {
        let inside = path.strip_prefix(full).unwrap_or(&path).with_extension("");
        let name = inside.to_string_lossy().replace('/', "-");
        match read(project, &path).and_then(|source| one(project, request, &source, &name, known)) {
            Ok(file) => done.push(file),
            Err(fault) => failed.push(ImportFailure { source: shown(project, &path), fault }),
        }
    }
    if done.is_empty() && failed.is_empty() {
        let help = "`orch import` reads the files *.md, *.yaml, *.yml, Makefile and justfile of a folder";
        return Err(Refusal::new(11, "E0570", format!("nothing to import in {}", full.display()), help).into());
    }
    Ok((done, failed))
}

fn files_below(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        // One more than may be: whoever asked is told, and not given a part.
        if paths.len() > FILES_MAX {
            return;
        }
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() && depth < DEPTH_MAX {
            files_below(&path, depth + 1, paths);
        }
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let is_source = [".md", ".yaml", ".yml"].iter().any(|ending| name.ends_with(ending))
            || ["makefile", "justfile"].contains(&name.as_str());
        if kind.is_file() && is_source && !name.starts_with("readme") {
            paths.push(path);
        }
    }
}

/// Imports one source and writes it.
fn one(
    project: &Project,
    request: &ImportRequest,
    source: &Arc<Source>,
    name: &str,
    known: &Known,
) -> Result<ImportFile, Fault> {
    let by_output = request.output.as_deref().and_then(form_of);
    let wanted = Request { source, name, form: request.form.or(by_output), format: request.from, known };
    let imported = crate::definition::import::import(&wanted).map_err(|error| refused(&source.path, error))?;
    let path = place(project, request, &imported)?;
    check(project, &path, &imported)?;
    if !request.dry_run {
        write(project.root(), &path, &imported.text, request.force)?;
    }
    Ok(ImportFile { source: source.path.clone(), path, is_written: !request.dry_run, imported })
}

fn form_of(path: &Path) -> Option<ImportForm> {
    match path.extension()?.to_str()? {
        "md" => Some(ImportForm::Literate),
        "yaml" | "yml" => Some(ImportForm::Yaml),
        _ => None,
    }
}

/// Where the workflow goes, relative to the root.
fn place(project: &Project, request: &ImportRequest, imported: &Imported) -> Result<PathBuf, Refusal> {
    let file = format!("{}.{}", imported.name, imported.form.ending());
    let Some(output) = &request.output else { return Ok(Path::new("workflows").join(file)) };
    let full = project.environment().folder().join(output);
    let is_folder = full.is_dir() || form_of(output).is_none();
    let full = if is_folder { full.join(file) } else { full.with_extension(imported.form.ending()) };
    // The root is without links; the folder that the program was started in may have some.
    let real = full.parent().and_then(|folder| folder.canonicalize().ok());
    let full = match (real, full.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        (None, _) | (_, None) => full,
    };
    full.strip_prefix(project.root()).map(Path::to_path_buf).map_err(|_| {
        let message = format!("{} is not below {}", full.display(), project.root().display());
        Refusal::new(2, "E0573", message, "name a file of the project: `-o workflows/NAME.md`, or use `--dry-run`")
    })
}

/// The workflow as the project would see it must have no faults.
fn check(project: &Project, path: &Path, imported: &Imported) -> Result<(), Refusal> {
    let (mut entries, mut faults) = load_workflow_text(project.root(), path, &imported.text);
    if let Some(entry) = entries.first_mut() {
        filling::fill_workflow(project.settings(), &mut entry.workflow);
        faults.extend(compile(project.library(), &entry.workflow).err().unwrap_or_default());
    }
    let Some(fault) = faults.iter().find(|fault| fault.severity == Severity::Error) else { return Ok(()) };
    let message = format!("the workflow would have a fault: {} ({})", fault.message, fault.code);
    Err(Refusal::new(70, "E0574", message, "nothing was written; please report this with the source"))
}

fn write(root: &Path, path: &Path, text: &str, force: bool) -> Result<(), Refusal> {
    let full = contained_path(root, path).map_err(|fault| {
        Refusal::new(2, "E0573", fault.to_string(), "name a plain file of the project: `-o workflows/NAME.md`")
    })?;
    if full.exists() && !force {
        return Err(exists(path));
    }
    let cannot = |error: io::Error| {
        let help = "correct its permissions, or name another file with `-o`";
        Refusal::new(1, "E0517", format!("{} cannot be written: {error}", path.display()), help).retryable()
    };
    Root::open(root).and_then(|root| root.write_whole(path, text.as_bytes())).map_err(cannot)
}

fn exists(path: &Path) -> Refusal {
    let message = format!("{} is there already; nothing was written to it", path.display());
    Refusal::new(2, "E0572", message, "name another file with `-o`, or replace it with `--force`")
}

fn refused(path: &Path, error: ImportError) -> Fault {
    let path = path.display();
    match error {
        ImportError::TooLarge(why) => {
            Refusal::new(11, "E0570", format!("{path}: {why}"), "split the source, and import its parts").into()
        }
        ImportError::Unknown(why) => {
            let help = "say what it is: `--from prose|archon|github-actions|makefile|justfile|dagu`";
            Refusal::new(10, "E0571", format!("{path}: {why}"), help).into()
        }
        ImportError::Circle(steps) => {
            let message = format!("{path}: steps of the source wait for each other: {steps}");
            Refusal::new(10, "E0575", message, "take one of these dependencies out of the source").into()
        }
        ImportError::Faults(faults) => Fault::Diagnosed(faults),
        ImportError::Unwritable(faults) => {
            let why =
                faults.first().map_or_else(|| "it would be read differently".to_owned(), |one| one.message.clone());
            let help = "nothing was written; please report this with the source";
            Refusal::new(70, "E0574", format!("{path}: {why}"), help).into()
        }
    }
}

fn read(project: &Project, full: &Path) -> Result<Arc<Source>, Fault> {
    let shown = shown(project, full);
    let unreadable = |why: String| {
        let help = "name a text file, a folder, or a command: `orch import /NAME`";
        Refusal::new(11, "E0570", format!("{} cannot be read: {why}", shown.display()), help)
    };
    let found = fs::metadata(full).map_err(|error| unreadable(error.to_string()))?;
    if !found.is_file() {
        return Err(unreadable("it is no plain file".to_owned()).into());
    }
    if found.len() > BYTES_MAX {
        return Err(unreadable(format!("it has {} bytes, more than {BYTES_MAX}", found.len())).into());
    }
    let bytes = fs::read(full).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.contains('\0') {
        return Err(unreadable("it has NUL characters".to_owned()).into());
    }
    Ok(Source::new(shown, normal_ends(text)))
}

fn normal_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn shown(project: &Project, full: &Path) -> PathBuf {
    full.strip_prefix(project.root()).unwrap_or(full).to_path_buf()
}

fn stem(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or(&name).to_owned()
}

/// The texts of the commands that belong to a workflow of another runner: `.archon/commands/` around it.
fn commands_beside(full: &Path) -> BTreeMap<String, String> {
    let mut commands = BTreeMap::new();
    let folders =
        full.ancestors().skip(1).take(8).flat_map(|folder| [folder.join("commands"), folder.join(".archon/commands")]);
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else { return commands };
    let mut paths = Vec::new();
    files_below(&folder, 0, &mut paths);
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let is_small = fs::metadata(&path).is_ok_and(|found| found.len() <= BYTES_MAX);
        if let Some(text) = is_small.then(|| fs::read_to_string(&path).ok()).flatten() {
            let source = Source::new(&path, normal_ends(&text));
            let (_, body) = lined_frontmatter(&source);
            commands.insert(stem(&path), source.text[body].trim().to_owned());
        }
    }
    commands
}
