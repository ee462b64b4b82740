//! Which files of cases are tested, and with which workflows. Faults of all files are told before anything runs.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use crate::{
    base::{Code, Diagnostic, Severity, did_you_mean},
    definition::{
        cases::{Case, CaseFile},
        load::{case_files, load_cases, load_cases_text, shipped_cases},
    },
    plan::Plan,
    service::{
        cases::{
            differ::differences,
            drive, names,
            report::{CaseResult, Difference, Section, TestReport},
        },
        fault::Fault,
        find::find_runnable,
        project::Project,
        refusal::Refusal,
        run_settings::RunSettings,
        skill_cases,
    },
};

/// The code of cases of something that cannot be run.
const CASE: Code = Code("E0578");

/// Cases at once. Each has a keeper and threads of its own, so more of them would only wait for each other.
const WORKERS_MAX: usize = 8;

/// The word that names the cases of skills.
const SKILLS: &str = "skills";

/// A file that is to be read: in the project, or in the binary.
enum File {
    Disk(PathBuf),
    Shipped(PathBuf, &'static str),
}

/// A file of cases and what it tests.
struct Tested {
    file: CaseFile,
    plan: Plan,
}

/// Runs the cases of the project: all, or those of workflows, commands or files that are named, or of `skills`. `program` is this program.
///
/// # Errors
/// When there is nothing to test, and for all faults of the files at once.
pub fn test(
    project: &Project,
    wanted: &[String],
    program: PathBuf,
    mut tell: impl FnMut(&CaseResult),
) -> Result<TestReport, Fault> {
    let is_skills = |word: &&String| **word == SKILLS;
    let only_skills = !wanted.is_empty() && wanted.iter().all(|word| is_skills(&word));
    let skills = if wanted.is_empty() || wanted.iter().any(|word| is_skills(&word)) {
        skill_results(project)
    } else {
        Vec::new()
    };
    let others: Vec<String> = wanted.iter().filter(|word| !is_skills(word)).cloned().collect();
    let tested = match if only_skills { Ok(Vec::new()) } else { read(project, &others) } {
        // A project with cases for its skills alone has something to test.
        Err(Fault::Refused(refusal)) if refusal.id == "E0579" && !skills.is_empty() => Vec::new(),
        read => read?,
    };
    skills.iter().for_each(&mut tell);
    let cases = results(&tested, &project.run_settings(program), tell);
    let sections = [Section { name: SKILLS, cases: skills }, Section { name: "workflows", cases }];
    Ok(TestReport::new(sections.into_iter().filter(|section| !section.cases.is_empty()).collect()))
}

/// The cases of skills, in the form of all cases.
fn skill_results(project: &Project) -> Vec<CaseResult> {
    let results = skill_cases::run(project).into_iter().map(|case| {
        let (file, line) = case.place.rsplit_once(':').unwrap_or((&case.place, "1"));
        let difference = Difference {
            about: "activates".to_owned(),
            expected: case.expected.join(", "),
            found: case.found.join(", "),
            evidence: case.why,
        };
        CaseResult {
            file: file.to_owned(),
            line: line.parse().unwrap_or(1),
            subject: "skills".to_owned(),
            name: case.name,
            passed: case.passed,
            millis: 0,
            differences: if case.passed { Vec::new() } else { vec![difference] },
        }
    });
    results.collect()
}

/// The cases run beside each other, because most of each is waiting; they are told in the order in which they are written.
fn results(tested: &[Tested], settings: &RunSettings, mut tell: impl FnMut(&CaseResult)) -> Vec<CaseResult> {
    let all: Vec<_> = tested.iter().flat_map(|one| one.file.cases.iter().map(move |case| (one, case))).collect();
    let next = AtomicUsize::new(0);
    let work = |done: mpsc::Sender<(usize, CaseResult)>| {
        while let Some((place, (tested, case))) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            all.get(place).map(|one| (place, one))
        } {
            done.send((place, result(tested, case, settings))).ok();
        }
    };
    let mut found: Vec<CaseResult> = Vec::with_capacity(all.len());
    thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).clamp(2, WORKERS_MAX);
        for _ in 0..workers.min(all.len()) {
            let done = done.clone();
            scope.spawn(|| work(done));
        }
        drop(done);
        let mut early = BTreeMap::new();
        for (place, result) in results {
            early.insert(place, result);
            while let Some(result) = early.remove(&found.len()) {
                tell(&result);
                found.push(result);
            }
        }
    });
    found
}

fn result(tested: &Tested, case: &Case, settings: &RunSettings) -> CaseResult {
    let begun = Instant::now();
    let differences = match drive::run(&tested.plan, case, settings) {
        Ok(ended) => differences(&tested.plan, case, &ended),
        Err(fault) => vec![Difference {
            about: "run".to_owned(),
            expected: "an end".to_owned(),
            found: "none".to_owned(),
            evidence: fault.to_string(),
        }],
    };
    CaseResult {
        file: tested.file.path.display().to_string(),
        line: tested.file.source.position(case.name.span.start).line,
        subject: tested.file.target.value.clone(),
        name: case.name.value.clone(),
        passed: differences.is_empty(),
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        differences,
    }
}

fn read(project: &Project, wanted: &[String]) -> Result<Vec<Tested>, Fault> {
    let mut faults: Vec<Diagnostic> = Vec::new();
    let mut files: Vec<CaseFile> = Vec::new();
    let mut unused = wanted.to_vec();
    let mut names: Vec<String> = Vec::new();
    for file in all(project, wanted) {
        let (path, (read, found)) = match &file {
            File::Disk(path) => {
                let shown = path.strip_prefix(project.root()).unwrap_or(path);
                (shown.to_path_buf(), load_cases(path, shown))
            }
            File::Shipped(path, text) => (path.clone(), load_cases_text(path, text)),
        };
        let target = read.as_ref().map(|file| file.target.value.clone());
        let is = |word: &String| is_named(project, word, &path, target.as_deref());
        let is_wanted = match file {
            File::Disk(_) => wanted.is_empty() || wanted.iter().any(is),
            // What is shipped is tested where the project has no cases of that name.
            File::Shipped(..) => unused.iter().any(is),
        };
        names.extend(target);
        if is_wanted {
            if matches!(file, File::Disk(_)) || read.is_some() {
                unused.retain(|word| !is_named(project, word, &path, read.as_ref().map(|file| &*file.target.value)));
            }
            faults.extend(found);
            files.extend(read);
        }
    }
    if let Some(word) = unused.first() {
        let help = match did_you_mean(word, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `workflows/tests/{}.yaml`", word.trim_start_matches('/')),
        };
        return Err(Refusal::new(11, "E0576", format!("there are no cases for `{word}`"), help).into());
    }
    let mut tested = Vec::new();
    for file in files {
        match compile(project, file) {
            Ok(one) => tested.push(one),
            Err(found) => faults.extend(found),
        }
    }
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Fault::Diagnosed(faults));
    }
    if tested.is_empty() {
        let help = "write some: `workflows/tests/NAME.yaml` with `workflow: NAME` and `cases:`; see docs/testing.md";
        return Err(Refusal::new(11, "E0579", "there are no cases in this project", help).into());
    }
    Ok(tested)
}

/// The files that may be wanted: of the project, those that are named by their path, and those in the binary.
fn all(project: &Project, wanted: &[String]) -> Vec<File> {
    let mut paths = case_files(project.root());
    for word in wanted {
        if let Some(path) = on_disk(project, word)
            && path.is_file()
            && !paths.contains(&path)
        {
            paths.push(path);
        }
    }
    let disk = paths.into_iter().map(File::Disk);
    disk.chain(shipped_cases().into_iter().map(|(path, text)| File::Shipped(path, text))).collect()
}

/// The file or folder of a word that looks like a path.
fn on_disk(project: &Project, word: &str) -> Option<PathBuf> {
    let path = Path::new(word);
    if word.starts_with('/') && path.components().count() == 2 {
        return None;
    }
    let near = project.environment().folder().join(path);
    let full = if near.exists() { near } else { project.root().join(path) };
    full.canonicalize().ok()
}

/// Whether a word names a file of cases: by its path or folder, by its own name, or by what it tests.
fn is_named(project: &Project, word: &str, path: &Path, target: Option<&str>) -> bool {
    let bare = word.trim_start_matches('/');
    let full = project.root().join(path);
    target.is_some_and(|target| target == word || target.trim_start_matches('/') == bare)
        || path.file_stem().is_some_and(|stem| stem == bare)
        || on_disk(project, word).is_some_and(|named| full.starts_with(named))
}

fn compile(project: &Project, file: CaseFile) -> Result<Tested, Vec<Diagnostic>> {
    let plan = match find_runnable(project, &file.target.value) {
        Ok(runnable) => runnable.plan,
        Err(Fault::Diagnosed(found)) => return Err(found),
        Err(Fault::Refused(refusal)) => {
            let fault = Diagnostic::error(CASE, &file.source, file.target.span, refusal.message);
            return Err(vec![fault.cause("these cases test it").help(refusal.help)]);
        }
    };
    let faults = names::faults(&file, &plan);
    if faults.is_empty() { Ok(Tested { file, plan }) } else { Err(faults) }
}
