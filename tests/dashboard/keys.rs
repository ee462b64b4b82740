//! Twelve things that people do, with nothing but a keyboard: no pointer, and at every stop the focus is seen.

use serde_json::json;

use crate::stage::Stage;

/// A thing to do; it begins wherever its first line goes.
type Task = (&'static str, fn(&Stage));

const TASKS: &[Task] = &[
    ("start a run", |stage| {
        stage.open("/");
        stage.tab_to("nav a[href='/start']");
        stage.page.key("Enter");
        stage.page.wait("document.body?.dataset.view === 'start' && document.readyState === 'complete'");
        // `/` goes to the field that finds.
        stage.page.key("/");
        stage.page.type_in("asking");
        stage.page.key("Enter");
        stage.page.wait("document.querySelector('details.offer[open] form')");
        stage.tab_to("form.start button.yes");
        stage.page.key("Enter");
        stage.page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
    }),
    ("find the step that failed", |stage| {
        let run = stage.ran("failing", &json!({}), "failed");
        stage.open("/");
        stage.tab_to(&format!("a[href='/runs/{run}']"));
        stage.page.key("Enter");
        stage.page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
        stage.tab_to("a.to-step");
        stage.page.key("Enter");
        stage.page.wait("location.hash === '#s-broken' && document.querySelector('#s-broken:target .badge.failed')");
        stage.page.key("Tab");
        stage.focus_is_seen();
        assert!(stage.page.holds("document.activeElement.closest('#s-broken')"), "the next stop is in that step");
    }),
    ("read a log", |stage| {
        let run = stage.ran("colours", &json!({}), "succeeded");
        stage.open(&format!("/runs/{run}"));
        stage.tab_to("#s-paint a[href*=log]");
        stage.page.key("Enter");
        stage.page.wait("document.querySelectorAll('#log .row').length > 20");
        stage.page.look(1200, 500, "light");
        stage.tab_to("#log");
        stage.page.key("Home");
        stage
            .page
            .wait("document.querySelector('#log').scrollTop === 0 && !document.querySelector('[name=follow]').checked");
        // A browser still at the end of one movement may not begin the next.
        for _ in 0..20 {
            stage.page.key("PageDown");
            std::thread::sleep(std::time::Duration::from_millis(100));
            if stage.page.holds("document.querySelector('#log').scrollTop > 100") {
                break;
            }
        }
        assert!(stage.page.holds("document.querySelector('#log').scrollTop > 100"), "PageDown moves the log");
        stage.page.key("End");
        stage.page.wait("document.querySelector('[name=follow]').checked && document.querySelector('#log .rows').lastChild.textContent.includes('safe')");
        stage.page.look(1200, 900, "light");
        stage.page.key("Tab");
        assert!(!stage.page.holds("document.activeElement.id === 'log'"), "no trap");
    }),
    ("search in a log", |stage| {
        let run = stage.ran("colours", &json!({}), "succeeded");
        stage.open(&format!("/runs/{run}/log?attempt=0-1"));
        stage.page.wait("document.querySelectorAll('#log .row').length > 20");
        stage.page.key("/");
        stage.page.type_in("bold red");
        stage.page.key("Enter");
        stage.page.wait("document.querySelector('#log .row.hit')?.textContent.includes('bold red')");
        assert_eq!(stage.page.eval("document.querySelector('#log .row.hit a').hash"), stage.page.eval("location.hash"));
        stage.page.wait("document.querySelector('#say').textContent.includes('Line')");
    }),
    ("approve with a comment", |stage| {
        let run = stage.ran("asking", &json!({}), "waiting");
        stage.open(&format!("/runs/{run}"));
        stage.page.key("c");
        stage.focus_is_seen();
        stage.page.type_in("looks good, really");
        stage.page.key("Escape");
        stage.focus_is_seen();
        stage.page.key("a");
        stage.page.wait("document.querySelector('.state .badge.succeeded')");
        assert!(
            stage.page.holds("document.querySelector('#s-go').innerText.includes('looks good, really')"),
            "the comment is kept"
        );
    }),
    ("reject", |stage| {
        let run = stage.ran("asking", &json!({}), "waiting");
        stage.open("/inbox");
        let of = format!(
            "document.activeElement.matches('.item') && document.activeElement.querySelector('form').dataset.run === '{run}'"
        );
        for _ in 0..50 {
            if stage.page.holds(&of) {
                break;
            }
            stage.page.key("j");
            stage.focus_is_seen();
        }
        assert!(stage.page.holds(&of), "j comes to every question");
        stage.page.key("r");
        stage.page.wait(&format!("!document.querySelector('form[data-run=\"{run}\"]')"));
        assert!(!stage.page.holds("document.activeElement === document.body"), "the focus is not lost");
        stage.server.wait_for(&run, "failed");
    }),
    ("send back with a comment", |stage| {
        let run = stage.ran("story", &json!({ "word": "keys" }), "waiting");
        stage.open(&format!("/runs/{run}"));
        stage.page.key("c");
        stage.page.type_in("use a constant");
        stage.page.key("Escape");
        stage.page.key("p");
        stage.page.wait(
            "document.querySelectorAll('#s-build a[href*=log]').length > 3 && document.querySelector('.ask form')",
        );
        assert!(stage.project.read("code.txt").contains("LIMIT"), "the agent did what was asked");
    }),
    ("end a run", |stage| {
        let run = stage.start("growing", &json!({}));
        stage.open(&format!("/runs/{run}"));
        stage.page.wait("document.querySelector('#s-talk .badge.running')");
        stage.tab_to(".sure summary");
        stage.page.key("Enter");
        stage.page.wait("document.querySelector('.sure[open]')");
        stage.tab_to(".sure button");
        stage.page.key("Enter");
        stage.page.wait("document.querySelector('.state .badge.cancelled')");
    }),
    ("filter runs", |stage| {
        let run = stage.ran("colours", &json!({}), "succeeded");
        stage.open("/");
        stage.tab_to("select[name=status]");
        stage.page.type_in("succ");
        stage.tab_to("input[name=workflow]");
        stage.page.type_in("colours");
        stage.page.key("Enter");
        stage.page.wait("location.search.includes('status=succeeded') && location.search.includes('workflow=colours')");
        assert!(stage.page.holds(&format!("document.body.innerText.includes('{run}')")));
        assert!(!stage.page.holds("document.querySelector('.list .badge.failed')"));
    }),
    ("comment on a line", |stage| {
        let run = stage.ran("story", &json!({ "word": "lines" }), "waiting");
        stage.open(&format!("/runs/{run}/diff?step=build"));
        // One stop for all lines; the keys move it.
        stage.tab_to(".comment");
        let first = stage.page.eval("document.activeElement.closest('tr').dataset.line");
        stage.page.key("ArrowDown");
        stage.page.key("j");
        stage.focus_is_seen();
        assert_ne!(first, stage.page.eval("document.activeElement.closest('tr').dataset.line"));
        stage.page.key("Enter");
        stage.page.type_in("use a constant here");
        stage.page.key("Escape");
        stage.tab_to(".review button");
        stage.page.key("Enter");
        stage.page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
        stage.page.wait("document.querySelectorAll('#s-build a[href*=log]').length > 3");
    }),
    ("run what failed again", |stage| {
        let run = stage.ran("failing", &json!({}), "failed");
        stage.project.write("mended", "");
        stage.open(&format!("/runs/{run}"));
        stage.tab_to("button[data-do=retry]");
        stage.page.key("Enter");
        stage.page.wait("document.querySelector('.state .badge.succeeded')");
        std::fs::remove_file(stage.project.root().join("mended")).unwrap();
    }),
    ("skip to the content, and from there to a step", |stage| {
        let run = stage.ran("failing", &json!({}), "failed");
        stage.open(&format!("/runs/{run}"));
        stage.page.key("Tab");
        stage.focus_is_seen();
        assert!(stage.page.holds("document.activeElement.matches('.skip')"), "it is the first stop");
        stage.page.key("Enter");
        stage.page.key("Tab");
        assert!(stage.page.holds("document.activeElement.closest('main')"), "the next stop is in the content");
        stage.tab_to("#s-broken a[href*=log]");
        stage.page.key("Enter");
        stage.page.wait("document.querySelector('#log')");
        stage.page.wait("document.querySelector('#log .row')?.textContent.includes('tried')");
    }),
];

#[test]
fn twelve_tasks_with_the_keyboard_alone() {
    let Some(stage) = Stage::new() else { return };
    assert_eq!(TASKS.len(), 12);
    for (name, task) in TASKS {
        println!("{name}");
        task(&stage);
    }
    println!("{} of {} tasks", TASKS.len(), TASKS.len());
    stage.is_well();
}

#[test]
fn a_key_decides_about_what_the_page_shows_and_not_about_what_came_since() {
    let Some(stage) = Stage::new() else { return };
    let run = stage.ran("story", &json!({ "word": "stale" }), "waiting");
    let shown = stage.server.get(&format!("/api/v1/runs/{run}")).json()["waiting_for"][0]["subject"].clone();
    stage.open(&format!("/runs/{run}"));
    // A tab that nobody sees is not renewed: the agent does its work anew behind it.
    stage.page.eval("Object.defineProperty(document, 'hidden', { get: () => true })");
    let body = json!({ "run": run, "step": "build", "decision": "pushback", "comment": "use a constant" });
    assert_eq!(stage.server.post("/api/v1/decisions", &body).status, 200);
    let late = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let asked = || stage.server.get(&format!("/api/v1/runs/{run}")).json()["waiting_for"][0]["subject"].clone();
    while asked().is_null() || asked() == shown {
        assert!(std::time::Instant::now() < late, "never asked again");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    stage.page.key("a");
    // What was refused may be tried again; what was taken leaves the buttons as they are.
    stage.page.wait("!document.querySelector('.ask button[data-decision=approve]').disabled");
    let now = stage.server.get(&format!("/api/v1/runs/{run}")).json();
    assert_eq!((&now["status"], now["waiting_for"][0]["step"].as_str()), (&json!("waiting"), Some("build")), "{now:#}");
}

#[test]
fn a_key_decides_nothing_that_was_not_chosen() {
    let Some(stage) = Stage::new() else { return };
    let runs = [stage.ran("asking", &json!({}), "waiting"), stage.ran("asking", &json!({}), "waiting")];
    stage.open("/inbox");
    stage.page.key("a");
    stage.page.wait("document.activeElement.matches('.item')");
    for run in &runs {
        assert_eq!(stage.server.get(&format!("/api/v1/runs/{run}")).json()["status"], "waiting");
    }
    // Three keys at most: move, decide.
    stage.page.key("a");
    stage.page.wait("document.querySelectorAll('.item').length === 1");
}
