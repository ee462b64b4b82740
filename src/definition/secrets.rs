//! Secrets as a definition names them: where the value is, and who gets it. The value itself is in no definition.

use serde::{Deserialize, Serialize};

use crate::base::Spanned;

/// One entry of a workflow's `secrets:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDeclared {
    /// Its name.
    pub name: Spanned<String>,
    /// Where the value is.
    pub source: SecretSource,
    /// Whether agents may get it: what an agent's program can read, its model can read.
    pub exposed: bool,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// In a variable of the environment of `orch`.
    Env(String),
    /// In a file: from the project's root, from the home folder (`~/`) or absolute.
    File(String),
    /// In what a program prints.
    Command(Vec<String>),
}

/// One entry of a step's `secrets:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The variable that the step's command finds it in.
    pub variable: String,
    /// The secret's name.
    pub secret: Spanned<String>,
}
