//! Somebody who is told: over HTTP, and by mail. Real sockets, and every byte is kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;

/// In place of a status: nothing is answered.
pub const HANG: &str = "hang";

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at_ms: u64,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// Listens, and answers with the given statuses, then with 200.
pub struct Receiver {
    pub address: SocketAddr,
    came: mpsc::Receiver<Received>,
}

pub fn now_ms() -> u64 {
    u64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Receiver {
    pub fn start(statuses: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, came) = mpsc::channel();
        let statuses = Arc::new(Mutex::new(statuses.iter().rev().copied().collect::<Vec<_>>()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = statuses.lock().unwrap().pop().unwrap_or("200 OK");
                if let Some(received) = answer(stream, status) {
                    sender.send(received).ok();
                }
            }
        });
        Self { address, came }
    }

    /// The next request.
    pub fn next(&self) -> Received {
        self.came.recv_timeout(Duration::from_secs(20)).expect("nobody came")
    }

    /// Whether nobody comes for a while.
    pub fn is_quiet(&self, time: Duration) -> bool {
        self.came.recv_timeout(time).is_err()
    }
}

fn answer(mut stream: TcpStream, status: &str) -> Option<Received> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if status == HANG {
        std::mem::forget(stream);
        return Some(Received { path, headers, body: String::from_utf8(body).ok()?, at_ms: now_ms() });
    }
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).ok()?, at_ms: now_ms() })
}

/// A mail server that takes everything.
pub struct MailSink {
    pub address: SocketAddr,
    came: mpsc::Receiver<String>,
}

impl MailSink {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, came) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(mail) = take_mail(stream) {
                    sender.send(mail).ok();
                }
            }
        });
        Self { address, came }
    }

    /// The next mail, with what stood around it.
    pub fn next(&self) -> String {
        self.came.recv_timeout(Duration::from_secs(20)).expect("no mail came")
    }
}

fn take_mail(mut stream: TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut all = String::new();
    stream.write_all(b"220 sink\r\n").ok()?;
    let mut in_mail = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        all.push_str(&line);
        let said = match line.trim_end() {
            "." if in_mail => {
                stream.write_all(b"250 taken\r\n").ok()?;
                return Some(all);
            }
            _ if in_mail => continue,
            "DATA" => {
                in_mail = true;
                "354 go on\r\n"
            }
            word if word.starts_with("EHLO") => "250 sink\r\n",
            _ => "250 ok\r\n",
        };
        stream.write_all(said.as_bytes()).ok()?;
    }
}

/// Waits until something is there.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
