//! From the words on the command line to the exit code.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{
    Parser as _,
    error::{ContextValue, ErrorKind},
};

use crate::{
    cli::{
        add,
        args::{Cli, Verb},
        audit, cache, channels, check,
        clean::one_line,
        completions, cost, decide, dev, diff, doctor,
        exit::Exit,
        explain,
        failure::Failure,
        help, import, init, keys, list, logs, lsp, mcp, plan, pushback, replay, resume, rollback, run, runs, runtimes,
        schema, serve,
        session::Session,
        show, test, trust, update, watch,
    },
    config::Environment,
    service::Refusal,
};

/// Runs the program. `words` are all arguments, the program's own name first; `program` is its file.
#[must_use]
pub fn main(words: Vec<OsString>, program: PathBuf, environment: Environment) -> ExitCode {
    // Before the words are understood, only their presence can say whether a program or a person reads the error.
    let wants_json = words.iter().any(|word| word == "--json");
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error, wants_json),
    };
    let json = cli.global.json;
    let mut session = Session::new(cli.global, environment, program);
    match dispatch(&mut session, cli.verb) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.tell(&mut session.out, json);
            ExitCode::from(failure.exit())
        }
    }
}

/// Does what the verb says and gives the exit code.
fn dispatch(session: &mut Session, verb: Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Init(args) => init::run(session, &args),
        Verb::List(args) => list::run(session, &args),
        Verb::Show(args) => show::run(session, &args),
        Verb::Check(args) => check::run(session, &args),
        Verb::Test(args) => test::run(session, &args),
        Verb::Import(args) => import::run(session, &args),
        Verb::Plan(args) => plan::run(session, &args),
        Verb::Add(args) => add::run(session, &args),
        Verb::Remove(args) => add::run_remove(session, &args),
        Verb::Update(args) => update::run(session, &args),
        Verb::Lsp(args) => lsp::run(session, &args),
        Verb::Serve(args) => serve::run(session, &args),
        Verb::Keys(args) => keys::run(session, &args),
        Verb::Notify(args) => channels::run(session, &args),
        Verb::Mcp(args) => mcp::run(session, &args),
        Verb::Runtimes(args) => runtimes::run(session, &args),
        Verb::Doctor(args) => doctor::run(session, &args),
        Verb::Schema(args) => schema::run(session, &args),
        Verb::Explain(args) => explain::run(session, &args),
        Verb::Completions(args) => completions::run(session, &args),
        Verb::Help(args) => help::run(session, &args),
        Verb::Run(args) => run::run(session, &args),
        Verb::Trust(args) => trust::run(session, &args),
        Verb::Audit(args) => audit::run(session, &args),
        Verb::Dev(args) => dev::run(session, &args),
        Verb::Watch(args) => watch::run(session, &args),
        Verb::Runs(args) => runs::list(session, &args),
        Verb::Status(args) => runs::show(session, &args),
        Verb::Cost(args) => cost::run(session, &args),
        Verb::Cache(args) => cache::run(session, &args),
        Verb::Logs(args) => logs::run(session, &args),
        Verb::Inbox(args) => runs::inbox(session, &args),
        Verb::Approve(args) => decide::approve(session, &args),
        Verb::Reject(args) => decide::reject(session, &args),
        Verb::Pushback(args) => pushback::run(session, &args),
        Verb::Resume(args) => resume::run(session, &args),
        Verb::Retry(args) => resume::retry(session, &args),
        Verb::Replay(args) => replay::run(session, &args),
        Verb::Cancel(args) => decide::cancel(session, &args),
        Verb::Rollback(args) => rollback::run(session, &args),
        Verb::Diff(args) => diff::run(session, &args),
        Verb::Gc(args) => rollback::gc(session, &args),
    }
}

/// Help and the version are no errors; everything else is a fault of the command line.
fn not_understood(error: &clap::Error, json: bool) -> ExitCode {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_help {
        // Where the output is closed there is nobody to tell.
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    if !json {
        let mut text = error.render().ansi().to_string();
        // What was typed may come from somebody else, and is shown on one line.
        for value in error
            .context()
            .filter_map(|(_, value)| if let ContextValue::String(value) = value { Some(value) } else { None })
        {
            text = text.replace(value.as_str(), &one_line(value));
        }
        crate::cli::Out::new(anstream::ColorChoice::Auto).talk(&text);
        return ExitCode::from(Exit::Usage.code());
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let help = lines.find(|line| line.starts_with("tip:")).map_or("`orch help` lists the verbs", |tip| tip).to_owned();
    let failure = Failure::Refused(Refusal::new(Exit::Usage.code(), "E0520", message, help));
    failure.tell(&mut crate::cli::Out::new(anstream::ColorChoice::Never), true);
    ExitCode::from(Exit::Usage.code())
}
