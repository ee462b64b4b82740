//! So many connections at once and no more: whoever opens thousands takes nobody else's files and memory.
//!
//! A connection that is too much is closed at once, before any of its bytes are read or its TLS costs anything. Of one that
//! does not read, little is kept waiting.

use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum_server::accept::Accept;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::service::now;

const MINUTE_MS: u64 = 60_000;
/// What may wait in the system for a connection to take it, in bytes. Without a bound the system keeps megabytes for each
/// client that does not read, and the server spends its time on writing them.
const UNSENT_MAX: u32 = 128 * 1024;

/// Lets so many connections in.
#[derive(Debug, Clone)]
pub(super) struct Limited {
    places: Arc<Semaphore>,
    most: usize,
    /// The minute in which it was said last that there are too many.
    said: Arc<AtomicU64>,
}

impl Limited {
    pub fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, said: Arc::default() }
    }

    fn full(&self) -> io::Error {
        let minute = now().0 / MINUTE_MS;
        if self.said.swap(minute, Ordering::Relaxed) != minute {
            let most = self.most;
            tracing::warn!(target: "security", most, "too many connections: more are closed at once");
        }
        io::Error::other("too many connections")
    }
}

impl<S> Accept<TcpStream, S> for Limited {
    type Stream = Held;
    type Service = S;
    type Future = Ready<io::Result<(Held, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = Arc::clone(&self.places).try_acquire_owned();
        // A system that has no such bound serves all the same.
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX).ok();
        ready(place.map_err(|_| self.full()).map(|place| (Held { stream, _place: place }, service)))
    }
}

/// A connection that holds its place until it is closed.
#[derive(Debug)]
pub(super) struct Held {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
