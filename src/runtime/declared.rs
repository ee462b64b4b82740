//! A runtime as settings declare it, and the adapter that this makes.

use std::{ffi::OsString, path::Path, sync::Arc};

use crate::{
    base::Digest,
    runtime::{
        adapter::Adapter,
        custom::{Custom, CustomSettings},
        program::{AcpSettings, ProgramKind, ProgramSettings, acp},
        service::{Service, ServiceSettings},
    },
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

    /// What limits it: the same text for all that share an account with a service, in whatever project and under
    /// whatever name. Keys are in it as digests only.
    #[must_use]
    pub fn account(&self, name: &str, env: &[(OsString, OsString)]) -> String {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut part = |text: &[u8]| parts.push(Digest::of(text).as_str().as_bytes().to_vec());
        // A login is kept in the user's home.
        let home = env.iter().find(|(name, _)| name == "HOME").map(|(_, value)| value.as_encoded_bytes());
        let label = match self {
            Self::Custom(CustomSettings { command, env, .. }) | Self::Acp(AcpSettings { command, env, .. }) => {
                command.iter().for_each(|word| part(word.as_bytes()));
                for (name, value) in env {
                    part(name.as_bytes());
                    part(value.as_bytes());
                }
                part(home.unwrap_or_default());
                name
            }
            Self::Program(kind, settings) => {
                // Its keys and its addresses; what else it is told changes nothing of what it may use.
                let known = |name: &OsString| kind.variables.iter().any(|known| name == known);
                for (name, value) in settings.env.iter().filter(|(name, _)| known(name)) {
                    part(name.as_encoded_bytes());
                    part(value.as_encoded_bytes());
                }
                part(home.filter(|_| !settings.isolated_home).unwrap_or_default());
                kind.name
            }
            Self::Service(settings, _) => {
                part(settings.base_url.trim_end_matches('/').as_bytes());
                part(settings.key.as_ref().map_or("", |key| key.expose()).as_bytes());
                "service"
            }
        };
        format!("{label} {}", Digest::of(&parts.concat()).short())
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
