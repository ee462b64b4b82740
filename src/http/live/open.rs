//! Which stream a route opens, and for whom.

use axum::{body::Body, http::Response};

use crate::{
    base::RunId,
    http::{
        access::Caller,
        app::App,
        ask::run_id,
        live::{
            all::All,
            changes::Changes,
            follow::{Follower, Listener, OneRun, Source},
            socket, sse,
        },
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
    /// That of changes of definitions.
    Definitions,
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
    caller: &Caller,
    kind: Open,
    wish: &Wish,
    request: axum::extract::Request,
) -> Result<Response<Body>, Problem> {
    let permit = app.listener()?;
    let after = wish.after.as_deref();
    let source = match (&wish.run, wish.project.as_deref().filter(|name| !name.is_empty())) {
        (Some(run), _) => Source::Run(OneRun::new(app.place_of(run)?, run.clone(), after)?),
        (None, project) => {
            let places = match project {
                Some(name) => std::slice::from_ref(app.place(Some(name))?),
                None => app.places(),
            };
            match kind {
                Open::Definitions => Source::Changes(Changes::new(places, after)),
                Open::Run | Open::All | Open::Socket => Source::All(All::new(places, after)?),
            }
        }
    };
    let follower = Follower::new(Listener::new(app, caller), source);
    match kind {
        Open::Run | Open::All | Open::Definitions => Ok(sse::response(app, follower, permit)),
        Open::Socket => socket::response(app, follower, permit, request).await,
    }
}

/// The run of a path.
pub(in crate::http) fn run_of(text: Option<&String>) -> Result<Option<RunId>, Problem> {
    text.map(|text| run_id(text)).transpose()
}
