//! The figures of the machine and of this process, and the text form in which all figures are given.

use std::{fmt::Write as _, path::Path, sync::atomic::AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::service::serve::{MachineFigures, MachineWatch};

/// What the machine and this process use, as figures.
#[derive(Debug, Default)]
pub(super) struct System {
    watch: MachineWatch,
    pub driving: Gauge,
    pub queued: Gauge,
    disk: Gauge,
    cpu: Gauge<f64, AtomicU64>,
    load: Gauge<f64, AtomicU64>,
    cores: Gauge,
    memory: Gauge,
    memory_free: Gauge,
    process_cpu: Counter<f64, AtomicU64>,
    process_memory: Gauge,
    process_files: Gauge,
}

impl System {
    /// Looks at the machine, and at the disk of that folder.
    pub fn look(&self, folder: &Path) -> MachineFigures {
        let seen = self.watch.look(folder);
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.disk, seen.disk_bytes);
        self.cpu.set(seen.cpu);
        self.load.set(seen.load);
        set(&self.cores, seen.cores as u64);
        set(&self.memory, seen.memory_bytes);
        set(&self.memory_free, seen.memory_free_bytes);
        self.process_cpu.inc_by((seen.process_cpu_seconds - self.process_cpu.get()).max(0.0));
        set(&self.process_memory, seen.process_memory_bytes);
        set(&self.process_files, seen.process_open_files);
        seen
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register("orch_runs_driving", "Runs that are driven now", self.driving.clone());
        registry.register("orch_runs_queued", "Runs that wait in line", self.queued.clone());
        registry.register("orch_disk_bytes", "Bytes of the disk of the first project", self.disk.clone());
        registry.register("orch_machine_cpu_ratio", "How busy all processors are, 0 to 1", self.cpu.clone());
        registry.register("orch_machine_load", "The load of the last minute", self.load.clone());
        registry.register("orch_machine_cores", "Processors", self.cores.clone());
        registry.register("orch_machine_memory_bytes", "Bytes of memory", self.memory.clone());
        let free = self.memory_free.clone();
        registry.register("orch_machine_memory_free_bytes", "Bytes of memory that are to be had", free);
        let seconds = self.process_cpu.clone();
        registry.register("process_cpu_seconds", "Seconds of processors that the server has used", seconds);
        let held = self.process_memory.clone();
        registry.register("process_resident_memory_bytes", "Bytes of memory that the server holds", held);
        registry.register("process_open_fds", "Files and connections that it has open", self.process_files.clone());
    }
}

/// The older text form, which every reader of Prometheus takes: there a counter is called what its samples are called.
pub(super) fn plain(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut counter = None;
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            let (name, help) = described.split_once(' ').unwrap_or((described, ""));
            let is_counter = lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"));
            counter = is_counter.then(|| name.to_owned());
            let _ = writeln!(text, "# HELP {name}{} {help}", if is_counter { "_total" } else { "" });
        } else if let Some(name) = line.strip_prefix("# TYPE ").and_then(|typed| typed.strip_suffix(" counter"))
            && counter.as_deref() == Some(name)
        {
            let _ = writeln!(text, "# TYPE {name}_total counter");
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_called_as_their_samples_are() {
        let open = "# HELP a A thing.\n# TYPE a counter\na_total 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\n\
                    # UNIT b_seconds seconds\nb_seconds_sum 2\n# EOF\n";
        let text = "# HELP a_total A thing.\n# TYPE a_total counter\na_total 1\n# HELP b_seconds B.\n\
                    # TYPE b_seconds histogram\nb_seconds_sum 2\n";
        assert_eq!(plain(open), text);
    }
}
