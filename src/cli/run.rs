//! `orch run`: finds, compiles, checks and drives.

use std::{collections::BTreeMap, io::BufRead as _};

use serde_json::{Map, Value};

use crate::{
    cli::{
        args::{ApprovalArg, RunArgs},
        clean::{clean, one_line},
        drive::drive,
        failure::Failure,
        session::Session,
        values::text_of,
    },
    config::Flags,
    definition::load,
    service::{
        AskedCommand, CacheWish, FirstUse, RecordTarget, Refusal, Runs, agree, answer_all, find_runnable,
        gather_inputs, recordings,
    },
};

/// The runtime that answers from recordings.
const REPLAY: &str = "replay";

pub(super) fn run(session: &mut Session, args: &RunArgs) -> Result<u8, Failure> {
    let flags = Flags::new()
        .with("parallel", "--parallel", args.parallel)
        .with("runtime", "--runtime", args.runtime.as_deref())
        .with("on_approval", "--on-approval", args.on_approval.map(ApprovalArg::word));
    let project = session.project_to_run(flags)?;
    let mut runnable = find_runnable(&project, &args.name)?;
    for warning in &runnable.warnings {
        session.out.talk(&crate::base::render::render(warning, true));
    }
    let file = match &args.inputs_file {
        Some(path) => inputs_file(&session.environment.folder().join(path))?,
        None => Map::new(),
    };
    let pairs: BTreeMap<_, _> = args.inputs.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
    let pairs: Vec<_> = pairs.into_iter().collect();
    let inputs = gather_inputs(&runnable.plan.inputs, &args.words, &pairs, file)?;
    args.budget.unwrap_or_default().narrow(&mut runnable.plan);
    if args.runtime.as_deref() == Some(REPLAY) {
        answer_all(&mut runnable.plan);
    }
    let mut settings = project.run_settings(session.program.clone());
    settings.trust.allowed.extend(args.trust.clone());
    // A recording holds what agents do now.
    let wish = if args.record.is_some() { CacheWish::Off } else { args.reuse.wish() };
    settings.danger.is_allowed = args.allow_danger;
    if let Some(mode) = args.sandbox {
        settings.sandbox.at_least(mode.word());
    }
    let mut runs = Runs::open(project.root(), settings)?.caching(wish);
    let replay = recordings(project.root(), &runnable.plan);
    if let Some(first) = runs.first_use(&runnable.plan, &replay)
        && session.can_ask()
    {
        match ask_first_use(session, &first) {
            FirstAnswer::Yes => {
                agree(&session.environment, &first.name).map_err(|error| Failure::bug(&error))?;
                runs.use_runtime(&first.name);
            }
            FirstAnswer::Recorded => runs.use_recordings(),
            FirstAnswer::No => {}
        }
    }
    let target = match &args.record {
        Some(word) => Some(RecordTarget::named(&project, &runnable.plan, word, args.force)?),
        None => None,
    };
    let asked = runs.asked(&runnable.plan);
    if !asked.is_empty() && session.can_ask() && ask_risk(session, &asked) {
        runs.agree(&asked);
    }
    let owned = runs.start(&runnable.plan, inputs, replay)?;
    if let Some(target) = &target {
        runs.record(&owned, target)?;
    }
    drive(session, &runs, owned, project.settings().on_approval, project.root())
}

/// What a person says to the first use of a runtime.
enum FirstAnswer {
    Yes,
    Recorded,
    No,
}

/// Asks once whether agents may run on a program that was found.
fn ask_first_use(session: &mut Session, first: &FirstUse) -> FirstAnswer {
    let recorded = if first.is_recorded { " / r for the recorded answers, which cost nothing" } else { "" };
    session.out.talk(&format!(
        "No runtime is named. `{}` is installed: let agents run on it, now and from now on? It may cost money.\n\
         [y for yes{recorded} / N] ",
        first.name
    ));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap_or(0);
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" if read > 0 => FirstAnswer::Yes,
        "r" | "replay" if first.is_recorded => FirstAnswer::Recorded,
        _ => FirstAnswer::No,
    }
}

/// Asks once whether dangerous commands may run: shows each of them whole, and what it would do.
fn ask_risk(session: &mut Session, asked: &[AskedCommand]) -> bool {
    let mut text = "A person decides about this before the run starts:\n".to_owned();
    for one in asked {
        text.push_str(&format!("  {}: {}\n", one_line(&one.place), one_line(&one.why)));
        for line in one.command.lines() {
            text.push_str(&format!("    {}\n", clean(line)));
        }
        text.push_str(&format!("    digest {}\n", one.digest.as_str()));
    }
    session.out.talk(&format!("{text}Run exactly this, in this run only? [y for yes / N] "));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap_or(0);
    read > 0 && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

/// The longest file of inputs.
const INPUTS_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads an object of inputs from a JSON or YAML file.
fn inputs_file(path: &std::path::Path) -> Result<Map<String, Value>, Failure> {
    let fault = |reason: String| {
        let message = format!("the inputs in {} cannot be read: {reason}", path.display());
        Failure::from(Refusal::new(2, "E0501", message, "give a JSON or YAML file that holds one mapping"))
    };
    let text = text_of(path, INPUTS_BYTES_MAX).map_err(fault)?;
    match load::value_of(path, &text).map_err(fault)? {
        Value::Object(inputs) => Ok(inputs),
        other => Err(fault(format!("it holds {other}, not a mapping"))),
    }
}
