//! Runs a command for an agent, under the keeper as every other command of the attempt.

use std::time::Duration;

use tokio::time::Instant;

use super::desk::{cut, told, wrong};
use crate::{
    execute::{
        assignment::Place,
        executor::{Ended, Executor, Program, ended},
        process::{Captured, Limits, Report, StopToken},
    },
    runtime::service::{Refusal, ToolDone},
};

/// Bytes of one stream of one command that its log keeps.
const LOG_BYTES_MAX: u64 = 8_000_000;

/// What came of a command.
pub(super) enum Ran {
    /// The model is told.
    Told(Result<ToolDone, Refusal>, u32),
    /// Somebody stopped the attempt.
    Stopped,
    /// Nobody knows.
    Lost,
}

/// Runs a command in the workspace. `number` counts the commands of the attempt, for their logs.
pub(super) async fn run(
    executor: &Executor,
    command: &str,
    limit: Duration,
    until: Option<Instant>,
    place: &Place,
    number: u32,
    stop: StopToken,
) -> Ran {
    let left = until.map_or(limit, |until| until.saturating_duration_since(Instant::now()));
    let limits = Limits {
        timeout: Some(limit.min(left)),
        idle_timeout: None,
        stream_bytes_max: LOG_BYTES_MAX,
        ..Limits::default()
    };
    let place = Place { attempt_dir: place.attempt_dir.join(format!("command-{number}")), ..place.clone() };
    let argv = ["sh", "-eu", "-c", command].map(String::from).to_vec();
    let report = executor.start(Program::of(argv, Vec::new(), limits.clone()), &place, stop, None).await;
    let end = match ended(&report.end, &limits) {
        Ended::Stopped => return Ran::Stopped,
        Ended::Lost => return Ran::Lost,
        Ended::Code(code) => format!("[exit code {code}]"),
        Ended::Signal(signal) => format!("[ended by signal {signal}]"),
        Ended::Not(_, reason) => format!("[the command {reason}]"),
    };
    let is_ok = end == "[exit code 0]";
    let text = said(&report, &end);
    Ran::Told(if is_ok { Ok(told(text)) } else { Err(wrong(text)) }, report.leaked)
}

/// What a command has printed and how it ended.
fn said(report: &Report, end: &str) -> String {
    let (out, err) = (stream(&report.stdout), stream(&report.stderr));
    let mut text = String::new();
    for (title, stream) in [("", out), ("[standard error]\n", err)] {
        if !stream.trim().is_empty() {
            text.push_str(title);
            text.push_str(&cut(stream.trim_end()));
            text.push('\n');
        }
    }
    text.push_str(end);
    text
}

fn stream(captured: &Captured) -> String {
    let head = String::from_utf8_lossy(&captured.head);
    let missing = captured.total.saturating_sub((captured.head.len() + captured.tail.len()) as u64);
    let gap = if missing == 0 { String::new() } else { format!("\n[… {missing} bytes are left out …]\n") };
    format!("{head}{gap}{}", String::from_utf8_lossy(&captured.tail))
}
