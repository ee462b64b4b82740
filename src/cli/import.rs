//! `orch import`.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    cli::{
        clean::{clean, one_line},
        exit::Exit,
        failure::Failure,
        session::Session,
        style::{BAD, BOLD, DIM, paint},
    },
    service::{ImportFailure, ImportFile, ImportForm, ImportFrom, ImportRequest, import},
};

/// Arguments of `orch import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch import /refactor\n  orch import .claude/commands --dry-run\n  \
    orch import .archon/workflows/fix.yaml -o workflows/fix.yaml\n\n\
    What the source leaves open is marked in the file and listed at the end.")]
pub struct ImportArgs {
    /// A file, a folder of files, or a /command
    pub what: String,
    /// The file or folder to write [default: workflows/]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How to write it [default: literate for prose, else yaml]
    #[arg(long, value_name = "FORM")]
    pub form: Option<FormArg>,
    /// What the source is
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub from: FromArg,
    /// Print the workflow and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

/// How to write a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormArg {
    /// Markdown whose headings are steps
    Literate,
    /// YAML
    Yaml,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FromArg {
    /// By its name and its keys
    Auto,
    /// A text for a coding agent
    Prose,
    /// A workflow of Archon
    Archon,
    /// A workflow of GitHub Actions
    GithubActions,
    /// A Makefile
    Makefile,
    /// A justfile
    Justfile,
    /// A workflow of Dagu
    Dagu,
}

impl FromArg {
    fn format(self) -> Option<ImportFrom> {
        match self {
            Self::Auto => None,
            Self::Prose => Some(ImportFrom::Prose),
            Self::Archon => Some(ImportFrom::Archon),
            Self::GithubActions => Some(ImportFrom::GithubActions),
            Self::Makefile => Some(ImportFrom::Makefile),
            Self::Justfile => Some(ImportFrom::Justfile),
            Self::Dagu => Some(ImportFrom::Dagu),
        }
    }
}

pub(super) fn run(session: &mut Session, args: &ImportArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let request = ImportRequest {
        what: args.what.clone(),
        output: args.output.clone(),
        form: args.form.map(|form| match form {
            FormArg::Literate => ImportForm::Literate,
            FormArg::Yaml => ImportForm::Yaml,
        }),
        from: args.from.format(),
        dry_run: args.dry_run,
        force: args.force,
    };
    let (files, failures) = import(&project, &request)?;
    if session.global.json {
        let files: Vec<Value> = files.iter().map(|file| to_json(file, args.dry_run)).collect();
        let failures: Vec<Value> = failures
            .iter()
            .map(|one| json!({ "source": one.source, "error": Failure::from(one.fault.clone()).to_json()["error"] }))
            .collect();
        session.out.json(&json!({ "version": 1, "files": files, "failures": failures }))?;
    } else {
        for file in &files {
            if args.dry_run {
                session.out.data(&clean(&file.imported.text))?;
            }
            session.out.talk(&about(file));
        }
        failed(session, &failures);
        if let ([file], false, false) = (files.as_slice(), args.dry_run, session.global.quiet) {
            session.out.data(&next(file))?;
        }
    }
    Ok(if failures.is_empty() { Exit::Success.code() } else { Exit::Failed.code() })
}

fn to_json(file: &ImportFile, with_text: bool) -> Value {
    let imported = &file.imported;
    json!({
        "source": file.source,
        "path": file.path,
        "written": file.is_written,
        "name": imported.name,
        "form": match imported.form { ImportForm::Literate => "literate", ImportForm::Yaml => "yaml" },
        "from": imported.format.word(),
        "steps": imported.steps,
        "phases": imported.phases,
        "references": imported.references,
        "marks": imported.marks,
        "text": with_text.then_some(&imported.text),
    })
}

/// What was written, and all that was not decided.
fn about(file: &ImportFile) -> String {
    let imported = &file.imported;
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let path = one_line(&file.path.display().to_string());
    let word = if file.is_written { "wrote" } else { "would write" };
    let mut text = format!(
        "{word} {} from {}: {}\n",
        paint(BOLD, &path),
        one_line(&file.source.display().to_string()),
        count(imported.steps, "step"),
    );
    if imported.marks.is_empty() {
        text.push_str("nothing was left open\n");
        return text;
    }
    let _ = writeln!(text, "{} for you to look at, marked in the file:", count(imported.marks.len(), "decision"));
    for mark in &imported.marks {
        let _ = writeln!(text, "  line {}: {}", mark.line, one_line(&mark.what));
        let _ = writeln!(text, "    {} {}", paint(DIM, "assumed:"), one_line(&mark.assumed));
        let _ = writeln!(text, "    {} {}", paint(DIM, "edit:"), one_line(&mark.edit));
    }
    text
}

fn failed(session: &mut Session, failures: &[ImportFailure]) {
    for one in failures {
        session.out.talk(&format!("{} {}\n", paint(BAD, "not imported:"), one_line(&one.source.display().to_string())));
        Failure::from(one.fault.clone()).tell(&mut session.out, false);
    }
}

fn next(file: &ImportFile) -> String {
    let name = &file.imported.name;
    let path = file.path.display().to_string();
    // A workflow outside `workflows/` is named by its path.
    let name = if file.path.starts_with("workflows") { name.clone() } else { path };
    let name = shell_words::quote(&name).into_owned();
    format!("{} orch plan {name}\n      orch run {name}\n", paint(BOLD, "next:"))
}
