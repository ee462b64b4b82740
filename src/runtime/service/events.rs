//! Splits the bytes of an answer into server-sent events (WHATWG HTML, section 9.2). Only the data is kept: all four
//! formats say in it what it is.
//!
//! Pure and bounded: an event that never ends is a fault before it fills the memory.

use super::fault::Fault;

/// The longest event, in bytes.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// What has come and is not yet a whole event.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    data: Option<String>,
    after_return: bool,
    has_begun: bool,
}

impl Events {
    /// Takes the next bytes and gives the data of all events that end in them.
    ///
    /// # Errors
    /// An event that is too long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Fault> {
        let mut whole = Vec::new();
        for byte in bytes {
            let ends = matches!(byte, b'\n' | b'\r');
            if ends && !(*byte == b'\n' && self.after_return) {
                whole.extend(self.end_line());
            } else if !ends {
                self.line.push(*byte);
            }
            self.after_return = *byte == b'\r';
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > EVENT_BYTES_MAX {
                return Err(Fault::broken("an event of the answer is too long"));
            }
        }
        Ok(whole)
    }

    /// What stands there when the answer ends: some servers leave out the last empty line.
    pub fn finish(&mut self) -> Option<String> {
        let whole = if self.line.is_empty() { None } else { self.end_line() };
        whole.or_else(|| self.data.take())
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = if std::mem::replace(&mut self.has_begun, true) {
            &line[..]
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line)
        };
        if line.is_empty() {
            return self.data.take();
        }
        let value = line.strip_prefix(b"data:").map(|value| value.strip_prefix(b" ").unwrap_or(value));
        if let Some(value) = value.or_else(|| (line == b"data").then_some(&b""[..])) {
            let value = String::from_utf8_lossy(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => self.data = Some(value.into_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text = "\u{feff}data: {\"a\": \"é\"}\n\n: a comment\r\nevent: x\r\ndata:one\r\ndata: two\r\n\r\nid: 7\n\ndata\n\ndata: end\n\n";
        let expected = ["{\"a\": \"é\"}", "one\ntwo", "", "end"];
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<String> =
                text.as_bytes().chunks(size).flat_map(|bytes| events.push(bytes).unwrap()).collect();
            assert_eq!(found, expected, "{size}");
            assert_eq!(events.finish(), None);
        }
    }

    #[test]
    fn the_last_event_may_lack_its_end() {
        for text in ["data: x", "data: x\n"] {
            let mut events = Events::default();
            assert_eq!(events.push(text.as_bytes()), Ok(vec![]));
            assert_eq!(events.finish().as_deref(), Some("x"));
        }
    }

    #[test]
    fn an_endless_event_is_a_fault() {
        let mut events = Events::default();
        let block = vec![b'x'; 1 << 20];
        assert!((0..17).any(|_| events.push(&block).is_err()));
    }
}
