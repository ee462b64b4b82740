//! `orch trust`: shows the commands that a definition holds, and asks whether they may run.

use std::{fmt::Write as _, io::BufRead as _};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        clean::{clean, one_line},
        failure::Failure,
        session::Session,
        style::{BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    service::{Project, Refusal, TRUST_VERSION, TrustItem, TrustState, revoke_trust, trust, trust_items},
};

/// Arguments of `orch trust`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch trust /review\n  orch trust --list\n  orch trust /review --revoke\n\n\
    What you say holds for this project and for exactly this text; a change asks again. `--yes` does not answer here.")]
pub struct TrustArgs {
    /// A slash command, a skill or a workflow [default: list all that hold commands]
    pub name: Option<String>,
    /// All that hold commands, one question each
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// Only show them; asks nothing
    #[arg(long)]
    pub list: bool,
    /// Trust it no longer
    #[arg(long, requires = "name", conflicts_with_all = ["list", "digest"])]
    pub revoke: bool,
    /// Trust it without a question, if it has exactly this digest
    #[arg(long, value_name = "DIGEST", requires = "name", conflicts_with = "list")]
    pub digest: Option<String>,
}

pub(super) fn run(session: &mut Session, args: &TrustArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let items = trust_items(&project, args.name.as_deref())?;
    if args.revoke {
        return revoke(session, &project, &items);
    }
    let asks = (args.name.is_some() || args.all) && !args.list;
    if session.global.json {
        session.out.json(&json!({ "version": TRUST_VERSION, "items": items }))?;
    } else if !asks || args.digest.is_none() {
        let text: String = items.iter().map(shown).collect();
        let none = "no slash command or skill of this project holds commands\n";
        session.out.data(if items.is_empty() { none } else { &text })?;
    }
    if !asks {
        return Ok(0);
    }
    for item in items.iter().filter(|item| item.state != TrustState::Trusted) {
        say_yes(session, item, args.digest.as_deref())?;
        trust(&project, item)?;
        session.out.talk(&format!("trusted: {} in this project, as it stands\n", one_line(&item.name)));
    }
    Ok(0)
}

fn revoke(session: &mut Session, project: &Project, items: &[TrustItem]) -> Result<u8, Failure> {
    for item in items {
        if !revoke_trust(project, &item.path)? {
            let message = format!("`{}` was not trusted", item.name);
            return Err(Refusal::new(2, "E0563", message, "`orch trust --list` says what is").into());
        }
        session.out.talk(&format!("no longer trusted: {}\n", one_line(&item.name)));
    }
    Ok(0)
}

/// A person's yes, or the digest of what somebody has read.
fn say_yes(session: &mut Session, item: &TrustItem, digest: Option<&str>) -> Result<(), Failure> {
    let refused = |message: String, help: String| Err(Refusal::new(40, "E0561", message, help).into());
    let name = &item.name;
    if let Some(digest) = digest {
        if digest == item.digest.as_str() {
            return Ok(());
        }
        return refused(
            format!("`{name}` has another digest"),
            format!("`orch trust {name} --list` shows what would run"),
        );
    }
    if !session.can_ask() {
        let help = format!("run it on a terminal, or `orch trust {name} --digest {}`", item.digest.as_str());
        return refused(format!("nobody is there to say that `{name}` may run its commands"), help);
    }
    session.out.talk(&format!("Let {} run these commands in this project? [y/N] ", one_line(name)));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap_or(0);
    if read > 0 && matches!(line.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    refused(format!("`{name}` is not trusted"), "nothing was changed".to_owned())
}

fn shown(item: &TrustItem) -> String {
    let state = match item.state {
        TrustState::Trusted => paint(GOOD, "trusted"),
        TrustState::Changed => paint(DOUBT, "changed since it was trusted"),
        TrustState::Untrusted => paint(DOUBT, "not trusted"),
    };
    let mut text = format!("{}  {}\n", paint(BOLD, &one_line(&item.name)), paint(DIM, &one_line(&item.path)));
    let _ = writeln!(text, "  {state}");
    let lines = |text: &mut String, mark: &str, command: &str| {
        for (place, line) in clean(command).lines().enumerate() {
            let _ = writeln!(text, "  {mark} {} {line}", if place == 0 { "$" } else { " " });
        }
    };
    let before = item.before.as_deref();
    for command in &item.commands {
        let is_new = before.is_some_and(|before| !before.contains(command));
        lines(&mut text, &if is_new { paint(GOOD, "+") } else { " ".to_owned() }, command);
    }
    for command in before.into_iter().flatten().filter(|command| !item.commands.contains(command)) {
        lines(&mut text, &paint(BAD, "-"), command);
    }
    for file in &item.files {
        let _ = writeln!(text, "    with {}", one_line(file));
    }
    if !item.settings.is_empty() {
        let _ = writeln!(text, "    and the project's settings: {}", one_line(&item.settings.join(", ")));
    }
    let _ = writeln!(text, "  {}", paint(DIM, &format!("digest {}", item.digest.as_str())));
    text
}
