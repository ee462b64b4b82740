//! What a run is given by its process: the runtimes that all runs share, the machine, and chance.

use std::sync::{Arc, OnceLock};

use crate::{
    base::{RunId, hex, random},
    config::Environment,
    driver::{Pacer, machine},
    runtime::{Adapter, Resilience},
    service::run_settings::RunSettings,
};

/// What all runs of this process share of the runtimes, and through the user's folder with those of other processes.
pub(super) fn of_process(environment: &Environment) -> Arc<Resilience> {
    static SHARED: OnceLock<Arc<Resilience>> = OnceLock::new();
    let shared = || environment.runtimes_folder().map(Resilience::shared_in).unwrap_or_default();
    Arc::clone(SHARED.get_or_init(|| Arc::new(shared())))
}

/// A run's way to the runtimes; those that only replay recordings need none.
pub(super) fn pacer(settings: &RunSettings, adapters: &[Arc<dyn Adapter>]) -> Pacer {
    let replayed = adapters.iter().filter(|adapter| adapter.capabilities().replays);
    let replayed = replayed.map(|adapter| adapter.name().to_owned()).collect();
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let offset_minutes = chrono::Local::now().offset().local_minus_utc() / 60;
    let (shared, policy) = (Arc::clone(&settings.resilience), settings.policy.clone());
    let accounts =
        settings.runtimes.iter().map(|(name, declared)| (name.clone(), declared.account(name, &settings.env)));
    let accounts = accounts.collect();
    Pacer::new(shared, policy, replayed, accounts, offset_minutes, Box::new(move || machine(cores)))
        .inner(!settings.chain.is_empty())
}

/// Marks the borders of untrusted text; random, so that no recorded or guessed text can hold it.
pub(super) fn nonce(run: &RunId) -> String {
    random::<12>().map_or_else(|_| format!("{run}{run}"), |bytes| hex(&bytes))
}
