//! Looks at everything that a run needs and says how to mend what is wrong. Changes nothing.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    base::{Diagnostic, Severity},
    config::{Environment, KEYS},
    execute::process::probe_all,
    journal::{Sqlite, Store},
    service::{
        check, fault::Fault, notices::doctor_checks, own_checks::own_checks, project::Project, runs::Runs,
        runtimes::list_runtimes, sandbox::words, security::security,
    },
};

/// How one check has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing to do.
    Ok,
    /// Works, but look at it.
    Warn,
    /// Does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// How to mend it; empty where nothing is wrong.
    pub fix: String,
}

/// One setting, its value and where that came from.
#[derive(Debug, Clone, Serialize)]
pub struct SettingLine {
    /// The key.
    pub key: String,
    /// The value; `None` where there is none.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: String,
}

/// Everything that was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// 1.
    pub version: u16,
    /// The project's root.
    pub root: PathBuf,
    /// The checks.
    pub checks: Vec<Check>,
    /// The settings; empty where they cannot be read.
    pub settings: Vec<SettingLine>,
}

impl Health {
    /// Whether nothing fails.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.state != State::Fail)
    }
}

/// Looks at everything. `project` is the open project, or why it cannot be opened; `program` is this program's file.
#[must_use]
pub fn doctor(project: Result<&Project, &Fault>, environment: &Environment, program: &Path) -> Health {
    let root = project.map_or_else(|_| environment.folder().to_owned(), |project| project.root().to_owned());
    let mut checks = vec![
        ok("orch", format!("version {} at {}", env!("CARGO_PKG_VERSION"), program.display())),
        sqlite(),
        tool(environment, "git", State::Warn, "install git; results and worktrees are kept with it"),
        tool(environment, "sh", State::Fail, "install a POSIX shell; `run:` steps and gates need it"),
        state_folder(&root),
    ];
    let mut settings = Vec::new();
    match project {
        Ok(project) => {
            checks.push(disk(&root, project.settings().limits.disk_floor_bytes));
            checks.push(ok("settings", settings_words(project)));
            checks.push(runtimes(project));
            checks.push(definitions(project));
            checks.push(open_runs(project, program));
            let run_settings = project.run_settings(program.to_owned());
            checks.extend(doctor_checks(&run_settings.notices));
            checks.extend(own_checks(project, &run_settings.machine, program));
            settings = setting_lines(project);
        }
        Err(fault) => {
            checks.push(disk(&root, 0));
            checks.push(fail("settings", fault_words(fault), "correct the settings and run `orch doctor` again"));
        }
    }
    checks.push(sandbox(program));
    checks.push(namespaces());
    Health { version: 1, root, checks, settings }
}

pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Check {
    Check { name: name.to_owned(), state: State::Ok, detail: detail.into(), fix: String::new() }
}

pub(super) fn warn(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name: name.to_owned(), state: State::Warn, detail: detail.into(), fix: fix.into() }
}

pub(super) fn fail(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name: name.to_owned(), state: State::Fail, detail: detail.into(), fix: fix.into() }
}

/// Looks only at what could let somebody else in.
#[must_use]
pub fn doctor_of_security(project: Result<&Project, &Fault>, environment: &Environment) -> Health {
    let root = project.map_or_else(|_| environment.folder().to_owned(), |project| project.root().to_owned());
    let mut checks = security(project.ok(), environment);
    if let Err(fault) = project {
        checks.push(fail("settings", fault_words(fault), "correct the settings and run `orch doctor` again"));
    }
    Health { version: 1, root, checks, settings: Vec::new() }
}

fn sqlite() -> Check {
    match Sqlite::library_version() {
        (version, true) => ok("store engine", format!("SQLite {version}, built in")),
        (version, false) => fail(
            "store engine",
            format!("SQLite {version} can lose commits"),
            "build orch with its bundled SQLite (3.51.3 or newer)",
        ),
    }
}

fn tool(environment: &Environment, name: &'static str, absent: State, fix: &str) -> Check {
    match environment.find_program(name) {
        Some(path) => ok(name, path.display().to_string()),
        None => Check { name: name.to_owned(), state: absent, detail: "not on PATH".to_owned(), fix: fix.to_owned() },
    }
}

fn state_folder(root: &Path) -> Check {
    const NAME: &str = "state folder";
    let state = root.join(".orch/state");
    let Ok(metadata) = fs::metadata(&state) else {
        // The first run makes it in the nearest folder that is there.
        let above = state.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(root);
        if is_writable(above) {
            return ok(NAME, format!("{} will be made by the first run", state.display()));
        }
        return fail(NAME, format!("{} cannot be written", above.display()), "correct its permissions: chmod u+rwx");
    };
    let mode = metadata.permissions().mode() & 0o777;
    if !metadata.is_dir() || !is_writable(&state) {
        let fix = format!("chmod u+rwx {}", state.display());
        fail(NAME, format!("{} cannot be written (mode {mode:o})", state.display()), fix)
    } else if mode & 0o077 != 0 {
        let fix = format!("chmod 700 {}", state.display());
        warn(NAME, format!("{} can be read by others (mode {mode:o})", state.display()), fix)
    } else {
        ok(NAME, format!("{} (mode {mode:o})", state.display()))
    }
}

fn is_writable(folder: &Path) -> bool {
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_ok()
}

fn disk(root: &Path, floor: u64) -> Check {
    let Ok(stat) = nix::sys::statvfs::statvfs(root) else {
        return warn("disk", "the free space cannot be read", "look with `df -h .`");
    };
    let free = stat.blocks_available() * stat.fragment_size();
    let words = format!("{} MB free, {} MB needed to start", free / 1_000_000, floor / 1_000_000);
    if free >= floor {
        ok("disk", words)
    } else {
        fail("disk", words, "free some space, or lower `limits.disk_floor` in orch.toml")
    }
}

fn settings_words(project: &Project) -> String {
    let set = KEYS.iter().filter(|key| project.settings().is_set(key.path)).count();
    let runtimes = project.settings().runtimes.len();
    format!("{set} of {} set, {runtimes} runtimes declared", KEYS.len())
}

fn setting_lines(project: &Project) -> Vec<SettingLine> {
    let settings = project.settings();
    let mut lines: Vec<_> = KEYS
        .iter()
        .map(|key| {
            let value = settings.value_of(key.path);
            let origin = value.as_ref().map_or_else(|| "default".to_owned(), |(_, origin)| origin.to_string());
            let value = match (value, key.path) {
                (Some((value, _)), _) => Some(value),
                (None, "parallel") => Some(settings.parallel.to_string()),
                (None, _) => None,
            };
            SettingLine { key: key.path.to_owned(), value, origin }
        })
        .collect();
    lines.extend(settings.runtimes.iter().map(|(name, runtime)| SettingLine {
        key: format!("runtimes.{name}"),
        value: Some(runtime.form.words()),
        origin: runtime.origin.to_string(),
    }));
    lines
}

fn runtimes(project: &Project) -> Check {
    const NAME: &str = "runtimes";
    let lines = list_runtimes(project, false);
    let (found, missing): (Vec<_>, Vec<_>) =
        lines.iter().filter(|line| line.kind != "replay").partition(|line| line.is_there);
    // A known program that is not installed is no fault; one that was declared is.
    let missing: Vec<_> = missing.iter().filter(|line| project.settings().runtimes.contains_key(&line.name)).collect();
    if !missing.is_empty() {
        let missing: Vec<_> = missing.iter().map(|line| format!("{} ({})", line.name, line.program)).collect();
        let fix = "install the program, correct the table in orch.toml, or chmod +x it";
        return fail(NAME, format!("not found or not executable: {}", missing.join(", ")), fix);
    }
    if found.is_empty() {
        let fix = "install an agent program, or declare one in orch.toml: [runtimes.NAME] command = [\"PROGRAM\"]; `orch init` \
                   shows a working one";
        return warn(NAME, "none found and none declared: agents can only be replayed from recordings", fix);
    }
    let found: Vec<_> = found.iter().map(|line| line.name.as_str()).collect();
    ok(NAME, format!("{} found; replay is built in", found.join(", ")))
}

fn definitions(project: &Project) -> Check {
    const NAME: &str = "definitions";
    match check(project, &[]) {
        Ok(checked) => match (checked.count(Severity::Error), checked.count(Severity::Warning)) {
            (0, 0) => ok(NAME, format!("{} files without a fault", checked.files)),
            (0, warnings) => {
                warn(NAME, format!("{} files, {warnings} warnings", checked.files), "`orch check` shows them")
            }
            (errors, _) => fail(NAME, format!("{} files, {errors} errors", checked.files), "`orch check` shows them"),
        },
        Err(fault) => fail(NAME, fault_words(&fault), "`orch check` shows more"),
    }
}

fn open_runs(project: &Project, program: &Path) -> Check {
    const NAME: &str = "open runs";
    if !Store::exists(project.root()) {
        return ok(NAME, "no run yet");
    }
    let runs = Runs::open(project.root(), project.run_settings(program.to_owned()));
    match runs.and_then(|runs| runs.list(10_000)) {
        Ok(runs) => {
            let lost: Vec<_> =
                runs.iter().filter(|run| run.status == "interrupted").map(|run| run.run.to_string()).collect();
            match lost.first() {
                None => ok(NAME, format!("{} runs, none interrupted", runs.len())),
                Some(first) => {
                    let fix = format!("`orch resume {first}` goes on, `orch cancel {first}` ends it");
                    warn(NAME, format!("interrupted, without an owner: {}", lost.join(", ")), fix)
                }
            }
        }
        Err(refusal) => fail(NAME, refusal.message, refusal.help),
    }
}

fn sandbox(orch: &Path) -> Check {
    let tried = probe_all(orch);
    let used = tried.tried.iter().position(|(_, fault)| fault.is_none()).map_or(tried.tried.len(), |place| place + 1);
    let (first, rest) = tried.tried.split_at(used);
    let words = words(first);
    match tried.best() {
        Some(_) => {
            let rest = super::sandbox::words(rest);
            let rest = if rest.is_empty() { rest } else { format!("; in reserve: {rest}") };
            ok("sandbox", format!("{words}, with Landlock and a filter of system calls{rest}"))
        }
        None => warn(
            "sandbox",
            words,
            "install bubblewrap, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
             kernel.apparmor_restrict_unprivileged_userns=0), on Linux 6.12 or newer; until then runs with agents start only with `--sandbox off`, or sandbox = \"off\" in orch.toml",
        ),
    }
}

fn namespaces() -> Check {
    const NAME: &str = "user namespaces";
    let read = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let most = read("/proc/sys/user/max_user_namespaces");
    let allowed = read("/proc/sys/kernel/unprivileged_userns_clone");
    match (most, allowed) {
        (Some(0), _) | (_, Some(0)) => warn(
            NAME,
            "not allowed; the sandbox needs them",
            "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000",
        ),
        (Some(_), _) => ok(NAME, "allowed"),
        (None, _) => ok(NAME, "this system has none, so no sandbox"),
    }
}

fn fault_words(fault: &Fault) -> String {
    match fault {
        Fault::Refused(refusal) => refusal.message.clone(),
        Fault::Diagnosed(diagnostics) => {
            let words = |fault: &Diagnostic| {
                let position = fault.source.position(fault.span.start);
                format!("{}:{}: {}", fault.source.path.display(), position.line, fault.message)
            };
            diagnostics.iter().map(words).collect::<Vec<_>>().join("; ")
        }
    }
}
