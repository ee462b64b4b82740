//! How a run looks, line by line, and the form of its events.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use orch::{
    base::{Digest, RunId, Timestamp, Usage},
    cli::{Ending, Look, Report, one_line},
    driver::{RUN_EVENT_VERSION, RunEvent, What},
    scheduler::{Cause, CauseKind, Spent, StepState},
    service::SandboxShown,
};
use serde_json::{Map, Value};

fn look() -> Look {
    Look {
        width: 80,
        verbose: false,
        parallel: Some(4),
        estimate: None,
        sandbox: SandboxShown { words: "sandbox off".to_owned(), is_open: false },
        replayed: false,
        waits: true,
    }
}

fn at(ms: u64, what: What) -> RunEvent {
    RunEvent { v: RUN_EVENT_VERSION, at: Timestamp(1_000_000 + ms), run: "7f3k2m9x".parse::<RunId>().unwrap(), what }
}

fn started(steps: usize, resumed: bool) -> What {
    What::RunStarted { workflow: "review".into(), steps, resumed }
}

fn begins(step: &str, attempt: &str, purpose: &str, runtime: Option<&str>) -> What {
    What::AttemptStarted {
        step: step.into(),
        attempt: attempt.into(),
        purpose: purpose.into(),
        runtime: runtime.map(str::to_owned),
        danger: None,
    }
}

fn ends(step: &str, attempt: &str, purpose: &str, end: &'static str, reason: &str, ms: u64) -> What {
    What::AttemptFinished {
        step: step.into(),
        attempt: attempt.into(),
        purpose: purpose.into(),
        end,
        reason: reason.into(),
        duration_ms: ms,
    }
}

fn settles(step: &str, state: StepState, reason: &str, summary: &str, ms: u64, attempts: usize, tokens: u64) -> What {
    What::StepSettled {
        step: step.into(),
        container: false,
        state,
        reason: reason.into(),
        summary: summary.into(),
        duration_ms: ms,
        attempts,
        tokens,
        reused: None,
        saved: Usage::default(),
    }
}

fn container(step: &str, state: StepState, reason: &str) -> What {
    What::StepSettled {
        step: step.into(),
        container: true,
        state,
        reason: reason.into(),
        summary: String::new(),
        duration_ms: 50_000,
        attempts: 0,
        tokens: 12_430,
        reused: None,
        saved: Usage::default(),
    }
}

fn asks(step: &str, shown: &str, form: bool) -> What {
    What::Asking {
        step: step.into(),
        attempt: "3-1".into(),
        shown: shown.into(),
        subject: Digest::of(b"shown"),
        form,
        pushback: false,
    }
}

fn run_ends(status: &'static str, cause: Option<Cause>, exit_code: u8) -> What {
    let usage = Usage { input_tokens: 12_000, output_tokens: 430, usd_micros: 310_000, ..Usage::default() };
    let spent = Spent { usage, agents: 3, busy_ms: 92_700 };
    What::RunEnded { status, cause, exit_code, spent, cache: None, outputs: Map::new() }
}

fn told(report: &mut Report, events: Vec<RunEvent>) -> String {
    let lines: String = events.iter().map(|event| report.tell(event)).collect();
    anstream::adapter::strip_str(&lines).to_string()
}

/// What the journal knows at the end: what is waited for, and the commands that help.
fn ending<'a>(code: u8, last_lines: &'a dyn Fn(&str) -> Vec<String>, waits: &[&str], next: &[&str]) -> Ending<'a> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Ending {
        last_lines,
        proof: vec![("folder", "/tmp/demo".into())],
        waits: owned(waits),
        next: owned(next),
        then: (code == 20).then(|| "orch resume 7f3k2m9x".to_owned()),
        code,
    }
}

fn finished(report: &Report, ending: &Ending<'_>) -> String {
    anstream::adapter::strip_str(&report.finish(ending)).to_string()
}

fn nothing(_: &str) -> Vec<String> {
    Vec::new()
}

#[test]
fn a_run_with_a_mended_gate_passes() {
    let mut report = Report::new(Look { replayed: true, ..look() });
    let lines = told(
        &mut report,
        vec![
            at(0, started(2, false)),
            at(10, begins("fetch", "0-1", "work", None)),
            at(410, ends("fetch", "0-1", "work", "succeeded", "", 400)),
            at(411, settles("fetch", StepState::Succeeded, "", "fetched 3 files", 400, 1, 0)),
            at(420, begins("build[parser]/code", "1-1", "work", Some("replay"))),
            at(8_420, ends("build[parser]/code", "1-1", "work", "succeeded", "", 8_000)),
            at(8_430, begins("build[parser]/code", "1-2", "gate 1: cargo test -q", None)),
            at(9_430, ends("build[parser]/code", "1-2", "gate 1: cargo test -q", "fail", "exit code 101", 1_000)),
            at(9_431, What::Feedback { step: "build[parser]/code".into(), text: "3 tests failed".into() }),
            at(9_440, begins("build[parser]/code", "1-3", "work", Some("replay"))),
            at(41_440, ends("build[parser]/code", "1-3", "work", "succeeded", "", 32_000)),
            at(41_450, begins("build[parser]/code", "1-4", "gate 1: cargo test -q", None)),
            at(42_450, ends("build[parser]/code", "1-4", "gate 1: cargo test -q", "pass", "", 1_000)),
            at(42_460, settles("build[parser]/code", StepState::Succeeded, "", "written", 42_040, 2, 12_430)),
            at(42_461, container("build", StepState::Succeeded, "")),
            at(42_470, run_ends("succeeded", None, 0)),
        ],
    );
    assert_eq!(
        lines,
        "\
run 7f3k2m9x  review  2 steps · parallel 4 · sandbox off
agents are replayed from recordings; commands and gates run for real
    PASS [    0.4s] fetch                   fetched 3 files
  GATE ✗ [    1.0s] build[parser]/code      cargo test -q: exit code 101
FEEDBACK            build[parser]/code      the evidence goes back to the agent
 GATE ok [    1.0s] build[parser]/code      cargo test -q
    PASS [   42.0s] build[parser]/code      12.4k tok  replay  2 tries  written
"
    );
    assert_eq!(
        finished(&report, &ending(0, &nothing, &[], &["orch status 7f3k2m9x"])),
        "\
────────────
  PASSED [   42.4s] 2 passed · 12.4k tokens · $0.31 · 3 agents
   proof: 1 gate passed, 1 failed on the way
  folder: /tmp/demo
    next: orch status 7f3k2m9x
"
    );
}

#[test]
fn a_gate_that_a_person_opened_names_the_person() {
    let mut report = Report::new(look());
    let lines = told(
        &mut report,
        vec![
            at(0, begins("deploy", "0-1", "gate 2: approve", None)),
            at(1_000, ends("deploy", "0-1", "gate 2: approve", "pass", "approved by anna\u{1b}[2J", 1_000)),
        ],
    );
    assert_eq!(lines, " GATE ok [    1.0s] deploy                  approve: approved by anna\n");
}

#[test]
fn a_failed_run_says_why_and_what_to_type() {
    let mut report = Report::new(look());
    let reason = "gate 1 (schema) failed: output is not valid JSON at byte 65536, because the stream was cut off";
    let lines = told(
        &mut report,
        vec![
            at(0, started(3, false)),
            at(1, begins("analyse/perf", "0-1", "work", Some("codex"))),
            at(3_101, ends("analyse/perf", "0-1", "work", "failed", "429 too many requests", 3_100)),
            at(3_101, What::Retrying { step: "analyse/perf".into(), delay_ms: 8_000, reason: "429".into() }),
            at(92_690, settles("analyse/perf", StepState::Failed, reason, "", 92_600, 2, 0)),
            at(92_690, settles("publish", StepState::Cancelled, "", "", 0, 0, 0)),
            at(92_690, settles("notes", StepState::Skipped, "`when` is false", "", 0, 0, 0)),
            at(92_691, container("analyse", StepState::Failed, "a step inside failed")),
            at(
                92_700,
                run_ends(
                    "failed",
                    Some(Cause {
                        kind: CauseKind::Gate,
                        step: Some(orch::base::StepPath::new("analyse/perf")),
                        reason: reason.into(),
                    }),
                    22,
                ),
            ),
        ],
    );
    assert_eq!(
        lines,
        "\
run 7f3k2m9x  review  3 steps · parallel 4 · sandbox off
   RETRY            analyse/perf            429, next try in 8.0s
    FAIL [  1m 32s] analyse/perf            gate 1 (schema) failed: output is …
    SKIP            notes                   `when` is false
"
    );
    let last = |step: &str| if step == "analyse/perf" { vec!["{\"a\": \u{1b}[31m".to_owned()] } else { vec![] };
    assert_eq!(
        finished(
            &report,
            &ending(22, &last, &[], &["orch logs 7f3k2m9x analyse/perf", "orch retry 7f3k2m9x --failed"])
        ),
        "\
────────────
  FAILED [  1m 32s] 1 failed, 1 skipped, 1 cancelled · 12.4k tokens · $0.31 · 3 agents
    FAIL analyse/perf
         gate 1 (schema) failed: output is not valid JSON at byte 65536, because
         the stream was cut off
         last lines:
         │ {\"a\":
    exit: 22 (a gate failed or had no verdict)
    next: orch logs 7f3k2m9x analyse/perf
      or: orch retry 7f3k2m9x --failed
"
    );
}

#[test]
fn a_parked_run_names_every_command() {
    let mut report = Report::new(look());
    let lines = told(
        &mut report,
        vec![
            at(0, started(4, true)),
            at(5, asks("design", "Build this design?\nmodules: 3", false)),
            at(6, asks("form#2/ask", "Title?", true)),
            at(
                6,
                What::Held {
                    runtime: "codex".into(),
                    until: Timestamp(6_400_006),
                    reason: "usage limit\u{1b}[31m".into(),
                },
            ),
            at(7, What::Unknown { step: "deploy".into() }),
            at(8, What::BudgetReached { reason: "the budget of $2.00 is used up".into() }),
        ],
    );
    assert_eq!(
        lines,
        "\
run 7f3k2m9x goes on  review  4 steps · parallel 4 · sandbox off
     ASK            design                  waits for a person
                     │ Build this design?
                     │ modules: 3
                     → orch approve 7f3k2m9x design
     ASK            form#2/ask              waits for a person
                     │ Title?
                     → orch approve 7f3k2m9x 'form#2/ask' --set FIELD=VALUE
  PARKED            codex                   until 01:46:40 UTC (1h 30m): usage…
 UNKNOWN            deploy                  it began, its end is unknown
  BUDGET            the budget of $2.00 is used up
"
    );
    assert_eq!(
        finished(
            &report,
            &ending(
                20,
                &nothing,
                &["a decision about design", "word of how deploy ended: retry, done or failed"],
                &["orch approve 7f3k2m9x design", "orch resume 7f3k2m9x --step deploy --as retry"]
            )
        ),
        "\
────────────
 WAITING [    0.0s] 2 waiting
     for  a decision about design
     for  word of how deploy ended: retry, done or failed
    next: orch approve 7f3k2m9x design
      or: orch resume 7f3k2m9x --step deploy --as retry
    then: orch resume 7f3k2m9x
"
    );
}

#[test]
fn a_step_that_runs_again_is_not_failed_any_more() {
    let mut report = Report::new(look());
    told(
        &mut report,
        vec![
            at(0, started(1, false)),
            at(1, settles("a", StepState::Failed, "exit code 1", "", 10, 1, 0)),
            at(2, started(1, true)),
            at(3, begins("a", "0-2", "work", None)),
        ],
    );
    let text = finished(&report, &ending(0, &nothing, &[], &[]));
    assert!(!text.contains("failed"), "{text}");
    told(
        &mut report,
        vec![at(9, settles("a", StepState::Succeeded, "", "", 6, 2, 0)), at(10, run_ends("succeeded", None, 0))],
    );
    let text = finished(&report, &ending(0, &nothing, &[], &[]));
    assert!(text.contains("PASSED") && text.contains("1 passed ·") && !text.contains("FAIL "), "{text}");
}

#[test]
fn strangers_cannot_steer_the_terminal_and_lines_stay_narrow() {
    let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}ok\r\nPASS fake".repeat(20);
    let mut report = Report::new(look());
    let events = vec![
        at(0, What::RunStarted { workflow: evil.clone(), steps: 1, resumed: false }),
        at(1, begins("a", "0-1", &evil, Some(&evil))),
        at(2, What::Retrying { step: "a".into(), delay_ms: 1, reason: evil.clone() }),
        at(3, asks("a", &evil, false)),
        at(4, ends("a", "0-1", &format!("gate 1: {evil}"), "error", &evil, 3)),
        at(5, settles("a", StepState::Failed, &evil, &evil, 3, 1, 1)),
        at(6, What::BudgetReached { reason: evil.clone() }),
        at(7, run_ends("failed", None, 1)),
    ];
    let mut raw = String::new();
    for event in &events {
        raw.push_str(&report.tell(event));
    }
    raw.push_str(&report.finish(&ending(1, &|_| vec![evil.clone()], &[&evil], &[])));
    let plain = anstream::adapter::strip_str(&raw).to_string();
    assert!(plain.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{plain:?}");
    // Only the styles of this program are in the raw text: nothing that erases, moves or sets a title.
    assert!(!raw.contains("\u{1b}[2J") && !raw.contains("\u{1b}]"), "{raw:?}");
    for line in plain.lines().skip(1) {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}

#[test]
fn a_heartbeat_names_what_runs() {
    let mut report = Report::new(look());
    let mut events = vec![at(0, started(9, false))];
    events.extend((0..5).map(|n| at(1_000, begins(&format!("s{n}"), &format!("{n}-1"), "work", None))));
    told(&mut report, events);
    let line = anstream::adapter::strip_str(&report.heartbeat(Timestamp(1_031_000))).to_string();
    assert_eq!(line, "   · after 31.0s running: s0 (30.0s), s1 (30.0s), s2 (30.0s), 2 more\n");
    assert_eq!(report.running().len(), 5);
}

#[test]
fn every_event_agrees_with_the_published_schema() {
    let schema: Value = serde_json::from_str(orch::service::schema("event").unwrap()).unwrap();
    let cause = Cause { kind: CauseKind::TimedOut, step: None, reason: "slow".into() };
    let events = vec![
        started(1, false),
        begins("a", "0-1", "work", None),
        begins("a", "0-1", "work", Some("replay")),
        ends("a", "0-1", "work", "lost", "", 0),
        What::AgentActivity { step: "a".into(), attempt: "0-1".into(), activity: "text", text: "x".into() },
        What::Retrying { step: "a".into(), delay_ms: 1, reason: String::new() },
        What::Feedback { step: "a".into(), text: "x".into() },
        What::PushedBack { step: "a".into(), text: "x".into() },
        What::Outdated { step: "a".into() },
        What::Redone { step: "a".into() },
        asks("a", "?", true),
        What::Unknown { step: "a".into() },
        settles("a", StepState::Succeeded, "", "", 0, 1, 0),
        What::Held { runtime: "codex".into(), until: Timestamp(9), reason: "usage limit".into() },
        What::BudgetReached { reason: "x".into() },
        What::BudgetNear { reason: "x".into() },
        run_ends("succeeded", None, 0),
        run_ends("failed", Some(cause), 24),
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for what in events {
        let value = serde_json::to_value(at(1, what)).unwrap();
        kinds.insert(value["type"].as_str().unwrap().to_owned());
        assert_eq!(orch::base::schema_faults(&schema, &value).unwrap(), Vec::<String>::new(), "{value}");
        // Each field is in the schema, and the schema demands each of them.
        for field in value.as_object().unwrap().keys() {
            let mut less = value.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(!orch::base::schema_faults(&schema, &less).unwrap().is_empty(), "{field} of {value}");
        }
    }
    assert_eq!(kinds.len(), schema["oneOf"].as_array().unwrap().len());
    assert_eq!(one_line("a\nb"), "a b");
}
