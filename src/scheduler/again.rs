//! After a failure: whether the work is tried again, when, with which session and which model.
//!
//! This is the only place that decides on another try. Each kind of failure has a bound of its own, so none of them can
//! use up what another one needs, and every bound is finite.

use std::{sync::Arc, time::Duration};

use crate::{
    base::{Failure, FailureClass},
    definition::workflow::RetryOn,
    plan::{Work, defaults},
    scheduler::{
        action::{CauseKind, Notice},
        core::{Scheduler, Timer},
        event::{InstanceId, Purpose},
        planted::{self, Bug},
        state::Phase,
    },
};

/// The longest that a service may make a step wait: quotas last a week at most, and a mistaken date must not be forever.
const WAIT_MAX_MS: u64 = 8 * 86_400_000;

impl Scheduler {
    /// The work has failed: another try, or the end of the step.
    pub(super) fn work_failed(&mut self, instance: InstanceId, failure: Failure) {
        if let Some(session) = &failure.session {
            self.at_mut(instance).session = Some(Arc::from(session.as_str()));
        }
        if !self.may_try_again(instance, failure.class) || self.frame(self.at(instance).frame).draining {
            let kind = match failure.class {
                FailureClass::TimedOut => CauseKind::TimedOut,
                FailureClass::Missing => CauseKind::Missing,
                FailureClass::Transient { .. } | FailureClass::Quota { .. } => CauseKind::Unavailable,
                FailureClass::Recoverable | FailureClass::Model | FailureClass::Invalid | FailureClass::Permanent => {
                    CauseKind::Step
                }
            };
            let rework = self.at(instance).gate_tries > 0;
            let (kind, reason) = if rework {
                (CauseKind::Gate, format!("a gate failed, and the next try failed too: {}", failure.reason))
            } else {
                (kind, failure.reason)
            };
            let cause = self.cause(instance, kind, reason);
            return self.fail(instance, cause);
        }
        let delay_ms = self.prepare_again(instance, &failure);
        let until = self.now.plus(Duration::from_millis(delay_ms));
        self.at_mut(instance).phase = Phase::BackingOff { until };
        self.timers.insert((until, Timer::Wake(instance)));
        self.notice(Notice::Retrying { instance, delay_ms });
    }

    /// Whether a failure of that class leaves another try.
    fn may_try_again(&self, instance: InstanceId, class: FailureClass) -> bool {
        let step = self.step_of(instance);
        let at = self.at(instance);
        let any = step.retry.on == RetryOn::Any;
        let tries = step.retry.tries + u32::from(planted::on(Bug::RetryOffByOne));
        let is_agent = matches!(step.work, Work::Agent(_));
        let left = at.work_tries < tries;
        match class {
            FailureClass::Transient { .. } | FailureClass::Quota { .. } => left,
            FailureClass::Recoverable => left && at.restarts < defaults::RESTARTS,
            FailureClass::Invalid => at.repairs < defaults::REPAIRS || planted::on(Bug::RepairsUnbounded),
            FailureClass::Model => self.has_next_model(instance, Purpose::Work),
            FailureClass::TimedOut => left && (any || (is_agent && at.stalls < defaults::STALLS)),
            FailureClass::Permanent => left && any,
            FailureClass::Missing => false,
        }
    }

    /// Counts the failure, says what the next attempt goes on from, and how long to wait before it, in milliseconds.
    fn prepare_again(&mut self, instance: InstanceId, failure: &Failure) -> u64 {
        let policy = self.step_of(instance).retry.clone();
        let falls_back = self.has_next_model(instance, Purpose::Work)
            && match failure.class {
                FailureClass::Quota { .. } | FailureClass::Model => true,
                // Once may be chance; a model that is overloaded twice is left alone.
                FailureClass::Transient { .. } => self.at(instance).work_tries > 0,
                _ => false,
            };
        let at = self.at_mut(instance);
        match failure.class {
            FailureClass::Invalid => {
                at.repairs += 1;
                at.comments = None;
                at.feedback = Some(Arc::from(failure.reason.as_str()));
            }
            FailureClass::Model => {}
            FailureClass::Recoverable => {
                (at.work_tries, at.restarts) = (at.work_tries + 1, at.restarts + 1);
                at.session = None;
            }
            FailureClass::TimedOut => (at.work_tries, at.stalls) = (at.work_tries + 1, at.stalls + 1),
            FailureClass::Transient { .. }
            | FailureClass::Quota { .. }
            | FailureClass::Permanent
            | FailureClass::Missing => at.work_tries += 1,
        }
        // What was broken off goes on; what has come to an end begins anew.
        let broken_off = matches!(
            failure.class,
            FailureClass::Transient { .. } | FailureClass::Quota { .. } | FailureClass::TimedOut
        );
        at.goes_on = broken_off && at.session.is_some();
        at.model += u32::from(falls_back);
        match failure.class {
            // Nobody is overloaded, or somebody else is asked: there is nothing to wait for.
            FailureClass::Invalid | FailureClass::Model => 0,
            FailureClass::Quota { .. } if falls_back => 0,
            FailureClass::Transient { retry_after_ms: Some(asked) } if !falls_back => asked.min(WAIT_MAX_MS),
            FailureClass::Quota { until: Some(until) } => until.0.saturating_sub(self.now.0).min(WAIT_MAX_MS),
            _ => self.back_off(instance, policy.delay_ms, policy.max_delay_ms),
        }
    }

    /// Exponential back-off with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").
    ///
    /// The chance comes from the run's seed, so that replay waits the same time.
    fn back_off(&self, instance: InstanceId, delay_ms: u64, max_delay_ms: u64) -> u64 {
        let tries = self.at(instance).work_tries.saturating_sub(1).min(32);
        let ceiling = delay_ms.saturating_mul(1 << tries).min(max_delay_ms);
        let seed = self.run.as_ref().map_or(0, |run| run.seed);
        let salt = u64::from(instance.0) << 32 | u64::from(self.at(instance).attempts);
        let salt = if planted::on(Bug::ReplayUsesClock) { salt ^ planted::drift() } else { salt };
        split_mix(seed ^ salt) % ceiling.max(1)
    }
}

/// Sebastiano Vigna's `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>).
fn split_mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
