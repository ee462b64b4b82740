//! The scripted model as a process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use orch::runtime::{
    Adapter,
    service::{Format, SERVICES, Secret, Service, ServiceSettings},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::KEY;

pub struct Stub {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Stub {
    /// The scripted model; nothing where it cannot be had, said aloud.
    pub fn start(scenario: &Value) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let beside = ["..", "../.."].map(|up| here.join(up).join("shared/stub-model/stub_model.py"));
        let named = std::env::var_os("ORCH_STUB_MODEL").map(PathBuf::from);
        let Some(program) = named.into_iter().chain(beside).find(|path| path.is_file()) else {
            eprintln!("SKIPPED: there is no shared/stub-model beside the repository, and ORCH_STUB_MODEL names none");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("scenario.json"), scenario.to_string()).unwrap();
        let spawned = Command::new("python3")
            .arg(program)
            .arg(place("scenario.json"))
            .arg("--port-file")
            .arg(place("port"))
            .arg("--log")
            .arg(place("log"))
            .arg("--log-bodies")
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = spawned else {
            eprintln!("SKIPPED: there is no python3 for the scripted model");
            return None;
        };
        for _ in 0..1_000 {
            if let Some(port) = fs::read_to_string(place("port")).ok().and_then(|text| text.parse().ok()) {
                return Some(Self { process, folder, port });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the scripted model does not start");
    }

    pub fn services(&self) -> Vec<Arc<dyn Adapter>> {
        self.services_with(|_| {})
    }

    pub fn services_with(&self, change: impl Fn(&mut ServiceSettings)) -> Vec<Arc<dyn Adapter>> {
        services_at(&format!("http://127.0.0.1:{}", self.port), change)
    }

    /// The requests that have ended.
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The requests that have ended, once no more of them come: the scripted model notes a request after its answer.
    pub fn settled(&self) -> Vec<Value> {
        let mut before = self.log();
        loop {
            std::thread::sleep(Duration::from_millis(250));
            let now = self.log();
            if now.len() == before.len() {
                return now;
            }
            before = now;
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
