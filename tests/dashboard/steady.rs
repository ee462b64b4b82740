//! What must hold whatever a person's hands and the network do: nobody decides about what they did not look at, nothing is
//! done twice, and a page that is not live says so.

use std::{
    io::BufRead as _,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{browser::Page, client::Server, stage::Stage};

/// Two questions at once.
const PAIR: &str = "name: pair\nsteps:\n  - id: both\n    parallel:\n      - { id: left, approve: 'Left?' }\n      \
                    - { id: right, approve: 'Right?' }\n";
/// Two questions, one after the other.
const TURNS: &str =
    "name: turns\nsteps:\n  - { id: first, approve: 'First?' }\n  - { id: second, approve: 'Second?' }\n";
/// Names that a form has of its own.
const NAMED: &str = "name: named\ninputs:\n  dataset: { type: string, required: true }\n  matches: { type: string }\n  \
                     closest: { type: string }\n  comment: { type: string }\n  attributes: { type: string }\nsteps:\n  \
                     - { id: look, run: 'test \"$ORCH_INPUT_DATASET $ORCH_INPUT_MATCHES $ORCH_INPUT_COMMENT\" = \"v0 v1 v3\"' }\n  \
                     - { id: form, ask: 'Which?', output: { dataset: string, matches: string, closest: string, comment: string } }\n";

fn stage() -> Option<Stage> {
    let more = [("pair", PAIR), ("turns", TURNS), ("named", NAMED)];
    let more: Vec<_> = more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Stage::of("true", &more, &[])
}

/// Holds a key down, as a keyboard that repeats it.
fn hold(page: &Page, key: &str, time: Duration) {
    let code = key.to_uppercase().bytes().next().unwrap();
    let mut press =
        json!({ "type": "keyDown", "key": key, "text": key, "windowsVirtualKeyCode": code, "autoRepeat": false });
    let begun = Instant::now();
    while begun.elapsed() < time {
        page.call("Input.dispatchKeyEvent", &press);
        press["autoRepeat"] = json!(true);
        thread::sleep(Duration::from_millis(40));
    }
    press["type"] = json!("keyUp");
    page.call("Input.dispatchKeyEvent", &press);
}

/// How many questions a run puts.
fn asked(stage: &Stage, run: &str) -> usize {
    let now = stage.server.get(&format!("/api/v1/runs/{run}")).json();
    now["waiting_for"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_key_that_is_held_down_decides_once() {
    let Some(stage) = stage() else { return };
    let runs: Vec<_> = (0..5).map(|_| stage.ran("asking", &json!({}), "waiting")).collect();
    for key in ["a", "r"] {
        stage.open("/inbox");
        let before = runs.iter().filter(|run| asked(&stage, run) == 1).count();
        stage.page.wait(&format!("document.querySelectorAll('.item').length === {before}"));
        stage.page.key("j");
        hold(&stage.page, key, Duration::from_secs(3));
        stage.page.wait(&format!("document.querySelectorAll('.item').length < {before}"));
        let after = runs.iter().filter(|run| asked(&stage, run) == 1).count();
        assert_eq!(after, before - 1, "{key}");
    }
}

#[test]
fn what_comes_in_the_place_of_a_question_is_not_decided_for_it() {
    let Some(stage) = stage() else { return };
    let page = &stage.page;
    for on_its_page in [false, true] {
        let run = stage.ran("pair", &json!({}), "waiting");
        stage.open(&if on_its_page { format!("/runs/{run}") } else { "/inbox".to_owned() });
        page.wait("document.querySelectorAll('.item').length === 2");
        page.key("j");
        page.eval("window.seen = document.activeElement.querySelector('form').dataset.step");
        let step = page.eval("window.seen");
        // Somebody else is quicker.
        let answer =
            stage.server.post("/api/v1/decisions", &json!({ "run": run, "step": step, "decision": "approve" }));
        assert_eq!(answer.status, 200, "{}", answer.text());
        page.wait("document.querySelectorAll('.item').length === 1");
        assert!(page.holds("document.activeElement?.id === 'main'"), "nobody stands at what they did not choose");
        page.key("a");
        thread::sleep(Duration::from_secs(1));
        assert_eq!(asked(&stage, &run), 1, "on its page: {on_its_page}");
        // The key has led to it; now it is looked at.
        assert!(page.holds("document.activeElement.matches('.item')"));
        page.key("a");
        stage.server.wait_for(&run, "succeeded");
    }
}

#[test]
fn a_question_that_comes_to_stand_alone_is_not_decided_unchosen() {
    let Some(stage) = stage() else { return };
    let run = stage.ran("turns", &json!({}), "waiting");
    stage.open(&format!("/runs/{run}"));
    stage.page.wait("document.querySelector('.item form')?.dataset.step === 'first'");
    stage.server.post("/api/v1/decisions", &json!({ "run": run, "decision": "approve" }));
    stage.page.wait("document.querySelector('.item form')?.dataset.step === 'second'");
    stage.page.key("a");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(asked(&stage, &run), 1);
    stage.page.key("a");
    stage.server.wait_for(&run, "succeeded");
}

#[test]
fn fields_of_any_name_can_be_filled_in() {
    let Some(stage) = stage() else { return };
    let page = &stage.page;
    stage.open("/start?match=named");
    let fill = |form: &str| {
        page.eval(&format!(
            "[...document.querySelectorAll('{form} [data-kind]')].map((field, at) => {{ field.value = `v${{at}}`; return field.name; }}).length"
        ))
    };
    page.eval("document.querySelector('details.offer').open = true");
    assert_eq!(fill("form.start"), 5);
    page.eval("document.querySelector('form.start button').click()");
    page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
    page.wait("document.querySelector('form.decide')");
    let run = page.eval("location.pathname.split('/')[2]").as_str().unwrap().to_owned();
    assert_eq!(fill("form.decide"), 4);
    page.eval("document.querySelector('form.decide button.yes').click()");
    stage.server.wait_for(&run, "succeeded");
    stage.is_well();
}

#[test]
fn two_clicks_start_one_run() {
    let Some(stage) = stage() else { return };
    let page = &stage.page;
    let runs = || stage.server.get("/api/v1/runs").json()["runs"].as_array().unwrap().len();
    let sent = || {
        let all = page.heard("Network.requestWillBeSent");
        all.iter().filter(|one| one["request"]["method"] == "POST").count()
    };
    stage.open("/start?match=colours");
    page.eval("(() => { const run = document.querySelector('form.start button'); run.click(); run.click(); })()");
    page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
    assert_eq!((runs(), sent()), (1, 1));
    // Whatever sends a form twice, the server sees that it is the same one.
    stage.open("/start?match=colours");
    page.eval(
        "(() => { const form = document.querySelector('form.start'); for (const n of [1, 2]) \
         form.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })); })()",
    );
    page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
    assert_eq!(runs(), 2);
}

/// The names of what a page has said that it is not live.
const STALE: &str = "/Not live: load the page again/.test(document.body?.innerText)";

#[test]
fn a_page_that_is_refused_its_stream_says_so_and_comes_back() {
    let Some(stage) = stage() else { return };
    let run = stage.ran("pair", &json!({}), "waiting");
    for path in ["/inbox".to_owned(), format!("/runs/{run}/timeline")] {
        stage.page.goto("about:blank");
        // Places of streams that have just ended may still come free.
        let (mut others, mut refused) = (Vec::new(), 0);
        while refused < 20 {
            let mut other = stage.server.events("/api/v1/events", None);
            let mut line = String::new();
            other.read_line(&mut line).unwrap();
            if line.contains(" 503") {
                refused += 1;
                thread::sleep(Duration::from_millis(50));
            } else {
                refused = 0;
                others.push(other);
            }
        }
        stage.open(&path);
        stage.page.wait(STALE);
        assert!(stage.page.holds(
            "[...document.querySelectorAll('[role=status]')].some((one) => one.innerText.includes('Not live'))"
        ));
        drop(others);
        stage.page.wait(&format!("!{STALE}"));
    }
    // What happened meanwhile is there, and what happens now is seen.
    stage.open("/inbox");
    let other = stage.start("asking", &json!({}));
    stage.page.wait(&format!("document.querySelector('.ask a[href=\"/runs/{other}\"]')"));
}

#[test]
fn a_page_whose_session_has_ended_leads_to_the_way_in() {
    let Some(stage) = stage() else { return };
    stage.open("/inbox");
    stage.page.eval("new Promise((done) => setTimeout(done, 500))");
    let listen = stage.server.address.to_string();
    stage.server.kill();
    let _next = Server::start_at(&stage.project, &listen, &[]);
    stage.page.wait("location.pathname === '/login' && document.body?.innerText.includes('orch serve --link')");
}

/// Keeps every stream that a page opens.
const KEPT: &str = "window.streams = []; const Own = EventSource; \
    window.EventSource = class extends Own { constructor(...words) { super(...words); streams.push(this); } };";

#[test]
fn a_page_that_nobody_sees_gives_its_connection_back() {
    let Some(stage) = stage() else { return };
    let page = &stage.page;
    page.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": KEPT }));
    let see = |is_hidden: bool| {
        page.eval(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        ))
    };
    let is_open = "streams.at(-1)?.readyState === 1";
    let run = stage.ran("pair", &json!({}), "waiting");
    for path in [format!("/runs/{run}/graph"), format!("/runs/{run}"), "/inbox".to_owned()] {
        stage.open(&path);
        page.wait(is_open);
        see(true);
        page.wait("streams.every((one) => one.readyState === 2)");
        see(false);
        page.wait(is_open);
    }
    see(true);
    let other = stage.ran("asking", &json!({}), "waiting");
    let question = |run: &str| format!("document.querySelector('.ask a[href=\"/runs/{run}\"]')");
    assert!(!page.holds(&question(&other)));
    see(false);
    page.wait(&question(&other));
    let third = stage.ran("asking", &json!({}), "waiting");
    page.wait(&question(&third));
    stage.is_well();
}

#[test]
fn boards_that_cost_much_renew_themselves_seldom() {
    let Some(stage) = stage() else { return };
    for path in ["/health", "/cost"] {
        stage.open(path);
        let asked = || {
            let all = stage.page.heard("Network.requestWillBeSent");
            let is_page = |one: &&Value| one["type"] == "Fetch" && one["request"]["url"] == stage.at(path);
            all.iter().filter(is_page).count()
        };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            stage.ran("asking", &json!({}), "waiting");
        }
        assert_eq!(asked(), 1, "{path} in {:?}", begun.elapsed());
        // The last of it is not forgotten.
        while asked() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{path} is not renewed again");
            thread::sleep(Duration::from_millis(100));
        }
        assert!(begun.elapsed() > Duration::from_secs(4), "{path}");
    }
}
