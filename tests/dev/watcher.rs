//! One `orch dev`, its lines read as they come.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::support::Project;

/// So long a line is waited for: far more than it takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Watcher {
    child: Child,
    lines: Receiver<String>,
    /// What it said first.
    pub watching: Value,
    seen: Vec<Value>,
}

impl Watcher {
    /// Starts it with JSON lines.
    pub fn start(project: &Project, words: &[&str]) -> Self {
        let mut words = words.to_vec();
        words.push("--json");
        let mut watcher = Self::start_text(project, &words);
        watcher.watching = watcher.next();
        assert_eq!(watcher.watching["type"], "dev_watching");
        watcher
    }

    /// Starts it as people see it.
    pub fn start_text(project: &Project, words: &[&str]) -> Self {
        let all: Vec<&str> = ["dev"].iter().chain(words).copied().collect();
        let mut command = project.command(&all);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, watching: Value::Null, seen: Vec::new() }
    }

    /// The next line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("orch dev says nothing more")
    }

    /// The next line that holds that.
    #[track_caller]
    pub fn line_with(&mut self, words: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(words) {
                return line;
            }
        }
    }

    /// The next event.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        let line = self.line();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = if event["type"].as_str().unwrap().starts_with("dev_") { "dev" } else { "event" };
        let schema: Value = serde_json::from_str(orch::service::schema(name).unwrap()).unwrap();
        assert_eq!(orch::base::schema_faults(&schema, &event).unwrap(), Vec::<String>::new(), "{line}");
        self.seen.push(event.clone());
        event
    }

    /// The next event, if one comes in that time.
    pub fn next_within(&mut self, time: Duration) -> Option<Value> {
        let line = self.lines.recv_timeout(time).ok()?;
        let event: Value = serde_json::from_str(&line).unwrap();
        self.seen.push(event.clone());
        Some(event)
    }

    /// The next event of that type.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// The next state.
    #[track_caller]
    pub fn state(&mut self) -> Value {
        self.until("dev_state")
    }

    /// The next state of which that is true.
    #[track_caller]
    pub fn state_where(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let state = self.state();
            if is_wanted(&state) {
                return state;
            }
        }
    }

    /// How many runs have started.
    pub fn runs_started(&self) -> usize {
        self.seen.iter().filter(|event| event["type"] == "run_started").count()
    }

    /// Everything that was said so far.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Types a line after which it ends, and gives the exit code.
    pub fn typed(&mut self, line: &str) -> i32 {
        self.say(line);
        self.ended()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end and gives the exit code.
    pub fn ended(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "orch dev does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
