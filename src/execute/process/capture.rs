//! Keeps one stream: a little in memory, more in its log, all of it counted.
//!
//! Invariant: what is kept has gone through the redactor, if there is one; only who listens for lines hears it as it is.

use std::collections::VecDeque;

use super::{lines::Splitter, log_file::LogFile, report::Captured};
use crate::guard::StreamRedactor;

/// Bytes of each end that stay in memory.
const MEMORY_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Capture {
    kept: Kept,
    lines: Option<Splitter>,
    hush: Option<StreamRedactor>,
}

#[derive(Debug, Default)]
struct Kept {
    total: u64,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    log: Option<LogFile>,
    log_fault: Option<String>,
}

impl Capture {
    pub(super) fn new(log: Option<LogFile>, lines: Option<Splitter>, hush: Option<StreamRedactor>) -> Self {
        Self { kept: Kept { log, ..Kept::default() }, lines, hush }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(lines) = &mut self.lines {
            lines.push(bytes);
        }
        match &mut self.hush {
            Some(hush) => hush.push(bytes, |clean| self.kept.push(clean)),
            None => self.kept.push(bytes),
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
        if let Some(hush) = &mut self.hush {
            hush.finish(|clean| self.kept.push(clean));
        }
        self.kept.finish().await
    }
}

impl Kept {
    /// A log that cannot be written is given up, not the command.
    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (head, rest) = bytes.split_at((MEMORY_BYTES - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(MEMORY_BYTES)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(MEMORY_BYTES);
        self.tail.drain(..excess);
        self.tail.extend(rest);
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(bytes)
        {
            self.log_fault = Some(error.to_string());
            self.log = None;
        }
    }

    async fn finish(mut self) -> Captured {
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
        let mut capture = Capture::new(None, None, None);
        let all: Vec<u8> = (0..MEMORY_BYTES * 3).map(|place| (place % 251) as u8).collect();
        all.chunks(777).for_each(|chunk| capture.push(chunk));
        let kept = capture.finish().await;
        assert_eq!(kept.total, all.len() as u64);
        assert_eq!(kept.dropped, MEMORY_BYTES as u64);
        assert_eq!(kept.head, all[..MEMORY_BYTES]);
        assert_eq!(kept.tail, all[2 * MEMORY_BYTES..]);
    }

    #[tokio::test]
    async fn what_is_kept_is_clean_and_what_is_heard_is_not() {
        use std::sync::{Arc, Mutex};

        use crate::execute::process::lines::{Heard, Listener, Tap};

        #[derive(Default)]
        struct Heards(Arc<Mutex<Vec<u8>>>);
        impl Tap for Heards {
            fn line(&mut self, line: &[u8], _: u64) -> Heard {
                self.0.lock().unwrap().extend_from_slice(line);
                Heard::GoOn
            }
        }
        let (listener, heard) = Listener::new(Heards::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let hush = crate::guard::Redactor::new([("KEY".to_owned(), "correct horse".to_owned())]).stream();
        let log = LogFile::new(path.clone(), 1000);
        let mut capture = Capture::new(Some(log), Some(Splitter::new(listener)), Some(hush));
        capture.push(b"say correct ho");
        assert_eq!(std::fs::read(&path).unwrap(), b"say ");
        capture.push(b"rse twice\n");
        let kept = capture.finish().await;
        assert_eq!((kept.text().as_str(), kept.total), ("say [redacted:KEY] twice\n", 25));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "say [redacted:KEY] twice\n");
        assert_eq!(*heard.lock().unwrap().0.lock().unwrap(), b"say correct horse twice");
    }

    #[tokio::test]
    async fn a_character_across_the_border_is_whole() {
        let mut capture = Capture::new(None, None, None);
        capture.push(&[b'x'; MEMORY_BYTES - 1]);
        capture.push("é".as_bytes());
        assert!(capture.finish().await.text().ends_with("xé"));
    }

    #[tokio::test]
    async fn a_log_that_fails_does_not_fail_the_command() {
        let mut capture = Capture::new(Some(LogFile::new("/dev/null/log".into(), 100)), None, None);
        capture.push(b"hello");
        let kept = capture.finish().await;
        assert_eq!((kept.text().as_str(), kept.dropped), ("hello", 0));
        assert!(kept.log_fault.is_some());
    }
}
