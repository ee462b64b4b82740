//! TLS as programs speak it, and no more connections than there may be.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};
use socket2::{Domain, Socket, Type};

use crate::{client::Server, support::Project};

struct Tls {
    child: Child,
    address: SocketAddr,
    roots: RootCertStore,
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn certificate(project: &Project, name: &str) -> (String, String, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
    project.write(&cert, &made.cert.pem());
    project.write(&key, &made.signing_key.serialize_pem());
    (cert, key, made)
}

fn start(project: &Project, flags: &[&str]) -> (Child, String) {
    let mut words = vec!["serve", "--listen", "127.0.0.1:0"];
    words.extend(flags);
    let mut child =
        project.command(&words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut link = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
    (child, link.trim().to_owned())
}

impl Tls {
    fn start(project: &Project) -> Self {
        let (cert, key, made) = certificate(project, "server");
        let (child, link) = start(project, &["--tls-cert", &cert, "--tls-key", &key]);
        let address = link.strip_prefix("https://").unwrap_or_else(|| panic!("{link}"));
        let address = address.split('/').next().unwrap().parse().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        Self { child, address, roots }
    }

    fn get(&self, path: &str, headers: &str) -> std::io::Result<String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut stream = StreamOwned::new(connection, stream);
        let host = format!("localhost:{}", self.address.port());
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")?;
        let mut text = Vec::new();
        // What matters is what came; how it ends is the server's to say.
        stream.read_to_end(&mut text).ok();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[test]
fn a_server_speaks_tls_and_its_health_is_asked_with_it() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let server = Tls::start(&project);
    let listen = server.address.to_string();
    let check = |more: &[&str]| {
        let mut words = vec!["serve", "--check-health", "--listen", &listen];
        words.extend(more);
        project.run(&words)
    };
    let own = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    let late = Instant::now() + Duration::from_secs(30);
    while check(&own).code != Some(0) {
        assert!(Instant::now() < late, "never ready");
    }
    assert!(server.get("/readyz", "").unwrap().starts_with("HTTP/1.1 200"));
    assert!(server.get("/api/v1/runs", "").unwrap().starts_with("HTTP/1.1 401"));
    let key = std::fs::read_to_string(project.home().join(".local/state/orch/serve/token")).unwrap();
    let runs = server.get("/api/v1/runs", &format!("Authorization: Bearer {}\r\n", key.trim())).unwrap();
    assert!(runs.starts_with("HTTP/1.1 200"), "{runs}");
    // A session of it never goes where nothing is encrypted.
    let page = server.get("/login", "").unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    // Nobody who says nothing of TLS, and nobody with another certificate, is taken for the server.
    let plain = check(&[]);
    assert_eq!(plain.code, Some(75), "{plain:?}");
    assert!(plain.stderr.contains("--tls-cert"), "{}", plain.stderr);
    certificate(&project, "other");
    let other = check(&["--tls-cert", "other.pem", "--tls-key", "other.key"]);
    assert_eq!(other.code, Some(75), "{other:?}");
    // And whoever does not know the certificate does not trust it.
    let stranger = Tls {
        child: project.command(&["help"]).stdout(Stdio::null()).spawn().unwrap(),
        address: server.address,
        roots: RootCertStore::empty(),
    };
    assert!(stranger.get("/readyz", "").is_err());
}

/// Whether somebody of another address is answered.
fn ask_from(address: &str, server: &Server) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&format!("{address}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").ok();
    stream.read_exact(&mut [0; 12]).is_ok()
}

#[test]
fn who_says_nothing_is_closed() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let server = Server::start(&project, &[]);
    // Nothing at all, and the beginning of what HTTP/2 begins with.
    for first in ["", "P", "PRI * HTTP/2.0\r\n"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        let begin = Instant::now();
        assert_eq!(stream.read(&mut [0; 1]).ok(), Some(0), "after {first:?} nobody is closed");
        assert!(begin.elapsed() > Duration::from_secs(5), "nobody can be that fast");
    }
}

#[test]
fn another_link_is_asked_for_by_tls() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let server = Tls::start(&project);
    let listen = server.address.to_string();
    let ask = |more: &[&str]| project.run(&[&["serve", "--link", "--listen", &listen], more].concat());
    let own = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    let late = Instant::now() + Duration::from_secs(30);
    let mut asked = ask(&own);
    while asked.code == Some(75) && Instant::now() < late {
        asked = ask(&own);
    }
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let (_, path) = asked.stdout.trim().split_once(&format!("https://{listen}")).unwrap();
    let begun = server.get(path, "").unwrap();
    assert!(begun.starts_with("HTTP/1.1 303") && begun.contains("; Secure"), "{begun}");
    // Another certificate is another server.
    certificate(&project, "other");
    for strange in [&["--tls-cert", "other.pem", "--tls-key", "other.key"][..], &[]] {
        let refused = ask(strange);
        assert_eq!(refused.code, Some(75), "{refused:?}");
    }
}

#[test]
fn so_many_connections_at_once_and_the_next_ones_are_closed() {
    let project = Project::new().file("workflows/w.yaml", "name: w\nsteps: [{ id: one, run: 'true' }]\n");
    let server = Server::start(&project, &["--connections", "16"]);
    let open = || {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").ok();
        let mut first = [0; 12];
        let is_answered = stream.read_exact(&mut first).is_ok();
        (stream, is_answered)
    };
    // The probes of the start may still be closing.
    let late = Instant::now() + Duration::from_secs(20);
    let held = loop {
        let held: Vec<_> = (0..8).map(|_| open()).collect();
        if held.iter().all(|(_, is_answered)| *is_answered) {
            break held;
        }
        assert!(Instant::now() < late, "eight are never let in");
    };
    for _ in 0..20 {
        assert!(!open().1, "a ninth of one address was answered");
    }
    assert!(ask_from("127.0.0.2", &server), "one address has shut out the others");
    drop(held);
    let late = Instant::now() + Duration::from_secs(20);
    while !open().1 {
        assert!(Instant::now() < late, "the place of a closed connection is never free");
    }
}
