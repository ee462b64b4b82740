//! What the machine and this process use now: processors, memory, disk. The only module that names `sysinfo`.
//!
//! Knows no run. Asking often costs nothing: what was seen a moment ago is given again.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::Serialize;
use sysinfo::{
    CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate,
    RefreshKind, System,
};

/// What a machine has and uses, and what this process uses of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MachineFigures {
    /// Processors of the machine.
    pub cores: usize,
    /// How busy all of them are together, from 0 to 1.
    pub cpu: f64,
    /// How many wanted a processor in the last minute, as a mean.
    pub load: f64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of memory that somebody who asks may still have.
    pub memory_free_bytes: u64,
    /// Bytes of the disk on which the store is.
    pub disk_bytes: u64,
    /// Bytes of it that are free.
    pub disk_free_bytes: u64,
    /// How busy this process keeps the machine: 1 is one whole processor.
    pub process_cpu: f64,
    /// Seconds of processors that this process has used.
    pub process_cpu_seconds: f64,
    /// Bytes of memory that this process holds.
    pub process_memory_bytes: u64,
    /// Files and connections that this process has open.
    pub process_open_files: u64,
}

struct Seen {
    system: System,
    at: Option<Instant>,
}

/// Looks at the machine.
pub struct MachineWatch {
    /// Nothing where the system tells nothing.
    seen: Option<Mutex<Seen>>,
    process: Pid,
}

impl std::fmt::Debug for MachineWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineWatch").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Default for MachineWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl MachineWatch {
    /// Begins to look. How busy something is shows from the second look on.
    #[must_use]
    pub fn new() -> Self {
        let process = Pid::from_u32(std::process::id());
        let mut system = System::new_with_specifics(wanted()).ok();
        if let Some(system) = &mut system {
            look_at(system, process);
        }
        Self { seen: system.map(|system| Mutex::new(Seen { system, at: None })), process }
    }

    /// What is used now, and on the disk of that folder.
    #[must_use]
    pub fn look(&self, folder: &Path) -> MachineFigures {
        let mut figures = MachineFigures::default();
        if let Ok(disk) = nix::sys::statvfs::statvfs(folder) {
            figures.disk_bytes = disk.blocks() * disk.fragment_size();
            figures.disk_free_bytes = disk.blocks_available() * disk.fragment_size();
        }
        let Some(seen) = &self.seen else { return figures };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.is_none_or(|at| at.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL) {
            seen.system.refresh_specifics(wanted());
            look_at(&mut seen.system, self.process);
            seen.at = Some(Instant::now());
        }
        let system = &seen.system;
        figures.cores = system.cpus().len();
        figures.cpu = share(system.global_cpu_usage());
        figures.load = System::load_average().map_or(0.0, |load| load.one);
        figures.memory_bytes = system.total_memory();
        figures.memory_free_bytes = system.available_memory();
        if let Some(process) = system.process(self.process) {
            figures.process_cpu = share(process.cpu_usage());
            figures.process_cpu_seconds = seconds(process.accumulated_cpu_time());
            figures.process_memory_bytes = process.memory();
            figures.process_open_files = process.open_files().unwrap_or_default() as u64;
        }
        figures
    }
}

fn wanted() -> RefreshKind {
    RefreshKind::nothing()
        .with_memory(MemoryRefreshKind::nothing().with_ram())
        .with_cpu(CpuRefreshKind::nothing().with_usage())
}

fn look_at(system: &mut System, process: Pid) {
    let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, wanted);
}

fn share(percent: f32) -> f64 {
    if percent.is_finite() { f64::from(percent.max(0.0)) / 100.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a process are far below 2^52")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_processors_memory_and_a_disk_and_this_process_uses_some() {
        let watch = MachineWatch::new();
        let figures = watch.look(Path::new("."));
        assert!(figures.cores >= 1);
        assert!((0.0..=1.0).contains(&figures.cpu), "{figures:?}");
        assert!(figures.memory_bytes > figures.memory_free_bytes && figures.memory_free_bytes > 0);
        assert!(figures.disk_bytes > figures.disk_free_bytes && figures.disk_free_bytes > 0);
        assert!(figures.process_memory_bytes > 1_000_000 && figures.process_memory_bytes < figures.memory_bytes);
        assert!(figures.process_open_files >= 3, "{figures:?}");
        assert_eq!(watch.look(Path::new("/nowhere/at/all")).disk_bytes, 0);
    }
}
