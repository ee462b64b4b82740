//! Reads what a program wrote to `$ORCH_OUTPUT`.

use std::io::{self, Read};

use serde_json::Value;

use crate::{
    base::schema_faults,
    execute::{
        assignment::Place,
        executor::Executor,
        process::{Captured, LogPaths},
        tree::open_plain,
    },
};

/// The longest answer that is read, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The bytes of `$ORCH_OUTPUT`; `None` if there is no such file.
///
/// # Errors
/// A file that is too long, is a link or a pipe, or cannot be read; as a reason.
pub(super) fn read_answer(place: &Place) -> Result<Option<Vec<u8>>, String> {
    let fault = |error: io::Error| format!("the file $ORCH_OUTPUT cannot be read: {error}");
    let file = match open_plain(&place.output()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fault)?,
    };
    let mut bytes = Vec::new();
    file.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() > ANSWER_BYTES_MAX {
        return Err(format!("the file $ORCH_OUTPUT is longer than {} MB", ANSWER_BYTES_MAX / (1024 * 1024)));
    }
    Ok(Some(bytes))
}

/// All of a stream; `None` if it is longer than what is read or was not kept.
pub(super) fn whole(stream: &Captured, logs: &LogPaths) -> Option<Vec<u8>> {
    if stream.total == (stream.head.len() + stream.tail.len()) as u64 {
        return Some([&stream.head[..], &stream.tail].concat());
    }
    if stream.total > ANSWER_BYTES_MAX as u64 || stream.dropped > 0 || stream.log_fault.is_some() {
        return None;
    }
    let mut bytes = Vec::new();
    open_plain(&logs.stdout).ok()?.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == stream.total).then_some(bytes)
}

impl Executor {
    /// The output of a command that ended well: null where none is declared.
    pub(super) fn run_output(&self, expected: Option<&Value>, place: &Place) -> Result<Value, String> {
        let Some(schema) = expected else { return Ok(Value::Null) };
        let bytes = read_answer(place)?.filter(|bytes| !bytes.trim_ascii().is_empty());
        let bytes = bytes.ok_or("it ended with exit code 0, but wrote nothing to $ORCH_OUTPUT")?;
        let output: Value = serde_json::from_slice(&bytes)
            .map_err(|error| format!("what it wrote to $ORCH_OUTPUT is not JSON: {error}"))?;
        let faults = schema_faults(schema, &output).map_err(|error| error.to_string())?;
        if faults.is_empty() {
            return Ok(output);
        }
        Err(format!("what it wrote to $ORCH_OUTPUT is not what the step declares: {}", faults.join("; ")))
    }
}
