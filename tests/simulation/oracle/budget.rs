//! Money and tokens: what is held free for agents, and what happens at a limit.

use std::collections::BTreeMap;

use orch::{
    plan::Work,
    scheduler::{AttemptId, Hold, InstanceId, Purpose, Scheduler, StepState, Strength},
};

use super::{Checked, Oracle};

/// Tokens or micro-dollars of a hold.
type Part = fn(&Hold) -> u64;

impl Oracle {
    /// Whether money or tokens are used up.
    pub(super) fn is_spent(&self) -> bool {
        let over = |limit: Option<u64>, spent: u64| limit.is_some_and(|limit| spent >= limit);
        over(self.limits.usd_micros, self.spent.usd_micros) || over(self.limits.tokens, self.spent.tokens())
    }

    /// What must hold after each event.
    pub(super) fn budgets(&mut self, scheduler: &Scheduler) -> Checked {
        let now: BTreeMap<InstanceId, Hold> = scheduler.holds().collect();
        for (instance, hold) in &now {
            let path = scheduler.path(*instance);
            let live = self.live.iter().find(|(attempt, _)| attempt.instance == *instance);
            let waits = scheduler.view(*instance).state == StepState::Waiting;
            hold!(live.is_some() || waits, "{hold:?} are held for {path}, which is not about to spend");
            let most = live.map_or_else(
                || wanted(scheduler, *instance, Purpose::Work).max(wanted(scheduler, *instance, Purpose::Fix)),
                |(attempt, live)| wanted(scheduler, attempt.instance, live.purpose),
            );
            let charged = live.map(|(_, live)| live.charged).unwrap_or_default();
            hold!(
                hold.tokens <= most.0.saturating_sub(charged.tokens())
                    && (live.is_none() || hold.usd_micros <= most.1.saturating_sub(charged.usd_micros)),
                "{hold:?} are held for {path}, which wanted {most:?} and has spent {charged:?}"
            );
        }
        let parts: [(Option<u64>, u64, Part, &str); 2] = [
            (self.limits.tokens, self.spent.tokens(), |hold| hold.tokens, "tokens"),
            (self.limits.usd_micros, self.spent.usd_micros, |hold| hold.usd_micros, "micro-dollars"),
        ];
        for (limit, spent, part, word) in parts {
            let Some(limit) = limit else { continue };
            let all: u64 = now.values().map(part).sum();
            hold!(all <= limit.saturating_sub(spent), "{all} {word} are held of {limit}, and {spent} are spent");
            for (instance, hold) in now.iter().filter(|(instance, _)| !self.held.contains_key(instance)) {
                let live = self.live.iter().find(|(attempt, _)| attempt.instance == *instance);
                let Some((_, live)) = live else { continue };
                let (tokens, usd_micros) = wanted(scheduler, *instance, live.purpose);
                let missing = part(hold) < part(&Hold { tokens, usd_micros });
                let path = scheduler.path(*instance);
                hold!(!missing || all == part(hold), "{path} begins although its {word} do not fit beside others");
            }
        }
        for attempt in std::mem::take(&mut self.beginning) {
            let Some(live) = self.live.get(&attempt) else { continue };
            let free = wanted(scheduler, attempt.instance, live.purpose) == (0, 0);
            hold!(free || now.contains_key(&attempt.instance), "{attempt} begins and nothing is held for it");
        }
        if self.is_spent() && !self.ended {
            let spender = self.live.iter().find(|(_, live)| live.runtime.is_some() && live.stop.is_none());
            hold!(spender.is_none(), "the budget is used up and {spender:?} goes on");
        }
        if let Some(spender) = self.spender.take() {
            let spared = self.live.get(&spender).is_some_and(|live| live.stop != Some(Strength::Hard));
            hold!(!spared, "{spender} spends after it was told to stop and is not killed");
        }
        self.held = now;
        Ok(())
    }

    /// An attempt begins.
    pub(super) fn begins_to_spend(&mut self, attempt: AttemptId) {
        self.beginning.push(attempt);
    }
}

/// What the agent of a step is expected to spend: tokens and micro-dollars; nothing for anything but an agent.
pub(super) fn wanted(scheduler: &Scheduler, instance: InstanceId, purpose: Purpose) -> (u64, u64) {
    let (ix, step) = scheduler.plan_step(instance);
    let (is_agent, gate) = match purpose {
        Purpose::Work => (matches!(step.work, Work::Agent(_)), None),
        Purpose::Fix => (true, None),
        Purpose::Gate(place) => (step.judge_at(place).is_some(), Some(place)),
        _ => (false, None),
    };
    let estimate = scheduler.plan().estimate_of(ix, purpose == Purpose::Fix, gate).filter(|_| is_agent);
    estimate.map_or((0, 0), |estimate| (estimate.tokens(), estimate.usd_micros))
}
