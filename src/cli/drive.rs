//! Drives a run that this process owns: tells it on the terminal, asks where a person is there, passes signals on.
//!
//! The first Ctrl-C stops gently, the second kills. An answer is bound to exactly what was shown.

use std::{
    io::{BufRead as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{
    cli::{
        args::ApprovalArg,
        clean::clean,
        failure::Failure,
        report::{Ending, Report},
        session::Session,
        style::{ASK, paint},
    },
    driver::{Finish, OnApproval, RunEvent, What, exit_code, parked_exit_code},
    scheduler::{AttemptId, Decision, Event, InstanceId, Strength},
    service::{DriveOptions, Owned, Refusal, Runs, status},
};

/// What a person who is there was asked, and by which words the answer comes back.
type Questions = mpsc::UnboundedSender<(RunEvent, mpsc::UnboundedSender<Event>)>;

/// Drives a run to its end, or until only a person who is not here can move it. Gives the exit code.
pub(super) fn drive(
    session: &mut Session,
    runs: &Runs,
    owned: Owned,
    on_approval: Option<ApprovalArg>,
) -> Result<u8, Failure> {
    let on_approval = match on_approval.unwrap_or(ApprovalArg::Wait) {
        ApprovalArg::Wait => OnApproval::Wait,
        ApprovalArg::Fail => OnApproval::Fail,
        ApprovalArg::Approve => OnApproval::Approve,
    };
    let run = owned.run().clone();
    let asks = on_approval == OnApproval::Wait && session.can_ask();
    let mut report = Report::new(session, &owned);
    report.begin(&mut session.out)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(&error))?;
    let terminated = Arc::new(AtomicBool::new(false));
    let finish = runtime.block_on(async {
        let (watchers, mut events) = mpsc::unbounded_channel();
        let (inputs, input_events) = mpsc::unbounded_channel();
        let listening = tokio::spawn(listen(inputs.clone(), Arc::clone(&terminated)));
        let questions = asks.then(ask_people);
        let options = DriveOptions { on_approval, park: !asks };
        let driving = runs.drive(owned, options, watchers, input_events);
        tokio::pin!(driving);
        let mut beat = tokio::time::interval(report.beat());
        let mut trouble = None;
        let finish = loop {
            tokio::select! {
                biased;
                event = events.recv(), if !events.is_closed() || !events.is_empty() => {
                    if let Some(event) = event {
                        if let Err(failure) = report.event(&mut session.out, &event) {
                            // Nobody reads any more: the run goes on without words.
                            trouble.get_or_insert(failure);
                        }
                        if let (Some(questions), What::Asking { .. }) = (&questions, &event.what) {
                            report.pause();
                            questions.send((event, inputs.clone())).ok();
                        }
                    }
                }
                finish = &mut driving => break finish,
                _ = beat.tick() => report.tick(&mut session.out),
            }
        };
        while let Ok(event) = events.try_recv() {
            report.event(&mut session.out, &event).ok();
        }
        listening.abort();
        match (finish, trouble) {
            (Err(refusal), _) => Err(Failure::from(with_run(refusal, run.as_str()))),
            (Ok(_), Some(Failure::Refused(refusal))) => Err(Failure::Refused(refusal)),
            (Ok(finish), _) => Ok(finish),
        }
    });
    // A prompt that still waits for a line must not keep the process.
    runtime.shutdown_background();
    let loaded = runs.load(&run, |_, _, _| {})?;
    let now = status(&loaded, None);
    let (code, ending) = match finish? {
        Finish::Ended(end) => {
            let code = if terminated.load(Ordering::Relaxed) && exit_code(&end) == 130 { 143 } else { exit_code(&end) };
            (code, Ending::Ended)
        }
        Finish::Parked(waiting) => (parked_exit_code(&waiting), Ending::Parked),
    };
    report.end(&mut session.out, &runs.folder(&run)?, &now, ending, code)?;
    Ok(code)
}

fn with_run(mut refusal: Refusal, run: &str) -> Refusal {
    refusal.help = refusal.help.replace("RUN", run);
    refusal
}

/// Turns signals into cancels: gentle first, then hard.
async fn listen(inputs: mpsc::UnboundedSender<Event>, terminated: Arc<AtomicBool>) {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
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
fn ask_people() -> Questions {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(RunEvent, mpsc::UnboundedSender<Event>)>();
    std::thread::spawn(move || {
        while let Some((event, inputs)) = receiver.blocking_recv() {
            if let What::Asking { step, attempt, shown, subject, form } = event.what
                && let Some(attempt) = attempt_of(&attempt)
                && let Some(decision) = ask(&step, &shown, form)
            {
                let by = std::env::var("USER").unwrap_or_else(|_| "terminal".to_owned());
                inputs.send(Event::Decided { attempt, subject, decision, by }).ok();
            }
        }
    });
    sender
}

fn attempt_of(text: &str) -> Option<AttemptId> {
    let (instance, number) = text.split_once('-')?;
    Some(AttemptId { instance: InstanceId(instance.parse().ok()?), number: number.parse().ok()? })
}

/// Asks one question on the terminal. `None` leaves it waiting.
fn ask(step: &str, shown: &str, form: bool) -> Option<Decision> {
    let mut talk = anstream::stderr();
    let mut say = |text: &str| {
        talk.write_all(text.as_bytes()).and_then(|()| talk.flush()).ok();
    };
    say(&format!("\n{} {step}\n{}\n", paint(ASK, "ASK"), indent(&clean(shown))));
    if form {
        say("  fill in the form from another terminal: orch approve --set FIELD=VALUE …\n");
        return None;
    }
    loop {
        say("  [y] yes   [n] no, with a comment   [l] leave it waiting > ");
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        match line.trim() {
            "y" | "yes" => return Some(Decision::Approve { fields: Value::Null }),
            "l" | "later" => {
                say("  it waits; Ctrl-C ends the run, `orch approve` and `orch reject` decide from anywhere\n");
                return None;
            }
            "n" | "no" => {
                say("  why? > ");
                let mut comment = String::new();
                std::io::stdin().lock().read_line(&mut comment).ok()?;
                return Some(Decision::Reject { comment: comment.trim().to_owned() });
            }
            _ => {}
        }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
