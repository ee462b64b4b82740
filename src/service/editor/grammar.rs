//! What a schema allows at a place: the keys there, with their words of help, and the values that are known.

use serde_json::Value;

use crate::service::explain::schema;

/// The schemas that describe one place; several where there is a choice.
#[derive(Debug, Clone)]
pub(super) struct Grammar {
    root: Value,
}

/// A key that a schema allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyHelp {
    pub name: String,
    pub description: String,
    pub required: bool,
}

/// Choices inside choices at most.
const DEPTH_MAX: usize = 16;

impl Grammar {
    /// The grammar of a kind of file.
    pub fn of(name: &str) -> Option<Self> {
        Some(Self { root: serde_json::from_str(schema(name).ok()?).ok()? })
    }

    /// The keys of the mapping at a path.
    pub fn keys(&self, path: &[String]) -> Vec<KeyHelp> {
        let mut keys: Vec<KeyHelp> = Vec::new();
        for place in self.at(path) {
            let required = place["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let required: Vec<&str> = required.collect();
            for (name, value) in place["properties"].as_object().into_iter().flatten() {
                if keys.iter().all(|key| key.name != *name) && name != "$schema" {
                    let description = value["description"].as_str().unwrap_or_default().to_owned();
                    keys.push(KeyHelp { name: name.clone(), description, required: required.contains(&name.as_str()) });
                }
            }
        }
        keys
    }

    /// The words that the value at a path may be.
    pub fn values(&self, path: &[String]) -> Vec<String> {
        let mut words = Vec::new();
        for place in self.at(path) {
            words.extend(place["enum"].as_array().into_iter().flatten().map(word));
            words.extend(place.get("const").map(word));
            if place["type"] == "boolean" {
                words.extend(["true".to_owned(), "false".to_owned()]);
            }
        }
        words.dedup();
        words
    }

    /// What is said about the last key of a path.
    pub fn description(&self, path: &[String]) -> Option<String> {
        let (key, around) = path.split_last()?;
        self.keys(around).into_iter().find(|help| help.name == *key).map(|help| help.description)
    }

    /// All schemas for the value at a path, with lists and choices taken apart.
    fn at(&self, path: &[String]) -> Vec<&Value> {
        let mut here = self.open(&self.root, 0);
        for key in path {
            let mut inside = Vec::new();
            for place in here {
                let child = place["properties"].get(key).or_else(|| place.get("additionalProperties"));
                if let Some(child) = child.filter(|child| child.is_object()) {
                    inside.extend(self.open(child, 0));
                }
            }
            here = inside;
        }
        here
    }

    /// A schema without references: itself, its choices, and what its list holds.
    fn open<'s>(&'s self, schema: &'s Value, depth: usize) -> Vec<&'s Value> {
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let mut all = vec![schema];
        if let Some(name) = schema["$ref"].as_str().and_then(|target| target.strip_prefix("#/definitions/")) {
            all.extend(self.open(&self.root["definitions"][name], depth + 1));
        }
        for choice in ["anyOf", "allOf", "oneOf"] {
            for inner in schema[choice].as_array().into_iter().flatten() {
                all.extend(self.open(inner, depth + 1));
            }
        }
        // The other dialect of workflow files comes last.
        for part in ["else", "items", "then"] {
            if schema[part].is_object() {
                all.extend(self.open(&schema[part], depth + 1));
            }
        }
        all
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn path(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn keys_and_values_come_from_the_schema() {
        let workflow = Grammar::of("workflow").unwrap();
        let names = |keys: &[&str]| workflow.keys(&path(keys)).into_iter().map(|key| key.name).collect::<Vec<_>>();
        assert!(names(&[]).contains(&"budget".to_owned()));
        assert!(names(&["steps"]).contains(&"on_gate_fail".to_owned()));
        assert!(names(&["steps", "parallel", "gate"]).contains(&"expect".to_owned()));
        assert!(names(&["inputs", "idea"]).contains(&"positional".to_owned()));
        assert_eq!(workflow.values(&path(&["budget", "on_limit"])), ["pause", "stop"]);
        assert_eq!(workflow.values(&path(&["steps", "optional"])), ["true", "false"]);
        assert!(workflow.values(&path(&["steps", "recovery"])).contains(&"idempotent".to_owned()));
        assert!(workflow.description(&path(&["steps", "retry"])).unwrap().contains("attempt"));
        assert_eq!(workflow.description(&path(&["steps", "nothing"])), None);
        let agent = Grammar::of("agent").unwrap().keys(&[]);
        assert!(agent.iter().any(|key| key.name == "description" && key.required));
    }
}
