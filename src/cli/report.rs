//! How a run looks: append-only lines, one for what a person wants to know, and a final block that says how it ended
//! and what to type next.
//!
//! A pure function of the run's events: whoever watches from the beginning sees the same lines. Knows no terminal
//! beyond a width. Invariants: no line depends on colour alone; all text of strangers is clean; only step paths and
//! commands, which people copy, may make a line wider than the screen.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use crate::{
    base::{Timestamp, Usage, render_duration},
    cli::{
        clean::{fit, one_line, width},
        ending::{self, Ending},
        report_words::{count_words, first_of, gate_words, join, quote, saved_words, until_words},
        style::{ASK, BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    driver::{RunEvent, What},
    scheduler::StepState,
    service::SandboxShown,
};

use anstyle::Style;

/// The column at which step paths begin.
const PATH_COLUMN: usize = 21;
/// Paths are padded to this, so that what follows stands in one column.
const PATH_WIDTH: usize = 22;
/// Lines shown of a question or of feedback.
const SHOWN_LINES_MAX: usize = 12;

/// What the report needs to know of the place it is shown in.
#[derive(Debug, Clone)]
pub struct Look {
    /// Columns of the screen; 80 where there is none.
    pub width: usize,
    /// Shows starts of attempts, successful containers and passed gates' commands in full.
    pub verbose: bool,
    /// Attempts at once, for the header.
    pub parallel: Option<u32>,
    /// What the agents are expected to spend, for the header; only where a limit is set on that.
    pub estimate: Option<String>,
    /// How far programs are confined, for the header.
    pub sandbox: SandboxShown,
    /// Whether agents are replayed from recordings, for the header.
    pub replayed: bool,
    /// Whether a question waits for a person, so that the command that answers it is worth showing.
    pub waits: bool,
}

/// An attempt that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningAttempt {
    /// The step's path.
    pub step: String,
    /// The attempt.
    pub attempt: String,
    /// What for.
    pub purpose: String,
    /// The runtime, for agents.
    pub runtime: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A step that has settled, for the final block.
#[derive(Debug, Clone)]
pub(super) struct SettledStep {
    pub step: String,
    pub container: bool,
    pub state: StepState,
    pub reason: String,
    pub tokens: u64,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    Question { step: String, form: bool },
    Outcome(String),
    Budget(String),
}

/// Turns events into lines.
#[derive(Debug)]
pub struct Report {
    pub(super) look: Look,
    pub(super) run: String,
    pub(super) started: Timestamp,
    pub(super) last: Timestamp,
    pub(super) steps: Vec<SettledStep>,
    pub(super) waits: Vec<Wait>,
    pub(super) gates_passed: usize,
    pub(super) gates_failed: usize,
    pub(super) ended: Option<What>,
    /// Which steps have worked without limits, and by whose word.
    pub(super) dangers: Vec<String>,
    places: HashMap<String, usize>,
    running: Vec<RunningAttempt>,
    runtimes: HashMap<String, String>,
}

impl Report {
    /// A report that has seen nothing yet.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self {
            look,
            run: String::new(),
            started: Timestamp::default(),
            last: Timestamp::default(),
            steps: Vec::new(),
            waits: Vec::new(),
            gates_passed: 0,
            gates_failed: 0,
            ended: None,
            dangers: Vec::new(),
            places: HashMap::new(),
            running: Vec::new(),
            runtimes: HashMap::new(),
        }
    }

    /// What runs now, in the order of starts.
    #[must_use]
    pub fn running(&self) -> &[RunningAttempt] {
        &self.running
    }

    /// The lines for one event, styled, each with its line end; empty where a person needs none.
    pub fn tell(&mut self, event: &RunEvent) -> String {
        self.begin(event);
        match &event.what {
            What::RunStarted { workflow, steps, resumed } => self.header(workflow, *steps, *resumed),
            What::AttemptStarted { step, attempt, purpose, runtime, danger } => {
                self.attempt_started(event.at, step, attempt, purpose, runtime.as_deref())
                    + &self.danger(step, danger.as_deref())
            }
            What::AttemptFinished { step, attempt, purpose, end, reason, duration_ms } => {
                self.running.retain(|running| running.attempt != *attempt);
                self.attempt_finished(step, purpose, end, reason, *duration_ms)
            }
            What::AgentActivity { step, attempt: _, activity, text } => {
                let words = format!("   · {}: {} {}", one_line(step), activity.replace('_', " "), one_line(text));
                let is_shown = self.look.verbose;
                if is_shown { format!("{}\n", paint(DIM, &fit(&words, self.look.width))) } else { String::new() }
            }
            What::Retrying { step, delay_ms, reason } => {
                let delay = render_duration(Duration::from_millis(*delay_ms));
                let words = format!("{}, next try in {delay}", first_of(reason, "failed"));
                self.line(DOUBT, "RETRY", None, step, &words)
            }
            What::Feedback { step, text } => {
                let mut lines = self.line(DOUBT, "FEEDBACK", None, step, "the evidence goes back to the agent");
                if self.look.verbose {
                    lines.push_str(&self.shown(text));
                }
                lines
            }
            What::PushedBack { step, text } => {
                self.line(DOUBT, "PUSHBACK", None, step, "a person's comments go back to the agent") + &self.shown(text)
            }
            What::Outdated { step } => {
                self.line(DOUBT, "CHANGED", None, step, "the files are no longer as they were shown: look again")
            }
            What::Redone { step } => {
                self.line(DOUBT, "REDO", None, step, "what an earlier run did fails a gate, so it is done now")
            }
            What::Asking { step, attempt: _, shown, subject: _, form, pushback: _ } => {
                self.forget_wait(step);
                self.waits.push(Wait::Question { step: step.clone(), form: *form });
                let asked = if self.look.waits { "waits for a person" } else { "a decision is asked for" };
                let mut lines = self.line(ASK, "ASK", None, step, asked);
                lines.push_str(&self.shown(shown));
                if self.look.waits {
                    let fields = if *form { " --set FIELD=VALUE" } else { "" };
                    let command = format!("orch approve {} {}{fields}", self.run, quote(step));
                    let _ = writeln!(lines, "{}→ {command}", " ".repeat(PATH_COLUMN));
                }
                lines
            }
            What::Unknown { step } => {
                self.waits.push(Wait::Outcome(step.clone()));
                self.line(DOUBT, "UNKNOWN", None, step, "it began, its end is unknown")
            }
            What::StepSettled { .. } => self.step_settled(&event.what),
            What::Held { runtime, until, reason } => self.held(event.at, runtime, *until, reason),
            What::BudgetReached { reason } => {
                self.waits.push(Wait::Budget(reason.clone()));
                self.line(DOUBT, "BUDGET", None, "", &one_line(reason))
            }
            What::BudgetNear { reason } => self.line(DOUBT, "BUDGET", None, "", &one_line(reason)),
            What::RunEnded { .. } => {
                self.running.clear();
                self.ended = Some(event.what.clone());
                String::new()
            }
        }
    }

    fn step_settled(&mut self, what: &What) -> String {
        let What::StepSettled { step, container, state, reason, summary, duration_ms, attempts, tokens, reused, saved } =
            what
        else {
            return String::new();
        };
        self.forget_wait(step);
        self.settle(step, *container, *state, reason, *tokens);
        let (container, attempts, tokens) = (*container, *attempts, *tokens);
        let reused = reused.as_deref();
        let settled = Settled { step, container, reason, summary, attempts, tokens, reused, saved: *saved };
        self.settled(&settled, *state, *duration_ms)
    }

    fn held(&self, now: Timestamp, runtime: &str, until: Timestamp, reason: &str) -> String {
        let words = format!("{}: {}", until_words(now, until), one_line(reason));
        self.line(DOUBT, "PARKED", None, runtime, &words)
    }

    /// A sign of life for places where nothing moves by itself.
    #[must_use]
    pub fn heartbeat(&self, now: Timestamp) -> String {
        let time = render_duration(now.since(self.started));
        let mut words: Vec<_> = self
            .running
            .iter()
            .take(3)
            .map(|running| format!("{} ({})", one_line(&running.step), render_duration(now.since(running.since))))
            .collect();
        if self.running.len() > words.len() {
            words.push(format!("{} more", self.running.len() - words.len()));
        }
        let what = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        format!("{}\n", paint(DIM, &fit(&format!("   · after {time} running: {what}"), self.look.width)))
    }

    /// The final block.
    #[must_use]
    pub fn finish(&self, ending: &Ending<'_>) -> String {
        ending::block(self, ending)
    }

    /// Whether a question waits for a person.
    pub(super) fn is_asking(&self) -> bool {
        self.waits.iter().any(|wait| matches!(wait, Wait::Question { .. }))
    }

    /// Tokens of the steps that have settled; a container's are those of its steps.
    pub(super) fn tokens(&self) -> u64 {
        self.steps.iter().filter(|step| !step.container).map(|step| step.tokens).sum()
    }

    /// How many steps that do work stand so.
    pub(super) fn count(&self, state: StepState) -> usize {
        self.steps.iter().filter(|step| !step.container && step.state == state).count()
    }

    fn header(&mut self, workflow: &str, steps: usize, resumed: bool) -> String {
        self.waits.clear();
        let mut words = vec![format!("{steps} step{}", if steps == 1 { "" } else { "s" })];
        words.extend(self.look.parallel.map(|parallel| format!("parallel {parallel}")));
        let sandbox = &self.look.sandbox;
        words.push(if sandbox.is_open { paint(BAD, &sandbox.words) } else { sandbox.words.clone() });
        let verb = if resumed { "goes on" } else { "run" };
        let name = paint(BOLD, &one_line(workflow));
        let head = if resumed { format!("run {} {verb}", self.run) } else { format!("run {}", self.run) };
        let mut lines = format!("{head}  {name}  {}\n", words.join(" · "));
        if let Some(estimate) = &self.look.estimate {
            let _ = writeln!(lines, "{}", paint(DIM, &one_line(estimate)));
        }
        if self.look.replayed {
            let _ = writeln!(
                lines,
                "{}",
                paint(DOUBT, "agents are replayed from recordings; commands and gates run for real")
            );
        }
        lines
    }

    fn begin(&mut self, event: &RunEvent) {
        self.last = event.at;
        if self.run.is_empty() {
            event.run.as_str().clone_into(&mut self.run);
            self.started = event.at;
        }
    }

    /// Work without limits is shown whatever else is.
    fn danger(&mut self, step: &str, word: Option<&str>) -> String {
        let Some(word) = word.map(one_line) else { return String::new() };
        let said = format!("{} worked without limits, by the word of {word}", one_line(step));
        if !self.dangers.contains(&said) {
            self.dangers.push(said);
        }
        self.line(BAD, "DANGER", None, step, &format!("works without limits, by the word of {word}"))
    }

    fn attempt_started(
        &mut self,
        at: Timestamp,
        step: &str,
        attempt: &str,
        purpose: &str,
        runtime: Option<&str>,
    ) -> String {
        if let Some(place) = self.places.get(step) {
            // A step that runs again has not settled any more.
            self.steps[*place].state = StepState::Running;
        }
        if let Some(runtime) = runtime {
            self.runtimes.insert(step.to_owned(), one_line(runtime));
        }
        self.waits.retain(|wait| !matches!(wait, Wait::Outcome(other) if other == step));
        let is_question = purpose == "question" || purpose.ends_with(": approve");
        if !is_question {
            self.running.push(RunningAttempt {
                step: step.to_owned(),
                attempt: attempt.to_owned(),
                purpose: one_line(purpose),
                runtime: runtime.map(one_line),
                since: at,
            });
        }
        if !self.look.verbose || is_question {
            return String::new();
        }
        self.line(DIM, "START", None, step, &join(&[&one_line(purpose), runtime.unwrap_or_default()]))
    }

    fn attempt_finished(&mut self, step: &str, purpose: &str, end: &str, reason: &str, duration_ms: u64) -> String {
        let gate = purpose.strip_prefix("gate ").map(one_line);
        let is_gate = gate.is_some();
        let gate = gate.as_deref().and_then(|gate| gate.split_once(": ")).map_or("", |(_, words)| words);
        match end {
            // The answer to a step that is nothing but a question is told when the step settles.
            "pass" | "fail" | "error" if !is_gate => String::new(),
            "pass" => {
                self.forget_wait(step);
                self.gates_passed += 1;
                // A command that passes says nothing; where a person has decided, the reason names the person.
                self.line(GOOD, "GATE ok", Some(duration_ms), step, &gate_words(gate, reason))
            }
            "fail" | "error" => {
                self.forget_wait(step);
                self.gates_failed += 1;
                let word = if end == "fail" { "GATE ✗" } else { "GATE ERR" };
                self.line(BAD, word, Some(duration_ms), step, &gate_words(gate, reason))
            }
            "lost" => self.line(DOUBT, "LOST", Some(duration_ms), step, &first_of(reason, "no word of how it ended")),
            "failed" if self.look.verbose => {
                self.line(DOUBT, "TRY ✗", Some(duration_ms), step, &first_of(reason, "failed"))
            }
            _ => String::new(),
        }
    }

    fn settled(&self, settled: &Settled<'_>, state: StepState, duration_ms: u64) -> String {
        let quiet = settled.container && !self.look.verbose;
        let time = Some(duration_ms);
        match state {
            StepState::Succeeded if quiet => String::new(),
            StepState::Succeeded if settled.reused.is_some() => {
                let from = settled.reused.and_then(|from| from.split('/').next()).unwrap_or_default();
                let saved = saved_words(&settled.saved).map(|saved| format!("saved {saved}")).unwrap_or_default();
                let details = join(&[&format!("from {}", one_line(from)), &saved, &one_line(settled.summary)]);
                self.line(DIM, "REUSED", time, settled.step, &details)
            }
            StepState::Succeeded => self.line(GOOD, "PASS", time, settled.step, &self.details(settled)),
            StepState::Failed if quiet && self.is_echo(settled) => String::new(),
            StepState::Failed => self.line(BAD, "FAIL", time, settled.step, &first_of(settled.reason, "failed")),
            StepState::Skipped => self.line(DIM, "SKIP", None, settled.step, &first_of(settled.reason, "not needed")),
            // Steps that were never reached would only hide what happened.
            StepState::Cancelled if settled.attempts == 0 && !self.look.verbose => String::new(),
            StepState::Cancelled => {
                self.line(DOUBT, "CANCEL", time, settled.step, &first_of(settled.reason, "stopped"))
            }
            StepState::Waiting | StepState::Running | StepState::Asking | StepState::Sleeping | StepState::Unknown => {
                String::new()
            }
        }
    }

    /// Whether a container failed for nothing but the failure of a step inside it, which has its own line.
    fn is_echo(&self, settled: &Settled<'_>) -> bool {
        self.steps.iter().any(|other| {
            !other.container
                && other.state == StepState::Failed
                && other.step.strip_prefix(settled.step).is_some_and(|rest| rest.starts_with(['/', '[', '#']))
        }) && !settled.reason.contains("gate")
    }

    fn details(&self, settled: &Settled<'_>) -> String {
        let tokens = if settled.tokens == 0 { String::new() } else { format!("{} tok", count_words(settled.tokens)) };
        let runtime = self.runtimes.get(settled.step).map_or("", String::as_str);
        let tries = if settled.attempts > 1 { format!("{} tries", settled.attempts) } else { String::new() };
        join(&[&tokens, runtime, &tries, &one_line(settled.summary)])
    }

    fn settle(&mut self, step: &str, container: bool, state: StepState, reason: &str, tokens: u64) {
        let settled = SettledStep { step: step.to_owned(), container, state, reason: reason.to_owned(), tokens };
        if let Some(place) = self.places.get(step) {
            self.steps[*place] = settled;
        } else {
            self.places.insert(step.to_owned(), self.steps.len());
            self.steps.push(settled);
        }
    }

    fn forget_wait(&mut self, step: &str) {
        self.waits.retain(|wait| match wait {
            Wait::Question { step: other, .. } | Wait::Outcome(other) => other != step,
            Wait::Budget(_) => true,
        });
    }

    /// `    PASS [  41.2s]  analyse/security        12.4k tok  claude`.
    fn line(&self, style: Style, word: &str, duration_ms: Option<u64>, step: &str, details: &str) -> String {
        let time = duration_ms.map(|ms| render_duration(Duration::from_millis(ms)));
        let time = time.map_or_else(|| " ".repeat(10), |time| format!("[{time:>8}]"));
        let step = one_line(step);
        // What is about the whole run stands where paths begin.
        let column = if step.is_empty() { 0 } else { width(&step).max(PATH_WIDTH) + 2 };
        let pad = " ".repeat(column - width(&step));
        let room = self.look.width.saturating_sub(PATH_COLUMN + column);
        let details = if room < 8 { String::new() } else { fit(details, room) };
        let word = paint(style, &format!("{word:>8}"));
        let line = if details.is_empty() {
            format!("{word} {time} {step}")
        } else {
            format!("{word} {time} {step}{pad}{details}")
        };
        format!("{}\n", line.trim_end())
    }

    /// Some lines of a longer text, set off.
    fn shown(&self, text: &str) -> String {
        let text = crate::cli::clean::clean(text);
        let room = self.look.width.saturating_sub(PATH_COLUMN + 2);
        let lines = crate::cli::clean::wrap(text.trim(), room);
        let mut shown = String::new();
        for line in lines.iter().take(SHOWN_LINES_MAX) {
            let _ = writeln!(shown, "{}", format!("{}│ {line}", " ".repeat(PATH_COLUMN)).trim_end());
        }
        if lines.len() > SHOWN_LINES_MAX {
            let _ = writeln!(
                shown,
                "{}│ … {} more lines: orch status {}",
                " ".repeat(PATH_COLUMN),
                lines.len() - SHOWN_LINES_MAX,
                self.run
            );
        }
        shown
    }
}

struct Settled<'a> {
    step: &'a str,
    container: bool,
    reason: &'a str,
    summary: &'a str,
    attempts: usize,
    tokens: u64,
    /// The attempt of an earlier run that did the work.
    reused: Option<&'a str>,
    /// What that had cost.
    saved: Usage,
}
