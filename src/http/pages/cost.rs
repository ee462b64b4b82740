//! What runs cost: in a time that stands in the address, and how one run uses up its budget.

use serde_json::{Value, json};

use crate::{
    http::{
        api::{audit::since, runs::places},
        ask::{Answer, Ask},
        pages::{
            charts::{burn_line, count, money, percent, weight},
            shell::{Page, draw},
        },
        problem::Problem,
    },
    service::serve::{Position, Spending, SpentBy, SpentIn, spending_of},
};

const PERIODS: [(&str, &str); 5] =
    [("day", "a day"), ("week", "a week"), ("month", "30 days"), ("quarter", "90 days"), ("all", "all")];
/// Days that are drawn.
const DAYS_MAX: usize = 100;
/// The time that is shown where nobody says.
const STANDARD: &str = "week";

pub(in crate::http) fn cost(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let period = ask.text("period").unwrap_or(STANDARD);
    let places: Vec<_> = places(ask)?.into_iter().map(AsRef::as_ref).collect();
    let all = spending_of(&places, since(ask, STANDARD))?;
    let periods = PERIODS.map(|(word, name)| json!({ "word": word, "name": name }));
    let parts = [
        ("Day", &all.days),
        ("Workflow", &all.workflows),
        ("Agent", &all.by_agent),
        ("Model and runtime", &all.models),
    ];
    let parts: Vec<_> = parts.iter().map(|(name, lines)| part(name, lines, &all)).collect();
    let values = json!({
        "period": period, "periods": periods, "projects": names(ask), "project": ask.text("project").unwrap_or_default(),
        "runs": all.runs, "agents": all.agents, "is_cut": all.is_cut, "money": money(&all.total),
        "tokens": count(all.total.tokens()), "guessed": all.total.guessed_usd_micros > 0,
        "parts": parts, "by_run": by_run(&all), "days": days(&all), "days_width": all.days.len().clamp(14, DAYS_MAX) * 12,
    });
    let live = Some("/api/v1/events".to_owned());
    draw(ask, &Page { view: "cost", title: "Cost".to_owned(), live }, &values)
}

/// The names of all projects, where there is a choice.
pub(super) fn names(ask: &Ask<'_>) -> Vec<String> {
    let names: Vec<_> = ask.app.places().iter().map(|place| place.name().to_owned()).collect();
    if names.len() > 1 { names } else { Vec::new() }
}

fn part(name: &str, lines: &[SpentBy], all: &Spending) -> Value {
    let most = lines.iter().map(|line| weight(&line.usage, &all.total)).max().unwrap_or_default();
    let row = |line: &SpentBy| {
        json!({
            "name": line.name, "runs": line.runs, "money": money(&line.usage), "tokens": count(line.usage.tokens()),
            "width": percent(weight(&line.usage, &all.total), most),
        })
    };
    json!({ "name": name, "rows": lines.iter().map(row).collect::<Vec<_>>() })
}

fn by_run(all: &Spending) -> Vec<Value> {
    let most = all.by_run.iter().map(|run| weight(&run.usage, &all.total)).max().unwrap_or_default();
    let row = |run: &SpentIn| {
        json!({
            "run": run.run, "project": run.project, "workflow": run.workflow, "status": run.status,
            "started": run.started.to_string().chars().take(16).collect::<String>().replace('T', " "),
            "agents": run.agents, "money": money(&run.usage), "tokens": count(run.usage.tokens()),
            "width": percent(weight(&run.usage, &all.total), most),
        })
    };
    all.by_run.iter().take(50).map(row).collect()
}

/// The bars of the days, the earliest first, on a field of a hundred by a hundred.
fn days(all: &Spending) -> Vec<Value> {
    let most = all.days.iter().map(|day| weight(&day.usage, &all.total)).max().unwrap_or_default();
    let shown = all.days.len().min(DAYS_MAX);
    let bar = |(place, day): (usize, &SpentBy)| {
        let height = percent(weight(&day.usage, &all.total), most);
        json!({ "x": place * 12, "y": 100 - height, "height": height, "title": format!("{}: {}", day.name, money(&day.usage)) })
    };
    all.days[..shown].iter().rev().enumerate().map(bar).collect()
}

pub(in crate::http) fn burn(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let place = ask.app.place_of(&run)?;
    let seq = place.standing(&run)?.tag.0;
    let (burn, cost) = (place.runs().burn(&run)?, place.runs().cost(&run)?);
    let lines: Vec<_> = burn.lines.iter().map(|line| burn_line(&burn, line)).collect();
    let spent = cost.lines.iter().take(200).map(|line| {
        json!({
            "step": line.step, "agent": line.agent, "model": line.model, "runtime": line.runtime,
            "attempts": line.attempts, "money": money(&line.usage), "tokens": count(line.usage.tokens()),
            "width": percent(weight(&line.usage, &cost.total), weight(&cost.total, &cost.total)),
        })
    });
    let values = json!({
        "run": run, "workflow": burn.workflow, "status": burn.status, "on_limit": burn.on_limit, "lines": lines,
        "spent": spent.collect::<Vec<_>>(), "is_live": burn.status == "running",
    });
    let live = (burn.status == "running").then(|| format!("/api/v1/runs/{run}/events?after={}", Position::behind(seq)));
    draw(ask, &Page { view: "burn", title: format!("Cost of {run}"), live }, &values)
}
