//! Every text that comes from outside, hostile: made by real runs, looked at in a real browser, with the page's own policy and
//! without it. Nothing runs, nothing is asked of another machine, and no element comes out of a text.

use serde_json::{Value, json};

use crate::{payloads::PAYLOADS, stage::Stage};

/// An agent that says, writes and answers every payload, and names files after them.
const AGENT: &str = r#"cat > /dev/null
cat payloads.txt
cat payloads.txt >&2
cat payloads.txt > written.txt
while IFS= read -r line; do
    printf '%s\n' "$line" > "made/$(printf '%s' "$line" | tr '/' '_' | cut -c1-60)"
done < payloads.txt
cp every.json "$ORCH_OUTPUT"
"#;

/// Elements that no page of ours has.
const FOREIGN: &str = "[...document.querySelectorAll('script:not([src^=\"/assets/\"]), iframe, object, embed, base, img, image, video, audio, style, \
    math, marquee, template, noscript, meta[http-equiv], link[href*=xss], [style]:not(#log > .space, #log > .space > .rows), [srcdoc], [onload], [onerror], [onclick], [onfocus], [onmouseover], \
    [onbegin], [ontoggle], [onstart], [onpageshow], a[href^=\"java\" i], a[href*=\"//xss\"], form[action*=xss]')].map((one) => one.outerHTML.slice(0, 200))";

/// A text as YAML takes it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// One workflow a payload: its description and its inputs are hostile.
fn offers() -> Vec<(String, String)> {
    let one = |number: usize, text: &str| {
        let text = quoted(text);
        let workflow = format!(
            "name: h{:02}x{number:02}\ndescription: {text}\ninputs:\n  a: {{ type: string, description: {text}, default: {text} }}\n  \
             b: {{ type: string, enum: [{text}, other], default: {text} }}\nsteps:\n  - {{ id: a, run: 'true' }}\n",
            number / 10
        );
        (format!("h{number:02}"), workflow)
    };
    PAYLOADS.iter().enumerate().map(|(number, text)| one(number, text)).collect()
}

const SAYS: &str = "name: says\ndescription: d\ninputs: { items: { type: [{ n: integer, text: string }], required: true } }\nsteps:\n  \
    - id: all\n    each: inputs.items\n    key: '{{ item.text }}'\n    max_items: 100\n    max_parallel: 8\n    on_failure: continue\n    steps:\n      \
    - { id: talk, env: { N: '{{ item.n }}' }, run: 'sed -n \"$N\"p payloads.txt' }\n  \
    - id: every\n    prompt: 'all of them'\n    output: { said: string }\n    gate: [{ approve: 'All?' }]\n\
    outputs: { given: '{{ inputs.items }}', said: '{{ every.said }}' }\n";
const ASKS: &str = "name: asks\ndescription: d\ninputs: { items: { type: [{ n: integer, text: string }], required: true } }\nsteps:\n  - id: all\n    each: inputs.items\n    key: 'k{{ item.n }}'\n    \
    max_items: 100\n    max_parallel: 100\n    on_failure: continue\n    steps:\n      - { id: go, approve: '{{ item.text }}' }\n";

fn stage() -> Option<Stage> {
    let mut workflows = offers();
    workflows.extend([("says".to_owned(), SAYS.to_owned()), ("asks".to_owned(), ASKS.to_owned())]);
    let stage = Stage::of(AGENT, &workflows, &[])?;
    stage.project.write("payloads.txt", &(PAYLOADS.join("\n") + "\n"));
    stage.project.write("made/.keep", "");
    stage.project.write(
        "every.json",
        &json!({ "status": "succeeded", "summary": PAYLOADS.join(" "), "output": { "said": PAYLOADS.join("\n") } })
            .to_string(),
    );
    for words in [&["add", "."][..], &["commit", "-q", "-m", "two"]] {
        stage.project.git(words);
    }
    // In every document, also in those of frames.
    stage.page.call("Runtime.addBinding", &json!({ "name": "counted" }));
    let script = "globalThis.told = (payload) => counted(String(payload));";
    stage.page.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    Some(stage)
}

/// Decides all that a run asks, with a hostile comment each.
fn decide_all(stage: &Stage, run: &str) {
    let waiting = stage.server.get(&format!("/api/v1/runs/{run}")).json();
    for (number, one) in waiting["waiting_for"].as_array().unwrap().iter().enumerate() {
        let decision = if number % 2 == 0 { "approve" } else { "reject" };
        let body = json!({ "run": run, "step": one["step"], "decision": decision, "comment": PAYLOADS[number % PAYLOADS.len()] });
        let told = stage.server.post("/api/v1/decisions", &body);
        assert_eq!(told.status, 200, "{}", told.text());
    }
}

/// The runs, and every page that shows something of them.
fn pages(stage: &Stage) -> (Vec<String>, Vec<String>) {
    let items: Vec<_> = PAYLOADS.iter().enumerate().map(|(n, text)| json!({ "n": n + 1, "text": text })).collect();
    let says = stage.start("says", &json!({ "items": items }));
    let asks = stage.start("asks", &json!({ "items": items }));
    let late = std::time::Instant::now() + std::time::Duration::from_secs(200);
    let of = |run: &str| stage.server.get(&format!("/api/v1/runs/{run}")).json();
    while of(&asks)["waiting_for"].as_array().map_or(0, Vec::len) < PAYLOADS.len() || of(&says)["status"] == "running" {
        assert!(std::time::Instant::now() < late, "{:#}", of(&says));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let comments: Vec<_> = PAYLOADS.iter().map(|text| json!({ "comment": text })).collect();
    let before = vec![
        format!("/runs/{asks}"),
        "/inbox".to_owned(),
        format!("/runs/{says}"),
        format!("/runs/{says}/diff?step=every"),
    ];
    let back = json!({ "run": says, "step": "every", "decision": "pushback", "comments": comments });
    let told = stage.server.post("/api/v1/decisions", &back);
    assert_eq!(told.status, 200, "{}", told.text());
    let mut after =
        vec![format!("/runs/{asks}"), format!("/runs/{says}"), format!("/runs/{says}/diff"), "/".to_owned()];
    let attempt = |step: &Value| step["history"][0]["id"].as_str().unwrap_or_default().to_owned();
    let now = of(&says);
    let first = attempt(now["steps"].as_array().unwrap().iter().find(|step| step["id"] == "every").unwrap());
    after.extend(
        ["stdout", "stderr", "answer"].map(|stream| format!("/runs/{says}/log?attempt={first}&stream={stream}")),
    );
    after.extend((0..8).map(|ten| format!("/start?match=h{ten:02}x")));
    (before, after.into_iter().chain([asks, says]).collect())
}

/// Looks at a page for long enough that what would run has run.
fn look(stage: &Stage, path: &str) -> Vec<String> {
    stage.open(path);
    stage.page.wait("document.readyState === 'complete'");
    if path.contains("/log?") {
        stage.page.wait("document.querySelector('#lines').textContent !== ''");
        stage.page.eval("document.querySelector('#log').scrollTop = 1e9; new Promise((done) => setTimeout(done, 300))");
    }
    // What waits for a person's touch gets it.
    stage.page.eval(
        "for (const one of document.querySelectorAll('summary')) if (!one.closest('.sure')) one.click(); for (const one of document.querySelectorAll('main *')) one.dispatchEvent(new MouseEvent('mouseover', { bubbles: true })); \
         new Promise((done) => setTimeout(done, 60))",
    );
    let found = stage.page.eval(FOREIGN);
    found.as_array().unwrap().iter().map(|one| format!("{path}: {}", one.as_str().unwrap())).collect()
}

/// What has run, and what the page's own policy had to stop.
fn counted(stage: &Stage) -> (usize, usize) {
    let ran = stage.page.heard("Runtime.bindingCalled").len();
    let log = stage.page.heard("Log.entryAdded");
    let stopped = log
        .iter()
        .filter(|event| event["entry"]["text"].as_str().is_some_and(|text| text.contains("Content Security Policy")));
    (ran + stage.page.heard("Page.javascriptDialogOpening").len(), stopped.count())
}

#[test]
fn no_text_is_ever_markup() {
    let Some(stage) = stage() else { return };
    // The trap itself works: else a quiet test proves nothing.
    stage.open("/");
    stage.page.call("Page.setBypassCSP", &json!({ "enabled": true }));
    stage.open("/");
    stage.page.eval("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=told(0)>'); new Promise((done) => setTimeout(done, 300))");
    assert_eq!(counted(&stage).0, 1, "a payload that is markup is counted");
    assert_eq!(look_at_nothing(&stage), 1);

    let (before, mut after) = pages(&stage);
    let (says, asks) = (after.pop().unwrap(), after.pop().unwrap());
    let (mut foreign, mut seen) = (Vec::new(), 0);
    let mut visit = |path: &str, is_bare: bool| {
        stage.page.call("Page.setBypassCSP", &json!({ "enabled": is_bare }));
        foreign.extend(look(&stage, path));
        seen += 1;
    };
    for is_bare in [true, false] {
        before.iter().for_each(|path| visit(path, is_bare));
    }
    decide_all(&stage, &asks);
    stage.server.wait_for(&says, "waiting");
    for is_bare in [true, false] {
        after.iter().for_each(|path| visit(path, is_bare));
    }
    // What stands in addresses comes back in pages, also in those that say what is wrong.
    for text in PAYLOADS {
        let text: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        visit(&format!("/start?match={text}"), true);
        visit(&format!("/?workflow={text}"), true);
        visit(&format!("/runs/{text}"), true);
    }
    fields_were_shown(&stage, &says, &asks);
    let (ran, stopped) = counted(&stage);
    println!(
        "{seen} looks, {} payloads: {} executions, {stopped} stopped by the policy, {} foreign elements",
        PAYLOADS.len(),
        ran - 1,
        foreign.len()
    );
    assert!(foreign.is_empty(), "{foreign:#?}");
    assert_eq!((ran, stopped), (1, 0), "only the trap's own");
    stage.is_well();
}

/// The foreign elements of the page that is open.
fn look_at_nothing(stage: &Stage) -> usize {
    stage.page.eval(FOREIGN).as_array().unwrap().len()
}

/// The texts are on the pages, as texts: each field in its place, with every payload.
fn fields_were_shown(stage: &Stage, says: &str, asks: &str) {
    let shown = |field: &str, path: &str, script: &str| {
        look(stage, path);
        let text = stage.page.eval(script);
        let text = text.as_str().unwrap().replace(char::is_whitespace, "");
        let missing: Vec<_> =
            PAYLOADS.iter().filter(|one| !text.contains(&one.replace(char::is_whitespace, ""))).collect();
        println!("{field}: {} of {} payloads shown", PAYLOADS.len() - missing.len(), PAYLOADS.len());
        assert!(missing.len() * 4 <= PAYLOADS.len(), "{field} on {path} does not show {missing:#?}");
    };
    let all = "[...document.querySelectorAll('main *')].filter((one) => one.matches('textarea, input, option')).map((one) => one.value).join('\\n') + document.querySelector('main').textContent";
    let only = |selector: &str| {
        format!("[...document.querySelectorAll('{selector}')].map((one) => one.textContent).join('\\n')")
    };
    let run = format!("/runs/{says}");
    shown("summary", &run, &only(".steps .summary"));
    shown("step's key", &run, all);
    // What was sent back stands with the attempt that it was said of.
    let titles = "[...document.querySelectorAll('.steps [title]')].map((one) => one.title).join('\\n')";
    shown("comment", &run, titles);
    shown(
        "decision text and its comment",
        &format!("/runs/{asks}"),
        &only(".steps .why, .steps .summary, .steps .gate"),
    );
    shown("diff path and content", &format!("/runs/{says}/diff"), all);
}
