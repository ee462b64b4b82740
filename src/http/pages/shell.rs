//! What stands around every page.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::{
    http::{
        api::decisions::waiting,
        app::App,
        ask::{Answer, Ask},
        pages::assets::{scripts, version},
        problem::Problem,
    },
    service::Scope,
    template::Views,
};

const VIEWS: &[(&str, &str)] = &[
    ("layout.html", include_str!("views/layout.html")),
    ("runs.html", include_str!("views/runs.html")),
    ("run.html", include_str!("views/run.html")),
    ("log.html", include_str!("views/log.html")),
    ("diff.html", include_str!("views/diff.html")),
    ("inbox.html", include_str!("views/inbox.html")),
    (
        "start.html",
        concat!(
            include_str!("views/start_top.html"),
            include_str!("views/form.html"),
            include_str!("views/start_end.html")
        ),
    ),
    ("definitions.html", include_str!("views/definitions.html")),
    (
        "definition.html",
        concat!(
            include_str!("views/definition_top.html"),
            include_str!("views/form.html"),
            include_str!("views/definition_end.html")
        ),
    ),
    ("cost.html", include_str!("views/cost.html")),
    ("burn.html", include_str!("views/burn.html")),
    ("health.html", include_str!("views/health.html")),
    ("audit.html", include_str!("views/audit.html")),
    ("tabs.html", include_str!("views/tabs.html")),
    ("graph.html", include_str!("views/graph.html")),
    ("timeline.html", include_str!("views/timeline.html")),
    ("agent.html", include_str!("views/agent.html")),
    ("outputs.html", include_str!("views/outputs.html")),
    ("fault.html", include_str!("views/fault.html")),
];

const NAV: [(&str, &str, &str); 7] = [
    ("runs", "Runs", "/"),
    ("inbox", "Inbox", "/inbox"),
    ("start", "Start", "/start"),
    ("definitions", "Definitions", "/definitions"),
    ("cost", "Cost", "/cost"),
    ("health", "Health", "/health"),
    ("audit", "Audit", "/audit"),
];

/// Who looks at a page.
#[derive(Default)]
struct Viewer<'a> {
    who: &'a str,
    csrf: Option<&'a str>,
    is_admin: bool,
    /// What waits for people.
    open: usize,
}

fn views() -> Result<&'static Views, Problem> {
    static READ: OnceLock<Result<Views, String>> = OnceLock::new();
    READ.get_or_init(|| Views::new(VIEWS)).as_ref().map_err(|error| bug(error))
}

fn bug(error: &str) -> Problem {
    let help = "please report it with `orch doctor --json`";
    Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "E0599", error, help)
}

/// A text as a part of an address.
pub(super) fn in_query(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a page is, besides its own values.
pub(super) struct Page<'a> {
    /// Its view.
    pub view: &'a str,
    pub title: String,
    /// The stream that says when it is old.
    pub live: Option<String>,
}

/// How long a page of this view stands still after it has renewed itself: these two look at every project, and at many runs.
fn pause_ms(view: &str) -> u64 {
    match view {
        "health" | "cost" => 5_000,
        _ => 250,
    }
}

/// Draws a part of a page; everything in it is escaped, so that the page may take it as it is.
pub(super) fn part(view: &str, values: &Value) -> Result<String, Problem> {
    views()?.render(&format!("{view}.html"), values).map_err(|error| bug(&error))
}

/// Draws a page.
pub(super) fn draw(ask: &Ask<'_>, page: &Page<'_>, values: &Value) -> Result<Answer, Problem> {
    let open = waiting(ask.app.places())?.len();
    let is_admin = ask.caller.role.is_some_and(|role| role.may(Scope::Admin));
    let viewer = Viewer { who: &ask.caller.who, csrf: ask.caller.csrf.as_deref(), is_admin, open };
    dressed(page, values, &viewer).map(Answer::html)
}

fn dressed(page: &Page<'_>, values: &Value, viewer: &Viewer<'_>) -> Result<String, Problem> {
    let views = views()?;
    let body = views.render(&format!("{}.html", page.view), values).map_err(|error| bug(&error))?;
    // Only those who may look at the log are shown where it is.
    let nav = NAV.iter().filter(|(view, ..)| *view != "audit" || viewer.is_admin).map(|(view, name, to)| {
        let count = if *view == "inbox" { viewer.open } else { 0 };
        json!({ "name": name, "to": to, "here": *view == page.view, "count": count })
    });
    let around = json!({
        "title": page.title, "view": page.view, "body": body, "live": page.live, "pause": pause_ms(page.view),
        "who": viewer.who, "csrf": viewer.csrf,
        "version": version(), "scripts": scripts(page.view), "nav": nav.collect::<Vec<_>>(),
    });
    views.render("layout.html", &around).map_err(|error| bug(&error))
}

/// A page that could not be drawn, in words.
pub(in crate::http) fn fault(_: &App, problem: &Problem) -> Option<Answer> {
    let page = Page { view: "fault", title: "Not done".to_owned(), live: None };
    let told = problem.to_json();
    let text = dressed(&page, &told, &Viewer::default()).ok()?;
    Some(Answer::html(text).status(problem.status))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_view_can_be_drawn_of_nothing() {
        for (name, _) in VIEWS {
            views().unwrap().render(name, &json!({ "now": {}, "one": {} })).unwrap();
        }
    }

    #[test]
    fn addresses_hold_no_signs() {
        assert_eq!(in_query("build[a b]/code&x=\"é"), "build%5Ba%20b%5D%2Fcode%26x%3D%22%C3%A9");
    }
}
