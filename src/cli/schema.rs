//! `orch schema`.

use clap::Args;

use crate::{
    cli::{failure::Failure, session::Session},
    service::{SCHEMAS, schema},
};

/// Arguments of `orch schema`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch schema\n  orch schema workflow > workflow.schema.json")]
pub struct SchemaArgs {
    /// The schema's name [default: list all names]
    pub name: Option<String>,
}

pub(super) fn run(session: &mut Session, args: &SchemaArgs) -> Result<u8, Failure> {
    match &args.name {
        Some(name) => session.out.data(schema(name)?)?,
        None if session.global.json => session.out.json(&SCHEMAS.iter().map(|(name, _)| name).collect::<Vec<_>>())?,
        None => session.out.data(&SCHEMAS.iter().map(|(name, _)| format!("{name}\n")).collect::<String>())?,
    }
    Ok(0)
}
