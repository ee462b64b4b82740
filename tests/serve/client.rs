//! A server as people start it, and a client that sends exactly the bytes that it is told to.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::Project;

/// A server that ends with the test.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// A link that begins one session.
    pub link: String,
    /// The key of the owner.
    pub key: String,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Starts a server of the project, with these flags.
    pub fn start(project: &Project, flags: &[&str]) -> Self {
        Self::start_at(project, "127.0.0.1:0", flags)
    }

    /// Starts one there.
    pub fn start_at(project: &Project, listen: &str, flags: &[&str]) -> Self {
        let mut words = vec!["serve", "--listen", listen];
        words.extend(flags);
        let mut child =
            project.command(&words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let link = line.trim().to_owned();
        let address = link.strip_prefix("http://").unwrap_or_else(|| panic!("no link: {line:?}"));
        let address = address.split('/').next().unwrap().parse().unwrap();
        let key =
            std::fs::read_to_string(project.home().join(".local/state/orch/serve/token")).unwrap().trim().to_owned();
        let server = Self { child, address, link, key };
        let late = Instant::now() + Duration::from_secs(20);
        while server.get("/readyz").status != 200 {
            assert!(Instant::now() < late, "never ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Kills it as a crash does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to end; gives whether it ended well.
    pub fn end(mut self) -> bool {
        let pid = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().success()
    }

    /// Sends bytes as they are, and reads the answer to its end.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut all = Vec::new();
        // A server may close as soon as it has said no.
        stream.read_to_end(&mut all).ok();
        answer_of(&all)
    }

    /// A request with the headers that are given, and no others but what HTTP needs.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.unwrap_or_default();
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.raw(format!("{text}\r\n{body}").as_bytes())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {}", self.key))], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(&self.key, path, body, &[])
    }

    pub fn post_as(&self, key: &str, path: &str, body: &Value, more: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        headers.extend(more);
        self.send("POST", path, &headers, Some(&body.to_string()))
    }

    /// Waits until a run has that status.
    pub fn wait_for(&self, run: &str, status: &str) -> Value {
        let late = Instant::now() + Duration::from_secs(40);
        loop {
            let now = self.get(&format!("/api/v1/runs/{run}")).json();
            if now["status"] == status {
                return now;
            }
            assert!(Instant::now() < late, "never {status}: {now:#}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Opens a stream of events and gives it line by line.
    pub fn events(&self, path: &str, after: Option<&str>) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let last = after.map_or_else(String::new, |after| format!("Last-Event-ID: {after}\r\n"));
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{last}\r\n",
            self.address, self.key
        );
        stream.write_all(head.as_bytes()).unwrap();
        BufReader::new(stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Takes an answer apart; pieces of a chunked one are put together.
fn answer_of(all: &[u8]) -> Answer {
    let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Answer { status: 0, headers: Vec::new(), body: all.to_vec() };
    };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok()).unwrap_or(0);
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(pair).collect();
    let mut body = all[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked") {
        body = unchunked(&body);
    }
    Answer { status, headers, body }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&bytes[..end]).trim(), 16).unwrap_or(0);
        if size == 0 || end + 2 + size > bytes.len() {
            break;
        }
        all.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[(end + 4 + size).min(bytes.len())..];
    }
    all
}
