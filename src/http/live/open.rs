//! Which stream a route opens, and for whom.

use axum::{body::Body, http::Response};

use crate::{
    base::RunId,
    http::{
        app::App,
        ask::run_id,
        live::{follow::Follower, socket, sse},
        problem::Problem,
    },
};

/// Which stream a route opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// That of one run, from its beginning.
    Run,
    /// That of all runs, from now on.
    All,
    /// That of all runs, over a WebSocket.
    Socket,
}

/// What a listener asked for.
pub(in crate::http) struct Wish {
    pub run: Option<RunId>,
    pub project: Option<String>,
    /// The last event that it has.
    pub after: Option<String>,
}

/// Opens a stream.
pub(in crate::http) async fn open(
    app: &App,
    kind: Open,
    wish: &Wish,
    request: axum::extract::Request,
) -> Result<Response<Body>, Problem> {
    let place = match &wish.run {
        Some(run) => app.place_of(run)?,
        None => app.place(wish.project.as_deref().or_else(|| app.places().first().map(|place| place.name())))?,
    };
    let permit = app.listener()?;
    let follower = match (&wish.run, kind) {
        (Some(run), _) => Follower::of_run(place, run.clone(), wish.after.as_deref())?,
        (None, _) => Follower::of_all(place, wish.after.as_deref())?,
    };
    match kind {
        Open::Run | Open::All => Ok(sse::response(app, follower, permit)),
        Open::Socket => socket::response(app, follower, permit, request).await,
    }
}

/// The run of a path.
pub(in crate::http) fn run_of(text: Option<&String>) -> Result<Option<RunId>, Problem> {
    text.map(|text| run_id(text)).transpose()
}
