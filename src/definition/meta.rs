//! What a definition file says beside what `orch` needs to run it: kept whole, so that nothing is lost.

use serde_json::Value;

use crate::base::Span;

/// A key that `orch` does not use, with its value and place, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// The place of the key.
    pub key_span: Span,
    /// The place of the value.
    pub span: Span,
}

/// What every kind of definition may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The name as its author writes it, which may have spaces and capitals.
    pub display_name: String,
    /// Other names that find it: the path's stem, `plugin:name`.
    pub aliases: Vec<String>,
    /// More about when to use it (`when_to_use` and its spellings).
    pub when_to_use: Option<String>,
    /// Whether people may start it; `false` hides it from `orch list` without `--all`.
    pub hidden: bool,
    /// Whether a model may choose it by itself.
    pub model_invocable: bool,
    /// Other keys in the order of the file, of any tool or of none.
    pub extra: Vec<Extra>,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            display_name: String::new(),
            aliases: Vec::new(),
            when_to_use: None,
            hidden: false,
            model_invocable: true,
            extra: Vec::new(),
        }
    }
}

impl Meta {
    /// The value of a key that `orch` does not use.
    #[must_use]
    pub fn extra(&self, key: &str) -> Option<&Value> {
        self.extra.iter().find(|extra| extra.key == key).map(|extra| &extra.value)
    }
}
