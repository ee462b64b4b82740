//! Which hosts a confined attempt may reach: what was asked for is brought to one form first, and only then compared.
//!
//! What has no plain form (a NUL byte, a percent sign, a user before the host, a number that some program takes for an
//! address) is no host at all: two programs would read it in two ways. Knows no network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports of an entry that names none.
const PORTS: [u16; 2] = [80, 443];
/// The longest name, and the longest part of one.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// A host in its one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// In small letters, without a dot at its end.
    Name(String),
    /// An address; one of IPv4 that is written as IPv6 is that of IPv4.
    Address(IpAddr),
}

/// Where a connection shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// To whom.
    pub host: Host,
    /// To which of its doors.
    pub port: u16,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// This host, at this port or at those of the web.
    Host(Host, Option<u16>),
    /// Every host below this name.
    Below(String, Option<u16>),
}

/// Lists of hosts: what is reached stands in each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Vec<Entry>>);

impl Hosts {
    /// With a further list. An entry without a plain form allows nothing.
    #[must_use]
    pub fn and(mut self, list: &[String]) -> Self {
        self.0.push(list.iter().filter_map(|text| Entry::of(text)).collect());
        self
    }

    /// Whether this may be asked for. Its address is looked at when it is known: [`Hosts::allows_address`].
    #[must_use]
    pub fn allows(&self, target: &Target) -> bool {
        !self.0.is_empty() && self.0.iter().all(|list| list.iter().any(|entry| entry.takes(target)))
    }

    /// Whether a connection for an allowed target may go to this address: to the open network, or to one that the
    /// lists name as an address.
    #[must_use]
    pub fn allows_address(&self, target: &Target, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if is_open(address) {
            return true;
        }
        let is_itself = target.host == Host::Name("localhost".to_owned()) && address.is_loopback();
        let named = Target { host: Host::Address(address), port: target.port };
        is_itself || self.allows(&named)
    }
}

/// Whether a text can stand in a list of hosts.
#[must_use]
pub fn is_host_entry(text: &str) -> bool {
    Entry::of(text).is_some()
}

impl Entry {
    fn of(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix("*.") {
            Some(below) => {
                let (host, port) = split(below)?;
                let Host::Name(name) = host else { return None };
                Some(Self::Below(name, port))
            }
            None => split(&text).map(|(host, port)| Self::Host(host, port)),
        }
    }

    fn takes(&self, target: &Target) -> bool {
        let at = |port: &Option<u16>| port.map_or(PORTS.contains(&target.port), |port| port == target.port);
        match (self, &target.host) {
            (Self::Host(host, port), asked) => host == asked && at(port),
            (Self::Below(above, port), Host::Name(name)) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')) && at(port)
            }
            (Self::Below(..), Host::Address(_)) => false,
        }
    }
}

impl Target {
    /// What `HOST:PORT` or `HOST` names; nothing where it has no plain form.
    #[must_use]
    pub fn of(text: &str, standard: Option<u16>) -> Option<Self> {
        let (host, port) = split(text)?;
        Some(Self { host, port: port.or(standard)? })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(address) => write!(f, "{address}:{}", self.port),
        }
    }
}

/// The host and the port of a text.
fn split(text: &str) -> Option<(Host, Option<u16>)> {
    let number = |digits: &str| {
        let is_plain = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|port| is_plain && *port > 0)
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(number(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        return Some((Host::Address(IpAddr::V6(address).to_canonical()), port));
    }
    match text.split_once(':') {
        Some((name, digits)) => Some((host(name)?, Some(number(digits)?))),
        None => Some((host(text)?, None)),
    }
}

fn host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=LABEL_MAX).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    // `2130706433`, `0x7f.1`, `0177.0.0.1`: numbers that resolvers take for addresses.
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (name.len() <= NAME_MAX && name.split('.').all(is_label) && !is_number).then_some(Host::Name(name))
}

/// Whether an address is one of the open network, however it is written.
#[must_use]
pub fn is_open_address(address: IpAddr) -> bool {
    is_open(address.to_canonical())
}

/// Whether an address is one of the open network: not this machine, not its neighbours, not the cloud's own services.
fn is_open(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_open_v4(address),
        IpAddr::V6(address) => {
            let parts = address.segments();
            // Only what is given out to the world, without what carries an address of IPv4 inside or means nobody.
            let is_global = parts[0] & 0xe000 == 0x2000;
            let is_special = (parts[0] == 0x2001 && (parts[1] < 0x200 || parts[1] == 0xdb8))
                || parts[0] == 0x2002
                || (parts[0] == 0x3fff && parts[1] < 0x1000);
            is_global && !is_special
        }
    }
}

fn is_open_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        // The cloud of one vendor answers machines there.
        || address == Ipv4Addr::new(168, 63, 129, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> Hosts {
        Hosts::default().and(&list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn allows(list: &[&str], asked: &str) -> bool {
        Target::of(asked, None).is_some_and(|target| hosts(list).allows(&target))
    }

    #[test]
    fn a_host_is_compared_in_its_one_form() {
        let list = ["registry.npmjs.org", "*.github.com", "ssh.example.org:22", "10.1.2.3", "[2001:db8::1]:8443"];
        for asked in [
            "registry.npmjs.org:443",
            "REGISTRY.npmjs.ORG:443",
            "registry.npmjs.org.:80",
            "api.github.com:443",
            "a.b.github.com.:443",
            "ssh.example.org:22",
            "10.1.2.3:80",
            "[::ffff:10.1.2.3]:443",
            "[2001:0db8:0::1]:8443",
        ] {
            assert!(allows(&list, asked), "{asked}");
        }
        for asked in [
            "evil.org:443",
            "github.com:443",
            ".github.com:443",
            "evilgithub.com:443",
            "github.com.evil.org:443",
            "registry.npmjs.org:22",
            "ssh.example.org:443",
            "registry.npmjs.org..:443",
            "evil.org%00.github.com:443",
            "evil.org\0.github.com:443",
            "evil.org%2egithub.com:443",
            "user@registry.npmjs.org:443",
            "registry.npmjs.org@evil.org:443",
            "registry.npmjs.org:443@evil.org:443",
            "registry.npmjs.org:0",
            "registry.npmjs.org:+443",
            "registry.npmjs.org:443:443",
            "registry.npmjs.org :443",
            "registry.npmjs.org/:443",
            "registry。npmjs。org:443",
            "167838211:80",
            "0x0a010203:80",
            "10.1.515:80",
            "012.1.2.3:80",
            "10.1.2.3.:80",
            "[::1]:80",
            "[fe80::1%25eth0]:80",
            "[2001:db8::1]:443",
        ] {
            assert!(!allows(&list, asked), "{asked}");
        }
    }

    #[test]
    fn every_list_has_its_word_and_none_is_nobody() {
        let target = Target::of("api.github.com", Some(443)).unwrap();
        assert!(!Hosts::default().allows(&target));
        assert!(!hosts(&[]).allows(&target));
        assert!(hosts(&["*.github.com"]).and(&["api.github.com".to_owned()]).allows(&target));
        assert!(!hosts(&["*.github.com"]).and(&["uploads.github.com".to_owned()]).allows(&target));
        assert!(
            !is_host_entry("*")
                && !is_host_entry("*.*.org")
                && !is_host_entry("https://a.org")
                && !is_host_entry("*.10.1.2.3")
        );
    }

    #[test]
    fn a_name_leads_to_the_open_network_or_to_an_address_that_is_named() {
        let asked = Target::of("rebinding.example.org", Some(443)).unwrap();
        let list = hosts(&["rebinding.example.org", "10.1.2.3"]);
        for (address, expected) in [
            ("93.184.216.34", true),
            ("2606:2800:220:1::1", true),
            ("10.1.2.3", true),
            ("10.1.2.4", false),
            ("127.0.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("203.0.113.9", false),
            ("100.64.0.1", false),
            ("172.16.0.1", false),
            ("240.0.0.1", false),
            ("11.0.0.1", true),
            ("100.128.0.1", true),
            ("172.32.0.1", true),
            ("198.20.0.1", true),
            ("100.100.100.200", false),
            ("192.168.0.1", false),
            ("172.31.255.255", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("224.0.0.1", false),
            ("::", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("::127.0.0.1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("3fff::1", false),
        ] {
            assert_eq!(list.allows_address(&asked, address.parse().unwrap()), expected, "{address}");
        }
        let own = Target::of("localhost", Some(80)).unwrap();
        assert!(hosts(&["localhost"]).allows_address(&own, "127.0.0.1".parse().unwrap()));
        assert!(!hosts(&["localhost"]).allows_address(&own, "10.0.0.1".parse().unwrap()));
    }
}
