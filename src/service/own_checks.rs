//! The checks that a user has added: each is a program of theirs, run in the user's own folder, all at once.
//!
//! Knows no other check. Invariant: whatever a program does, its tree ends within its time.

use std::{ffi::OsString, path::Path, sync::Arc, thread, time::Duration};

use crate::{
    base::visible,
    config::OwnCheck,
    execute::process::{Command, End, Keeper, Limits, Report, StopToken},
    guard::Redactor,
    service::{
        doctor::{Check, State},
        notices::is_meant,
        project::Project,
    },
};

/// Bytes of what a check says that are read.
const OUTPUT_BYTES_MAX: u64 = 64_000;
/// Letters of it that are shown.
const SHOWN_MAX: usize = 300;

/// What the user's own checks of a project say now, in the order of their names.
pub(super) fn own_checks(project: &Project, machine: &Redactor, program: &Path) -> Vec<Check> {
    let root = project.root();
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let checks: Vec<_> = project.settings().checks.values().filter(|one| is_meant(&one.projects, &name)).collect();
    // Not in the project: a program that is named without its folder would be one of a stranger's.
    let Some(folder) = project.environment().user_folder().filter(|_| !checks.is_empty()) else { return Vec::new() };
    let mut env = project.environment().child_variables();
    env.push(("ORCH_PROJECT".into(), root.as_os_str().to_owned()));
    let order = |check: &&OwnCheck| {
        let command = Command {
            argv: check.words.iter().map(OsString::from).collect(),
            env: env.clone(),
            cwd: folder.clone(),
            attempt: format!("health/{}/{}", std::process::id(), check.name),
            run: "health".to_owned(),
            redactor: Some(machine.clone()),
            ..Command::default()
        };
        (command, limits(check.time))
    };
    let orders: Vec<_> = checks.iter().map(order).collect();
    let run = move || -> Result<Vec<Report>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(async {
            let keeper = Arc::new(Keeper::start(program).map_err(|error| error.to_string())?);
            let mut going = Vec::new();
            for (command, limits) in orders {
                let keeper = Arc::clone(&keeper);
                going.push(tokio::spawn(async move { keeper.run(command, limits, StopToken::never(), None).await }));
            }
            let mut reports = Vec::new();
            for one in going {
                reports.push(one.await.map_err(|error| error.to_string())?);
            }
            if let Some(keeper) = Arc::into_inner(keeper) {
                keeper.shutdown().await;
            }
            Ok(reports)
        })
    };
    // On a thread of its own: whoever asks may be inside a runtime already.
    let ran = thread::scope(|scope| scope.spawn(run).join());
    match ran.unwrap_or_else(|_| Err("a bug in orch".to_owned())) {
        Ok(reports) => checks.iter().zip(&reports).map(|(check, report)| judged(check, report)).collect(),
        Err(why) => checks.iter().map(|check| failed(check, format!("it cannot be started: {why}"))).collect(),
    }
}

fn limits(time: Duration) -> Limits {
    Limits {
        timeout: Some(time),
        idle_timeout: None,
        grace: Duration::from_secs(1),
        stream_bytes_max: OUTPUT_BYTES_MAX,
    }
}

fn judged(check: &OwnCheck, report: &Report) -> Check {
    let last = |text: &str| {
        let line = visible(text.trim().lines().last().unwrap_or_default());
        line.chars().take(SHOWN_MAX).collect::<String>()
    };
    let (said, complained) = (last(&report.stdout.text()), last(&report.stderr.text()));
    match report.end {
        End::Exited { code: 0 } => {
            let detail = if said.is_empty() { "well".to_owned() } else { said };
            Check { name: named(check), state: State::Ok, detail, fix: String::new() }
        }
        End::Exited { code } => {
            let words = [complained, said].into_iter().find(|words| !words.is_empty());
            failed(check, words.unwrap_or_else(|| format!("it has ended with {code} and said nothing")))
        }
        End::NotFound { ref program } => failed(check, format!("`{}` {}", visible(program), report.end)),
        End::TimedOut => failed(check, format!("it took longer than {} s", check.time.as_secs())),
        _ => failed(check, format!("it {}", report.end)),
    }
}

fn failed(check: &OwnCheck, detail: String) -> Check {
    let state = if check.is_warning { State::Warn } else { State::Fail };
    let fix = check.fix.clone().unwrap_or_else(|| format!("see what `{}` says", shell_words::join(&check.words)));
    Check { name: named(check), state, detail, fix }
}

fn named(check: &OwnCheck) -> String {
    format!("health.{}", check.name)
}
