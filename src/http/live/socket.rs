//! Events over a WebSocket: one JSON object a message, `{"id", "event", "data"}`. Nothing that a client says is read.

use axum::{
    RequestExt as _,
    body::Body,
    extract::{
        Request,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::http::{
    app::App,
    live::follow::{Follower, Next},
    problem::Problem,
};

/// Bytes of a message of the client.
const MESSAGE_MAX: usize = 4 * 1024;

/// Takes the connection over.
pub(super) async fn response(
    app: &App,
    follower: Follower,
    permit: OwnedSemaphorePermit,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let app = app.clone();
    let Ok(upgrade) = request.extract::<WebSocketUpgrade, _>().await else {
        let message = "this route takes only WebSocket connections";
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "E0609",
            message,
            "GET /api/v1/events is the same as a stream",
        ));
    };
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    Ok(upgrade
        .on_upgrade(move |socket| async move {
            tell(app, follower, socket).await;
            drop(permit);
        })
        .into_response())
}

async fn tell(app: App, mut follower: Follower, mut socket: WebSocket) {
    loop {
        let next = tokio::select! {
            next = follower.next() => next,
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let messages: Vec<Message> = match next {
            Ok(Next::Told(told)) => told
                .iter()
                .map(|one| {
                    let id = one.id.as_ref().map_or("null".to_owned(), |id| format!("\"{id}\""));
                    Message::Text(format!("{{\"id\":{id},\"event\":\"{}\",\"data\":{}}}", one.name, one.body).into())
                })
                .collect(),
            Ok(Next::Silence) => vec![Message::Ping(axum::body::Bytes::new())],
            Err(_) => return,
        };
        for message in messages {
            match tokio::time::timeout(std::time::Duration::from_secs(30), socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    app.metrics().dropped();
                    return;
                }
            }
        }
    }
}
