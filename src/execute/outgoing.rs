//! The one door for what `orch` itself sends to addresses that somebody has written down.
//!
//! Invariants: a name is looked up once, and the connection goes to the address that was found and checked; this machine, its
//! neighbours and the clouds' own services are reached only where they are listed; no redirect is followed; what comes back
//! is bounded in bytes and in time. Knows nothing of notices.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

use reqwest::{Client, Url, redirect::Policy};
use tokio::time::timeout;

use crate::base::{Host, Hosts, Target, is_open_address};

/// How long one request may take, from the look-up to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of an address.
const URL_BYTES_MAX: usize = 2_048;

/// Who is asked for the addresses of a name.
pub type LookUp = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// A door to the network.
#[derive(Debug, Clone)]
pub struct Outgoing {
    allow: Vec<String>,
    look_up: LookUp,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its status.
    pub status: u16,
    /// How long to wait before trying again, where the answer says so.
    pub retry_after: Option<Duration>,
}

/// Why nothing was sent, or nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingFault {
    /// The address is not reached, today or tomorrow.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers; later somebody may.
    #[error("{0}")]
    Unreached(String),
}

impl Outgoing {
    /// A door that also leads to what is listed: `HOST`, `HOST:PORT`.
    #[must_use]
    pub fn new(allow: &[String]) -> Self {
        Self { allow: allow.to_vec(), look_up: |name, port| (name, port).to_socket_addrs().map(Iterator::collect) }
    }

    /// The same, which asks somebody else for addresses.
    #[must_use]
    pub fn looking_up(mut self, look_up: LookUp) -> Self {
        self.look_up = look_up;
        self
    }

    /// Sends a body, once.
    ///
    /// # Errors
    /// When the address is none that may be reached, nobody answers in time, or the answer is too long.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Receipt, OutgoingFault> {
        let late = || OutgoingFault::Unreached(format!("no whole answer within {} seconds", PATIENCE.as_secs()));
        timeout(PATIENCE, self.exchange(url, headers, body)).await.map_err(|_| late())?
    }

    async fn exchange(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Receipt, OutgoingFault> {
        let (url, target) = self.read(url)?;
        let address = self.address(&target).await?;
        // Somebody else may have set one, and any will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = Client::builder().redirect(Policy::none()).referer(false).no_proxy().timeout(PATIENCE);
        client = client.user_agent(concat!("orch/", env!("CARGO_PKG_VERSION")));
        if let Host::Name(_) = &target.host {
            client = client.resolve_to_addrs(url.host_str().unwrap_or_default(), &[address]);
        }
        let unreached = |error: reqwest::Error| OutgoingFault::Unreached(words(&error.without_url()));
        let mut sent = client.build().map_err(unreached)?.post(url).body(body);
        for (name, value) in headers {
            sent = sent.header(*name, value);
        }
        let mut response = sent.send().await.map_err(unreached)?;
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
        let mut read = 0;
        while let Some(bytes) = response.chunk().await.map_err(unreached)? {
            read += bytes.len();
            if read > ANSWER_BYTES_MAX {
                return Err(OutgoingFault::Refused(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        Ok(Receipt { status, retry_after: after.map(Duration::from_secs) })
    }

    /// What an address names, where every reader reads it in the same way.
    fn read(&self, text: &str) -> Result<(Url, Target), OutgoingFault> {
        let refused = |why: &str| OutgoingFault::Refused(format!("the address is not reached: {why}"));
        let no_form = || refused("it has no plain form: https://HOST/PATH");
        if text.len() > URL_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(no_form());
        }
        let (rest, port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (rest, 443),
            (None, Some(rest)) => (rest, 80),
            (None, None) => return Err(no_form()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let target = Target::of(authority, Some(port)).ok_or_else(no_form)?;
        let url = Url::parse(text).map_err(|_| no_form())?;
        // Whoever connects must mean the same host as whoever has looked.
        let host = url.host_str().unwrap_or_default();
        let same = Target::of(&format!("{host}:{}", target.port), None);
        if same.as_ref() != Some(&target) || url.port_or_known_default() != Some(target.port) {
            return Err(no_form());
        }
        if url.scheme() == "http" && !self.lists(&target) {
            return Err(refused("everybody on the way could read it; take https, or list the host in `allow`"));
        }
        Ok((url, target))
    }

    fn lists(&self, target: &Target) -> bool {
        Hosts::default().and(&self.allow).allows(target)
    }

    /// The address of a host: looked up once, and one that may be reached.
    ///
    /// # Errors
    /// When there is none, or it is one that may not.
    pub async fn address(&self, target: &Target) -> Result<SocketAddr, OutgoingFault> {
        let found = match &target.host {
            Host::Address(address) => vec![SocketAddr::new(*address, target.port)],
            Host::Name(name) => {
                let (name, port, look_up) = (name.clone(), target.port, self.look_up);
                let looked = tokio::task::spawn_blocking(move || look_up(&name, port));
                let looked = timeout(PATIENCE, looked).await.ok().and_then(Result::ok);
                let nobody = || OutgoingFault::Unreached(format!("there is no address for `{target}`"));
                looked.and_then(Result::ok).ok_or_else(nobody)?
            }
        };
        let nobody = || OutgoingFault::Unreached(format!("there is no address for `{target}`"));
        let first = *found.first().ok_or_else(nobody)?;
        // One forbidden answer among others is enough: somebody hopes that it is the one that is taken.
        match found.iter().find(|found| !self.may_reach(target, found.ip())) {
            Some(found) => Err(OutgoingFault::Refused(format!(
                "the address is not reached: `{target}` is {}, which is not of the open network; list it in `allow` if you \
                 mean it",
                found.ip()
            ))),
            None => Ok(first),
        }
    }

    fn may_reach(&self, target: &Target, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if is_open_address(address) || self.lists(&Target { host: Host::Address(address), port: target.port }) {
            return true;
        }
        // A name that is listed may be one of this house, never one of the clouds' own services.
        let is_of_house = match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_private(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unique_local() && address.segments()[1] != 0x0ec2
            }
        };
        is_of_house && self.lists(target)
    }
}

/// An error with its last cause, which says what happened.
fn words(error: &reqwest::Error) -> String {
    let mut last = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        last = deeper.to_string();
        cause = deeper.source();
    }
    let text: String = last.chars().filter(|letter| !letter.is_control()).take(200).collect();
    format!("nobody answers as they should: {text}")
}
