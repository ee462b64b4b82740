//! Carries the tools out: each asks the service what its verb on the command line asks.
//!
//! The project is opened anew for each call, so that an edit is seen and a broken setting breaks no server. Invariants:
//! nothing here gives trust, answers the first use of a runtime, or decides unless a person has allowed that.

use serde_json::{Map, Value, json};

use crate::{
    base::{RunId, render::to_json},
    cli::{failure::Failure, mcp::tools::Tool, session::Session},
    config::Flags,
    scheduler::Decision,
    service::{
        Delivered, Opening, Project, Refusal, Runs, Status, Verdict, check_abilities, find_runnable, gather_inputs,
        offers, outline, recordings,
    },
};

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Offers of a list where nobody says.
const OFFERS: usize = 50;
/// Lines of a log where nobody says.
const LINES: usize = 50;
/// Steps of a status.
const STEPS_MAX: usize = 300;

/// Does what a tool does, and says it as a result of `tools/call`.
pub(super) fn carry_out(session: &Session, tool: Tool, given: &Map<String, Value>, may_decide: bool) -> Value {
    let done = tool.check(given).map_err(Failure::from).and_then(|()| {
        if tool.decides() && !may_decide {
            return Err(may_not(tool, given).into());
        }
        done(session, tool, given)
    });
    match done.map(|value| (value.to_string(), value)) {
        Ok((text, value)) if text.len() <= ANSWER_BYTES_MAX => {
            json!({ "content": [{ "type": "text", "text": text }], "structuredContent": value, "isError": false })
        }
        Ok((text, _)) => refused(&too_long(text.len()).into()),
        Err(failure) => refused(&failure),
    }
}

/// A failure as the result of a tool, in words that a model can act on.
fn refused(failure: &Failure) -> Value {
    let mut told = failure.to_json();
    let mut words = words_of(&told["error"]);
    if words.len() > ANSWER_BYTES_MAX / 2 {
        words.truncate(words.floor_char_boundary(ANSWER_BYTES_MAX / 2));
        told = json!({});
    }
    json!({ "content": [{ "type": "text", "text": words }], "structuredContent": told, "isError": true })
}

fn words_of(error: &Value) -> String {
    let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let Some(diagnostics) = error["diagnostics"].as_array() else {
        return format!("error[{}]: {}\nhelp: {}", word(error, "id"), word(error, "message"), word(error, "help"));
    };
    let line = |fault: &Value| {
        let place = format!("{}:{}:{}", word(fault, "path"), fault["place"]["line"], fault["place"]["column"]);
        let (code, message) = (word(fault, "code"), word(fault, "message"));
        let (cause, help) = (word(fault, "cause"), word(fault, "help"));
        format!("{}[{code}] {place}: {message}\n  cause: {cause}\n  help: {help}", word(fault, "severity"))
    };
    diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn too_long(bytes: usize) -> Refusal {
    let message = format!("the answer has {bytes} bytes, and at most {ANSWER_BYTES_MAX} are sent");
    Refusal::new(2, "E0581", message, "ask for less, or read it on the command line: `orch status RUN --json`")
}

/// The command that a person types instead.
fn may_not(tool: Tool, given: &Map<String, Value>) -> Refusal {
    let words = ["run", "step"].iter().filter_map(|name| text(given, name)).map(|word| shell_words::quote(word));
    let words: Vec<_> = words.collect();
    let message = "this server takes no decisions: the questions of a run are for a person";
    let help = format!(
        "ask the person to type `orch {} {}`, or to start the server with `orch mcp --allow-approve`",
        tool.name(),
        words.join(" ")
    );
    Refusal::new(2, "E0319", message, help)
}

fn done(session: &Session, tool: Tool, given: &Map<String, Value>) -> Result<Value, Failure> {
    let start = session.global.folder.clone().unwrap_or_default();
    let project = Project::open(&start, Opening::Search, &session.environment, &Flags::new())?;
    match tool {
        Tool::List => Ok(list(&project, given)),
        Tool::Plan => plan(&project, given),
        Tool::Run => run(session, &project, given),
        Tool::Status => {
            let runs = runs(session, &project)?;
            status(&runs.standing(&runs.find(text(given, "run"))?)?)
        }
        Tool::Logs => {
            let runs = runs(session, &project)?;
            let (run, step) = (runs.find(text(given, "run"))?, text(given, "step").unwrap_or_default());
            let printed = runs.last_lines(&run, step, count(given, "lines").unwrap_or(LINES))?;
            let from = printed.ceil_char_boundary(printed.len().saturating_sub(ANSWER_BYTES_MAX / 4));
            Ok(json!({ "run": run, "step": step, "text": printed[from..] }))
        }
        Tool::Approve => {
            let fields = given.get("fields").cloned().unwrap_or(Value::Null);
            decide(session, &project, given, Decision::Approve { fields, comment: String::new() })
        }
        Tool::Reject => {
            let comment = text(given, "comment").unwrap_or_default().to_owned();
            decide(session, &project, given, Decision::Reject { comment, is_final: true })
        }
        Tool::Pushback => {
            let runs = runs(session, &project)?;
            let comments = given.get("comments").and_then(Value::as_array).into_iter().flatten();
            let comments: Vec<_> = comments.filter_map(Value::as_str).map(str::to_owned).collect();
            let decision = runs.pushback(&runs.find(text(given, "run"))?, text(given, "step"), &comments, &[])?;
            decide(session, &project, given, decision)
        }
    }
}

fn runs(session: &Session, project: &Project) -> Result<Runs, Failure> {
    Ok(Runs::open(project.root(), project.run_settings(session.program.clone()))?)
}

fn text<'g>(given: &'g Map<String, Value>, name: &str) -> Option<&'g str> {
    given.get(name).and_then(Value::as_str)
}

fn count(given: &Map<String, Value>, name: &str) -> Option<usize> {
    given.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
}

fn list(project: &Project, given: &Map<String, Value>) -> Value {
    let limit = count(given, "limit").unwrap_or(OFFERS);
    let (offers, left_out) = offers(project, text(given, "match").unwrap_or_default(), limit);
    json!({ "definitions": offers, "left_out": left_out })
}

fn plan(project: &Project, given: &Map<String, Value>) -> Result<Value, Failure> {
    let runnable = find_runnable(project, text(given, "name").unwrap_or_default())?;
    check_abilities(project, &runnable.plan)?;
    Ok(json!({
        "name": runnable.name,
        "path": runnable.path,
        "description": runnable.plan.description,
        "plan": outline(project, &runnable.plan),
        "warnings": runnable.warnings.iter().take(50).map(to_json).collect::<Vec<_>>(),
    }))
}

fn run(session: &Session, project: &Project, given: &Map<String, Value>) -> Result<Value, Failure> {
    let runnable = find_runnable(project, text(given, "name").unwrap_or_default())?;
    let words = given.get("words").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<_> = words.filter_map(Value::as_str).map(str::to_owned).collect();
    let named = given.get("inputs").and_then(Value::as_object).cloned().unwrap_or_default();
    let inputs = gather_inputs(&runnable.plan.inputs, &words, &[], named)?;
    let runs = runs(session, project)?;
    let replay = recordings(project.root(), &runnable.plan);
    let run = runs.start_apart(&runnable.plan, inputs, replay)?;
    begun(&runs, &run, "started")
}

fn decide(
    session: &Session,
    project: &Project,
    given: &Map<String, Value>,
    decision: Decision,
) -> Result<Value, Failure> {
    let runs = runs(session, project)?;
    let run = runs.find(text(given, "run"))?;
    let word = match decision {
        Decision::Approve { .. } => "approved",
        Decision::Reject { .. } => "rejected",
        Decision::Pushback { .. } => "pushed back",
    };
    match runs.decide(&run, Verdict { step: text(given, "step").map(str::to_owned), decision, subject: None })? {
        Delivered::ToOwner(_) | Delivered::Ended => {}
        Delivered::Written => runs.go_on_apart(&run)?,
    }
    begun(&runs, &run, word)
}

/// Where a run stands after something was done to it.
fn begun(runs: &Runs, run: &RunId, done: &str) -> Result<Value, Failure> {
    let now = runs.standing(run)?;
    Ok(json!({
        "done": done, "run": run, "workflow": now.workflow, "status": now.status, "waiting_for": now.waiting_for,
        "next": now.next,
    }))
}

/// A status with as many steps as can be read; of each step only how it stands.
fn status(now: &Status) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(now).map_err(|error| Failure::bug(&error))?;
    if let Some(steps) = value["steps"].as_array_mut() {
        let left_out = steps.len().saturating_sub(STEPS_MAX);
        steps.truncate(STEPS_MAX);
        steps.iter_mut().filter_map(Value::as_object_mut).for_each(|step| drop(step.remove("history")));
        value["steps_left_out"] = json!(left_out);
    }
    Ok(value)
}
