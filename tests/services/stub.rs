//! The scripted model as all model services.

use std::sync::Arc;

use orch::runtime::{
    Adapter,
    service::{Format, SERVICES, Secret, Service, ServiceSettings},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bench::KEY,
    scripted::{self, Scripted},
};

pub struct Stub {
    scripted: Scripted,
    _folder: TempDir,
}

impl Stub {
    /// The scripted model; nothing where it cannot be had, said aloud.
    pub fn start(scenario: &Value) -> Option<Self> {
        let Some(program) = scripted::folder() else {
            eprintln!("SKIPPED: there is no shared/stub-model beside the repository, and ORCH_STUB_MODEL names none");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let Some(scripted) = Scripted::start(&program, scenario, folder.path()) else {
            eprintln!("SKIPPED: there is no python3 for the scripted model");
            return None;
        };
        Some(Self { scripted, _folder: folder })
    }

    pub fn services(&self) -> Vec<Arc<dyn Adapter>> {
        self.services_with(|_| {})
    }

    pub fn services_with(&self, change: impl Fn(&mut ServiceSettings)) -> Vec<Arc<dyn Adapter>> {
        services_at(&self.scripted.address, change)
    }

    /// The requests that have ended.
    pub fn log(&self) -> Vec<Value> {
        self.scripted.log()
    }

    /// The requests that have ended, once no more of them come.
    pub fn settled(&self) -> Vec<Value> {
        self.scripted.settled()
    }
}

/// All services at one address.
pub fn services_at(address: &str, change: impl Fn(&mut ServiceSettings)) -> Vec<Arc<dyn Adapter>> {
    let make = |kind: &orch::runtime::service::ServiceKind| -> Arc<dyn Adapter> {
        let mut settings = kind.settings(|_| None);
        settings.base_url = match kind.format {
            Format::Responses | Format::Chat => format!("{address}/v1"),
            Format::Anthropic | Format::Gemini => format!("{address}/"),
        };
        settings.key = Some(Secret::new(KEY));
        change(&mut settings);
        Arc::new(Service::new(kind.name, settings, kind.needs_key()))
    };
    SERVICES.iter().map(make).collect()
}
