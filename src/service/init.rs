//! Writes a project that runs: one agent that is a shell script, one workflow with one gate.
//!
//! Invariant: nothing is written over, unless that was asked for; a refusal writes nothing at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::service::refusal::Refusal;

/// A set of files to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
    /// The workflow to run first.
    pub workflow: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// Edits to try, in words.
    pub edits: &'static [&'static str],
}

/// The templates; the first is the default.
pub const TEMPLATES: &[Template] = &[Template {
    name: "hello",
    description: "one agent that is a shell script, one workflow with one gate; needs no account",
    workflow: "hello",
    files: &[
        ("orch.toml", include_str!("init/orch.toml")),
        ("agents/greeter.md", include_str!("init/greeter.md")),
        ("agents/hello-agent.sh", include_str!("init/hello-agent.sh")),
        ("workflows/hello.yaml", include_str!("init/hello.yaml")),
    ],
    edits: &[
        "make the gate fail: in workflows/hello.yaml let it look for Goodbye",
        "work in parallel: add `- parallel: [{ id: day, run: date }, { id: place, run: pwd }]` to its steps",
        "ask a person: add `- approve: \"Is this the right greeting?\"` to its gate",
    ],
}];

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

/// Writes the template called `name` (the first one where absent) into `root`.
///
/// # Errors
/// When there is no such template, a file is in the way and `force` is not given, or a file cannot be written.
pub fn init(root: &Path, name: Option<&str>, force: bool) -> Result<Initialised, Refusal> {
    let template = *match name {
        None => &TEMPLATES[0],
        Some(name) => TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
            let names: Vec<_> = TEMPLATES.iter().map(|template| template.name).collect();
            let help = format!("there are: {}", names.join(", "));
            Refusal::new(11, "E0516", format!("there is no template `{name}`"), help)
        })?,
    };
    let mut done =
        Initialised { root: root.to_owned(), template, written: vec![], unchanged: vec![], replaced: vec![] };
    let mut to_write = Vec::new();
    for (path, text) in template.files {
        let full = root.join(path);
        match fs::read(&full) {
            Ok(there) if there == text.as_bytes() => done.unchanged.push(path.into()),
            Ok(_) => {
                done.replaced.push(path.into());
                to_write.push((full, *text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                done.written.push(path.into());
                to_write.push((full, *text));
            }
            Err(error) => return Err(cannot(&full, &error)),
        }
    }
    if !done.replaced.is_empty() && !force {
        let names: Vec<_> = done.replaced.iter().map(|path| path.display().to_string()).collect();
        let message = format!("these files are there and differ: {}; nothing was written", names.join(", "));
        return Err(Refusal::new(
            2,
            "E0515",
            message,
            "give another folder, `orch init DIR`, or add `--force` to replace them",
        ));
    }
    for (full, text) in to_write {
        let made = full.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&full, text));
        made.map_err(|error| cannot(&full, &error))?;
    }
    Ok(done)
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
        let refusal = init(folder.path(), None, false).unwrap_err();
        assert_eq!((refusal.exit, refusal.id), (2, "E0515"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let done = init(folder.path(), None, true).unwrap();
        assert_eq!(done.replaced, [PathBuf::from("orch.toml")]);
        assert_eq!(init(folder.path(), None, false).unwrap().unchanged.len(), 4);
    }
}
