//! Chat completions, streamed: DeepSeek and every server that speaks as OpenAI once did.
//!
//! `prompt_tokens` holds what came from the cache, which DeepSeek names in a way of its own. An answer has ended when
//! a `finish_reason` was seen; its cost comes after that.

use serde_json::{Value, json};

use crate::{
    base::Usage,
    runtime::service::{
        conversation::{Ask, Message, Part, Speaker, Stop},
        draft::{Draft, count},
        fault::Fault,
    },
};

/// Where the parts of a message stand: first the thoughts, then the text, then the calls.
const THOUGHT: u64 = 0;
const TEXT: u64 = 1;
const CALLS: u64 = 2;
/// Calls of one answer; a place is a number of the service's own.
const CALLS_MAX: u64 = 1_000;

/// The body of a request.
pub(super) fn body(ask: &Ask) -> Value {
    let mut messages = Vec::new();
    if !ask.system.is_empty() {
        messages.push(json!({ "role": "system", "content": ask.system }));
    }
    // Thoughts are wanted back while a tool is being used, and refused once somebody has said something new.
    let is_new = |message: &Message| {
        message.by == Speaker::User && message.parts.iter().any(|part| matches!(part, Part::Text(_)))
    };
    let asked = ask.messages.iter().rposition(is_new).unwrap_or(0);
    for (place, message) in ask.messages.iter().enumerate() {
        match message.by {
            Speaker::User => messages.extend(message.parts.iter().map(from_user)),
            Speaker::Agent => messages.push(from_agent(message, place > asked)),
        }
    }
    let mut body = json!({
        "model": ask.model, "max_tokens": ask.max_tokens, "stream": true,
        "stream_options": { "include_usage": true }, "messages": messages,
    });
    if !ask.tools.is_empty() {
        let tool = |tool: &super::conversation::ToolSpec| {
            let function = json!({ "name": tool.name, "description": tool.description, "parameters": tool.schema });
            json!({ "type": "function", "function": function })
        };
        body["tools"] = ask.tools.iter().map(tool).collect();
    }
    body
}

fn from_user(part: &Part) -> Value {
    match part {
        Part::Result { id, text, is_ok, name: _ } => {
            let text = if *is_ok { text.clone() } else { format!("Error: {text}") };
            json!({ "role": "tool", "tool_call_id": id, "content": text })
        }
        Part::Text(text) => json!({ "role": "user", "content": text }),
        // Only an agent calls and thinks.
        Part::Call(_) | Part::Thought(_) => json!({ "role": "user", "content": "" }),
    }
}

fn from_agent(message: &Message, wants_thoughts: bool) -> Value {
    let (mut text, mut calls, mut thought) = (String::new(), Vec::new(), None);
    for part in &message.parts {
        match part {
            Part::Text(more) => text.push_str(more),
            Part::Call(call) => calls.push(json!({
                "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.object().to_string() },
            })),
            Part::Thought(told) => thought = Some(&told["reasoning_content"]),
            Part::Result { .. } => {}
        }
    }
    let mut said = json!({ "role": "assistant", "content": text });
    if !calls.is_empty() {
        said["tool_calls"] = calls.into();
    }
    if let Some(thought) = thought.filter(|thought| wants_thoughts && thought.is_string()) {
        said["reasoning_content"] = thought.clone();
    }
    said
}

/// Reads one event.
pub(super) fn event(event: &Value, draft: &mut Draft) -> Result<(), Fault> {
    if let Some(model) = event["model"].as_str().filter(|model| !model.is_empty()) {
        draft.model = Some(model.to_owned());
    }
    if event["usage"].is_object() {
        spend(&event["usage"], &mut draft.usage);
    }
    let choice = &event["choices"][0];
    let delta = &choice["delta"];
    // DeepSeek says `reasoning_content`, others `reasoning`.
    let thought = delta["reasoning_content"].as_str().or(delta["reasoning"].as_str());
    if let Some(text) = thought.filter(|text| !text.is_empty()) {
        if !draft.has(THOUGHT) {
            draft.thought(THOUGHT, json!({}))?;
        }
        draft.think(THOUGHT, "reasoning_content", text)?;
    }
    for text in [&delta["content"], &delta["refusal"]].into_iter().filter_map(Value::as_str) {
        draft.text(TEXT, text)?;
    }
    for (nth, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
        // Some servers leave the index out and send each call whole.
        let index = call["index"].as_u64().unwrap_or(nth as u64).min(CALLS_MAX);
        let word = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
        draft.call(CALLS + index, &word(&call["id"]), &word(&call["function"]["name"]))?;
        draft.arguments(CALLS + index, &word(&call["function"]["arguments"]))?;
    }
    match choice["finish_reason"].as_str() {
        None | Some("") => {}
        Some("stop" | "tool_calls" | "function_call") => draft.stop = Some(Stop::Done),
        Some("length") => draft.stop = Some(Stop::Length),
        Some(word @ "content_filter") => draft.stop = Some(Stop::Refused(word.to_owned())),
        Some("insufficient_system_resource") => {
            return Err(Fault::broken("the service had not enough resources to end its answer"));
        }
        Some(other) => draft.stop = Some(Stop::Unknown(other.to_owned())),
    }
    Ok(())
}

fn spend(told: &Value, usage: &mut Usage) {
    let read = told["prompt_tokens_details"]["cached_tokens"].as_u64();
    let read = read.or(told["prompt_cache_hit_tokens"].as_u64()).unwrap_or_default();
    *usage = Usage {
        input_tokens: count(&told["prompt_tokens"]).saturating_sub(read),
        output_tokens: count(&told["completion_tokens"]),
        cache_read_tokens: read,
        ..Usage::default()
    };
}
