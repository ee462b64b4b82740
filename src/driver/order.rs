//! Makes the order of an agent's attempt: its role, its task, what it should know within its budget, what went wrong.
//!
//! Values that agents brought back are fenced, so that text in them cannot pass for instructions of the order.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use serde_json::Value;

use crate::{
    base::{Attached, Digest},
    definition::expand,
    driver::{
        assign::{Assigner, plain},
        evaluate::render,
        prose::{PUT_IN_PLACE, Prompt, prompt},
        review::comments_words,
    },
    plan::{AgentWork, PlanContext, PlanStep, StepIx},
    runtime::{Access, McpServer, Order, OrderAgent},
    scheduler::{InstanceId, Purpose, Scheduler, SessionFork, Thread},
    template::{Nonce, Part, fence, fork},
};

/// The role of an agent where the step names none.
const DEFAULT_ROLE: &str = "You are a careful software engineer. You work in the current folder. \
    You do what the task says, no more, and you report plainly what you did and what you could not do.";

/// Parts longer than this are also kept as a file, so that a cut part can name it.
const FILE_FROM: usize = 2048;

/// The order of one attempt.
///
/// # Errors
/// When the prompt cannot be rendered.
pub(super) fn orders(
    assigner: &Assigner,
    scheduler: &Scheduler,
    instance: InstanceId,
    purpose: Purpose,
    step: &PlanStep,
    work: &AgentWork,
    runtime: &str,
) -> Result<Order, String> {
    let plan = scheduler.plan();
    let thread = scheduler.thread(instance, purpose);
    let Prompt { task, files: named } = prompt(assigner, scheduler, instance, step, work)
        .map_err(|reason| format!("the prompt cannot be rendered: {reason}"))?;
    let files = if purpose == Purpose::Work {
        let rendered = step.files.iter().map(|file| render(scheduler, &assigner.renderer, Some(instance), file));
        rendered.collect::<Result<_, _>>().map_err(|reason| format!("`files`: {reason}"))?
    } else {
        Vec::new()
    };
    let inputs = scheduler.inputs().cloned().unwrap_or_default();
    let told = told(assigner, scheduler, work, runtime, &named);
    // A session that could not go on may have been told too much.
    let budget = work.context_budget >> thread.restarts.min(63);
    let shares = matches!(work.context, PlanContext::Share(_));
    let copied = match thread.fork {
        Some(SessionFork::Session { session, charged }) => Some((session.clone(), *charged)),
        Some(SessionFork::Text { .. }) | None => None,
    };
    let session = match work.context {
        _ if copied.is_some() => copied.as_ref().map(|(session, _)| session.clone()),
        PlanContext::Share(source) if thread.session.is_none() && thread.restarts == 0 => scheduler
            .nearest(instance, source)
            .and_then(|source| scheduler.thread(source, Purpose::Work).session)
            .map(str::to_owned),
        _ => thread.session.filter(|_| thread.feedback.is_some() || thread.goes_on || shares).map(str::to_owned),
    };
    let (context, context_files) = context(assigner, scheduler, instance, (step, work, budget, copied.is_some()), told);
    // The first attempt of an item may go on with the session of the item before it.
    let session = session.or_else(|| scheduler.continued(instance, purpose).map(str::to_owned));
    let feedback = feedback(assigner, scheduler, instance, &thread);
    Ok(Order {
        workflow: plan.name.clone(),
        step: scheduler.agent_path(instance, purpose).as_str().to_owned(),
        attempt: thread.attempt,
        turn: 1,
        agent: role(scheduler, work),
        task,
        requirements: inputs.iter().map(|(name, value)| format!("{name}: {}\n", plain(value))).collect(),
        constraints: agent_of(scheduler, work).map(|agent| agent.constraints.clone()).unwrap_or_default(),
        context,
        context_files,
        expected_output: if purpose == Purpose::Work { step.output.clone() } else { None },
        feedback,
        session_usage: match &copied {
            Some((_, charged)) => *charged,
            None => session.as_deref().map(|session| scheduler.charged_in(session)).unwrap_or_default(),
        },
        session,
        forks: copied.is_some(),
        model: scheduler.model(instance, purpose).map(str::to_owned),
        tools: work.tools.clone(),
        files,
        answer_files: work.answer_files && purpose == Purpose::Work,
        access: access(scheduler, work),
        permissions: work.permissions.clone(),
        mcp_servers: servers(assigner, scheduler, work)?,
        attached: named.into_iter().map(|(attached, _)| attached).collect(),
        inputs,
    })
}

/// What an agent is told of its last attempt.
fn feedback(assigner: &Assigner, scheduler: &Scheduler, instance: InstanceId, thread: &Thread<'_>) -> Option<String> {
    match thread.comments {
        Some(comments) => {
            let nonce = Nonce::new(&assigner.nonce);
            Some(comments_words(comments, scheduler.pushbacks(instance), nonce.as_ref()))
        }
        None => thread.feedback.or_else(|| broken_off(thread)).map(str::to_owned),
    }
}

/// What an agent is told whose last attempt ended in the middle, where nobody has found anything wrong with its work.
fn broken_off(thread: &Thread<'_>) -> Option<&'static str> {
    if thread.goes_on && thread.session.is_some() {
        Some(
            "The last attempt was broken off from outside; nothing is wrong with your work. Look at what is already \
             done, do not do it again, and go on from there.",
        )
    } else if thread.restarts > 0 {
        Some(
            "An earlier session for this task could not go on. What it did stands in the workspace: look at it first, \
             do not do it again, and read only what you need.",
        )
    } else {
        None
    }
}

/// The servers of an agent with the values of their variables. A program beside the project is looked for there.
fn servers(assigner: &Assigner, scheduler: &Scheduler, work: &AgentWork) -> Result<Vec<McpServer>, String> {
    let folder = assigner.root.display().to_string();
    let server = |place: &u32| {
        let place = *place as usize;
        let known = scheduler.plan().servers.get(place).zip(assigner.servers.get(place));
        let (server, env) = known.ok_or("an MCP server of the plan has no values")?;
        let words = server.command.iter().map(|word| expand(word, &folder, |_| None));
        let mut command: Vec<_> =
            words.collect::<Result<_, _>>().map_err(|name| format!("`{}` reads `{name}`", server.name))?;
        if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
            *program = assigner.root.join(&*program).components().collect::<PathBuf>().display().to_string();
        }
        Ok(McpServer { name: server.name.clone(), command, env: env.clone() })
    };
    work.servers.iter().map(server).collect()
}

pub(super) fn agent_of<'a>(scheduler: &'a Scheduler, work: &AgentWork) -> Option<&'a crate::plan::PlanAgent> {
    work.agent.and_then(|place| scheduler.plan().agents.get(place as usize))
}

/// The agent's name and its system prompt with the skills behind it.
pub(super) fn role(scheduler: &Scheduler, work: &AgentWork) -> OrderAgent {
    let (name, mut instructions) = match agent_of(scheduler, work) {
        Some(agent) => (agent.name.clone(), agent.body.clone()),
        None => ("default".to_owned(), DEFAULT_ROLE.to_owned()),
    };
    for skill in work.skills.iter().filter_map(|place| scheduler.plan().skills.get(*place as usize)) {
        instructions.push_str(&format!("\n\n## Skill: {}\n\n{}", skill.name, skill.body));
    }
    OrderAgent { name, instructions }
}

/// What an agent may do: one whose tools all only look is kept from writing; without limits only by a person's word.
fn access(scheduler: &Scheduler, work: &AgentWork) -> Access {
    if work.danger && scheduler.plan().danger.is_some() {
        return Access::Full;
    }
    if work.tools_only_read() { Access::Read } else { Access::Edit }
}

/// A section of the context.
struct Told {
    title: String,
    text: String,
    priority: u32,
    /// Where the whole can be read.
    file: Option<String>,
    /// Whether that file was written for this order, so that it is listed.
    is_kept: bool,
}

/// What people tell the agent in files: memory that its runtime does not read by itself, and files that the prompt names.
fn told(
    assigner: &Assigner,
    scheduler: &Scheduler,
    work: &AgentWork,
    runtime: &str,
    named: &[(Attached, String)],
) -> Vec<Told> {
    let reads_itself = assigner.reads_memory.contains(runtime);
    let memory = work.memory.iter().filter(|_| !reads_itself);
    let memory = memory.filter_map(|place| scheduler.plan().memory.get(*place as usize)).map(|memory| Told {
        title: format!("Memory file `{}`", memory.path),
        text: memory.text.clone(),
        priority: 1,
        file: Some(memory.path.clone()),
        is_kept: false,
    });
    let nonce = Nonce::new(&assigner.nonce);
    let files = named.iter().filter(|(attached, text)| !text.is_empty() || !attached.note.is_empty());
    let files = files.filter(|(attached, _)| attached.note != PUT_IN_PLACE).map(|(attached, text)| Told {
        title: format!("File `{}`", attached.path),
        text: match &nonce {
            _ if !attached.note.is_empty() => format!("({})", attached.note),
            // A file of the project may come from anywhere.
            Some(nonce) => fence(text, nonce),
            None => text.to_owned(),
        },
        priority: 3,
        file: Some(attached.path.clone()),
        is_kept: false,
    });
    memory.chain(files).collect()
}

/// What the agent should know: the forked step in full, the other needs as summaries, all within the budget.
fn context(
    assigner: &Assigner,
    scheduler: &Scheduler,
    instance: InstanceId,
    (step, work, budget, knows): (&PlanStep, &AgentWork, u64, bool),
    mut texts: Vec<Told>,
) -> (String, Vec<String>) {
    let forked = match work.context {
        PlanContext::Fork(source) => Some(source),
        PlanContext::Fresh | PlanContext::Share(_) => None,
    };
    // A copy of the session knows it already.
    let mut sources: Vec<StepIx> = forked.into_iter().filter(|_| !knows).collect();
    sources
        .extend(step.needs.iter().map(|need| scheduler.plan().source(need.step)).filter(|need| Some(*need) != forked));
    let nonce = Nonce::new(&assigner.nonce);
    for source in sources {
        let Some(other) = scheduler.nearest(instance, source) else { continue };
        let Some(value) = scheduler.value(other) else { continue };
        let text = describe(scheduler, other, &value, Some(source) == forked);
        if text.trim().is_empty() {
            continue;
        }
        let file = (text.len() > FILE_FROM).then(|| keep(assigner, &text)).flatten();
        let fenced = nonce.as_ref().map_or_else(|| text.clone(), |nonce| fence(&text, nonce));
        let title = format!("Result of the step `{}`", scheduler.path(other));
        let priority = if Some(source) == forked { 2 } else { 0 };
        texts.push(Told { title, text: fenced, priority, file, is_kept: true });
    }
    let files = texts.iter().filter(|told| told.is_kept).filter_map(|told| told.file.clone()).collect();
    let parts: Vec<_> = texts
        .iter()
        .map(|Told { title, text, priority, file, .. }| Part {
            title,
            text,
            priority: *priority,
            file: file.as_deref(),
        })
        .collect();
    (fork(&parts, usize::try_from(budget).unwrap_or(usize::MAX)), files)
}

/// A step's result as text: its summary, and for a fork its whole output.
fn describe(scheduler: &Scheduler, instance: InstanceId, value: &Value, whole: bool) -> String {
    let summary = scheduler.envelope(instance).map(|envelope| envelope.summary.clone()).unwrap_or_default();
    if !whole {
        return summary;
    }
    let mut output = value.clone();
    if let Value::Object(fields) = &mut output {
        fields.shift_remove("result");
    }
    format!("{summary}\n\n{output:#}")
}

/// Keeps a text in the run's folder and gives its path.
fn keep(assigner: &Assigner, text: &str) -> Option<String> {
    let folder: PathBuf = assigner.folder.join("context");
    fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("{}.md", Digest::of(text.as_bytes()).short()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).ok()?;
    file.write_all(text.as_bytes()).ok()?;
    Some(path.display().to_string())
}
