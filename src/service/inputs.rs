//! Gathers the inputs of a run from words, pairs and a file. Types come from the schema of each input.
//!
//! Does not check values or fill in defaults: the driver does, when the run is made.

use serde_json::{Map, Value};

use crate::{plan::PlanInput, service::refusal::Refusal};

/// The inputs that a person gives: a file's object first, then pairs, then words for what is positional.
///
/// The last positional input takes all words that are left. Texts stay texts; anything else is read as JSON where it
/// is JSON, so that the check of its schema names what is wrong.
///
/// # Errors
/// When there are more words than positional inputs can take, or an input is given twice.
pub fn gather_inputs(
    inputs: &[PlanInput],
    words: &[String],
    pairs: &[(String, String)],
    file: Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let mut given = file;
    for (name, text) in pairs {
        let schema = inputs.iter().find(|input| &input.name == name).map(|input| &input.schema);
        given.insert(name.clone(), typed(schema, text));
    }
    let positional: Vec<_> = inputs.iter().filter(|input| input.positional).collect();
    let Some((last, first)) = positional.split_last() else {
        if words.is_empty() {
            return Ok(given);
        }
        let names: Vec<_> = inputs.iter().map(|input| format!("`-i {}=…`", input.name)).collect();
        let help =
            if names.is_empty() { "leave them out".to_owned() } else { format!("name them: {}", names.join(", ")) };
        return Err(Refusal::new(2, "E0501", format!("it takes no words: `{}`", words.join(" ")), help));
    };
    let mut words = words.iter();
    for input in first {
        if let Some(word) = words.next() {
            take(&mut given, input, word)?;
        }
    }
    let rest: Vec<&str> = words.map(String::as_str).collect();
    if !rest.is_empty() {
        take(&mut given, last, &rest.join(" "))?;
    }
    Ok(given)
}

fn take(given: &mut Map<String, Value>, input: &PlanInput, text: &str) -> Result<(), Refusal> {
    if given.contains_key(&input.name) {
        let message = format!("the input `{}` is given twice", input.name);
        return Err(Refusal::new(2, "E0501", message, "give it as a word or by name, not both"));
    }
    given.insert(input.name.clone(), typed(Some(&input.schema), text));
    Ok(())
}

fn typed(schema: Option<&Value>, text: &str) -> Value {
    let kind = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str);
    if kind == Some("string") || schema.is_none() {
        return Value::String(text.to_owned());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn input(name: &str, kind: &str, positional: bool) -> PlanInput {
        let schema = json!({ "type": kind });
        PlanInput { name: name.into(), schema, required: true, positional, default: None, description: String::new() }
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn the_last_positional_input_takes_the_rest() {
        let inputs = [input("size", "integer", true), input("idea", "string", true)];
        let given = gather_inputs(&inputs, &words("3 a word counter"), &[], Map::new()).unwrap();
        assert_eq!(Value::Object(given), json!({ "size": 3, "idea": "a word counter" }));
    }

    #[test]
    fn a_text_that_looks_like_a_number_stays_a_text() {
        let pairs = [("idea".to_owned(), "42".to_owned())];
        let given = gather_inputs(&[input("idea", "string", false)], &[], &pairs, Map::new()).unwrap();
        assert_eq!(given["idea"], json!("42"));
    }

    #[test]
    fn twice_and_too_much_are_refused() {
        let idea = [input("idea", "string", true)];
        let pairs = [("idea".to_owned(), "x".to_owned())];
        assert_eq!(gather_inputs(&idea, &words("y"), &pairs, Map::new()).unwrap_err().exit, 2);
        assert_eq!(gather_inputs(&[], &words("y"), &[], Map::new()).unwrap_err().id, "E0501");
    }

    #[test]
    fn pairs_win_over_the_file() {
        let file = json!({ "n": 1 }).as_object().unwrap().clone();
        let pairs = [("n".to_owned(), "2".to_owned())];
        let given = gather_inputs(&[input("n", "integer", false)], &[], &pairs, file).unwrap();
        assert_eq!(given["n"], json!(2));
    }
}
