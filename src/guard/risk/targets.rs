//! What it means to delete, write or read a path.

use super::{
    assess::RiskContext,
    expand::UNKNOWN,
    paths::{below, resolve, takes_all},
    places::{KEYS, MADE, MADE_ENDS, STARTS_LATER, STEERS, SYSTEM},
};
use crate::definition::policy::{Level, RiskClass};

/// What a path makes of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touch {
    pub level: Level,
    pub class: RiskClass,
    pub rule: &'static str,
    pub why: String,
    pub instead: &'static str,
}

fn touch(level: Level, class: RiskClass, rule: &'static str, why: String, instead: &'static str) -> Touch {
    Touch { level, class, rule, why, instead }
}

/// Whether a path is one of the names, or below it.
fn is_in(rest: &str, names: &[&str]) -> bool {
    names.iter().any(|name| below(rest, name).is_some())
}

/// Deletes. `recursive` takes folders with all that is in them.
pub(super) fn delete(path: &str, cwd: &str, recursive: bool, context: &RiskContext) -> Touch {
    let place = resolve(path, cwd, &context.home);
    let shown = show(path);
    let never =
        |why: String| touch(Level::L4, RiskClass::Delete, "delete-vital", why, "name the file or folder itself");
    let ask = |rule, why: String, instead| touch(Level::L3, RiskClass::Delete, rule, why, instead);
    let last = place.path.rsplit('/').next().unwrap_or("");
    // `dir/*` is all of `dir`.
    let whole = if takes_all(last) { place.path.trim_end_matches(last).trim_end_matches('/') } else { &place.path };
    let whole = if whole.is_empty() { "/" } else { whole };
    if place.is_adrift && !recursive && !takes_all(last) {
        let why = format!("deletes `{shown}`, of which nobody knows where it is");
        return touch(Level::L2, RiskClass::Delete, "delete-unknown-file", why, "");
    }
    if place.is_adrift || (whole.starts_with('/') && whole[1..].starts_with(UNKNOWN) && recursive) {
        return ask(
            "delete-unknown",
            format!("nobody can say which files `{shown}` means; where the variable is empty, it may be all of them"),
            "write the path out, or check the variable: `${dir:?}`",
        );
    }
    if let Some(touch) = guards(whole, context, "deletes") {
        return touch;
    }
    if below(&context.home, whole).is_some() || whole == "/" {
        return never(format!("`{shown}` is the home folder, or a folder above it"));
    }
    if let Some(rest) = below(whole, &context.root) {
        return delete_inside(rest, &shown, recursive, takes_all(last));
    }
    if below(&context.root, whole).is_some() && recursive {
        return never(format!("`{shown}` is a folder above the workspace"));
    }
    if let Some(rest) = temporary(whole, context) {
        let level = if rest.is_empty() && recursive { Level::L3 } else { Level::L2 };
        let why = format!("deletes `{shown}`, a temporary file outside of the workspace");
        return touch(level, RiskClass::Delete, "delete-temporary", why, "delete what you have made, by its name");
    }
    let first = whole[1..].split('/').next().unwrap_or("");
    let depth = whole[1..].split('/').count();
    if recursive && (SYSTEM.contains(&first) && depth <= 2 || depth <= 1) {
        return never(format!("`{shown}` belongs to the system"));
    }
    if let Some(rest) = below(whole, &context.home)
        && is_in(rest, KEYS)
    {
        return touch(
            Level::L3,
            RiskClass::Secrets,
            "delete-keys",
            format!("deletes `{shown}`, where credentials are"),
            "leave them where they are",
        );
    }
    ask("delete-outside", format!("`{shown}` lies outside of the workspace"), "delete only inside the workspace")
}

/// The rest of a path below a folder for temporary files; nothing where the workspace or the home lies there as well, in
/// the same folder: what lies beside them is no less than they are.
fn temporary<'a>(path: &'a str, context: &RiskContext) -> Option<&'a str> {
    let folders = ["/tmp", "/var/tmp", "/dev/shm", "/private/tmp"];
    let (folder, rest) = folders.iter().find_map(|folder| Some((folder, below(path, folder)?)))?;
    let first = rest.split('/').next().unwrap_or("");
    let shared = format!("{folder}/{first}");
    let is_shared = |other: &str| !first.is_empty() && below(other, &shared).is_some();
    (!is_shared(&context.root) && !is_shared(&context.home)).then_some(rest)
}

fn delete_inside(rest: &str, shown: &str, recursive: bool, all: bool) -> Touch {
    let plain = |level, rule, why: String, instead| touch(level, RiskClass::Delete, rule, why, instead);
    if rest.is_empty() && recursive && !all {
        let why = format!("`{shown}` is the whole workspace with its history");
        return plain(Level::L4, "delete-vital", why, "name the file or folder itself");
    }
    let parts: Vec<&str> = rest.split('/').collect();
    if parts.first() == Some(&".git") && !rest.ends_with(".lock") {
        let why = format!("`{shown}` is the history of the project");
        return plain(Level::L4, "delete-history", why, "use git itself, which can take its changes back");
    }
    let last = parts.last().copied().unwrap_or("");
    if !recursive && !all && super::losses::is_data(rest) {
        let why = format!("deletes `{shown}`, whose content no history keeps");
        return plain(Level::L3, "delete-data", why, "work on a copy of it");
    }
    let is_some = last.contains('*') && !MADE_ENDS.contains(&last);
    if !recursive && !all && !parts.contains(&"**") && is_some {
        return plain(Level::L2, "delete-files", format!("deletes all files that are called `{shown}`"), "");
    }
    if !recursive && !all && !parts.contains(&"**") {
        return plain(Level::L1, "delete-file", format!("deletes `{shown}` in the workspace"), "");
    }
    let is_made = parts.iter().any(|part| MADE.contains(part) || part.ends_with(".egg-info"))
        || [".json", ".lock", ".log", ".txt", ".tmp", ".tgz", ".gz", ".zip", ".lockb"]
            .iter()
            .any(|end| rest.ends_with(end))
        || MADE_ENDS.contains(parts.last().unwrap_or(&""));
    let recursive = recursive || parts.contains(&"**");
    if is_made {
        return plain(Level::L1, "delete-made", format!("deletes `{shown}`, which a build makes again"), "");
    }
    if !recursive && !rest.is_empty() {
        return plain(Level::L2, "delete-files", format!("deletes all files in `{shown}`"), "");
    }
    plain(
        Level::L3,
        "delete-folder",
        format!("deletes the folder `{shown}` for good, with what is not committed in it"),
        "`git rm -r PATH`, which git can take back; or delete file by file",
    )
}

/// What watches over the run itself, and what the policy protects.
pub(super) fn guards(path: &str, context: &RiskContext, verb: &str) -> Option<Touch> {
    let shown = show(path);
    if below(path, &context.state).is_some() {
        let why = format!("{verb} `{shown}`, where orch keeps trust, keys and its log");
        return Some(touch(Level::L4, RiskClass::Guard, "guard-state", why, "leave it to orch"));
    }
    let rest = below(path, &context.root)?;
    let own = [".orch", "policy.yaml", "policy.yml", "orch.toml"];
    let is_own = (is_in(rest, &own) && !is_in(rest, &OWN_OPEN)) || rest == ".orch";
    if is_own && verb != "reads" {
        let why = format!("{verb} `{shown}`, which steers orch");
        return Some(touch(Level::L4, RiskClass::Guard, "guard-own", why, "let a person change it"));
    }
    if verb != "reads"
        && let Some(from) = context.protected_by(rest)
    {
        let why = format!("{verb} `{shown}`, which {from} protects");
        return Some(touch(Level::L4, RiskClass::Guard, "guard-protected", why, "change another file, or the policy"));
    }
    None
}

/// Definitions below `.orch/` are files as any other.
const OWN_OPEN: [&str; 5] = [".orch/agents", ".orch/skills", ".orch/commands", ".orch/workflows", ".orch/gates"];

/// Writes, makes or moves there.
pub(super) fn write(path: &str, cwd: &str, context: &RiskContext) -> Touch {
    let place = resolve(path, cwd, &context.home);
    let shown = show(path);
    let plain = |level, class, rule, why: String, instead| touch(level, class, rule, why, instead);
    if let Some(touch) = guards(&place.path, context, "writes") {
        return touch;
    }
    if let Some(device) = below(&place.path, "/dev") {
        return write_device(device, &shown);
    }
    if place.is_adrift {
        let why = format!("writes to `{shown}`, of which nobody knows where it is");
        return plain(Level::L2, RiskClass::Write, "write-unknown", why, "write the path out");
    }
    if let Some(rest) = below(&place.path, &context.root) {
        if below(rest, ".git").is_some() {
            let why = format!("writes `{shown}`, inside the history of the project, where files can run commands");
            return plain(Level::L3, RiskClass::Persistence, "write-history", why, "use git itself");
        }
        if is_in(rest, STEERS) {
            let why = format!("writes `{shown}`, which runs commands later or steers an agent");
            return plain(Level::L3, RiskClass::Persistence, "write-steering", why, "let a person change it");
        }
        return plain(Level::L1, RiskClass::Write, "write-inside", format!("writes `{shown}` in the workspace"), "");
    }
    if let Some(rest) = below(&place.path, &context.home)
        && is_in(rest, STARTS_LATER)
    {
        let why = format!("writes `{shown}`, which runs something later or holds credentials");
        return plain(Level::L3, RiskClass::Persistence, "write-start", why, "set it for this command only");
    }
    const VITAL: &[&str] = &["/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/sudoers.d", "/boot", "/etc/fstab"];
    if is_in(&place.path, VITAL) {
        let why = format!("writes `{shown}`, on which the system depends");
        return plain(Level::L4, RiskClass::Privilege, "write-vital", why, "leave it to a person");
    }
    let first = place.path[1..].split('/').next().unwrap_or("");
    let is_temporary =
        ["/tmp", "/var/tmp", "/dev/shm", "/private/tmp"].iter().any(|tmp| below(&place.path, tmp).is_some());
    if !is_temporary && SYSTEM.contains(&first) && below(&place.path, &context.home).is_none() {
        let why = format!("writes `{shown}`, which belongs to the system");
        return plain(Level::L3, RiskClass::Privilege, "write-system", why, "write inside the workspace");
    }
    let why = format!("writes `{shown}`, outside of the workspace");
    plain(Level::L2, RiskClass::Write, "write-outside", why, "write inside the workspace")
}

fn write_device(device: &str, shown: &str) -> Touch {
    const HARMLESS: &[&str] = &["null", "stdout", "stderr", "stdin", "tty", "fd", "zero", "full", "shm", "pts"];
    if is_in(device, HARMLESS) {
        return touch(Level::L0, RiskClass::Read, "write-nothing", format!("writes to `{shown}`"), "");
    }
    if below(device, "tcp").is_some() || below(device, "udp").is_some() {
        let why = format!("`{shown}` is a connection to another machine");
        return touch(Level::L3, RiskClass::Exfiltration, "write-socket", why, "use curl, which says where it goes");
    }
    let why = format!("writes to the device `{shown}`");
    touch(Level::L4, RiskClass::Disk, "write-device", why, "write to a file")
}

/// Files of the system that hold what is secret.
const SYSTEM_SECRETS: &[&str] = &[
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/ssl/private",
    "/run/secrets",
    "/var/run/secrets",
    "/etc/kubernetes",
    "/var/run/docker.sock",
    "/run/docker.sock",
];

/// Reads. `None` where nothing is special about it.
pub(super) fn read(path: &str, cwd: &str, context: &RiskContext) -> Option<Touch> {
    let place = resolve(path, cwd, &context.home);
    let shown = show(path);
    let secret = |why: String| {
        touch(Level::L3, RiskClass::Secrets, "read-keys", why, "let a person give the one value that is needed")
    };
    if let Some(touch) = guards(&place.path, context, "reads") {
        return Some(touch);
    }
    let name = place.path.rsplit('/').next().unwrap_or("");
    let homes = [context.home.as_str(), "/root"];
    let in_home = homes.iter().find_map(|home| below(&place.path, home)).or_else(|| {
        let rest = ["/home/", "/Users/"].iter().find_map(|homes| place.path.strip_prefix(homes))?;
        Some(rest.split_once('/').map_or("", |(_, rest)| rest))
    });
    if name.ends_with(".pub") || name == "known_hosts" {
        return None;
    }
    if in_home.is_some_and(|rest| is_in(rest, KEYS)) {
        return Some(secret(format!("reads `{shown}`, where credentials are")));
    }
    let in_proc = below(&place.path, "/proc").is_some_and(|rest| {
        ["environ", "mem", "root", "maps"].iter().any(|end| rest.ends_with(end))
            || rest.contains("/root/")
            || rest.contains("/fd/")
    });
    if in_proc || is_in(&place.path, SYSTEM_SECRETS) {
        return Some(secret(format!("reads `{shown}`, which holds what is secret")));
    }
    let is_template =
        [".example", ".sample", ".template", ".dist", ".test", ".schema"].iter().any(|end| name.ends_with(end));
    let is_env = (name == ".env" || name.starts_with(".env.")) && !is_template;
    let is_key = [
        "id_rsa",
        "id_ed25519",
        "id_ecdsa",
        "id_dsa",
        "credentials.json",
        "service-account.json",
        "secrets.yaml",
        "secrets.yml",
        "secrets.json",
        ".netrc",
        ".pgpass",
        ".git-credentials",
        ".htpasswd",
        "master.key",
        ".npmrc",
        ".pypirc",
    ]
    .contains(&name)
        || [".pem", ".key", ".p12", ".pfx", ".keystore", ".jks", ".kdbx"]
            .iter()
            .any(|end| name.ends_with(end) && name != "cert.pem");
    (is_env || is_key).then(|| secret(format!("reads `{shown}`, where secrets usually are")))
}

/// A path for people.
pub(super) fn show(path: &str) -> String {
    let text: String = path.chars().map(|letter| if letter == UNKNOWN { '…' } else { letter }).take(80).collect();
    if text.len() < path.len() && text.chars().count() == 80 { format!("{text}…") } else { text }
}
