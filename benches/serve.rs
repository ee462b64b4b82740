//! What a server bears: requests over many stored runs, tasks handed in and finished, clients that do not read.
//!
//! `cargo bench --bench serve` prints what came out beside the goals. The load is kept up at a fixed rate, and an answer's
//! time counts from when its request was due: a server that falls behind cannot hide it. `ORCH_BENCH_SCALE` (default 1.0)
//! makes it shorter for a look; `ORCH_BENCH_ONLY` names one part, `ORCH_BENCH_BINARY` another build to
//! compare with.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use orch::{
    base::RunId,
    journal::{NewRecord, NewRun, Store},
};
use serde_json::{Value, json};
use support::{median, scaled};

mod support;

/// An agent that may write: what it has changed is looked for and kept.
const WRITES: &str = "name: task\nsteps:\n  - { id: work, prompt: Do nothing, runtime: replay }\n";
/// One that has no tools, so that nothing can have changed.
const THINKS: &str = "name: task\nsteps:\n  - { id: work, prompt: Do nothing, runtime: replay, tools: [] }\n";
const TURN: &str =
    "recording: 1\nworkflow: task\nturns:\n  - { step: work, attempt: 1, turn: 1, says: { summary: Done. } }\n";
const SMALL: &str = "name: small\nsteps:\n  - { id: one, run: 'true' }\n  - { id: two, run: 'true' }\n";

/// The binary that is measured: the one just built, or another one, to compare.
fn binary() -> String {
    env::var("ORCH_BENCH_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_orch").to_owned())
}

fn main() {
    let only = env::var("ORCH_BENCH_ONLY").ok();
    let is_wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if is_wanted("requests") {
        requests();
    }
    if is_wanted("tasks") {
        tasks("that may write", WRITES);
        tasks("without tools", THINKS);
    }
    if is_wanted("stalled") {
        stalled();
    }
}

/// A project in a folder of its own, and a home beside it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (file, text) in [
            ("orch.toml", ""),
            ("workflows/task.yaml", THINKS),
            ("workflows/recordings/task.yaml", TURN),
            ("workflows/small.yaml", SMALL),
        ] {
            home.write(file, text);
        }
        home
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn orch(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).current_dir(self.root()).stdin(Stdio::null());
        command.env("HOME", self.0.path().join("home")).env("NO_COLOR", "1");
        command
    }

    fn said(&self, words: &[&str]) -> String {
        let output = self.orch(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A server that ends with its part.
struct Server {
    child: Child,
    address: SocketAddr,
    key: String,
}

impl Server {
    fn start(home: &Home) -> Self {
        let made = home.said(&["keys", "add", "load", "--role", "admin", "--rate", "1000000", "--json"]);
        let key = serde_json::from_str::<Value>(&made).unwrap()["key"].as_str().unwrap().to_owned();
        let words = ["serve", "--listen", "127.0.0.1:0", "--rate-all", "1000000", "--queue", "100000", "--drain", "1s"];
        let mut child = home.orch(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap();
        let server = Self { child, address, key };
        while Client::of(&server).get("/readyz").0 != 200 {
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// The memory it has now, in megabytes.
    fn memory_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Client {
    fn of(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!("Host: {}\r\nAuthorization: Bearer {}\r\n", server.address, server.key);
        Self { stream: BufReader::new(stream), head }
    }

    fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        let text = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.head);
        self.send(&text)
    }

    fn post(&mut self, path: &str, body: &Value) -> (u16, Vec<u8>) {
        let body = body.to_string();
        let about = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let text = format!("POST {path} HTTP/1.1\r\n{}{about}\r\n{body}", self.head);
        self.send(&text)
    }

    fn send(&mut self, text: &str) -> (u16, Vec<u8>) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            } else if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = lower.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, body)
    }
}

/// Stores copies of one real run under other ids, as many as a busy year makes.
fn fill(root: &Path, count: usize) -> Vec<RunId> {
    let store = Store::open(root).unwrap();
    let journal = store.journal();
    let summary = journal.runs(1).unwrap().remove(0);
    let plan_body = journal.plan_body(&summary.run).unwrap().unwrap();
    let records: Vec<_> = journal.read(&summary.run, 1).unwrap().map(Result::unwrap).collect();
    let old = summary.run.to_string();
    let mut ids = Vec::new();
    for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
        let acks = chunk.iter().map(|place| {
            let mut mark = [0; 5];
            mark[1..].copy_from_slice(&u32::try_from(*place).unwrap().wrapping_mul(2_654_435_761).to_be_bytes());
            let run = RunId::from_random(mark);
            let records = records.iter().map(|record| {
                let body = String::from_utf8(record.body.clone()).unwrap().replace(&old, run.as_str());
                NewRecord { at: record.at, version: record.version, body: body.into_bytes() }
            });
            let records = records.collect();
            let mut summary = summary.clone();
            summary.run = run.clone();
            summary.started.0 += *place as u64;
            ids.push(run);
            journal.create_run(NewRun { summary, plan_body: plan_body.clone(), records })
        });
        let acks: Vec<_> = acks.collect();
        acks.into_iter().for_each(|ack| {
            ack.wait().unwrap();
        });
    }
    ids
}

fn at(sorted: &[Duration], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)].as_secs_f64() * 1_000.0
}

/// 1,000 requests a second on list and detail, with 10,000 runs stored.
fn requests() {
    const CLIENTS: usize = 16;
    const A_SECOND: usize = 1_000;
    let home = Home::new();
    home.said(&["run", "small", "-q"]);
    let ids = Arc::new(fill(&home.root(), scaled(10_000, 100)));
    let server = Server::start(&home);
    let seconds = scaled(60, 2);
    let errors = Arc::new(AtomicU64::new(0));
    let begin = Instant::now() + Duration::from_millis(200);
    let clients = (0..CLIENTS).map(|client| {
        let (mut connection, ids, errors) = (Client::of(&server), Arc::clone(&ids), Arc::clone(&errors));
        thread::spawn(move || {
            let mut times = Vec::new();
            for round in 0..seconds * A_SECOND / CLIENTS {
                let number = round * CLIENTS + client;
                let due = begin + Duration::from_secs_f64(number as f64 / A_SECOND as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let is_list = number.is_multiple_of(2);
                let path = match is_list {
                    true => "/api/v1/runs?limit=50".to_owned(),
                    false => format!("/api/v1/runs/{}", ids[number.wrapping_mul(7_919) % ids.len()]),
                };
                let (status, _) = connection.get(&path);
                errors.fetch_add(u64::from(status != 200), Ordering::Relaxed);
                times.push((is_list, due.elapsed()));
            }
            times
        })
    });
    let clients: Vec<_> = clients.collect();
    let times: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let took = begin.elapsed().as_secs_f64();
    for (what, kind) in [("list", Some(true)), ("detail", Some(false)), ("both", None)] {
        let mut of: Vec<_> =
            times.iter().filter(|(list, _)| kind.is_none_or(|kind| kind == *list)).map(|(_, took)| *took).collect();
        of.sort();
        println!(
            "requests  {what:7} {} of {} runs: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms (goal: p95 10 ms)",
            of.len(),
            ids.len(),
            at(&of, 0.5),
            at(&of, 0.95),
            at(&of, 0.99)
        );
    }
    let rate = times.len() as f64 / took;
    println!("requests  {rate:.0} a second, {} errors, {:.0} MB", errors.load(Ordering::Relaxed), server.memory_mb());
}

/// Tasks handed in through the API and finished, with a runtime that does nothing.
fn tasks(what: &str, task: &str) {
    const CLIENTS: usize = 4;
    let home = Home::new();
    home.write("workflows/task.yaml", task);
    let server = Server::start(&home);
    let count = scaled(2_000, 40);
    let begin = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut connection = Client::of(&server);
            thread::spawn(move || {
                for _ in 0..count / CLIENTS {
                    let (status, body) = connection.post("/api/v1/runs", &json!({ "name": "task" }));
                    assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let accepted = begin.elapsed().as_secs_f64();
    let mut connection = Client::of(&server);
    loop {
        let (_, body) = connection.get("/api/v1/status");
        let busy = &serde_json::from_slice::<Value>(&body).unwrap()["workers"];
        if busy["queued"] == 0 && busy["driving"] == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let finished = begin.elapsed().as_secs_f64();
    let (_, body) = connection.get("/api/v1/runs?status=failed&limit=1");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["runs"], json!([]), "a task has failed");
    let a_minute = |seconds: f64| count as f64 / seconds * 60.0;
    println!(
        "tasks     {count} {what}: accepted {:.0} a minute, finished {:.0} a minute (goal: 1000); {:.0} MB",
        a_minute(accepted),
        a_minute(finished),
        server.memory_mb()
    );
}

/// A large run, with and without a hundred clients that never read what they asked for.
fn stalled() {
    let home = Home::new();
    let steps = scaled(5_000, 50);
    home.write(
        "workflows/many.yaml",
        &format!("name: many\nsteps:\n  - id: all\n    each: range({steps})\n    key: '{{{{ item }}}}'\n    max_items: 5000\n    steps:\n      - {{ id: one, run: 'true' }}\n"),
    );
    let mut took = [Vec::new(), Vec::new()];
    let mut memory = [0.0_f64; 2];
    for _ in 0..support::rounds(3) {
        for (place, clients) in [0, 100].into_iter().enumerate() {
            let server = Server::start(&home);
            let kept: Vec<_> = (0..clients)
                .map(|_| {
                    let mut stream = TcpStream::connect(server.address).unwrap();
                    let head = format!(
                        "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
                        server.address, server.key
                    );
                    stream.write_all(head.as_bytes()).unwrap();
                    stream
                })
                .collect();
            let mut connection = Client::of(&server);
            let begin = Instant::now();
            let (status, body) = connection.post("/api/v1/runs", &json!({ "name": "many" }));
            assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
            let run = serde_json::from_slice::<Value>(&body).unwrap()["run"].as_str().unwrap().to_owned();
            loop {
                let (_, body) = connection.get("/api/v1/runs?limit=1");
                let now = serde_json::from_slice::<Value>(&body).unwrap();
                assert_eq!(now["runs"][0]["id"], run);
                match now["runs"][0]["status"].as_str().unwrap() {
                    "running" => thread::sleep(Duration::from_millis(100)),
                    "succeeded" => break,
                    other => panic!("{other}"),
                }
            }
            took[place].push(begin.elapsed().as_secs_f64());
            memory[place] = memory[place].max(server.memory_mb());
            drop(kept);
        }
    }
    let [alone, beside] = took.map(median);
    println!(
        "stalled   {steps} steps: alone {alone:.2} s, beside 100 stalled clients {beside:.2} s, ratio {:.3} (goal: 1.05)",
        beside / alone
    );
    println!(
        "stalled   memory alone {:.0} MB, beside 100 stalled clients {:.0} MB (goal: 200 MB)",
        memory[0], memory[1]
    );
}
