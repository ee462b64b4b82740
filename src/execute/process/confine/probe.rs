//! What this machine can keep: tried, not guessed.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{Confinement, enter};
use crate::{
    base::Network,
    guard::sandbox::{Method, Profile},
};

/// What came of each method, in the order in which they are preferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The method, and why it does not work here where it does not.
    pub tried: Vec<(Method, Option<String>)>,
}

impl Probe {
    /// The best that works here.
    #[must_use]
    pub fn best(&self) -> Option<Method> {
        self.tried.iter().find(|(_, fault)| fault.is_none()).map(|(method, _)| *method)
    }

    /// Whether this one works here.
    #[must_use]
    pub fn works(&self, method: Method) -> bool {
        self.tried.contains(&(method, None))
    }
}

/// Tries every method once for the life of this process; `orch` is this very program.
pub fn probe(orch: &Path) -> &'static Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| {
        let methods = [Method::Namespaces];
        Probe { tried: methods.map(|method| (method, attempt(orch, method).err())).to_vec() }
    })
}

/// Confines a command that does nothing in a folder of its own.
fn attempt(orch: &Path, method: Method) -> Result<(), String> {
    let temp = std::env::temp_dir().join(format!("orch-probe-{}", std::process::id()));
    std::fs::create_dir_all(&temp).map_err(|error| format!("make {}: {error}", temp.display()))?;
    let tried = confined(orch, method, &temp);
    drop(std::fs::remove_dir_all(&temp));
    tried
}

fn confined(orch: &Path, method: Method, temp: &Path) -> Result<(), String> {
    let profile = Profile {
        writes: vec![temp.to_path_buf()],
        held: Vec::new(),
        hidden: Vec::new(),
        replaced: Vec::new(),
        temp: temp.to_path_buf(),
        network: Network::None,
        doorway: None,
        nests: false,
    };
    let text = serde_json::to_string(&Confinement { profile, method }).map_err(|error| error.to_string())?;
    let mut command: Command =
        enter::command(orch, text.as_ref(), Path::new("/bin/sh"), &["sh".into(), "-c".into(), ":".into()], &[]);
    let ended = command.current_dir("/").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(said.trim().strip_prefix(enter::COMPLAINT.trim_end()).unwrap_or(&said).trim().to_owned())
}
