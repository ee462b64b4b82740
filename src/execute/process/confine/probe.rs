//! What this machine can keep: tried, not guessed.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{Confinement, enter, surroundings::surroundings};
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
}

/// Every method, the best first.
const METHODS: [Method; 3] = [Method::Namespaces, Method::Bubblewrap, Method::Surroundings];
/// The variable that leaves methods out, by their words with commas between. There is none that adds one.
const WITHOUT: &str = "ORCH_SANDBOX_WITHOUT";

/// Finds the first method that works, once for the life of this process; `orch` is this very program.
pub fn probe(orch: &Path) -> &'static Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| {
        let mut tried = Vec::new();
        for method in METHODS {
            let fault = attempt(orch, method).err();
            let is_found = fault.is_none();
            tried.push((method, fault));
            if is_found {
                break;
            }
        }
        Probe { tried }
    })
}

/// Tries every method.
#[must_use]
pub fn probe_all(orch: &Path) -> Probe {
    Probe { tried: METHODS.map(|method| (method, attempt(orch, method).err())).to_vec() }
}

/// Confines a command that does nothing in a folder of its own.
fn attempt(orch: &Path, method: Method) -> Result<(), String> {
    let without = std::env::var(WITHOUT).unwrap_or_default();
    if without.split(',').any(|word| word.trim() == method.word()) {
        return Err(format!("left out by {WITHOUT}"));
    }
    let around = (method == Method::Surroundings).then(surroundings);
    let network = match around {
        Some(None) => return Err("this is in no sandbox of another run".to_owned()),
        Some(Some(around)) => around.network,
        None => Network::None,
    };
    let temp = std::env::temp_dir().join(format!("orch-probe-{}", std::process::id()));
    std::fs::create_dir_all(&temp).map_err(|error| format!("make {}: {error}", temp.display()))?;
    let tried = confined(orch, (method, network), &temp);
    drop(std::fs::remove_dir_all(&temp));
    tried
}

fn confined(orch: &Path, (method, network): (Method, Network), temp: &Path) -> Result<(), String> {
    let profile = Profile {
        writes: vec![temp.to_path_buf()],
        held: Vec::new(),
        hidden: Vec::new(),
        replaced: Vec::new(),
        temp: temp.to_path_buf(),
        network,
        doorway: None,
        nests: false,
        mark: None,
    };
    let text =
        serde_json::to_string(&Confinement { profile, method, container: None }).map_err(|error| error.to_string())?;
    let mut command: Command =
        enter::command(orch, text.as_ref(), Path::new("/bin/sh"), &["sh".into(), "-c".into(), ":".into()], &[]);
    let ended = command.current_dir("/").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(said.replace(enter::COMPLAINT, "").trim().replace('\n', "; "))
}
