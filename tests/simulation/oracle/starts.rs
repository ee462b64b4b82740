//! Attempts begin: slots, budgets, and whether the last outcome leads to this attempt.

use orch::{
    base::{Timestamp, Usage, Verdict},
    definition::workflow::ThenFail,
    plan::{PlanGate, RecoveryPolicy, Work},
    scheduler::{AttemptId, Purpose, Scheduler},
};

use super::{Checked, Last, Live, Oracle, merges::may_take};

impl Oracle {
    /// An attempt is to begin.
    pub(super) fn starts(&mut self, scheduler: &Scheduler, attempt: AttemptId, purpose: Purpose) -> Checked {
        let path = scheduler.path(attempt.instance);
        let step = scheduler.plan_step(attempt.instance).1;
        hold!(!self.is_ending(), "{path} starts {purpose:?} after the run was to end");
        let other = self.live.keys().find(|live| live.instance == attempt.instance);
        hold!(other.is_none(), "{path} starts a second attempt beside {other:?}");
        let seen = &mut self.seen[attempt.instance.index()];
        hold!(seen.settled.is_none(), "{path} starts after it has settled");
        hold!(attempt.number > seen.attempts, "attempt {attempt} is numbered twice");
        seen.attempts = attempt.number;
        let asks = scheduler.asks_person(attempt.instance, purpose);
        let finishes = matches!(purpose, Purpose::Gate(_) | Purpose::Reconcile | Purpose::Take) && !asks;
        hold!(
            finishes || !self.is_drained(scheduler, attempt.instance),
            "{path} starts {purpose:?} in a body that drains"
        );
        let in_process = |gate: &PlanGate| !matches!(gate, PlanGate::Run { .. });
        let free = match purpose {
            Purpose::Gate(place) => in_process(&step.gates[usize::from(place)]),
            Purpose::Work | Purpose::Fix | Purpose::Reconcile | Purpose::Override | Purpose::Take => false,
        };
        let runtime = match (purpose, &step.work, &step.on_gate_fail.fixer) {
            (Purpose::Work, Work::Agent(agent), _) | (Purpose::Fix, _, Some(agent)) => {
                Some(agent.runtime.clone().unwrap_or_else(|| self.runtime.clone()))
            }
            _ => None,
        };
        self.permitted(scheduler, attempt, purpose, runtime.as_deref())?;
        if let Some(runtime) = &runtime {
            self.keeps_pace(scheduler, attempt, purpose, runtime)?;
        }
        let slotted = !asks && !free;
        if slotted {
            let over = |limit: Option<u64>, spent: u64| limit.is_some_and(|limit| spent >= limit);
            let used = over(self.limits.usd_micros, self.spent.usd_micros)
                || over(self.limits.tokens, self.spent.tokens())
                || over(self.limits.time_ms, self.busy_ms)
                || (runtime.is_some() && self.agents >= self.limits.agents);
            hold!(!used, "{path} starts although the budget is used up");
            self.agents += u64::from(runtime.is_some());
        }
        self.merges(scheduler, attempt.instance)?;
        if purpose == Purpose::Work {
            self.goes_into_batch(scheduler, attempt, purpose)?;
        }
        self.turns += 1;
        let turn = self.turns;
        self.live.insert(
            attempt,
            Live {
                purpose,
                slotted,
                runtime,
                started: false,
                stop: None,
                asked: None,
                charged: Usage::default(),
                stopped_at: Timestamp::default(),
                spends_on: 0,
                halted: false,
                turn,
            },
        );
        self.begins_to_spend(attempt);
        let in_use = self.live.values().filter(|live| live.slotted).count();
        hold!(in_use <= self.parallel as usize, "{in_use} attempts run where {} may", self.parallel);
        for (name, bound) in &scheduler.plan().limits.per_runtime {
            let on = self.live.values().filter(|live| live.runtime.as_ref() == Some(name)).count();
            hold!(on <= *bound as usize, "{on} attempts run on {name} where {bound} may");
        }
        Ok(())
    }

    /// Whether the last outcome of a step leads to an attempt of this purpose.
    pub(super) fn permitted(
        &mut self,
        scheduler: &Scheduler,
        attempt: AttemptId,
        purpose: Purpose,
        runtime: Option<&str>,
    ) -> Checked {
        let (path, step) = (scheduler.path(attempt.instance), scheduler.plan_step(attempt.instance).1);
        let replays = runtime.is_some_and(|name| self.replayed.iter().any(|replayed| replayed == name));
        let asks = scheduler.asks_person(attempt.instance, purpose);
        hold!(!self.unknown.contains_key(&attempt.instance), "{path} starts {purpose:?} before a person has answered");
        let seen = &mut self.seen[attempt.instance.index()];
        let recoverable = match &step.recovery {
            RecoveryPolicy::Retry | RecoveryPolicy::Idempotent => true,
            RecoveryPolicy::Agent => replays,
            RecoveryPolicy::Manual | RecoveryPolicy::Reconcile(_) => false,
        };
        let container = step.work.is_container();
        let fits = match (purpose, seen.last) {
            (Purpose::Work, Last::Nothing | Last::FixDone | Last::RunAgain) => true,
            (Purpose::Work, Last::WorkFailed { again }) => again,
            (Purpose::Work, Last::Conflict) => false,
            (Purpose::Work, Last::PushedBack) => matches!(step.work, Work::Agent(_)),
            (Purpose::Fix, Last::PushedBack) => !matches!(step.work, Work::Agent(_)),
            (Purpose::Take, last) => may_take(seen, last, step),
            (Purpose::Fix, Last::Conflict) => step.on_gate_fail.fixer.is_some(),
            (Purpose::Override, Last::Conflict) => step.on_gate_fail.then == ThenFail::Ask,
            (Purpose::Work, Last::GateFailed) => step.on_gate_fail.fixer.is_none(),
            (Purpose::Work, Last::Lost(Purpose::Work)) => recoverable || asks,
            (Purpose::Work, Last::Halted(Purpose::Work)) => {
                !matches!(step.recovery, RecoveryPolicy::Manual | RecoveryPolicy::Reconcile(_))
            }
            (Purpose::Fix, Last::Halted(Purpose::Fix)) => true,
            (Purpose::Reconcile, Last::Halted(Purpose::Work)) => {
                matches!(step.recovery, RecoveryPolicy::Reconcile(_))
            }
            (Purpose::Gate(place), last) => {
                let judged = seen.gates.iter().take(usize::from(place)).all(|gate| *gate == Some(Verdict::Pass));
                let done = matches!(last, Last::WorkDone | Last::Approved | Last::Lost(Purpose::Gate(_)));
                judged && (done || container)
            }
            (Purpose::Fix, Last::GateFailed | Last::RunAgain) => step.on_gate_fail.fixer.is_some(),
            (Purpose::Fix, Last::Lost(Purpose::Fix)) => replays,
            (Purpose::Reconcile, Last::Lost(Purpose::Work | Purpose::Reconcile)) => {
                matches!(step.recovery, RecoveryPolicy::Reconcile(_))
            }
            (Purpose::Override, Last::GateFailed | Last::GateError | Last::FixFailed | Last::Lost(_)) => {
                step.on_gate_fail.then == ThenFail::Ask
            }
            _ => false,
        };
        hold!(fits, "{path} starts {purpose:?} after {:?}", seen.last);
        if container && purpose == Purpose::Gate(0) {
            seen.gates.fill(None);
        }
        if purpose == Purpose::Work {
            seen.work_starts += 1;
            // Two repairs a round.
            let rounds = (1 + step.on_gate_fail.tries) * (1 + seen.pushed);
            let most = (3 + step.retry.tries) * rounds + seen.excused;
            hold!(seen.work_starts <= most, "{path} works for the {}th time of {most}", seen.work_starts);
        }
        Ok(())
    }
}
