//! Conversations in the folders of their attempts, for their owner's eyes only; a later attempt of the run goes on with
//! one. What is stored is never changed: going on writes a new one, so that two may go on with the same.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::{
    base::FailureClass,
    execute::{agent::keep, assignment::Place, executor::make_attempt_dir, tree::open_plain},
    guard::Redactor,
    runtime::service::{CONVERSATION_VERSION, Conversation, Fault},
};

/// The longest conversation that is read, in bytes.
const BYTES_MAX: u64 = 64 << 20;
/// Attempts among which a conversation is looked for.
const ATTEMPTS_MAX: usize = 100_000;

/// Stores a conversation without secrets, whole or not at all.
pub(super) fn store(place: &Place, conversation: &Conversation, redactor: &Redactor) -> io::Result<()> {
    make_attempt_dir(place)?;
    let path = place.attempt_dir.join(name(&conversation.session));
    let scratch = path.with_extension("tmp");
    keep(&scratch, &serde_json::to_vec(&redactor.value(&serde_json::to_value(conversation)?))?)?;
    fs::rename(scratch, path)
}

/// The conversation of this id in the run of the place.
///
/// # Errors
/// A conversation that is not there or cannot be read: a fresh one may do.
pub(super) fn load(place: &Place, session: &str) -> Result<Conversation, Fault> {
    let fault = |reason: String| Fault::new(FailureClass::Recoverable, reason);
    let shown: String = session.chars().flat_map(char::escape_default).take(80).collect();
    let path = find(&place.attempt_dir, session).ok_or_else(|| fault(format!("there is no conversation `{shown}`")))?;
    let mut bytes = Vec::new();
    let read = open_plain(&path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    let conversation = read.map_err(|error| error.to_string()).and_then(|_| {
        if bytes.len() as u64 > BYTES_MAX {
            return Err(format!("it is longer than {} MB", BYTES_MAX >> 20));
        }
        serde_json::from_slice::<Conversation>(&bytes).map_err(|error| error.to_string())
    });
    match conversation {
        Ok(found) if found.conversation == CONVERSATION_VERSION && found.session == session => Ok(found),
        Ok(_) => Err(fault(format!("the conversation `{shown}` was stored by another version"))),
        Err(reason) => Err(fault(format!("the conversation `{shown}` cannot be read: {reason}"))),
    }
}

/// The attempts of a run lie side by side.
fn find(attempt_dir: &Path, session: &str) -> Option<PathBuf> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if session.is_empty() || session.len() > 64 || !session.chars().all(is_plain) {
        return None;
    }
    let name = name(session);
    let attempts = fs::read_dir(attempt_dir.parent()?).ok()?;
    attempts.take(ATTEMPTS_MAX).flatten().map(|attempt| attempt.path().join(&name)).find(|path| path.is_file())
}

fn name(session: &str) -> String {
    format!("conversation-{session}.json")
}
