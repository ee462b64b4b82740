//! What stands around every page.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::{
    http::{
        api::decisions::waiting,
        app::App,
        ask::{Answer, Ask},
        pages::assets::version,
        problem::Problem,
    },
    template::Views,
};

const VIEWS: &[(&str, &str)] = &[
    ("layout.html", include_str!("views/layout.html")),
    ("runs.html", include_str!("views/runs.html")),
    ("run.html", include_str!("views/run.html")),
    ("log.html", include_str!("views/log.html")),
    ("diff.html", include_str!("views/diff.html")),
    ("inbox.html", include_str!("views/inbox.html")),
    ("start.html", include_str!("views/start.html")),
    ("fault.html", include_str!("views/fault.html")),
];

const NAV: [(&str, &str, &str); 3] =
    [("runs", "Runs", "/"), ("inbox", "Inbox", "/inbox"), ("start", "Start", "/start")];

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

/// Draws a page.
pub(super) fn draw(ask: &Ask<'_>, page: &Page<'_>, values: &Value) -> Result<Answer, Problem> {
    let open = waiting(ask.app.places())?.len();
    let who = (ask.caller.who.as_str(), ask.caller.csrf.as_deref());
    dressed(page, values, open, who).map(Answer::html)
}

fn dressed(page: &Page<'_>, values: &Value, open: usize, who: (&str, Option<&str>)) -> Result<String, Problem> {
    let views = views()?;
    let body = views.render(&format!("{}.html", page.view), values).map_err(|error| bug(&error))?;
    let nav = NAV.iter().map(|(view, name, to)| {
        json!({ "name": name, "to": to, "here": *view == page.view, "count": if *view == "inbox" { open } else { 0 } })
    });
    let around = json!({
        "title": page.title, "view": page.view, "body": body, "live": page.live, "who": who.0, "csrf": who.1,
        "version": version(), "nav": nav.collect::<Vec<_>>(),
    });
    views.render("layout.html", &around).map_err(|error| bug(&error))
}

/// A page that could not be drawn, in words.
pub(in crate::http) fn fault(_: &App, problem: &Problem) -> Option<Answer> {
    let page = Page { view: "fault", title: "Not done".to_owned(), live: None };
    let told = problem.to_json();
    let text = dressed(&page, &told, 0, ("", None)).ok()?;
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
            views().unwrap().render(name, &json!({ "now": {} })).unwrap();
        }
    }

    #[test]
    fn addresses_hold_no_signs() {
        assert_eq!(in_query("build[a b]/code&x=\"é"), "build%5Ba%20b%5D%2Fcode%26x%3D%22%C3%A9");
    }
}
