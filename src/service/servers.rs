//! The values of the variables that MCP servers get.
//!
//! Invariant: a value is in no plan and in no journal. It is read when a run begins, from the declaration that the plan
//! pins by its digest, so that a declaration which has changed since is not used.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    config::{Environment, Flags},
    definition::{Server, ServerForm, ServerUse, expand},
    plan::{Plan, PlanServer},
    service::{
        project::{Opening, Project},
        refusal::Refusal,
    },
};

/// Where values are looked for.
#[derive(Debug, Clone, Default)]
pub struct ServerValues {
    place: Option<(PathBuf, Environment)>,
}

impl ServerValues {
    /// In the files of a project, and in the environment of this process.
    pub(super) fn of_project(root: &std::path::Path, environment: &Environment) -> Self {
        Self { place: Some((root.to_owned(), environment.clone())) }
    }

    /// The values for each server of a plan, in the plan's order.
    ///
    /// # Errors
    /// When a declaration is not there any more, or a variable that it reads is not set.
    pub fn of(&self, plan: &Plan) -> Result<Vec<BTreeMap<String, String>>, Refusal> {
        let place = self.place.as_ref().filter(|_| plan.servers.iter().any(|server| !server.env.is_empty()));
        // Where no value is wanted, or agents are stubs and no server is started.
        let Some((root, environment)) = place else { return Ok(vec![BTreeMap::new(); plan.servers.len()]) };
        let project = Project::open(root, Opening::Search, environment, &Flags::new());
        let project = project.map_err(|_| changed(&plan.servers[0]))?;
        let all = declared(&project);
        let folder = project.root().display().to_string();
        let variable = |name: &str| environment.variable(name)?.to_str().map(str::to_owned);
        let mut values = Vec::new();
        let mut faults = Vec::new();
        for server in &plan.servers {
            let found = all.iter().find(|other| other.name == server.name && other.digest() == server.digest);
            let Some(ServerForm::Program { env, .. }) = found.map(|found| &found.form) else {
                return Err(changed(server));
            };
            let mut own = BTreeMap::new();
            for (name, text) in env {
                match expand(text, &folder, variable) {
                    Ok(value) => drop(own.insert(name.clone(), value)),
                    Err(missing) => faults.push(format!("`{missing}` for `{}`", server.name)),
                }
            }
            values.push(own);
        }
        if faults.is_empty() {
            return Ok(values);
        }
        let message = format!("variables of MCP servers are not set: {}", faults.join(", "));
        Err(Refusal::new(43, "E0321", message, "set them in the shell that starts orch, and run again"))
    }
}

/// Every server that any file of the project declares.
fn declared(project: &Project) -> Vec<Arc<Server>> {
    let library = project.library();
    let own = library.agents.all().flat_map(|(agent, _)| &agent.servers).filter_map(|used| match used {
        ServerUse::Declared(server) => Some(Arc::clone(server)),
        ServerUse::Named(_) => None,
    });
    library.servers.values().cloned().chain(own).collect()
}

fn changed(server: &PlanServer) -> Refusal {
    let message =
        format!("the MCP server `{}` is not declared in {} any more as the plan has it", server.name, server.path);
    Refusal::new(2, "E0320", message, "put the declaration back, or start a new run: `orch run` reads it anew")
}
