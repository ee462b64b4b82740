//! Gates: pass, fail or error, each with its evidence. What cannot be judged is an error and never passes.

use std::{
    ffi::OsString,
    future::Future,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    base::{Evidence, Judgement, Outcome, Verdict, schema_faults},
    execute::{
        answer::{read_answer, whole},
        assignment::Place,
        executor::{Ended, Executor, Program, blocking, ended, observed, shown},
        globs::{Globs, base, is_literal},
        process::{Report, StopToken},
        tree::walk,
    },
    guard::{PathFault, Root, contained_path},
    template::Expression,
};

/// The longest value shown of a name in an expression, in characters.
const VALUE_CHARS_MAX: usize = 300;

/// A verdict with its reason.
pub(super) fn judgement(verdict: Verdict, reason: impl Into<String>) -> Judgement {
    Judgement { verdict, reason: reason.into(), evidence: Evidence::default() }
}

/// What a command said that judges.
struct Told {
    argv: Vec<OsString>,
    /// The command, for people.
    name: String,
    report: Report,
    /// Its exit code; the judgement where it gave none.
    code: Result<i32, Judgement>,
}

impl Executor {
    /// Adds the digest of the workspace to a judgement. A workspace over the limits leaves it out and says so.
    pub(super) async fn judged(&self, place: &Place, judge: impl Future<Output = Judgement>) -> Outcome {
        let mut judgement = judge.await;
        match self.tree(&place.workspace).await {
            Ok(digest) => judgement.evidence.tree = Some(digest),
            Err(fault) => {
                let note = format!("no digest of the tree: {fault}");
                let lines = &mut judgement.evidence.last_lines;
                *lines = if lines.is_empty() { note } else { format!("{lines}\n{note}") };
            }
        }
        Outcome::Judged(Box::new(judgement))
    }

    pub(super) async fn gate_run(
        &self,
        mut program: Program,
        expect: Option<String>,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        if expect.is_some()
            && let Err(failure) = program.offer_output(place)
        {
            return self.judged(place, async { judgement(Verdict::Error, failure.reason) }).await;
        }
        let Told { argv, name, report, code } = match self.told(program, place, stop).await {
            Ok(told) => told,
            Err(outcome) => return outcome,
        };
        let mut judgement = match code {
            Err(judgement) => judgement,
            Ok(code @ (126 | 127)) => {
                let reason = format!("{name} ended with exit code {code}: a program is not there or cannot be started");
                judgement(Verdict::Error, reason)
            }
            // What a shell says of a command that somebody hung up, interrupted, killed or terminated. A command that
            // crashed by itself has failed.
            Ok(code @ (129 | 130 | 137 | 143)) => {
                judgement(Verdict::Error, format!("{name} ended with exit code {code}: signal {}", code - 128))
            }
            Ok(0) => match expect {
                None => judgement(Verdict::Pass, String::new()),
                Some(expect) => self.expect(expect, &report, place).await,
            },
            Ok(code) => judgement(Verdict::Fail, format!("{name} ended with exit code {code}")),
        };
        judgement.evidence = observed(argv, report, place).await;
        self.judged(place, async { judgement }).await
    }

    /// Runs a command whose exit code judges; the outcome where it says nothing because the attempt is over.
    async fn told(&self, program: Program, place: &Place, stop: StopToken) -> Result<Told, Outcome> {
        let (argv, limits) = (program.argv.clone(), program.limits.clone());
        let report = self.start(program, place, stop, None).await;
        let name = shown(&argv);
        let code = match ended(&report.end, &limits) {
            Ended::Stopped => return Err(Outcome::Stopped),
            Ended::Lost => return Err(Outcome::Lost),
            Ended::Not(_, reason) => Err(judgement(Verdict::Error, format!("{name} {reason}"))),
            Ended::Signal(signal) => Err(judgement(Verdict::Error, format!("{name} was ended by signal {signal}"))),
            Ended::Code(code) => Ok(code),
        };
        Ok(Told { argv, name, report, code })
    }

    /// Judges `expect:` over what a command said.
    async fn expect(&self, expect: String, report: &Report, place: &Place) -> Judgement {
        let error = |reason: String| judgement(Verdict::Error, format!("`expect` cannot be evaluated: {reason}"));
        let expression = match Expression::parse(&expect) {
            Ok(expression) => expression,
            Err(fault) => return error(fault.message),
        };
        let reads = |name: &str| {
            expression.references().iter().any(|read| read.path.first().is_some_and(|first| first == name))
        };
        let stdout =
            whole(&report.stdout, &place.logs()).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let answer = match read_answer(place) {
            Ok(answer) => answer.filter(|bytes| !bytes.trim_ascii().is_empty()),
            Err(reason) => return error(reason),
        };
        let output = match (&answer, &stdout) {
            (Some(bytes), _) => match serde_json::from_slice(bytes) {
                Ok(value) => value,
                Err(fault) => return error(format!("what it wrote to $ORCH_OUTPUT is not JSON: {fault}")),
            },
            (None, Some(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            (None, None) => Value::Null,
        };
        if output.is_null() && reads("output") {
            return error("neither $ORCH_OUTPUT nor standard output holds JSON".into());
        }
        if stdout.is_none() && reads("stdout") {
            return error("standard output is too long to be read".into());
        }
        let scope = [("output", output), ("stdout", stdout.into()), ("exit", 0.into())];
        let scope = scope.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.gate_check(expect, scope).await
    }

    pub(super) async fn gate_check(&self, text: String, scope: Map<String, Value>) -> Judgement {
        let executor = self.clone();
        let judge = move || {
            let expression = match Expression::parse(&text) {
                Ok(expression) => expression,
                Err(fault) => return judgement(Verdict::Error, format!("`{text}` cannot be read: {}", fault.message)),
            };
            let mut judgement = match executor.shared.renderer.evaluate_bool(&expression, &scope) {
                Ok(true) => judgement(Verdict::Pass, String::new()),
                Ok(false) => judgement(Verdict::Fail, format!("`{text}` is false")),
                Err(fault) => judgement(Verdict::Error, format!("`{text}` cannot be evaluated: {fault}")),
            };
            judgement.evidence.last_lines = values(&expression, &scope);
            judgement
        };
        // What may be costly is evaluated in a process of its own, which is waited for.
        blocking(judge).await
    }

    pub(super) fn gate_schema(schema: &Value, value: &Value) -> Judgement {
        match schema_faults(schema, value) {
            Ok(faults) if faults.is_empty() => judgement(Verdict::Pass, String::new()),
            Ok(faults) => {
                let mut judgement = judgement(Verdict::Fail, format!("the output is not valid: {}", faults.join("; ")));
                judgement.evidence.last_lines = faults.join("\n");
                judgement
            }
            Err(fault) => judgement(Verdict::Error, fault.to_string()),
        }
    }

    pub(super) async fn gate_files(&self, place: &Place, paths: Vec<String>) -> Judgement {
        let workspace = place.workspace.clone();
        blocking(move || {
            let mut missing = Vec::new();
            for pattern in &paths {
                match is_there(&workspace, pattern) {
                    Ok(true) => {}
                    Ok(false) => missing.push(format!("`{pattern}`")),
                    Err(reason) => return judgement(Verdict::Error, reason),
                }
            }
            if missing.is_empty() {
                return judgement(Verdict::Pass, String::new());
            }
            judgement(Verdict::Fail, format!("there is no file for {}", missing.join(", ")))
        })
        .await
    }

    pub(super) async fn reconcile(&self, program: Program, place: &Place, stop: StopToken) -> Outcome {
        let Told { argv, name, report, code } = match self.told(program, place, stop).await {
            Ok(told) => told,
            Err(outcome) => return outcome,
        };
        let mut judgement = match code {
            Err(judgement) => judgement,
            Ok(0) => judgement(Verdict::Pass, format!("{name} says that it was done")),
            Ok(1) => judgement(Verdict::Fail, format!("{name} says that it is to be run again")),
            Ok(code) => judgement(Verdict::Error, format!("{name} ended with exit code {code}")),
        };
        judgement.evidence = observed(argv, report, place).await;
        Outcome::Judged(Box::new(judgement))
    }
}

/// Whether a plain file stands for a path or glob.
fn is_there(workspace: &Path, pattern: &str) -> Result<bool, String> {
    if is_literal(pattern) {
        let path = Path::new(pattern.trim_start_matches("./").trim_end_matches('/'));
        if within(workspace, path)?.is_none() {
            return Ok(false);
        }
        return match Root::open(workspace).and_then(|root| root.look(path)) {
            Ok(found) if found.is_dir() => any_below(workspace, path.to_owned(), |_| true),
            Ok(found) => Ok(found.is_file()),
            Err(_) => Ok(false),
        };
    }
    if pattern.starts_with('/') {
        return Err(format!("`files` cannot be judged: the path `{pattern}` is absolute"));
    }
    let globs = Globs::new([&pattern.to_owned()])?;
    let folder = base(pattern);
    if !folder.as_os_str().is_empty() && within(workspace, &folder)?.is_none() {
        return Ok(false);
    }
    any_below(workspace, folder, |path| globs.is_match(path))
}

/// The place of a path; `None` behind a link, which may lead anywhere and so is no file of the workspace.
fn within(workspace: &Path, path: &Path) -> Result<Option<PathBuf>, String> {
    match contained_path(workspace, path) {
        Ok(place) => Ok(Some(place)),
        Err(PathFault::Link { .. }) => Ok(None),
        Err(
            fault @ (PathFault::Size { .. }
            | PathFault::Absolute { .. }
            | PathFault::NotPlain { .. }
            | PathFault::Reserved { .. }
            | PathFault::Look { .. }),
        ) => Err(format!("`files` cannot be judged: {fault}")),
    }
}

fn any_below(workspace: &Path, folder: PathBuf, is_wanted: impl Fn(&Path) -> bool) -> Result<bool, String> {
    let found = walk(workspace, &folder).map_err(|fault| format!("`files` cannot be judged: {fault}"))?;
    Ok(found.iter().any(|(path, stamp)| stamp.is_file() && is_wanted(path)))
}

/// What the names of an expression stood for, one a line.
fn values(expression: &Expression, scope: &Map<String, Value>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for reference in expression.references() {
        let mut path = reference.path.iter();
        let mut value = path.next().and_then(|root| scope.get(root));
        for name in path {
            value = value.and_then(|value| value.get(name));
        }
        let Some(value) = value else { continue };
        let text = value.to_string();
        let mut short: String = text.chars().take(VALUE_CHARS_MAX).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        let line = format!("{} = {short}", reference.path.join("."));
        if !lines.contains(&line) && lines.len() < 10 {
            lines.push(line);
        }
    }
    lines.join("\n")
}
