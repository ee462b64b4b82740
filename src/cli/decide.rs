//! `orch approve`, `orch reject`, `orch cancel`: a person's word, for the owner of a run or for its journal.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    base::RunId,
    cli::{
        args::{ApproveArgs, CancelArgs, RejectArgs},
        failure::Failure,
        session::Session,
    },
    scheduler::{Decision, Strength},
    service::{Delivered, Runs, Verdict},
};

/// How long `cancel` waits for the owner to end the run.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn approve(session: &mut Session, args: &ApproveArgs) -> Result<u8, Failure> {
    let mut fields = Map::new();
    for pair in &args.fields {
        let value = serde_json::from_str(&pair.value).unwrap_or_else(|_| Value::String(pair.value.clone()));
        fields.insert(pair.name.clone(), value);
    }
    let fields = if fields.is_empty() { Value::Null } else { Value::Object(fields) };
    let comment = args.comment.clone().unwrap_or_default();
    decide(session, &args.run, args.step.as_deref(), Decision::Approve { fields, comment }, "approved")
}

pub(super) fn reject(session: &mut Session, args: &RejectArgs) -> Result<u8, Failure> {
    let comment = args.comment.clone().unwrap_or_default();
    decide(session, &args.run, args.step.as_deref(), Decision::Reject { comment, is_final: true }, "rejected")
}

fn decide(session: &mut Session, run: &str, step: Option<&str>, decision: Decision, word: &str) -> Result<u8, Failure> {
    let runs = runs(session)?;
    let run = runs.find(Some(run))?;
    deliver(session, &runs, &run, step, decision, word)
}

/// Delivers a decision, and says what comes next.
pub(super) fn deliver(
    session: &mut Session,
    runs: &Runs,
    run: &RunId,
    step: Option<&str>,
    decision: Decision,
    word: &str,
) -> Result<u8, Failure> {
    let delivered = runs.decide(run, Verdict { step: step.map(str::to_owned), decision, subject: None })?;
    let next = match &delivered {
        Delivered::ToOwner(owner) => format!("process {} goes on with it; `orch watch {run}` follows", owner.pid),
        Delivered::Written => format!("orch resume {run}"),
        Delivered::Ended => format!("orch status {run}"),
    };
    if session.global.json {
        session.out.json(&json!({ "v": 1, "run": run, "done": word, "next": next }))?;
    } else if !session.global.quiet {
        session.out.data(&format!("{word}\nnext: {next}\n"))?;
    }
    Ok(0)
}

pub(super) fn cancel(session: &mut Session, args: &CancelArgs) -> Result<u8, Failure> {
    let runs = runs(session)?;
    let run = runs.find(Some(&args.run))?;
    let strength = if args.now { Strength::Hard } else { Strength::Gentle };
    let delivered = runs.cancel(&run, strength)?;
    let (word, next) = match &delivered {
        Delivered::Ended => ("cancelled", format!("orch status {run}")),
        Delivered::Written => ("cancelled, once somebody goes on with it", format!("orch resume {run}")),
        Delivered::ToOwner(_) => match runs.wait_for_end(&run, PATIENCE)? {
            Some(_) => ("cancelled", format!("orch status {run}")),
            None => ("asked to stop; it has not ended yet", format!("orch cancel {run} --now")),
        },
    };
    if session.global.json {
        session.out.json(&json!({ "v": 1, "run": run, "done": word, "next": next }))?;
    } else if !session.global.quiet {
        session.out.data(&format!("{word}\nnext: {next}\n"))?;
    }
    Ok(0)
}

fn runs(session: &mut Session) -> Result<Runs, Failure> {
    let project = session.project()?;
    Ok(Runs::open(project.root(), project.run_settings(session.program.clone()))?)
}
