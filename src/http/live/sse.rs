//! Events as a page's `EventSource` reads them.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, header},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::http::{
    app::App,
    live::follow::{Follower, Next, Told},
};

/// How long a listener may take nothing before the stream is closed; it goes on by its last id.
const STALL: Duration = Duration::from_secs(30);

/// The stream, until the listener goes or stalls.
pub(super) fn response(app: &App, mut follower: Follower, permit: OwnedSemaphorePermit) -> Response<Body> {
    // One piece at a time: the next is made when this one was taken.
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let app = app.clone();
    tokio::spawn(async move {
        let _permit = permit;
        let mut text = String::from("retry: 1000\n\n");
        loop {
            let piece = Bytes::from(std::mem::take(&mut text));
            match tokio::time::timeout(STALL, sender.send(Ok(piece))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    app.metrics().dropped();
                    return;
                }
            }
            let next = tokio::select! {
                next = follower.next() => next,
                () = sender.closed() => return,
            };
            match next {
                Ok(Next::Told(told)) => told.iter().for_each(|one| write(&mut text, one)),
                Ok(Next::Silence) => text.push_str(": still here\n\n"),
                Err(problem) => {
                    text = format!("event: problem\ndata: {}\n\n", problem.to_json());
                    sender.send(Ok(Bytes::from(text))).await.ok();
                    return;
                }
            }
        }
    });
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn write(text: &mut String, told: &Told) {
    if let Some(id) = &told.id {
        text.push_str("id: ");
        text.push_str(id);
        text.push('\n');
    }
    text.push_str("event: ");
    text.push_str(told.name);
    // JSON has no line ends of its own.
    text.push_str("\ndata: ");
    text.push_str(&told.body);
    text.push_str("\n\n");
}
