//! `orch doctor`.

use std::fmt::Write as _;

use clap::Args;

use crate::{
    cli::{
        clean::one_line,
        exit::Exit,
        failure::Failure,
        session::Session,
        style::{BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    service::{Fault, Health, State, doctor, doctor_of_security},
};

/// Arguments of `orch doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch doctor\n  orch doctor --json\n  orch doctor --security")]
pub struct DoctorArgs {
    /// Look only at what could let somebody else in: permissions, keys in files, weak settings, the audit log
    #[arg(long)]
    pub security: bool,
}

pub(super) fn run(session: &mut Session, args: &DoctorArgs) -> Result<u8, Failure> {
    let opened = session.project();
    let fault = match &opened {
        Ok(_) => None,
        Err(Failure::Diagnosed(diagnostics)) => Some(Fault::Diagnosed(diagnostics.clone())),
        Err(failure) => return Err(failure.clone()),
    };
    let project = match (&opened, &fault) {
        (Ok(project), _) => Ok(project),
        (Err(_), Some(fault)) => Err(fault),
        (Err(failure), None) => return Err(failure.clone()),
    };
    let health = if args.security {
        doctor_of_security(project, &session.environment)
    } else {
        doctor(project, &session.environment, &session.program)
    };
    if session.global.json {
        session.out.json(&health)?;
    } else {
        session.out.data(&text(&health, session.global.quiet))?;
    }
    Ok(if health.is_well() { Exit::Success.code() } else { Exit::Failed.code() })
}

fn text(health: &Health, quiet: bool) -> String {
    let mut text = String::new();
    for check in &health.checks {
        let word = match check.state {
            State::Ok if quiet => continue,
            State::Ok => paint(GOOD, "  ok"),
            State::Warn => paint(DOUBT, "warn"),
            State::Fail => paint(BAD, "FAIL"),
        };
        let _ = writeln!(text, "{word}  {:<16} {}", check.name, one_line(&check.detail));
        if !check.fix.is_empty() {
            let _ = writeln!(text, "      {:<16} {} {}", "", paint(BOLD, "fix:"), one_line(&check.fix));
        }
    }
    if !quiet && !health.settings.is_empty() {
        let _ = writeln!(text, "\n{}", paint(BOLD, "Settings"));
        for line in &health.settings {
            let value = one_line(line.value.as_deref().unwrap_or("none"));
            let _ = writeln!(text, "  {:<20} {value:<24} {}", line.key, paint(DIM, &one_line(&line.origin)));
        }
    }
    let failed = health.checks.iter().filter(|check| check.state == State::Fail).count();
    let doubtful = health.checks.iter().filter(|check| check.state == State::Warn).count();
    let _ = writeln!(text, "\n{failed} failed, {doubtful} to look at, {} in all", health.checks.len());
    text
}
