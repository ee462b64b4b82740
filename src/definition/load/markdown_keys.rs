//! The keys that `orch` reads in the frontmatter of agents, skills and commands: for editors and for hints.
//!
//! Unlike the keys of the workflow language, others may stand beside them: files of other tools have their own, which are
//! kept. A value of another shape is read as well as it can be, with a warning.

use crate::definition::load::keys::{Key, Table, table};

table! {
    /// The frontmatter of an agent.
    AGENT "agent" "an agent" ["description"] {
        "name" r#"{"type":"string","minLength":1}"# "The name that steps use";
        "description" r#"{"type":"string","minLength":1}"# "What it does and when to use it";
        "tools" r##"{"$ref":"#/definitions/tools"}"## "Tools it may use: a list, or a text with commas; absent means all";
        "disallowedTools" r##"{"$ref":"#/definitions/tools"}"## "Tools taken away first";
        "model" r##"{"$ref":"#/definitions/model"}"## "A model, a tier, `inherit`, or a list of which the first there is taken";
        "runtime" r#"{"type":"string","minLength":1}"# "The runtime it wants";
        "skills" r##"{"$ref":"#/definitions/words"}"## "Skills that are always loaded";
        "mcpServers" r#"{"type":["string","array","object"]}"# "MCP servers that it gets: names, or names with their configuration";
        "constraints" r##"{"$ref":"#/definitions/texts"}"## "Rules that every order repeats";
        "capabilities" r##"{"$ref":"#/definitions/words"}"## "What it can do, for people and planners";
        "context_budget" r##"{"$ref":"#/definitions/count"}"## "Tokens of context";
    }
}

table! {
    /// The frontmatter of a skill.
    SKILL "skill" "a skill" ["description"] {
        "name" r#"{"type":"string","minLength":1}"# "The name; its folder has the same";
        "description" r#"{"type":"string","minLength":1}"# "What it is for and when it applies";
        "when_to_use" r#"{"type":"string"}"# "More about when it applies";
        "triggers" r##"{"$ref":"#/definitions/words"}"## "Keywords or globs that load it for a step";
        "paths" r##"{"$ref":"#/definitions/words"}"## "Globs of files that load it for a step";
        "allowed-tools" r##"{"$ref":"#/definitions/tools"}"## "Tools that it narrows to";
        "disable-model-invocation" r##"{"$ref":"#/definitions/flag"}"## "Whether only people may load it";
        "user-invocable" r##"{"$ref":"#/definitions/flag"}"## "Whether people may start it";
    }
}

table! {
    /// The frontmatter of a command.
    COMMAND "command" "a command" [] {
        "description" r#"{"type":"string","minLength":1}"# "One line for lists";
        "argument-hint" r#"{"type":["string","number","boolean","array","object"]}"# "What to type after it";
        "arguments" r##"{"$ref":"#/definitions/words"}"## "Names for the words after it";
        "argument-base" r#"{"enum":[0,1]}"# "The number of the first word: $0 or $1";
        "workflow" r#"{"type":["string","boolean"],"pattern":"^[A-Za-z][A-Za-z0-9_-]{0,62}$"}"# "The workflow that it runs";
        "steps" r#"{"type":"array","minItems":1}"# "Its own steps, as in a workflow";
        "agent" r#"{"type":"string","minLength":1}"# "The agent that does it";
        "model" r##"{"$ref":"#/definitions/model"}"## "A model or a tier";
        "allowed-tools" r##"{"$ref":"#/definitions/tools"}"## "Tools that need no question while it runs";
    }
}

/// The forms that several keys share: name and JSON Schema.
pub(super) const FORMS: &[(&str, &str)] = &[
    ("tools", r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}},{"type":"object"}]}"#),
    ("words", r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}"#),
    ("texts", r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}"#),
    ("model", r#"{"anyOf":[{"type":"string","minLength":1},{"type":"array","items":{"type":"string"},"minItems":1}]}"#),
    ("flag", r#"{"type":"boolean"}"#),
    ("count", r#"{"anyOf":[{"type":"integer","minimum":0},{"type":"string","pattern":"^[0-9]+(\\.[0-9]+)?[kM]?$"}]}"#),
];
