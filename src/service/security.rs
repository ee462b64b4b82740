//! `orch doctor --security`: who else may read or change what is the user's, keys that stand in files, and settings that
//! let much pass. Changes nothing, starts nothing, and never shows a key.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    config::Environment,
    definition::policy::{PolicyRule, RiskClass},
    driver::OnApproval,
    guard::Redactor,
    service::{
        audit::verify_audit,
        doctor::{Check, fail, ok, warn},
        policy::find_policy,
        project::{Project, is_root, user_id},
        runtimes::dangerous,
    },
};

/// Files that are looked into for keys, and how much of each.
const FILES_MAX: usize = 2_000;
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Names that one line shows.
const NAMED_MAX: usize = 5;
/// What a project keeps for `orch` and for agents.
const OURS: &[&str] = &[
    "orch.toml",
    "policy.yaml",
    ".mcp.json",
    "workflows",
    "agents",
    "skills",
    "commands",
    "gates",
    ".orch",
    ".claude",
    ".codex",
    ".gemini",
];

/// Everything that could let somebody else in.
pub(super) fn security(project: Option<&Project>, environment: &Environment) -> Vec<Check> {
    let mut checks = vec![who(), search_path(environment)];
    let own =
        [environment.user_folder(), environment.trust_folder().and_then(|folder| folder.parent().map(PathBuf::from))];
    let [settings, state] = own;
    checks.push(closed("own settings", settings.as_deref(), 0o022, "changed"));
    checks.push(closed("own state", state.as_deref(), 0o077, "read or changed"));
    let root = project.map_or_else(|| environment.folder().to_owned(), |project| project.root().to_owned());
    checks.push(closed("run state", Some(&root.join(".orch/state")), 0o077, "read or changed"));
    checks.push(project_files(&root));
    checks.push(keys(&root));
    checks.push(secret_files(&root));
    if let Some(project) = project {
        checks.extend([policy(project), settings_that_allow(project), audit(project)]);
    }
    checks
}

fn who() -> Check {
    const NAME: &str = "user";
    if is_root() {
        return warn(NAME, "root: nothing on this machine is closed to an agent", "run `orch` as a user of its own");
    }
    ok(NAME, "not root")
}

/// A folder of `PATH` that others may write lets them choose which program runs.
fn search_path(environment: &Environment) -> Check {
    const NAME: &str = "search path";
    let path = environment.variable("PATH").unwrap_or_default();
    let is_open = |folder: &PathBuf| {
        let mode = fs::metadata(folder).map(|found| found.permissions().mode());
        folder.is_relative() || mode.is_ok_and(|mode| mode & 0o002 != 0)
    };
    let open: Vec<String> = std::env::split_paths(path).filter(is_open).map(|folder| shown(&folder)).collect();
    if open.is_empty() {
        return ok(NAME, "no folder of PATH may be written by others");
    }
    fail(NAME, format!("others may put programs into: {}", named(&open)), "take it out of PATH, or chmod o-w it")
}

/// Whether others than their owner can do something with files below a folder.
fn closed(name: &'static str, folder: Option<&Path>, bits: u32, can: &str) -> Check {
    let Some(folder) = folder.filter(|folder| folder.exists()) else { return ok(name, "not there yet") };
    let us = user_id();
    let (mut open, mut foreign) = (Vec::new(), Vec::new());
    for path in below(folder) {
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        // The rights of a link are those of what it leads to.
        if !found.is_symlink() && found.mode() & bits != 0 {
            open.push(shown(&path));
        }
        if found.uid() != us {
            foreign.push(shown(&path));
        }
    }
    // Behind a closed door nobody reaches what lies open.
    let is_shut = fs::metadata(folder).is_ok_and(|found| found.mode() & 0o077 == 0);
    if !foreign.is_empty() && us != 0 {
        let fix = format!("look at them, then: chown -R \"$USER\" {}", shown(folder));
        return fail(name, format!("owned by somebody else: {}", named(&foreign)), fix);
    }
    if open.is_empty() || is_shut {
        return ok(name, format!("{} is closed to others", shown(folder)));
    }
    let fix = format!("chmod -R go-rwx {}", shown(folder));
    fail(name, format!("can be {can} by others: {}", named(&open)), fix)
}

fn project_files(root: &Path) -> Check {
    const NAME: &str = "project files";
    let is_open =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink() && found.mode() & 0o002 != 0);
    let open: Vec<String> = ours(root).into_iter().filter(is_open).map(|path| inside(root, &path)).collect();
    if open.is_empty() {
        return ok(NAME, "definitions and settings cannot be changed by everybody");
    }
    fail(NAME, format!("can be changed by everybody: {}", named(&open)), "chmod o-w them")
}

/// Files with text that looks like a key of a known service.
fn keys(root: &Path) -> Check {
    const NAME: &str = "keys in files";
    let redactor = Redactor::default();
    let holds = |path: &PathBuf| {
        let is_small = fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() <= FILE_BYTES_MAX);
        is_small && fs::read_to_string(path).is_ok_and(|text| redactor.text(&text) != text)
    };
    let files = ours(root);
    let found: Vec<String> = files.iter().filter(|path| holds(path)).map(|path| inside(root, path)).collect();
    if found.is_empty() {
        return ok(NAME, format!("none in {} files that agents and runs are given", files.len()));
    }
    let fix = "take the key out, make a new one, and name a variable instead: `env = { KEY = \"$KEY\" }`";
    fail(NAME, format!("what looks like a key stands in {}", named(&found)), fix)
}

fn secret_files(root: &Path) -> Check {
    const NAME: &str = "secret files";
    let names = [".env", ".env.local", ".env.production", ".npmrc", ".pypirc", "id_rsa", "id_ed25519", "key.pem"];
    let is_open = |name: &&str| fs::metadata(root.join(name)).is_ok_and(|found| found.mode() & 0o004 != 0);
    let open: Vec<String> = names.iter().filter(|name| is_open(name)).map(|name| (*name).to_owned()).collect();
    if open.is_empty() {
        return ok(NAME, "none that everybody may read");
    }
    warn(NAME, format!("everybody may read {}", named(&open)), format!("chmod 600 {}", open.join(" ")))
}

fn policy(project: &Project) -> Check {
    const NAME: &str = "policy";
    let found = find_policy(project);
    if found.is_broken() {
        return fail(NAME, "a policy file has faults, so nothing may start", "`orch check` shows them");
    }
    let allowed = |class: &&RiskClass| found.policy.rule(**class) == PolicyRule::Allow;
    let allowed: Vec<String> = RiskClass::ALL.iter().filter(allowed).map(|class| class.word().to_owned()).collect();
    let commands = found.policy.commands.len();
    if allowed.is_empty() {
        return ok(NAME, format!("nothing dangerous passes without a question but {commands} agreed commands"));
    }
    let fix = "agree to single commands under `commands:` instead of `allow:`; `orch show policy` shows all of it";
    warn(NAME, format!("dangerous commands of these classes pass without a question: {}", allowed.join(", ")), fix)
}

fn settings_that_allow(project: &Project) -> Check {
    const NAME: &str = "weak settings";
    let mut weak = Vec::new();
    if project.settings().on_approval == OnApproval::Approve {
        weak.push("on_approval = \"approve\" says yes to every question of a run".to_owned());
    }
    weak.extend(
        dangerous(project).into_iter().map(|(name, place)| format!("{name} may work without limits ({place})")),
    );
    if weak.is_empty() {
        return ok(NAME, "none");
    }
    warn(NAME, weak.join("; "), "take it away, and say it for single runs on the command line")
}

fn audit(project: &Project) -> Check {
    const NAME: &str = "audit log";
    if !project.root().join(".orch/state/audit/log.jsonl").exists() {
        return ok(NAME, "no entry yet");
    }
    match verify_audit(project, None) {
        Ok(found) => match found.faults.first() {
            None => ok(NAME, format!("{} entries, {} of them signed", found.head.count, found.signed)),
            Some(fault) => {
                fail(NAME, format!("line {}: {}", fault.line, fault.why), "`orch audit verify` shows all faults")
            }
        },
        Err(refusal) => fail(NAME, refusal.message, refusal.help),
    }
}

/// What belongs to `orch` and to agents in a project, without what runs leave behind.
fn ours(root: &Path) -> Vec<PathBuf> {
    let state = root.join(".orch/state");
    let there = OURS.iter().map(|name| root.join(name)).filter(|path| path.exists());
    there.flat_map(|path| below(&path)).filter(|path| !path.starts_with(&state)).take(FILES_MAX).collect()
}

/// A folder or file and what is below it; links are not followed.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while next < found.len() && found.len() < FILES_MAX {
        let is_folder = fs::symlink_metadata(&found[next]).is_ok_and(|found| found.is_dir());
        if is_folder && let Ok(entries) = fs::read_dir(&found[next]) {
            found.extend(entries.flatten().map(|entry| entry.path()));
        }
        next += 1;
    }
    found.truncate(FILES_MAX);
    found
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn inside(root: &Path, path: &Path) -> String {
    shown(path.strip_prefix(root).unwrap_or(path))
}

fn named(all: &[String]) -> String {
    let first = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX { format!("{first} and {} more", all.len() - NAMED_MAX) } else { first }
}
