//! The risk classifier held to its figures on corpora of commands, and to its promises on generated ones.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop")]

use std::{fs, path::Path};

use orch::{
    definition::policy::{Level, Policy},
    guard::risk::{Assessment, RiskContext, assess_argv, assess_shell},
};
use proptest::prelude::*;

fn context() -> RiskContext {
    RiskContext::new("/home/me/project", "/home/me", "/home/me/.local/state/orch", Policy::default()).unwrap()
}

/// The commands of a corpus; `⏎` stands for a line break.
fn corpus(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/risk").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| line.replace('⏎', "\n")).collect()
}

/// Those of a corpus for which the answer is another than it should be, with the level they got.
fn wrong(name: &str, right: impl Fn(Level) -> bool) -> (usize, Vec<String>) {
    let context = context();
    let all = corpus(name);
    let missed = all.iter().filter_map(|command| {
        let assessment = assess_shell(command, &context);
        (!right(assessment.level())).then(|| {
            let why = assessment.findings.first().map(|one| format!("{} {}", one.rule, one.reason)).unwrap_or_default();
            format!("{:?} {command:?}: {why}", assessment.level())
        })
    });
    let missed: Vec<_> = missed.collect();
    println!("{name}: {} commands, {} wrong", all.len(), missed.len());
    for line in &missed {
        println!("  {line}");
    }
    (all.len(), missed)
}

fn is_asked(level: Level) -> bool {
    level >= Level::L3
}

#[test]
fn every_public_incident_is_stopped() {
    let (count, missed) = wrong("incidents.txt", is_asked);
    assert!(count >= 12 && missed.is_empty(), "{missed:#?}");
}

#[test]
fn destructive_commands_are_recognised() {
    let (count, missed) = wrong("destructive.txt", is_asked);
    assert!(count >= 200 && missed.len() * 100 <= count, "{missed:#?}");
}

#[test]
fn disguised_commands_are_recognised() {
    let (count, missed) = wrong("obfuscated.txt", is_asked);
    assert!(count >= 100 && missed.len() * 20 <= count, "{missed:#?}");
}

#[test]
fn everyday_commands_pass() {
    let (count, stopped) = wrong("benign.txt", |level| !is_asked(level));
    assert!(count >= 300 && stopped.len() * 100 <= count * 3, "{stopped:#?}");
}
