//! Agents that judge: of what an agent has, those tools that only look, and nothing that it shares with others.
//!
//! Knows nothing of running them.

use std::sync::Arc;

use crate::{
    base::Source,
    definition::workflow::Judge,
    plan::{
        compile::{
            compiler::Compiler,
            lower::{millis, own_model},
        },
        defaults,
        policy::JudgeWork,
        read_only::READ_ONLY_TOOLS,
        types::{AgentWork, StepIx},
    },
};

/// What a judge may use that names no agent: the files of the workspace.
const TOOLS: [&str; 3] = ["Read", "Glob", "Grep"];

impl<'a> Compiler<'a> {
    /// Who judges; `None` where there is no such agent.
    pub(super) fn judge(&mut self, ix: StepIx, judge: &'a Judge, source: &'a Arc<Source>) -> Option<JudgeWork> {
        let pinned = match &judge.agent {
            Some(name) => Some(self.agent(source, name)?),
            None => None,
        };
        let agent = pinned.map(|(_, agent)| agent);
        if let Some(model) = &judge.model {
            self.check_model(source, model);
        }
        let skills = self.skills(&[], agent, source, judge.agent.as_ref());
        // An agent without a list inherits every tool; a judge inherits those that look at files.
        let tools = match agent.and_then(|agent| agent.tools.allowed()) {
            Some(tools) => tools.into_iter().filter(|tool| only_looks(tool)).collect(),
            None => TOOLS.map(str::to_owned).to_vec(),
        };
        // What the step may not do, nobody may do for it.
        let permissions = self.draft.sketch(ix).step.permissions.clone().unwrap_or_default();
        let permissions = match agent {
            Some(agent) => permissions.and(&agent.permissions),
            None => permissions,
        };
        let tools = permissions.narrow(Some(tools));
        let named = |text: &Option<crate::base::Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        let work = AgentWork {
            agent: pinned.map(|(index, _)| index),
            runtime: named(&judge.runtime).or_else(|| agent.and_then(|agent| agent.runtime.clone())),
            model: named(&judge.model).or_else(|| own_model(agent)),
            tools,
            context_budget: agent.and_then(|agent| agent.context_budget).unwrap_or(defaults::CONTEXT_BUDGET),
            skills,
            permissions,
            ..AgentWork::default_for(self.workspace(ix))
        };
        Some(JudgeWork {
            rubric: judge.rubric.value.trim().to_owned(),
            file: judge.file.clone(),
            min: judge.min,
            judges: judge.judges,
            agent: work,
            timeout_ms: millis(judge.timeout.unwrap_or(defaults::JUDGE_TIMEOUT)),
        })
    }
}

fn only_looks(tool: &str) -> bool {
    let name = tool.split('(').next().unwrap_or(tool).trim();
    READ_ONLY_TOOLS.iter().any(|known| known.eq_ignore_ascii_case(name))
}
