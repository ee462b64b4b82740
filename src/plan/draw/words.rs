//! What a step is, in a few words; every drawing says the same.

use std::time::Duration;

use crate::{
    base::{dollars, render_duration},
    definition::{
        Permissions, SecretSource,
        merging::MergeStrategy,
        workflow::{Join, OnFailure, OnLimit, OnMax, ThenFail, Workspace},
    },
    plan::{
        draw::escape::{first_line, visible},
        policy::{PlanGate, RecoveryPolicy, RetryPolicy},
        told::{PlanSecretUse, PlanServer},
        types::{AgentWork, Budget, Command, EdgeKind, Need, Plan, PlanContext, PlanStep, StepIx, Work},
    },
};

pub(super) fn edge(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Implied => "implied",
        EdgeKind::Declared => "declared",
        EdgeKind::Inferred => "inferred",
    }
}

fn time(millis: u64) -> String {
    let text = render_duration(Duration::from_millis(millis));
    let text = text.strip_suffix(" 0s").or_else(|| text.strip_suffix(" 0m")).unwrap_or(&text);
    text.strip_suffix(".0s").map_or_else(|| text.to_owned(), |seconds| format!("{seconds}s"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", first_line(text))
}

pub(super) fn command(command: &Command) -> String {
    match command {
        Command::Shell(text) => first_line(text),
        Command::Argv(words) => visible(&words.join(" ")),
    }
}

fn agent_name(plan: &Plan, agent: &AgentWork) -> String {
    let pinned = agent.agent.and_then(|index| plan.agents.get(index as usize));
    pinned.map_or_else(|| "the default agent".to_owned(), |agent| visible(&agent.name))
}

/// What a step does: `agent architect`, `run`, `each design.modules as module`.
#[must_use]
pub fn kind(plan: &Plan, step: &PlanStep) -> String {
    match &step.work {
        Work::Agent(agent) => format!("agent {}", agent_name(plan, agent)),
        Work::Run { .. } => "run".to_owned(),
        Work::Approve { .. } => "approve".to_owned(),
        Work::Ask { .. } => "ask".to_owned(),
        Work::Sleep { delay_ms } => format!("wait {}", time(*delay_ms)),
        Work::Await { signal } => format!("wait for signal {}", visible(signal)),
        Work::Emit { signal } => format!("emit {}", visible(signal)),
        Work::Checkpoint { name } => format!("checkpoint {}", visible(name)),
        Work::Merge(_) => "merge".to_owned(),
        Work::Stop { succeed, .. } => if *succeed { "stop as succeeded" } else { "stop as failed" }.to_owned(),
        Work::Parallel { .. } => "parallel".to_owned(),
        Work::Each(each) => format!("each {} as {}", first_line(&each.items.text), visible(&each.binding)),
        Work::Loop { max, .. } => format!("loop, at most {max} times"),
        Work::Call { workflow, .. } => format!("workflow {}", visible(workflow)),
    }
}

/// The text that the step hands on: the prompt's or question's first line, the command, the end of the loop.
pub(super) fn text(step: &PlanStep) -> Option<String> {
    match &step.work {
        Work::Agent(agent) if agent.prompt.text.trim().is_empty() => None,
        Work::Agent(agent) => Some(quoted(&agent.prompt.text)),
        Work::Run { command: words, .. } => {
            let args: String = step.args.iter().map(|arg| format!(" {}", visible(&arg.text))).collect();
            Some(format!("$ {}{args}", command(words)))
        }
        Work::Approve { text } | Work::Ask { text } | Work::Stop { text, .. } => Some(quoted(&text.text)),
        Work::Loop { until, .. } => until.as_ref().map(|until| format!("until {}", first_line(&until.text))),
        Work::Sleep { .. }
        | Work::Await { .. }
        | Work::Emit { .. }
        | Work::Checkpoint { .. }
        | Work::Merge(_)
        | Work::Parallel { .. }
        | Work::Each(_)
        | Work::Call { .. } => None,
    }
}

/// One check: `run cargo test`, `check this.ok`.
pub(super) fn gate(plan: &Plan, gate: &PlanGate) -> String {
    let named =
        |from: &Option<String>| from.as_ref().map_or(String::new(), |from| format!(" (gate {})", visible(from)));
    match gate {
        PlanGate::Run { command: words, expect, timeout_ms, from } => {
            let expect =
                expect.as_ref().map_or(String::new(), |expect| format!(", expect {}", first_line(&expect.text)));
            let limit = if *timeout_ms
                == default_ms(&Work::Run {
                    command: Command::Argv(Vec::new()),
                    workspace: Workspace::Shared,
                    keeps_text: false,
                }) {
                String::new()
            } else {
                format!(", within {}", time(*timeout_ms))
            };
            format!("run {}{expect}{limit}{}", command(words), named(from))
        }
        PlanGate::Check { expression, from } => format!("check {}{}", first_line(&expression.text), named(from)),
        PlanGate::Schema { from, .. } => format!("schema{}", named(from)),
        PlanGate::Files { paths, from } => format!("files {}{}", visible(&paths.join(" ")), named(from)),
        PlanGate::Changed { max_files, allow, deny, from } => {
            let mut parts = Vec::new();
            parts.extend(max_files.map(|max| format!("at most {max} files")));
            parts.extend((!allow.is_empty()).then(|| format!("only {}", visible(&allow.join(" ")))));
            parts.extend((!deny.is_empty()).then(|| format!("not {}", visible(&deny.join(" ")))));
            format!("changed {}{}", parts.join(", "), named(from))
        }
        PlanGate::Secrets { paths, all, allow, from } => {
            let mut parts = vec!["secrets".to_owned()];
            parts.extend(all.then(|| "everywhere".to_owned()));
            parts.extend((!paths.is_empty()).then(|| format!("in {}", visible(&paths.join(" ")))));
            let names = allow.iter().map(|allowed| {
                let names = [allowed.path.as_deref(), allowed.digest.as_deref()];
                let why = first_line(&allowed.why);
                format!("{} ({why})", visible(&names.into_iter().flatten().collect::<Vec<_>>().join(" ")))
            });
            parts.extend((!allow.is_empty()).then(|| format!("but {}", names.collect::<Vec<_>>().join(", "))));
            format!("{}{}", parts.join(" "), named(from))
        }
        PlanGate::Judge { judge, from } => {
            let mut parts = vec![format!("at least {:.2}", judge.min)];
            let rubric = judge.file.as_deref().map_or_else(|| quoted(&judge.rubric), visible);
            parts.extend((judge.judges > 1).then(|| format!("the middle of {} judges", judge.judges)));
            parts.push(match judge.agent.agent {
                Some(_) => format!("by {}", agent_name(plan, &judge.agent)),
                None => "by an agent of its own".to_owned(),
            });
            parts.extend(judge.agent.model.as_ref().map(|model| format!("model {}", visible(model))));
            parts.extend(judge.agent.runtime.as_ref().map(|runtime| format!("runtime {}", visible(runtime))));
            format!("judge {rubric}: {}{}", parts.join(", "), named(from))
        }
        PlanGate::Approve { text, from } => format!("approve {}{}", quoted(&text.text), named(from)),
    }
}

/// The secrets that the step gets, and where their values are.
pub(super) fn secrets(plan: &Plan, step: &PlanStep) -> Vec<String> {
    let line = |one: &PlanSecretUse| {
        let secret = plan.secrets.get(one.secret as usize)?;
        let from = match &secret.source {
            SecretSource::Env(name) => format!("the variable {name}"),
            SecretSource::File(path) => format!("the file {path}"),
            SecretSource::Command(words) => format!("the command {}", words.join(" ")),
        };
        Some(format!("secret {} in ${} from {}", visible(&secret.name), visible(&one.variable), visible(&from)))
    };
    step.secrets.iter().filter_map(line).collect()
}

/// The MCP servers that the step's agents get.
pub(super) fn servers(plan: &Plan, step: &PlanStep) -> Vec<String> {
    let own = match &step.work {
        Work::Agent(agent) => Some(agent),
        _ => None,
    };
    let mut places: Vec<_> =
        own.into_iter().chain(&step.on_gate_fail.fixer).flat_map(|agent| agent.servers.iter().copied()).collect();
    places.dedup();
    let found = places.into_iter().filter_map(|place| plan.servers.get(place as usize));
    let line = |server: &PlanServer| {
        format!(
            "MCP server {}: {} ({})",
            visible(&server.name),
            visible(&server.command.join(" ")),
            visible(&server.path)
        )
    };
    found.map(line).collect()
}

/// What a failed gate leads to, if anything but failing.
pub(super) fn gate_fail(plan: &Plan, step: &PlanStep) -> Option<String> {
    let fail = &step.on_gate_fail;
    let mut parts = Vec::new();
    if fail.feedback {
        parts.push("feedback to the agent".to_owned());
    }
    parts.extend(fail.fixer.as_ref().map(|fixer| format!("agent {} fixes", agent_name(plan, fixer))));
    if fail.tries > 0 {
        parts.push(format!("{} more tries", fail.tries));
    }
    match fail.then {
        ThenFail::Fail => {}
        ThenFail::Ask => parts.push("then ask".to_owned()),
        ThenFail::Continue => parts.push("then go on".to_owned()),
    }
    (!parts.is_empty()).then(|| format!("if it fails: {}", parts.join(", ")))
}

fn default_ms(work: &Work) -> u64 {
    use crate::plan::defaults;
    let duration = if matches!(work, Work::Run { .. }) { defaults::COMMAND_TIMEOUT } else { defaults::AGENT_TIMEOUT };
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Conditions, limits and policies, those that are not the default last.
pub(super) fn limits(plan: &Plan, step: &PlanStep) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(step.timeout_ms.map(|limit| format!("within {}", time(limit))));
    match &step.work {
        Work::Agent(agent) => agent_limits(plan, agent, &mut parts),
        Work::Run { workspace, .. } => parts.extend(place(*workspace)),
        Work::Parallel { max_parallel, .. } => parts.extend(max_parallel.map(|max| format!("{max} at once"))),
        Work::Each(each) => {
            parts.extend(each.max_parallel.map(|max| format!("{max} at once")));
            parts.push(format!("at most {} items", each.max_items));
            parts.extend(each.batch.filter(|batch| *batch > 1).map(|batch| format!("{batch} in one session")));
            parts.extend(each.key.as_ref().map(|key| format!("key {}", first_line(&key.text))));
        }
        Work::Merge(merge) => {
            parts.push(match merge.strategy {
                MergeStrategy::Merge => "as a merge".to_owned(),
                MergeStrategy::Rebase => "commit by commit".to_owned(),
                MergeStrategy::Squash => "as one commit".to_owned(),
            });
            parts.extend(merge.rank.map(|_| "as listed".to_owned()));
        }
        Work::Loop { on_max: OnMax::Continue, .. } => parts.push("goes on after the last".to_owned()),
        Work::Loop { on_max: OnMax::Fail, .. }
        | Work::Approve { .. }
        | Work::Ask { .. }
        | Work::Sleep { .. }
        | Work::Await { .. }
        | Work::Emit { .. }
        | Work::Checkpoint { .. }
        | Work::Stop { .. }
        | Work::Call { .. } => {}
    }
    parts.extend((step.isolated && step.work.is_container()).then(|| isolation(&step.work)));
    let works = matches!(step.work, Work::Agent(_) | Work::Run { .. });
    if step.retry != RetryPolicy::default() {
        parts.push(format!("{} retries", step.retry.tries));
    }
    parts.extend(works.then(|| recovery(&step.recovery)).flatten());
    parts.extend(step.optional.then(|| "optional".to_owned()));
    match step.on_failure {
        OnFailure::Drain => {}
        OnFailure::FailFast => parts.push("fail fast".to_owned()),
        OnFailure::Continue => parts.push("goes on after a failure".to_owned()),
    }
    if !step.files.is_empty() {
        let files: Vec<_> = step.files.iter().map(|file| file.text.as_str()).collect();
        parts.push(format!("writes {}", visible(&files.join(" "))));
    }
    parts
}

/// The rules that narrow the tools.
fn permissions(rules: &Permissions) -> Vec<String> {
    let Permissions { allow, ask, deny } = rules;
    let words = |begin: &str, rules: &[String]| format!("{begin} {}", visible(&rules.join(" ")));
    let allow =
        allow.as_ref().map(|rules| if rules.is_empty() { "allows nothing".to_owned() } else { words("allows", rules) });
    let ask = (!ask.is_empty()).then(|| words("nobody to ask about", ask));
    allow.into_iter().chain(ask).chain((!deny.is_empty()).then(|| words("denies", deny))).collect()
}

/// What a step says loudly.
pub(super) fn danger(step: &PlanStep) -> Option<&'static str> {
    let is_danger = matches!(&step.work, Work::Agent(agent) if agent.danger);
    is_danger.then_some("!! DANGER: works without limits; `orch run` wants --allow-danger")
}

/// The models that a tier falls back to, where it does.
fn fallbacks(plan: &Plan, tier: &str) -> String {
    let chains = plan.models.get(tier).into_iter().flatten().filter(|(_, chain)| chain.models().nth(1).is_some());
    let words: Vec<String> = chains
        .map(|(runtime, chain)| {
            let models: Vec<String> = chain.models().map(visible).collect();
            format!("{}: {}", visible(runtime), models.join(", then "))
        })
        .collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join("; ")) }
}

fn agent_limits(plan: &Plan, agent: &AgentWork, parts: &mut Vec<String>) {
    parts.extend(agent.model.as_ref().map(|model| format!("model {}{}", visible(model), fallbacks(plan, model))));
    parts.extend(agent.runtime.as_ref().map(|runtime| format!("runtime {}", visible(runtime))));
    parts.extend(permissions(&agent.permissions));
    match agent.context {
        PlanContext::Fresh => {}
        PlanContext::Fork(from) => parts.push(format!("context of {}", plan.step(from).path)),
        PlanContext::Share(from) => parts.push(format!("session of {}", plan.step(from).path)),
    }
    let is_named = |index: &&u32| agent.activated.iter().all(|one| one.skill != **index);
    let skills: Vec<String> = agent
        .skills
        .iter()
        .filter(is_named)
        .filter_map(|index| plan.skills.get(*index as usize))
        .map(|skill| visible(&skill.name))
        .collect();
    if !skills.is_empty() {
        parts.push(format!("skills {}", skills.join(" ")));
    }
    let memory: Vec<String> = agent
        .memory
        .iter()
        .filter_map(|index| plan.memory.get(*index as usize))
        .map(|memory| visible(&memory.path))
        .collect();
    if !memory.is_empty() {
        parts.push(format!("memory {}", memory.join(" ")));
    }
    parts.extend(place(agent.workspace));
}

/// The skills that nobody named, and why they are there: one line each.
pub(super) fn activated(plan: &Plan, step: &PlanStep) -> Vec<String> {
    let Work::Agent(agent) = &step.work else { return Vec::new() };
    let line = |one: &crate::plan::Activated| {
        let skill = plan.skills.get(one.skill as usize)?;
        Some(format!("skill {}: {}", visible(&skill.name), visible(&one.why)))
    };
    agent.activated.iter().filter_map(line).collect()
}

/// What the plan runs only under trust.
pub(super) fn trust(plan: &Plan) -> Option<String> {
    let trust = plan.trust.as_ref()?;
    let count = trust.commands.len();
    let commands = if count == 1 { "command" } else { "commands" };
    Some(format!("needs trust: {count} {commands} of {}", visible(&trust.path)))
}

fn place(workspace: Workspace) -> Option<String> {
    match workspace {
        Workspace::Shared => None,
        Workspace::Worktree => Some("own worktree".to_owned()),
        Workspace::Scratch => Some("empty folder".to_owned()),
    }
}

fn isolation(work: &Work) -> String {
    if matches!(work, Work::Each(_)) { "each item in its own worktree" } else { "own worktree" }.to_owned()
}

fn recovery(policy: &RecoveryPolicy) -> Option<String> {
    match policy {
        RecoveryPolicy::Retry => Some("runs again after a crash".to_owned()),
        RecoveryPolicy::Idempotent => Some("runs again after a crash, same key".to_owned()),
        RecoveryPolicy::Reconcile(command) => Some(format!("after a crash: $ {}", first_line(command))),
        // What may write asks a person: the default, and not worth a word on every line.
        RecoveryPolicy::Manual | RecoveryPolicy::Agent => None,
    }
}

/// What the step waits for, with the kind of each edge: `design (implied, read)`.
pub(super) fn needs(plan: &Plan, needs: &[Need]) -> Vec<String> {
    let word = |need: &Need| {
        let read = if need.reads { ", read" } else { "" };
        format!("{} ({}{read})", plan.step(need.step).id, edge(need.edge))
    };
    needs.iter().map(word).collect()
}

/// The join, if it is not the usual one.
pub(super) fn join(join: Join) -> Option<String> {
    match join {
        Join::All => None,
        Join::Any => Some("any of".to_owned()),
        Join::AtLeast(count) => Some(format!("at least {count} of")),
    }
}

/// What the agents of the plan are expected to spend, and which models have no price.
pub(super) fn estimate(plan: &Plan) -> Vec<String> {
    let Some(estimate) = &plan.estimate else { return Vec::new() };
    let (typical, worst) = (estimate.typical, estimate.worst);
    let mut lines = vec![format!(
        "estimate {} .. {} tokens, {} .. {}, {} .. {} agent starts",
        typical.tokens,
        worst.tokens,
        dollars(typical.usd_micros),
        dollars(worst.usd_micros),
        typical.starts,
        worst.starts
    )];
    for model in &estimate.unpriced {
        let model = visible(model);
        lines.push(format!("  price of {model} unknown, counted as the dearest known;"));
        lines.push(format!("  set [prices.\"{model}\"] in orch.toml"));
    }
    lines
}

/// What an attempt of a step's agent is expected to spend.
pub(super) fn attempt_estimate(plan: &Plan, ix: StepIx, fix: bool) -> Option<String> {
    let one = plan.estimate_of(ix, fix, None)?;
    let (whose, mark) = (if fix { "of the fix " } else { "" }, if one.guessed { "~" } else { "" });
    Some(format!(
        "estimate {whose}{} tokens, {mark}{} an attempt, at most {} starts",
        one.tokens(),
        dollars(one.usd_micros),
        one.starts
    ))
}

pub(super) fn budget(budget: &Budget) -> String {
    let mut parts = Vec::new();
    parts.extend(budget.usd_micros.map(dollars));
    parts.extend(budget.tokens.map(|tokens| format!("{tokens} tokens")));
    parts.extend(budget.time_ms.map(time));
    parts.push(format!("{} agents", budget.agents));
    let then = match budget.on_limit {
        OnLimit::Pause => "then pause",
        OnLimit::Stop => "then stop",
    };
    format!("{}, {then}", parts.join(", "))
}
