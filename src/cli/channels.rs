//! `orch notify`: the channels by which people are told what runs need of them.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::{
        clean::one_line,
        failure::Failure,
        session::Session,
        style::{BAD, DOUBT, GOOD, paint},
    },
    service::{ChannelLine, TrustState, channel_lines, test_channel},
};

/// Arguments of `orch notify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch notify list\n  orch notify test team\n\n\
    Channels stand in orch.toml, in yours or in the project's: [notify.team] with via = \"slack\". One of a project tells\n\
    nobody before `orch trust notify.NAME`.")]
pub struct NotifyArgs {
    /// What to do
    #[command(subcommand)]
    pub verb: NotifyVerb,
}

/// What to do with channels.
#[derive(Debug, Clone, Subcommand)]
pub enum NotifyVerb {
    /// List all channels, and how each has fared last
    List,
    /// Send something by a channel now
    Test(NotifyTestArgs),
}

/// Arguments of `orch notify test`.
#[derive(Debug, Clone, Args)]
pub struct NotifyTestArgs {
    /// The channel
    pub name: String,
}

pub(super) fn run(session: &mut Session, args: &NotifyArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let notices = project.run_settings(session.program.clone()).notices;
    match &args.verb {
        NotifyVerb::List => {
            let lines = channel_lines(&notices);
            if session.global.json {
                session.out.json(&json!({ "v": 1, "channels": lines }))?;
            } else {
                session.out.data(&lines.iter().map(text).collect::<String>())?;
                if lines.is_empty() {
                    session.out.talk("no channels yet: write [notify.NAME] into orch.toml\n");
                }
            }
        }
        NotifyVerb::Test(args) => {
            let via = test_channel(&notices, &args.name)?;
            if session.global.json {
                session.out.json(&json!({ "v": 1, "channel": args.name, "via": via, "sent": true }))?;
            } else {
                session.out.talk(&format!("sent by {via}: {}\n", one_line(&args.name)));
            }
        }
    }
    Ok(0)
}

fn text(line: &ChannelLine) -> String {
    let state = match (line.trust, &line.failed) {
        (TrustState::Trusted, None) => paint(GOOD, "ready"),
        (TrustState::Trusted, Some(why)) => format!("{}: {}", paint(BAD, "the last one was not sent"), one_line(why)),
        (TrustState::Changed | TrustState::Untrusted, _) => {
            format!("{}: orch trust notify.{}", paint(DOUBT, "not trusted"), one_line(&line.name))
        }
    };
    let events = if line.events.is_empty() { "all".to_owned() } else { line.events.join(", ") };
    let mut text = String::new();
    let _ = writeln!(text, "{:<16} {:<8} {events:<24} {state}", one_line(&line.name), line.via);
    text
}
