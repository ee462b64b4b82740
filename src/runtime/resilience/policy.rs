//! How patient and how careful the machines are; the settings fill it in. Knows no runtime.

use std::time::Duration;

/// How hard runtimes may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Failures in a row of a runtime's service after which nothing is tried for a while.
    pub failures: u32,
    /// How long nothing is tried then; doubled each time that the next try fails as well.
    pub open: Duration,
    /// How long nothing is tried after a quota is used up, where nobody says when it resets.
    pub probe: Duration,
    /// Starts of one runtime in a minute.
    pub starts_per_minute: u32,
    /// How many attempts work at once.
    pub workers: Workers,
}

/// How many attempts of one runtime work at once: few at first, more as the queue grows, fewer where the machine is
/// short of something.
#[derive(Debug, Clone, PartialEq)]
pub struct Workers {
    /// At first.
    pub start: u32,
    /// At most.
    pub most: u32,
    /// So many more in the queue make one more work.
    pub queue: u32,
    /// The load of a core over which no more than at first work.
    pub load: f64,
    /// The free memory below which one works, in bytes.
    pub memory_bytes: u64,
}

/// What the machine has left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// The load of the last minute for each core.
    pub load: f64,
    /// Memory that is free or can be freed, in bytes.
    pub memory_bytes: u64,
}

/// The longest that nothing is tried after failures.
pub(super) const OPEN_MAX: Duration = Duration::from_secs(5 * 60);
/// How many starts may follow each other at once, after a pause.
pub(super) const BURST: u32 = 50;

impl Default for Policy {
    fn default() -> Self {
        Self {
            failures: 5,
            open: Duration::from_secs(5),
            probe: Duration::from_secs(15 * 60),
            starts_per_minute: 600,
            workers: Workers::default(),
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self { start: 3, most: 10, queue: 2, load: 8.0, memory_bytes: 256_000_000 }
    }
}

impl Default for Machine {
    /// A machine that is short of nothing.
    fn default() -> Self {
        Self { load: 0.0, memory_bytes: u64::MAX }
    }
}

impl Workers {
    /// How many work at once when so many want to. Never less than one.
    #[must_use]
    pub fn at_once(&self, demand: usize, machine: Machine) -> u32 {
        if machine.memory_bytes < self.memory_bytes {
            return 1;
        }
        let start = self.start.clamp(1, self.most.max(1));
        if machine.load > self.load {
            return start;
        }
        let more = u32::try_from(demand).unwrap_or(u32::MAX).saturating_sub(start);
        start.saturating_add(more.div_ceil(self.queue.max(1))).min(self.most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_grow_with_the_queue_and_shrink_with_the_machine() {
        let workers = Workers::default();
        let at = |demand| workers.at_once(demand, Machine::default());
        assert_eq!([0, 1, 3, 4, 7, 10, 11, 16, 17, 5_000].map(at), [3, 3, 3, 4, 5, 7, 7, 10, 10, 10]);
        assert_eq!(workers.at_once(50, Machine { load: 9.0, ..Machine::default() }), 3);
        assert_eq!(workers.at_once(50, Machine { memory_bytes: 1_000, load: 0.0 }), 1);
        let odd = Workers { start: 9, most: 2, queue: 0, ..workers.clone() };
        assert_eq!([0, 50].map(|demand| odd.at_once(demand, Machine::default())), [2, 2]);
        let none = Workers { start: 0, most: 0, ..workers.clone() };
        assert_eq!(none.at_once(50, Machine::default()), 1);
    }
}
