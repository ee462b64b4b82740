//! `orch init`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        clean::one_line,
        failure::Failure,
        session::Session,
        style::{BOLD, DIM, paint},
    },
    service::{Choice, Initialised, Template, init, templates},
};

/// Arguments of `orch init`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch init\n  orch init demo && cd demo && orch run hello\n  orch init --sample fix-bug demo"
)]
pub struct InitArgs {
    /// The folder to write into; made where it is not there [default: the current one]
    // A name of its own: `folder` is the flag `-C` of every verb.
    #[arg(id = "into", value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Which files to write
    #[arg(long, value_name = "NAME")]
    pub template: Option<String>,
    /// Write the small project to try a shipped workflow with
    #[arg(long, value_name = "WORKFLOW", conflicts_with = "template")]
    pub sample: Option<String>,
    /// List the templates and the samples
    #[arg(long)]
    pub list: bool,
    /// Replace files that are there and differ
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(session: &mut Session, args: &InitArgs) -> Result<u8, Failure> {
    if args.list {
        if session.global.json {
            let list = templates().into_iter().map(|one| {
                let kind = if one.is_sample { "sample" } else { "template" };
                json!({ "name": one.name, "kind": kind, "description": one.description })
            });
            session.out.json(&list.collect::<Vec<_>>())?;
        } else {
            let line = |one: Template| {
                let flag = if one.is_sample { "--sample" } else { "--template" };
                format!("{flag} {}  {}\n", one.name, one.description)
            };
            session.out.data(&templates().into_iter().map(line).collect::<String>())?;
        }
        return Ok(0);
    }
    let base = session.folder();
    let root = args.into.as_ref().map_or_else(|| base.clone(), |folder| base.join(folder));
    let choice = match &args.sample {
        Some(name) => Choice::Sample(name),
        None => Choice::Template(args.template.as_deref()),
    };
    let done = init(&root, choice, args.force)?;
    if session.global.json {
        session.out.json(&json!({
            "version": 1, "root": done.root, "template": done.template.name, "written": done.written,
            "unchanged": done.unchanged, "replaced": done.replaced, "next": done.template.next,
        }))?;
    } else if !session.global.quiet {
        session.out.data(&text(&done, session.environment.folder()))?;
    }
    Ok(0)
}

fn text(done: &Initialised, here: &Path) -> String {
    let mut text = String::new();
    for (word, paths) in [("wrote", &done.written), ("replaced", &done.replaced), ("unchanged", &done.unchanged)] {
        for path in paths {
            let _ = writeln!(text, "{word:>10}  {}", one_line(&path.display().to_string()));
        }
    }
    let relative = done.root.strip_prefix(here).unwrap_or(&done.root);
    let is_here = relative.as_os_str().is_empty() || relative == Path::new(".");
    let go =
        if is_here { String::new() } else { format!("cd {} && ", shell_words::quote(&relative.to_string_lossy())) };
    let _ = writeln!(text, "\n{} {go}{}", paint(BOLD, "next:"), done.template.next);
    if done.template.edits.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\n{}", paint(DIM, "then try an edit, and run it again:"));
    for (place, edit) in done.template.edits.iter().enumerate() {
        let _ = writeln!(text, "  {}. {edit}", place + 1);
    }
    text
}
