//! What waits for a person, and what people say.

use serde_json::{Value, json};

use crate::{
    base::RunId,
    http::{
        api::runs::{done, outcome, places},
        ask::{Answer, Ask, run_id},
        problem::Problem,
        spec,
    },
    scheduler::Decision,
    service::{RunQuery, Said, Verdict, serve::Place},
};

/// Runs that are looked at for what waits.
const RUNS_MAX: usize = 1_000;

/// One thing that waits for a person.
fn question(place: &Place, run: &RunId) -> Result<Option<Value>, Problem> {
    let standing = place.standing(run)?;
    let status = &standing.status;
    if status.waiting_for.is_empty() {
        return Ok(None);
    }
    Ok(Some(json!({
        "project": place.name(), "run": run, "workflow": status.workflow, "started": status.started,
        "waiting_for": status.waiting_for, "next": status.next,
    })))
}

/// All that waits in these projects.
pub(in crate::http) fn waiting<'a>(
    all: impl IntoIterator<Item = &'a std::sync::Arc<Place>>,
) -> Result<Vec<Value>, Problem> {
    let live = RunQuery { live: true, ..RunQuery::default() };
    let mut found = Vec::new();
    for place in all {
        for run in place.list(&live, RUNS_MAX)?.runs {
            // Whoever drives a run says in the list that it waits; a large one is not read for nothing.
            if run.waiting_for.is_none() && place.runs().owner(&run.run)?.is_some() {
                continue;
            }
            found.extend(question(place, &run.run)?);
        }
    }
    Ok(found)
}

pub(in crate::http) fn inbox(ask: &Ask<'_>) -> Result<Answer, Problem> {
    Answer::json(&json!({ "waiting": waiting(places(ask)?)? }))
}

pub(in crate::http) fn decide_body() -> Value {
    let text = json!({ "type": "string", "maxLength": 20_000 });
    let line = json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000 });
    let comment = json!({
        "type": "object", "additionalProperties": false, "required": ["comment"],
        "properties": {
            "path": { "type": "string", "maxLength": 4_096 }, "line": line, "to": line,
            "side": { "enum": ["old", "new"] }, "comment": { "type": "string", "minLength": 1, "maxLength": 4_096 },
        },
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["run", "decision"],
        "properties": {
            "run": spec::run(), "step": spec::step(),
            "decision": { "enum": ["approve", "reject", "pushback", "retry", "done", "failed"] },
            "comment": text,
            "comments": { "type": "array", "items": comment, "maxItems": 100 },
            "fields": { "type": "object" },
            "subject": { "type": "string", "maxLength": 100, "pattern": "^[0-9a-z:]+$" },
        },
        // Which step ended so is never guessed.
        "if": { "properties": { "decision": { "enum": ["retry", "done", "failed"] } } },
        "then": { "required": ["step"] },
    })
}

pub(in crate::http) fn decide(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = run_id(ask.said("run").unwrap_or_default())?;
    let place = ask.app.place_of(&run)?;
    let step = ask.said("step");
    let comment = ask.said("comment").unwrap_or_default();
    let word = ask.said("decision").unwrap_or_default();
    if let Some(outcome) = outcome(word) {
        place.resume(
            &ask.caller.who,
            &run,
            Some((step.unwrap_or_default(), outcome)),
            crate::service::BudgetWish::default(),
        )?;
        return done(ask, &run, "answered");
    }
    let (decision, said) = match word {
        "approve" => {
            let fields = ask.body.get("fields").cloned().unwrap_or(Value::Null);
            (Decision::Approve { fields, comment: comment.to_owned() }, "approved")
        }
        "reject" => (Decision::Reject { comment: comment.to_owned(), is_final: true }, "rejected"),
        _ => {
            let said: Vec<Said> = serde_json::from_value(ask.body.get("comments").cloned().unwrap_or(json!([])))
                .map_err(|error| Problem::field(format!("body comments: {error}")))?;
            let typed: Vec<_> = Some(comment).filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect();
            (place.runs().pushback(&run, step, &typed, &said)?, "pushed back")
        }
    };
    let subject = ask.said("subject").map(str::to_owned);
    place.decide(&ask.caller.who, &run, Verdict { step: step.map(str::to_owned), decision, subject })?;
    done(ask, &run, said)
}
