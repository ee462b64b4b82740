//! Output as lines, heard while the command works.
//!
//! Who hears is called at once, in the task that reads the pipe: no line is dropped, and a slow listener slows the
//! command, never the other way round. Knows nothing of what a line means.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The longest line that is handed out, in bytes; the rest of a longer one is cut and counted.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Hears what a command says on its standard output.
pub trait Tap: Send {
    /// One line without its end, at most 16 MiB; `cut` bytes were left off its end.
    fn line(&mut self, line: &[u8], cut: u64) -> Heard;

    /// What a command that converses must be told now; asked after each piece of output. Whoever replies bounds it.
    fn reply(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// What such a command is told before it is ended; nothing is replied after it.
    fn farewell(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// What a listener makes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// More may come.
    GoOn,
    /// All was said that matters: the command has a few seconds to end by itself.
    LastWord,
}

/// A listener that its owner keeps.
#[derive(Clone)]
pub struct Listener(Arc<Mutex<dyn Tap>>);

impl Listener {
    /// A listener; the other handle is for whoever asks it when the command has ended.
    #[must_use]
    pub fn new<T: Tap + 'static>(tap: T) -> (Self, Arc<Mutex<T>>) {
        let tap = Arc::new(Mutex::new(tap));
        (Self(tap.clone()), tap)
    }

    fn line(&self, line: &[u8], cut: u64) -> Heard {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).line(line, cut)
    }

    pub(super) fn reply(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reply()
    }

    pub(super) fn farewell(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).farewell()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// Cuts one stream into lines.
#[derive(Debug)]
pub(super) struct Splitter {
    listener: Listener,
    partial: Vec<u8>,
    cut: u64,
    has_last_word: bool,
}

impl Splitter {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener, partial: Vec::new(), cut: 0, has_last_word: false }
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

    /// Whether the listener has heard all that matters.
    pub(super) fn has_last_word(&self) -> bool {
        self.has_last_word
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (LINE_BYTES_MAX - self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(&bytes[..room]);
        self.cut += (bytes.len() - room) as u64;
    }

    fn emit(&mut self) {
        let heard = self.listener.line(&self.partial, std::mem::take(&mut self.cut));
        self.has_last_word |= heard == Heard::LastWord;
        self.partial.clear();
        // A long line must not be paid for until the end.
        self.partial.shrink_to(64 << 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Vec<(Vec<u8>, u64)>);

    impl Tap for Kept {
        fn line(&mut self, line: &[u8], cut: u64) -> Heard {
            self.0.push((line.to_vec(), cut));
            if line == b"last" { Heard::LastWord } else { Heard::GoOn }
        }
    }

    fn lines(chunks: &[&[u8]]) -> (Vec<(Vec<u8>, u64)>, bool) {
        let (listener, kept) = Listener::new(Kept::default());
        let mut splitter = Splitter::new(listener);
        chunks.iter().for_each(|chunk| splitter.push(chunk));
        let has_last_word = splitter.has_last_word();
        splitter.finish();
        let kept = std::mem::take(&mut kept.lock().unwrap().0);
        (kept, has_last_word)
    }

    #[test]
    fn lines_stand_across_chunks() {
        let expected = vec![(b"ab".to_vec(), 0), (vec![], 0), (b"c".to_vec(), 0)];
        assert_eq!(lines(&[b"a", b"b\n\n", b"c"]), (expected, false));
        assert_eq!(lines(&[b"c\n"]).0, [(b"c".to_vec(), 0)]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let all = lines(&[&vec![b'x'; LINE_BYTES_MAX], b"yz\n", b"next"]).0;
        assert_eq!((all[0].0.len(), all[0].1), (LINE_BYTES_MAX, 2));
        assert_eq!(all[1], (b"next".to_vec(), 0));
    }

    #[test]
    fn the_last_word_is_remembered() {
        assert!(lines(&[b"last\nmore\n"]).1);
        assert!(!lines(&[b"last"]).1, "a line without its end may still go on");
    }
}
