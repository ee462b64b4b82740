//! Anthropic Messages, streamed.
//!
//! `input_tokens` leaves out what came from the cache and what went into it. The end is `message_stop`; why stands in
//! the `message_delta` before it. Not read: `ping`, `content_block_stop`, and whatever else comes.

use serde_json::{Value, json};

use crate::{
    base::Usage,
    runtime::service::{
        conversation::{Ask, Message, Part, Speaker, Stop},
        draft::{Draft, count},
        fault::Fault,
    },
};

/// The body of a request.
pub(super) fn body(ask: &Ask) -> Value {
    let mut messages: Vec<Value> = ask.messages.iter().map(message).collect();
    // What was said so far is the beginning of every later request, so it is worth keeping: at this mark and at the
    // system prompt, which stands behind the tools.
    if let Some(last) = messages.last_mut().and_then(|message| message["content"].as_array_mut()?.last_mut()) {
        last["cache_control"] = json!({ "type": "ephemeral" });
    }
    let mut body = json!({ "model": ask.model, "max_tokens": ask.max_tokens, "stream": true, "messages": messages });
    if !ask.system.is_empty() {
        body["system"] = json!([{ "type": "text", "text": ask.system, "cache_control": { "type": "ephemeral" } }]);
    }
    if !ask.tools.is_empty() {
        let tool = |tool: &super::conversation::ToolSpec| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.schema });
        body["tools"] = ask.tools.iter().map(tool).collect();
    }
    body
}

fn message(message: &Message) -> Value {
    let role = match message.by {
        Speaker::User => "user",
        Speaker::Agent => "assistant",
    };
    // White space alone is refused as a text.
    let parts = message.parts.iter().filter(|part| !matches!(part, Part::Text(text) if text.trim().is_empty()));
    let parts = parts.map(|part| match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Call(call) => json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.object() }),
        Part::Result { id, text, is_ok, name: _ } => {
            json!({ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": !is_ok })
        }
        Part::Thought(thought) => thought.clone(),
    });
    json!({ "role": role, "content": parts.collect::<Vec<_>>() })
}

/// Reads one event.
pub(super) fn event(event: &Value, draft: &mut Draft) -> Result<(), Fault> {
    let place = count(&event["index"]);
    match event["type"].as_str().unwrap_or_default() {
        "message_start" => {
            draft.model = event["message"]["model"].as_str().map(str::to_owned);
            spend(&event["message"]["usage"], &mut draft.usage);
        }
        "content_block_start" => return start(place, &event["content_block"], draft),
        "content_block_delta" => return delta(place, &event["delta"], draft),
        "message_delta" => {
            spend(&event["usage"], &mut draft.usage);
            if let Some(word) = event["delta"]["stop_reason"].as_str() {
                draft.stop = Some(match word {
                    "end_turn" | "tool_use" | "stop_sequence" => Stop::Done,
                    "max_tokens" => Stop::Length,
                    "model_context_window_exceeded" => Stop::Context,
                    "refusal" => Stop::Refused(word.to_owned()),
                    other => Stop::Unknown(other.to_owned()),
                });
            }
        }
        "message_stop" => draft.is_over = true,
        _ => {}
    }
    Ok(())
}

fn start(place: u64, block: &Value, draft: &mut Draft) -> Result<(), Fault> {
    let word = |name: &str| block[name].as_str().unwrap_or_default();
    match word("type") {
        "text" => draft.text(place, word("text")),
        "tool_use" => draft.call(place, word("id"), word("name")),
        "thinking" | "redacted_thinking" => draft.thought(place, block.clone()),
        _ => Ok(()),
    }
}

fn delta(place: u64, delta: &Value, draft: &mut Draft) -> Result<(), Fault> {
    let word = |name: &str| delta[name].as_str().unwrap_or_default();
    match word("type") {
        "text_delta" => draft.text(place, word("text")),
        "input_json_delta" => draft.arguments(place, word("partial_json")),
        "thinking_delta" => draft.think(place, "thinking", word("thinking")),
        "signature_delta" => draft.think(place, "signature", word("signature")),
        _ => Ok(()),
    }
}

/// The last event tells the whole again; some servers leave out there what they have told at the start.
fn spend(told: &Value, usage: &mut Usage) {
    let set = |name: &str, to: &mut u64| {
        if let Some(number) = told[name].as_u64() {
            *to = number;
        }
    };
    set("input_tokens", &mut usage.input_tokens);
    set("output_tokens", &mut usage.output_tokens);
    set("cache_read_input_tokens", &mut usage.cache_read_tokens);
    set("cache_creation_input_tokens", &mut usage.cache_write_tokens);
}
