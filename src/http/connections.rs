//! So many connections at once and no more: whoever opens thousands takes nobody else's files and memory.
//!
//! A connection that is too much is closed at once, before any of its bytes are read or its TLS costs anything. One that says
//! nothing is closed after a while, also before it has said which protocol it speaks. Of one that does not read, little is
//! kept waiting.

use std::{
    collections::BTreeMap,
    future::{Future as _, Ready, ready},
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum_server::accept::Accept;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep_until},
};

use crate::service::now;

const MINUTE_MS: u64 = 60_000;
/// What may wait in the system for a connection to take it, in bytes. Without a bound the system keeps megabytes for each
/// client that does not read, and the server spends its time on writing them.
const UNSENT_MAX: u32 = 128 * 1024;
/// Bytes by which every protocol has said what it is: the first words of HTTP/2. No request that is answered is shorter.
const FIRST_BYTES: usize = 24;
/// How long these may take.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing may come and nothing may go afterwards. Streams of events say something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(120);

/// How many connections each address has.
type Counts = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// Lets so many connections in.
#[derive(Debug, Clone)]
pub(super) struct Limited {
    places: Arc<Semaphore>,
    most: usize,
    /// How many one address may have: half of them, so that nobody alone shuts the others out. None behind a proxy, whose
    /// address is everybody's.
    most_of_one: usize,
    counts: Counts,
    /// The minute in which it was said last that there are too many.
    said: Arc<AtomicU64>,
}

impl Limited {
    pub fn new(most: usize, behind_proxy: bool) -> Self {
        let most_of_one = if behind_proxy { most } else { most.div_ceil(2) };
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            most_of_one,
            counts: Counts::default(),
            said: Arc::default(),
        }
    }

    fn let_in(&self, stream: TcpStream) -> Option<Held> {
        let address = stream.peer_addr().ok()?.ip();
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let counted = Counted::one_of(&self.counts, address, self.most_of_one)?;
        // A system that has no such bound serves all the same.
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX).ok();
        let now = Instant::now();
        let quiet = Quiet { read: 0, last: now, until: Box::pin(sleep_until(now + FIRST_PATIENCE)) };
        Some(Held { stream, quiet, _counted: counted, _permit: permit })
    }

    fn full(&self) -> io::Error {
        let minute = now().0 / MINUTE_MS;
        if self.said.swap(minute, Ordering::Relaxed) != minute {
            let (most, most_of_one) = (self.most, self.most_of_one);
            tracing::warn!(target: "security", most, most_of_one, "too many connections: more are closed at once");
        }
        io::Error::other("too many connections")
    }
}

impl<S> Accept<TcpStream, S> for Limited {
    type Stream = Held;
    type Service = S;
    type Future = Ready<io::Result<(Held, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.let_in(stream).map(|held| (held, service)).ok_or_else(|| self.full()))
    }
}

/// One connection of an address, counted until it is closed.
#[derive(Debug)]
struct Counted {
    counts: Counts,
    address: IpAddr,
}

impl Counted {
    fn one_of(counts: &Counts, address: IpAddr, most: usize) -> Option<Self> {
        let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { counts: Arc::clone(counts), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// Since when a connection has said nothing and taken nothing.
#[derive(Debug)]
struct Quiet {
    /// Bytes that have come, as far as that matters.
    read: usize,
    last: Instant,
    until: Pin<Box<Sleep>>,
}

impl Quiet {
    fn moved(&mut self, read: usize) {
        self.read = self.read.saturating_add(read);
        self.last = Instant::now();
    }

    /// What becomes of a connection on which nothing can be done now.
    fn waits<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.until.as_mut().poll(context).is_ready() {
            let late = self.last + SILENCE;
            if self.read < FIRST_BYTES || late <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.until.as_mut().reset(late);
        }
        Poll::Pending
    }
}

/// A connection that holds its place until it is closed.
#[derive(Debug)]
pub(super) struct Held {
    stream: TcpStream,
    quiet: Quiet,
    _counted: Counted,
    _permit: OwnedSemaphorePermit,
}

impl Held {
    fn wrote(&mut self, wrote: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Pending => self.quiet.waits(context),
            wrote => {
                self.quiet.moved(0);
                wrote
            }
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Pending => self.quiet.waits(context),
            read => {
                self.quiet.moved(into.filled().len() - before);
                read
            }
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(wrote, context)
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
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(wrote, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
