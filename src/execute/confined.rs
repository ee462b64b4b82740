//! Starts a program of an attempt as its sandbox says: what is held is held from before its start to after its end.

use std::{io, path::PathBuf, sync::Arc};

use crate::{
    base::{Network, SandboxMode},
    execute::{
        assignment::Place,
        executor::{blocking, make_attempt_dir},
        process::{Command, Confinement, End, Holding, Keeper, Limits, Listener, Report, StopToken, is_complaint},
    },
    guard::sandbox::{Method, Profile, Site},
};

/// How the programs of an attempt are confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// How far.
    pub mode: SandboxMode,
    /// Whom they may reach, where somebody has said so: commands nobody, agents everybody.
    pub network: Option<Network>,
    /// Where else they may write, as the step says it.
    pub writes: Vec<String>,
    /// What `orch` keeps for itself: nobody reads it.
    pub own: Vec<PathBuf>,
    /// By what the machine keeps it.
    pub method: Method,
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
    keeper: &Keeper,
    mut command: Command,
    (limits, needs): (Limits, Needs),
    (place, confined): (&Place, &Arc<Confined>),
    stop: StopToken,
    ears: Option<Listener>,
) -> Report {
    let began = {
        let (place, confined) = (place.clone(), Arc::clone(confined));
        blocking(move || begin(&place, &confined, &needs)).await
    };
    let (holding, profile) = match began {
        Ok(began) => began,
        Err(error) => return Report::unstarted(format!("the sandbox cannot be made: {error}")),
    };
    // Later ones win: what an attempt is given is its own.
    command.env.push(("TMPDIR".into(), profile.temp.clone().into()));
    command.confinement = Some(Confinement { profile, method: confined.method });
    let mut report = keeper.run(command, limits, stop, ears).await;
    let changed = blocking(move || holding.end()).await;
    if let Some(said) = is_complaint(&report) {
        report.end = End::SpawnFailed { message: format!("the sandbox cannot be made: {said}") };
    } else if !changed.is_empty() {
        report.end = End::Tampered { paths: changed };
    }
    report
}

fn begin(place: &Place, confined: &Confined, needs: &Needs) -> io::Result<(Holding, Profile)> {
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
    let standard = if needs.is_agent { Network::Any } else { Network::None };
    let site = Site {
        mode: if needs.reads_only { confined.mode.max(SandboxMode::ReadOnly) } else { confined.mode },
        network: confined.network.clone().unwrap_or(standard),
        nests: needs.nests,
        workspace: &workspace,
        attempt: &attempt,
        home: home.as_deref(),
        own: &own,
        declared: &confined.writes,
        homes: &homes,
    };
    let (holding, profile) = Holding::begin(&site)?;
    let paths = profile.writes.iter().chain(&profile.held).chain(&profile.hidden);
    if let Some(path) = paths.into_iter().find(|path| path.to_str().is_none()) {
        return Err(io::Error::other(format!("the path {} is not UTF-8", path.display())));
    }
    Ok((holding, profile))
}
