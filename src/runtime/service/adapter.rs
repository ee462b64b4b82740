//! The runtime of one model service: checks that it can be called, and with which model.

use std::sync::Arc;

use crate::{
    base::{Evidence, Failure, FailureClass, Outcome, Usage},
    runtime::{
        adapter::{Adapter, Call, Capabilities, ProgramOutput, Reader, Scene, Seen},
        order::Order,
        service::settings::{ServiceSettings, url_fault},
    },
};

/// The longest name of a model, in bytes.
const MODEL_BYTES_MAX: usize = 200;

/// A model service as a runtime.
#[derive(Debug, Clone)]
pub struct Service {
    name: String,
    settings: Arc<ServiceSettings>,
    needs_key: bool,
}

/// A service to be called, and the model that is asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCall {
    /// The runtime's name, for people.
    pub service: String,
    /// How it is reached.
    pub settings: Arc<ServiceSettings>,
    /// Which model answers.
    pub model: String,
}

impl Service {
    /// The runtime `name`. `needs_key` is false for servers that answer whoever asks.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: ServiceSettings, needs_key: bool) -> Self {
        Self { name: name.into(), settings: Arc::new(settings), needs_key }
    }

    /// What is missing before it can be called; nothing if all is there. For `orch runtimes` and the checks before a run.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if let Some(fault) = url_fault(&self.settings.base_url) {
            return Some(format!("the base URL of `{}` cannot be used: {fault}", self.name));
        }
        match &self.settings.key {
            None if self.needs_key => {
                let name = &self.settings.key_name;
                Some(format!("there is no key for `{}`: set the variable {name}", self.name))
            }
            Some(key) if key.expose().is_empty() || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
                Some(format!("what the variable {} holds is no key", self.settings.key_name))
            }
            None | Some(_) => None,
        }
    }
}

impl Adapter for Service {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            sessions: true,
            forks: true,
            presets_session: true,
            streams: true,
            reports_usage: true,
            system_prompt: true,
            models: true,
            structured: true,
            read_only: true,
            tool_lists: true,
            command_rules: true,
            path_rules: true,
            page_rules: true,
            turn_limit: true,
            ..Capabilities::default()
        }
    }

    fn call(&self, order: &Order, _scene: &Scene) -> Result<Call, Box<Failure>> {
        if let Some(missing) = self.missing() {
            return Err(failure(FailureClass::Missing, missing));
        }
        let Some(model) = order.model.clone().or_else(|| self.settings.model.clone()) else {
            let reason =
                format!("no model is named for `{0}`: give the step, the agent or `[runtimes.{0}]` one", self.name);
            return Err(failure(FailureClass::Missing, reason));
        };
        // It becomes a part of an address.
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-:/@+".contains(letter);
        if model.is_empty() || model.len() > MODEL_BYTES_MAX || !model.chars().all(is_plain) || model.contains("..") {
            let shown: String = model.chars().flat_map(char::escape_default).take(80).collect();
            return Err(failure(FailureClass::Permanent, format!("`{shown}` is no name of a model")));
        }
        Ok(Call::Service(Box::new(ServiceCall {
            service: self.name.clone(),
            settings: Arc::clone(&self.settings),
            model,
        })))
    }

    fn reader(&self, _order: &Order) -> Box<dyn Reader> {
        Box::new(NoProgram)
    }
}

/// A service starts no program, so there is nothing to read.
struct NoProgram;

impl Reader for NoProgram {
    fn line(&mut self, _line: &[u8], _is_whole: bool) -> Vec<Seen> {
        Vec::new()
    }

    fn finish(&mut self, _output: &ProgramOutput) -> Outcome {
        Outcome::Failed(failure(FailureClass::Permanent, "a model service starts no program".into()))
    }
}

fn failure(class: FailureClass, reason: String) -> Box<Failure> {
    Box::new(Failure { class, reason, evidence: Evidence::default(), session: None, usage: Usage::default() })
}
