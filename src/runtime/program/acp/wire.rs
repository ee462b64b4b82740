//! Messages of JSON-RPC 2.0, one a line. Knows no method.
//!
//! Our own reader and no library: the process, its lines, their limits and its end are `orch`'s own, and a library of the
//! protocol wants the pipes, knows no longest line and refuses what it does not know.

use serde_json::{Value, json};

/// The longest id of a request that is answered, in bytes.
const ID_BYTES_MAX: usize = 200;

/// What the agent says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// It asks for something and waits for the answer to this id.
    Asks(Value, String, Value),
    /// It tells something.
    Tells(String, Value),
    /// It answers what we have asked under this number.
    Answers(u64, Result<Value, Value>),
}

/// What an event says; nothing where it is no message that could be answered.
pub(super) fn said(mut event: Value) -> Option<Said> {
    let id = event.get("id").cloned().filter(|id| !id.is_null());
    let params = event.get_mut("params").map(Value::take).unwrap_or_default();
    if let Some(method) = event.get("method") {
        let method = method.as_str()?.to_owned();
        return match id {
            None => Some(Said::Tells(method, params)),
            Some(Value::String(id)) if id.len() > ID_BYTES_MAX => None,
            Some(id @ (Value::Number(_) | Value::String(_))) => Some(Said::Asks(id, method, params)),
            Some(_) => None,
        };
    }
    let id = id?.as_u64()?;
    match (event.get_mut("error").map(Value::take), event.get_mut("result").map(Value::take)) {
        (Some(error), _) if !error.is_null() => Some(Said::Answers(id, Err(error))),
        (_, Some(result)) => Some(Said::Answers(id, Ok(result))),
        (_, None) => None,
    }
}

/// A request of ours.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// Something that we tell.
pub(super) fn notification(method: &str, params: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

/// Our answer.
pub(super) fn answer(id: &Value, result: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// Our answer to what we do not do.
pub(super) fn unknown(id: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "Method not found" } }))
}

fn line(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_answered_is_a_message() {
        let asks = |id: Value| Some(Said::Asks(id, "m".into(), Value::Null));
        for (event, expected) in [
            (json!({ "id": 0, "method": "m" }), asks(json!(0))),
            (json!({ "id": "a", "method": "m" }), asks(json!("a"))),
            (json!({ "id": "a".repeat(201), "method": "m" }), None),
            (json!({ "id": [1], "method": "m" }), None),
            (json!({ "id": 1, "method": 7 }), None),
            (json!({ "id": null, "method": "m" }), Some(Said::Tells("m".into(), Value::Null))),
            (json!({ "method": "m", "params": 1 }), Some(Said::Tells("m".into(), json!(1)))),
            (json!({ "id": 1, "result": null }), Some(Said::Answers(1, Ok(Value::Null)))),
            (
                json!({ "id": 1, "result": 1, "error": { "code": 1 } }),
                Some(Said::Answers(1, Err(json!({ "code": 1 })))),
            ),
            (json!({ "id": "1", "result": 1 }), None),
            (json!({ "id": 1 }), None),
            (json!({ "result": 1 }), None),
            (json!({}), None),
        ] {
            assert_eq!(said(event.clone()), expected, "{event}");
        }
    }
}
