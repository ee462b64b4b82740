//! A run of a thousand steps as a picture: when it is there, and how soon it shows what has happened.

use std::fmt::Write as _;

use serde_json::json;

use crate::{logs::Proxy, stage::Stage};

/// Milliseconds until a graph of a thousand steps is painted, and until it shows an event.
const BARS: (f64, f64) = (1_500.0, 100.0);
const STEPS: usize = 1_000;
const WIDTH: usize = 20;

/// Layers of steps, each of which needs all of the layer before; a person lets the first begin.
fn layers() -> String {
    let mut text = "name: large\ndescription: A thousand steps\nsteps:\n  - { id: go, approve: 'Go on?' }\n".to_owned();
    for step in 1..STEPS {
        let (layer, place) = ((step - 1) / WIDTH, (step - 1) % WIDTH);
        let needs = match layer.checked_sub(1) {
            Some(before) => format!("s{}", before * WIDTH + place + 1),
            None => "go".to_owned(),
        };
        let _ = writeln!(text, "  - {{ id: s{step}, needs: [{needs}], run: 'true' }}");
    }
    text
}

#[test]
fn a_thousand_steps_are_painted_soon_and_follow_the_run() {
    let Some(stage) = Stage::of("cat >/dev/null\n", &[("large".to_owned(), layers())], &[]) else { return };
    let run = stage.ran("large", &json!({}), "waiting");
    let times = |name: &str| {
        let text = format!("performance.getEntriesByName({name:?}).map((one) => one.duration)");
        let times = stage.page.eval(&text);
        let mut times: Vec<_> = times.as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    // The first look compiles the scripts and warms the server, as it does for people.
    let mut paints: Vec<_> = (0..3)
        .map(|_| {
            stage.open(&format!("/runs/{run}/graph"));
            stage.page.wait("performance.getEntriesByName('graph-first-paint').length > 0");
            times("graph-first-paint")[0]
        })
        .collect();
    paints.sort_by(f64::total_cmp);
    let state = |path: &str| stage.page.eval(&format!("orchGraph.state({path:?})"));
    assert_eq!(state("s1"), "waiting");
    let body = json!({ "run": run, "decision": "approve" });
    assert_eq!(stage.server.post("/api/v1/decisions", &body).status, 200);
    // Without a reload the first steps are seen to end.
    stage.page.wait("orchGraph.state('s1') === 'succeeded' && orchGraph.state('s21') === 'succeeded'");
    stage.page.wait("performance.getEntriesByName('graph-update').length >= 20");
    let updates = times("graph-update");
    let p95 = updates[updates.len() * 95 / 100];
    println!(
        "graph of {STEPS} steps: painted after {:.0} ms (bar {:.0}), {} updates, p95 {p95:.0} ms (bar {:.0})",
        paints[1],
        BARS.0,
        updates.len(),
        BARS.1
    );
    let patience = if cfg!(debug_assertions) { 5.0 } else { 1.0 };
    assert!(paints[1] <= BARS.0 * patience && p95 <= BARS.1 * patience, "{paints:?}, p95 {p95}");
    stage.server.post(&format!("/api/v1/runs/{run}/cancel"), &json!({ "hard": true }));
    stage.is_well();
}

#[test]
fn a_graph_whose_connection_broke_shows_what_happened_meanwhile() {
    let proxy = Proxy::new();
    let Some(stage) = Stage::also_under(&proxy.address.to_string()) else { return };
    proxy.leads_to(Some(stage.server.address));
    let run = stage.ran("asking", &json!({}), "waiting");
    stage.page.goto(&format!("http://{}/runs/{run}/graph", proxy.address));
    stage.page.wait("globalThis.orchGraph?.state('go') === 'asking'");
    // For a while there is nobody at the other end, and there the run ends.
    proxy.leads_to(None);
    proxy.cut();
    assert_eq!(stage.server.post("/api/v1/decisions", &json!({ "run": run, "decision": "approve" })).status, 200);
    stage.server.wait_for(&run, "succeeded");
    assert_eq!(stage.page.eval("orchGraph.state('after')"), "waiting", "nothing can have come");
    proxy.leads_to(Some(stage.server.address));
    stage.page.wait("orchGraph.state('go') === 'succeeded' && orchGraph.state('after') === 'succeeded'");
    stage.page.wait("document.querySelector('#status').textContent === 'succeeded'");
}
