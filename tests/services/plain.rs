//! Against a server of our own, so that the connection is tested everywhere: what is sent, what is never followed, when
//! an answer is not one.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use orch::{base::FailureClass, runtime::service::SERVICES};

use crate::{
    bench::{Bench, KEY, failure, order, success},
    stub::services_at,
};

/// A whole answer of DeepSeek: a text.
const CHAT: &str = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"fine\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";

/// Answers every request with the same bytes.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (requests, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let server = Self { address, requests, connections };
        let (requests, connections, answer) =
            (Arc::clone(&server.requests), Arc::clone(&server.connections), answer.into());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, answer) = (Arc::clone(&requests), answer.clone());
                thread::spawn(move || serve(stream, &requests, &answer));
            }
        });
        server
    }

    fn events(body: &str) -> Self {
        let length = body.len();
        Self::start(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }
}

/// Answers until the other side goes; an answer without a length closes the connection.
fn serve(stream: TcpStream, requests: &Mutex<Vec<String>>, answer: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        requests.lock().unwrap().push(head + &String::from_utf8(body).unwrap());
        if stream.write_all(answer.as_bytes()).is_err() || !answer.contains("content-length") {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_shared_and_the_key_goes_in_its_header_alone() {
    let server = Server::events(CHAT);
    let bench = Bench::with(services_at(&server.address, |settings| settings.max_tokens = 77));
    for _ in 0..3 {
        let envelope = success(bench.agent("deepseek", order("do it")).await, "chat");
        assert_eq!((envelope.text.as_str(), envelope.usage.input_tokens, envelope.usage.output_tokens), ("fine", 5, 2));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let request = server.requests.lock().unwrap()[0].clone();
    assert_eq!(request.matches(KEY).count(), 1, "{request}");
    assert!(request.to_lowercase().contains(&format!("authorization: bearer {KEY}\r\n")), "{request}");
    assert!(request.contains("\"max_tokens\":77"), "{request}");
    bench.nothing_holds_the_key();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let target = Server::events(CHAT);
    let server =
        Server::start(format!("HTTP/1.1 307 Go\r\nlocation: {}/v1\r\ncontent-length: 0\r\n\r\n", target.address));
    let bench = Bench::with(services_at(&server.address, |_| {}));
    for kind in SERVICES {
        let found = failure(bench.agent(kind.name, order("do it")).await, kind.name);
        assert_eq!(found.class, FailureClass::Permanent, "{}", found.reason);
        assert!(found.reason.contains("not followed"), "{}", found.reason);
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_no_success() {
    let transient = FailureClass::Transient { retry_after_ms: None };
    let page = "<html>welcome to the hotel</html>";
    let echo = format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}.\"}}}}");
    for (answer, class, word) in [
        (format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}", page.len()), transient, "text/html"),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n".into(), transient, "before its end"),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"fine\"}}]}\n\n".into(), transient, "before its end"),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nContent-Length: 900\r\n\r\n".to_owned() + CHAT.split("data: [").next().unwrap(), transient, "broke off"),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 47\r\n\r\n{\"error\":{\"code\":401,\"message\":\"bad key here\"}}".into(), FailureClass::Missing, "bad key"),
        ("HTTP/1.1 503 No\r\nretry-after-ms: 250\r\ncontent-length: 4\r\n\r\nlate".into(), FailureClass::Transient { retry_after_ms: Some(250) }, "503"),
        (
            format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{echo}", echo.len()),
            FailureClass::Missing,
            "provided: [key].",
        ),
        ("nonsense\r\n\r\n".into(), transient, "hung up"),
    ] {
        let server = Server::start(answer.clone());
        let bench = Bench::with(services_at(&server.address, |_| {}));
        let found = failure(bench.agent("openai-compatible", order("do it")).await, &answer);
        assert_eq!(found.class, class, "{answer}: {}", found.reason);
        assert!(found.reason.contains(word), "{answer}: {}", found.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_be_called_says_what_is_missing() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bench = Bench::with(services_at(&format!("http://{closed}"), |_| {}));
    let found = failure(bench.agent("openai", order("do it")).await, "closed");
    assert_eq!(found.class, FailureClass::Transient { retry_after_ms: None }, "{}", found.reason);
    assert!(found.reason.contains("cannot be reached"), "{}", found.reason);

    let bench = Bench::with(services_at("http://127.0.0.1:1", |settings| settings.key = None));
    let found = failure(bench.agent("anthropic", order("do it")).await, "no key");
    assert!(found.class == FailureClass::Missing && found.reason.contains("ANTHROPIC_API_KEY"), "{}", found.reason);
    let mut nameless = order("do it");
    nameless.model = None;
    let found = failure(bench.agent("openai-compatible", nameless).await, "no model");
    assert!(found.class == FailureClass::Missing && found.reason.contains("no model"), "{}", found.reason);
    let mut hostile = order("do it");
    hostile.model = Some("a?b#c".into());
    let found = failure(bench.agent("openai-compatible", hostile).await, "hostile model");
    assert!(found.class == FailureClass::Permanent && found.reason.contains("no name of a model"), "{}", found.reason);

    let bench = Bench::with(services_at("file://etc", |_| {}));
    let found = failure(bench.agent("google", order("do it")).await, "no http");
    assert!(found.class == FailureClass::Missing && found.reason.contains("base URL"), "{}", found.reason);
}
