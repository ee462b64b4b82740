//! What the log says of requests: the id of each, refusals at the door, slow answers, faults.
//!
//! Invariants: no key, no session and no query is ever said; refusals cannot fill a disk.

use std::{
    net::IpAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::{http::problem::Problem, service::now};

/// The header of a request's id, in requests of proxies and in every answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// An answer that takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(1);
/// Characters of an id that somebody else has given.
const ID_MAX: usize = 64;
/// Refusals of a minute that have lines of their own.
const REFUSALS_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// The id of a request: that of the proxy in front, where one gives any, else one of our own.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    static FIRST: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
    };
    given.filter(is_plain).map_or_else(
        || format!("{:x}-{:x}", FIRST.get_or_init(|| now().0), COUNT.fetch_add(1, Ordering::Relaxed)),
        str::to_owned,
    )
}

/// One request as the log knows it.
pub(super) struct Asked<'a> {
    pub method: &'a Method,
    /// The path of the route's table: what stands in the place of its parts, or behind it, may be a secret.
    pub route: &'static str,
    pub address: IpAddr,
}

/// Says that a request was not carried out, where somebody should know.
pub(super) fn refused(asked: &Asked<'_>, problem: &Problem) {
    let Asked { method, route, address } = asked;
    let (status, code, why) = (problem.status.as_u16(), problem.refusal.id, &problem.refusal.message);
    if problem.status.is_server_error() {
        tracing::error!(target: "api", %method, route, status, code, why, "a request has failed");
        return;
    }
    let is_door = matches!(
        problem.status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::MISDIRECTED_REQUEST
    );
    if !is_door {
        tracing::debug!(target: "api", %method, route, status, code, why, "a request was not taken");
        return;
    }
    match may_say(now().0 / MINUTE_MS) {
        Room::Yes => {
            tracing::warn!(target: "security", %method, route, %address, status, code, why, "refused at the door");
        }
        Room::Last => {
            tracing::warn!(target: "security", "more than {REFUSALS_MAX} refusals in this minute: the others have no lines");
        }
        Room::No => {}
    }
}

/// Says that a request was answered.
pub(super) fn answered(asked: &Asked<'_>, status: StatusCode, took: Duration) {
    let Asked { method, route, .. } = asked;
    let (status, duration_ms) = (status.as_u16(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    if took >= SLOW {
        tracing::warn!(target: "api", %method, route, status, duration_ms, "slow");
    } else {
        tracing::debug!(target: "api", %method, route, status, duration_ms, "answered");
    }
}

/// Says that there was a bug, and what it said.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    tracing::error!(target: "api", why, "a bug in orch: a request has panicked");
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    Yes,
    Last,
    No,
}

/// Whether a refusal of that minute has a line of its own.
fn may_say(minute: u64) -> Room {
    static SAID: AtomicU64 = AtomicU64::new(0);
    room(&SAID, minute)
}

/// The upper part of `said` is the minute, the lower part how many were said in it.
fn room(said: &AtomicU64, minute: u64) -> Room {
    let next = |said: u64| {
        Some(if said >> 16 == minute { said.saturating_add(1).min(minute << 16 | 0xFFFF) } else { minute << 16 | 1 })
    };
    let before = said.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
    let count = if before >> 16 == minute { (before & 0xFFFF) + 1 } else { 1 };
    match count {
        count if count <= REFUSALS_MAX => Room::Yes,
        count if count == REFUSALS_MAX + 1 => Room::Last,
        _ => Room::No,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn ids_are_given_by_proxies_or_made_and_are_never_the_same() {
        let mut headers = HeaderMap::new();
        let (one, two) = (request_id(&headers), request_id(&headers));
        assert_ne!(one, two);
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1.2_X"));
        assert_eq!(request_id(&headers), "abc-1.2_X");
        for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
            headers.insert(REQUEST_ID, HeaderValue::from_str(bad).unwrap());
            assert_ne!(request_id(&headers), bad);
        }
    }

    #[test]
    fn refusals_cannot_fill_a_disk() {
        let said = AtomicU64::new(0);
        let rooms: Vec<_> = (0..100_000).map(|_| room(&said, 7)).collect();
        assert_eq!(rooms.iter().filter(|room| **room == Room::Yes).count() as u64, REFUSALS_MAX);
        assert_eq!(rooms.iter().filter(|room| **room == Room::Last).count(), 1);
        assert_eq!(room(&said, 8), Room::Yes, "the next minute has lines again");
    }
}
