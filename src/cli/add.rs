//! `orch add` and `orch remove`.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    cli::{
        clean::one_line,
        failure::Failure,
        session::Session,
        style::{DIM, GOOD, paint},
    },
    service::{AddRequest, AddedFolder, add, remove},
};

/// Files that were left out and are named; the rest is counted.
const SKIPPED_SHOWN: usize = 8;

/// Arguments of `orch add`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch add ../our-agents\n  orch add owner/repository --ref v2\n  orch add docs@https://example.org/marketplace.git\n  orch add file:///srv/agents.git#plugins/kit --only agents,skills\n\nNothing of it is run. It is pinned in .orch/library.lock; keep that and .orch/library under version control."
)]
pub struct AddArgs {
    /// A folder, the URL of a git repository, or OWNER/REPOSITORY on GitHub; `PLUGIN@` before it, `#FOLDER` behind it
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Its name in the library [default: from the source]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Into your own library, for all projects
    #[arg(long)]
    pub user: bool,
    /// A branch, a tag or a commit [default: the repository's own branch]
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Only these kinds
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub only: Vec<OnlyArg>,
}

/// Kinds of definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnlyArg {
    /// Agents
    Agents,
    /// Skills, with their files
    Skills,
    /// Slash commands
    Commands,
    /// Workflows
    Workflows,
    /// Gates
    Gates,
    /// Rules and output styles
    Rules,
}

/// Arguments of `orch remove`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch remove our-agents")]
pub struct RemoveArgs {
    /// Its name in the library
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Also if files of it were edited here
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(session: &mut Session, args: &AddArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let only = args.only.iter().filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned()));
    let request = AddRequest {
        source: args.source.clone(),
        name: args.name.clone(),
        user: args.user,
        reference: args.reference.clone(),
        only: only.collect(),
    };
    let added = add(&project, &request)?;
    if session.global.json {
        session.out.json(&versioned(json!(added)))?;
    } else if !session.global.quiet {
        session.out.data(&text(&added))?;
    }
    Ok(0)
}

pub(super) fn run_remove(session: &mut Session, args: &RemoveArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let folder = remove(&project, &args.name, args.force)?;
    if session.global.json {
        session.out.json(&json!({ "version": 1, "name": args.name, "removed": folder }))?;
    } else if !session.global.quiet {
        session.out.data(&format!("removed {}\n", one_line(&folder.display().to_string())))?;
    }
    Ok(0)
}

/// With the version of the form in front.
pub(super) fn versioned(value: Value) -> Value {
    let mut all = json!({ "version": 1 });
    if let (Value::Object(all), Value::Object(rest)) = (&mut all, value) {
        all.extend(rest);
    }
    all
}

fn text(added: &AddedFolder) -> String {
    let mut text = format!(
        "{} {} in {}\n",
        paint(GOOD, "added"),
        one_line(&added.name),
        one_line(&added.path.display().to_string())
    );
    let kinds: Vec<String> = added.definitions.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let _ = writeln!(text, "  {}, {} files", kinds.join(", "), added.files);
    let _ = writeln!(text, "  {}", origin(added));
    for (path, why) in added.skipped.iter().take(SKIPPED_SHOWN) {
        let _ = writeln!(text, "  {}", paint(DIM, &one_line(&format!("left out {path}: {why}"))));
    }
    if added.skipped.len() > SKIPPED_SHOWN {
        let _ = writeln!(text, "  {}", paint(DIM, &format!("and {} more", added.skipped.len() - SKIPPED_SHOWN)));
    }
    text.push_str("next: orch list --source\n");
    text
}

/// Where it came from, with the commit.
pub(super) fn origin(added: &AddedFolder) -> String {
    let commit = added.commit.as_ref().map(|commit| format!(" at {}", commit.get(..12).unwrap_or(commit)));
    one_line(&format!("from {}{}", added.source, commit.unwrap_or_default()))
}
