//! What an agent program's complaint means. Programs agree on no exit code, so their words are read.
//!
//! Quota is looked for before rate limits, because some services send both as 429.

use crate::base::FailureClass;

/// The end of a complaint that is read, in bytes: programs say last why they stopped.
const READ_BYTES_MAX: usize = 16 * 1024;

const QUOTA: &[&str] = &[
    "insufficient_quota",
    "quota exceeded",
    "exceeded your current quota",
    "credit balance",
    "usage limit",
    "billing_error",
    "out of credits",
];
const AUTH: &[&str] = &[
    "not logged in",
    "authentication_failed",
    "authentication failed",
    "authentication_error",
    "api_key_invalid",
    "invalid api key",
    "api key not valid",
    "invalid_api_key",
    "missing api key",
    "no api key",
    "api key not found",
    "missing environment variable",
    "unauthorized",
    "please log in",
    "please login",
];
const CONTEXT: &[&str] = &[
    "context_length_exceeded",
    "contextoverflowerror",
    "prompt_too_long",
    "prompt is too long",
    "context too long",
    "context window",
    "maximum context length",
    "exceeds the maximum number of tokens",
    "ran out of room",
    "error_max_turns",
    "max_turns",
    "error_max_budget_usd",
    "blocking_limit",
    "context_window_exceeded",
    // A session that is not there or that is broken: a fresh one does.
    "no conversation found",
    "no rollout found",
    "session not found",
    "no such session",
    "unknown session",
    "without `tool_result`",
    "without tool_result",
];
const MODEL: &[&str] = &[
    "model_not_found",
    "model not found",
    "model does not exist",
    "unknown model",
    "invalid model",
    "no such model",
    "is not a valid model",
    "does not have access to model",
    "model is not available",
    "model is not supported",
];
const TRANSIENT: &[&str] = &[
    "rate limit",
    "rate_limit",
    "ratelimit",
    "too many requests",
    "overloaded",
    "at capacity",
    "high demand",
    "server_error",
    "service unavailable",
    "bad gateway",
    "gateway timeout",
    "internal server error",
    "econnreset",
    "econnrefused",
    "etimedout",
    "connection refused",
    "connection reset",
    "fetch failed",
    "error sending request",
    "cannot connect to",
    "stream disconnected",
    "temporarily unavailable",
    // Somebody stopped the program, and it was not `orch`.
    "aborted_streaming",
    "aborted_tools",
];
/// HTTP states, read only where the text says that a number is one.
const STATES: &[(&str, Kind)] = &[
    ("401", Kind::Auth),
    ("403", Kind::Auth),
    ("429", Kind::Transient),
    ("500", Kind::Transient),
    ("502", Kind::Transient),
    ("503", Kind::Transient),
    ("504", Kind::Transient),
    ("529", Kind::Transient),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Quota,
    Auth,
    Context,
    Model,
    Transient,
}

/// The class that the text names; `None` where it names none.
#[must_use]
pub fn classify(text: &str) -> Option<FailureClass> {
    let text = &text[text.ceil_char_boundary(text.len().saturating_sub(READ_BYTES_MAX))..];
    let text = text.to_ascii_lowercase();
    let signs = [
        (QUOTA, Kind::Quota),
        (CONTEXT, Kind::Context),
        (MODEL, Kind::Model),
        (AUTH, Kind::Auth),
        (TRANSIENT, Kind::Transient),
    ];
    let kind = signs
        .into_iter()
        .find(|(signs, _)| signs.iter().any(|sign| text.contains(sign)))
        .map(|(_, kind)| kind)
        .or_else(|| state(&text))?;
    Some(class_of(kind, &text))
}

fn class_of(kind: Kind, text: &str) -> FailureClass {
    match kind {
        Kind::Quota => FailureClass::Quota { until: None },
        Kind::Auth => FailureClass::Missing,
        Kind::Context => FailureClass::Recoverable,
        Kind::Model => FailureClass::Model,
        Kind::Transient => FailureClass::Transient { retry_after_ms: retry_after_ms(text) },
    }
}

/// The class of a trouble that a program tells in fields. What the fields say goes before the text; only a quota is
/// looked for in the text first, because services send it with the status of a rate limit.
#[must_use]
pub fn classify_trouble(status: Option<u16>, kind: &str, text: &str) -> Option<FailureClass> {
    let lower = text.to_ascii_lowercase();
    if QUOTA.iter().any(|sign| lower.contains(sign)) || kind == "billing_error" {
        return Some(FailureClass::Quota { until: None });
    }
    // The body of a refused request says what was wrong with it; its status is that of any bad request.
    if kind == "max_tokens" || CONTEXT.iter().any(|sign| lower.contains(sign)) {
        return Some(FailureClass::Recoverable);
    }
    let by_status = match status {
        Some(401 | 403) => Some(Kind::Auth),
        Some(408 | 409 | 425 | 429 | 500..=599) => Some(Kind::Transient),
        _ => None,
    };
    match (classify(kind), by_status) {
        (Some(FailureClass::Transient { .. }), _) | (None, Some(Kind::Transient)) => {
            Some(class_of(Kind::Transient, &lower))
        }
        (Some(class), _) => Some(class),
        (None, Some(found)) => Some(class_of(found, &lower)),
        (None, None) if MODEL.iter().any(|sign| lower.contains(sign)) => Some(FailureClass::Model),
        (None, None) if matches!(status, Some(400 | 404 | 422)) => Some(FailureClass::Permanent),
        (None, None) => classify(text),
    }
}

/// `HTTP 429`, `status: 503`, `error 529`: a number alone may count anything.
fn state(text: &str) -> Option<Kind> {
    STATES.iter().find_map(|(number, kind)| {
        let is_state = text.match_indices(number).any(|(place, _)| {
            let (before, after) = (&text[..place], &text[place + number.len()..]);
            let introduced = ["http", "status", "code", "error", "http/1.1", "http/2"]
                .iter()
                .any(|word| before.trim_end_matches([' ', ':', '=', '"', '(', '[']).ends_with(word));
            introduced && !after.starts_with(|next: char| next.is_ascii_alphanumeric())
        });
        is_state.then_some(*kind)
    })
}

/// `retry-after: 20`, `retry after 1.5s`, `try again in 2 minutes`.
fn retry_after_ms(text: &str) -> Option<u64> {
    const DAY_MS: f64 = 86_400_000.0;
    ["retry-after", "retry_after", "retry after", "try again in", "retry in"].iter().find_map(|sign| {
        let rest = &text[text.find(sign)? + sign.len()..];
        let (rest, in_ms) = rest.strip_prefix("_ms").or(rest.strip_prefix("-ms")).map_or((rest, false), |r| (r, true));
        let rest = rest.trim_start_matches([' ', ':', '=', '"']);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].trim_end_matches('.').parse().ok()?;
        let unit = rest[end..].trim_start_matches([' ', '"']);
        let factor = if in_ms || unit.starts_with("ms") || unit.starts_with("milli") {
            1.0
        } else if unit.starts_with('m') {
            60_000.0
        } else if unit.starts_with('h') {
            3_600_000.0
        } else {
            1_000.0
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and one day")]
        Some((number * factor).clamp(0.0, DAY_MS).ceil() as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transient(retry_after_ms: impl Into<Option<u64>>) -> Option<FailureClass> {
        Some(FailureClass::Transient { retry_after_ms: retry_after_ms.into() })
    }

    #[test]
    fn complaints_have_classes() {
        let quota = Some(FailureClass::Quota { until: None });
        for (text, class) in [
            ("Error: 429 Too Many Requests", transient(None)),
            ("rate limit reached; retry-after: 20", transient(20_000)),
            ("Overloaded, please try again in 1.5s", transient(1_500)),
            ("Rate limit. Please retry after 2 minutes.", transient(120_000)),
            ("rate_limit {\"retry_after_ms\": 750}", transient(750)),
            ("unexpected status 503", transient(None)),
            ("HTTP/1.1 529", transient(None)),
            ("TypeError: fetch failed", transient(None)),
            ("429 insufficient_quota: rate limit", quota),
            ("You exceeded your current quota, check your plan", quota),
            ("Not logged in. Please run /login", Some(FailureClass::Missing)),
            ("unexpected status 401 from the API", Some(FailureClass::Missing)),
            ("prompt is too long: 250000 tokens > 200000", Some(FailureClass::Recoverable)),
            ("context_length_exceeded", Some(FailureClass::Recoverable)),
            ("wrote 429 lines and 503 words", None),
            ("error 4291", None),
            ("segmentation fault", None),
            ("", None),
        ] {
            assert_eq!(classify(text), class, "{text}");
        }
    }

    #[test]
    fn odd_texts_do_no_harm() {
        assert_eq!(classify("rate limit, retry-after: 99999999999999999999999999"), transient(86_400_000));
        assert_eq!(classify("rate limit, retry after ..."), transient(None));
        assert_eq!(classify(&format!("rate limit{}", "é".repeat(20_000))), None);
    }
}
