//! One story from the form to the last step, as one person lives it; pictures of each of its screens.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::Stage;

/// What the story says of its pace, for whoever reads the output of the test.
fn told(what: &str, took: Duration) {
    println!("{what}: {} ms", took.as_millis());
}

/// The status of a step as the page shows it.
fn badge(step: &str, status: &str) -> String {
    format!("document.querySelector('#s-{step} .badge.{status}')")
}

#[test]
fn a_run_from_the_form_to_its_end() {
    let Some(stage) = Stage::new() else { return };
    let page = &stage.page;
    told("first load", stage.open("/"));
    stage.open("/start?match=story");
    stage.pictures("1-start");
    page.eval("document.querySelector('form.start input[name=\"in.word\"]').focus()");
    page.type_in("parsers");
    page.key("Enter");
    page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
    page.eval("window.same = true");
    // The steps go green before one's eyes.
    told(
        "a step that has begun",
        page.wait(&format!("{} || {}", badge("plan", "running"), badge("plan", "succeeded"))),
    );
    told("its end", page.wait(&badge("plan", "succeeded")));
    page.wait("document.querySelector('.ask form')");
    assert!(page.holds("window.same"), "without a reload");
    stage.pictures("2-run-asks");
    let run = page.eval("location.pathname.split('/')[2]").as_str().unwrap().to_owned();

    stage.open("/inbox");
    stage.pictures("3-inbox");
    page.eval("document.querySelector('.ask a[href*=diff]').click()");
    page.wait("document.body?.dataset.view === 'diff' && document.readyState === 'complete'");
    // A comment on line 12 goes back to the agent; the new work is asked about again.
    page.wait("document.querySelectorAll('.comment').length > 20");
    page.eval("document.querySelector('tr[data-path=\"code.txt\"][data-line=\"12\"] .comment').focus()");
    page.key("c");
    page.type_in("use a constant");
    stage.pictures("4-diff-comment");
    page.key("Escape");
    assert!(
        page.holds("document.activeElement.matches('tr[data-line=\"12\"] .comment')"),
        "Escape goes back to the line"
    );
    page.key("p");
    page.wait("document.body?.dataset.view === 'run' && document.readyState === 'complete'");
    page.wait("document.querySelector('#s-build .gate')?.innerText.includes('use a constant') || document.querySelectorAll('#s-build a[href*=log]').length > 2");
    page.wait("document.querySelector('.ask form')");
    stage.pictures("5-run-reworked");
    stage.open(&format!("/runs/{run}/diff?step=build"));
    page.wait("[...document.querySelectorAll('tr.add code')].some((line) => line.textContent === '+LIMIT')");
    stage.pictures("6-diff-reworked");

    // One key on the page of the run.
    stage.open(&format!("/runs/{run}"));
    page.eval("window.same = true");
    let begun = Instant::now();
    page.key("a");
    page.wait(&badge("ship", "succeeded"));
    told("from the key to the end of the run", begun.elapsed());
    page.wait("document.querySelector('.state .badge.succeeded')");
    assert!(page.holds("window.same"), "without a reload");
    stage.pictures("7-run-done");
    stage.open("/");
    stage.pictures("8-runs");
    stage.open("/runs/zzzzzzzz");
    stage.pictures("9-fault");
    stage.is_well();
}

#[test]
fn what_is_decided_elsewhere_is_seen_within_two_seconds() {
    let Some(stage) = Stage::new() else { return };
    stage.open("/inbox");
    stage.page.eval("window.same = true");
    let run = stage.start("asking", &json!({}));
    stage.server.wait_for(&run, "waiting");
    let took = stage.page.wait(&format!("document.querySelector('.ask a[href=\"/runs/{run}\"]')"));
    told("a question in the inbox", took);
    assert!(took < Duration::from_secs(2), "{took:?}");
    stage.server.post("/api/v1/decisions", &json!({ "run": run, "decision": "approve" }));
    let took = stage.page.wait("document.querySelector('.none')");
    told("a question that was answered by somebody else", took);
    assert!(took < Duration::from_secs(2) && stage.page.holds("window.same"), "{took:?}");
}

#[test]
fn what_a_person_types_stays_while_the_page_renews_itself() {
    let Some(stage) = Stage::new() else { return };
    let page = &stage.page;
    let run = stage.ran("asking", &json!({}), "waiting");
    stage.open("/inbox");
    page.eval("document.querySelector('textarea').focus()");
    page.type_in("half a senten");
    stage.ran("failing", &json!({}), "failed");
    let other = stage.ran("asking", &json!({}), "waiting");
    // Typing holds the page still, and leaving the field lets it go on; the words go with it.
    assert!(!page.holds(&format!("document.body.innerText.includes('{other}')")), "nothing moved");
    page.type_in("ce");
    page.eval("document.activeElement.closest('form').querySelector('button').focus()");
    page.wait(&format!("document.body.innerText.includes('{other}')"));
    let kept = page.eval(&format!("document.querySelector('form[data-run=\"{run}\"] textarea').value"));
    assert_eq!(kept, "half a sentence");
    assert!(page.holds(&format!("document.activeElement.closest('form')?.dataset.run === '{run}'")), "and the focus");
    stage.is_well();
}
