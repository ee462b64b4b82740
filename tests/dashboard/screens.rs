//! Every screen against what people need of it: axe-core, focus, width, contrast, motion. A page without a line in the table
//! of screens fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stage::{FOCUS, LOOKS, Stage};

/// Runs in every state that pages show.
struct Runs {
    asking: String,
    failed: String,
    painted: String,
    built: String,
    /// The attempt of an agent.
    attempt: String,
}

/// A screen: the path of its route, and its address.
type Screen = (&'static str, fn(&Runs) -> String);

const SCREENS: &[Screen] = &[
    ("/", |_| "/".into()),
    ("/", |_| "/?status=cancelled".into()),
    ("/inbox", |_| "/inbox".into()),
    ("/start", |_| "/start?match=story".into()),
    ("/definitions", |_| "/definitions".into()),
    ("/definitions/{kind}/{name}", |_| "/definitions/workflow/story".into()),
    ("/cost", |_| "/cost?period=all".into()),
    ("/health", |_| "/health".into()),
    ("/audit", |_| "/audit".into()),
    ("/runs/{run}", |runs| format!("/runs/{}", runs.asking)),
    ("/runs/{run}", |runs| format!("/runs/{}", runs.failed)),
    ("/runs/{run}", |runs| format!("/runs/{}", runs.built)),
    // What is not there has a page as well.
    ("/runs/{run}", |_| "/runs/zzzzzzzz".into()),
    ("/runs/{run}/graph", |runs| format!("/runs/{}/graph", runs.built)),
    ("/runs/{run}/timeline", |runs| format!("/runs/{}/timeline", runs.built)),
    ("/runs/{run}/outputs", |runs| format!("/runs/{}/outputs", runs.built)),
    ("/runs/{run}/agent", |runs| format!("/runs/{}/agent?attempt={}", runs.built, runs.attempt)),
    ("/runs/{run}/cost", |runs| format!("/runs/{}/cost", runs.built)),
    ("/runs/{run}/log", |runs| format!("/runs/{}/log?attempt=0-1", runs.painted)),
    ("/runs/{run}/diff", |runs| format!("/runs/{}/diff?step=build", runs.built)),
    ("/login", |_| "/login".into()),
];

/// Pages that are none: files of pages.
const FILES: &[&str] = &["/assets/{file}"];

#[test]
fn every_page_is_on_the_list() {
    let pages = orch::http::routes().filter(|route| format!("{:?}", route.answers) == "Page").map(|route| route.path);
    let pages: BTreeSet<_> = pages.filter(|path| !FILES.contains(path)).collect();
    let screens: BTreeSet<_> = SCREENS.iter().map(|(route, _)| *route).collect();
    assert_eq!(screens, pages, "SCREENS names every page of the table of routes, and no other");
}

fn runs(stage: &Stage) -> Runs {
    let built = stage.ran("story", &json!({ "word": "screens" }), "waiting");
    let asking = stage.ran("asking", &json!({}), "waiting");
    let status = stage.server.get(&format!("/api/v1/runs/{built}")).json();
    let build = status["steps"].as_array().unwrap().iter().find(|step| step["id"] == "build").unwrap().clone();
    Runs {
        attempt: build["history"][0]["id"].as_str().unwrap().to_owned(),
        asking,
        built,
        failed: stage.ran("failing", &json!({}), "failed"),
        painted: stage.ran("colours", &json!({}), "succeeded"),
    }
}

/// Opens a screen, and waits until what it fetches by itself is there.
fn open(stage: &Stage, runs: &Runs, screen: &Screen) -> String {
    let path = screen.1(runs);
    stage.open(&path);
    stage.page.wait("!document.querySelector('#log') || document.querySelectorAll('#log .row').length > 5");
    stage.page.wait(
        "!/graph|timeline/.test(document.body.dataset.view) || \
         performance.getEntriesByName(`${document.body.dataset.view}-first-paint`).length > 0",
    );
    path
}

#[test]
fn axe_finds_nothing_on_any_screen() {
    let Some(axe) = std::env::var_os("ORCH_AXE") else {
        println!("!!! SKIPPED: ORCH_AXE names no axe.min.js");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let Some(stage) = Stage::new() else { return };
    let runs = runs(&stage);
    let (mut faults, mut looks) = (Vec::new(), 0);
    for screen in SCREENS {
        let path = open(&stage, &runs, screen);
        stage.page.eval(&format!("{axe}; 0"));
        for (theme, width) in LOOKS {
            stage.page.look(width, 900, theme);
            let found = stage.page.eval(
                "new Promise((done) => requestAnimationFrame(() => done())).then(() => axe.run(document, { resultTypes: ['violations'] }))\
                 .then((told) => told.violations.map((one) => [one.id, one.help, one.nodes.slice(0, 5).map((node) => node.html.slice(0, 200) + ' ' + (node.any[0]?.message ?? '')).join('\\n')].join('\\n')))",
            );
            let found = found.as_array().unwrap();
            faults.extend(found.iter().map(|one| format!("{path} {theme} {width}: {}", one.as_str().unwrap())));
            looks += 1;
        }
        stage.page.look(1200, 900, "light");
    }
    println!("axe: {looks} looks at {} screens, {} violations", SCREENS.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn the_tab_key_goes_everywhere_and_is_seen_everywhere() {
    let Some(stage) = Stage::new() else { return };
    let runs = runs(&stage);
    let page = &stage.page;
    let mut stops = 0;
    for screen in SCREENS {
        let path = open(&stage, &runs, screen);
        let all = page.eval(
            "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]\
             .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility()).map((one, at) => { one.dataset.stop = at; return at; }).length",
        );
        let all = all.as_u64().unwrap();
        let mut met = BTreeSet::new();
        for _ in 0..all + 5 {
            page.key("Tab");
            let focus = page.eval(FOCUS);
            if focus.is_null() {
                continue;
            }
            assert!(focus["seen"] == true, "{path}: the focus cannot be seen: {focus:#}");
            met.insert(
                page.eval("document.activeElement.dataset.stop ?? '-1'").as_str().unwrap().parse::<i64>().unwrap(),
            );
        }
        met.remove(&-1);
        let missed: Vec<_> = (0..all).filter(|stop| !met.contains(&i64::try_from(*stop).unwrap())).collect();
        let shown = missed
            .iter()
            .map(|at| page.eval(&format!("document.querySelector('[data-stop=\"{at}\"]').outerHTML.slice(0, 160)")));
        assert!(missed.is_empty(), "{path}: Tab never comes to {:?}", shown.collect::<Vec<_>>());
        stops += all;
    }
    println!("{stops} stops of the tab key, all seen");
}

#[test]
fn a_page_at_four_times_its_size_scrolls_in_one_direction() {
    let Some(stage) = Stage::new() else { return };
    let runs = runs(&stage);
    let size = json!({ "width": 320, "height": 256, "deviceScaleFactor": 4, "mobile": false });
    let mut wide = Vec::new();
    for screen in SCREENS {
        let path = open(&stage, &runs, screen);
        stage.page.call("Emulation.setDeviceMetricsOverride", &size);
        let found = stage.page.eval(
            "new Promise((done) => setTimeout(done, 50)).then(() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]\
             .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.log, .wide, .skip')).slice(0, 8).map((one) => one.outerHTML.slice(0, 160)))",
        );
        let found = found.as_array().unwrap();
        let is_wide = stage.page.holds("document.documentElement.scrollWidth > innerWidth");
        if is_wide {
            wide.push(format!("{path}: {found:#?}"));
        }
        stage.page.look(1200, 900, "light");
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn nothing_moves_for_who_asked_for_that() {
    let Some(stage) = Stage::new() else { return };
    let run = stage.start("growing", &json!({}));
    let moving = "document.getAnimations().length + [...document.querySelectorAll('*')].filter((one) => { const style = getComputedStyle(one); \
        return style.animationName !== 'none' || (style.transitionDuration !== '0s' && style.transitionProperty !== 'none' && parseFloat(style.transitionDuration) > 0) || style.scrollBehavior === 'smooth'; }).length";
    stage.open(&format!("/runs/{run}"));
    stage.page.wait("document.querySelector('.badge.running')");
    stage.page.media(&[("prefers-reduced-motion", "no-preference")]);
    assert!(stage.page.holds(moving), "a run that goes on breathes, else this test sees nothing");
    stage.page.media(&[("prefers-reduced-motion", "reduce")]);
    assert_eq!(stage.page.eval(moving), 0);
    stage.project.write("stop", "");
    stage.server.wait_for(&run, "succeeded");
}

/// The contrast of every text of a root with what is behind it; the least of them and where.
const CONTRAST: &str = "((root) => { const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => { v /= 255; \
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; }; \
    const behind = (one) => { for (let at = one; at; at = at.parentElement) { const back = getComputedStyle(at).backgroundColor; if (!/^rgba.*, 0\\)$/.test(back)) return back; } return 'rgb(255,255,255)'; }; \
    const found = []; for (const one of root.querySelectorAll('*')) { if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue; \
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))]; found.push({ contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), name: one.className, text: one.textContent.slice(0, 40) }); } \
    return found; })";

#[test]
fn every_colour_of_a_log_can_be_read() {
    let Some(stage) = Stage::new() else { return };
    let run = stage.ran("colours", &json!({}), "succeeded");
    // High enough for all lines at once.
    stage.page.look(1200, 1600, "light");
    stage.open(&format!("/runs/{run}/log?attempt=0-1#L2"));
    stage.page.wait(
        "document.querySelectorAll('#log .row.hit').length === 1 && document.querySelectorAll('#log .row').length > 30",
    );
    let (mut least, mut colours) = (f64::MAX, BTreeSet::new());
    for theme in ["light", "dark"] {
        stage.page.look(1200, 1600, theme);
        let found = stage.page.eval(&format!("{CONTRAST}(document.querySelector('#log'))"));
        for one in found.as_array().unwrap() {
            let contrast = one["contrast"].as_f64().unwrap();
            assert!(contrast >= 4.5, "{theme}: {one:#}");
            least = least.min(contrast);
            colours.extend(one["name"].as_str().unwrap().split(' ').map(str::to_owned));
        }
    }
    for number in 0..16 {
        for kind in ["f", "b"] {
            assert!(colours.contains(&format!("{kind}{number}")), "{kind}{number} was not shown: {colours:?}");
        }
    }
    let text =
        stage.page.eval("[...document.querySelectorAll('#log .row code')].map((row) => row.textContent).slice(-3)");
    assert_eq!(text, json!(["dim bold red orange dark", "titled cleared turned linked", "safe\\u{202e}gnp.exe"]));
    println!("the least contrast in a log is {least:.2}");
    stage.open(&format!("/runs/{run}/log?attempt=0-1&stream=stderr"));
    stage.page.wait("document.querySelector('#log .row code')?.textContent === 'warned'");
    assert_eq!(stage.page.eval("document.querySelector('.tabs [aria-current]').textContent"), "stderr");
    stage.is_well();
}

#[test]
fn the_first_load_is_quick_and_the_script_small() {
    let Some(stage) = Stage::new() else { return };
    let mut scripts = Vec::new();
    let html = stage.server.get("/").text() + &stage.server.get("/runs/zzzzzzzz/log").text();
    for part in html.split("src=\"").skip(1).map(|part| part.split('"').next().unwrap()) {
        scripts.push(part.to_owned());
    }
    // Every script there is, whatever page runs it.
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/pages/assets")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".js") {
            scripts.push(format!("/assets/{name}"));
        }
    }
    let names: BTreeSet<_> = scripts.iter().map(|path| path.split('?').next().unwrap().to_owned()).collect();
    let size = |path: &String| {
        let headers =
            [("Authorization", format!("Bearer {}", stage.server.key)), ("Accept-Encoding", "gzip".to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = stage.server.send("GET", path, &headers, None);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")), "{path}");
        answer.body.len()
    };
    let all: usize = names.iter().map(size).sum();
    println!("all {} scripts: {all} bytes gzipped", names.len());
    assert!(all <= 300_000, "{all}");
    // A browser that has seen nothing of it yet.
    stage.page.call("Network.setCacheDisabled", &json!({ "cacheDisabled": true }));
    let took = stage.open("/");
    stage.page.wait("performance.getEntriesByName('first-contentful-paint').length");
    let paint = stage.page.eval("Math.round(performance.getEntriesByName('first-contentful-paint')[0].startTime)");
    println!("first load {} ms, first paint {paint} ms", took.as_millis());
    assert!(took.as_millis() <= 1_000, "{took:?}");
}

#[test]
fn a_page_that_renews_itself_for_long_does_not_grow() {
    let Some(stage) = Stage::new() else { return };
    let run = stage.ran("asking", &json!({}), "waiting");
    stage.open(&format!("/runs/{run}"));
    let heap = || {
        stage.page.call("HeapProfiler.collectGarbage", &json!({}));
        let metrics = stage.page.call("Performance.getMetrics", &json!({}));
        let of = |name: &str| {
            let found = metrics["metrics"].as_array().unwrap().iter().find(|one| one["name"] == name);
            found.and_then(|one: &Value| one["value"].as_f64()).unwrap()
        };
        (of("JSHeapUsedSize"), of("Nodes"), of("JSEventListeners"))
    };
    let renew = |times: u32| {
        let script = format!(
            "(async () => {{ for (let n = 0; n < {times}; n += 1) {{ const old = document.querySelector('#live'); orch.refresh(); \
             while (document.querySelector('#live') === old) await new Promise((done) => setTimeout(done, 10)); \
             await new Promise((done) => setTimeout(done, 260)); }} }})()"
        );
        stage.page.eval(&script);
    };
    renew(20);
    let before = heap();
    renew(100);
    let after = heap();
    println!(
        "100 renewals: heap {:.2} -> {:.2} MB, nodes {} -> {}, listeners {} -> {}",
        before.0 / 1e6,
        after.0 / 1e6,
        before.1,
        after.1,
        before.2,
        after.2
    );
    assert!(after.0 < before.0 * 1.2 + 500_000.0, "the heap grows");
    assert!(after.1 < before.1 * 1.2 + 200.0 && after.2 <= before.2 + 5.0, "parts of old pages stay");
}
