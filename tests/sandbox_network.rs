//! A network of a few hosts: what a confined step reaches through the proxy, what it does not, and who hears of it.
//! Needs `python3` for the words that no program of a shell says to a proxy, and says loudly where it is not there.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, ToSocketAddrs as _},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use support::{Done, Project};

/// Says each of the lines in `asks.json` to the proxy and notes how it begins to answer.
const ASK: &str = r#"
import json, os, socket, urllib.parse
proxy = urllib.parse.urlparse(os.environ["HTTPS_PROXY"])
answers = {}
for name, ask in json.load(open("asks.json")).items():
    s = socket.create_connection((proxy.hostname, proxy.port), timeout=20)
    s.sendall(ask.encode("latin-1"))
    got = b""
    while True:
        part = s.recv(65536)
        got += part
        if not part or (name.startswith("tunnel") and b"hello" in got):
            break
    answers[name] = got.decode("latin-1")
    s.close()
def tries(name, work):
    try:
        work()
        answers[name] = "reached"
    except Exception as error:
        answers[name] = "no: " + str(error)
port = int(open("port").read())
tries("direct", lambda: socket.create_connection(("127.0.0.1", port), timeout=5))
tries("direct by name", lambda: socket.create_connection(("localhost", port), timeout=5))
tries("out", lambda: socket.create_connection(("1.1.1.1", 53), timeout=5))
tries("name service", lambda: socket.getaddrinfo("example.org", 443))
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(b"x", ("1.1.1.1", 53))
    s.recv(100)
tries("datagram", udp)
json.dump(answers, open("answers.json", "w"))
"#;

fn can_confine(project: &Project) -> bool {
    let has_python = Command::new("python3").arg("-V").output().is_ok_and(|done| done.status.success());
    let health = project.run(&["doctor"]);
    let is_possible = has_python && health.stdout.contains("own namespaces work");
    if !is_possible {
        eprintln!("SKIPPED: no python3, or no namespaces: {}", health.stdout);
    }
    is_possible
}

/// A service of this machine that says hello to whatever it is told, and remembers it.
fn service() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, told) = (stream.unwrap(), Arc::clone(&told));
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                let size = stream.read(&mut bytes).unwrap_or(0);
                told.lock().unwrap().push(String::from_utf8_lossy(&bytes[..size]).into_owned());
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
            });
        }
    });
    (port, heard)
}

fn run(project: &Project, network: &str, command: &str) -> Done {
    let step = format!("steps:\n  - id: a\n    sandbox: {{ network: {network} }}\n    run: {command}\n");
    project.write(".orch/workflows/one.yaml", &step);
    let mut done = project.run(&["run", "one"]);
    done.stdout.push_str(&done.stderr);
    done
}

fn answers(project: &Project) -> BTreeMap<String, String> {
    serde_json::from_str(&project.read("answers.json")).unwrap()
}

#[test]
fn only_what_is_named_is_reached() {
    let project = Project::new().file("ask.py", ASK);
    if !can_confine(&project) {
        return;
    }
    let ((port, heard), (other, never)) = (service(), service());
    let connect = |authority: &str| format!("CONNECT {authority} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\nGET");
    let mut asks: BTreeMap<String, String> = BTreeMap::from([
        ("tunnel".to_owned(), connect(&format!("localhost:{port}"))),
        ("tunnel, large letters and a dot".to_owned(), connect(&format!("LocalHost.:{port}"))),
        ("plain".to_owned(), format!("GET http://localhost:{port}/x HTTP/1.1\r\nHost: evil.example\r\nA: b\r\n\r\n")),
        (
            "plain, and a second one behind it".to_owned(),
            format!(
                "GET http://localhost:{port}/first HTTP/1.1\r\n\r\nGET http://127.0.0.1:{other}/second HTTP/1.1\r\n\r\n"
            ),
        ),
    ]);
    // The name of this machine, which leads to an address that nobody has named.
    let own = String::from_utf8(Command::new("hostname").output().map(|done| done.stdout).unwrap_or_default()).unwrap();
    let own = own.trim();
    let is_private = !own.is_empty()
        && own != "localhost"
        && (own, port).to_socket_addrs().is_ok_and(|mut found| {
            found.all(|address| address.ip() == Ipv4Addr::LOCALHOST || address.ip() == Ipv4Addr::new(127, 0, 1, 1))
        });
    if !is_private {
        eprintln!(
            "SKIPPED: the name of this machine does not lead to itself, so no name with a wrong address is tried"
        );
    }
    let refused = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{other}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("127.1:{port}"),
        format!("evil.example%00.localhost:{port}"),
        format!("evil.example\0.localhost:{port}"),
        format!("evil.example%2elocalhost:{port}"),
        format!("user@localhost:{port}"),
        format!("localhost:{port}@127.0.0.1:{other}"),
        format!("localhost..:{port}"),
        format!("x.localhost:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("allowed.example.evil.example:{port}"),
        format!("allowed.example:{port}"),
        "169.254.169.254:80".to_owned(),
    ];
    let refused = refused.into_iter().chain(is_private.then(|| format!("{own}:{port}")));
    let refused: Vec<String> = refused.collect();
    asks.extend(refused.iter().map(|authority| (format!("refused {authority}"), connect(authority))));
    asks.insert("refused plain".to_owned(), format!("GET http://localhost@127.0.0.1:{other}/ HTTP/1.1\r\n\r\n"));
    asks.insert("refused relative".to_owned(), format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"));
    project.write("asks.json", &serde_json::to_string(&asks).unwrap());
    project.write("port", &port.to_string());
    let list = format!(
        "[\"localhost:{port}\", \"*.allowed.example:{port}\"{}]",
        if is_private { format!(", \"{own}:{port}\"") } else { String::new() }
    );
    let done = run(&project, &list, "[python3, ask.py]");
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let answers = answers(&project);
    for (name, answer) in &answers {
        let expected = if name.starts_with("tunnel") || name.starts_with("plain") {
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello")
        } else if name.starts_with("refused") {
            answer.starts_with("HTTP/1.1 403 ") || answer.starts_with("HTTP/1.1 400 ")
        } else {
            answer.starts_with("no: ")
        };
        assert!(expected, "{name}: {answer}");
    }
    assert_eq!(answers.len(), asks.len() + 5);
    assert!(never.lock().unwrap().is_empty(), "{never:?}");
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 4, "{heard:?}");
    let plain = heard.iter().find(|told| told.contains("/x")).unwrap();
    assert_eq!(plain, &format!("GET /x HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\nA: b\r\n\r\n"));
}

/// What a proxy of the user's own was told, one request each.
fn upstream(answer: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, told) = (stream.unwrap(), Arc::clone(&told));
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                let mut said = String::new();
                while !said.ends_with("\r\n\r\n") {
                    let size = stream.read(&mut bytes).unwrap_or(0);
                    assert!(size > 0, "half a request: {said}");
                    said.push_str(&String::from_utf8_lossy(&bytes[..size]));
                }
                let is_tunnel = said.starts_with("CONNECT");
                told.lock().unwrap().push(said);
                let _ = stream.write_all(answer.as_bytes());
                if is_tunnel && answer.starts_with("HTTP/1.1 200") {
                    let _ = stream.read(&mut bytes);
                    let _ = stream.write_all(b"hello");
                }
            });
        }
    });
    (port, heard)
}

#[test]
fn the_proxy_of_the_user_is_gone_through_and_never_past() {
    let (port, heard) = upstream("HTTP/1.1 200 Fine\r\n\r\n");
    let ((no, denied), (near, hello)) = (upstream("HTTP/1.1 403 No\r\n\r\n"), service());
    let proxy = format!("http://me:pa%3Ass@127.0.0.1:{port}");
    let project = Project::new()
        .file("ask.py", ASK)
        .variable("HTTPS_PROXY", &proxy)
        .variable("http_proxy", &proxy)
        .variable("NO_PROXY", "direct.example, 127.0.0.0/8");
    if !can_confine(&project) {
        return;
    }
    // Nobody knows these names here: only the other proxy may.
    let asks = BTreeMap::from([
        ("tunnel", "CONNECT far.example:443 HTTP/1.1\r\n\r\nGET".to_owned()),
        ("plain", "GET http://far.example/x HTTP/1.1\r\nA: b\r\n\r\n".to_owned()),
        ("refused", "CONNECT evil.example:443 HTTP/1.1\r\n\r\nGET".to_owned()),
        ("by itself", "CONNECT direct.example:443 HTTP/1.1\r\n\r\nGET".to_owned()),
        ("tunnel near", format!("CONNECT 127.0.0.1:{near} HTTP/1.1\r\n\r\nGET")),
    ]);
    project.write("asks.json", &serde_json::to_string(&asks).unwrap());
    project.write("port", &near.to_string());
    let list = format!("[far.example, direct.example, \"127.0.0.1:{near}\"]");
    let done = run(&project, &list, "[python3, ask.py]");
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let got = answers(&project);
    assert!(got["tunnel"].starts_with("HTTP/1.1 200 ") && got["tunnel"].ends_with("hello"), "{got:?}");
    assert!(got["plain"].starts_with("HTTP/1.1 200 Fine"), "{got:?}");
    assert!(got["refused"].starts_with("HTTP/1.1 403 "), "{got:?}");
    assert!(
        got["by itself"].starts_with("HTTP/1.1 502 "),
        "nobody knows that name, and the proxy is not asked: {got:?}"
    );
    assert!(got["tunnel near"].ends_with("hello"), "{got:?}");
    assert_eq!(hello.lock().unwrap().len(), 1);
    let pass = "proxy-authorization: Basic bWU6cGE6c3M=\r\n";
    let mut told = heard.lock().unwrap().clone();
    told.sort();
    let tunnel = format!("CONNECT far.example:443 HTTP/1.1\r\nhost: far.example:443\r\n{pass}\r\n");
    let plain =
        format!("GET http://far.example:80/x HTTP/1.1\r\n{pass}host: far.example\r\nconnection: close\r\nA: b\r\n\r\n");
    assert_eq!(told, [tunnel, plain]);
    // A refusal of that proxy is one; a proxy of another kind is refused before anything starts.
    let project = project.variable("HTTPS_PROXY", &format!("http://127.0.0.1:{no}"));
    assert_eq!(run(&project, &list, "[python3, ask.py]").code, Some(0));
    assert!(answers(&project)["tunnel"].starts_with("HTTP/1.1 502 "), "{:?}", answers(&project));
    assert_eq!(denied.lock().unwrap().len(), 1);
    let project = project.variable("HTTPS_PROXY", "socks5://127.0.0.1:1");
    let done = run(&project, &list, "touch here");
    assert!(done.code == Some(41) && done.stdout.contains("E0377"), "{}", done.stdout);
    assert!(!project.root().join("here").exists());
}

#[test]
fn bubblewrap_keeps_to_the_hosts_as_well() {
    let project = Project::new().file("ask.py", ASK).variable("ORCH_SANDBOX_WITHOUT", "namespaces");
    if !project.run(&["doctor"]).stdout.contains("bubblewrap works") {
        eprintln!("SKIPPED: no bubblewrap on this machine");
        return;
    }
    let ((port, heard), (other, never)) = (service(), service());
    let connect = |port: u16| format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\nGET");
    let asks = BTreeMap::from([("tunnel", connect(port)), ("refused", connect(other))]);
    project.write("asks.json", &serde_json::to_string(&asks).unwrap());
    project.write("port", &other.to_string());
    let done = run(&project, &format!("[\"localhost:{port}\"]"), "[python3, ask.py]");
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let got = answers(&project);
    assert!(got["tunnel"].ends_with("hello") && got["refused"].starts_with("HTTP/1.1 403 "), "{got:?}");
    let outside = got.iter().filter(|(name, _)| !["tunnel", "refused"].contains(&name.as_str()));
    assert!(outside.clone().count() == 5 && outside.clone().all(|(_, word)| word.starts_with("no: ")), "{got:?}");
    assert_eq!((heard.lock().unwrap().len(), never.lock().unwrap().len()), (1, 0));
}

#[test]
fn who_is_refused_is_told_and_so_is_everybody_else() {
    let project = Project::new();
    if !can_confine(&project) {
        return;
    }
    let (port, heard) = service();
    let ask = "import os, socket, sys, urllib.request\ntry:\n    urllib.request.urlopen(open('url').read(), timeout=20)\n\
               except Exception as error:\n    sys.exit(str(error) + error.read().decode())\n";
    let project = project.file("ask.py", ask);
    // From a file: the judge of commands must not answer in place of the proxy.
    project.write("url", &format!("http://127.0.0.1:{port}/"));
    let command = "[python3, ask.py]";
    let named = format!("[\"127.0.0.1:{port}\"]");
    let done = run(&project, &named, command);
    assert_eq!((done.code, heard.lock().unwrap().len()), (Some(0), 1), "what is named is reached: {}", done.stdout);
    project.write("url", "http://elsewhere.example/");
    let done = run(&project, &named, command);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    let words = "ended with exit code 1; `elsewhere.example:80` is none of the hosts that `network:` names";
    let plain = |done: &Done| done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain(&done).contains(words), "{}", done.stdout);
    let audit = project.run(&["audit", "export"]);
    assert!(audit.stdout.contains("\"kind\":\"network\"") && audit.stdout.contains("elsewhere.example"), "{audit:?}");
    // A policy takes away what a step names.
    let project = project.file("policy.yaml", "hosts: [other.example]\n");
    let done = run(&project, "[elsewhere.example]", command);
    assert!(done.code == Some(1) && plain(&done).contains(words), "{}", done.stdout);
    let done = run(&project, "any", command);
    assert!(
        done.code == Some(1) && plain(&done).contains(words),
        "commands reach who the policy names: {}",
        done.stdout
    );
}

#[test]
fn what_is_no_host_is_no_definition() {
    for host in ["'*'", "http://a.example", "a.example/path", "a%00.example", "user@a.example", "127.1", "a..example"] {
        let step =
            format!("steps:\n  - id: a\n    sandbox: {{ network: [ok.example, {host}] }}\n    run: touch here\n");
        let project = Project::new().file(".orch/workflows/one.yaml", &step);
        let done = project.run(&["run", "one"]);
        assert!(done.code != Some(0) && done.stderr.contains("is no host"), "{host}: {done:?}");
        assert!(!project.root().join("here").exists());
    }
}
