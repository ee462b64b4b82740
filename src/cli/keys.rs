//! `orch keys`: who may ask the server.

use std::{fmt::Write as _, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::{
    base::{Timestamp, parse_duration},
    cli::{clean::one_line, failure::Failure, session::Session},
    service::{ApiKey, Refusal, Role, api_keys, keys_fault, now},
};

/// Arguments of `orch keys`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch keys add ci --role operator --expires 90d\n  orch keys list\n\n\
    viewer: look. operator: start runs and move them. approver: decide what runs ask. admin: all of it, and keys.")]
pub struct KeysArgs {
    /// What to do
    #[command(subcommand)]
    pub verb: KeysVerb,
}

/// What to do with keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysVerb {
    /// Make a key; it is shown once
    Add(AddKeyArgs),
    /// List all keys, without the keys themselves
    List,
    /// Take a key away, at once
    Revoke(RevokeArgs),
}

/// Arguments of `orch keys add`.
#[derive(Debug, Clone, Args)]
pub struct AddKeyArgs {
    /// Whose key it is, for the record
    pub name: String,
    /// What it may do
    #[arg(long, default_value = "viewer")]
    pub role: RoleArg,
    /// After how long it ends, such as `90d` [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub expires: Option<Duration>,
    /// Requests a minute [default: the server's own limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
}

/// Arguments of `orch keys revoke`.
#[derive(Debug, Clone, Args)]
pub struct RevokeArgs {
    /// Its id, as `orch keys list` shows it
    pub id: String,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Look
    Viewer,
    /// Look, start runs, and move them
    Operator,
    /// Look, and decide what runs ask
    Approver,
    /// All of it, and keys
    Admin,
}

impl RoleArg {
    fn role(self) -> Role {
        match self {
            Self::Viewer => Role::Viewer,
            Self::Operator => Role::Operator,
            Self::Approver => Role::Approver,
            Self::Admin => Role::Admin,
        }
    }
}

pub(super) fn run(session: &mut Session, args: &KeysArgs) -> Result<u8, Failure> {
    let keys = api_keys(&session.environment)?;
    let fault = |error: std::io::Error| Failure::from(keys_fault(&error));
    match &args.verb {
        KeysVerb::Add(args) => {
            let is_name = !args.name.is_empty() && args.name.len() <= 100 && !args.name.chars().any(char::is_control);
            if !is_name {
                let message = "the name of a key has 1 to 100 characters";
                return Err(Refusal::new(2, "E0520", message, "orch keys add ci --role operator").into());
            }
            let now = now();
            let expires =
                args.expires.map(|life| Timestamp(now.0 + u64::try_from(life.as_millis()).unwrap_or(u64::MAX / 4)));
            let (key, whole) = keys.make(&args.name, args.role.role(), now, expires, args.rate).map_err(fault)?;
            if session.global.json {
                let line = json!({ "v": 1, "id": key.id, "name": key.name, "role": key.role, "expires": key.expires, "key": whole });
                session.out.json(&line)?;
            } else {
                session.out.data(&format!("{whole}\n"))?;
                session.out.talk("this is shown once; `orch keys revoke` takes it away again\n");
            }
        }
        KeysVerb::List => list(session, &keys.all().map_err(fault)?)?,
        KeysVerb::Revoke(args) => {
            if !keys.revoke(&args.id).map_err(fault)? {
                let message = format!("there is no key `{}`", args.id);
                return Err(Refusal::new(11, "E0612", message, "`orch keys list` shows the ids").into());
            }
            session.out.talk("it opens nothing any more\n");
        }
    }
    Ok(0)
}

fn list(session: &mut Session, keys: &[ApiKey]) -> Result<(), Failure> {
    if session.global.json {
        let line = |key: &ApiKey| json!({ "v": 1, "id": key.id, "name": key.name, "role": key.role, "created": key.created, "expires": key.expires, "rate": key.rate });
        return session.out.json(&keys.iter().map(line).collect::<Vec<_>>());
    }
    let mut text = String::new();
    for key in keys {
        let end = key.expires.map_or_else(|| "never ends".to_owned(), |end| format!("until {end}"));
        let _ = writeln!(text, "{}  {:<8}  {:<24}  {end}", key.id, key.role.word(), one_line(&key.name));
    }
    if keys.is_empty() {
        session.out.talk("no keys yet: orch keys add NAME --role viewer\n");
    }
    session.out.data(&text)
}
