//! Reads the client's messages, one a line, on a thread of its own, so that a cancelled request is known before its turn.
//!
//! Knows no method but the one that cancels. Bounded: the length of a line, the messages that wait, the requests that
//! are remembered as cancelled.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Read as _},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use serde_json::Value;

/// Bytes of one message.
pub(super) const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Messages that wait for their turn; behind them the client has to wait.
const QUEUE_MAX: usize = 64;
/// Cancelled requests that are remembered.
const CANCELLED_MAX: usize = 256;

/// One line of the client.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// A JSON value.
    Message(Value),
    /// A line that is no JSON: why.
    Broken(String),
    /// A line longer than a message may be. It was skipped to its end.
    TooLong,
}

/// The requests that the client does not want any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancelled(Arc<Mutex<VecDeque<Value>>>);

impl Cancelled {
    /// Whether that request was cancelled; asked once.
    pub fn take(&self, id: &Value) -> bool {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = ids.iter().position(|other| other == id);
        found.is_some_and(|place| ids.remove(place).is_some())
    }

    pub(super) fn note(&self, message: &Value) {
        if message["method"] != "notifications/cancelled" || message.get("id").is_some() {
            return;
        }
        let Some(id) = message["params"].get("requestId") else { return };
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() == CANCELLED_MAX {
            ids.pop_front();
        }
        ids.push_back(id.clone());
    }
}

/// Starts to read. What was read ends with the input; a failure to read is an end as well.
pub(super) fn listen(mut input: impl BufRead + Send + 'static) -> (mpsc::Receiver<Heard>, Cancelled) {
    let (sender, receiver) = mpsc::sync_channel(QUEUE_MAX);
    let cancelled = Cancelled::default();
    let noted = cancelled.clone();
    thread::spawn(move || {
        while let Ok(Some(heard)) = next(&mut input) {
            if let Heard::Message(message) = &heard {
                noted.note(message);
            }
            if sender.send(heard).is_err() {
                break;
            }
        }
    });
    (receiver, cancelled)
}

/// The next line that is not empty.
fn next(input: &mut impl BufRead) -> io::Result<Option<Heard>> {
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && line.len() as u64 > LINE_BYTES_MAX {
            skip_line(input)?;
            return Ok(Some(Heard::TooLong));
        }
        if !line.trim_ascii().is_empty() {
            let read = serde_json::from_slice(&line);
            return Ok(Some(read.map_or_else(|error| Heard::Broken(error.to_string()), Heard::Message)));
        }
    }
}

/// Reads to the end of a line and keeps nothing of it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::io::Cursor;

    use serde_json::json;

    use super::*;

    fn all(text: &[u8]) -> Vec<Heard> {
        let mut input = Cursor::new(text.to_vec());
        std::iter::from_fn(|| next(&mut input).unwrap()).collect()
    }

    #[test]
    fn lines_are_messages() {
        let heard = all(b"{\"a\":1}\n\n  \r\n[2]\r\nnull");
        assert_eq!(heard, [json!({"a":1}), json!([2]), json!(null)].map(Heard::Message));
    }

    #[test]
    fn broken_lines_cost_only_themselves() {
        let heard = all(b"{\"a\":\n\xff\xfe\n{\"b\":2}\n");
        assert!(matches!(&heard[..], [Heard::Broken(_), Heard::Broken(_), Heard::Message(_)]), "{heard:?}");
        let deep = "[".repeat(100_000);
        assert!(matches!(&all(deep.as_bytes())[..], [Heard::Broken(_)]));
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let max = usize::try_from(LINE_BYTES_MAX).unwrap();
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        let lines = [text(max), text(max + 1), text(10 * max), "1".into()].join("\n");
        let heard = all(lines.as_bytes());
        assert!(matches!(&heard[..], [Heard::Message(_), Heard::TooLong, Heard::TooLong, Heard::Message(_)]));
        assert_eq!(all(text(5 * max).as_bytes()), [Heard::TooLong]);
    }

    #[test]
    fn cancelled_requests_are_known_once_and_bounded() {
        let cancel = |id: Value| json!({ "method": "notifications/cancelled", "params": { "requestId": id } });
        let cancelled = Cancelled::default();
        cancelled.note(&cancel(json!(7)));
        cancelled.note(&cancel(json!("a")));
        assert!(!cancelled.take(&json!("7")) && cancelled.take(&json!(7)) && !cancelled.take(&json!(7)));
        for id in 0..1_000 {
            cancelled.note(&cancel(json!(id)));
        }
        assert_eq!(cancelled.0.lock().unwrap().len(), CANCELLED_MAX);
        assert!(!cancelled.take(&json!("a")) && cancelled.take(&json!(999)));
    }
}
