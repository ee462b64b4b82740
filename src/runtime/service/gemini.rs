//! Google Gemini, streamed as server-sent events.
//!
//! Each event is a whole piece of an answer. Thoughts are counted beside the answer, and `promptTokenCount` holds what
//! came from the cache. The answer has ended when a `finishReason` was seen. Calls have no ids of their own.

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
    let mut body = json!({
        "contents": ask.messages.iter().map(content).collect::<Vec<_>>(),
        "generationConfig": { "maxOutputTokens": ask.max_tokens },
    });
    if !ask.system.is_empty() {
        body["systemInstruction"] = json!({ "parts": [{ "text": ask.system }] });
    }
    if !ask.tools.is_empty() {
        let tool = |tool: &super::conversation::ToolSpec| json!({ "name": tool.name, "description": tool.description, "parametersJsonSchema": tool.schema });
        body["tools"] = json!([{ "functionDeclarations": ask.tools.iter().map(tool).collect::<Vec<_>>() }]);
    }
    body
}

fn content(message: &Message) -> Value {
    let role = match message.by {
        Speaker::User => "user",
        Speaker::Agent => "model",
    };
    let parts = message.parts.iter().filter_map(|part| {
        Some(match part {
            Part::Text(text) => json!({ "text": text }),
            Part::Call(call) => {
                let mut part = json!({ "functionCall": { "name": call.name, "args": call.object() } });
                if let Some(signature) = &call.signature {
                    part["thoughtSignature"] = signature.as_str().into();
                }
                part
            }
            Part::Result { name, text, is_ok, id: _ } => {
                let word = if *is_ok { "output" } else { "error" };
                json!({ "functionResponse": { "name": name, "response": { word: text } } })
            }
            // Its signature is all that the service wants back, and that stands at the call.
            Part::Thought(_) => return None,
        })
    });
    json!({ "role": role, "parts": parts.collect::<Vec<_>>() })
}

/// Reads one event.
pub(super) fn event(event: &Value, draft: &mut Draft) -> Result<(), Fault> {
    if let Some(model) = event["modelVersion"].as_str() {
        draft.model = Some(model.to_owned());
    }
    if event["usageMetadata"].is_object() {
        spend(&event["usageMetadata"], &mut draft.usage);
    }
    if let Some(word) = event["promptFeedback"]["blockReason"].as_str() {
        draft.stop = Some(Stop::Refused(word.to_owned()));
    }
    let candidate = &event["candidates"][0];
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        if part["thought"] == true {
            continue;
        }
        if let Some(text) = part["text"].as_str() {
            draft.text(draft.next_place(true), text)?;
        }
        let call = &part["functionCall"];
        if let Some(name) = call["name"].as_str() {
            let place = draft.next_place(false);
            draft.call(place, call["id"].as_str().unwrap_or_default(), name)?;
            let input = if call["args"].is_null() { json!({}) } else { call["args"].clone() };
            draft.input(place, input, part["thoughtSignature"].as_str().map(str::to_owned))?;
        }
    }
    match candidate["finishReason"].as_str() {
        None => {}
        Some("STOP") => draft.stop = Some(Stop::Done),
        Some("MAX_TOKENS") => draft.stop = Some(Stop::Length),
        Some(word @ ("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL")) => {
            return Err(Fault::broken(format!("the model's call of a tool went wrong ({word})")));
        }
        Some(
            word
            @ ("SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY"),
        ) => draft.stop = Some(Stop::Refused(word.to_owned())),
        Some(other) => draft.stop = Some(Stop::Unknown(other.to_owned())),
    }
    Ok(())
}

fn spend(told: &Value, usage: &mut Usage) {
    let read = count(&told["cachedContentTokenCount"]);
    let input = count(&told["promptTokenCount"]).saturating_add(count(&told["toolUsePromptTokenCount"]));
    *usage = Usage {
        input_tokens: input.saturating_sub(read),
        output_tokens: count(&told["candidatesTokenCount"]).saturating_add(count(&told["thoughtsTokenCount"])),
        cache_read_tokens: read,
        ..Usage::default()
    };
}
