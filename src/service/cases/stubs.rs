//! Puts the answers of a case in the place of agents and commands: each step and gate gets a folder with its answers, which a
//! small script takes in their order.
//!
//! The answers lie beside the folder in which the run works, so that no gate sees them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    definition::cases::{Case, Stub, Verdict},
    guard::plain_path,
    plan::{AgentWork, Command, Plan, PlanGate, PlanStep, RetryPolicy, StepIx, Work},
    runtime::{CustomSettings, Declared, OutputForm},
    service::cases::{
        names::{Named, named},
        sample::sample,
    },
};

/// Takes the next of `$2` answers in the folder `$1`; without overwriting, a file can be made only once, so that two items of
/// an `each` never take the same one. Only what an answer has is a file, an output is one line of JSON, and programs start only
/// where there is something to copy: hundreds of stubs answer in one `orch test`.
const SCRIPT: &str = r#"set -C
n=1
while ! { true > "$1/turn-$n"; } 2> /dev/null; do n=$((n + 1)); test "$n" -lt 5000 || exit 125; done
set +C
test "$n" -le "$2" || n=$2
answer=$1/answer-$n code=0
test ! -d "$answer/files" || cp -R "$answer/files/." .
test ! -f "$answer/output" || { IFS= read -r output < "$answer/output"; printf '%s\n' "$output" > "$ORCH_OUTPUT"; }
test ! -f "$answer/stdout" || cat "$answer/stdout"
test ! -f "$answer/stderr" || cat "$answer/stderr" >&2
test ! -f "$answer/exit" || read -r code < "$answer/exit"
exit "$code"
"#;
/// The longest time that a stubbed step sleeps.
const SLEEP_MS_MAX: u64 = 10;

/// One answer as the script finds it.
#[derive(Default, PartialEq)]
struct Answer {
    output: Option<Value>,
    stdout: String,
    stderr: String,
    exit: u32,
    files: Vec<(PathBuf, String)>,
}

/// A plan without agents and commands, and the runtimes that answer in their place.
pub(super) struct Stubbed {
    /// The plan.
    pub plan: Plan,
    /// The runtimes.
    pub runtimes: Vec<(String, Declared)>,
}

/// Replaces every agent and every command of a plan. `answers` is a new folder for the scripts, `work` the one of the run.
pub(super) fn stubbed(plan: &Plan, case: &Case, answers: &Path, work: &Path) -> io::Result<Stubbed> {
    let mut stubbed = plan.clone();
    let mut runtimes = Vec::new();
    for (place, step) in stubbed.steps.iter_mut().enumerate() {
        let ix = StepIx(u32::try_from(place).unwrap_or(u32::MAX));
        let of = |wanted: Named| {
            let found = case.stubs.iter().find(|(key, _)| named(plan, &key.value) == Some(wanted));
            found.map(|(_, stubs)| stubs.as_slice())
        };
        let made = files_of_gates(step);
        let own = of(Named::Step(ix));
        if step.work.is_container() {
            write_files(work, &made)?;
        }
        let schema = step.output.clone();
        match &mut step.work {
            Work::Agent(agent) => {
                let turns = turns(own, case.agents, |stub| agent_answer(stub, schema.as_ref(), &made));
                let name = format!("case-{place}");
                runtimes.push((name.clone(), runtime(command(answers, &name, &turns)?)));
                answers_of(agent, name);
            }
            Work::Run { command, .. } => {
                let turns = turns(own, case.commands, |stub| command_answer(stub, schema.as_ref(), &made));
                *command = Command::Argv(self::command(answers, &format!("run-{place}"), &turns)?);
                step.args.clear();
            }
            Work::Sleep { delay_ms } => *delay_ms = (*delay_ms).min(SLEEP_MS_MAX),
            _ => {}
        }
        if let Some(fixer) = &mut step.on_gate_fail.fixer {
            let turns = turns(of(Named::Fixer(ix)), case.agents, |stub| agent_answer(stub, None, &[]));
            let name = format!("case-{place}-fix");
            runtimes.push((name.clone(), runtime(command(answers, &name, &turns)?)));
            answers_of(fixer, name);
        }
        for (number, gate) in step.gates.iter_mut().enumerate() {
            let own = of(Named::Gate(ix, number));
            if let PlanGate::Judge { judge, .. } = gate {
                let turns = turns(own, true, judge_answer);
                let name = format!("case-{place}-judge-{number}");
                runtimes.push((name.clone(), runtime(command(answers, &name, &turns)?)));
                answers_of(&mut judge.agent, name);
            }
            let PlanGate::Run { command, expect, .. } = gate else { continue };
            // A verdict is the gate's own answer; only what a command says is judged by `expect`.
            if own.is_none_or(|stubs| stubs.iter().any(|stub| stub.verdict.is_some())) {
                *expect = None;
            }
            let turns = turns(own, true, |stub| command_answer(stub, None, &[]));
            *command = Command::Argv(self::command(answers, &format!("gate-{place}-{number}"), &turns)?);
        }
        // A case does not wait as a run does.
        let tries = step.retry.tries;
        step.retry = RetryPolicy { tries, delay_ms: 1, max_delay_ms: 1, on: step.retry.on };
    }
    stubbed.limits.per_runtime.clear();
    // All commands that trust is about have been replaced.
    stubbed.trust = None;
    stubbed.servers.clear();
    Ok(Stubbed { plan: stubbed, runtimes })
}

/// The answer to a form: what the case says, else what fits.
pub(super) fn form(plan: &Plan, case: &Case, step: &PlanStep) -> Value {
    let own = case.stubs.iter().find(|(key, _)| match named(plan, &key.value) {
        Some(Named::Step(ix)) => plan.step(ix).path == step.path,
        Some(Named::Fixer(_) | Named::Gate(..)) | None => false,
    });
    let written = own.and_then(|(_, stubs)| stubs.first()?.output.clone());
    match (&step.work, &step.output) {
        (Work::Ask { .. }, schema) => written.unwrap_or_else(|| schema.as_ref().map_or(Value::Null, sample)),
        _ => Value::Null,
    }
}

fn answers_of(agent: &mut AgentWork, runtime: String) {
    agent.runtime = Some(runtime);
    // Tiers name models of real runtimes.
    agent.model = None;
    // A stub asks no server, and none is started.
    agent.servers.clear();
    agent.tools.iter_mut().for_each(|tools| tools.retain(|tool| !tool.starts_with("mcp__")));
}

fn runtime(command: Vec<String>) -> Declared {
    Declared::Custom(CustomSettings {
        command,
        output: OutputForm::Json,
        env: std::collections::BTreeMap::new(),
        sessions: true,
        reads_memory: false,
    })
}

/// The answers of one step in their order; where nothing is written, one that succeeds or fails as the case says.
fn turns(stubs: Option<&[Stub]>, succeeds: bool, answer: impl Fn(&Stub) -> Answer) -> Vec<Answer> {
    let verdict = if succeeds { Verdict::Pass } else { Verdict::Fail };
    let default = [Stub { verdict: Some(verdict), ..Stub::default() }];
    stubs.filter(|stubs| !stubs.is_empty()).unwrap_or(&default).iter().map(answer).collect()
}

fn agent_answer(stub: &Stub, schema: Option<&Value>, made: &[PathBuf]) -> Answer {
    let failed =
        stub.fail.clone().or_else(|| (stub.verdict == Some(Verdict::Fail)).then(|| "stubbed to fail".to_owned()));
    if let Some(reason) = failed {
        return Answer { stderr: format!("{reason}\n"), exit: 1, files: files(stub, &[]), ..Answer::default() };
    }
    let output = stub.output.clone().or_else(|| schema.map(sample)).unwrap_or(Value::Null);
    let text = stub.text.clone().unwrap_or_default();
    let summary = stub.summary.clone().unwrap_or_else(|| "stubbed".to_owned());
    let envelope =
        json!({ "status": "succeeded", "summary": summary, "text": text, "output": output, "session": "case" });
    Answer { output: Some(envelope), files: files(stub, made), ..Answer::default() }
}

/// What a judge says: all of what the rubric wants, or nothing of it, or a score of its own.
fn judge_answer(stub: &Stub) -> Answer {
    if stub.fail.is_some() || stub.verdict == Some(Verdict::Error) {
        let reason = stub.fail.clone().unwrap_or_else(|| "stubbed to fail".to_owned());
        return Answer { stderr: format!("{reason}\n"), exit: 1, ..Answer::default() };
    }
    let score = if stub.verdict == Some(Verdict::Fail) { 0 } else { 1 };
    let output = stub.output.clone().unwrap_or_else(|| json!({ "score": score, "reasons": ["stubbed"] }));
    Answer {
        output: Some(json!({ "status": "succeeded", "summary": "judged", "output": output })),
        ..Answer::default()
    }
}

fn command_answer(stub: &Stub, schema: Option<&Value>, made: &[PathBuf]) -> Answer {
    let exit = stub.exit.unwrap_or(match stub.verdict {
        Some(Verdict::Fail) => 1,
        // What a shell says of a program that is not there.
        Some(Verdict::Error) => 127,
        Some(Verdict::Pass) | None => 0,
    });
    let says_nothing = stub.stdout.is_none() && exit == 0;
    let output = stub.output.clone().or_else(|| schema.filter(|_| says_nothing).map(sample));
    let made = if exit == 0 { made } else { &[] };
    Answer {
        output,
        stdout: stub.stdout.clone().unwrap_or_default(),
        exit,
        files: files(stub, made),
        ..Answer::default()
    }
}

/// What is written: the files of the stub, else an empty one for each that a gate of the step asks for.
fn files(stub: &Stub, made: &[PathBuf]) -> Vec<(PathBuf, String)> {
    match &stub.writes {
        Some(writes) => writes.iter().map(|(path, text)| (PathBuf::from(&path.value), text.clone())).collect(),
        None => made.iter().map(|path| (path.clone(), String::new())).collect(),
    }
}

/// A file for every path and glob that `files` gates of a step ask for.
fn files_of_gates(step: &PlanStep) -> Vec<PathBuf> {
    let paths = step.gates.iter().filter_map(|gate| match gate {
        PlanGate::Files { paths, .. } => Some(paths),
        _ => None,
    });
    paths.flatten().map(|path| matching(path)).collect()
}

/// A path that a glob matches; of sets only the first letter or word is taken.
fn matching(glob: &str) -> PathBuf {
    let mut path = String::new();
    let mut rest = glob.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '*' => {
                if !path.ends_with("sample") {
                    path.push_str("sample");
                }
            }
            '?' => path.push('s'),
            '{' => {
                let inside: String = rest.by_ref().take_while(|letter| *letter != '}').collect();
                path.push_str(inside.split(',').next().unwrap_or_default());
            }
            '[' => {
                let inside: String = rest.by_ref().take_while(|letter| *letter != ']').collect();
                path.extend(inside.chars().next());
            }
            _ => path.push(letter),
        }
    }
    if path.ends_with('/') {
        path.push_str("sample");
    }
    PathBuf::from(path.trim_start_matches("./"))
}

fn write_files(folder: &Path, paths: &[PathBuf]) -> io::Result<()> {
    paths.iter().try_for_each(|path| write(folder, path, ""))
}

/// Writes a file below a folder; a path that leads out of it is refused.
fn write(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    plain_path(path).map_err(|fault| io::Error::new(io::ErrorKind::InvalidInput, fault.to_string()))?;
    let full = folder.join(path);
    if let Some(parent) = full.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(full, text)
}

/// Writes the answers of one step or gate; gives the command that takes them.
fn command(answers: &Path, name: &str, turns: &[Answer]) -> io::Result<Vec<String>> {
    // Most gates pass and say nothing.
    if *turns == [Answer::default()] {
        return Ok(vec!["true".to_owned()]);
    }
    let (script, folder) = (answers.join("stub.sh"), answers.join(name));
    fs::create_dir_all(&folder)?;
    if !script.exists() {
        fs::write(&script, SCRIPT)?;
    }
    for (place, turn) in turns.iter().enumerate().filter(|(_, turn)| **turn != Answer::default()) {
        let at = folder.join(format!("answer-{}", place + 1));
        fs::create_dir_all(&at)?;
        for (name, text) in [("stdout", &turn.stdout), ("stderr", &turn.stderr)] {
            if !text.is_empty() {
                fs::write(at.join(name), text)?;
            }
        }
        if turn.exit != 0 {
            fs::write(at.join("exit"), format!("{}\n", turn.exit))?;
        }
        if let Some(output) = &turn.output {
            fs::write(at.join("output"), format!("{output}\n"))?;
        }
        for (path, text) in &turn.files {
            write(&at.join("files"), path, text)?;
        }
    }
    let words = ["sh".to_owned(), script.display().to_string(), folder.display().to_string(), turns.len().to_string()];
    Ok(words.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_gets_a_file() {
        for (glob, path) in [
            ("docs/a.md", "docs/a.md"),
            ("core/**", "core/sample"),
            ("a/**/*.rs", "a/sample/sample.rs"),
            ("{x,y}/[ab]?.md", "x/as.md"),
            ("src/", "src/sample"),
        ] {
            assert_eq!(matching(glob), PathBuf::from(path));
        }
    }
}
