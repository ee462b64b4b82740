//! What can be run and what it is made of: all definitions, and one with its text, its plan and its form.

use serde_json::{Value, json};

use crate::{
    base::{Diagnostic, Severity, render::to_json},
    http::{
        api::runs::places,
        ask::{Answer, Ask},
        live::mark_of,
        pages::{
            charts::{count, money},
            cost::names,
            shell::{Page, draw, in_query},
        },
        problem::Problem,
    },
    service::{Defined, Use, defined, plan_picture, serve::Place},
};

const KINDS: [&str; 5] = ["workflow", "command", "agent", "skill", "gate"];
/// Definitions of a project that are drawn.
const LINES_MAX: usize = 1_000;
/// Faults that are drawn.
const FAULTS_MAX: usize = 100;

/// Where the page of a definition is.
fn address(place: &Place, kind: &str, name: &str) -> String {
    format!("/definitions/{kind}/{}?project={}", in_query(name), in_query(place.name()))
}

pub(in crate::http) fn definitions(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (kind, word) = (ask.text("kind").unwrap_or_default(), ask.text("match").unwrap_or_default());
    // First what is told of later, then what is shown: a change in between is told.
    let seen = mark_of(ask.app.places());
    let mut projects = Vec::new();
    for place in places(ask)? {
        let wanted = Some(kind).filter(|kind| !kind.is_empty());
        let (found, checked) = place.with(|project| crate::service::definitions(project, wanted, word))??;
        let left_out = found.len().saturating_sub(LINES_MAX);
        let lines = found.iter().take(LINES_MAX).filter(|line| KINDS.contains(&line.listed.kind)).map(|line| {
            let mut value = serde_json::to_value(line).unwrap_or_default();
            value["to"] = json!(address(place, line.listed.kind, &line.listed.name));
            value["tag"] = json!(line.listed.tag());
            value
        });
        projects.push(json!({
            "name": place.name(), "lines": lines.collect::<Vec<_>>(), "left_out": left_out,
            "errors": checked.count(Severity::Error), "warnings": checked.count(Severity::Warning),
            "files": checked.files, "faults": faults(&checked.diagnostics),
        }));
    }
    let values = json!({
        "projects": projects, "kind": kind, "kinds": KINDS, "match": word, "project": ask.text("project").unwrap_or_default(),
        "names": names(ask),
    });
    let live = Some(format!("/api/v1/changes?after={seen}"));
    draw(ask, &Page { view: "definitions", title: "Definitions".to_owned(), live }, &values)
}

/// Faults in few words, the errors first.
fn faults(all: &[Diagnostic]) -> Vec<Value> {
    let mut sorted: Vec<&Diagnostic> = all.iter().collect();
    sorted.sort_by_key(|fault| fault.severity != Severity::Error);
    let line = |fault: &&Diagnostic| {
        let told = to_json(fault);
        json!({
            "code": told["code"], "severity": told["severity"], "message": told["message"], "path": told["path"],
            "line": told["place"]["line"], "help": told["help"],
        })
    };
    sorted.iter().take(FAULTS_MAX).map(line).collect()
}

pub(in crate::http) fn definition(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let place = ask.app.place(ask.text("project").filter(|name| !name.is_empty()))?;
    let (kind, name) = (ask.part("kind"), ask.part("name"));
    let seen = mark_of(std::slice::from_ref(place));
    let found = place.with(|project| defined(project, kind, name))??;
    let mut offer = found.offer.as_ref().and_then(|offer| serde_json::to_value(offer).ok());
    if let Some(offer) = &mut offer {
        offer["project"] = json!(place.name());
    }
    let values = json!({
        "kind": kind, "name": name, "project": place.name(), "description": found.line.listed.description,
        "path": found.line.listed.place(), "tag": found.line.listed.tag(), "trust": found.line.trust,
        "fault": found.line.fault, "facts": found.facts, "used_by": users(place, &found.used_by), "one": offer,
        "lines": lines(&found), "is_cut": found.is_cut, "faults": faults(&found.diagnostics), "plan": plan(&found),
        "picture": format!("/api/v1/plans/{kind}/{}?project={}", in_query(name), in_query(place.name())),
        "typed": if kind == "command" { format!("/{name}") } else { name.to_owned() },
    });
    let live = Some(format!("/api/v1/changes?project={}&after={seen}", in_query(place.name())));
    draw(ask, &Page { view: "definition", title: format!("{kind} {name}"), live }, &values)
}

fn users(place: &Place, users: &[Use]) -> Vec<Value> {
    let line = |one: &Use| json!({ "kind": one.kind, "name": one.name, "to": address(place, one.kind, &one.name) });
    users.iter().map(line).collect()
}

/// The lines of a text, each with whether it is of the frontmatter and whether a fault begins there.
fn lines(found: &Defined) -> Vec<Value> {
    let faulty: Vec<usize> =
        found.diagnostics.iter().map(|fault| fault.source.position(fault.span.start).line).collect();
    let line = |(place, text): (usize, &String)| {
        let number = place + 1;
        let is_front = found.frontmatter.is_some_and(|(first, last)| (first..=last).contains(&number));
        let class = match (faulty.contains(&number), is_front) {
            (true, _) => "faulty",
            (false, true) => "front",
            (false, false) => "",
        };
        json!({ "n": number, "text": text, "class": class })
    };
    found.text.iter().enumerate().map(line).collect()
}

fn plan(found: &Defined) -> Option<Value> {
    let plan = found.plan.as_ref()?;
    let expected = |usd_micros: u64, tokens: u64| {
        let usage = crate::base::Usage { usd_micros, ..crate::base::Usage::default() };
        format!("{}, {} tokens", money(&usage), count(tokens))
    };
    let estimate = plan.estimate.as_ref().map(|estimate| {
        let (typical, worst) = (&estimate.typical, &estimate.worst);
        json!({
            "typical": expected(typical.usd_micros, typical.tokens), "worst": expected(worst.usd_micros, worst.tokens),
            "starts": typical.starts, "starts_worst": worst.starts, "unpriced": estimate.unpriced,
        })
    });
    Some(json!({
        "drawing": plan.drawing, "steps": plan.steps.len() + plan.steps_left_out, "estimate": estimate,
        "is_drawn": plan.steps_left_out == 0 && plan.steps.len() <= 400, "digest": plan.digest,
    }))
}

/// The plan as a picture of its own: as an image it can neither run anything nor reach anything, whatever stands in it.
pub(in crate::http) fn picture(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let place = ask.app.place(ask.text("project").filter(|name| !name.is_empty()))?;
    let (kind, name) = (ask.part("kind"), ask.part("name"));
    if !matches!(kind, "workflow" | "command") {
        return Err(Problem::missing(format!("{kind} `{name}` has no plan"), "workflows and commands have one"));
    }
    match place.with(|project| plan_picture(project, kind, name))?? {
        Some(text) => Ok(Answer::bytes("image/svg+xml", text)),
        None => Err(Problem::missing("this plan is too large for a picture", "`orch plan NAME --format svg` draws it")),
    }
}
