//! How the server and its projects are: every check, the runtimes, and what waits for a person.

use serde_json::{Value, json};

use crate::{
    base::Timestamp,
    http::{
        api::health::look,
        ask::{Answer, Ask},
        pages::{
            runs::ago,
            shell::{Page, draw, in_query},
        },
        problem::Problem,
    },
    service::list_runtimes,
};

pub(in crate::http) fn health(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let mut body = look(ask)?.body;
    for check in body["checks"].as_array_mut().into_iter().flatten() {
        let since = check["since"].as_u64().map(Timestamp);
        check["since_words"] = json!(since.map(ago));
    }
    for one in body["parked"].as_array_mut().into_iter().flatten() {
        one["until_words"] = json!(one["until"].as_u64().map(|until| Timestamp(until).to_string()));
    }
    let mut questions = Vec::new();
    for question in
        body["decisions"].as_array().into_iter().flatten().flat_map(|one| one["waiting"].as_array()).flatten()
    {
        for one in question["waiting_for"].as_array().into_iter().flatten() {
            let mut one: Value = one.clone();
            one["step_query"] = json!(one["step"].as_str().map(in_query));
            for field in ["run", "workflow", "project", "next"] {
                one[field] = question[field].clone();
            }
            questions.push(one);
        }
    }
    let mut runtimes = Vec::new();
    for place in ask.app.places() {
        // Settings with faults are told by their check.
        let Ok(lines) = place.with(|project| list_runtimes(project, false)) else { continue };
        for line in lines.iter().filter(|line| line.is_there) {
            let of = |one: &&Value| one["runtime"] == line.name.as_str() && one["project"] == place.name();
            let parked = body["parked"].as_array().into_iter().flatten().find(of).cloned();
            let mut value = serde_json::to_value(line).unwrap_or_default();
            (value["project"], value["parked"]) = (json!(place.name()), json!(parked));
            runtimes.push(value);
        }
    }
    let (mut own, mut projects) = (Vec::new(), Vec::new());
    for check in body["checks"].as_array().into_iter().flatten() {
        if check["project"].is_null() { own.push(check) } else { projects.push(check) }
    }
    let groups = ask.app.places().iter().map(|place| {
        let checks: Vec<_> = projects.iter().filter(|check| check["project"] == place.name()).collect();
        json!({ "name": place.name(), "checks": checks })
    });
    let server = json!({ "name": "The server", "checks": own });
    let groups: Vec<_> = std::iter::once(server).chain(groups).collect();
    let values = json!({
        "well": body["well"], "version": body["version"], "groups": groups, "runtimes": runtimes, "questions": questions,
        "uptime": crate::base::render_duration(std::time::Duration::from_secs(ask.app.uptime_s())),
    });
    let live = Some("/api/v1/events".to_owned());
    draw(ask, &Page { view: "health", title: "Health".to_owned(), live }, &values)
}
