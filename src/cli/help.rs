//! `orch help`.

use clap::{Args, CommandFactory as _};

use crate::{
    base::did_you_mean,
    cli::{args::Cli, explain, failure::Failure, session::Session},
    service::Refusal,
};

/// Arguments of `orch help`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch help run\n  orch help exit-codes")]
pub struct HelpArgs {
    /// A verb, or `exit-codes` [default: all verbs]
    pub topic: Option<String>,
}

pub(super) fn run(session: &mut Session, args: &HelpArgs) -> Result<u8, Failure> {
    let mut command = Cli::command();
    command.build();
    match args.topic.as_deref() {
        None => session.out.data(&command.render_help().ansi().to_string())?,
        Some("exit-codes") => explain::exit_codes(session)?,
        Some(topic) => match command.find_subcommand_mut(topic) {
            Some(verb) => session.out.data(&verb.render_help().ansi().to_string())?,
            None => {
                let names = command.get_subcommands().map(clap::Command::get_name).chain(["exit-codes"]);
                let help = match did_you_mean(topic, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`orch help` lists the verbs".to_owned(),
                };
                return Err(Refusal::new(2, "E0520", format!("there is no help on `{topic}`"), help).into());
            }
        },
    }
    Ok(0)
}
