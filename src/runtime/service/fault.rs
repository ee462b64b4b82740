//! What a service's complaint means. Classified once, here; what is said of it never holds the key.

use serde_json::Value;

use crate::{
    base::FailureClass,
    runtime::{classify::classify_trouble, service::settings::Secret},
};

/// The longest text of a complaint that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 300;
/// The longest wait that a service may ask for.
const WAIT_MS_MAX: f64 = 86_400_000.0;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What can be done about it.
    pub class: FailureClass,
    /// What happened, one line.
    pub reason: String,
    /// How long the service asks to wait, for a quota too.
    pub retry_after_ms: Option<u64>,
}

/// What a service says of an error, in fields.
#[derive(Debug, Default)]
struct Complaint {
    status: Option<u16>,
    kind: String,
    text: String,
    retry_after_ms: Option<u64>,
}

impl Fault {
    /// Something that may go well another time: the connection broke, the answer has no end.
    #[must_use]
    pub fn broken(reason: impl Into<String>) -> Self {
        Self::new(FailureClass::Transient { retry_after_ms: None }, reason)
    }

    /// The service was silent for too long, or the attempt's time is over.
    #[must_use]
    pub fn stalled(reason: impl Into<String>) -> Self {
        Self::new(FailureClass::TimedOut, reason)
    }

    /// A fault of this class.
    #[must_use]
    pub fn new(class: FailureClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), retry_after_ms: None }
    }

    /// An answer whose status is an error. `retry_after_ms` is what its header asks for.
    #[must_use]
    pub fn of_status(status: u16, retry_after_ms: Option<u64>, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut complaint =
            serde_json::from_str(&text).ok().as_ref().and_then(complaint).unwrap_or_else(|| Complaint {
                text: if text.trim_start().starts_with('<') {
                    "it is a page, not an answer of a model service".into()
                } else {
                    text.into_owned()
                },
                ..Complaint::default()
            });
        complaint.status = Some(status);
        complaint.retry_after_ms = retry_after_ms.or(complaint.retry_after_ms);
        match status {
            300..=399 => {
                let reason = format!("the service sends on to another address (HTTP {status}), which is not followed");
                return Self::new(FailureClass::Permanent, reason);
            }
            402 => complaint.kind = "billing_error".into(),
            413 => return Self::new(FailureClass::Recoverable, complaint.reason()),
            _ => {}
        }
        let class = classify_trouble(complaint.status, &complaint.kind, &complaint.text);
        complaint.fault(class.unwrap_or(FailureClass::Permanent))
    }

    /// The error in a body that should have been events.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        Self::of_event(&serde_json::from_slice(body).ok()?)
    }

    /// An error within a stream that began well; `None` where the value holds none.
    #[must_use]
    pub(super) fn of_event(event: &Value) -> Option<Self> {
        let complaint = complaint(event)?;
        let lower = complaint.kind.to_ascii_lowercase();
        // In a stream the word stands where the status would have been.
        let status = complaint.status.or(match lower.as_str() {
            "api_error" | "server_error" | "timeout_error" | "internal" | "unavailable" => Some(500),
            _ => None,
        });
        let class = classify_trouble(status, &complaint.kind, &complaint.text);
        // The request itself was taken, so that only a word against it is a reason not to try again.
        let otherwise = if lower.contains("invalid") { FailureClass::Permanent } else { TRANSIENT };
        Some(complaint.fault(class.unwrap_or(otherwise)))
    }

    /// The same without the key.
    #[must_use]
    pub fn without(mut self, key: Option<&Secret>) -> Self {
        if let Some(key) = key {
            self.reason = key.hide_in(&self.reason);
        }
        self
    }
}

const TRANSIENT: FailureClass = FailureClass::Transient { retry_after_ms: None };

impl Complaint {
    fn fault(self, class: FailureClass) -> Fault {
        let class = match class {
            FailureClass::Transient { retry_after_ms } => {
                FailureClass::Transient { retry_after_ms: self.retry_after_ms.or(retry_after_ms) }
            }
            other => other,
        };
        Fault { class, reason: self.reason(), retry_after_ms: self.retry_after_ms }
    }

    fn reason(&self) -> String {
        let status = self.status.map(|status| format!(" with HTTP {status}")).unwrap_or_default();
        let kind = if self.kind.is_empty() { String::new() } else { format!(" ({})", shown(&self.kind)) };
        let text = shown(self.text.trim().lines().next().unwrap_or_default());
        let text = if text.is_empty() { text } else { format!(": {text}") };
        format!("the service failed{status}{kind}{text}")
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// The error in a value: `{"error": {…}}`, a list of one, `response.error`, or an event of the type `error`.
fn complaint(value: &Value) -> Option<Complaint> {
    let value = value.get(0).unwrap_or(value);
    let error = [&value["error"], &value["response"]["error"]].into_iter().find(|error| !error.is_null());
    let error = match error {
        Some(error) => error,
        None if value["type"] == "error" => value,
        None => return None,
    };
    if let Some(text) = error.as_str() {
        return Some(Complaint { text: text.to_owned(), ..Complaint::default() });
    }
    let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
    let word = |name: &str| error[name].as_str().filter(|word| *word != "error").map(str::to_owned);
    let reason = details.iter().find_map(|detail| detail["reason"].as_str()).map(str::to_owned);
    let mut found = Complaint {
        status: error["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 300),
        kind: reason.or_else(|| word("code")).or_else(|| word("status")).or_else(|| word("type")).unwrap_or_default(),
        text: error["message"].as_str().unwrap_or_default().to_owned(),
        retry_after_ms: details.iter().find_map(|detail| seconds_ms(detail["retryDelay"].as_str()?)),
    };
    // Google has one text for the quota of a minute and of a day; only the first passes by itself.
    let quotas = details.iter().flat_map(|detail| detail["violations"].as_array().into_iter().flatten());
    let mut names = quotas.filter_map(|quota| quota["quotaId"].as_str()).peekable();
    if names.peek().is_some() && names.all(|name| name.contains("PerMinute")) {
        found.kind = "rate_limit".into();
        found.text = "too many requests or tokens in this minute".into();
    }
    Some(found)
}

/// What the header `retry-after` asks for, or `retry-after-ms`. A date is not read.
#[must_use]
pub fn retry_after_ms(seconds: Option<&str>, ms: Option<&str>) -> Option<u64> {
    ms.and_then(|ms| seconds_ms(ms).map(|ms| ms / 1000)).or_else(|| seconds_ms(seconds?))
}

/// `20`, `1.5`, `34s`.
fn seconds_ms(text: &str) -> Option<u64> {
    let number: f64 = text.trim().trim_end_matches('s').parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and one day")]
    (number.is_finite()).then(|| (number * 1000.0).clamp(0.0, WAIT_MS_MAX).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, body: &Value) -> FailureClass {
        Fault::of_status(status, None, body.to_string().as_bytes()).class
    }

    #[test]
    fn errors_of_all_dialects_have_classes() {
        let quota = FailureClass::Quota { until: None };
        for (status, body, class) in [
            (429, json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "slow" } }), TRANSIENT),
            (529, json!({ "error": { "type": "overloaded_error", "message": "Overloaded" } }), TRANSIENT),
            (500, json!({ "error": { "type": "api_error", "message": "Internal server error" } }), TRANSIENT),
            (
                400,
                json!({ "error": { "type": "invalid_request_error", "message": "Your credit balance is too low" } }),
                quota,
            ),
            (
                400,
                json!({ "error": { "type": "invalid_request_error", "message": "prompt is too long: 9 > 8" } }),
                FailureClass::Recoverable,
            ),
            (
                400,
                json!({ "error": { "type": "invalid_request_error", "code": "context_length_exceeded", "message": "x" } }),
                FailureClass::Recoverable,
            ),
            (
                400,
                json!({ "error": { "type": "invalid_request_error", "message": "max_tokens: too large" } }),
                FailureClass::Permanent,
            ),
            (
                429,
                json!({ "error": { "type": "insufficient_quota", "code": "insufficient_quota", "message": "pay" } }),
                quota,
            ),
            (402, json!({ "error": { "type": "unknown_error", "message": "Insufficient Balance" } }), quota),
            (401, json!({ "error": { "code": "invalid_api_key", "message": "bad" } }), FailureClass::Missing),
            (403, json!({ "error": { "type": "permission_error", "message": "no" } }), FailureClass::Missing),
            (404, json!({ "error": { "code": "model_not_found", "message": "no such model" } }), FailureClass::Model),
            (413, json!({ "error": { "type": "request_too_large", "message": "large" } }), FailureClass::Recoverable),
            (
                400,
                json!([{ "error": { "code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT", "details": [{ "reason": "API_KEY_INVALID" }] } }]),
                FailureClass::Missing,
            ),
            (503, json!({ "error": { "code": 503, "message": "high demand", "status": "UNAVAILABLE" } }), TRANSIENT),
            (302, json!({}), FailureClass::Permanent),
            (400, json!({ "error": "just words" }), FailureClass::Permanent),
        ] {
            assert_eq!(of(status, &body), class, "{status} {body}");
        }
        let page = Fault::of_status(502, None, b"<html><body>Bad</body></html>");
        assert_eq!((page.class, page.reason.contains("page")), (TRANSIENT, true));
    }

    #[test]
    fn the_minute_of_google_is_no_quota() {
        let body = |id: &str| {
            json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED",
                "message": "You exceeded your current quota, please check your plan.",
                "details": [{ "violations": [{ "quotaId": id }] }, { "retryDelay": "34.5s" }] } })
        };
        let minute = of(429, &body("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"));
        assert_eq!(minute, FailureClass::Transient { retry_after_ms: Some(34_500) });
        let day = Fault::of_status(429, None, body("GenerateRequestsPerDayPerProject").to_string().as_bytes());
        assert_eq!((day.class, day.retry_after_ms), (FailureClass::Quota { until: None }, Some(34_500)));
    }

    #[test]
    fn a_wait_is_read_from_the_headers_first() {
        assert_eq!(retry_after_ms(Some("2"), None), Some(2_000));
        assert_eq!(retry_after_ms(Some("2"), Some("150")), Some(150));
        assert_eq!(retry_after_ms(Some("Wed, 21 Oct 2026 07:28:00 GMT"), None), None);
        assert_eq!(retry_after_ms(Some("1e300"), None), Some(86_400_000));
        assert_eq!(retry_after_ms(Some("nan"), None), None);
        let fault =
            Fault::of_status(429, Some(7_000), br#"{"error":{"type":"rate_limit_error","message":"try again in 9s"}}"#);
        assert_eq!(fault.class, FailureClass::Transient { retry_after_ms: Some(7_000) });
    }

    #[test]
    fn errors_within_a_stream_are_found() {
        for (event, class) in [
            (json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }), TRANSIENT),
            (json!({ "type": "error", "error": { "type": "api_error", "message": "oh" } }), TRANSIENT),
            (json!({ "type": "error", "code": "server_error", "message": "oh" }), TRANSIENT),
            (
                json!({ "type": "response.failed", "response": { "error": { "code": "rate_limit_exceeded", "message": "x" } } }),
                TRANSIENT,
            ),
            (
                json!({ "type": "response.failed", "response": { "error": { "code": "invalid_prompt", "message": "x" } } }),
                FailureClass::Permanent,
            ),
            (json!({ "error": { "message": "strange" } }), TRANSIENT),
            (json!({ "error": { "code": 401, "message": "strange" } }), FailureClass::Missing),
        ] {
            assert_eq!(Fault::of_event(&event).map(|fault| fault.class), Some(class), "{event}");
        }
        for fine in
            [json!({ "type": "ping" }), json!({ "error": null, "response": { "error": null } }), json!([]), json!(3)]
        {
            assert_eq!(Fault::of_event(&fine), None, "{fine}");
        }
    }

    #[test]
    fn nothing_hostile_is_shown() {
        let body = json!({ "error": { "message": format!("\u{1b}[31mkey sk-secret1 {}", "x".repeat(900)) } });
        let fault = Fault::of_status(400, None, body.to_string().as_bytes()).without(Some(&Secret::new("sk-secret1")));
        assert!(fault.reason.contains("key [key] x") && !fault.reason.contains('\u{1b}'), "{}", fault.reason);
        assert!(fault.reason.len() < 400);
    }
}
