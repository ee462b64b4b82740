//! Output as lines, live. Never slows the command: what nobody takes in time is dropped and counted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

/// The longest line that is handed out; the rest of a longer one is cut and counted.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes that may wait to be taken.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// Lines that may wait to be taken.
const WAITING_LINES_MAX: usize = 65_536;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it came from.
    pub stream: StreamName,
    /// Its bytes, at most 1 MiB.
    pub bytes: Vec<u8>,
    /// Bytes cut off at its end.
    pub cut: u64,
}

/// Where the lines of a command go.
#[derive(Debug, Clone)]
pub struct LineSink {
    sender: mpsc::Sender<Line>,
    shared: Arc<Waiting>,
}

/// Where the lines of a command come from.
#[derive(Debug)]
pub struct LineFeed {
    receiver: mpsc::Receiver<Line>,
    shared: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl LineSink {
    /// A sink and its feed. At most 8 MiB and 65,536 lines wait in between.
    #[must_use]
    pub fn new() -> (Self, LineFeed) {
        let (sender, receiver) = mpsc::channel(WAITING_LINES_MAX);
        let shared = Arc::new(Waiting::default());
        (Self { sender, shared: Arc::clone(&shared) }, LineFeed { receiver, shared })
    }

    fn offer(&self, line: Line) {
        let size = line.bytes.len();
        let fits = self.shared.bytes.fetch_add(size, Ordering::Relaxed) + size <= WAITING_BYTES_MAX;
        if !fits || self.sender.try_send(line).is_err() {
            self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LineFeed {
    /// The next line; `None` once every sink is gone and all is taken.
    pub async fn next(&mut self) -> Option<Line> {
        let line = self.receiver.recv().await?;
        self.shared.bytes.fetch_sub(line.bytes.len(), Ordering::Relaxed);
        Some(line)
    }

    /// Lines dropped so far because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

/// Cuts one stream into lines.
#[derive(Debug)]
pub(super) struct Splitter {
    sink: LineSink,
    stream: StreamName,
    partial: Vec<u8>,
    cut: u64,
}

impl Splitter {
    pub(super) fn new(sink: LineSink, stream: StreamName) -> Self {
        Self { sink, stream, partial: Vec::new(), cut: 0 }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            self.emit();
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// Hands out what stands after the last line end.
    pub(super) fn finish(mut self) {
        if !self.partial.is_empty() || self.cut > 0 {
            self.emit();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (LINE_BYTES_MAX - self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(&bytes[..room]);
        self.cut += (bytes.len() - room) as u64;
    }

    fn emit(&mut self) {
        let bytes = std::mem::take(&mut self.partial);
        self.sink.offer(Line { stream: self.stream, bytes, cut: std::mem::take(&mut self.cut) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(chunks: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
        let (sink, mut feed) = LineSink::new();
        let mut splitter = Splitter::new(sink, StreamName::Stdout);
        chunks.iter().for_each(|chunk| splitter.push(chunk));
        splitter.finish();
        let mut all = Vec::new();
        while let Some(line) = feed.next().await {
            all.push((line.bytes, line.cut));
        }
        all
    }

    #[tokio::test]
    async fn lines_stand_across_chunks() {
        let expected = [(b"ab".to_vec(), 0), (vec![], 0), (b"c".to_vec(), 0)];
        assert_eq!(lines(&[b"a", b"b\n\n", b"c"]).await, expected);
        assert_eq!(lines(&[b"c\n"]).await, [(b"c".to_vec(), 0)]);
    }

    #[tokio::test]
    async fn a_long_line_is_cut() {
        let all = lines(&[&vec![b'x'; LINE_BYTES_MAX], b"yz\n", b"next"]).await;
        assert_eq!((all[0].0.len(), all[0].1), (LINE_BYTES_MAX, 2));
        assert_eq!(all[1], (b"next".to_vec(), 0));
    }

    #[tokio::test]
    async fn what_nobody_takes_is_counted() {
        let (sink, mut feed) = LineSink::new();
        let mut splitter = Splitter::new(sink, StreamName::Stderr);
        let mut line = vec![b'x'; LINE_BYTES_MAX];
        line[LINE_BYTES_MAX - 1] = b'\n';
        (0..20).for_each(|_| splitter.push(&line));
        splitter.finish();
        assert_eq!(feed.dropped(), 12);
        let mut taken = 0;
        while feed.next().await.is_some() {
            taken += 1;
        }
        assert_eq!(taken, 8);
    }
}
