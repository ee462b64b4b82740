//! The step cache of a project: where it lies, who may have written it, and how it is emptied.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use serde::Serialize;
use serde_json::Map;

use crate::{
    base::{Seal, Timestamp, random},
    driver::{
        Assigner, Clock, Confine, FileTier, FilesUse, Foreseen, MemoryTier, Recall, Reuse, Scope, StepCache, Would,
        complete_inputs,
    },
    execute::{Traces, render::Renderer},
    plan::{Plan, PlanStep},
    runtime::{Adapter, Replay},
    service::{nested, preflight, project::Project, recordings::recordings, refusal::Refusal, runs::names},
};

/// Where the cache lies in a project.
const FOLDER: &str = ".orch/state/cache";

/// How the step cache is used.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Whether `cache:` of steps is followed.
    pub is_on: bool,
    /// Whether work is kept on the disk.
    pub keeps_files: bool,
    /// Bytes on the disk.
    pub bytes_max: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// How long work may be taken where its step does not say, in milliseconds.
    pub ttl_ms: u64,
    /// Where the secret is that entries are marked with; absent where the user has no folder.
    pub seal_file: Option<PathBuf>,
}

/// How a person wants the cache of one run to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheWish {
    /// As the settings say.
    Use,
    /// Nothing is taken; what is done is kept anew.
    Refresh,
    /// Nothing is taken and nothing is kept.
    Off,
}

/// What the cache of a project is.
#[derive(Debug, Clone, Serialize)]
pub struct CacheState {
    /// The version of this form.
    pub v: u16,
    /// The folder.
    pub folder: String,
    /// Whether `cache:` of steps is followed.
    pub on: bool,
    /// What the folder holds; before it was emptied, where it was.
    #[serde(flatten)]
    pub used: FilesUse,
    /// The bytes that it may hold.
    pub bytes_max: u64,
}

/// The cache in front of a run's executor; `None` where nothing in the run can be taken or kept.
pub(super) fn recall(settings: &CacheSettings, root: &Path, plan: &Plan, reuse: Option<Reuse>) -> Option<Recall> {
    static MEMORY: LazyLock<Arc<MemoryTier>> = LazyLock::new(Arc::default);
    let reuse = reuse?;
    let is_declared = plan.steps.iter().any(|step| step.cache.is_some());
    (reuse.scope == Scope::All || (settings.is_on && is_declared)).then_some(())?;
    let files = settings.keeps_files.then(|| files(settings, root)).flatten();
    let memory = Arc::clone(&MEMORY);
    let cache = StepCache { root: root.to_owned(), memory, memory_bytes: settings.memory_bytes, files };
    Some(Recall::new(cache, Traces::default(), reuse))
}

/// The tier on the disk. Without a secret of the user's own nothing there could be trusted.
fn files(settings: &CacheSettings, root: &Path) -> Option<FileTier> {
    let Some(file) = &settings.seal_file else {
        tracing::warn!("there is no home folder for the secret of the step cache, so nothing is kept on the disk");
        return None;
    };
    let seal = secret(file)
        .inspect_err(|error| {
            tracing::warn!(%error, file = %file.display(), "without its secret the step cache keeps nothing on the disk");
        })
        .ok()?;
    Some(FileTier::new(root.join(FOLDER), Seal::new(seal), settings.bytes_max))
}

/// The user's secret; made where there is none.
fn secret(file: &Path) -> io::Result<[u8; 32]> {
    match read_secret(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let folder = file.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let fresh = random::<32>()?;
    let aside = file.with_extension(format!("{}.new", std::process::id()));
    drop(fs::remove_file(&aside));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?.write_all(&fresh)?;
    // A link is never made over a file: of two processes that begin at once, one has made the secret for both.
    let linked = fs::hard_link(&aside, file);
    drop(fs::remove_file(&aside));
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => read_secret(file),
    }
}

/// Reads a secret that nobody but its owner can have read or written.
fn read_secret(file: &Path) -> io::Result<[u8; 32]> {
    let found = fs::symlink_metadata(file)?;
    if !found.is_file() || found.mode() & 0o077 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may read or write it"));
    }
    let mut secret = [0; 32];
    fs::File::open(file)?.read_exact(&mut secret)?;
    Ok(secret)
}

impl CacheSettings {
    /// Nothing is taken and nothing is kept.
    #[must_use]
    pub fn off() -> Self {
        Self { is_on: false, keeps_files: false, bytes_max: 0, memory_bytes: 0, ttl_ms: 0, seal_file: None }
    }
}

impl CacheWish {
    /// What that means for steps with `cache:`.
    pub(super) fn reuse(self, settings: &CacheSettings) -> Option<Reuse> {
        let reads = self == Self::Use;
        (self != Self::Off).then_some(Reuse { scope: Scope::Declared, reads, ttl_ms: settings.ttl_ms })
    }
}

/// What the cache would be to a run of a plan with these inputs; nothing is done.
#[must_use]
pub fn foresee(project: &Project, plan: &Plan, program: PathBuf) -> Vec<Foreseen> {
    let settings = project.run_settings(program);
    let wish = CacheWish::Use.reuse(&settings.cache);
    let Some(recall) = recall(&settings.cache, project.root(), plan, wish) else { return Vec::new() };
    let replay = recordings(project.root(), plan);
    let named = settings.runtime.as_deref();
    let runtime = preflight::default_runtime(plan, named, settings.found.as_ref(), &replay);
    let Ok(inputs) = complete_inputs(&plan.inputs, Map::new()) else {
        let on_inputs = |step: &PlanStep| Foreseen {
            step: step.path.clone(),
            would: Would::Depends { on: "the inputs".to_owned() },
        };
        return plan.steps.iter().filter(|step| step.cache.is_some()).map(on_inputs).collect();
    };
    let declared = settings.runtimes.iter().map(|(name, declared)| declared.adapter(name, project.root()));
    let adapters: Vec<Arc<dyn Adapter>> = declared.chain([Arc::new(replay) as Arc<dyn Adapter>]).collect();
    let assigner = Assigner {
        // No key knows a value.
        secrets: plan.secrets.iter().map(|_| crate::guard::Secret::new(String::new())).collect(),
        renderer: Arc::new(Renderer::new(settings.program.clone())),
        root: project.root().to_owned(),
        // Nothing is written there: what begins at once has nothing to keep.
        folder: project.root().join(".orch/state/runs/none"),
        env: nested::told(settings.env.clone(), &settings.chain, &plan.name),
        stream_bytes_max: settings.stream_bytes_max,
        baseline: None,
        reads_memory: names(&adapters, |can| can.reads_memory),
        forks: names(&adapters, |can| can.forks && !can.replays),
        // A plan is shown whether its servers have their values or not.
        servers: settings.servers.of(plan).unwrap_or_else(|_| vec![BTreeMap::new(); plan.servers.len()]),
        nonce: "0".repeat(24),
        // Nothing is started, so nothing has to be kept.
        confine: Some(Confine { method: crate::guard::sandbox::Method::Namespaces, engine: None, own: Vec::new() }),
        audit: None,
        trace: None,
    };
    let find = |name: &str| adapters.iter().find(|adapter| adapter.name() == name).cloned();
    let now = Clock::start(Timestamp::default()).now();
    let begin = (inputs, runtime.unwrap_or_else(|| Replay::NAME.to_owned()));
    let is_live = |name: &str| find(name).is_some_and(|adapter| !adapter.capabilities().replays);
    let mut plan = plan.clone();
    plan.sandbox = settings.sandbox.of(&plan, None, &begin.1, is_live);
    recall.foresee(&Arc::new(plan), begin, (&assigner, &find), now)
}

fn tier(project: &Project) -> FileTier {
    let settings = project.cache_settings();
    // What is counted and removed needs no mark.
    FileTier::new(project.root().join(FOLDER), Seal::new([0; 32]), settings.bytes_max)
}

/// What the cache of a project holds.
#[must_use]
pub fn cache_state(project: &Project) -> CacheState {
    let settings = project.cache_settings();
    CacheState {
        v: 1,
        folder: FOLDER.to_owned(),
        on: settings.is_on,
        used: tier(project).used(),
        bytes_max: settings.bytes_max,
    }
}

/// Empties the cache of a project. What it held.
///
/// # Errors
/// When something cannot be removed.
pub fn clear_cache(project: &Project) -> Result<CacheState, Refusal> {
    let used = tier(project).clear().map_err(|error| {
        let message = format!("the step cache in `{FOLDER}` cannot be emptied: {error}");
        Refusal::new(1, "E0517", message, "correct the permissions of the folder, or remove it by hand")
    })?;
    Ok(CacheState { used, ..cache_state(project) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_is_the_users_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/cache.key");
        let made: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| secret(&file).ok())).collect();
            makers.into_iter().filter_map(|maker| maker.join().unwrap()).collect()
        });
        let first = secret(&file).unwrap();
        assert!(made.iter().all(|other| *other == first));
        assert_ne!(first, [0; 32]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret(&file).is_err(), "others may read it");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let aside = folder.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        symlink(&aside, &file).unwrap();
        assert!(secret(&file).is_err(), "a link");
    }
}
