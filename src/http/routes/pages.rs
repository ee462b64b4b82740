//! The routes of people: pages, what they are made of, and the way in.

use crate::{
    http::{
        pages,
        routes::route::{AUDIT, Answers::Page, LIST, Method::Get, RUN, Route, SOME_PROJECT, route},
        spec::{self, may, must},
    },
    service::Scope::{Admin, Public, Read},
};

pub(super) const ROUTES: &[Route] = &[
    route(Get, "/", Read, "page_runs", "The runs", Page, pages::runs).takes(&[], LIST),
    route(Get, "/inbox", Read, "page_inbox", "What waits for a person", Page, pages::inbox),
    route(Get, "/start", Read, "page_start", "Start a run", Page, pages::start)
        .takes(&[], &[may("match", spec::search, "only names and descriptions with this")]),
    route(
        Get,
        "/definitions",
        Read,
        "page_definitions",
        "What can be run, and what it is made of",
        Page,
        pages::definitions,
    )
    .takes(
        &[],
        &[
            SOME_PROJECT,
            may("kind", spec::some_kind, "only this kind"),
            may("match", spec::search, "only names and descriptions with this"),
        ],
    ),
    route(
        Get,
        "/definitions/{kind}/{name}",
        Read,
        "page_definition",
        "One definition: its text, its plan, its form",
        Page,
        pages::definition,
    )
    .takes(&[must("kind", spec::kind, "its kind"), must("name", spec::name, "its name")], &[SOME_PROJECT]),
    route(Get, "/cost", Read, "page_cost", "What runs cost", Page, pages::cost)
        .takes(&[], &[SOME_PROJECT, may("period", spec::period, "of this last time")]),
    route(Get, "/health", Read, "page_health", "How the server and its projects are", Page, pages::health),
    route(Get, "/audit", Admin, "page_audit", "What was done, and by whom", Page, pages::audit).takes(&[], AUDIT),
    route(Get, "/runs/{run}/cost", Read, "page_burn", "How a run uses up its budget", Page, pages::burn)
        .takes(RUN, &[]),
    route(Get, "/runs/{run}", Read, "page_run", "One run", Page, pages::run).takes(RUN, &[]),
    route(Get, "/runs/{run}/graph", Read, "page_graph", "The steps of a run as a graph", Page, pages::graph)
        .takes(RUN, &[]),
    route(Get, "/runs/{run}/timeline", Read, "page_timeline", "The times of a run", Page, pages::timeline)
        .takes(RUN, &[]),
    route(Get, "/runs/{run}/outputs", Read, "page_outputs", "What a run brought back", Page, pages::outputs)
        .takes(RUN, &[]),
    route(Get, "/runs/{run}/agent", Read, "page_agent", "What an attempt was asked and did", Page, pages::agent)
        .takes(RUN, &[must("attempt", spec::attempt, "the attempt")]),
    route(Get, "/runs/{run}/log", Read, "page_log", "What an attempt has printed", Page, pages::log)
        .takes(RUN, &[must("attempt", spec::attempt, "the attempt"), may("stream", spec::stream, "which stream")]),
    route(Get, "/runs/{run}/diff", Read, "page_diff", "What a run or a step has changed", Page, pages::diff)
        .takes(RUN, &[may("step", spec::step, "only what this step has changed")]),
    route(Get, "/assets/{file}", Read, "page_asset", "The dashboard's script and style", Page, pages::asset)
        .takes(&[must("file", spec::file_name, "its name")], &[may("v", spec::search, "the version, for caches")]),
    route(Get, "/login", Public, "login", "Begin a session of the dashboard", Page, pages::login)
        .takes(&[], &[may("once", spec::search, "the code of a link that works once")]),
];
