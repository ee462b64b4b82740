//! The tool by which an agent hands in its result. Its arguments are the result, so that the schema is told where models
//! heed it most, and checked where it can still be mended.

use serde_json::{Value, json};

use crate::runtime::service::conversation::ToolSpec;

/// The tool's name.
pub(super) const SUBMIT: &str = "submit_result";

/// The tool for results of this schema.
pub(super) fn spec(expected: &Value) -> ToolSpec {
    ToolSpec {
        name: SUBMIT,
        description: "Hands in the result of your task. Call it once, last, when everything is done.".into(),
        schema: if is_object(expected) {
            expected.clone()
        } else {
            json!({ "type": "object", "properties": { "result": expected }, "required": ["result"] })
        },
    }
}

/// The result in a call's arguments.
pub(super) fn value(expected: &Value, input: &Value) -> Value {
    if is_object(expected) { input.clone() } else { input["result"].clone() }
}

/// Arguments are an object; anything else has to stand in one.
fn is_object(schema: &Value) -> bool {
    schema["type"] == "object" || (schema["type"].is_null() && schema["properties"].is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_stands_in_one() {
        let list = json!({ "type": "array" });
        assert_eq!(spec(&list).schema["properties"]["result"], list);
        assert_eq!(value(&list, &json!({ "result": [1] })), json!([1]));
        let object = json!({ "type": "object", "properties": { "result": { "type": "string" } } });
        assert_eq!(spec(&object).schema, object);
        assert_eq!(value(&object, &json!({ "result": "x" })), json!({ "result": "x" }));
    }
}
