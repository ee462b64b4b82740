//! Programs that speak to other machines: to which, and what they send.

use std::ops::Range;

use super::{
    expand::UNKNOWN,
    judge::{Io, Judge, Stdin},
};
use crate::definition::policy::{Level, RiskClass};

/// Flags of curl and wget that take the next word with them.
const VALUES: &[&str] = &[
    "-H",
    "--header",
    "-o",
    "--output",
    "-O",
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--json",
    "-X",
    "--request",
    "-u",
    "--user",
    "-F",
    "--form",
    "-T",
    "--upload-file",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-x",
    "--proxy",
    "-m",
    "--max-time",
    "--retry",
    "--connect-timeout",
    "-w",
    "--write-out",
    "-K",
    "--config",
    "--cacert",
    "--cert",
    "--key",
    "-C",
    "-r",
    "--range",
    "-P",
    "--directory-prefix",
    "--output-document",
    "--post-data",
    "--post-file",
    "--method",
    "--body-data",
    "--body-file",
    "--resolve",
    "-t",
    "--tries",
    "--timeout",
    "-E",
    "--retry-delay",
    "--url",
    "--interface",
    "--dns-servers",
    "-U",
    "-Q",
    "-z",
    "--limit-rate",
    "-D",
    "--dump-header",
    "--connect-to",
    "--unix-socket",
];

impl Judge<'_> {
    /// curl, wget and their kin.
    pub fn fetch(&mut self, name: &str, args: &[String], io: &Io) {
        let span = io.span.clone();
        let is_wget = name == "wget";
        let is_httpie = matches!(name, "http" | "https" | "xh" | "curlie");
        let mut urls: Vec<&str> = Vec::new();
        let (mut method, mut sends, mut uploads) = (String::new(), false, false);
        let takes_name = |arg: &String| arg == "--remote-name" || (is_short(arg) && arg.contains('O'));
        let keeps_name = is_wget || name == "aria2c" || args.iter().any(takes_name);
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            at += 1;
            let (flag, joined) = cut_flag(arg);
            if !flag.starts_with('-') {
                let is_method = is_httpie && flag.bytes().all(|byte| byte.is_ascii_uppercase());
                if is_method {
                    method = flag.to_owned()
                } else if is_httpie && !urls.is_empty() {
                    sends |= flag.contains('=') && !flag.contains("==");
                    uploads |= flag.contains('@');
                } else {
                    urls.push(arg)
                }
                continue;
            }
            let takes = VALUES.contains(&flag)
                && (is_wget || flag != "-O")
                && !(is_wget && matches!(flag, "-d" | "-H" | "-F" | "-r"));
            let value = match joined {
                Some(value) => value,
                None if takes => {
                    at += 1;
                    args.get(at - 1).map_or("", String::as_str)
                }
                None => "",
            };
            match flag {
                "-X" | "--request" | "--method" => method = value.to_uppercase(),
                "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-urlencode" | "--json" | "--post-data"
                | "--body-data"
                    if !is_wget || flag != "-d" =>
                {
                    sends = true;
                    uploads |= value.starts_with('@') || value.contains("=@") || value.contains(UNKNOWN);
                }
                "-F" | "--form" if !is_wget => {
                    sends = true;
                    uploads |= value.contains('@') || value.contains("=<");
                }
                "-T" | "--upload-file" | "--post-file" | "--body-file" if !(is_wget && flag == "-T") => uploads = true,
                "-o" | "--output" | "--output-document" | "-P" | "--directory-prefix" => self.fetches(value, &span),
                "-O" if is_wget => self.fetches(value, &span),
                "-K" | "--config" => self.opaque("what is fetched stands in another file", &span),
                "--url" => urls.push(value),
                "--unix-socket" => self.unix_socket(&span),
                _ => {}
            }
        }
        let is_local = !urls.is_empty() && urls.iter().all(|url| is_loopback(host_of(url)));
        self.sent(&method, sends, uploads, is_local, &urls, io);
        for url in urls {
            if keeps_name {
                self.keep_fetched(url);
            }
            self.host(url, span.clone());
        }
    }

    /// A file that takes what was fetched.
    fn fetches(&mut self, path: &str, span: &Range<usize>) {
        self.writes(path, span);
        self.keep_fetched(path);
    }

    fn unix_socket(&mut self, span: &Range<usize>) {
        let why = "speaks to a service of the machine through its socket";
        let instead = "use the program that is made for it";
        self.find(Level::L3, RiskClass::Privilege, "unix-socket", why, instead, span);
    }

    fn sent(&mut self, method: &str, sends: bool, uploads: bool, is_local: bool, urls: &[&str], io: &Io) {
        let span = &io.span;
        if method == "DELETE" && urls.iter().any(|url| url.contains('*') || url.contains("/_all")) {
            let why = "deletes everything that a service holds";
            self.find(Level::L3, RiskClass::Database, "remote-delete-all", why, "name the one", span);
        }
        if is_local {
            return;
        }
        let is_piped = matches!(&io.stdin, Stdin::Unknown { is_secret: true, .. }) && (sends || uploads);
        if uploads || is_piped {
            let why = "sends local files or values to another machine";
            self.find(Level::L3, RiskClass::Exfiltration, "upload", why, "let a person send them", span);
        } else if sends || matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") {
            let why = "changes something on another machine";
            self.find(Level::L3, RiskClass::Publish, "remote-change", why, "let a person do it", span);
        }
        for url in urls {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            let host = host_of(url);
            // An address that is wholly a value was given by somebody; one that is made around a value carries it out.
            let is_made = host.contains(UNKNOWN) && host.chars().any(|letter| letter != UNKNOWN);
            if query.contains(UNKNOWN) || is_made {
                let why = "puts a value that nobody knows into the address of another machine";
                self.find(Level::L3, RiskClass::Exfiltration, "address", why, "write the address out", span);
            }
        }
    }

    /// Programs whose words are names of hosts: a name can carry data.
    pub fn names_of_hosts(&mut self, args: &[String], io: &Io) {
        for arg in args.iter().filter(|arg| !arg.starts_with(['-', '+']) && arg.contains('.')) {
            if arg.contains(UNKNOWN) {
                let why = "puts a value that nobody knows into the name of a host";
                self.find(Level::L3, RiskClass::Exfiltration, "address", why, "write the name out", &io.span);
            }
            self.host(arg, io.span.clone());
        }
    }

    /// A host or a URL.
    pub fn host(&mut self, url: &str, span: Range<usize>) {
        let host = host_of(url).to_lowercase();
        let host = host.trim_end_matches('.');
        if is_loopback(host) {
            return self.find(Level::L2, RiskClass::Network, "network-here", "speaks to this machine", "", &span);
        }
        const METADATA: &[&str] = &[
            "169.254.169.254",
            "metadata.google.internal",
            "169.254.170.2",
            "100.100.100.200",
            "fd00:ec2::254",
            "metadata",
            "instance-data",
            "[fd00:ec2::254]",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "metadata.azure.com",
        ];
        if METADATA.contains(&host) {
            let why = "asks the cloud for the credentials of this machine";
            self.find(Level::L3, RiskClass::Secrets, "metadata", why, "let a person give what is needed", &span);
        }
        let lists = &self.context.policy().hosts;
        if let Some(list) = lists.iter().find(|list| !list.value.iter().any(|allowed| allows(allowed, host))) {
            let why = format!("`{}` is none of the hosts that {} allows", super::targets::show(host), list.from);
            let instead = format!("use one of them: {}", list.value.join(", "));
            return self.find(Level::L4, RiskClass::Network, "host-not-allowed", why, &instead, &span);
        }
        self.find(Level::L2, RiskClass::Network, "network", "speaks to another machine", "", &span);
    }
}

fn is_short(arg: &str) -> bool {
    arg.starts_with('-') && !arg.starts_with("--")
}

/// A flag and the value that is joined to it: `--data=x`, `-XPOST`, `-d@file`.
fn cut_flag(arg: &str) -> (&str, Option<&str>) {
    match arg.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => return (flag, Some(value)),
        _ => {}
    }
    let is_short = arg.len() > 2 && !arg.starts_with("--") && arg.is_char_boundary(2);
    if is_short && matches!(&arg[..2], "-X" | "-d" | "-o" | "-F" | "-T" | "-H") {
        return (&arg[..2], Some(&arg[2..]));
    }
    (arg, None)
}

/// Whether an entry of a list takes a host: itself, or with `*.` everything below it.
fn allows(allowed: &str, host: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(above) => host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
        None => allowed == host,
    }
}

/// The host in a URL, as a program would take it: behind the scheme and the user, before port, path and query.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#', '\\']).next().unwrap_or("");
    let rest = rest.rsplit('@').next().unwrap_or("");
    // What stands behind a zero byte is not the host that is asked.
    let rest = rest.split(['\0', '%']).next().unwrap_or("");
    if rest.starts_with('[') {
        return rest.split_inclusive(']').next().unwrap_or(rest);
    }
    rest.split(':').next().unwrap_or(rest)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let is_four = host.strip_prefix("127.").is_some_and(|rest| {
        let parts: Vec<&str> = rest.split('.').collect();
        parts.len() == 3 && parts.iter().all(|part| part.parse::<u8>().is_ok())
    });
    is_four || matches!(host, "localhost" | "0.0.0.0" | "[::1]" | "::1" | "host.docker.internal" | "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_a_program_would_ask() {
        for (url, host) in [
            ("https://a.example.org:8443/x?y", "a.example.org"),
            ("https://good.org@evil.org/", "evil.org"),
            ("http://[::1]:80/", "[::1]"),
            ("evil.org%00.good.org", "evil.org"),
            ("evil.org\0.good.org", "evil.org"),
            ("https://evil.org\\@good.org", "evil.org"),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
        assert!(is_loopback("127.0.0.1") && !is_loopback("127.0.0.1.evil.org") && is_loopback("localhost"));
        assert!(
            allows("*.good.org", "a.good.org")
                && !allows("*.good.org", "evilgood.org")
                && !allows("*.good.org", "good.org")
        );
    }
}
