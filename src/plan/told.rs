//! What agents are told beside their prompt, and what may run only under trust, as a run pins it.
//!
//! Knows nothing of files. All of it is newer than the first stored plans, so a plan without it still reads.

use serde::{Deserialize, Serialize};

use crate::{base::Digest, definition::SecretSource};

/// Why a skill is loaded that nobody named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// Its index in [`Plan::skills`].
    pub skill: u32,
    /// The reason, for people: ``keyword `rust` ``.
    pub why: String,
}

/// What a command that is prose asks for when its order is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProseWork {
    /// Values under `with` that only the run knows, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, ProseValue)>,
    /// Whether files that the prompt names as `@path` are attached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attaches: bool,
}

/// A value that only the run knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProseValue {
    /// The run's id.
    Session,
    /// A folder of the project, absolute; the project's own where it is empty.
    Folder(String),
    /// The text of a file of the project.
    File(String),
}

/// A memory file as a run pins it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanMemory {
    /// Where it stands, as shown to people.
    pub path: String,
    /// The text, imports in place.
    pub text: String,
}

/// An MCP server as a run pins it. The values of its variables are not here: they are read again from where they are
/// declared when the run begins, and the digest says whether that is still the same declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanServer {
    /// Its name.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The names of its variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The file that declares it.
    pub path: String,
    /// The digest of the declaration, with the values as they are written there.
    pub digest: Digest,
    /// Whether it runs only where a person trusts the definition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_trust: bool,
}

/// What a run executes only where a person trusts the definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTrust {
    /// What to type to run it.
    pub name: String,
    /// The definition's file.
    pub path: String,
    /// The digest of that file and of what it includes.
    pub digest: Digest,
    /// The commands, as they will run.
    pub commands: Vec<String>,
    /// The files of the skills that its agents get; what lies beside them belongs to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
}

/// A secret as a run pins it: where its value is, never the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSecret {
    /// Its name.
    pub name: String,
    /// Where the value is, read anew by every owner of a run.
    pub source: SecretSource,
    /// Whether agents may get it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exposed: bool,
}

/// A secret in the environment of a step's attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSecretUse {
    /// The variable.
    pub variable: String,
    /// Its index in [`Plan::secrets`].
    pub secret: u32,
}

/// A skill as a run pins it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSkill {
    /// Its name.
    pub name: String,
    /// The text.
    pub body: String,
}
