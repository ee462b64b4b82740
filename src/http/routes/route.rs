//! What a route is, and how one is written down.

use serde_json::Value;

use crate::{
    http::{
        ask::{Answer, Ask},
        live,
        problem::Problem,
        spec::{self, Param, may, must},
    },
    service::Scope,
};

use Answers::Json;
use Method::Get;
use Scope::{Public, Read};

/// How something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Looks, and changes nothing.
    Get,
    /// Does something.
    Post,
    /// Takes something away.
    Delete,
}

impl Method {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// What a route answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// JSON of a named schema.
    Json(&'static str),
    /// Text or bytes of this kind.
    Text(&'static str),
    /// A stream of events.
    Events,
    /// A page for people.
    Page,
    /// Nothing but its status.
    Nothing,
}

/// Who carries it out.
#[derive(Clone, Copy)]
pub(in crate::http) enum Handle {
    /// Looks something up or does something; may wait for the disk.
    Ask(fn(&Ask<'_>) -> Result<Answer, Problem>),
    /// Opens a stream.
    Stream(live::Open),
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ask(_) => "Ask",
            Self::Stream(_) => "Stream",
        })
    }
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// How it is asked.
    pub method: Method,
    /// Its path; parts in braces.
    pub path: &'static str,
    /// What its caller must be allowed.
    pub scope: Scope,
    /// Its name for programs.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The parts of the path.
    pub parts: &'static [Param],
    /// The fields of the query.
    pub query: &'static [Param],
    /// The schema of the body, where it takes one.
    pub body: Option<fn() -> Value>,
    /// What it answers with.
    pub answers: Answers,
    /// The status of its answer.
    pub status: u16,
    /// Whether it stays open.
    pub streams: bool,
    /// Whether it changes nothing although it is no look, so that a server that only shows answers it too.
    pub shows: bool,
    pub(in crate::http) handle: Handle,
}

impl Route {
    /// What it is about: the first word of its path.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        let rest = self.path.trim_start_matches("/api/v1").trim_start_matches('/');
        rest.split('/').next().unwrap_or_default()
    }

    /// Whether it says no more than that the server is there.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.scope == Public && matches!(self.answers, Json(_))
    }

    pub(super) const fn takes(mut self, parts: &'static [Param], query: &'static [Param]) -> Self {
        self.parts = parts;
        self.query = query;
        self
    }

    pub(super) const fn with_body(mut self, body: fn() -> Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) const fn showing(mut self) -> Self {
        self.shows = true;
        self
    }

    pub(super) const fn answering(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// A route that is asked and answered.
pub(super) const fn route(
    method: Method,
    path: &'static str,
    scope: Scope,
    name: &'static str,
    summary: &'static str,
    answers: Answers,
    ask: fn(&Ask<'_>) -> Result<Answer, Problem>,
) -> Route {
    let handle = Handle::Ask(ask);
    Route {
        method,
        path,
        scope,
        name,
        summary,
        parts: &[],
        query: &[],
        body: None,
        answers,
        status: 200,
        streams: false,
        shows: false,
        handle,
    }
}

/// A route that stays open and tells events.
pub(super) const fn stream(path: &'static str, name: &'static str, summary: &'static str, open: live::Open) -> Route {
    let handle = Handle::Stream(open);
    Route {
        method: Get,
        path,
        scope: Read,
        name,
        summary,
        parts: &[],
        query: &[],
        body: None,
        answers: Answers::Events,
        status: 200,
        streams: true,
        shows: false,
        handle,
    }
}

/// A run, of the path.
pub(super) const RUN: &[Param] = &[must("run", spec::run, "the run's id")];
/// Which project, of the query.
pub(super) const PROJECT: Param =
    may("project", spec::project, "the project; needed where the server has more than one");
/// Which project, of the query, where all of them will do.
pub(super) const SOME_PROJECT: Param = may("project", spec::some_project, "only this project; all where none is named");
/// Which runs of a list.
pub(super) const LIST: &[Param] = &[
    SOME_PROJECT,
    may("status", spec::some_status, "only these"),
    may("workflow", spec::search, "only of this workflow"),
    may("limit", spec::limit, "of a page"),
    may("cursor", spec::cursor, "`next` of the page before"),
];
/// Which entries of the audit log.
pub(super) const AUDIT: &[Param] = &[
    SOME_PROJECT,
    may("by", spec::search, "only by somebody whose name holds this"),
    may("kind", spec::some_word, "only of this kind"),
    may("about", spec::search, "only about something that holds this"),
    may("run", spec::some_run, "only of this run"),
    may("period", spec::period, "only of this last time"),
    may("before", spec::number, "only before the entry of this number: `next` of the page before"),
    may("limit", spec::limit, "of a page"),
];
const GO_ON: &str = "go on after this event; the header Last-Event-ID says the same";
/// Where the stream of a run goes on.
pub(super) const LAST_OF_RUN: Param = may("after", spec::run_event_id, GO_ON);
/// Where the stream of all runs goes on.
pub(super) const LAST: Param = may("after", spec::event_id, GO_ON);
/// Where the stream of changes goes on.
pub(super) const LAST_CHANGE: Param = may("after", spec::seen_mark, GO_ON);
