//! `orch update`.

use std::io::{self, BufRead as _};

use clap::Args;
use serde_json::{Value, json};

use crate::{
    base::visible,
    cli::{
        add::{origin, versioned},
        clean::one_line,
        failure::Failure,
        session::Session,
        style::{BAD, GOOD, paint},
    },
    service::{Change, ChangeKind, Project, Refusal, Update, update},
};

/// Arguments of `orch update`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch update --check\n  orch update our-agents --yes")]
pub struct UpdateArgs {
    /// Its name in the library [default: all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Show what would change; change nothing
    #[arg(long)]
    pub check: bool,
    /// Also if files of it were edited here; they are kept aside
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(session: &mut Session, args: &UpdateArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let mut done = Vec::new();
    for name in update(&project, args.name.as_deref())? {
        done.push(one(session, &project, args, &name)?);
    }
    if session.global.json {
        session.out.json(&json!({ "version": 1, "updates": done }))?;
    } else if done.is_empty() && !session.global.quiet {
        session.out.data("nothing was added yet: `orch add SOURCE` takes a folder or a repository\n")?;
    }
    Ok(0)
}

fn one(session: &mut Session, project: &Project, args: &UpdateArgs, name: &str) -> Result<Value, Failure> {
    let found = Update::look(project, name)?;
    let mut line = versioned(json!(found.folder));
    line["from"] = json!(found.from);
    line["changes"] = json!(found.changes);
    line["edited"] = json!(found.edited);
    if !session.global.json && !session.global.quiet {
        session.out.data(&text(&found))?;
    }
    let nothing = found.is_nothing();
    let asked = if args.check {
        Ok(false)
    } else if nothing {
        Ok(true)
    } else {
        agreed(session, &found, args.force)
    };
    let wanted = match asked {
        Ok(wanted) => wanted,
        Err(refusal) => {
            found.leave();
            return Err(Failure::from(refusal));
        }
    };
    line["applied"] = json!(wanted && !nothing);
    if !wanted {
        found.leave();
        return Ok(line);
    }
    let kept = found.apply(args.force)?;
    line["kept"] = json!(kept);
    if !nothing && !session.global.json && !session.global.quiet {
        session.out.data(&format!("{} {name}\n", paint(GOOD, "updated")))?;
        if let Some(kept) = kept {
            session.out.data(&format!("  what was edited is in {}\n", one_line(&kept.display().to_string())))?;
        }
    }
    Ok(line)
}

/// Whether the person wants it.
fn agreed(session: &mut Session, found: &Update, force: bool) -> Result<bool, Refusal> {
    // What was edited is refused with its own words.
    if session.global.yes || (found.edited && !force) {
        return Ok(true);
    }
    if !session.can_ask() {
        let message = format!("an update of `{}` waits for a yes", found.folder.name);
        let help = format!("`orch update {} --yes` applies it, `--check` only looks", found.folder.name);
        return Err(Refusal::new(2, "E0520", message, help));
    }
    session.out.talk("Apply it? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).ok();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn text(found: &Update) -> String {
    let name = one_line(&found.folder.name);
    if found.is_nothing() {
        return format!("{name} is up to date, {}\n", origin(&found.folder));
    }
    let mut text = format!("{name} changes, {}\n", origin(&found.folder));
    for change in &found.changes {
        let word = match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Changed => "changed",
            ChangeKind::Removed => "removed",
        };
        text.push_str(&format!("  {word:<8} {}\n", one_line(&change.path.display().to_string())));
    }
    for change in found.changes.iter().filter(|change| change.kind == ChangeKind::Changed) {
        text.push('\n');
        text.push_str(&coloured(change));
    }
    text
}

/// The change of a file that may hold anything, with its lines in the colours of what they do.
fn coloured(change: &Change) -> String {
    let mut text = String::new();
    for line in change.diff.lines() {
        let plain = line.split('\t').map(visible).collect::<Vec<_>>().join("\t");
        match line.as_bytes().first() {
            Some(b'+') => text.push_str(&paint(GOOD, &plain)),
            Some(b'-') => text.push_str(&paint(BAD, &plain)),
            _ => text.push_str(&plain),
        }
        text.push('\n');
    }
    text
}
