//! Starts a program of an attempt as its sandbox says: what is held is held from before its start to after its end.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{Hosts, Network, SandboxMode},
    execute::{
        assignment::Place,
        executor::{blocking, make_attempt_dir},
        process::{
            Command, Confinement, Container, End, Holding, Keeper, Limits, Listener, Report, StopToken, is_complaint,
        },
        proxy::{self, Hear, Proxy},
        upstream::Upstream,
        watch::Watch,
    },
    guard::sandbox::{CACHES, Method, Profile, Site},
    runtime::Seen,
};

/// How the programs of an attempt are confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// How far.
    pub mode: SandboxMode,
    /// Whether they write nowhere, in a container too.
    pub reads_only: bool,
    /// Whom they may reach, where somebody has said so: commands nobody, agents everybody.
    pub network: Option<Network>,
    /// Where else they may write, as the step says it.
    pub writes: Vec<String>,
    /// What `orch` keeps for itself: nobody reads it.
    pub own: Vec<PathBuf>,
    /// By what the machine keeps it.
    pub method: Method,
    /// What makes containers, where it is to be in one.
    pub engine: Option<Arc<Engine>>,
}

/// What an agent's program needs that a command does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// Whether it is an agent's.
    pub is_agent: bool,
    /// Whether it brings a sandbox of its own.
    pub nests: bool,
    /// Whether it may write nowhere, whatever the step says.
    pub reads_only: bool,
    /// Where it keeps its sessions and logins, below the home.
    pub homes: &'static [&'static str],
}

/// Runs a program to its end as its sandbox says.
pub(super) async fn run(
    (keeper, watch): (&Keeper, &Watch),
    mut command: Command,
    (limits, needs): (Limits, Needs),
    (place, confined): (&Place, &Arc<Confined>),
    stop: StopToken,
    ears: Option<Listener>,
) -> Report {
    let unstarted = |error: io::Error| Report::unstarted(format!("the sandbox cannot be made: {error}"));
    let network = network(confined, &needs, watch);
    let open = |hosts| Proxy::open(hosts, Upstream::of(&place.env).map_err(io::Error::other)?, hear(watch, place));
    let proxy = match hosts(&network, watch).map(open).transpose() {
        Ok(proxy) => proxy,
        Err(error) => return unstarted(error),
    };
    let began = {
        let (place, confined) = (place.clone(), Arc::clone(confined));
        blocking(move || begin(&place, &confined, &needs, network)).await
    };
    let (holding, mut profile) = match began {
        Ok(began) => began,
        Err(error) => return unstarted(error),
    };
    // Later ones win: what an attempt is given is its own.
    command.env.push(("TMPDIR".into(), profile.temp.clone().into()));
    if let (Some(proxy), Network::Hosts(hosts)) = (&proxy, &profile.network) {
        profile.doorway = Some(proxy.doorway.clone());
        command.env.extend(proxy::variables(hosts).map(|(name, value)| (name.into(), value.into())));
    }
    let container = match container(confined, place, &mut command) {
        Ok(container) => container,
        Err(error) => return unstarted(error),
    };
    command.confinement = Some(Confinement { profile, method: confined.method, container: container.clone() });
    let mut report = keeper.run(command, limits, stop, ears).await;
    if let Some(container) = container.filter(|_| !matches!(report.end, End::Exited { .. })) {
        // Whoever started it is dead, which the engine need not have noticed.
        blocking(move || container.remove()).await;
    }
    let changed = blocking(move || holding.end()).await;
    if let Some(said) = is_complaint(&report) {
        report.end = End::SpawnFailed { message: format!("the sandbox cannot be made: {said}") };
    } else if !changed.is_empty() {
        report.end = End::Tampered { paths: changed };
    }
    report.notes.extend(proxy.iter().flat_map(Proxy::refused));
    report.notes.extend(hint(&report, confined));
    report
}

/// What makes containers, and what they are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its program.
    pub program: PathBuf,
    /// Its own environment.
    pub env: Vec<(String, String)>,
    /// Whether it is one that works without rights of its own, and so has to map users.
    pub maps_users: bool,
    /// The image.
    pub image: String,
    /// The most memory of one.
    pub memory_bytes: u64,
    /// The most processes in one.
    pub processes: u64,
}

/// The container of a command, which then stands behind this very program: it need not be on this machine.
fn container(confined: &Confined, place: &Place, command: &mut Command) -> io::Result<Option<Container>> {
    if confined.mode != SandboxMode::Container {
        return Ok(None);
    }
    let engine = confined.engine.as_ref().ok_or_else(|| io::Error::other("nothing makes containers here"))?;
    command.argv.insert(0, "/proc/self/exe".into());
    Ok(Some(Container {
        engine: engine.program.clone(),
        env: engine.env.clone(),
        maps_users: engine.maps_users,
        image: engine.image.clone(),
        memory_bytes: engine.memory_bytes,
        processes: engine.processes,
        name: Container::new_name(&place.run)?,
        run: place.run.clone(),
    }))
}

/// Whom a program may reach. Where a policy names hosts, commands that may reach anybody reach those; an agent's
/// program speaks to its model as well, which no policy knows.
fn network(confined: &Confined, needs: &Needs, watch: &Watch) -> Network {
    let standard = if needs.is_agent { Network::Any } else { Network::None };
    match confined.network.clone().unwrap_or(standard) {
        Network::Any if !needs.is_agent => watch.hosts().next().cloned().map_or(Network::Any, Network::Hosts),
        said => said,
    }
}

/// The hosts of a network that names some, as far as the policy allows them.
fn hosts(network: &Network, watch: &Watch) -> Option<Hosts> {
    let Network::Hosts(list) = network else { return None };
    Some(watch.hosts().fold(Hosts::default().and(list), |hosts, list| hosts.and(list)))
}

/// Tells whoever watches, and the audit log, what was refused.
fn hear(watch: &Watch, place: &Place) -> Hear {
    let (watch, place) = (watch.clone(), place.clone());
    Arc::new(move |why| {
        watch.kept_from(why, &place);
        place.live.tell(Seen::Warning(why.to_owned()));
    })
}

/// What to write where a program has failed by what its sandbox keeps from it.
fn hint(report: &Report, confined: &Confined) -> Option<String> {
    const SIGNS: [&str; 6] = [
        "Read-only file system",
        "EROFS",
        "read-only file system",
        "Could not resolve host",
        "EAI_AGAIN",
        "(publickey)",
    ];
    let is_failed = !matches!(report.end, End::Exited { code: 0 } | End::Stopped(_) | End::Tampered { .. });
    let said = [&report.stdout.head, &report.stdout.tail, &report.stderr.head, &report.stderr.tail];
    let is_sign = |bytes: &Vec<u8>| {
        let text = String::from_utf8_lossy(bytes);
        SIGNS.iter().any(|sign| text.contains(sign))
    };
    (is_failed && said.into_iter().any(is_sign)).then(|| {
        format!(
            "it ran in the sandbox `{}`; what it may do besides is said at the step: `sandbox: {{ mode: workspace-write, \
             network: any, write: [~/FOLDER] }}`, or `sandbox: off`",
            confined.mode.word()
        )
    })
}

fn begin(place: &Place, confined: &Confined, needs: &Needs, network: Network) -> io::Result<(Holding, Profile)> {
    make_attempt_dir(place)?;
    let home = place.env.iter().rfind(|(name, _)| name == "HOME").map(|(_, home)| PathBuf::from(home));
    let home = home.and_then(|home| home.canonicalize().ok());
    let (workspace, attempt) = (place.workspace.canonicalize()?, place.attempt_dir.canonicalize()?);
    let below_home = |name: &&str| Some(home.as_ref()?.join(name));
    // A program makes its own folder at its first start, which it could not here.
    for folder in needs.homes.iter().filter(|name| !name.ends_with(".json")).filter_map(below_home) {
        std::fs::create_dir_all(folder)?;
    }
    let homes: Vec<PathBuf> = needs.homes.iter().filter_map(below_home).filter(|path| path.exists()).collect();
    let own: Vec<PathBuf> = confined.own.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let caches = if network == Network::None || confined.mode == SandboxMode::Container {
        Vec::new()
    } else {
        caches(home.as_deref(), &place.env)
    };
    let site = Site {
        mode: if needs.reads_only || confined.reads_only { SandboxMode::ReadOnly } else { confined.mode },
        network,
        nests: needs.nests,
        workspace: &workspace,
        name: &place.attempt,
        attempt: &attempt,
        home: home.as_deref(),
        own: &own,
        declared: &confined.writes,
        homes: &homes,
        caches: &caches,
    };
    let (holding, profile) = Holding::begin(&site)?;
    let paths = profile.writes.iter().chain(&profile.held).chain(&profile.hidden);
    if let Some(path) = paths.into_iter().find(|path| path.to_str().is_none()) {
        return Err(io::Error::other(format!("the path {} is not UTF-8", path.display())));
    }
    Ok((holding, profile))
}

/// The caches that are there. Those of programs on the search path are made where they are not, because nobody inside
/// could.
fn caches(home: Option<&Path>, env: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let path = env.iter().rfind(|(name, _)| name == "PATH").map(|(_, path)| path);
    let (Some(home), Some(path)) = (home, path) else { return Vec::new() };
    let is_here = |program: &str| std::env::split_paths(path).any(|folder| folder.join(program).is_file());
    let mut caches = BTreeSet::new();
    for (program, parts) in CACHES {
        let is_used = is_here(program);
        let parts = parts.iter().map(|part| home.join(part));
        caches.extend(parts.filter(|part| part.is_dir() || is_used && std::fs::create_dir_all(part).is_ok()));
    }
    caches.into_iter().collect()
}
