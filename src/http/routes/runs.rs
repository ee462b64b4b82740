//! The routes of programs about runs, definitions and decisions.

use crate::{
    http::{
        api, live, pages,
        routes::route::{
            Answers::{Json, Text},
            LAST, LAST_CHANGE, LAST_OF_RUN,
            Method::{Get, Post},
            PROJECT, RUN, Route, SOME_PROJECT, route, stream,
        },
        spec::{self, may, must},
    },
    service::Scope::{Decide, Operate, Read, Signed},
};

pub(super) const ROUTES: &[Route] = &[
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
    route(
        Get,
        "/api/v1/plans/{kind}/{name}",
        Read,
        "plan_picture",
        "The plan of a workflow or command as SVG",
        Text("image/svg+xml"),
        pages::picture,
    )
    .takes(
        &[must("kind", spec::kind, "its kind"), must("name", spec::name, "its name")],
        &[SOME_PROJECT, may("v", spec::search, "the plan's digest, for caches")],
    ),
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
    route(
        Get,
        "/api/v1/runs/{run}/graph",
        Read,
        "graph",
        "The picture of a run's plan: where each step stands, and the ways between them",
        Json("object"),
        api::picture::graph,
    )
    .takes(RUN, &[may("toggled", spec::toggled, "groups to be unfolded or folded, by their `ix`: `12.15`")]),
    route(
        Get,
        "/api/v1/runs/{run}/timeline",
        Read,
        "timeline",
        "All steps of a run with the times of their attempts: since when they could begin, when they worked",
        Json("object"),
        api::picture::timeline,
    )
    .takes(RUN, &[]),
    route(
        Get,
        "/api/v1/runs/{run}/agent",
        Read,
        "agent",
        "What an attempt was asked, what it said and did, what it cost",
        Json("object"),
        api::picture::agent,
    )
    .takes(RUN, &[must("attempt", spec::attempt, "the attempt")]),
    route(
        Get,
        "/api/v1/runs/{run}/outputs",
        Read,
        "outputs",
        "What a run and its steps brought back: held to its schema, who made it, who reads it",
        Json("object"),
        api::picture::outputs,
    )
    .takes(RUN, &[]),
    route(Get, "/api/v1/runs/{run}/cost", Read, "cost", "What a run has cost", Json("object"), api::runs::cost)
        .takes(RUN, &[]),
    route(
        Get,
        "/api/v1/runs/{run}/burn",
        Read,
        "burn",
        "How a run uses up its budget, and when nothing is left",
        Json("object"),
        api::runs::burn,
    )
    .takes(RUN, &[]),
    stream(
        "/api/v1/runs/{run}/events",
        "run_events",
        "The events of a run, from its beginning, as they happen",
        live::Open::Run,
    )
    .takes(RUN, &[LAST_OF_RUN]),
    stream("/api/v1/events", "events", "The events of all runs, as they happen", live::Open::All)
        .takes(&[], &[SOME_PROJECT, LAST]),
    stream("/api/v1/ws", "ws", "The same events over a WebSocket", live::Open::Socket)
        .takes(&[], &[SOME_PROJECT, LAST]),
    stream("/api/v1/changes", "changes", "A `reset` whenever definitions have changed", live::Open::Definitions)
        .takes(&[], &[SOME_PROJECT, LAST_CHANGE]),
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
        Post,
        "/api/v1/hooks/{name}",
        Signed,
        "deliver",
        "Start what a hook of the settings says: signed by the system that sends it",
        Json("object"),
        api::hooks::deliver,
    )
    .takes(&[must("name", spec::hook, "the hook")], &[])
    .with_body(api::hooks::delivery_body)
    .answering(202),
    route(
        Get,
        "/api/v1/costs",
        Read,
        "costs",
        "What runs have cost, by day, run, workflow, agent or model",
        Json("object"),
        api::runs::costs,
    )
    .takes(
        &[],
        &[
            PROJECT,
            may("by", spec::by, "what the lines are"),
            may("period", spec::period, "only runs that have begun in this last time"),
            may("limit", spec::limit, "at most so many"),
        ],
    ),
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
];
