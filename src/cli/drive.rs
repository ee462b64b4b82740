//! Drives a run that this process owns: tells it on the terminal, asks where a person is there, passes signals on.
//!
//! The first Ctrl-C stops gently, the second kills. An answer is bound to exactly what was shown.

use std::{
    io::{BufRead as _, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{
    base::{RunId, Timestamp, coloured},
    cli::{
        clean::{clean, one_line},
        cost::header,
        ending::Ending,
        failure::Failure,
        live::{Screen, ScreenKind},
        report::Look,
        session::Session,
        style::{ASK, paint},
    },
    driver::{Clock, Finish, OnApproval, RunEvent, What, exit_code, parked_exit_code},
    execute::tree_digest,
    scheduler::{AttemptId, Decision, Event, InstanceId, Strength},
    service::{DriveOptions, Owned, Recorded, Refusal, Reviewer, Runs, Waiting, end_of, status},
};

/// Doubts about a recording that are shown.
const DOUBTS_SHOWN: usize = 10;
/// How often the live region moves.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// What a person who is there was asked, and by which words the answer comes back.
pub(super) type Questions = mpsc::UnboundedSender<(RunEvent, mpsc::UnboundedSender<Event>)>;

/// How an owner shows its run; `waits` says whether a question waits for a person who is not there.
pub(super) fn look(session: &Session, owned: &Owned, waits: bool) -> Look {
    Look {
        width: Screen::columns(),
        verbose: session.global.verbose > 0,
        parallel: Some(owned.parallel()),
        estimate: header(owned),
        sandbox: owned.sandbox(),
        replayed: owned.is_replayed(),
        waits,
    }
}

/// Drives a run to its end, or until only a person who is not here can move it. Gives the exit code.
pub(super) fn drive(
    session: &mut Session,
    runs: &Runs,
    owned: Owned,
    on_approval: OnApproval,
    root: &Path,
) -> Result<u8, Failure> {
    let run = owned.run().clone();
    let asks = on_approval == OnApproval::Wait && session.can_ask();
    let look = look(session, &owned, on_approval == OnApproval::Wait && !asks);
    let mut screen = screen(session, look, runs.heartbeat());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(&error))?;
    let terminated = Arc::new(AtomicBool::new(false));
    let notifier = runs.notifier();
    let finish = runtime.block_on(async {
        let (watchers, mut events) = mpsc::unbounded_channel();
        let (inputs, input_events) = mpsc::unbounded_channel();
        let listening = tokio::spawn(listen(inputs.clone(), Arc::clone(&terminated)));
        let questions = asks.then(|| ask_people(runs.who().to_owned(), runs.reviewer(&run), stdin_line));
        let driving = runs.drive(owned, DriveOptions { on_approval, park: !asks }, watchers, input_events);
        tokio::pin!(driving);
        let mut beat = tokio::time::interval(TICK);
        let finish = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    notifier.tell(&event);
                    screen.tell(&event);
                    if let (Some(questions), What::Asking { .. }) = (&questions, &event.what) {
                        screen.pause();
                        questions.send((event, inputs.clone())).ok();
                    }
                }
                finish = &mut driving => break finish,
                _ = beat.tick() => screen.tick(now()),
            }
        };
        while let Ok(event) = events.try_recv() {
            notifier.tell(&event);
            screen.tell(&event);
        }
        listening.abort();
        finish.map_err(|refusal| Failure::from(with_run(refusal, run.as_str())))
    });
    // A prompt that still waits for a line must not keep the process.
    runtime.shutdown_background();
    notifier.end();
    let finish = finish.inspect_err(|_| screen.pause())?;
    let code = code_of(&finish, terminated.load(Ordering::Relaxed));
    finish_screen(&mut screen, runs, &run, root, code)?;
    let recorded = runs.recorded(&run);
    if let Finish::Ended(end) = &finish
        && !session.global.json
        && !session.global.quiet
    {
        session.out.data(&outputs_text(&end.outputs))?;
    }
    tell_recorded(session, recorded?.as_ref());
    if let Some(head) = runs.audit_head().filter(|_| session.global.verbose > 0 && !session.global.json) {
        session.out.talk(&format!("audit log: {} entries, head {}\n", head.count, head.head));
    }
    Ok(code)
}

fn tell_recorded(session: &mut Session, recorded: Option<&Recorded>) {
    if let Some(recorded) = recorded.filter(|_| !session.global.json) {
        session.out.talk(&recorded_text(recorded));
    }
}

/// What was recorded, what is doubtful about it, and how it is replayed.
fn recorded_text(recorded: &Recorded) -> String {
    let path = one_line(&recorded.path.display().to_string());
    let replay = one_line(&recorded.replay);
    let Some(turns) = recorded.turns else { return format!("recorded: nothing is written to {path} yet; {replay}\n") };
    let plural = if turns == 1 { "" } else { "s" };
    let mut text = format!("recorded: {turns} turn{plural} in {path}\n");
    for doubt in recorded.doubts.iter().take(DOUBTS_SHOWN) {
        text.push_str(&format!("   doubt: {}\n", one_line(doubt)));
    }
    if recorded.doubts.len() > DOUBTS_SHOWN {
        text.push_str(&format!("          and {} more, in its note\n", recorded.doubts.len() - DOUBTS_SHOWN));
    }
    text.push_str(&format!("  replay: {replay}\n"));
    text
}

/// The time.
pub(super) fn now() -> Timestamp {
    Clock::start(Timestamp::default()).now()
}

/// The exit code of a run that this process drove.
pub(super) fn code_of(finish: &Finish, terminated: bool) -> u8 {
    match finish {
        Finish::Ended(end) if terminated && exit_code(end) == 130 => 143,
        Finish::Ended(end) => exit_code(end),
        Finish::Parked(waiting) => parked_exit_code(waiting),
    }
}

/// The outputs of a run, one `name: value` a line.
pub(super) fn outputs_text(outputs: &serde_json::Map<String, Value>) -> String {
    let line = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}: {}\n", clean(text)),
        other => format!("{name}: {}\n", clean(&other.to_string())),
    };
    outputs.iter().map(line).collect()
}

/// A screen that fits the flags and the place.
pub(super) fn screen(session: &Session, look: Look, heartbeat: Duration) -> Screen {
    let kind = ScreenKind::choose(session.global.json, session.global.quiet);
    Screen::new(kind, look, session.out.choice(), heartbeat)
}

/// The final block, with what the journal and the run's folder know.
pub(super) fn finish_screen(
    screen: &mut Screen,
    runs: &Runs,
    run: &RunId,
    root: &Path,
    code: u8,
) -> Result<(), Failure> {
    let now = status(&runs.as_restarted(run)?, None);
    let attempts = runs.folder(run)?.join("attempts");
    let last_lines = |step: &str| {
        let wanted = now.steps.iter().rev().find(|other| other.id == step);
        let attempt = wanted.and_then(|step| {
            step.history.iter().rev().find(|attempt| matches!(attempt.end, "failed" | "fail" | "error" | "lost"))
        });
        attempt.map(|attempt| last_lines_of(&attempts.join(&attempt.id))).unwrap_or_default()
    };
    let mut proof = Vec::new();
    if now.status == "succeeded" {
        proof.push(("folder", root.display().to_string()));
        if let Ok(tree) = tree_digest(root) {
            proof.push(("tree", tree.to_string()));
        }
    }
    let next = if now.next.is_empty() { vec![format!("orch status {run}")] } else { now.next.clone() };
    let waits = now.waiting_for.iter().map(waiting_words).collect();
    screen.finish(&Ending { last_lines: &last_lines, proof, waits, next, then: now.then.clone(), code });
    Ok(())
}

fn waiting_words(waiting: &Waiting) -> String {
    let step = waiting.step.as_deref().unwrap_or_default();
    match waiting.kind {
        "decision" => format!("a decision about {step}"),
        "outcome" => format!("word of how {step} ended: retry, done or failed"),
        _ => format!("a larger budget: {}", waiting.about),
    }
}

/// The last lines that an attempt has printed.
fn last_lines_of(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for name in ["stdout.log", "stderr.log"] {
        if let Some(text) = end_of(&folder.join(name), Some(10)) {
            lines.extend(clean(&text).lines().map(str::to_owned).filter(|line| !line.trim().is_empty()));
        }
    }
    let first = lines.len().saturating_sub(10);
    lines.split_off(first)
}

fn with_run(mut refusal: Refusal, run: &str) -> Refusal {
    refusal.help = refusal.help.replace("RUN", run);
    refusal
}

/// Turns signals into cancels: gentle first, then hard.
async fn listen(inputs: mpsc::UnboundedSender<Event>, terminated: Arc<AtomicBool>) {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return;
    };
    let mut strength = Strength::Gentle;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => terminated.store(true, Ordering::Relaxed),
            _ = hangup.recv() => terminated.store(true, Ordering::Relaxed),
        }
        inputs.send(Event::CancelRequested { strength }).ok();
        strength = Strength::Hard;
    }
}

/// Starts the thread that asks, one question after the other.
pub(super) fn ask_people(
    who: String,
    reviewer: Reviewer,
    mut lines: impl FnMut() -> Option<String> + Send + 'static,
) -> Questions {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(RunEvent, mpsc::UnboundedSender<Event>)>();
    std::thread::spawn(move || {
        while let Some((event, inputs)) = receiver.blocking_recv() {
            if let What::Asking { step, attempt, shown, subject, form, pushback } = event.what
                && let Some(attempt) = attempt_of(&attempt)
                && let Some(decision) =
                    ask(&Asked { step, shown, form, pushback }, &mut lines, &|texts| reviewer.pushback(attempt, texts))
            {
                let by = who.clone();
                inputs.send(Event::Decided { attempt, subject, decision, by, mark: None }).ok();
            }
        }
    });
    sender
}

/// The next line that was typed; `None` at the end of the input.
pub(super) fn stdin_line() -> Option<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok().filter(|count| *count > 0).map(|_| line)
}

fn attempt_of(text: &str) -> Option<AttemptId> {
    let (instance, number) = text.split_once('-')?;
    Some(AttemptId { instance: InstanceId(instance.parse().ok()?), number: number.parse().ok()? })
}

/// A question as it is asked on the terminal.
struct Asked {
    step: String,
    shown: String,
    form: bool,
    pushback: bool,
}

/// Asks one question on the terminal. `None` leaves it waiting.
fn ask(
    asked: &Asked,
    lines: &mut dyn FnMut() -> Option<String>,
    pushback: &dyn Fn(&[String]) -> Result<Decision, Refusal>,
) -> Option<Decision> {
    let mut talk = anstream::stderr();
    let mut say = |text: &str| {
        talk.write_all(coloured(text).as_bytes()).and_then(|()| talk.flush()).ok();
    };
    // The report has just shown what is asked; several questions may wait, so each is named.
    say(&format!("{} {}\n", paint(ASK, "     ASK"), one_line(&asked.step)));
    if asked.form {
        say("  fill in the form from another terminal: orch approve --set FIELD=VALUE …\n");
        return None;
    }
    let push = if asked.pushback { "   [p] push back, with comments" } else { "" };
    loop {
        say(&format!("  [y] yes   [n] no, with a comment{push}   [d] details   [l] leave it waiting > "));
        match lines()?.trim() {
            "y" | "yes" => return Some(Decision::Approve { fields: Value::Null, comment: String::new() }),
            "d" | "details" => say(&indent(&clean(&asked.shown))),
            "l" | "later" => {
                say("  it waits; Ctrl-C ends the run, `orch approve` and `orch reject` decide from anywhere\n");
                return None;
            }
            "n" | "no" => {
                say("  why? > ");
                return Some(Decision::Reject { comment: lines()?.trim().to_owned(), is_final: true });
            }
            "p" | "push back" if asked.pushback => {
                say("  one comment a line, `src/a.rs:12: use a constant` or any text; an empty line ends them\n");
                let mut texts = Vec::new();
                loop {
                    say("  > ");
                    match lines()?.trim() {
                        "" => break,
                        text => texts.push(text.to_owned()),
                    }
                }
                match pushback(&texts) {
                    Ok(decision) => return Some(decision),
                    Err(refusal) => say(&indent(&clean(&format!("{refusal}\nhelp: {}", refusal.help)))),
                }
            }
            _ => {}
        }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::scheduler::{Comment, Side};

    /// What somebody who types these lines decides, and the comments that were sent.
    fn typed(lines: &[&str], pushback: bool) -> (Option<Decision>, Vec<Vec<String>>) {
        let asked = Asked { step: "a".to_owned(), shown: "good?".to_owned(), form: false, pushback };
        let mut lines = lines.iter().map(|line| format!("{line}\n"));
        let sent = RefCell::new(Vec::new());
        let decision = ask(&asked, &mut || lines.next(), &|texts| {
            sent.borrow_mut().push(texts.to_vec());
            if texts.iter().any(|text| text.starts_with("nowhere")) {
                return Err(Refusal::new(2, "E0363", "nowhere is not shown", "look"));
            }
            let comment = |text: &String| Comment {
                path: String::new(),
                lines: None,
                side: Side::New,
                quoted: String::new(),
                text: text.clone(),
            };
            Ok(Decision::Pushback { comments: texts.iter().map(comment).collect() })
        });
        (decision, sent.into_inner())
    }

    #[test]
    fn comments_are_typed_line_by_line_and_asked_for_again_where_they_do_not_fit() {
        let (decision, sent) = typed(&["p", "nowhere:1: x", "", "p", "shorter", "simpler", ""], true);
        let Some(Decision::Pushback { comments }) = decision else { panic!("{decision:?}") };
        assert_eq!(comments.iter().map(|comment| comment.text.as_str()).collect::<Vec<_>>(), ["shorter", "simpler"]);
        assert_eq!(sent.len(), 2);
        // Where nobody could follow comments, none are taken.
        assert_eq!(
            typed(&["p", "y"], false),
            (Some(Decision::Approve { fields: Value::Null, comment: String::new() }), Vec::new())
        );
        let no = Decision::Reject { comment: "why not".to_owned(), is_final: true };
        assert_eq!(typed(&["n", "why not"], true).0, Some(no));
        assert_eq!(typed(&["d", "l"], true).0, None);
    }
}
