//! The only way out of an attempt that may reach some hosts: a proxy for HTTP, outside of its network.
//!
//! The sandbox's helper opens a listening socket inside the new network and hands it out; `orch` accepts there and
//! connects here. So nothing runs inside on the proxy's behalf, and where `orch` ends, the way out ends.
//!
//! Names are resolved once, here, and the connection goes to the address that was judged; where the user's environment
//! names a proxy, that one resolves them.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional},
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use crate::{
    base::{Host, Hosts, Target},
    execute::{
        process::Doorway,
        upstream::{Upstream, Via},
    },
};

/// Where programs inside find the proxy: its network is theirs alone, so the port is always free.
pub(super) const ADDRESS: &str = "http://127.0.0.1:3128";
/// What programs are told of it.
const VARIABLES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// The machine that a program is on, by all its names.
const OWN: &str = "localhost,127.0.0.1,::1";
/// The head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long a head, a name and a connection may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections at once.
const CONNECTIONS_MAX: usize = 256;
/// Different refusals that are remembered.
const REFUSALS_MAX: usize = 50;

/// Hears of every different refusal, once.
pub(super) type Hear = Arc<dyn Fn(&str) + Send + Sync>;

/// A proxy while an attempt works. Dropping it closes every connection.
pub(super) struct Proxy {
    /// Where the helper hands its socket to.
    pub(super) doorway: String,
    gate: Arc<Gate>,
    _tasks: JoinSet<()>,
}

struct Gate {
    hosts: Hosts,
    /// What stands between this machine and the open network.
    upstream: Upstream,
    refused: Mutex<BTreeSet<String>>,
    hear: Hear,
}

/// Why a request gets no answer from outside.
enum Refused {
    /// It is no request, or not one that this proxy takes.
    Bad(&'static str),
    /// It may not go there.
    Denied(String),
    /// Nobody answers there.
    Unreachable(String),
}

/// A request, as far as a proxy has to understand it.
struct Request {
    target: Target,
    /// What is sent on in place of the head, and how much of a body comes; nothing for a tunnel.
    plain: Option<(Vec<u8>, u64)>,
}

impl Proxy {
    /// Waits for the helper's socket, and then for requests.
    pub(super) fn open(hosts: Hosts, upstream: Upstream, hear: Hear) -> io::Result<Self> {
        let doorway = Doorway::open()?;
        let name = doorway.name().to_owned();
        let gate = Arc::new(Gate { hosts, upstream, refused: Mutex::default(), hear });
        let mut tasks = JoinSet::new();
        let serving = Arc::clone(&gate);
        tasks.spawn(async move {
            let Ok(socket) = doorway.receive().await else { return };
            if let Ok(listener) = listener(socket) {
                serve(listener, serving).await;
            }
        });
        Ok(Self { doorway: name, gate, _tasks: tasks })
    }

    /// What was refused.
    pub(super) fn refused(&self) -> Vec<String> {
        self.gate.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// What programs inside are told. They speak to their own machine directly, unless hosts of that name are outside.
pub(super) fn variables(hosts: &[String]) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_own = |host: &String| OWN.split(',').any(|own| host.trim_start_matches('[').starts_with(own));
    let direct = if hosts.iter().any(is_own) { "" } else { OWN };
    // Node.js asks for more than the address.
    let more = [("NO_PROXY", direct), ("no_proxy", direct), ("NODE_USE_ENV_PROXY", "1")];
    VARIABLES.iter().map(|name| (*name, ADDRESS)).chain(more)
}

fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn serve(listener: TcpListener, gate: Arc<Gate>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Too many descriptors: later there may be some.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while open.try_join_next().is_some() {}
        let gate = Arc::clone(&gate);
        open.spawn(async move {
            // A connection that breaks is the affair of its two ends.
            drop(gate.answer(stream).await);
            drop(place);
        });
    }
}

impl Gate {
    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let (status, words) = match self.pass(&mut stream).await {
            Ok(()) => return Ok(()),
            Err(Refused::Bad(why)) => ("400 Bad Request", why.to_owned()),
            Err(Refused::Denied(why)) => {
                self.note(&why);
                ("403 Forbidden", why)
            }
            Err(Refused::Unreachable(why)) => ("502 Bad Gateway", why),
        };
        let text = format!("orch: {words}\n");
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    }

    /// Passes a request on and waits until both sides have ended.
    async fn pass(&self, stream: &mut TcpStream) -> Result<(), Refused> {
        let (head, rest) = match timeout(PATIENCE, read_head(stream)).await {
            Ok(Some(read)) => read,
            Ok(None) | Err(_) => return Err(Refused::Bad("this is no request")),
        };
        let request = request(&head)?;
        let via = self.upstream.via(&request.target, request.plain.is_some());
        let mut outside = self.connect(&request.target, via, request.plain.is_some()).await?;
        let broken = |_| Refused::Unreachable("the connection broke".to_owned());
        match request.plain {
            None => {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.map_err(broken)?;
                outside.write_all(&rest).await.map_err(broken)?;
                drop(copy_bidirectional(stream, &mut outside).await);
            }
            Some((head, length)) => {
                let head = via.map_or(head.clone(), |via| via.plain(&head, &request.target));
                let (mut inside, mut back) = stream.split();
                let (mut answer, mut forth) = outside.split();
                let body = rest.as_slice().chain(&mut inside).take(length);
                let send = async {
                    forth.write_all(&head).await?;
                    let mut body = body;
                    copy(&mut body, &mut forth).await
                };
                // One request, one answer: a second one on the same connection could name another host.
                let (_, _) = tokio::join!(send, async {
                    let copied = copy(&mut answer, &mut back).await;
                    drop(back.shutdown().await);
                    copied
                });
            }
        }
        Ok(())
    }

    /// Connects to an address of an allowed host that is allowed itself.
    async fn connect(&self, target: &Target, via: Option<&Via>, is_plain: bool) -> Result<TcpStream, Refused> {
        if !self.hosts.allows(target) {
            return Err(Refused::Denied(format!("`{target}` is none of the hosts that `network:` names")));
        }
        if let Some(via) = via {
            // Names are known where that proxy is, and often nowhere else: it is told the name that was judged.
            let connected = if is_plain { via.connect().await } else { via.tunnel(target).await };
            return connected.map_err(Refused::Unreachable);
        }
        let addresses: Vec<SocketAddr> = match &target.host {
            Host::Address(address) => vec![SocketAddr::new(*address, target.port)],
            Host::Name(name) => match timeout(PATIENCE, lookup_host((name.as_str(), target.port))).await {
                Ok(Ok(found)) => found.collect(),
                Ok(Err(_)) | Err(_) => return Err(Refused::Unreachable(format!("nobody knows the name `{name}`"))),
            },
        };
        let Some(first) = addresses.first() else {
            return Err(Refused::Unreachable(format!("`{target}` has no address")));
        };
        let (allowed, closed): (Vec<_>, Vec<_>) =
            addresses.iter().partition(|address| self.hosts.allows_address(target, address.ip()));
        if allowed.is_empty() {
            let closed = closed.first().unwrap_or(&first).ip();
            return Err(Refused::Denied(format!(
                "`{target}` leads to {closed}, which is no address of the open network; name the address as well where that is meant"
            )));
        }
        for address in allowed {
            if let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(address)).await {
                return Ok(stream);
            }
        }
        Err(Refused::Unreachable(format!("nobody answers at `{target}`")))
    }

    fn note(&self, why: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < REFUSALS_MAX && refused.insert(why.to_owned()) {
            (self.hear)(why);
        }
    }
}

/// The head of a request, and what has come after it.
async fn read_head(stream: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let mut part = [0; 4096];
        let size = stream.read(&mut part).await.ok().filter(|size| *size > 0)?;
        let searched = bytes.len().saturating_sub(3);
        bytes.extend_from_slice(&part[..size]);
        if let Some(end) = bytes[searched..].windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(searched + end + 4);
            return Some((bytes, rest));
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return None;
        }
    }
}

/// What a head asks for.
fn request(head: &[u8]) -> Result<Request, Refused> {
    let bad = Refused::Bad("this is no request that this proxy understands");
    let Ok(text) = std::str::from_utf8(head) else { return Err(bad) };
    let Some(text) = text.strip_suffix("\r\n\r\n") else { return Err(bad) };
    // A break that only one of two readers sees makes two requests of one.
    if text.replace("\r\n", "").bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(bad);
    }
    let (line, fields) = text.split_once("\r\n").unwrap_or((text, ""));
    let words: Vec<&str> = line.split(' ').collect();
    let [method, uri, version] = words[..] else { return Err(bad) };
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_method || !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(bad);
    }
    let denied = |shown: &str| Refused::Denied(format!("`{}` is no plain name of a host", shown.escape_default()));
    if method == "CONNECT" {
        let target = Target::of(uri, None).ok_or_else(|| denied(uri))?;
        return Ok(Request { target, plain: None });
    }
    let Some((scheme, rest)) = uri.split_once("://") else { return Err(bad) };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(bad);
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let target = Target::of(authority, Some(80)).ok_or_else(|| denied(authority))?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut plain = format!("{method} {slash}{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    let mut length = None;
    for field in fields.split("\r\n").filter(|field| !field.is_empty()) {
        let Some((name, value)) = field.split_once(':') else { return Err(bad) };
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_name {
            return Err(bad);
        }
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" => return Err(Refused::Bad("a request without a length passes by https only")),
            "content-length" => {
                let digits = value.trim();
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.parse::<u64>().ok().filter(|_| is_number && length.is_none());
                length = Some(number.ok_or(Refused::Bad("its length is no number"))?);
                plain.push_str(&format!("content-length: {digits}\r\n"));
            }
            "host"
            | "connection"
            | "proxy-connection"
            | "proxy-authorization"
            | "keep-alive"
            | "upgrade"
            | "te"
            | "trailer"
            | "expect" => {}
            _ => plain.push_str(&format!("{field}\r\n")),
        }
    }
    plain.push_str("\r\n");
    Ok(Request { target, plain: Some((plain.into_bytes(), length.unwrap_or(0))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(head: &str) -> String {
        match request(head.as_bytes()) {
            Ok(Request { target, plain: None }) => format!("tunnel {target}"),
            Ok(Request { target, plain: Some((head, length)) }) => {
                format!("{target} {length} {}", String::from_utf8(head).unwrap())
            }
            Err(Refused::Bad(_)) => "bad".to_owned(),
            Err(Refused::Denied(_)) => "denied".to_owned(),
            Err(Refused::Unreachable(_)) => "unreachable".to_owned(),
        }
    }

    #[test]
    fn a_request_is_read_in_one_way_or_not_at_all() {
        for (head, expected) in [
            ("CONNECT a.org:443 HTTP/1.1\r\nHost: evil.org:443\r\n\r\n", "tunnel a.org:443"),
            ("CONNECT A.ORG.:443 HTTP/1.1\r\n\r\n", "tunnel a.org:443"),
            ("CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "tunnel [::1]:443"),
            ("CONNECT evil.org%00.a.org:443 HTTP/1.1\r\n\r\n", "denied"),
            ("CONNECT evil.org\0.a.org:443 HTTP/1.1\r\n\r\n", "bad"),
            ("CONNECT u@a.org:443 HTTP/1.1\r\n\r\n", "denied"),
            ("CONNECT 2130706433:443 HTTP/1.1\r\n\r\n", "denied"),
            ("CONNECT a.org HTTP/1.1\r\n\r\n", "denied"),
            ("CONNECT a.org:443 HTTP/2\r\n\r\n", "bad"),
            ("CONNECT  a.org:443 HTTP/1.1\r\n\r\n", "bad"),
            ("GET /path HTTP/1.1\r\nHost: a.org\r\n\r\n", "bad"),
            ("GET https://a.org/ HTTP/1.1\r\n\r\n", "bad"),
            ("GET http://u@a.org/ HTTP/1.1\r\n\r\n", "denied"),
            (
                "GET http://a.org\\@evil.org/ HTTP/1.1\r\n\r\n",
                "a.org:80 0 GET /\\@evil.org/ HTTP/1.1\r\nhost: a.org\r\nconnection: close\r\n\r\n",
            ),
            ("GET http://a.org/ HTTP/1.1\r\nA: b\nHost: evil.org\r\n\r\n", "bad"),
            ("GET http://a.org/ HTTP/1.1\r\nHost : evil.org\r\n\r\n", "bad"),
            ("POST http://a.org/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "bad"),
            ("POST http://a.org/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad"),
            ("POST http://a.org/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "bad"),
            (
                "POST http://a.org?q HTTP/1.0\r\nHost: evil.org\r\nProxy-Connection: x\r\nContent-Length: 7\r\nX: y\r\n\r\n",
                "a.org:80 7 POST /?q HTTP/1.1\r\nhost: a.org\r\nconnection: close\r\ncontent-length: 7\r\nX: y\r\n\r\n",
            ),
        ] {
            assert_eq!(words(head), expected, "{head:?}");
        }
    }
}
