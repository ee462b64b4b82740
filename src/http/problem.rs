//! How a request fails: RFC 9457 problem details with the codes of `orch explain`.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::{Value, json};

use crate::{
    base::render::to_json,
    service::{Fault, Refusal},
};

/// Why a request was not carried out.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub refusal: Refusal,
    /// Faults in definitions or settings.
    pub diagnostics: Vec<Value>,
    /// Seconds after which it is worth asking again.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of the server's own.
    pub fn new(status: StatusCode, id: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        let retryable = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let exit = crate::base::codes::find(id).map_or(1, |info| info.exit);
        let mut refusal = Refusal::new(exit, id, message, help);
        refusal.retryable = retryable;
        Self { status, refusal, diagnostics: Vec::new(), retry_after: None }
    }

    /// A field that is not as it should be.
    pub fn field(message: impl Into<String>) -> Self {
        let help = "GET /api/v1/openapi.json has the schemas of all routes";
        Self::new(StatusCode::BAD_REQUEST, "E0609", message, help)
    }

    /// That something is not there.
    pub fn missing(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "E0612", message, help)
    }

    /// As the body says it.
    pub fn to_json(&self) -> Value {
        let mut value = json!({
            "type": format!("urn:orch:error:{}", self.refusal.id),
            "title": crate::base::codes::find(self.refusal.id).map_or("refused", |info| info.title),
            "status": self.status.as_u16(),
            "detail": self.refusal.message,
            "help": self.refusal.help,
            "code": self.refusal.id,
            "exit_code": self.refusal.exit,
            "retryable": self.refusal.retryable,
        });
        if !self.diagnostics.is_empty() {
            value["diagnostics"] = json!(self.diagnostics);
        }
        value
    }

    /// As it is sent.
    pub fn response(&self) -> Response<Body> {
        self.response_to(None)
    }

    /// As it is sent, with the id by which the lines of the log about this request are found.
    pub fn response_to(&self, request: Option<&str>) -> Response<Body> {
        let mut value = self.to_json();
        if let Some(request) = request {
            value["request"] = json!(request);
        }
        let mut response = Response::new(Body::from(value.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"orch\""));
        }
        response
    }
}

/// The status for a refusal of the service, by its code where that says more than its exit code.
fn status_of(refusal: &Refusal) -> StatusCode {
    match (refusal.id, refusal.exit) {
        ("E0304" | "E0305" | "E0307" | "E0308" | "E0361" | "E0362" | "E0363" | "E0364" | "E0602" | "E0614", _) => {
            StatusCode::CONFLICT
        }
        ("E0600" | "E0601", _) => StatusCode::SERVICE_UNAVAILABLE,
        ("E0501", _) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, 2) => StatusCode::BAD_REQUEST,
        (_, 10 | 22) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, 11) => StatusCode::NOT_FOUND,
        (_, 32) => StatusCode::CONFLICT,
        (_, 33) => StatusCode::INSUFFICIENT_STORAGE,
        (_, 40 | 42) => StatusCode::FORBIDDEN,
        (_, 41 | 43) => StatusCode::FAILED_DEPENDENCY,
        (_, 75) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let retry_after = refusal.retryable.then_some(1);
        Self { status: status_of(&refusal), refusal, diagnostics: Vec::new(), retry_after }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(refusal) => refusal.into(),
            Fault::Diagnosed(faults) => {
                let help = "`orch check` shows every fault with its place";
                let first = faults.first();
                let id = first.map_or("E0609", |first| first.code.0);
                let message = first.map_or("faults", |first| first.message.as_str());
                let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, id, message, help);
                problem.diagnostics = faults.iter().take(50).map(to_json).collect();
                problem
            }
        }
    }
}
