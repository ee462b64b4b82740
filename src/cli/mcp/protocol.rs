//! The protocol: which message gets which answer. Pure; what a tool does is asked of somebody else.
//!
//! Two eras are spoken at once. Up to 2025-11-25 a client shakes hands with `initialize`; from 2026-07-28 every request
//! says in its `_meta` which version it speaks, and nothing is remembered. Invariant: a request gets exactly one answer,
//! a notification and an answer get none.

use serde_json::{Map, Value, json};

use crate::cli::mcp::input::Cancelled;

/// The versions that are spoken, the newest first.
pub(super) const VERSIONS: &[&str] = &["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The newest version with a handshake.
const HANDSHAKE: &str = "2025-11-25";
/// Messages of one batch; batches belong to the older versions.
const BATCH_MAX: usize = 32;

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

const PARSE: i64 = -32700;
const INVALID: i64 = -32600;
const NO_METHOD: i64 = -32601;
const PARAMS: i64 = -32602;
const VERSION: i64 = -32022;

/// Carries out a tool by its name with its arguments.
pub(super) type Call<'c> = dyn FnMut(&str, &Map<String, Value>) -> Option<Value> + 'c;

/// What the protocol needs to answer.
pub(super) struct Desk<'d> {
    /// The tools, as `tools/list` shows them.
    pub tools: &'d [Value],
    /// What a client should know before it begins.
    pub instructions: &'d str,
    /// The requests that the client does not want any more.
    pub cancelled: &'d Cancelled,
    /// What a tool answers: a result of `tools/call`; `None` where there is no such tool.
    pub call: &'d mut Call<'d>,
}

/// What is known of the client.
#[derive(Debug, Default)]
pub(super) struct Protocol {
    has_shaken_hands: bool,
}

/// Why a request has no result.
struct Fault {
    code: i64,
    message: String,
    data: Option<Value>,
}

fn fault(code: i64, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into(), data: None }
}

/// An answer to something that could not be read, so that nobody knows which request it was.
pub(super) fn unreadable(message: &str) -> Value {
    refused(&Value::Null, fault(PARSE, message))
}

fn refused(id: &Value, fault: Fault) -> Value {
    let mut error = json!({ "code": fault.code, "message": fault.message });
    if let Some(data) = fault.data {
        error["data"] = data;
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

impl Protocol {
    /// The answer to a message, if it gets one.
    pub fn receive(&mut self, message: &Value, desk: &mut Desk<'_>) -> Option<Value> {
        let Value::Array(batch) = message else { return self.one(message, desk) };
        if batch.is_empty() || batch.len() > BATCH_MAX {
            let why = format!("a batch has 1 to {BATCH_MAX} messages");
            return Some(refused(&Value::Null, fault(INVALID, why)));
        }
        let answers: Vec<_> = batch.iter().filter_map(|message| self.one(message, desk)).collect();
        (!answers.is_empty()).then_some(Value::Array(answers))
    }

    fn one(&mut self, message: &Value, desk: &mut Desk<'_>) -> Option<Value> {
        let invalid = |why: &str| Some(refused(&Value::Null, fault(INVALID, why)));
        let Some(fields) = message.as_object() else { return invalid("a message is a JSON object") };
        let id = fields.get("id");
        if !fields.contains_key("method") && (fields.contains_key("result") || fields.contains_key("error")) {
            // Nothing was asked of the client.
            return None;
        }
        if let Some(id) = id.filter(|id| !(id.is_string() || id.is_i64() || id.is_u64())) {
            return invalid(&format!("the id of a request is a text or a whole number, not {}", kind(id)));
        }
        if fields.get("jsonrpc") != Some(&json!("2.0")) {
            return Some(refused(id.unwrap_or(&Value::Null), fault(INVALID, "`jsonrpc` is not \"2.0\"")));
        }
        let Some(method) = fields.get("method").and_then(Value::as_str) else {
            return Some(refused(id.unwrap_or(&Value::Null), fault(INVALID, "`method` is no text")));
        };
        // A notification: there is none that changes anything here.
        let id = id?;
        if desk.cancelled.take(id) {
            return None;
        }
        let nothing = json!({});
        let params = fields.get("params").unwrap_or(&nothing);
        Some(match self.answer(method, params, desk) {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(fault) => refused(id, fault),
        })
    }

    fn answer(&mut self, method: &str, params: &Value, desk: &mut Desk<'_>) -> Result<Value, Fault> {
        if !params.is_object() {
            return Err(fault(PARAMS, "`params` is no object"));
        }
        match method {
            "initialize" => return self.initialize(params, desk),
            "ping" => return Ok(json!({})),
            _ => {}
        }
        let is_modern = modern(params)?;
        if !is_modern && method == "server/discover" {
            return Err(fault(PARAMS, format!("`_meta` does not say `{VERSION_KEY}`")));
        }
        if !is_modern && !self.has_shaken_hands {
            let why = format!("send `initialize` first, or say `{VERSION_KEY}` in `_meta`");
            return Err(fault(INVALID, why));
        }
        let mut result = match method {
            "server/discover" => json!({
                "supportedVersions": VERSIONS, "capabilities": { "tools": {} }, "instructions": desk.instructions,
                "ttlMs": 0, "cacheScope": "private",
            }),
            "tools/list" if is_modern => {
                json!({ "tools": desk.tools, "ttlMs": 0, "cacheScope": "private" })
            }
            "tools/list" => json!({ "tools": desk.tools }),
            "tools/call" => call(params, desk)?,
            _ => {
                let shown: String = method.chars().take(100).collect();
                return Err(fault(NO_METHOD, format!("there is no method `{}`", shown.escape_debug())));
            }
        };
        if is_modern {
            result["resultType"] = json!("complete");
            result["_meta"] = json!({ SERVER_KEY: server() });
        }
        Ok(result)
    }

    fn initialize(&mut self, params: &Value, desk: &Desk<'_>) -> Result<Value, Fault> {
        if self.has_shaken_hands {
            return Err(fault(INVALID, "`initialize` was sent before"));
        }
        let Some(asked) = params["protocolVersion"].as_str() else {
            return Err(fault(PARAMS, "`protocolVersion` is no text"));
        };
        // The client decides whether the version that it gets will do.
        let version = VERSIONS.iter().find(|known| **known == asked && known.as_bytes() <= HANDSHAKE.as_bytes());
        self.has_shaken_hands = true;
        Ok(json!({
            "protocolVersion": version.unwrap_or(&HANDSHAKE),
            "capabilities": { "tools": {} },
            "serverInfo": server(),
            "instructions": desk.instructions,
        }))
    }
}

/// Whether a request says by itself how it is to be read.
fn modern(params: &Value) -> Result<bool, Fault> {
    let Some(asked) = params["_meta"].get(VERSION_KEY) else { return Ok(false) };
    let Some(asked) = asked.as_str() else { return Err(fault(PARAMS, format!("`{VERSION_KEY}` is no text"))) };
    if !VERSIONS.contains(&asked) {
        let data = json!({ "requested": asked.chars().take(100).collect::<String>(), "supported": VERSIONS });
        return Err(Fault { data: Some(data), ..fault(VERSION, "this version of the protocol is not spoken here") });
    }
    if !params["_meta"][CAPABILITIES_KEY].is_object() {
        return Err(fault(PARAMS, format!("`_meta` does not say `{CAPABILITIES_KEY}`")));
    }
    Ok(true)
}

fn call(params: &Value, desk: &mut Desk<'_>) -> Result<Value, Fault> {
    let Some(name) = params["name"].as_str() else { return Err(fault(PARAMS, "`name` is no text")) };
    let nothing = Map::new();
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(arguments)) => arguments,
        Some(other) => return Err(fault(PARAMS, format!("`arguments` is {}, not an object", kind(other)))),
    };
    (desk.call)(name, arguments).ok_or_else(|| {
        let shown: String = name.chars().take(100).collect();
        let names: Vec<_> = desk.tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect();
        fault(PARAMS, format!("there is no tool `{}`; there are: {}", shown.escape_debug(), names.join(", ")))
    })
}

fn server() -> Value {
    json!({ "name": "orch", "title": "orch", "version": env!("CARGO_PKG_VERSION") })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    /// A desk with one tool that answers with its arguments and counts its calls.
    #[derive(Default)]
    struct Echo {
        calls: usize,
        cancelled: Cancelled,
    }

    impl Echo {
        fn receive(&mut self, protocol: &mut Protocol, message: &Value) -> Option<Value> {
            let calls = &mut self.calls;
            let mut call = |name: &str, arguments: &Map<String, Value>| {
                *calls += 1;
                (name == "echo").then(|| json!({ "content": [], "structuredContent": arguments }))
            };
            let tools = [json!({ "name": "echo" })];
            let mut desk = Desk { tools: &tools, instructions: "words", cancelled: &self.cancelled, call: &mut call };
            protocol.receive(message, &mut desk)
        }
    }

    fn received(protocol: &mut Protocol, message: &Value) -> Option<Value> {
        Echo::default().receive(protocol, message)
    }

    fn request(method: &str, params: Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    }

    fn code(answer: Option<Value>) -> i64 {
        answer.unwrap()["error"]["code"].as_i64().unwrap()
    }

    fn shaken() -> Protocol {
        let mut protocol = Protocol::default();
        received(&mut protocol, &request("initialize", json!({ "protocolVersion": "2025-06-18" })));
        protocol
    }

    fn meta(version: &str) -> Value {
        json!({ "_meta": { VERSION_KEY: version, CAPABILITIES_KEY: {} } })
    }

    #[test]
    fn a_version_is_agreed_on() {
        let agreed = |asked: &str| {
            let asked = request("initialize", json!({ "protocolVersion": asked }));
            let answer = received(&mut Protocol::default(), &asked).unwrap();
            answer["result"]["protocolVersion"].as_str().unwrap().to_owned()
        };
        assert_eq!(agreed("2024-11-05"), "2024-11-05");
        assert_eq!(agreed("2025-11-25"), "2025-11-25");
        // One without a handshake, one that never was, one of tomorrow.
        assert_eq!(["2026-07-28", "1999-01-01", "2099-01-01"].map(agreed), ["2025-11-25"; 3]);
        let bad = request("initialize", json!({ "protocolVersion": 1 }));
        assert_eq!(code(received(&mut Protocol::default(), &bad)), PARAMS);
        assert_eq!(code(received(&mut shaken(), &request("initialize", json!({})))), INVALID);
    }

    #[test]
    fn nothing_is_served_before_the_handshake() {
        let mut echo = Echo::default();
        let mut protocol = Protocol::default();
        for method in ["tools/list", "tools/call", "unknown"] {
            assert_eq!(code(echo.receive(&mut protocol, &request(method, json!({ "name": "echo" })))), INVALID);
        }
        assert_eq!(echo.calls, 0);
        assert_eq!(echo.receive(&mut protocol, &request("ping", json!({}))).unwrap()["result"], json!({}));
    }

    #[test]
    fn newer_clients_shake_no_hands() {
        let mut protocol = Protocol::default();
        let mut echo = Echo::default();
        let found = echo.receive(&mut protocol, &request("server/discover", meta("2026-07-28"))).unwrap();
        assert_eq!(found["result"]["supportedVersions"][0], "2026-07-28");
        let mut params = meta("2026-07-28");
        params["name"] = json!("echo");
        let done = echo.receive(&mut protocol, &request("tools/call", params)).unwrap();
        assert_eq!(done["result"]["resultType"], "complete");
        let listed = echo.receive(&mut protocol, &request("tools/list", meta("2026-07-28"))).unwrap();
        assert_eq!(listed["result"]["ttlMs"], 0);
        let refused = echo.receive(&mut protocol, &request("tools/list", meta("2027-01-01"))).unwrap();
        assert_eq!(refused["error"]["code"], VERSION);
        assert_eq!(refused["error"]["data"]["supported"][0], "2026-07-28");
        let half = json!({ "_meta": { VERSION_KEY: "2026-07-28" } });
        assert_eq!(code(echo.receive(&mut protocol, &request("tools/list", half))), PARAMS);
        // Nothing was remembered of all that.
        assert_eq!(code(echo.receive(&mut protocol, &request("tools/list", json!({})))), INVALID);
    }

    #[test]
    fn odd_messages_get_the_right_fault_or_none() {
        let mut protocol = shaken();
        let mut echo = Echo::default();
        let faults = [
            (json!(3), INVALID),
            (json!([]), INVALID),
            (json!({}), INVALID),
            (json!({ "jsonrpc": "1.0", "id": 1, "method": "ping" }), INVALID),
            (json!({ "jsonrpc": "2.0", "id": null, "method": "ping" }), INVALID),
            (json!({ "jsonrpc": "2.0", "id": 1.5, "method": "ping" }), INVALID),
            (json!({ "jsonrpc": "2.0", "id": 1, "method": 3 }), INVALID),
            (json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1] }), PARAMS),
            (request("no/such", json!({})), NO_METHOD),
            (request("tools/call", json!({})), PARAMS),
            (request("tools/call", json!({ "name": "other" })), PARAMS),
            (request("tools/call", json!({ "name": "echo", "arguments": [] })), PARAMS),
        ];
        for (message, expected) in faults {
            assert_eq!(code(echo.receive(&mut protocol, &message)), expected, "{message}");
        }
        for message in [
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "method": "no/such" }),
            json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
        ] {
            assert_eq!(echo.receive(&mut protocol, &message), None, "{message}");
        }
    }

    #[test]
    fn a_cancelled_request_is_not_carried_out() {
        let mut echo = Echo::default();
        let cancel = json!({ "method": "notifications/cancelled", "params": { "requestId": 1 } });
        echo.cancelled.note(&cancel);
        assert_eq!(echo.receive(&mut shaken(), &request("tools/call", json!({ "name": "echo" }))), None);
        assert_eq!(echo.calls, 0);
    }

    #[test]
    fn batches_are_answered_together() {
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let batch = json!([note, request("ping", json!({})), 3]);
        let answer = received(&mut shaken(), &batch).unwrap();
        assert_eq!(answer.as_array().unwrap().len(), 2);
        assert_eq!(received(&mut shaken(), &json!([note])), None);
        let large = Value::Array(vec![note; BATCH_MAX + 1]);
        assert_eq!(code(received(&mut shaken(), &large)), INVALID);
    }
}
