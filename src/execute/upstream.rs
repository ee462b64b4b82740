//! The proxy that `orch` itself needs to reach the open network, as the user's environment names it.
//!
//! Reads the variables as curl and most programs do. Only plain HTTP proxies are spoken to; any other is a fault, never
//! a way around. What goes past the proxy (`NO_PROXY`, this machine) is connected to directly.

use std::{ffi::OsString, net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    base::{Host, Target},
    runtime::base64_text,
};

/// The answer of a proxy to a tunnel.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// Which connections go through which proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Upstream {
    tunnels: Option<Via>,
    plain: Option<Via>,
    direct: Vec<String>,
}

/// A proxy, and what it wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Via {
    proxy: Target,
    /// The value of `Proxy-Authorization`.
    pass: Option<String>,
}

impl Upstream {
    /// What an environment names.
    ///
    /// # Errors
    /// With the variable and what is wrong with it: a proxy that cannot be used must not be passed by.
    pub(super) fn of(env: &[(OsString, OsString)]) -> Result<Self, String> {
        let value = |name: &str| {
            let found = env.iter().rfind(|(known, _)| known == name).and_then(|(_, value)| value.to_str());
            found.map(str::trim).filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value.to_owned()))
        };
        let first = |names: &[&str]| {
            let found = names.iter().find_map(|name| value(name));
            found.map(|(name, value)| Via::of(&value).map_err(|why| format!("{name}: {why}"))).transpose()
        };
        // Programs of the web take `HTTP_PROXY` from whoever asks them something, so only the small form is sure; here
        // nobody asks.
        let direct = value("no_proxy").or_else(|| value("NO_PROXY")).map(|(_, list)| list).unwrap_or_default();
        Ok(Self {
            tunnels: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            plain: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
            direct: direct.split([',', ' ']).map(|one| one.trim().to_ascii_lowercase()).collect(),
        })
    }

    /// The proxy for a target; nothing where it is reached directly.
    pub(super) fn via(&self, target: &Target, is_plain: bool) -> Option<&Via> {
        let via = if is_plain { self.plain.as_ref() } else { self.tunnels.as_ref() }?;
        let is_direct = is_own(target) || self.direct.iter().any(|entry| passes_by(entry, target));
        (!is_direct).then_some(via)
    }
}

impl Via {
    fn of(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => {
                return Err(format!(
                    "a proxy that speaks `{scheme}` cannot be used for lists of hosts, only `http://`"
                ));
            }
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        // The value may hold a password, so it is not shown.
        let proxy = Target::of(host, Some(80)).ok_or("it names no host and port")?;
        let pass = user.map(|user| {
            let (name, word) = user.split_once(':').unwrap_or((user, ""));
            let pair = [unescape(name), b":".to_vec(), unescape(word)].concat();
            format!("Basic {}", base64_text(&pair))
        });
        Ok(Self { proxy, pass })
    }

    /// Connects to the proxy.
    pub(super) async fn connect(&self) -> Result<TcpStream, String> {
        let address = match &self.proxy.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        match timeout(PATIENCE, TcpStream::connect((address.as_str(), self.proxy.port))).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(_)) | Err(_) => Err(format!("the proxy `{}` of your environment does not answer", self.proxy)),
        }
    }

    /// Asks the proxy for a tunnel.
    pub(super) async fn tunnel(&self, target: &Target) -> Result<TcpStream, String> {
        let mut stream = self.connect().await?;
        let ask = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{}\r\n", self.line());
        let broken = || format!("the proxy `{}` of your environment broke the connection", self.proxy);
        stream.write_all(ask.as_bytes()).await.map_err(|_| broken())?;
        let mut answer = Vec::new();
        // One by one: what comes after the answer is the tunnel's.
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < ANSWER_BYTES_MAX {
            match timeout(PATIENCE, stream.read_u8()).await {
                Ok(Ok(byte)) => answer.push(byte),
                Ok(Err(_)) | Err(_) => return Err(broken()),
            }
        }
        let status = std::str::from_utf8(&answer).ok().and_then(|text| text.split(' ').nth(1)).unwrap_or("nothing");
        if status.len() == 3 && status.starts_with('2') {
            return Ok(stream);
        }
        let status: String = status.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        Err(format!("the proxy `{}` of your environment refuses `{target}` ({status})", self.proxy))
    }

    /// A plain request as the proxy wants it, given the one that the host would get.
    pub(super) fn plain(&self, head: &[u8], target: &Target) -> Vec<u8> {
        let place = head.iter().position(|byte| *byte == b' ').map_or(0, |place| place + 1);
        let line = head.windows(2).position(|pair| pair == b"\r\n").map_or(head.len(), |place| place + 2);
        let whole = format!("http://{target}");
        [&head[..place], whole.as_bytes(), &head[place..line], self.line().as_bytes(), &head[line..]].concat()
    }

    fn line(&self) -> String {
        self.pass.as_ref().map(|pass| format!("proxy-authorization: {pass}\r\n")).unwrap_or_default()
    }
}

/// What is wrong with the proxy of an environment, where a list of hosts has to be reached through it.
#[must_use]
pub fn upstream_fault(env: &[(OsString, OsString)]) -> Option<String> {
    Upstream::of(env).err()
}

/// Whether a target is this machine.
fn is_own(target: &Target) -> bool {
    match &target.host {
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Address(address) => address.is_loopback(),
    }
}

/// Whether an entry of `NO_PROXY` names a target.
fn passes_by(entry: &str, target: &Target) -> bool {
    if entry == "*" {
        return true;
    }
    match &target.host {
        Host::Address(address) => match entry.split_once('/') {
            Some((net, bits)) => is_within(*address, net, bits),
            None => Target::of(entry, Some(target.port)).is_some_and(|named| named == *target),
        },
        Host::Name(name) => {
            let (entry, port) = match entry.rsplit_once(':') {
                Some((entry, port)) => (entry, port.parse::<u16>().ok()),
                None => (entry, Some(target.port)),
            };
            let entry = entry.trim_start_matches('*').trim_matches('.');
            let is_below = name.strip_suffix(entry).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            !entry.is_empty() && is_below && port == Some(target.port)
        }
    }
}

fn is_within(address: IpAddr, net: &str, bits: &str) -> bool {
    let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (address, net) {
        (IpAddr::V4(address), IpAddr::V4(net)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == net.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(net)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == net.to_bits() & mask
        }
        _ => false,
    }
}

/// A part of a URL without its percent signs.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Upstream, String> {
        Upstream::of(&pairs.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>())
    }

    #[test]
    fn what_passes_the_proxy_by_is_what_the_user_says() {
        let upstream = of(&[
            ("HTTPS_PROXY", "http://u%40x:p@proxy.corp:3128/"),
            ("NO_PROXY", "internal.corp, .lan,10.0.0.0/8,direct.example:8443,*.star.example,[fd00::1]"),
        ])
        .unwrap();
        for (target, is_direct) in [
            ("crates.io:443", false),
            ("internal.corp:443", true),
            ("a.internal.corp:443", true),
            ("ainternal.corp:443", false),
            ("x.lan:443", true),
            ("10.1.2.3:443", true),
            ("11.1.2.3:443", false),
            ("direct.example:8443", true),
            ("direct.example:443", false),
            ("b.star.example:443", true),
            ("localhost:443", true),
            ("127.0.0.1:443", true),
            ("[fd00::1]:443", true),
            ("[fd00::2]:443", false),
        ] {
            let target = Target::of(target, None).unwrap();
            assert_eq!(upstream.via(&target, false).is_none(), is_direct, "{target}");
        }
        let crates = Target::of("crates.io:443", None).unwrap();
        assert_eq!(upstream.via(&crates, false).unwrap().pass.as_deref(), Some("Basic dUB4OnA="));
        assert!(upstream.via(&crates, true).is_none(), "plain requests have a variable of their own");
        assert!(of(&[("ALL_PROXY", "proxy:1"), ("no_proxy", "*")]).unwrap().via(&crates, true).is_none());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_never_passed_by() {
        for value in ["socks5://proxy:1080", "https://proxy:443", "http://", "http://a b:1", "http://evil%00x:1"] {
            let fault = of(&[("https_proxy", value)]).unwrap_err();
            assert!(fault.starts_with("https_proxy: "), "{value}: {fault}");
        }
        assert_eq!(of(&[("https_proxy", " ")]), of(&[]), "an empty one is none");
    }
}
