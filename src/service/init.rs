//! Writes a project that runs: a template with one agent that is a shell script, or the sample of a shipped workflow.
//!
//! Invariant: nothing is written over, unless that was asked for; a refusal writes nothing at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    base::did_you_mean,
    definition::load::{ShippedSample, shipped_samples},
    service::refusal::Refusal,
};

/// A set of files to begin with.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// One line.
    pub description: String,
    /// Whether it is the sample of a shipped workflow.
    pub is_sample: bool,
    /// The command to run first.
    pub next: String,
    files: Vec<(PathBuf, &'static [u8])>,
    /// Edits to try, in words.
    pub edits: &'static [&'static str],
}

/// Which files are wanted.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// A template; the default one where absent.
    Template(Option<&'a str>),
    /// The sample of the shipped workflow of that name.
    Sample(&'a str),
}

const HELLO: &[(&str, &str)] = &[
    ("orch.toml", include_str!("init/orch.toml")),
    ("agents/greeter.md", include_str!("init/greeter.md")),
    ("agents/hello-agent.sh", include_str!("init/hello-agent.sh")),
    ("workflows/hello.yaml", include_str!("init/hello.yaml")),
];

/// The templates, the default one first, and then the samples.
#[must_use]
pub fn templates() -> Vec<Template> {
    let hello = Template {
        name: "hello".to_owned(),
        description: "one agent that is a shell script, one workflow with one gate; needs no account".to_owned(),
        is_sample: false,
        next: "orch run hello".to_owned(),
        files: HELLO.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes())).collect(),
        edits: &[
            "make the gate fail: in workflows/hello.yaml let it look for Goodbye",
            "work in parallel: add `- parallel: [{ id: day, run: date }, { id: place, run: pwd }]` to its steps",
            "ask a person: add `- approve: \"Is this the right greeting?\"` to its gate",
        ],
    };
    [hello].into_iter().chain(shipped_samples().into_iter().map(of_sample)).collect()
}

/// A sample says in its `README.md` what it is, in the line below the heading, and how it is run.
fn of_sample(sample: ShippedSample) -> Template {
    let about = sample.files.iter().find(|(path, _)| path == Path::new("README.md"));
    let about = about.map_or("", |(_, text)| str::from_utf8(text).unwrap_or_default());
    let description = about.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
    let commands = about.lines().filter_map(|line| line.strip_prefix("$ "));
    let next = commands.filter(|line| line.starts_with("orch run ")).map(str::to_owned).next();
    Template {
        next: next.unwrap_or_else(|| format!("orch run {}", sample.name)),
        name: sample.name,
        description,
        is_sample: true,
        files: sample.files,
        edits: &[],
    }
}

/// What `init` has done.
#[derive(Debug, Clone)]
pub struct Initialised {
    /// The folder.
    pub root: PathBuf,
    /// The template.
    pub template: Template,
    /// Files that were written, relative to the folder.
    pub written: Vec<PathBuf>,
    /// Files that were there with the same content.
    pub unchanged: Vec<PathBuf>,
    /// Files that were written over.
    pub replaced: Vec<PathBuf>,
}

/// Writes what was chosen into `root`.
///
/// # Errors
/// When there is no such template, a file is in the way and `force` is not given, or a file cannot be written.
pub fn init(root: &Path, choice: Choice<'_>, force: bool) -> Result<Initialised, Refusal> {
    let template = chosen(choice)?;
    let (mut written, mut unchanged, mut replaced) = (vec![], vec![], vec![]);
    let mut to_write = Vec::new();
    for (path, content) in &template.files {
        let full = root.join(path);
        match fs::read(&full) {
            Ok(there) if there == *content => unchanged.push(path.clone()),
            Ok(_) => {
                replaced.push(path.clone());
                to_write.push((full, *content));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                written.push(path.clone());
                to_write.push((full, *content));
            }
            Err(error) => return Err(cannot(&full, &error)),
        }
    }
    if !replaced.is_empty() && !force {
        let names: Vec<_> = replaced.iter().map(|path| path.display().to_string()).collect();
        let message = format!("these files are there and differ: {}; nothing was written", names.join(", "));
        return Err(Refusal::new(
            2,
            "E0515",
            message,
            "give another folder, `orch init DIR`, or add `--force` to replace them",
        ));
    }
    for (full, content) in to_write {
        let made = full.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&full, content));
        made.map_err(|error| cannot(&full, &error))?;
    }
    Ok(Initialised { root: root.to_owned(), template, written, unchanged, replaced })
}

fn chosen(choice: Choice<'_>) -> Result<Template, Refusal> {
    let (kind, name, is_sample) = match choice {
        Choice::Template(name) => ("template", name.unwrap_or("hello"), false),
        Choice::Sample(name) => ("sample", name.strip_prefix('/').unwrap_or(name), true),
    };
    let mut all = templates();
    all.retain(|one| one.is_sample == is_sample);
    if let Some(place) = all.iter().position(|one| one.name == name) {
        return Ok(all.swap_remove(place));
    }
    let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
    let near =
        did_you_mean(name, names.iter().copied()).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let help = format!("{near}there are: {}", names.join(", "));
    Err(Refusal::new(11, "E0516", format!("there is no {kind} `{name}`"), help))
}

fn cannot(path: &Path, error: &io::Error) -> Refusal {
    Refusal::new(
        1,
        "E0517",
        format!("{} cannot be written: {error}", path.display()),
        "correct its permissions, or take another folder",
    )
    .retryable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("orch.toml"), "parallel = 3\n").unwrap();
        let refusal = init(folder.path(), Choice::Template(None), false).unwrap_err();
        assert_eq!((refusal.exit, refusal.id), (2, "E0515"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let done = init(folder.path(), Choice::Template(None), true).unwrap();
        assert_eq!(done.replaced, [PathBuf::from("orch.toml")]);
        assert_eq!(init(folder.path(), Choice::Template(None), false).unwrap().unchanged.len(), 4);
    }

    #[test]
    fn every_sample_says_what_it_is_and_how_it_is_run() {
        let samples: Vec<_> = templates().into_iter().filter(|one| one.is_sample).collect();
        assert!(!samples.is_empty());
        for sample in samples {
            assert!(!sample.description.is_empty() && !sample.description.starts_with('#'), "{}", sample.name);
            assert!(sample.next.starts_with(&format!("orch run /{}", sample.name)), "{}: {}", sample.name, sample.next);
            assert!(sample.files.iter().any(|(path, _)| path == Path::new("orch.toml")), "{}", sample.name);
            let endings = sample.files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "sample"));
            assert_eq!(endings.count(), 0, "{}", sample.name);
        }
    }
}
