//! Logs that are long and grow, and connections that break: every line is there once, in its place, and soon.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::stage::Stage;

/// What a quick machine and an optimised build must do; a debug build on a busy one gets more time.
fn within(millis: u128) -> u128 {
    if cfg!(debug_assertions) { millis * 5 } else { millis }
}

/// Every row that is drawn has its own line, and nothing else; the number of rows that were looked at.
const ROWS: &str = "(() => { const rows = [...document.querySelectorAll('#log .row')]; for (const row of rows) { \
    const [number, text] = [row.querySelector('a').textContent, row.querySelector('code').textContent]; \
    if (text !== '…' && !text.startsWith(`line ${number} `)) throw new Error(`row ${number} shows ${text}`); } return rows.length; })()";

/// That row is drawn with its text, where a person sees it.
fn seen(line: u64) -> String {
    format!(
        "(() => {{ const box = document.querySelector('#log').getBoundingClientRect(); return [...document.querySelectorAll('#log .row')].some((row) => {{ \
         const own = row.getBoundingClientRect(); return row.querySelector('a').textContent === '{line}' && row.querySelector('code').textContent.startsWith('line {line} ') \
         && own.top >= box.top - 1 && own.bottom <= box.bottom + 1; }}); }})()"
    )
}

fn total(stage: &Stage, run: &str) -> u64 {
    stage.server.get(&format!("/api/v1/runs/{run}/lines?attempt=0-1&count=1")).json()["total"].as_u64().unwrap_or(0)
}

#[test]
fn a_million_lines_that_still_grow() {
    let Some(stage) = Stage::new() else { return };
    let page = &stage.page;
    let run = stage.start("long", &json!({}));
    stage.open("/");
    // Whoever is first pays for the index; nobody has asked for this log yet.
    let bytes = || {
        let files = stage.server.get(&format!("/api/v1/runs/{run}/artifacts")).json();
        let files = files["artifacts"].as_array().cloned().unwrap_or_default();
        files.iter().find(|file| file["name"] == "stdout.log").and_then(|file| file["bytes"].as_u64()).unwrap_or(0)
    };
    let late = Instant::now() + Duration::from_secs(60);
    while bytes() < 25_888_896 {
        assert!(Instant::now() < late, "never a million lines: {} bytes", bytes());
        thread::sleep(Duration::from_millis(50));
    }
    let begun = Instant::now();
    stage.open(&format!("/runs/{run}/log?attempt=0-1"));
    page.wait("document.querySelectorAll('#log .row').length > 20 && Number(document.querySelector('#log .row a').textContent) > 999000");
    let took = begun.elapsed().as_millis();
    println!("a log of a million lines opens in {took} ms");
    assert!(took <= within(1_000), "{took} ms");
    page.eval(ROWS);

    // The end is followed while it grows, without a gap.
    let before = page.eval("Number(document.querySelector('#log .rows').lastChild.querySelector('a').textContent)");
    page.wait(&format!(
        "Number(document.querySelector('#log .rows').lastChild.querySelector('a').textContent) > {before} + 30"
    ));
    page.eval(ROWS);
    stage.pictures("log-growing");
    // The first, the middle, and any line by its address, all while it grows.
    page.eval("document.querySelector('#log').focus()");
    page.key("Home");
    page.wait(&seen(1));
    page.eval(ROWS);
    for line in [500_000, 123_456, 999_999, 2] {
        stage.open(&format!("/runs/{run}/log?attempt=0-1#L{line}"));
        let took = page.wait(&seen(line));
        assert_eq!(page.eval("document.querySelector('#log .row.hit a').textContent"), line.to_string());
        page.eval(ROWS);
        println!("line {line} is seen after {} ms", took.as_millis());
        // What is looked at stays where it is.
        thread::sleep(Duration::from_millis(400));
        assert!(page.holds(&seen(line)), "line {line} moved away as the log grew");
    }
    page.eval(
        "document.querySelector('[name=find]').value = 'line 777777 '; document.querySelector('.find').requestSubmit()",
    );
    let took = page.wait(&seen(777_777));
    println!("found among a million lines in {} ms", took.as_millis());
    stage.pictures("log-found");
    assert_eq!(page.eval("location.hash"), "#L777777");
    // Wrapped, any line can be reached as well.
    page.eval("document.querySelector('[name=wrap]').click()");
    page.wait(&seen(777_777));
    page.eval(ROWS);
    page.eval("document.querySelector('[name=wrap]').click(); document.querySelector('[name=follow]').click()");
    page.wait("Number(document.querySelector('#log .rows').lastChild.querySelector('a').textContent) > 1000000");
    page.eval("new Promise((done) => setTimeout(done, 500))");
    let last = page
        .eval("Number(document.querySelector('#log .rows').lastChild.querySelector('a').textContent)")
        .as_u64()
        .unwrap();
    let behind = total(&stage, &run) - last;
    assert!(behind < 60, "{behind} lines behind");
    let heap = page.eval("performance.memory.usedJSHeapSize").as_f64().unwrap() / 1e6;
    println!("heap with a million lines {heap:.1} MB");
    assert!(heap < 150.0);
    stage.project.write("stop", "");
    stage.server.wait_for(&run, "succeeded");
    stage.is_well();
}

#[test]
fn a_new_line_is_soon_seen() {
    let Some(stage) = Stage::new() else { return };
    let run = stage.start("growing", &json!({}));
    stage.open(&format!("/runs/{run}/log?attempt=0-1"));
    stage.page.wait("document.querySelectorAll('#log .row').length > 5");
    stage.page.eval(
        "window.met = new Set([...document.querySelectorAll('#log .row a')].map((one) => one.textContent)); window.late = []; \
         new MutationObserver(() => { for (const row of document.querySelectorAll('#log .row')) { const number = row.querySelector('a').textContent; \
         if (met.has(number)) continue; met.add(number); const stamp = Number(row.querySelector('code').textContent.split(' ').at(-1)); \
         if (stamp) late.push(Date.now() - stamp); } }).observe(document.querySelector('#log .rows'), { childList: true })",
    );
    stage.page.wait("late.length > 200");
    let mut late: Vec<f64> = stage.page.eval("late").as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    late.sort_by(f64::total_cmp);
    let at = |share: usize| late[(late.len() * share / 100).min(late.len() - 1)];
    println!("from a line to its sight: p50 {} ms, p95 {} ms, of {} lines", at(50), at(95), late.len());
    assert!(at(95) <= 300.0 * if cfg!(debug_assertions) { 5.0 } else { 1.0 });
    stage.project.write("stop", "");
    stage.server.wait_for(&run, "succeeded");
}

/// Stands between the browser and the server, and cuts everything when it is told to.
pub struct Proxy {
    pub address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (target, open) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let (to, held) = (Arc::clone(&target), Arc::clone(&open));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to: Option<SocketAddr> = *to.lock().unwrap();
                let Some(server) = to.and_then(|to| TcpStream::connect(to).ok()) else { continue };
                held.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                for (mut from, mut into) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    thread::spawn(move || {
                        io::copy(&mut from, &mut into).ok();
                        into.shutdown(Shutdown::Both).ok();
                    });
                }
            }
        });
        Self { address, target, open }
    }

    /// Where new connections go; nowhere without a server.
    pub fn leads_to(&self, server: Option<SocketAddr>) {
        *self.target.lock().unwrap() = server;
    }

    /// Breaks every connection; gives whether there was one.
    pub fn cut(&self) -> bool {
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        open.iter().filter(|one| one.shutdown(Shutdown::Both).is_ok()).count() > 0
    }
}

#[test]
fn fifty_reconnects_of_a_log_lose_and_repeat_no_line() {
    let proxy = Proxy::new();
    let Some(stage) = Stage::also_under(&proxy.address.to_string()) else { return };
    proxy.leads_to(Some(stage.server.address));
    let page = &stage.page;
    let run = stage.start("growing", &json!({}));
    page.goto(&format!("http://{}/runs/{run}/log?attempt=0-1", proxy.address));
    page.wait("document.querySelectorAll('#log .row').length > 5");
    // What is drawn is right at every moment.
    page.eval(&format!(
        "window.wrong = []; new MutationObserver(() => {{ try {{ {ROWS}; }} catch (error) {{ wrong.push(error.message); }} }}).observe(document.querySelector('#log .rows'), {{ childList: true }})"
    ));
    let mut cuts = 0;
    while cuts < 50 {
        cuts += u32::from(proxy.cut());
        // Long enough for a new connection, which the next cut breaks.
        thread::sleep(Duration::from_millis(120));
    }
    stage.project.write("stop", "");
    stage.server.wait_for(&run, "succeeded");
    let lines = total(&stage, &run);
    page.wait(&seen(lines));
    assert_eq!(page.eval("wrong"), json!([]));
    // The whole log, read by scrolling from its top to its end.
    let read = page.eval(
        "(async () => { const log = document.querySelector('#log'), found = []; document.querySelector('[name=follow]').checked = false; \
         for (let top = 0; ; top += log.clientHeight / 2) { log.scrollTop = top; \
         for (let n = 0; n < 100; n += 1) { await new Promise((done) => setTimeout(done, 20)); if (![...document.querySelectorAll('#log .row code')].some((one) => one.textContent === '…')) break; } \
         for (const row of document.querySelectorAll('#log .row')) { const number = Number(row.querySelector('a').textContent); \
         if (number === found.length + 1) found.push(row.querySelector('code').textContent); } \
         if (top + log.clientHeight >= log.scrollHeight) return found; } })()",
    );
    let read: Vec<_> = read.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    let kept = stage.server.get(&format!("/api/v1/runs/{run}/artifacts/0-1/stdout.log")).text();
    let kept: Vec<_> = kept.lines().map(str::to_owned).collect();
    assert_eq!(read.len(), kept.len());
    assert!(read == kept, "every line once, in its place");
    println!("{cuts} reconnects, {} lines, none lost, none repeated", read.len());
}

#[test]
fn reconnects_of_a_live_page_miss_nothing() {
    let proxy = Proxy::new();
    let Some(stage) = Stage::also_under(&proxy.address.to_string()) else { return };
    proxy.leads_to(Some(stage.server.address));
    let page = &stage.page;
    let run = stage.start("growing", &json!({}));
    page.goto(&format!("http://{}/runs/{run}", proxy.address));
    page.wait("document.querySelector('#s-talk .badge.running')");
    // Beside the page's own stream, one that keeps what it was told.
    page.eval(&format!(
        "window.same = true; window.ids = []; window.opened = 0; window.story = new EventSource('/api/v1/runs/{run}/events'); story.onopen = () => {{ opened += 1; }}; \
         for (const name of ['requirement_submitted', 'task_completed', 'decision_needed', 'status_update']) story.addEventListener(name, (event) => {{ if (event.lastEventId) ids.push(event.data); }})"
    ));
    // The pause of a browser between two tries is a second.
    for cut in 0..10 {
        page.wait(&format!("opened > {cut} && story.readyState === 1"));
        proxy.cut();
    }
    stage.project.write("stop", "");
    stage.server.wait_for(&run, "succeeded");
    page.wait("document.querySelector('.state .badge.succeeded')");
    page.wait("ids.some((data) => JSON.parse(data).type === 'run_ended')");
    let ids = page.eval("ids");
    let mut once: Vec<_> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let all = once.len();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all, "no event came twice");
    assert!(page.holds("window.same") && page.holds("opened > 10"), "the page came back by itself");
}
