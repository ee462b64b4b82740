//! Which request a conversation becomes and how its answer is read, by format.

use serde_json::Value;

use crate::{
    base::Usage,
    runtime::service::{
        anthropic, chat,
        conversation::{Answer, Ask},
        draft::Draft,
        events::Events,
        fault::Fault,
        gemini, responses,
        settings::{Format, Secret},
    },
};

/// A request that was not sent yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The whole address.
    pub url: String,
    /// Headers, all but the key.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Value,
}

/// The request for an answer in events.
#[must_use]
pub fn request(format: Format, base_url: &str, ask: &Ask) -> Request {
    let base = base_url.trim_end_matches('/');
    let (url, headers, body) = match format {
        Format::Anthropic => {
            (format!("{base}/v1/messages"), vec![("anthropic-version", "2023-06-01")], anthropic::body(ask))
        }
        Format::Responses => (format!("{base}/responses"), Vec::new(), responses::body(ask)),
        Format::Chat => (format!("{base}/chat/completions"), Vec::new(), chat::body(ask)),
        Format::Gemini => {
            let model = ask.model.strip_prefix("models/").unwrap_or(ask.model);
            (format!("{base}/v1beta/models/{model}:streamGenerateContent?alt=sse"), Vec::new(), gemini::body(ask))
        }
    };
    Request { url, headers, body }
}

impl Format {
    /// The header that carries the key, and its value.
    #[must_use]
    pub fn key_header(self, key: &Secret) -> (&'static str, String) {
        match self {
            Self::Anthropic => ("x-api-key", key.expose().to_owned()),
            Self::Responses | Self::Chat => ("authorization", format!("Bearer {}", key.expose())),
            Self::Gemini => ("x-goog-api-key", key.expose().to_owned()),
        }
    }
}

/// Reads one answer while it comes.
#[derive(Debug)]
pub struct Reading {
    format: Format,
    events: Events,
    draft: Draft,
}

impl Reading {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, events: Events::default(), draft: Draft::default() }
    }

    /// Takes the next bytes; gives what is said in them.
    ///
    /// # Errors
    /// What is wrong with the answer: an error that it tells, an event that is none.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String, Fault> {
        for data in self.events.push(bytes)? {
            self.event(&data)?;
        }
        Ok(self.draft.take_said())
    }

    /// Whether nothing more can come that matters.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.draft.is_over
    }

    /// What it has cost so far.
    #[must_use]
    pub fn usage(&self) -> (Usage, Option<String>) {
        (self.draft.usage, self.draft.model.clone())
    }

    /// The answer, after the last byte.
    ///
    /// # Errors
    /// An answer that is not whole.
    pub fn finish(&mut self) -> Result<Answer, Fault> {
        if let Some(data) = self.events.finish() {
            self.event(&data)?;
        }
        let mut draft = std::mem::take(&mut self.draft);
        // These two say how they end and not always that nothing follows; but the cost comes last.
        draft.is_over |= matches!(self.format, Format::Chat | Format::Gemini) && !draft.usage.is_zero();
        draft.finish()
    }

    fn event(&mut self, data: &str) -> Result<(), Fault> {
        if self.draft.is_over || data.trim().is_empty() {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.draft.is_over = true;
            return Ok(());
        }
        let event: Value =
            serde_json::from_str(data).map_err(|_| Fault::broken("an event of the answer is not JSON"))?;
        if let Some(fault) = Fault::of_event(&event) {
            return Err(fault);
        }
        match self.format {
            Format::Anthropic => anthropic::event(&event, &mut self.draft),
            Format::Responses => responses::event(&event, &mut self.draft),
            Format::Chat => chat::event(&event, &mut self.draft),
            Format::Gemini => gemini::event(&event, &mut self.draft),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::FailureClass;
    use crate::runtime::service::conversation::{Message, Part, Speaker, Stop, ToolCall, ToolSpec};

    /// One answer of each service, our own words in its form: a thought, a text in pieces, two calls, the cost.
    const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"model":"m-1","usage":{"input_tokens":11,"cache_creation_input_tokens":7,"cache_read_input_tokens":5,"output_tokens":1}}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"I think"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

data: {"type":"content_block_stop","index":0}

data: {"type":"ping"}

data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"I lö"}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"ok."}}

data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t1","name":"Read","input":{}}}

data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"path\": "}}

data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"a\"}"}}

data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t2","name":"Glob","input":{}}}

data: {"type":"content_block_stop","index":3}

data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":20}}

data: {"type":"message_stop"}

"#;
    const RESPONSES: &str = r#"data: {"type":"response.created","response":{"model":"m-1","status":"in_progress","error":null}}

data: {"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}

data: {"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"c2ln","status":"completed"}}

data: {"type":"response.output_text.delta","output_index":1,"delta":"I lö"}

data: {"type":"response.output_text.delta","output_index":1,"delta":"ok."}

data: {"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"t1","name":"Read","arguments":""}}

data: {"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"path\""}

data: {"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"t1","name":"Read","arguments":"{\"path\": \"a\"}"}}

data: {"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","call_id":"t2","name":"Glob","arguments":""}}

data: {"type":"response.completed","response":{"model":"m-1","status":"completed","error":null,"usage":{"input_tokens":16,"input_tokens_details":{"cached_tokens":5},"output_tokens":20}}}

"#;
    const CHAT: &str = r#"data: {"model":"m-1","choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"model":"m-1","choices":[{"delta":{"reasoning_content":"I think","content":null}}]}

data: {"choices":[{"delta":{"content":"I lö"}}]}

data: {"choices":[{"delta":{"content":"ok."}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"Read","arguments":""}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"path\": "}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"a\"}"}},{"index":1,"id":"t2","function":{"name":"Glob","arguments":"{}"}}]}}]}

data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}

data: {"choices":[],"usage":{"prompt_tokens":16,"prompt_cache_hit_tokens":5,"completion_tokens":20}}

data: [DONE]

"#;
    const GEMINI: &str = r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"I think","thought":true}]}}],"usageMetadata":{"promptTokenCount":16},"modelVersion":"m-1"}

data: {"candidates":[{"content":{"parts":[{"text":"I lö"}]}}]}

data: {"candidates":[{"content":{"parts":[{"text":"ok."}]}}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"Read","args":{"path":"a"}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"Glob"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":16,"cachedContentTokenCount":5,"candidatesTokenCount":12,"thoughtsTokenCount":8}}

"#;
    const TAPES: [(Format, &str); 4] = [
        (Format::Anthropic, ANTHROPIC),
        (Format::Responses, RESPONSES),
        (Format::Chat, CHAT),
        (Format::Gemini, GEMINI),
    ];

    fn read(format: Format, bytes: &[u8], size: usize) -> (Result<Answer, Fault>, String) {
        let mut reading = Reading::new(format);
        let mut said = String::new();
        for piece in bytes.chunks(size) {
            match reading.push(piece) {
                Ok(more) => said.push_str(&more),
                Err(fault) => return (Err(fault), said),
            }
        }
        (reading.finish(), said)
    }

    fn call(id: &str, name: &str, input: Value, signature: Option<&str>) -> Part {
        Part::Call(ToolCall { id: id.into(), name: name.into(), input, signature: signature.map(str::to_owned) })
    }

    fn expected(format: Format) -> Answer {
        let thought = match format {
            Format::Anthropic => Some(json!({ "type": "thinking", "thinking": "I think", "signature": "c2ln" })),
            Format::Responses => {
                Some(json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2ln" }))
            }
            Format::Chat => Some(json!({ "reasoning_content": "I think" })),
            Format::Gemini => None,
        };
        let (ids, signature) = if format == Format::Gemini { (["", ""], Some("c2ln")) } else { (["t1", "t2"], None) };
        let mut parts: Vec<_> = thought.into_iter().map(Part::Thought).collect();
        parts.push(Part::Text("I löok.".into()));
        parts.push(call(ids[0], "Read", json!({ "path": "a" }), signature));
        parts.push(call(ids[1], "Glob", json!({}), None));
        let cache_write_tokens = if format == Format::Anthropic { 7 } else { 0 };
        let usage =
            Usage { input_tokens: 11, output_tokens: 20, cache_read_tokens: 5, cache_write_tokens, ..Usage::default() };
        Answer { parts, usage, model: Some("m-1".into()), stop: Stop::Done }
    }

    #[test]
    fn answers_are_the_same_however_they_are_cut_into_pieces() {
        for (format, tape) in TAPES {
            for size in [1, 2, 7, 64, 100_000] {
                let (answer, said) = read(format, tape.as_bytes(), size);
                assert_eq!(answer, Ok(expected(format)), "{format:?} {size}");
                assert_eq!(said, "I löok.", "{format:?} {size}");
            }
        }
    }

    #[test]
    fn an_answer_that_ends_at_any_byte_is_a_fault_or_the_whole_answer() {
        for (format, tape) in TAPES {
            let mut faults = 0;
            for end in 0..tape.len() {
                match read(format, &tape.as_bytes()[..end], 4096).0 {
                    Ok(answer) => assert_eq!(answer, expected(format), "{format:?} {end}"),
                    Err(fault) => {
                        faults += 1;
                        assert!(matches!(fault.class, FailureClass::Transient { .. }), "{format:?} {end}: {fault:?}");
                    }
                }
            }
            // Only what stands behind the last word may be missing.
            assert!(faults + 20 > tape.trim_end().len(), "{format:?} {faults}");
        }
    }

    #[test]
    fn a_broken_event_and_an_error_among_events_are_faults() {
        for (format, tape) in TAPES {
            let (begin, _) = tape.split_at(tape.rfind("data: {").unwrap());
            for wrong in [
                "data: {\"type\": \"broken, oops\n\n",
                "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
                "data: {\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}\n\n",
            ] {
                let (answer, _) = read(format, format!("{begin}{wrong}{tape}").as_bytes(), 50);
                assert!(
                    matches!(&answer, Err(fault) if matches!(fault.class, FailureClass::Transient { .. })),
                    "{format:?} {wrong}: {answer:?}"
                );
            }
        }
    }

    #[test]
    fn every_end_has_its_reason() {
        let anthropic = |word: &str| ANTHROPIC.replace("\"tool_use\"}", &format!("\"{word}\"}}"));
        let chat = |word: &str| CHAT.replace("\"tool_calls\"}", &format!("\"{word}\"}}"));
        let gemini = |word: &str| GEMINI.replace("\"STOP\"", &format!("\"{word}\""));
        let incomplete = |word: &str| {
            let tape = RESPONSES.replace("response.completed", "response.incomplete");
            tape.replace(
                "\"completed\",\"error\"",
                &format!("\"incomplete\",\"incomplete_details\":{{\"reason\":\"{word}\"}},\"error\""),
            )
        };
        let refused = |word: &str| Stop::Refused(word.into());
        let unknown = |word: &str| Stop::Unknown(word.into());
        for (format, tape, stop) in [
            (Format::Anthropic, anthropic("max_tokens"), Stop::Length),
            (Format::Anthropic, anthropic("refusal"), refused("refusal")),
            (Format::Anthropic, anthropic("model_context_window_exceeded"), Stop::Context),
            (Format::Anthropic, anthropic("new_word"), unknown("new_word")),
            (Format::Chat, chat("length"), Stop::Length),
            (Format::Chat, chat("content_filter"), refused("content_filter")),
            (Format::Chat, chat("new_word"), unknown("new_word")),
            (Format::Gemini, gemini("MAX_TOKENS"), Stop::Length),
            (Format::Gemini, gemini("SAFETY"), refused("SAFETY")),
            (Format::Gemini, gemini("NEW"), unknown("NEW")),
            (Format::Responses, incomplete("max_output_tokens"), Stop::Length),
            (Format::Responses, incomplete("content_filter"), refused("content_filter")),
            (Format::Responses, incomplete("new"), unknown("incomplete new")),
        ] {
            let (answer, _) = read(format, tape.as_bytes(), 999);
            assert_eq!(answer.map(|answer| answer.stop), Ok(stop), "{format:?}");
        }
        for (format, tape) in [
            (Format::Gemini, gemini("MALFORMED_FUNCTION_CALL")),
            (Format::Chat, chat("insufficient_system_resource")),
            (Format::Responses, RESPONSES.replace("response.completed", "response.failed")),
        ] {
            assert!(read(format, tape.as_bytes(), 999).0.is_err(), "{format:?}");
        }
    }

    #[test]
    fn arguments_that_are_no_json_are_the_models_own_fault() {
        let tape = CHAT.replace(r#""\"a\"}""#, r#""oh""#);
        let (answer, _) = read(Format::Chat, tape.as_bytes(), 999);
        assert_eq!(answer.unwrap().parts[2], call("t1", "Read", json!("{\"path\": oh"), None));
    }

    /// What every request must say of the same conversation.
    #[test]
    fn a_conversation_becomes_a_request_of_each_format() {
        for (format, _) in TAPES {
            let result = |id: &str, name: &str, text: &str, is_ok| Part::Result {
                id: id.into(),
                name: name.into(),
                text: text.into(),
                is_ok,
            };
            let mut messages = vec![Message::user("do it")];
            messages.push(Message { by: Speaker::Agent, parts: expected(format).parts });
            messages.push(Message {
                by: Speaker::User,
                parts: vec![result("t1", "Read", "found", true), result("t2", "Glob", "no such", false)],
            });
            let tools = [ToolSpec { name: "Read", description: "reads".into(), schema: json!({ "type": "object" }) }];
            let ask = Ask { model: "m", system: "be kind", messages: &messages, tools: &tools, max_tokens: 9 };
            let request = request(format, "http://h/", &ask);
            let body = &request.body;
            let text = body.to_string();
            for part in ["do it", "be kind", "I löok.", "found", "no such", "reads", "c2ln"] {
                assert!(text.contains(part) || (part == "c2ln" && format == Format::Chat), "{format:?} {part}: {text}");
            }
            match format {
                Format::Anthropic => {
                    assert_eq!(request.url, "http://h/v1/messages");
                    assert_eq!((&body["max_tokens"], &body["stream"]), (&json!(9), &json!(true)));
                    assert_eq!(body["messages"][1]["content"][2]["input"], json!({ "path": "a" }));
                    let last = &body["messages"][2]["content"][1];
                    assert_eq!((&last["tool_use_id"], &last["is_error"]), (&json!("t2"), &json!(true)));
                    assert!(last["cache_control"].is_object() && body["system"][0]["cache_control"].is_object());
                }
                Format::Responses => {
                    assert_eq!(request.url, "http://h/responses");
                    assert_eq!((&body["max_output_tokens"], &body["store"]), (&json!(9), &json!(false)));
                    assert_eq!(body["input"][1]["encrypted_content"], "c2ln");
                    assert_eq!(body["input"][3]["arguments"], "{\"path\":\"a\"}");
                    assert_eq!(
                        body["input"][5],
                        json!({ "type": "function_call_output", "call_id": "t1", "output": "found" })
                    );
                }
                Format::Chat => {
                    assert_eq!(request.url, "http://h/chat/completions");
                    assert_eq!(
                        (&body["max_tokens"], &body["stream_options"]["include_usage"]),
                        (&json!(9), &json!(true))
                    );
                    assert_eq!(body["messages"][2]["reasoning_content"], "I think");
                    assert_eq!(body["messages"][2]["tool_calls"][1]["id"], "t2");
                    assert_eq!(
                        body["messages"][4],
                        json!({ "role": "tool", "tool_call_id": "t2", "content": "Error: no such" })
                    );
                }
                Format::Gemini => {
                    assert_eq!(request.url, "http://h/v1beta/models/m:streamGenerateContent?alt=sse");
                    assert_eq!(body["generationConfig"]["maxOutputTokens"], 9);
                    assert_eq!(body["contents"][1]["parts"][1]["thoughtSignature"], "c2ln");
                    let responses = &body["contents"][2]["parts"];
                    assert_eq!(responses[1]["functionResponse"]["response"], json!({ "error": "no such" }));
                }
            }
        }
    }

    #[test]
    fn thoughts_go_back_to_chat_only_while_a_tool_is_used() {
        let mut messages =
            vec![Message::user("one"), Message { by: Speaker::Agent, parts: expected(Format::Chat).parts }];
        messages.push(Message::user("two"));
        let ask = Ask { model: "m", system: "", messages: &messages, tools: &[], max_tokens: 9 };
        let body = request(Format::Chat, "http://h", &ask).body;
        assert!(body["messages"][1]["reasoning_content"].is_null(), "{body}");
    }
}
