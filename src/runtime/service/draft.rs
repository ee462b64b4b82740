//! An answer while it comes, whatever the format.
//!
//! Invariant: a draft becomes an answer only when its service has said how it ended. An answer that was cut, at
//! whatever byte, is a fault.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    base::Usage,
    runtime::service::{
        conversation::{Answer, Part, Stop, ToolCall},
        fault::Fault,
    },
};

/// All bytes of one answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Parts of one answer.
const PARTS_MAX: usize = 2_000;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    parts: BTreeMap<u64, Piece>,
    /// What it cost so far; services count anew in each event, so it is set and never added to.
    pub usage: Usage,
    /// The model that answers.
    pub model: Option<String>,
    /// Why it ended.
    pub stop: Option<Stop>,
    /// Nothing comes after this.
    pub is_over: bool,
    said: String,
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Call { id: String, name: String, arguments: String, input: Option<Value>, signature: Option<String> },
    Thought(Value),
}

impl Draft {
    /// Adds to the text at a place.
    pub fn text(&mut self, place: u64, text: &str) -> Result<(), Fault> {
        self.weigh(text.len())?;
        self.said.push_str(text);
        match self.parts.entry(place).or_insert_with(|| Piece::Text(String::new())) {
            Piece::Text(all) => all.push_str(text),
            Piece::Call { .. } | Piece::Thought(_) => return Err(misplaced()),
        }
        Ok(())
    }

    /// A call begins, or what is known of it is told again.
    pub fn call(&mut self, place: u64, id: &str, name: &str) -> Result<(), Fault> {
        self.weigh(id.len() + name.len())?;
        let new = || Piece::Call {
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
            input: None,
            signature: None,
        };
        match self.parts.entry(place).or_insert_with(new) {
            Piece::Call { id: known_id, name: known, .. } => {
                if !id.is_empty() {
                    id.clone_into(known_id);
                }
                if !name.is_empty() {
                    name.clone_into(known);
                }
            }
            Piece::Text(_) | Piece::Thought(_) => return Err(misplaced()),
        }
        Ok(())
    }

    /// Adds to the arguments of the call at a place.
    pub fn arguments(&mut self, place: u64, text: &str) -> Result<(), Fault> {
        self.weigh(text.len())?;
        match self.parts.get_mut(&place) {
            Some(Piece::Call { arguments, .. }) => arguments.push_str(text),
            Some(Piece::Text(_) | Piece::Thought(_)) | None => return Err(misplaced()),
        }
        Ok(())
    }

    /// The whole arguments of the call at a place, which count instead of what came in pieces.
    pub fn input(&mut self, place: u64, value: Value, signed: Option<String>) -> Result<(), Fault> {
        match self.parts.get_mut(&place) {
            Some(Piece::Call { input, signature, .. }) => (*input, *signature) = (Some(value), signed),
            Some(Piece::Text(_) | Piece::Thought(_)) | None => return Err(misplaced()),
        }
        Ok(())
    }

    /// Sets what only the service can read.
    pub fn thought(&mut self, place: u64, thought: Value) -> Result<(), Fault> {
        self.weigh(64)?;
        self.parts.insert(place, Piece::Thought(thought));
        Ok(())
    }

    /// Adds a text to a field of the thought at a place.
    pub fn think(&mut self, place: u64, field: &str, text: &str) -> Result<(), Fault> {
        self.weigh(text.len())?;
        let Some(Piece::Thought(thought)) = self.parts.get_mut(&place) else { return Err(misplaced()) };
        let all = format!("{}{text}", thought[field].as_str().unwrap_or_default());
        thought[field] = all.into();
        Ok(())
    }

    /// The place after the last; that of the last where it is a text and `continues`.
    pub fn next_place(&self, continues: bool) -> u64 {
        match self.parts.last_key_value() {
            Some((place, Piece::Text(_))) if continues => *place,
            Some((place, _)) => place + 1,
            None => 0,
        }
    }

    /// Whether a place is taken.
    pub fn has(&self, place: u64) -> bool {
        self.parts.contains_key(&place)
    }

    /// What was said since this was asked last.
    pub fn take_said(&mut self) -> String {
        std::mem::take(&mut self.said)
    }

    /// The answer, if it is whole.
    pub fn finish(self) -> Result<Answer, Fault> {
        let Some(stop) = self.stop.filter(|_| self.is_over) else {
            return Err(Fault::broken("the answer ended before its end"));
        };
        let mut parts = Vec::with_capacity(self.parts.len());
        for piece in self.parts.into_values() {
            parts.push(match piece {
                Piece::Text(text) if text.is_empty() => continue,
                Piece::Text(text) => Part::Text(text),
                Piece::Thought(thought) => Part::Thought(thought),
                Piece::Call { id, name, arguments, input, signature } => {
                    let input = input.unwrap_or_else(|| parsed(arguments));
                    Part::Call(ToolCall { id, name, input, signature })
                }
            });
        }
        Ok(Answer { parts, usage: self.usage, model: self.model, stop })
    }

    fn weigh(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes += bytes;
        if self.bytes > ANSWER_BYTES_MAX || self.parts.len() > PARTS_MAX {
            return Err(Fault::broken("the answer is too long"));
        }
        Ok(())
    }
}

/// Arguments are the model's own words: where they are no JSON, it is told so and may try again.
fn parsed(arguments: String) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(&arguments).unwrap_or(Value::String(arguments))
}

fn misplaced() -> Fault {
    Fault::broken("the events of the answer contradict each other")
}

/// A number of tokens; 0 where none is told.
pub(super) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
