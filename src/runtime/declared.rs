//! A runtime as settings declare it, and the adapter that this makes.

use std::{path::Path, sync::Arc};

use crate::runtime::{
    adapter::Adapter,
    custom::{Custom, CustomSettings},
    program::{ProgramKind, ProgramSettings},
};

/// What stands behind a runtime's name.
#[derive(Debug, Clone)]
pub enum Declared {
    /// A command of the user's own.
    Custom(CustomSettings),
    /// An agent program that `orch` knows.
    Program(&'static ProgramKind, ProgramSettings),
}

impl Declared {
    /// The adapter; `folder` is where relative programs start.
    #[must_use]
    pub fn adapter(&self, name: &str, folder: &Path) -> Arc<dyn Adapter> {
        match self {
            Self::Custom(settings) => Arc::new(Custom::new(name, settings.clone(), folder)),
            Self::Program(kind, settings) => (kind.make)(settings.clone()),
        }
    }

    /// The program that must be there.
    #[must_use]
    pub fn program(&self) -> String {
        match self {
            Self::Custom(settings) => settings.command.first().cloned().unwrap_or_default(),
            Self::Program(_, settings) => settings.program.to_string_lossy().into_owned(),
        }
    }
}
