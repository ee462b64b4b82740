//! A runtime as settings declare it, and the adapter that this makes.

use std::{path::Path, sync::Arc};

use crate::runtime::{
    adapter::Adapter,
    custom::{Custom, CustomSettings},
    program::{AcpSettings, ProgramKind, ProgramSettings, acp},
    service::{Service, ServiceSettings},
};

/// What stands behind a runtime's name.
#[derive(Debug, Clone)]
pub enum Declared {
    /// A command of the user's own.
    Custom(CustomSettings),
    /// A command of the user's own that speaks the Agent Client Protocol.
    Acp(AcpSettings),
    /// An agent program that `orch` knows.
    Program(&'static ProgramKind, ProgramSettings),
    /// A model service, and whether it answers nobody without a key.
    Service(Box<ServiceSettings>, bool),
}

impl Declared {
    /// The adapter; `folder` is where relative programs start.
    #[must_use]
    pub fn adapter(&self, name: &str, folder: &Path) -> Arc<dyn Adapter> {
        match self {
            Self::Custom(settings) => Arc::new(Custom::new(name, settings.clone(), folder)),
            Self::Acp(settings) => acp(name, settings, folder),
            Self::Program(kind, settings) => (kind.make)(settings.clone()),
            Self::Service(settings, needs_key) => Arc::new(Service::new(name, (**settings).clone(), *needs_key)),
        }
    }

    /// The program that must be there; empty for a service.
    #[must_use]
    pub fn program(&self) -> String {
        match self {
            Self::Custom(settings) => settings.command.first().cloned().unwrap_or_default(),
            Self::Acp(settings) => settings.command.first().cloned().unwrap_or_default(),
            Self::Program(_, settings) => settings.program.to_string_lossy().into_owned(),
            Self::Service(..) => String::new(),
        }
    }
}
