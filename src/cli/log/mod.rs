//! Log lines of `orch` about itself: one event a line, on standard error and in a file.
//!
//! Invariant: a line passes the redaction of secrets before it is written anywhere. Writing never fails whatever is done.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `start` | which lines are written, and where |
//! | `gather` | makes a line of an event and of the spans around it |
//! | `line` | a line, and its two forms |
//! | `file` | the file: a new one by size and time, old ones taken away |

mod file;
mod gather;
mod line;
mod start;

pub(super) use start::{Wish, level, start};
