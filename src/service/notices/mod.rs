//! Tells people what runs need of them, by the ways that they have written into their settings.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `channels` | the channels of a project, and which of them may be used |
//! | `words` | what happened as a title, a text and a payload |
//! | `send` | one notice by one channel |
//! | `notifier` | the line of notices: tells each once, tries again, holds up nobody |
//! | `once` | what was told, for all processes and over restarts |
//! | `shown` | channels as `orch notify` and `orch doctor` show them |

mod channels;
mod notifier;
mod once;
mod send;
mod shown;
mod words;

pub use channels::Notices;
pub(super) use channels::channel_item;
pub use notifier::Notifier;
pub(super) use once::Once;
pub(super) use shown::doctor_checks;
pub use shown::{ChannelLine, channel_lines, test_channel};
pub(super) use words::is_meant;
