//! The routes about the server itself: probes, figures, keys, links.

use crate::{
    http::{
        api,
        routes::route::{
            AUDIT,
            Answers::{Json, Nothing, Text},
            Method::{Delete, Get, Post},
            PROJECT, Route, route,
        },
        spec::{self, may, must},
    },
    service::Scope::{Admin, Public, Read},
};

pub(super) const ROUTES: &[Route] = &[
    route(Get, "/healthz", Public, "live", "Whether the server is alive", Json("object"), api::system::live),
    route(Get, "/readyz", Public, "ready", "Whether the server takes work", Json("object"), api::system::ready),
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
        api::health::health,
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
    route(Get, "/api/v1/tasks", Read, "tasks", "The steps of the runs that go on", Json("object"), api::work::tasks)
        .takes(&[], &[PROJECT, may("limit", spec::limit, "at most so many")]),
    route(
        Get,
        "/api/v1/audit",
        Admin,
        "audit",
        "Whether the audit log is whole, where it stands, and its entries, the latest first",
        Json("object"),
        api::audit::audit,
    )
    .takes(&[], AUDIT),
    route(Get, "/api/v1/keys", Admin, "keys", "All keys, without the keys themselves", Json("keys"), api::keys::list),
    route(Post, "/api/v1/keys", Admin, "make_key", "Make a key; it is shown once", Json("object"), api::keys::make)
        .with_body(api::keys::make_body)
        .answering(201),
    route(Delete, "/api/v1/keys/{id}", Admin, "revoke_key", "Take a key away", Nothing, api::keys::revoke)
        .takes(&[must("id", spec::key_id, "its id")], &[])
        .answering(204),
    route(
        Post,
        "/api/v1/links",
        Admin,
        "make_link",
        "Make a link that begins one session of the dashboard",
        Json("object"),
        api::links::make,
    )
    .answering(201)
    .showing(),
];
