//! What stands in the place of an agent of the Agent Client Protocol in a build without it.

use std::{path::Path, sync::Arc};

use crate::{
    base::{Evidence, Failure, FailureClass, Outcome, Usage},
    runtime::{
        adapter::{Adapter, Call, Capabilities, ProgramOutput, Reader, Scene, Seen},
        order::Order,
        program::acp::AcpSettings,
    },
};

/// The runtime `name`, which can do nothing here.
pub(in crate::runtime) fn acp(name: &str, settings: &AcpSettings, _folder: &Path) -> Arc<dyn Adapter> {
    Arc::new(Absent { name: name.to_owned(), settings: settings.clone() })
}

struct Absent {
    name: String,
    settings: AcpSettings,
}

impl Absent {
    fn failure(name: &str) -> Box<Failure> {
        let reason = format!(
            "`{name}` speaks the Agent Client Protocol, and this orch was built without it: \
             cargo install orch --features acp"
        );
        let (evidence, usage) = (Evidence::default(), Usage::default());
        Box::new(Failure { class: FailureClass::Missing, reason, evidence, session: None, usage })
    }
}

impl Adapter for Absent {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.settings.capabilities()
    }

    fn call(&self, _order: &Order, _scene: &Scene) -> Result<Call, Box<Failure>> {
        Err(Self::failure(&self.name))
    }

    fn reader(&self, _order: &Order) -> Box<dyn Reader> {
        Box::new(Silence(self.name.clone()))
    }
}

/// Reads nothing, because nothing was called.
struct Silence(String);

impl Reader for Silence {
    fn line(&mut self, _line: &[u8], _is_whole: bool) -> Vec<Seen> {
        Vec::new()
    }

    fn finish(&mut self, _output: &ProgramOutput) -> Outcome {
        Outcome::Failed(Absent::failure(&self.0))
    }
}
