//! By which names and from which pages a server is asked. Knows no key.

use axum::http::{HeaderMap, StatusCode, Uri, header};

use crate::http::{app::Serving, problem::Problem};

/// Whether an address is one that only this machine reaches.
pub(in crate::http) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host that a request is for, as the client wrote it.
fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) => None,
        (Some(authority), None, None) => Some(authority.as_str()),
        (Some(authority), Some(host), None) => {
            let host = host.to_str().ok()?;
            (host == authority.as_str()).then_some(host)
        }
        (None, host, None) => host?.to_str().ok(),
    }
}

/// Refuses requests for names that are not this server's: a web page may point a name of its own at this machine. Where a
/// proxy stands in front and no name is given, the proxy decides.
pub(super) fn check_host<'a>(serving: &Serving, uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let host = host_of(uri, headers)
        .filter(|host| serving.hosts.is_empty() || serving.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)));
    host.ok_or_else(|| {
        let message = "this server is not asked under that name";
        let help =
            format!("use {}, or start the server with `--host NAME`", serving.hosts.first().map_or("", String::as_str));
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "E0605", message, help)
    })
}

/// Refuses what another web page sends. Without an origin only programs with a key of their own are let on.
pub(super) fn check_origin(
    serving: &Serving,
    host: &str,
    headers: &HeaderMap,
    by_session: bool,
) -> Result<(), Problem> {
    let refused = || {
        let message = "the request comes from another web page";
        let help = "open the dashboard at the address that `orch serve` has printed";
        Problem::new(StatusCode::FORBIDDEN, "E0606", message, help)
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, None) if by_session => Err(refused()),
        (None, None) => Ok(()),
        (Some(origin), None) => {
            let scheme = if serving.is_secure { "https" } else { "http" };
            let own = format!("{scheme}://{host}");
            if origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&own)) { Ok(()) } else { Err(refused()) }
        }
        (_, Some(_)) => Err(refused()),
    }
}
