//! Keeps one stream: a little in memory, more in its log, all of it counted.

use std::collections::VecDeque;

use super::{lines::Splitter, log_file::LogFile, report::Captured};

/// Bytes of each end that stay in memory.
const MEMORY_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Capture {
    total: u64,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    log: Option<LogFile>,
    log_fault: Option<String>,
    lines: Option<Splitter>,
}

impl Capture {
    pub(super) fn new(log: Option<LogFile>, lines: Option<Splitter>) -> Self {
        Self { log, lines, ..Self::default() }
    }

    /// Takes the next bytes of the stream. A log that cannot be written is given up, not the command.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (head, rest) = bytes.split_at((MEMORY_BYTES - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(MEMORY_BYTES)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(MEMORY_BYTES);
        self.tail.drain(..excess);
        self.tail.extend(rest);
        if let Some(lines) = &mut self.lines {
            lines.push(bytes);
        }
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(bytes)
        {
            self.log_fault = Some(error.to_string());
            self.log = None;
        }
    }

    /// Whether who listens has heard all that matters.
    pub(super) fn has_last_word(&self) -> bool {
        self.lines.as_ref().is_some_and(Splitter::has_last_word)
    }

    /// Ends the stream: puts its log in order and says what is kept.
    pub(super) async fn finish(mut self) -> Captured {
        if let Some(lines) = self.lines.take() {
            lines.finish();
        }
        let in_memory = self.head.len() as u64 + self.tail.len() as u64;
        let mut dropped = self.total - in_memory;
        if let Some(log) = self.log.take() {
            dropped = log.dropped();
            let result = if log.must_turn() {
                tokio::task::spawn_blocking(|| log.finish()).await.unwrap_or_else(|error| Err(error.into()))
            } else {
                log.finish()
            };
            self.log_fault = result.err().map(|error| error.to_string());
        }
        let (total, log_fault) = (self.total, self.log_fault);
        Captured { total, dropped, head: self.head, tail: self.tail.into(), log_fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_ends_stay_in_memory() {
        let mut capture = Capture::new(None, None);
        let all: Vec<u8> = (0..MEMORY_BYTES * 3).map(|place| (place % 251) as u8).collect();
        all.chunks(777).for_each(|chunk| capture.push(chunk));
        let kept = capture.finish().await;
        assert_eq!(kept.total, all.len() as u64);
        assert_eq!(kept.dropped, MEMORY_BYTES as u64);
        assert_eq!(kept.head, all[..MEMORY_BYTES]);
        assert_eq!(kept.tail, all[2 * MEMORY_BYTES..]);
    }

    #[tokio::test]
    async fn a_character_across_the_border_is_whole() {
        let mut capture = Capture::new(None, None);
        capture.push(&[b'x'; MEMORY_BYTES - 1]);
        capture.push("é".as_bytes());
        assert!(capture.finish().await.text().ends_with("xé"));
    }

    #[tokio::test]
    async fn a_log_that_fails_does_not_fail_the_command() {
        let mut capture = Capture::new(Some(LogFile::new("/dev/null/log".into(), 100)), None);
        capture.push(b"hello");
        let kept = capture.finish().await;
        assert_eq!((kept.text().as_str(), kept.dropped), ("hello", 0));
        assert!(kept.log_fault.is_some());
    }
}
