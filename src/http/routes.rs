//! The table of all routes: nothing is answered that does not stand here.

use serde_json::Value;

use crate::{
    http::{
        api,
        ask::{Answer, Ask},
        live, pages,
        problem::Problem,
        spec::{self, Param, may, must},
    },
    service::Scope,
};

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
pub(super) enum Handle {
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
    pub(super) handle: Handle,
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

    const fn takes(mut self, parts: &'static [Param], query: &'static [Param]) -> Self {
        self.parts = parts;
        self.query = query;
        self
    }

    const fn with_body(mut self, body: fn() -> Value) -> Self {
        self.body = Some(body);
        self
    }

    const fn answering(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

const fn route(
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
        handle,
    }
}

const fn stream(path: &'static str, name: &'static str, summary: &'static str, open: live::Open) -> Route {
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
        handle,
    }
}

const RUN: &[Param] = &[must("run", spec::run, "the run's id")];
const PROJECT: Param = may("project", spec::project, "the project; needed where the server has more than one");
const LIST: &[Param] = &[
    PROJECT,
    may("status", spec::some_status, "only these"),
    may("workflow", spec::search, "only of this workflow"),
    may("limit", spec::limit, "of a page"),
    may("cursor", spec::cursor, "`next` of the page before"),
];
const LAST: Param = may("after", spec::event_id, "go on after this event; the header Last-Event-ID says the same");

use Answers::{Json, Nothing, Page, Text};
use Method::{Delete, Get, Post};
use Scope::{Admin, Decide, Operate, Public, Read};

/// All routes.
pub const ROUTES: &[Route] = &[
    route(Get, "/", Read, "page_runs", "The runs", Page, pages::runs).takes(&[], LIST),
    route(Get, "/inbox", Read, "page_inbox", "What waits for a person", Page, pages::inbox),
    route(Get, "/start", Read, "page_start", "Start a run", Page, pages::start)
        .takes(&[], &[may("match", spec::search, "only names and descriptions with this")]),
    route(Get, "/runs/{run}", Read, "page_run", "One run", Page, pages::run).takes(RUN, &[]),
    route(Get, "/runs/{run}/log", Read, "page_log", "What an attempt has printed", Page, pages::log)
        .takes(RUN, &[must("attempt", spec::attempt, "the attempt"), may("stream", spec::stream, "which stream")]),
    route(Get, "/runs/{run}/diff", Read, "page_diff", "What a run or a step has changed", Page, pages::diff)
        .takes(RUN, &[may("step", spec::step, "only what this step has changed")]),
    route(Get, "/assets/{file}", Read, "page_asset", "The dashboard's script and style", Page, pages::asset)
        .takes(&[must("file", spec::file_name, "its name")], &[may("v", spec::search, "the version, for caches")]),
    route(Get, "/healthz", Public, "live", "Whether the server is alive", Json("object"), api::system::live),
    route(Get, "/readyz", Public, "ready", "Whether the server takes work", Json("object"), api::system::ready),
    route(Get, "/login", Public, "login", "Begin a session of the dashboard", Page, pages::login)
        .takes(&[], &[may("once", spec::search, "the code of a link that works once")]),
    route(
        Get,
        "/metrics",
        Read,
        "prometheus",
        "Figures in the form of Prometheus",
        Text("text/plain"),
        api::system::prometheus,
    ),
    route(
        Get,
        "/api/v1/health",
        Read,
        "health",
        "Everything that must be well, looked at one by one",
        Json("object"),
        api::system::health,
    ),
    route(Get, "/api/v1/openapi.json", Read, "openapi", "This description", Json("object"), api::system::openapi),
    route(
        Get,
        "/api/v1/projects",
        Read,
        "projects",
        "The projects of this server",
        Json("object"),
        api::system::projects,
    ),
    route(
        Get,
        "/api/v1/status",
        Read,
        "status",
        "How busy the server is, and what waits for people",
        Json("object"),
        api::system::status,
    ),
    route(
        Get,
        "/api/v1/metrics",
        Read,
        "analytics",
        "Times, costs and waiting by step and agent",
        Json("object"),
        api::system::analytics,
    )
    .takes(&[], &[PROJECT, may("limit", spec::limit, "of how many runs, the latest first")]),
    route(
        Get,
        "/api/v1/definitions",
        Read,
        "definitions",
        "What can be run",
        Json("definitions"),
        api::definitions::list,
    )
    .takes(
        &[],
        &[
            PROJECT,
            may("match", spec::search, "only names and descriptions with this"),
            may("limit", spec::limit, "at most so many"),
        ],
    ),
    route(
        Get,
        "/api/v1/definitions/{name}",
        Read,
        "definition",
        "A workflow or command: its inputs, its plan, its trust",
        Json("object"),
        api::definitions::show,
    )
    .takes(&[must("name", spec::name, "its name")], &[PROJECT]),
    route(Get, "/api/v1/runs", Read, "runs", "The runs, the latest first", Json("runs"), api::runs::list).takes(
        &[],
        &[
            PROJECT,
            may("status", spec::status, "only these"),
            may("workflow", spec::search, "only of this workflow"),
            may("limit", spec::limit, "of a page"),
            may("cursor", spec::cursor, "`next` of the page before"),
        ],
    ),
    route(Post, "/api/v1/runs", Operate, "start", "Start a run", Json("started"), api::runs::start)
        .with_body(api::runs::start_body)
        .answering(202),
    route(
        Get,
        "/api/v1/runs/{run}",
        Read,
        "run",
        "Where a run stands, why it waits, and what moves it",
        Json("status"),
        api::runs::show,
    )
    .takes(RUN, &[]),
    route(Post, "/api/v1/runs/{run}/cancel", Operate, "cancel", "End a run", Json("done"), api::runs::cancel)
        .takes(RUN, &[])
        .with_body(api::runs::cancel_body),
    route(
        Post,
        "/api/v1/runs/{run}/resume",
        Operate,
        "resume",
        "Go on with a run that nobody drives",
        Json("done"),
        api::runs::resume,
    )
    .takes(RUN, &[])
    .with_body(api::runs::resume_body),
    route(Post, "/api/v1/runs/{run}/retry", Operate, "retry", "Run what failed again", Json("done"), api::runs::retry)
        .takes(RUN, &[])
        .with_body(api::runs::retry_body),
    route(
        Post,
        "/api/v1/runs/{run}/rollback",
        Operate,
        "rollback",
        "Take the files back, or say what that would do",
        Json("object"),
        api::runs::rollback,
    )
    .takes(RUN, &[])
    .with_body(api::runs::rollback_body),
    route(Get, "/api/v1/runs/{run}/steps", Read, "steps", "The steps of a run", Json("steps"), api::steps::list).takes(
        RUN,
        &[
            may("step", spec::step, "only this one"),
            may("limit", spec::limit, "of a page"),
            may("from", spec::offset, "`next` of the page before"),
        ],
    ),
    route(
        Get,
        "/api/v1/runs/{run}/log",
        Read,
        "log",
        "What an attempt has printed, by bytes",
        Text("text/plain"),
        api::steps::log,
    )
    .takes(
        RUN,
        &[
            must("attempt", spec::attempt, "the attempt"),
            may("stream", spec::stream, "which stream"),
            may("offset", spec::offset, "from this byte"),
            may("length", spec::length, "at most so many bytes"),
        ],
    ),
    route(
        Get,
        "/api/v1/runs/{run}/lines",
        Read,
        "lines",
        "What an attempt has printed, by lines",
        Json("lines"),
        api::steps::lines,
    )
    .takes(
        RUN,
        &[
            must("attempt", spec::attempt, "the attempt"),
            may("stream", spec::stream, "which stream"),
            may("from", spec::offset, "from this line, counted from 0"),
            may("count", spec::lines, "at most so many lines"),
            may("find", spec::search, "the first line from there on that holds this"),
        ],
    ),
    route(
        Get,
        "/api/v1/runs/{run}/diff",
        Read,
        "diff",
        "What a run or a step has changed",
        Json("object"),
        api::steps::diff,
    )
    .takes(
        RUN,
        &[
            may("step", spec::step, "only what this step has changed"),
            may("patch", spec::switch, "with the text of all changes"),
        ],
    ),
    route(
        Get,
        "/api/v1/runs/{run}/artifacts",
        Read,
        "artifacts",
        "The files that attempts have left",
        Json("artifacts"),
        api::steps::artifacts,
    )
    .takes(RUN, &[]),
    route(
        Get,
        "/api/v1/runs/{run}/artifacts/{attempt}/{file}",
        Read,
        "artifact",
        "One of these files",
        Text("application/octet-stream"),
        api::steps::artifact,
    )
    .takes(
        &[
            must("run", spec::run, "the run's id"),
            must("attempt", spec::attempt, "the attempt"),
            must("file", spec::file_name, "its name"),
        ],
        &[],
    ),
    route(Get, "/api/v1/runs/{run}/cost", Read, "cost", "What a run has cost", Json("object"), api::runs::cost)
        .takes(RUN, &[]),
    stream(
        "/api/v1/runs/{run}/events",
        "run_events",
        "The events of a run, from its beginning, as they happen",
        live::Open::Run,
    )
    .takes(RUN, &[LAST]),
    stream("/api/v1/events", "events", "The events of all runs, as they happen", live::Open::All)
        .takes(&[], &[PROJECT, LAST]),
    stream("/api/v1/ws", "ws", "The same events over a WebSocket", live::Open::Socket).takes(&[], &[PROJECT, LAST]),
    route(Get, "/api/v1/inbox", Read, "inbox", "What waits for a person", Json("inbox"), api::decisions::inbox)
        .takes(&[], &[PROJECT]),
    route(
        Post,
        "/api/v1/decisions",
        Decide,
        "decide",
        "Decide what a run asks: approve, reject, push back, or say how a step ended",
        Json("done"),
        api::decisions::decide,
    )
    .with_body(api::decisions::decide_body),
    route(
        Get,
        "/api/v1/costs",
        Read,
        "costs",
        "What runs have cost, by day or by run",
        Json("object"),
        api::runs::costs,
    )
    .takes(&[], &[PROJECT, may("by", spec::by, "days or runs"), may("limit", spec::limit, "at most so many")]),
    route(
        Post,
        "/api/v1/orchestrate",
        Operate,
        "orchestrate",
        "A task in, a run out",
        Json("started"),
        api::work::orchestrate,
    )
    .with_body(api::work::orchestrate_body)
    .answering(202),
    route(
        Post,
        "/api/v1/requirements",
        Operate,
        "requirements",
        "Hand in a requirement",
        Json("started"),
        api::work::requirements,
    )
    .with_body(api::work::requirements_body)
    .answering(202),
    route(Get, "/api/v1/tasks", Read, "tasks", "The steps of the runs that go on", Json("object"), api::work::tasks)
        .takes(&[], &[PROJECT, may("limit", spec::limit, "at most so many")]),
    route(
        Get,
        "/api/v1/audit",
        Admin,
        "audit",
        "Whether the audit log is whole, and where it stands",
        Json("object"),
        api::system::audit,
    )
    .takes(&[], &[PROJECT]),
    route(Get, "/api/v1/keys", Admin, "keys", "All keys, without the keys themselves", Json("keys"), api::keys::list),
    route(Post, "/api/v1/keys", Admin, "make_key", "Make a key; it is shown once", Json("object"), api::keys::make)
        .with_body(api::keys::make_body)
        .answering(201),
    route(Delete, "/api/v1/keys/{id}", Admin, "revoke_key", "Take a key away", Nothing, api::keys::revoke)
        .takes(&[must("id", spec::key_id, "its id")], &[])
        .answering(204),
];
