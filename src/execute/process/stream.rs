//! The engine's ends of a command's pipes.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read, Write, pipe},
    os::fd::OwnedFd,
};

use tokio::net::unix::pipe::{Receiver, Sender};

use super::capture::Capture;

const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that one stream may take before the others get their turn.
const CHUNKS_IN_A_ROW: usize = 16;

thread_local! {
    /// Reads are handled before the next wait, so one buffer a thread is enough for all streams.
    static CHUNK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One output stream. A command that ends at once is read only once, after its end; one that goes
/// on is watched.
#[derive(Debug)]
pub(super) struct Stream {
    source: Source,
    capture: Capture,
}

#[derive(Debug)]
enum Source {
    Unwatched(File),
    Watched(Receiver),
    Closed,
}

impl Stream {
    /// A stream and the child's end of it.
    pub(super) fn open(capture: Capture) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe()?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self { source: Source::Unwatched(File::from(OwnedFd::from(ours))), capture }, theirs.into()))
    }

    pub(super) fn is_watched(&self) -> bool {
        matches!(self.source, Source::Watched(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.source, Source::Closed)
    }

    /// From now on [`pump`](Self::pump) takes what comes.
    pub(super) fn watch(&mut self) -> io::Result<()> {
        self.source = match std::mem::replace(&mut self.source, Source::Closed) {
            Source::Unwatched(file) => Source::Watched(Receiver::from_owned_fd(file.into())?),
            other @ (Source::Watched(_) | Source::Closed) => other,
        };
        Ok(())
    }

    /// Waits for output and takes it; `true` if there was some. Nothing is lost when it is dropped while waiting.
    pub(super) async fn pump(&mut self) -> bool {
        let Source::Watched(pipe) = &self.source else { return std::future::pending().await };
        let is_ready = pipe.readable().await.is_ok();
        let taken = if is_ready { take(|chunk| pipe.try_read(chunk), &mut self.capture) } else { END };
        if taken.is_end {
            self.source = Source::Closed;
        }
        taken.is_any
    }

    /// Takes what is there without waiting, and closes the stream.
    pub(super) fn close(&mut self) {
        let file = match std::mem::replace(&mut self.source, Source::Closed) {
            Source::Unwatched(file) => file,
            // The event loop may not have heard of the last bytes yet, so the pipe itself is asked.
            Source::Watched(pipe) => match pipe.into_nonblocking_fd() {
                Ok(pipe) => File::from(pipe),
                Err(_) => return,
            },
            Source::Closed => return,
        };
        // One pipe never holds more than this takes.
        take(|chunk| (&file).read(chunk), &mut self.capture);
    }

    /// Whether who listens has heard all that matters.
    pub(super) fn has_last_word(&self) -> bool {
        self.capture.has_last_word()
    }

    pub(super) fn into_capture(self) -> Capture {
        self.capture
    }
}

#[derive(Clone, Copy)]
struct Taken {
    is_any: bool,
    is_end: bool,
}

const END: Taken = Taken { is_any: false, is_end: true };

fn take(mut read: impl FnMut(&mut [u8]) -> io::Result<usize>, capture: &mut Capture) -> Taken {
    CHUNK.with_borrow_mut(|chunk| {
        chunk.resize(CHUNK_BYTES, 0);
        let mut is_any = false;
        for _ in 0..CHUNKS_IN_A_ROW {
            match read(chunk) {
                Ok(0) => return Taken { is_any, is_end: true },
                Ok(size) => {
                    is_any = true;
                    capture.push(&chunk[..size]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Taken { is_any, is_end: true },
            }
        }
        Taken { is_any, is_end: false }
    })
}

/// What goes to a command's standard input. The pipe closes after the last byte.
#[derive(Debug)]
pub(super) struct Feed {
    bytes: Vec<u8>,
    written: usize,
    pipe: Sender,
    /// Whether more may be said.
    stays_open: bool,
}

impl Feed {
    /// A pipe with the first bytes in it, the child's end, and the feed if there is more to write or may be.
    pub(super) fn open(bytes: Vec<u8>, stays_open: bool) -> io::Result<(Option<Self>, OwnedFd)> {
        let (theirs, ours) = pipe()?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let mut pipe = File::from(OwnedFd::from(ours));
        let mut written = 0;
        let mut is_full = false;
        while written < bytes.len() && !is_full {
            match pipe.write(&bytes[written..]) {
                Ok(size) => written += size,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_full = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if !is_full && !stays_open {
            return Ok((None, theirs.into()));
        }
        let pipe = Sender::from_owned_fd(pipe.into())?;
        Ok((Some(Self { bytes, written, pipe, stays_open }), theirs.into()))
    }

    /// Adds to what is to be written.
    pub(super) fn push(&mut self, mut bytes: Vec<u8>) {
        if self.written == self.bytes.len() {
            (self.bytes, self.written) = (bytes, 0);
        } else {
            self.bytes.drain(..std::mem::take(&mut self.written));
            self.bytes.append(&mut bytes);
        }
    }

    /// Nothing more will be said: the pipe closes after what is to be written.
    pub(super) fn end(&mut self) {
        self.stays_open = false;
    }

    /// Writes on; `true` once the pipe can be closed, because all is written or nobody reads any more.
    pub(super) async fn pump(&mut self) -> bool {
        if self.written == self.bytes.len() {
            return if self.stays_open { std::future::pending().await } else { true };
        }
        if self.pipe.writable().await.is_err() {
            return true;
        }
        match self.pipe.try_write(&self.bytes[self.written..]) {
            Ok(size) => {
                self.written += size;
                self.written == self.bytes.len() && !self.stays_open
            }
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }
}
