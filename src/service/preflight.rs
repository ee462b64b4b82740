//! What can be known before the first step: which runtime answers, and whether every named program is there.

use std::{
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use crate::{
    base::SandboxMode,
    plan::{Command, Plan, PlanGate, Work},
    runtime::Replay,
    service::{refusal::Refusal, run_settings::RunSettings, runtimes::FoundRuntime},
};

/// Words that a shell knows without a program.
const BUILTINS: &[&str] = &[
    ".", ":", "[", "[[", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "echo", "elif",
    "else", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "function", "getopts", "hash", "if",
    "in", "jobs", "kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "source", "test",
    "then", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while", "{", "}",
    "!", "(", ")",
];

/// The runtime of agents that name none: the one that somebody has named, else one that was found and agreed to, else
/// recordings.
pub(super) fn default_runtime(
    plan: &Plan,
    named: Option<&str>,
    found: Option<&FoundRuntime>,
    replay: &Replay,
) -> Option<String> {
    match (named, found) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(found)) if found.is_agreed => Some(found.name.clone()),
        (None, _) => replay.knows(&plan.name).then(|| Replay::NAME.to_owned()),
    }
}

/// The runtime of agents that name none, after checking that every runtime a step names is there.
///
/// # Errors
/// Every runtime that is missing, with the steps that want it; exit 43.
pub(super) fn runtimes(plan: &Plan, settings: &RunSettings, replay: &Replay) -> Result<String, Refusal> {
    let declared = |name: &str| settings.runtimes.iter().any(|(other, _)| other == name);
    let there = |name: &str| declared(name) || name == Replay::NAME;
    if let (None, Some(found)) = (&settings.runtime, &settings.found)
        && !found.is_agreed
        && !unnamed(plan).is_empty()
    {
        return Err(first_use(plan, &found.name, replay));
    }
    let default = default_runtime(plan, settings.runtime.as_deref(), settings.found.as_ref(), replay);
    let mut faults = Vec::new();
    for step in &plan.steps {
        for agent in step.agents() {
            match agent.runtime.as_ref().or(default.as_ref()) {
                Some(name) if there(name) => {}
                Some(name) => faults.push(format!("`{}` wants the runtime `{name}`", step.path)),
                None => faults.push(format!("`{}` needs an agent and no runtime is declared", step.path)),
            }
        }
    }
    if faults.is_empty() {
        return Ok(default.unwrap_or_else(|| Replay::NAME.to_owned()));
    }
    Err(Refusal::new(
        43,
        "E0311",
        few(faults),
        "declare a runtime in orch.toml: [runtimes.NAME] command = [\"PROGRAM\"]; `orch init` shows a working one",
    ))
}

/// The first faults, and how many there are more.
fn few(mut faults: Vec<String>) -> String {
    let more = faults.len().saturating_sub(5);
    faults.truncate(5);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    faults.join("; ")
}

/// The steps whose agents name no runtime.
fn unnamed(plan: &Plan) -> Vec<&str> {
    let is_unnamed = |step: &&crate::plan::PlanStep| step.agents().any(|agent| agent.runtime.is_none());
    plan.steps.iter().filter(is_unnamed).map(|step| step.path.as_str()).collect()
}

/// The runtime that was found and whose first use needs a person's yes, if this plan needs one.
pub(super) fn needs_yes<'s>(plan: &Plan, settings: &'s RunSettings) -> Option<&'s str> {
    let found = settings.found.as_ref().filter(|found| settings.runtime.is_none() && !found.is_agreed)?;
    (!unnamed(plan).is_empty()).then_some(found.name.as_str())
}

fn first_use(plan: &Plan, name: &str, replay: &Replay) -> Refusal {
    let recorded = if replay.knows(&plan.name) {
        "; or `--runtime replay` to see the recorded answers, which costs nothing"
    } else {
        ""
    };
    Refusal::new(
        43,
        "E0315",
        format!("agents would run on `{name}`, which is installed here and was never used by orch: it may cost money"),
        format!("add `--runtime {name}` to say yes, or write runtime = \"{name}\" in orch.toml{recorded}"),
    )
}

/// Looks every program up that a step or a gate names, before anything runs.
///
/// # Errors
/// All missing programs at once. Exit 22 where a gate would have no verdict but error, else 43.
pub(super) fn programs(plan: &Plan, env: &[(OsString, OsString)], root: &Path) -> Result<(), Refusal> {
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()).unwrap_or_default();
    let mut missing: Vec<(String, bool)> = Vec::new();
    let mut look = |what: String, command: &Command, is_gate: bool| {
        for program in named_programs(command) {
            if !is_there(&program, &path, root) && missing.len() < 50 {
                missing.push((format!("`{program}` for {what}"), is_gate));
            }
        }
    };
    for step in plan.steps.iter().filter(|step| plan.sandbox.mode(step) != SandboxMode::Container) {
        if let Work::Run { command, .. } = &step.work {
            look(format!("the step `{}`", step.path), command, false);
        }
        for (place, gate) in step.gates.iter().enumerate() {
            if let PlanGate::Run { command, .. } = gate {
                look(format!("gate {} of `{}`", place + 1, step.path), command, true);
            }
        }
    }
    for server in &plan.servers {
        look(format!("the MCP server `{}`", server.name), &Command::Argv(server.command.clone()), false);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let gate = missing.iter().any(|(_, is_gate)| *is_gate);
    let words: Vec<_> = missing.into_iter().map(|(words, _)| words).collect();
    let message = if gate {
        format!("verdict error before the start: programs are not on PATH: {}", words.join("; "))
    } else {
        format!("programs are not on PATH: {}", words.join("; "))
    };
    Err(Refusal::new(
        if gate { 22 } else { 43 },
        "E0312",
        message,
        "install them, or change the PATH, and run again; `orch doctor` shows what children get",
    ))
}

/// The programs that a command names as far as its text shows them: the first word of each simple command.
///
/// Files that the run itself makes (anything with a slash) are not looked up: they need not exist yet.
fn named_programs(command: &Command) -> Vec<String> {
    match command {
        Command::Argv(words) => words.first().filter(|word| is_plain(word)).cloned().into_iter().collect(),
        Command::Shell(text) => {
            let mut programs = Vec::new();
            if text.contains("<<") || text.contains('(') || text.contains('`') {
                return programs;
            }
            // `>&2` and `&>log` are redirections, not the end of a command.
            // The patterns of a `case` look like commands.
            if text.split_whitespace().any(|word| word == "case") {
                return programs;
            }
            let text = text.replace(">&", "> ").replace("<&", "< ").replace("&>", " >");
            for part in text.split(['\n', ';', '|', '&']) {
                let Ok(words) = shell_words::split(part) else { return Vec::new() };
                let mut words = words.into_iter().skip_while(|word| {
                    ["!", "{", "then", "else", "do", "if", "while", "until", "elif"].contains(&word.as_str())
                        || word.split_once('=').is_some_and(|(name, _)| is_variable(name))
                });
                if let Some(word) = words.next()
                    && is_plain(&word)
                    && !BUILTINS.contains(&word.as_str())
                    && !programs.contains(&word)
                {
                    programs.push(word);
                }
            }
            programs
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

fn is_there(program: &str, path: &OsStr, root: &Path) -> bool {
    std::env::split_paths(path).any(|folder| {
        let file = if folder.as_os_str().is_empty() { root.join(program) } else { folder.join(program) };
        file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// Checks that at least `floor` bytes are free on the store's disk.
///
/// # Errors
/// When there are fewer; exit 33.
pub(super) fn disk(state: &Path, floor: u64) -> Result<(), Refusal> {
    let Some(free) = free_bytes(state).filter(|free| *free < floor) else {
        return Ok(());
    };
    Err(Refusal::new(
        33,
        "E0403",
        format!(
            "only {} MB are free on the disk of {}, the floor is {} MB",
            free / 1_000_000,
            state.display(),
            floor / 1_000_000
        ),
        "free some space, or lower `limits.disk_floor` in orch.toml; `orch doctor` shows both",
    )
    .retryable())
}

/// Free bytes of a folder's disk, where the system says.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        named_programs(&Command::Shell(text.to_owned()))
    }

    #[test]
    fn programs_of_simple_commands() {
        assert_eq!(of("cargo test -q"), ["cargo"]);
        assert_eq!(of("A=1 make && ./run.sh | grep x; echo done"), ["make", "grep"]);
        assert_eq!(of("if test -f x; then npm ci; fi"), ["npm"]);
        assert_eq!(of("cat <<EOF\nnot a program\nEOF"), Vec::<String>::new());
        assert_eq!(of("make 2>&1 | tee log >&2; npm ci &> log"), ["make", "tee", "npm"]);
        assert_eq!(of("$TOOL run"), Vec::<String>::new());
        assert_eq!(of("case $x in 1|0) make;; esac"), Vec::<String>::new());
        assert_eq!(of("case $x in\n1|\"0\") make;; esac"), Vec::<String>::new());
    }
}
