//! `orch explain`.

use clap::Args;
use serde_json::json;

use crate::{
    base::codes::{self, CodeInfo},
    cli::{
        exit::Exit,
        failure::Failure,
        session::Session,
        style::{BOLD, paint},
    },
    service::explain,
};

/// Arguments of `orch explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch explain E0107\n  orch explain exit-codes")]
pub struct ExplainArgs {
    /// An error code such as E0107, or `exit-codes` [default: list all codes]
    pub code: Option<String>,
}

pub(super) fn run(session: &mut Session, args: &ExplainArgs) -> Result<u8, Failure> {
    match args.code.as_deref() {
        Some("exit-codes" | "exit_codes" | "exits") => exit_codes(session)?,
        Some(code) => {
            let info = explain(code)?;
            if session.global.json {
                session.out.json(&value(info))?;
            } else {
                let exit = Exit::of(info.exit).map_or("", Exit::meaning);
                let again = if info.retryable { "; the same command may work later" } else { "" };
                let title = paint(BOLD, &format!("{}: {}", info.code, info.title));
                session.out.data(&format!("{title}\n\n{}\n\nends with {} ({exit}){again}\n", info.story, info.exit))?;
            }
        }
        None if session.global.json => session.out.json(&codes::all().map(value).collect::<Vec<_>>())?,
        None => {
            let lines: String = codes::all().map(|info| format!("{}  {}\n", info.code, info.title)).collect();
            session.out.data(&lines)?;
        }
    }
    Ok(0)
}

/// Prints the table of exit codes.
pub(super) fn exit_codes(session: &mut Session) -> Result<(), Failure> {
    if session.global.json {
        let table: Vec<_> = Exit::ALL
            .iter()
            .map(|exit| json!({ "code": exit.code(), "meaning": exit.meaning(), "retryable": exit.is_retryable() }))
            .collect();
        return session.out.json(&table);
    }
    session.out.data(&Exit::table())
}

fn value(info: &CodeInfo) -> serde_json::Value {
    json!({
        "code": info.code.0, "title": info.title, "story": info.story, "exit": info.exit, "retryable": info.retryable,
    })
}
