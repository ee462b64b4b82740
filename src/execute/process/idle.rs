//! Decides when a silent command is stuck. Reads no clock and no process: both are handed in.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Looks in the time of the limit.
const LOOKS: u32 = 10;
/// The kernel counts processor time in these.
const TICK: Duration = Duration::from_millis(10);
/// Under one part in this many of a core a command counts as doing nothing.
const BUSY_PART: u32 = 100;
/// What starting and a few timers may cost, however short the limit.
const NOISE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Idle {
    limit: Duration,
    between_looks: Duration,
    last_output: Instant,
    /// When and how many ticks, oldest first, at most one older than the limit.
    looks: VecDeque<(Instant, u64)>,
    next_look: Option<Instant>,
}

impl Idle {
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        // A nanosecond more, so that the last look is never just before the limit.
        let between_looks = limit / LOOKS + Duration::from_nanos(1);
        let looks = VecDeque::from([(now, 0)]);
        Self { limit, between_looks, last_output: now, looks, next_look: Some(now + between_looks) }
    }

    pub(super) fn output(&mut self, now: Instant) {
        self.last_output = now;
        self.looks.clear();
    }

    /// When [`is_due`](Self::is_due) should be asked; `None` while a measurement is under way.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// Whether the tree's processor time must be measured now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        if self.next_look.is_none_or(|next| now < next) {
            return false;
        }
        if now.duration_since(self.last_output) < self.between_looks {
            self.next_look = Some(self.last_output + self.between_looks);
            return false;
        }
        self.next_look = None;
        true
    }

    /// Takes the ticks used so far; `true` if the command is stuck.
    pub(super) fn measured(&mut self, now: Instant, ticks: u64) -> bool {
        let silent = now.duration_since(self.last_output);
        let looks_done = u32::try_from(silent.as_nanos() / self.between_looks.as_nanos()).unwrap_or(u32::MAX - 1);
        self.next_look = Some(self.last_output + self.between_looks.saturating_mul(looks_done + 1));
        self.looks.push_back((now, ticks));
        while self.looks.get(1).is_some_and(|(when, _)| now.duration_since(*when) >= self.limit) {
            self.looks.pop_front();
        }
        let Some((since, before)) = self.looks.front() else { return false };
        let used = TICK.saturating_mul(u32::try_from(ticks.saturating_sub(*before)).unwrap_or(u32::MAX));
        silent >= self.limit && used <= (now.duration_since(*since) / BUSY_PART).max(NOISE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives through `seconds` with a limit of 100 s; `output` and `ticks` say what happens when.
    fn stuck_at(seconds: u64, output: impl Fn(u64) -> bool, ticks: impl Fn(u64) -> u64) -> Option<u64> {
        let start = Instant::now();
        let mut idle = Idle::new(Duration::from_secs(100), start);
        for tenth in 1..seconds * 10 {
            let now = start + Duration::from_millis(tenth * 100);
            if tenth % 10 == 0 && output(tenth / 10) {
                idle.output(now);
            }
            if idle.is_due(now) && idle.measured(now, ticks(tenth / 10)) {
                return Some(tenth / 10);
            }
        }
        None
    }

    #[test]
    fn silence_ends_at_the_limit() {
        assert_eq!(stuck_at(300, |_| false, |_| 1), Some(100));
        assert_eq!(stuck_at(300, |second| second == 37, |_| 1), Some(137));
    }

    #[test]
    fn work_without_output_goes_on() {
        assert_eq!(stuck_at(3000, |_| false, |second| second * 2), None);
    }

    #[test]
    fn a_drip_goes_on() {
        assert_eq!(stuck_at(3000, |second| second % 99 == 0, |_| 0), None);
    }

    #[test]
    fn work_that_stops_is_noticed() {
        let stuck = stuck_at(3000, |_| false, |second| second.min(500) * 100).unwrap();
        assert!((600..=612).contains(&stuck), "{stuck}");
    }
}
