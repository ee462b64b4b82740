//! An agent of the Agent Client Protocol: what is started. The conversation is its reader's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::Failure,
    runtime::{
        adapter::{Adapter, Call, Capabilities, Invocation, Reader, Scene},
        order::Order,
        program::{
            acp::{AcpSettings, talk::Talk},
            launch::{impossible, named, server_name, stdin},
        },
    },
};

/// The runtime `name`; `folder` is where `orch.toml` lies.
pub(in crate::runtime) fn acp(name: &str, settings: &AcpSettings, folder: &Path) -> Arc<dyn Adapter> {
    let mut argv: Vec<OsString> = settings.command.iter().map(OsString::from).collect();
    if let Some(program) = argv.first_mut()
        && settings.command[0].contains('/')
    {
        // An agent works in a folder of its own, where the same relative path names something else.
        let found: PathBuf = folder.join(&*program).components().collect();
        *program = found.into();
    }
    Arc::new(Acp { name: name.to_owned(), settings: settings.clone(), argv })
}

struct Acp {
    name: String,
    settings: AcpSettings,
    argv: Vec<OsString>,
}

impl Adapter for Acp {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.settings.capabilities()
    }

    fn call(&self, order: &Order, scene: &Scene) -> Result<Call, Box<Failure>> {
        if self.argv.is_empty() {
            return Err(impossible(format!("runtime `{}` has no command: give it one in orch.toml", self.name)));
        }
        if order.forks {
            return Err(impossible(format!("`{}` cannot fork a session", self.name)));
        }
        if scene.workspace.to_str().is_none() {
            let shown = scene.workspace.display();
            return Err(impossible(format!("the protocol takes no folder that is not UTF-8: `{shown}`")));
        }
        if let Some(session) = &order.session {
            named("session", session)?;
        }
        for server in &order.mcp_servers {
            server_name(&server.name)?;
            if server.command.is_empty() {
                return Err(impossible(format!("the MCP server `{}` has no command", server.name)));
            }
        }
        // The prompt is told later, but a too long one is refused before anything runs.
        stdin(order.prompt())?;
        let mut env =
            [("CI", "1"), ("NO_COLOR", "1")].map(|(name, value)| (name.into(), value.into())).into_iter().collect();
        let own = self.settings.env.iter().map(|(name, value)| (name.into(), value.into()));
        Extend::<(OsString, OsString)>::extend::<_>(&mut env, own);
        Ok(Call::Program(Invocation { argv: self.argv.clone(), env, stdin: Vec::new(), files: Vec::new() }))
    }

    fn reader(&self, order: &Order) -> Box<dyn Reader> {
        Box::new(Talk::new(&self.name, &self.settings, order))
    }
}
