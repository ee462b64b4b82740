//! One attempt: what it was asked, what it said and did, what it cost. All of it is text from outside.

use serde_json::{Value, json};

use crate::{
    base::{Timestamp, dollars},
    http::{
        api::picture::attempt_of,
        ask::{Answer, Ask},
        pages::{
            runs::took,
            shell::{Page, draw, in_query},
            tabs::tabs,
        },
        problem::Problem,
    },
};

pub(in crate::http) fn agent(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let place = ask.app.place_of(&run)?;
    let found = attempt_of(ask)?;
    let attempt = found["attempt"].as_str().unwrap_or_default().to_owned();
    let usage = |of: &Value| {
        json!({
            "read": of["input_tokens"], "written": of["output_tokens"],
            "cached": of["cache_read_tokens"].as_u64().unwrap_or_default() + of["cache_write_tokens"].as_u64().unwrap_or_default(),
            "money": dollars(of["usd_micros"].as_u64().unwrap_or_default()),
        })
    };
    let costs = found["costs"].as_array().into_iter().flatten().map(|cost| {
        let mut line = usage(&cost["usage"]);
        line["model"] = cost["model"].clone();
        line
    });
    let at = |name: &str| found[name].as_u64().map(Timestamp);
    let (ready, started, ended) = (at("ready"), at("started"), at("ended"));
    let count =
        |kind: &str| found["told"].as_array().map_or(0, |all| all.iter().filter(|one| one["kind"] == kind).count());
    let result = &found["result"];
    let output = (!result["output"].is_null()).then(|| format!("{:#}", result["output"]));
    let step = found["step"].as_str().unwrap_or_default();
    let values = json!({
        "run": run, "tabs": tabs(run.as_str(), "agent", Some(&attempt))?, "one": found,
        "step_query": in_query(step), "costs": costs.collect::<Vec<_>>(), "usage": usage(&found["usage"]),
        "took": started.map(|from| took(from, ended)), "waited": ready.zip(started).filter(|(ready, from)| from.0 > ready.0 + 100).map(|(ready, from)| took(ready, Some(from))),
        "began": started.map(|at| at.to_string()), "tools": count("tool"), "output": output,
        "left": place.runs().folder(&run)?.join("attempts").join(&attempt).is_dir(),
    });
    let live = match ended {
        None => Some(format!("/api/v1/runs/{run}/events?after={}.4000000000", place.standing(&run)?.tag.0)),
        Some(_) => None,
    };
    draw(ask, &Page { view: "agent", title: format!("Attempt {attempt} of {step}"), live }, &values)
}
