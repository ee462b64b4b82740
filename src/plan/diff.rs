//! What an edit has changed in a plan: steps, their parts, and edges. A pure function of two plans.
//!
//! Steps are told apart by their paths, so a step that moves into a container is one removed and one added. Lines do
//! not count: a step that only stands elsewhere in its file has not changed.

use serde::Serialize;

use crate::plan::{
    AgentWork, EdgeKind, GateFail, JudgeWork, Meaning, Plan, PlanContext, PlanGate, PlanSecretUse, PlanStep, Read,
    StepIx, Text, Work,
};

/// The difference of two plans of one workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlanDiff {
    /// Paths of steps that are new.
    pub added: Vec<String>,
    /// Paths of steps that are gone.
    pub removed: Vec<String>,
    /// Steps that are not what they were.
    pub changed: Vec<ChangedStep>,
    /// Edges that are new, or come from elsewhere than before.
    pub edges_added: Vec<Edge>,
    /// Edges that are gone.
    pub edges_removed: Vec<Edge>,
    /// Parts of the workflow itself: `inputs`, `budget`, `outputs` and so on.
    pub workflow: Vec<&'static str>,
}

/// A step that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedStep {
    /// Its path.
    pub step: String,
    /// Which parts, as the keys that a definition writes.
    pub parts: Vec<&'static str>,
}

/// One step waits for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// What is waited for.
    pub from: String,
    /// What waits.
    pub to: String,
    /// Where the edge comes from.
    pub edge: EdgeKind,
}

impl PlanDiff {
    /// Whether nothing that a person would see has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What must be done to `old` to get `new`.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> PlanDiff {
    let pair = Pair { old, new };
    let missing = |from: &Plan, to: &Plan| -> Vec<String> {
        let is_missing = |step: &&PlanStep| !to.steps.iter().any(|other| other.path == step.path);
        from.steps.iter().filter(is_missing).map(|step| step.path.clone()).collect()
    };
    let mut changed = Vec::new();
    for step in &new.steps {
        if let Some(before) = old.steps.iter().find(|other| other.path == step.path) {
            let parts = pair.step(before, step);
            if !parts.is_empty() {
                changed.push(ChangedStep { step: step.path.clone(), parts });
            }
        }
    }
    let (before, after) = (edges(old), edges(new));
    let without = |some: &[Edge], others: &[Edge]| -> Vec<Edge> {
        some.iter().filter(|edge| others.binary_search(edge).is_err()).cloned().collect()
    };
    PlanDiff {
        added: missing(new, old),
        removed: missing(old, new),
        changed,
        edges_added: without(&after, &before),
        edges_removed: without(&before, &after),
        workflow: pair.workflow(),
    }
}

/// All edges, sorted.
fn edges(plan: &Plan) -> Vec<Edge> {
    let of = |step: &PlanStep| {
        let to = step.path.clone();
        step.needs
            .iter()
            .map(|need| Edge { from: plan.step(need.step).path.clone(), to: to.clone(), edge: need.edge })
            .collect::<Vec<_>>()
    };
    let mut edges: Vec<Edge> = plan.steps.iter().flat_map(of).collect();
    edges.sort();
    edges
}

/// Two plans whose indices mean different things.
struct Pair<'p> {
    old: &'p Plan,
    new: &'p Plan,
}

/// Names of what differs.
#[derive(Default)]
struct Parts(Vec<&'static str>);

impl Parts {
    fn note(&mut self, part: &'static str, is_same: bool) {
        if !is_same && !self.0.contains(&part) {
            self.0.push(part);
        }
    }
}

impl Pair<'_> {
    fn workflow(&self) -> Vec<&'static str> {
        let (old, new) = (self.old, self.new);
        let mut parts = Parts::default();
        parts.note("name", old.name == new.name);
        parts.note("description", old.description == new.description);
        parts.note("inputs", old.inputs == new.inputs);
        parts.note("models", old.models == new.models);
        parts.note("budget", old.budget == new.budget);
        parts.note("limits", old.limits == new.limits);
        parts.note("on_failure", old.on_failure == new.on_failure);
        parts.note("outputs", self.values(&old.outputs, &new.outputs));
        parts.0
    }

    fn step(&self, old: &PlanStep, new: &PlanStep) -> Vec<&'static str> {
        // All fields by name, so that a new one cannot be forgotten: the path is the same, lines do not count, and
        // needs are edges.
        let PlanStep {
            id: _,
            path: _,
            parent: _,
            line: _,
            work,
            needs: _,
            join,
            when,
            gates,
            on_gate_fail,
            retry,
            timeout_ms,
            idle_timeout_ms,
            recovery,
            optional,
            on_failure,
            output,
            with,
            env,
            secrets,
            args,
            files,
            summary,
            cache,
            sandbox,
            isolated,
        } = old;
        let mut parts = Parts::default();
        self.work(work, &new.work, &mut parts);
        parts.note("join", *join == new.join);
        parts.note("when", self.texts(when.as_slice(), new.when.as_slice()));
        let same = gates.len() == new.gates.len() && gates.iter().zip(&new.gates).all(|(old, new)| self.gate(old, new));
        parts.note("gate", same);
        parts.note("on_gate_fail", self.gate_fail(on_gate_fail, &new.on_gate_fail));
        parts.note("retry", *retry == new.retry);
        parts.note("timeout", *timeout_ms == new.timeout_ms);
        parts.note("idle_timeout", *idle_timeout_ms == new.idle_timeout_ms);
        parts.note("recovery", *recovery == new.recovery);
        parts.note("optional", *optional == new.optional);
        parts.note("on_failure", *on_failure == new.on_failure);
        parts.note("output", *output == new.output);
        parts.note("with", self.values(with, &new.with));
        parts.note("env", self.values(env, &new.env));
        parts.note("secrets", self.secrets(secrets, &new.secrets));
        parts.note("args", self.texts(args, &new.args));
        parts.note("files", self.texts(files, &new.files));
        parts.note("summary", self.texts(summary.as_slice(), new.summary.as_slice()));
        let is_same_cache = match (cache, &new.cache) {
            (Some(old), Some(new)) => old.ttl_ms == new.ttl_ms && self.texts(old.key.as_slice(), new.key.as_slice()),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        parts.note("cache", is_same_cache);
        parts.note("sandbox", *sandbox == new.sandbox);
        parts.note("worktree", *isolated == new.isolated);
        parts.0
    }

    fn secrets(&self, old: &[PlanSecretUse], new: &[PlanSecretUse]) -> bool {
        let of =
            |plan: &Plan, one: &PlanSecretUse| (one.variable.clone(), plan.secrets.get(one.secret as usize).cloned());
        old.iter().map(|one| of(self.old, one)).eq(new.iter().map(|one| of(self.new, one)))
    }

    fn gate_fail(&self, old: &GateFail, new: &GateFail) -> bool {
        let GateFail { feedback, fixer, tries, then } = old;
        let is_same_fixer = match (fixer, &new.fixer) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let mut inner = Parts::default();
                self.agent(one, other, &mut inner);
                inner.0.is_empty()
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_same_fixer && (*feedback, *tries, *then) == (new.feedback, new.tries, new.then)
    }

    fn work(&self, old: &Work, new: &Work, parts: &mut Parts) {
        match (old, new) {
            (Work::Agent(old), Work::Agent(new)) => self.agent(old, new, parts),
            (
                Work::Run { command, workspace, keeps_text },
                Work::Run { command: after, workspace: place, keeps_text: kept },
            ) => {
                parts.note("run", command == after && keeps_text == kept);
                parts.note("workspace", workspace == place);
            }
            (Work::Approve { text }, Work::Approve { text: after }) => parts.note("approve", self.text(text, after)),
            (Work::Ask { text }, Work::Ask { text: after }) => parts.note("ask", self.text(text, after)),
            (Work::Sleep { delay_ms }, Work::Sleep { delay_ms: after }) => parts.note("wait", delay_ms == after),
            (Work::Await { signal }, Work::Await { signal: after }) => parts.note("wait", signal == after),
            (Work::Emit { signal }, Work::Emit { signal: after }) => parts.note("emit", signal == after),
            (Work::Checkpoint { name }, Work::Checkpoint { name: after }) => parts.note("checkpoint", name == after),
            (Work::Merge(old), Work::Merge(new)) => {
                parts.note("merge", (old.strategy, old.rank) == (new.strategy, new.rank));
            }
            (Work::Stop { succeed, text }, Work::Stop { succeed: after, text: words }) => {
                parts.note("stop", succeed == after && self.text(text, words));
            }
            (Work::Parallel { max_parallel, .. }, Work::Parallel { max_parallel: after, .. }) => {
                parts.note("max_parallel", max_parallel == after);
            }
            (Work::Each(old), Work::Each(new)) => {
                parts.note("each", self.text(&old.items, &new.items));
                parts.note("as", old.binding == new.binding);
                parts.note("key", self.texts(old.key.as_slice(), new.key.as_slice()));
                parts.note("max_parallel", old.max_parallel == new.max_parallel);
                parts.note("max_items", old.max_items == new.max_items);
                parts.note("batch", old.batch == new.batch);
            }
            (Work::Loop { max, until, on_max, .. }, Work::Loop { max: after, until: condition, on_max: last, .. }) => {
                parts.note("loop", max == after && on_max == last);
                parts.note("until", self.texts(until.as_slice(), condition.as_slice()));
            }
            (
                Work::Call { workflow, inputs, outputs, .. },
                Work::Call { workflow: after, inputs: given, outputs: results, .. },
            ) => {
                parts.note("workflow", workflow == after && inputs == given);
                parts.note("outputs", self.values(outputs, results));
            }
            _ => parts.note("kind", false),
        }
    }

    fn agent(&self, old: &AgentWork, new: &AgentWork, parts: &mut Parts) {
        let AgentWork {
            agent: _,
            skills: _,
            activated: _,
            memory: _,
            servers: _,
            prompt,
            runtime,
            model,
            tools,
            context,
            context_budget,
            workspace,
            prose,
            permissions,
            danger,
            answer_files,
        } = old;
        let agent = |plan: &Plan, work: &AgentWork| work.agent.and_then(|at| plan.agents.get(at as usize)).cloned();
        match (agent(self.old, old), agent(self.new, new)) {
            (Some(one), Some(other)) => {
                parts.note("agent", one.name == other.name);
                parts.note("agent body", one.body == other.body);
                parts.note("agent constraints", one.constraints == other.constraints);
            }
            (one, other) => parts.note("agent", one == other),
        }
        parts.note("prompt", self.text(prompt, &new.prompt));
        parts.note("runtime", *runtime == new.runtime);
        parts.note("model", *model == new.model);
        parts.note("tools", *tools == new.tools);
        parts.note("permissions", *permissions == new.permissions);
        parts.note("danger", *danger == new.danger);
        parts.note("files_from", *answer_files == new.answer_files);
        let is_same = match (*context, new.context) {
            (PlanContext::Fresh, PlanContext::Fresh) => true,
            (PlanContext::Fork(one), PlanContext::Fork(other))
            | (PlanContext::Share(one), PlanContext::Share(other)) => self.same(one, other),
            _ => false,
        };
        parts.note("context", is_same);
        parts.note("context_budget", *context_budget == new.context_budget);
        let skills = |plan: &Plan, work: &AgentWork| -> Vec<_> {
            work.skills.iter().filter_map(|at| plan.skills.get(*at as usize)).cloned().collect()
        };
        parts.note("skills", skills(self.old, old) == skills(self.new, new));
        let memory = |plan: &Plan, work: &AgentWork| -> Vec<_> {
            work.memory.iter().filter_map(|at| plan.memory.get(*at as usize)).cloned().collect()
        };
        parts.note("memory", memory(self.old, old) == memory(self.new, new));
        let servers = |plan: &Plan, work: &AgentWork| -> Vec<_> {
            work.servers.iter().filter_map(|at| plan.servers.get(*at as usize)).cloned().collect()
        };
        parts.note("MCP servers", servers(self.old, old) == servers(self.new, new));
        parts.note("attached files", *prose == new.prose);
        parts.note("workspace", *workspace == new.workspace);
    }

    fn gate(&self, old: &PlanGate, new: &PlanGate) -> bool {
        match (old, new) {
            (
                PlanGate::Run { command, expect, timeout_ms, from },
                PlanGate::Run { command: after, expect: wanted, timeout_ms: time, from: source },
            ) => {
                (command, timeout_ms, from) == (after, time, source) && self.texts(expect.as_slice(), wanted.as_slice())
            }
            (PlanGate::Check { expression, from }, PlanGate::Check { expression: after, from: source }) => {
                from == source && self.text(expression, after)
            }
            (PlanGate::Approve { text, from }, PlanGate::Approve { text: after, from: source }) => {
                from == source && self.text(text, after)
            }
            (PlanGate::Judge { judge, from }, PlanGate::Judge { judge: after, from: source }) => {
                let mut inner = Parts::default();
                self.agent(&judge.agent, &after.agent, &mut inner);
                // Which place an agent has in a plan means nothing; what it is has been compared.
                let same = JudgeWork { agent: after.agent.clone(), ..(**judge).clone() };
                inner.0.is_empty() && from == source && same == **after
            }
            (one, other) => one == other,
        }
    }

    /// Whether two indices mean the same step.
    fn same(&self, old: StepIx, new: StepIx) -> bool {
        self.old.step(old).path == self.new.step(new).path
    }

    fn text(&self, old: &Text, new: &Text) -> bool {
        old.text == new.text && self.reads(&old.reads, &new.reads)
    }

    fn texts(&self, old: &[Text], new: &[Text]) -> bool {
        old.len() == new.len() && old.iter().zip(new).all(|(old, new)| self.text(old, new))
    }

    fn values(&self, old: &[(String, crate::plan::ValueText)], new: &[(String, crate::plan::ValueText)]) -> bool {
        old.len() == new.len()
            && old.iter().zip(new).all(|((name, old), (other, new))| {
                name == other && old.value == new.value && self.reads(&old.reads, &new.reads)
            })
    }

    fn reads(&self, old: &[Read], new: &[Read]) -> bool {
        old.len() == new.len()
            && old.iter().zip(new).all(|(old, new)| old.name == new.name && self.means(old.means, new.means))
    }

    fn means(&self, old: Meaning, new: Meaning) -> bool {
        match (old, new) {
            (Meaning::Inputs(Some(one)), Meaning::Inputs(Some(other)))
            | (Meaning::Step(one), Meaning::Step(other))
            | (Meaning::Item(one), Meaning::Item(other))
            | (Meaning::Index(one), Meaning::Index(other))
            | (Meaning::Iteration(one), Meaning::Iteration(other)) => self.same(one, other),
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::load::Loader;

    fn plan(agent: &str, text: &str) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("workflows/w.yaml", text), ("agents/a.md", agent)] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let library = Loader::new(folder.path()).load();
        let workflow = &library.workflows.get("w").unwrap().workflow;
        crate::plan::compile(&library, workflow).unwrap().plan
    }

    const AGENT: &str = "---\nname: a\ndescription: d\ntools: [Read]\n---\nBody\n";
    const FLOW: &str = "name: w
description: d
inputs: { who: { type: string, default: you } }
steps:
  - { id: one, agent: a, prompt: \"Do {{ inputs.who }}\" }
  - { id: two, run: make, recovery: retry, gate: [{ run: test -f x }] }
  - id: both
    parallel:
      - { id: left, run: left, recovery: retry }
      - { id: right, run: right, recovery: retry }
";

    fn change(from: &str, to: &str) -> PlanDiff {
        assert!(FLOW.contains(from), "{from}");
        diff(&plan(AGENT, FLOW), &plan(AGENT, &FLOW.replace(from, to)))
    }

    #[test]
    fn the_same_has_no_difference_wherever_it_stands() {
        let moved = change("steps:\n", "\n# words\nsteps:\n");
        assert!(moved.is_empty(), "{moved:?}");
    }

    #[test]
    fn each_part_has_its_name() {
        for (from, to, step, part) in [
            ("Do {{", "Make {{", "one", "prompt"),
            ("agent: a,", "agent: a, model: big,", "one", "model"),
            ("agent: a,", "agent: a, output: { x: string },", "one", "output"),
            ("agent: a,", "agent: a, timeout: 1m,", "one", "timeout"),
            ("run: make", "run: make all", "two", "run"),
            ("run: make,", "run: make, when: \"inputs.who == 'x'\",", "two", "when"),
            ("run: make,", "run: make, env: { A: b },", "two", "env"),
            ("test -f x", "test -f y", "two", "gate"),
            ("recovery: retry, gate", "recovery: manual, gate", "two", "recovery"),
            ("run: left,", "agent: a, prompt: p,", "both/left", "kind"),
        ] {
            let diff = change(from, to);
            let found = diff.changed.iter().find(|changed| changed.step == step);
            assert!(found.is_some_and(|found| found.parts.contains(&part)), "{to}: {diff:?}");
            assert_eq!((diff.changed.len(), diff.added.len(), diff.edges_added.len()), (1, 0, 0), "{to}");
        }
        assert_eq!(change("default: you", "default: me").workflow, ["inputs"]);
        assert_eq!(change("description: d", "description: e").workflow, ["description"]);
        let body = diff(&plan(AGENT, FLOW), &plan(&AGENT.replace("Body", "Other"), FLOW));
        assert_eq!(json!(body.changed), json!([{ "step": "one", "parts": ["agent body"] }]));
    }

    #[test]
    fn steps_and_edges_come_and_go() {
        let more = change("  - id: both", "  - { id: mid, run: mid, recovery: retry }\n  - id: both");
        assert_eq!((more.added.as_slice(), more.changed.len()), (&["mid".to_owned()][..], 0));
        let edges = |edges: &[Edge]| edges.iter().map(|edge| format!("{} {}", edge.from, edge.to)).collect::<Vec<_>>();
        assert_eq!(edges(&more.edges_added), ["mid both", "two mid"]);
        assert_eq!(edges(&more.edges_removed), ["two both"]);
        let back = diff(&plan(AGENT, &FLOW.replace("id: left", "id: other")), &plan(AGENT, FLOW));
        assert_eq!((back.added, back.removed), (vec!["both/left".to_owned()], vec!["both/other".to_owned()]));
        // The same step before and after, but for another reason.
        let declared = change("run: make,", "run: make, needs: [one],");
        assert_eq!(json!(declared.edges_added), json!([{ "from": "one", "to": "two", "edge": "declared" }]));
        assert_eq!(json!(declared.edges_removed), json!([{ "from": "one", "to": "two", "edge": "implied" }]));
    }
}
