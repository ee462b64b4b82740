//! The files of `deploy/` against each other and against the program: which figures they ask for, which command lines
//! they run, which ports they mean. Whether Prometheus, Helm and the others can read them is asked of their own linters
//! in `.ci/deploy`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use clap::{CommandFactory as _, Parser as _};
use orch::{cli::Cli, http::FIGURES};
use regex::Regex;
use serde_json::Value;

/// Where everybody looks for the server.
const PORT: &str = "7420";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/dashboards/orch.json")).unwrap()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

/// Every expression, with the place that it stands at.
fn expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_panel = |panel: &Value| {
        let place = format!("the panel `{}`", text(panel, "title"));
        list(panel, "targets")
            .iter()
            .map(move |target| (place.clone(), text(target, "expr").to_owned()))
            .collect::<Vec<_>>()
    };
    let panels = list(&dashboard, "panels").iter().flat_map(of_panel);
    let alerts = alerts();
    let alerts =
        alerts.iter().map(|alert| (format!("the alert {}", text(alert, "alert")), text(alert, "expr").to_owned()));
    panels.chain(alerts).collect()
}

fn alerts() -> Vec<Value> {
    list(&yaml("prometheus/alerts.yml"), "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect()
}

/// A name as it stands in an expression: what it is called in the table, and what of a histogram it is.
fn base(name: &str) -> (&str, &str) {
    let known = |name: &str| FIGURES.iter().any(|(known, ..)| *known == name);
    let parts = ["_bucket", "_sum", "_count"];
    match parts.iter().find_map(|part| name.strip_suffix(part).filter(|base| known(base)).map(|base| (base, *part))) {
        Some(found) => found,
        None => (name, ""),
    }
}

/// What is wrong with an expression.
fn faults(expression: &str) -> Vec<String> {
    let used = Regex::new(r"(?:(\w+)\s*\()?\b((?:orch|orchestrator)_\w+)\s*(?:\{([^}]*)\})?(\[)?").unwrap();
    let mut faults = Vec::new();
    let mut labels = BTreeSet::from(["instance", "job"]);
    for found in used.captures_iter(expression) {
        let (base, part) = base(found.get(2).unwrap().as_str());
        let Some((_, kind, own)) = FIGURES.iter().find(|(name, ..)| *name == base) else {
            faults.push(format!("nobody measures {base}"));
            continue;
        };
        let function = found.get(1).map_or("", |name| name.as_str());
        let is_rate = ["rate", "increase"].contains(&function) && found.get(4).is_some();
        match *kind {
            "counter" if !is_rate => faults.push(format!("{base} only grows: ask for its rate")),
            "histogram" if part.is_empty() || !is_rate => {
                faults.push(format!("{base} has buckets: ask for their rate"))
            }
            "gauge" if ["rate", "increase"].contains(&function) => faults.push(format!("{base} does not count up")),
            _ => {}
        }
        labels.extend(own.iter().copied());
        if part == "_bucket" {
            labels.insert("le");
        }
        for pair in
            found.get(3).map_or("", |selected| selected.as_str()).split(',').filter(|pair| !pair.trim().is_empty())
        {
            let label = pair.split(['=', '!']).next().unwrap().trim();
            if !["instance", "job"].contains(&label) && !own.contains(&label) {
                faults.push(format!("{base} has no label `{label}`"));
            }
        }
    }
    for grouped in Regex::new(r"\b(?:by|without|on)\s*\(([^)]*)\)").unwrap().captures_iter(expression) {
        let unknown = grouped[1]
            .split(',')
            .map(str::trim)
            .filter(|label| !labels.contains(label))
            .map(|label| format!("no label `{label}`"));
        faults.extend(unknown);
    }
    faults
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_measured() {
    let all = expressions();
    assert!(all.len() > 30, "{}", all.len());
    let of_one = |(place, expression): &(String, String)| {
        let shown = faults(expression).into_iter().map(|fault| format!("{place}: {fault}: {expression}"));
        shown.collect::<Vec<_>>()
    };
    let found: Vec<_> = all.iter().flat_map(of_one).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_wrong_expression_is_seen() {
    for (expression, word) in [
        ("sum(rate(orch_run_total[5m]))", "nobody measures"),
        ("sum(orch_runs_total)", "only grows"),
        ("rate(orch_steps_running[5m])", "does not count up"),
        ("sum(rate(orch_queue_wait_seconds[5m]))", "has buckets"),
        ("sum by (reason) (rate(orch_runs_total[5m]))", "no label `reason`"),
        ("rate(orch_runs_total{state=\"failed\"}[5m])", "has no label `state`"),
        ("sum by (le) (orch_steps_running)", "no label `le`"),
    ] {
        let found = faults(expression);
        assert!(found.len() == 1 && found[0].contains(word), "{expression}: {found:?}");
    }
}

#[test]
fn every_figure_is_on_the_dashboard() {
    let shown = dashboard().to_string();
    let hidden: Vec<_> = FIGURES.iter().filter(|(name, ..)| !shown.contains(name)).collect();
    assert!(hidden.is_empty(), "nobody sees {hidden:?}");
}

#[test]
fn the_dashboard_is_laid_out_and_finds_its_source() {
    let (dashboard, sources) = (dashboard(), yaml("grafana/provisioning/datasources/prometheus.yml"));
    let source = text(&sources["datasources"][0], "uid");
    let mut ids = BTreeSet::new();
    let mut cells = BTreeMap::new();
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "the id of `{title}` is taken");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for (x, y) in (place("x")..place("x") + place("w"))
            .flat_map(|x| (place("y")..place("y") + place("h")).map(move |y| (x, y)))
        {
            assert!(x < 24, "`{title}` is too wide");
            let other = cells.insert((x, y), title);
            assert_eq!(other, None, "`{title}` lies on another panel");
        }
        for target in list(panel, "targets") {
            assert_eq!(text(&target["datasource"], "uid"), source, "`{title}`");
        }
    }
    let folder = yaml("grafana/provisioning/dashboards/orch.yml");
    let folder = text(&folder["providers"][0]["options"], "path");
    let compose = read("compose.yaml");
    assert!(compose.contains(&format!("./grafana/dashboards:{folder}:ro")), "the dashboard is not mounted at {folder}");
}

#[test]
fn each_of_eight_alerts_helps_and_has_been_seen_to_fire() {
    let (alerts, tests) = (alerts(), yaml("prometheus/alerts.test.yml"));
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deployment.md")).unwrap();
    assert_eq!(alerts.len(), 8);
    for alert in &alerts {
        let name = text(alert, "alert");
        assert!(["critical", "warning", "info"].contains(&text(&alert["labels"], "severity")), "{name}");
        for key in ["summary", "description"] {
            assert!(text(&alert["annotations"], key).len() > 20, "{name} says nothing in `{key}`");
        }
        let words: Vec<_> = text(&alert["annotations"], "runbook").split(' ').collect();
        runs(&format!("the runbook of {name}"), &words);
        let fires = list(&tests, "tests").iter().flat_map(|test| list(test, "alert_rule_test"));
        assert!(
            fires.into_iter().any(|test| text(test, "alertname") == name && !list(test, "exp_alerts").is_empty()),
            "no test sees {name} fire"
        );
        assert!(page.contains(&format!("`{name}`")), "docs/deployment.md does not name {name}");
    }
}

/// Checks that a command line of a deployment is one of the program's.
fn runs(place: &str, words: &[&str]) {
    assert_eq!(words[0].rsplit('/').next(), Some("orch"), "{place}: {words:?}");
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("{place}: `{}`: {error}", words.join(" "));
    }
}

/// Every command line that a deployment runs, and the place that it stands at.
fn command_lines() -> Vec<(&'static str, Vec<String>)> {
    let mut lines = Vec::new();
    let words = |list: &Value| {
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let orch = || vec!["/usr/local/bin/orch".to_owned()];
    for line in read("Dockerfile").replace("\\\n", "").lines() {
        let Some((before, list)) = line.split_once("CMD [") else { continue };
        let given = words(&serde_json::from_str(&format!("[{list}")).unwrap());
        let all = if before.is_empty() { [orch(), given].concat() } else { given };
        lines.push(("the Dockerfile", all));
    }
    lines.push(("compose.yaml", [orch(), words(&yaml("compose.yaml")["services"]["orch"]["command"])].concat()));
    let unit = read("systemd/orch.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    lines.push(("the unit", start.split(' ').map(ToOwned::to_owned).collect()));
    // The chart's arguments, as they are with the standard port and one project.
    let chart = read("helm/orch/templates/statefulset.yaml");
    let arguments = chart.split_once("          args:\n            - serve\n").unwrap().1;
    let arguments = arguments.lines().take_while(|line| line.starts_with("            "));
    let arguments = arguments.map(str::trim).filter(|line| !line.starts_with("{{"));
    let filled = arguments.map(|line| {
        let word = line.strip_prefix("- ").unwrap().replace("{{ .Values.port }}", PORT);
        word.replace(r#"{{ printf "/data/projects/%s" .name | quote }}"#, "/data/projects/main")
            .trim_matches('"')
            .to_owned()
    });
    lines.push(("the chart", [orch(), vec!["serve".to_owned()], filled.collect()].concat()));
    lines
}

#[test]
fn the_command_lines_are_the_program_s() {
    let lines = command_lines();
    assert_eq!(lines.len(), 7, "{lines:?}");
    for (place, words) in &lines {
        runs(place, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(words.iter().all(|word| !word.contains("{{")), "{place}: {words:?}");
        // Off loopback the server wants TLS or somebody who ends it, and refuses to start without.
        let listens = words.iter().position(|word| word == "--listen").map(|at| words[at + 1].as_str()).unwrap();
        assert!(listens.ends_with(&format!(":{PORT}")), "{place}: {listens}");
        let is_alone = words.iter().any(|word| word == "--behind-proxy" || word == "--tls-cert");
        assert!(listens.starts_with("127.0.0.1") || is_alone, "{place}: {words:?}");
    }
}

#[test]
fn a_wrong_command_line_is_seen() {
    for words in [&["orch", "serve", "--lisen", "127.0.0.1:1"][..], &["orch", "serve", "--listen"], &["orch", "rnus"]] {
        assert!(std::panic::catch_unwind(|| runs("here", words)).is_err(), "{words:?}");
    }
}

#[test]
fn whoever_stops_the_server_waits_for_longer_than_it_drains() {
    let program = Cli::command();
    let serve = program.find_subcommand("serve").unwrap();
    let drain = serve.get_arguments().find(|argument| argument.get_id() == "drain").unwrap();
    let drain = seconds(drain.get_default_values()[0].to_str().unwrap());
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deployment.md")).unwrap();
    let after = |text: &str, key: &str| text.split_once(key).unwrap().1.split_whitespace().next().unwrap().to_owned();
    let waits = [
        ("the unit", after(&read("systemd/orch.service"), "\nTimeoutStopSec=")),
        ("compose.yaml", text(&yaml("compose.yaml")["services"]["orch"], "stop_grace_period").to_owned()),
        ("the chart", yaml("helm/orch/values.yaml")["terminationGracePeriodSeconds"].to_string()),
        ("docs/deployment.md", after(&document, "--stop-timeout ")),
    ];
    for (place, wait) in waits {
        // What goes on after that time is stopped, and that takes a while as well.
        assert!(seconds(&wait) >= 2 * drain, "{place} waits {wait}, and the server drains for {drain} s");
    }
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

#[test]
fn ports_and_versions_agree() {
    assert_eq!(yaml("helm/orch/values.yaml")["port"].to_string(), PORT);
    let config = yaml("prometheus/prometheus.yml");
    let scrape = &config["scrape_configs"][0];
    assert_eq!(text(scrape, "job_name"), "orch", "the alerts and the dashboard know it by this name");
    assert_eq!(scrape["static_configs"][0]["targets"][0], format!("orch:{PORT}"));
    let dockerfile = read("Dockerfile");
    assert_eq!(dockerfile.matches(&format!("EXPOSE {PORT}\n")).count(), 2);
    let compose = yaml("compose.yaml");
    for (name, service) in compose["services"].as_object().unwrap() {
        for port in list(service, "ports") {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name} is open to other machines: {port}");
        }
    }
    let chart = yaml("helm/orch/Chart.yaml");
    assert_eq!(text(&chart, "appVersion"), env!("CARGO_PKG_VERSION"));
    let rust = format!("/rust:{}-alpine AS build\n", env!("CARGO_PKG_RUST_VERSION"));
    assert!(dockerfile.contains(&rust), "the image is not built with Rust {}", env!("CARGO_PKG_RUST_VERSION"));
}

#[test]
fn the_image_gets_what_the_build_reads_and_no_more() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".dockerignore")).unwrap();
    let ignored: BTreeSet<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    for kept in [".git", ".orch", "target", "deploy"] {
        assert!(ignored.contains(kept), "{kept} would go to the builder");
    }
    // What the crate takes in at build time, and what its manifest names.
    let taken = Regex::new(r#"include_(?:dir|str|bytes)!\("(?:\$CARGO_MANIFEST_DIR/|(?:\.\./)+)(\w+)"#).unwrap();
    let mut needed =
        BTreeSet::from(["src", "benches", "tests", "Cargo.toml", "Cargo.lock", "build.rs"].map(ToOwned::to_owned));
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let code = fs::read_to_string(&path).unwrap();
                needed.extend(
                    taken.captures_iter(&code).map(|found| found[1].to_owned()).filter(|name| root.join(name).exists()),
                );
            }
        }
    }
    assert!(needed.contains("workflows") && needed.contains("schemas"), "{needed:?}");
    for path in &needed {
        assert!(!ignored.contains(path.as_str()), "the build needs {path}");
    }
    for line in &ignored {
        assert!(!line.contains(['*', '!']), "`{line}`: this test reads plain names");
    }
}
