//! A request as the routes see it, and what they answer: everything in it was checked against the table.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    base::RunId,
    http::{access::Caller, app::App, problem::Problem},
    service::serve::Signed,
};

/// A checked request.
pub(super) struct Ask<'a> {
    pub app: &'a App,
    pub caller: &'a Caller,
    pub path: BTreeMap<String, String>,
    pub query: Map<String, Value>,
    pub body: Value,
    pub headers: &'a HeaderMap,
    /// Who has signed it, where the route asks for that.
    pub signed: Option<&'a Signed>,
}

impl Ask<'_> {
    /// A text of the query.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).and_then(Value::as_str)
    }

    /// A count of the query.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.query.get(name).and_then(Value::as_u64)
    }

    /// Whether a switch of the query is on.
    pub fn is(&self, name: &str) -> bool {
        self.query.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A text of the body.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    /// A part of the path; the table says that it is there.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The run that the path names.
    pub fn run(&self) -> Result<RunId, Problem> {
        run_id(self.part("run"))
    }

    /// A header as text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Reads a run's id.
pub(super) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Problem::missing("there is no such run", "GET /api/v1/runs lists the runs"))
}

/// What a route answers.
pub(super) struct Answer {
    status: StatusCode,
    body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// Bytes of some kind.
    pub fn bytes(kind: &'static str, bytes: impl Into<Body>) -> Self {
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Self { status: StatusCode::OK, body: bytes.into(), headers: vec![kind] }
    }

    /// JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(value).map_err(|error| {
            let help = "please report this with `orch doctor --json`";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "E0599", error.to_string(), help)
        })?;
        Ok(Self::bytes("application/json", bytes))
    }

    /// A page.
    pub fn html(text: String) -> Self {
        Self::bytes("text/html; charset=utf-8", text)
    }

    /// To another place.
    pub fn to(place: &str) -> Self {
        let mut answer = Self::bytes("text/plain; charset=utf-8", "");
        answer.status = StatusCode::SEE_OTHER;
        answer.with(header::LOCATION, place)
    }

    /// With another status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a header; left out where its value is none.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// With an entity tag: nothing but the tag is sent to who has it already.
    pub fn tagged(self, ask: &Ask<'_>, tag: &str) -> Self {
        let tag = format!("\"{tag}\"");
        let known = ask.header(&header::IF_NONE_MATCH).unwrap_or_default();
        let is_known = known == "*" || known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
        let mut answer = self.with(header::ETAG, &tag);
        if is_known {
            (answer.status, answer.body) = (StatusCode::NOT_MODIFIED, Body::empty());
        }
        answer
    }

    /// As it is sent.
    pub fn response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }
}
