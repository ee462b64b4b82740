//! OpenAI Responses, streamed.
//!
//! Nothing is stored at the service: the conversation is sent whole, and thoughts go back sealed as they came.
//! `input_tokens` holds what came from the cache. The end is `response.completed` or `response.incomplete`.

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
    let input: Vec<Value> = ask.messages.iter().flat_map(items).collect();
    let mut body = json!({
        "model": ask.model, "max_output_tokens": ask.max_tokens, "stream": true, "store": false, "input": input,
    });
    if !ask.system.is_empty() {
        body["instructions"] = ask.system.into();
    }
    // Models that do not think refuse a request for sealed thoughts.
    if !["gpt-4", "gpt-3", "chatgpt-"].iter().any(|old| ask.model.starts_with(old)) {
        body["include"] = json!(["reasoning.encrypted_content"]);
    }
    if !ask.tools.is_empty() {
        let tool = |tool: &super::conversation::ToolSpec| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description, "parameters": tool.schema,
                "strict": false,
            })
        };
        body["tools"] = ask.tools.iter().map(tool).collect();
    }
    body
}

fn items(message: &Message) -> impl Iterator<Item = Value> {
    message.parts.iter().map(|part| match (part, message.by) {
        (Part::Text(text), Speaker::User) => {
            json!({ "role": "user", "content": [{ "type": "input_text", "text": text }] })
        }
        (Part::Text(text), Speaker::Agent) => {
            json!({ "role": "assistant", "content": [{ "type": "output_text", "text": text }] })
        }
        (Part::Call(call), _) => json!({
            "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.object().to_string(),
        }),
        (Part::Result { id, text, is_ok, name: _ }, _) => {
            let text = if *is_ok { text.clone() } else { format!("Error: {text}") };
            json!({ "type": "function_call_output", "call_id": id, "output": text })
        }
        (Part::Thought(thought), _) => thought.clone(),
    })
}

/// Reads one event.
pub(super) fn event(event: &Value, draft: &mut Draft) -> Result<(), Fault> {
    let place = count(&event["output_index"]);
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    match text("type") {
        "response.created" => draft.model = event["response"]["model"].as_str().map(str::to_owned),
        // A refusal of the model is its text as well.
        "response.output_text.delta" | "response.refusal.delta" => return draft.text(place, text("delta")),
        "response.output_item.added" if event["item"]["type"] == "function_call" => {
            let item = &event["item"];
            return draft.call(place, item["call_id"].as_str().unwrap_or_default(), name(item));
        }
        "response.function_call_arguments.delta" => return draft.arguments(place, text("delta")),
        "response.output_item.done" => return done(place, &event["item"], draft),
        "response.completed" | "response.incomplete" => end(&event["response"], draft),
        // The error itself was found before.
        "response.failed" => return Err(Fault::broken("the service says that the answer failed")),
        _ => {}
    }
    Ok(())
}

/// A whole item. What it says counts; what came of it before was for those who watch.
fn done(place: u64, item: &Value, draft: &mut Draft) -> Result<(), Fault> {
    match item["type"].as_str().unwrap_or_default() {
        "function_call" => {
            draft.call(place, item["call_id"].as_str().unwrap_or_default(), name(item))?;
            let arguments = item["arguments"].as_str().unwrap_or_default();
            let input = if arguments.is_empty() { Ok(json!({})) } else { serde_json::from_str(arguments) };
            draft.input(place, input.unwrap_or_else(|_| arguments.into()), None)
        }
        // One that is not sealed is only known to a service that stores, and would be refused.
        "reasoning" if item["encrypted_content"].is_string() => {
            let mut thought = item.clone();
            if let Some(fields) = thought.as_object_mut() {
                fields.retain(|name, _| ["type", "id", "summary", "encrypted_content"].contains(&name.as_str()));
            }
            draft.thought(place, thought)
        }
        _ => Ok(()),
    }
}

fn name(item: &Value) -> &str {
    item["name"].as_str().unwrap_or_default()
}

fn end(response: &Value, draft: &mut Draft) {
    draft.is_over = true;
    if let Some(model) = response["model"].as_str() {
        draft.model = Some(model.to_owned());
    }
    let (usage, details) = (&response["usage"], &response["usage"]["input_tokens_details"]);
    let read = count(&details["cached_tokens"]);
    draft.usage = Usage {
        input_tokens: count(&usage["input_tokens"]).saturating_sub(read),
        output_tokens: count(&usage["output_tokens"]),
        cache_read_tokens: read,
        ..Usage::default()
    };
    let why = response["incomplete_details"]["reason"].as_str().unwrap_or_default();
    draft.stop = Some(match (response["status"].as_str().unwrap_or_default(), why) {
        ("completed", _) => Stop::Done,
        ("incomplete", "max_output_tokens" | "max_tokens") => Stop::Length,
        ("incomplete", "content_filter") => Stop::Refused(why.to_owned()),
        (status, why) => Stop::Unknown(format!("{status} {why}").trim().to_owned()),
    });
}
