//! One budget ledger for the whole run: money, tokens, time, starts of agents.
//!
//! A budget is checked before each start and charged by every report. Time counts only while something runs, so
//! that waiting for a person costs nothing. For each agent that runs, what it is expected to need is held free.
//!
//! Invariant: what is held never exceeds what is left of a limit.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    base::{Timestamp, Usage, dollars},
    plan::Budget,
    scheduler::{
        event::InstanceId,
        planted::{self, Bug},
    },
};

/// From this part of a limit on, people are warned: in percent.
const NEAR_PERCENT: u64 = 80;

/// What has been spent, and of what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ledger {
    limits: Budget,
    spent: Usage,
    agents: u64,
    busy_ms: u64,
    last: Timestamp,
    /// What each session has been charged: a program that goes on with one may count from its beginning.
    sessions: BTreeMap<Arc<str>, Usage>,
    held: BTreeMap<InstanceId, Hold>,
    has_warned: bool,
}

/// What is held free for an agent: what its attempt is expected to spend and has not spent yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hold {
    /// Tokens.
    pub tokens: u64,
    /// Micro-dollars.
    pub usd_micros: u64,
}

impl Hold {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// What has been spent, for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Spent {
    /// Tokens and money.
    pub usage: Usage,
    /// Starts of agents.
    pub agents: u64,
    /// Milliseconds in which something ran.
    pub busy_ms: u64,
}

impl Ledger {
    pub fn new(limits: Budget) -> Self {
        Self {
            limits,
            spent: Usage::default(),
            agents: 0,
            busy_ms: 0,
            last: Timestamp::default(),
            sessions: BTreeMap::new(),
            held: BTreeMap::new(),
            has_warned: false,
        }
    }

    /// Time has passed, with or without something running.
    pub fn pass(&mut self, now: Timestamp, busy: bool) {
        if busy && self.last != Timestamp::default() {
            self.busy_ms += now.0.saturating_sub(self.last.0);
        }
        self.last = now;
    }

    /// A new owner: the time since the last event was nobody's.
    pub fn skip_to(&mut self, now: Timestamp) {
        self.last = now;
    }

    /// Charges what an attempt of that step has spent: first from what is held for it, then from what is free, and
    /// what is more than that from what is held for others.
    pub fn charge(&mut self, instance: InstanceId, usage: Usage) {
        if planted::on(Bug::UsageNotCharged) {
            return;
        }
        if let Some(hold) = self.held.get_mut(&instance)
            && !planted::on(Bug::HoldNotEaten)
        {
            hold.tokens = hold.tokens.saturating_sub(usage.tokens());
            hold.usd_micros = hold.usd_micros.saturating_sub(usage.usd_micros);
        }
        self.spent.add(usage);
        self.trim();
    }

    /// Whether an agent that is expected to need so much may begin. One for which nothing has to be kept free by others
    /// may begin with whatever is left, so that an estimate above the whole budget stops nobody.
    pub fn has_room(&self, wanted: Hold) -> bool {
        let held = self.held();
        let fits = |limit: Option<u64>, spent: u64, held: u64, wanted: u64| {
            limit.is_none_or(|limit| held == 0 || spent.saturating_add(held).saturating_add(wanted) <= limit)
        };
        planted::on(Bug::RoomUnchecked)
            || (fits(self.limits.tokens, self.spent.tokens(), held.tokens, wanted.tokens)
                && fits(self.limits.usd_micros, self.spent.usd_micros, held.usd_micros, wanted.usd_micros))
    }

    /// Keeps free what an agent is expected to need, as far as it is there.
    pub fn hold(&mut self, instance: InstanceId, wanted: Hold) {
        if !wanted.is_zero() {
            self.held.insert(instance, wanted);
            self.trim();
        }
    }

    /// Whether something is held for a step already.
    pub fn holds(&self, instance: InstanceId) -> bool {
        self.held.contains_key(&instance)
    }

    /// What was held for a step and not spent is free again.
    pub fn give_back(&mut self, instance: InstanceId) {
        if !planted::on(Bug::HoldNotGivenBack) {
            self.held.remove(&instance);
        }
    }

    /// What is held, by step.
    pub fn holds_all(&self) -> impl Iterator<Item = (InstanceId, Hold)> {
        self.held.iter().map(|(instance, hold)| (*instance, *hold))
    }

    /// What is held for all agents together.
    pub fn held(&self) -> Hold {
        let sum = |sum: Hold, hold: &Hold| Hold {
            tokens: sum.tokens.saturating_add(hold.tokens),
            usd_micros: sum.usd_micros.saturating_add(hold.usd_micros),
        };
        self.held.values().fold(Hold::default(), sum)
    }

    /// Takes from the latest holds what is no longer there.
    fn trim(&mut self) {
        let held = self.held();
        let over = |limit: Option<u64>, spent: u64, held: u64| {
            limit.map_or(0, |limit| held.saturating_sub(limit.saturating_sub(spent)))
        };
        let mut tokens = over(self.limits.tokens, self.spent.tokens(), held.tokens);
        let mut usd_micros = over(self.limits.usd_micros, self.spent.usd_micros, held.usd_micros);
        for hold in self.held.values_mut().rev() {
            let cut = Hold { tokens: tokens.min(hold.tokens), usd_micros: usd_micros.min(hold.usd_micros) };
            hold.tokens -= cut.tokens;
            hold.usd_micros -= cut.usd_micros;
            tokens -= cut.tokens;
            usd_micros -= cut.usd_micros;
        }
    }

    /// Whether people must be warned now; true once for each set of limits.
    pub fn warns(&mut self) -> bool {
        let warns = !self.has_warned && self.near().is_some();
        self.has_warned |= warns;
        warns
    }

    /// Which limit is nearly used up, if one is, in words.
    pub fn near(&self) -> Option<String> {
        let is_near = |limit: u64, spent: u64| {
            u128::from(spent) * 100 >= u128::from(limit) * u128::from(NEAR_PERCENT) && limit > 1
        };
        let near = |limit: Option<u64>, spent: u64| limit.filter(|limit| is_near(*limit, spent));
        if let Some(limit) = near(self.limits.usd_micros, self.spent.usd_micros) {
            return Some(format!("{} of the budget of {} are used", dollars(self.spent.usd_micros), dollars(limit)));
        }
        if let Some(limit) = near(self.limits.tokens, self.spent.tokens()) {
            return Some(format!("{} of the budget of {limit} tokens are used", self.spent.tokens()));
        }
        if let Some(limit) = near(self.limits.time_ms, self.busy_ms) {
            let words = |ms| crate::base::render_duration(std::time::Duration::from_millis(ms));
            return Some(format!("{} of the budget of {} of work are used", words(self.busy_ms), words(limit)));
        }
        near(Some(self.limits.agents), self.agents)
            .map(|limit| format!("{} of the budget of {limit} agent starts are used", self.agents))
    }

    /// Charges what was spent in a session, if in one.
    pub fn charge_in(&mut self, instance: InstanceId, session: Option<Arc<str>>, usage: Usage) {
        self.charge(instance, usage);
        if let Some(session) = session.filter(|_| !usage.is_zero()) {
            self.sessions.entry(session).or_default().add(usage);
        }
    }

    /// A session begins as a copy of one that has been charged so much: a program may count that again.
    pub fn begin_in(&mut self, session: Arc<str>, charged: Usage) {
        self.sessions.entry(session).or_insert(charged);
    }

    /// What a session has been charged.
    pub fn charged_in(&self, session: &str) -> Usage {
        self.sessions.get(session).copied().unwrap_or_default()
    }

    pub fn count_agent(&mut self) {
        self.agents += 1;
    }

    /// An agent that was counted does not begin after all.
    pub fn uncount_agent(&mut self) {
        self.agents = self.agents.saturating_sub(1);
    }

    /// What is used up, if anything, in words.
    pub fn reached(&self, before_agent: bool) -> Option<String> {
        if planted::on(Bug::BudgetUnchecked) {
            return None;
        }
        let used = |limit: Option<u64>, spent: u64| limit.filter(|limit| spent >= *limit);
        if let Some(limit) = used(self.limits.usd_micros, self.spent.usd_micros) {
            return Some(format!("the budget of {} is used up", dollars(limit)));
        }
        if let Some(limit) = used(self.limits.tokens, self.spent.tokens()) {
            return Some(format!("the budget of {limit} tokens is used up"));
        }
        if let Some(limit) = used(self.limits.time_ms, self.busy_ms) {
            let limit = crate::base::render_duration(std::time::Duration::from_millis(limit));
            return Some(format!("the budget of {limit} of work is used up"));
        }
        if before_agent && self.agents >= self.limits.agents {
            let limit = self.limits.agents;
            return Some(format!("the budget of {limit} agent start{} is used up", if limit == 1 { "" } else { "s" }));
        }
        None
    }

    /// When the time budget will be used up if something runs from now on.
    pub fn time_limit_at(&self) -> Option<Timestamp> {
        self.limits.time_ms.map(|limit| Timestamp(self.last.0 + limit.saturating_sub(self.busy_ms)))
    }

    pub fn raise(&mut self, usd_micros: Option<u64>, tokens: Option<u64>, time_ms: Option<u64>, agents: Option<u64>) {
        self.limits.usd_micros = usd_micros.or(self.limits.usd_micros);
        self.limits.tokens = tokens.or(self.limits.tokens);
        self.limits.time_ms = time_ms.or(self.limits.time_ms);
        self.limits.agents = agents.unwrap_or(self.limits.agents);
        self.has_warned = false;
        self.trim();
    }

    /// Whether money or tokens are used up: what agents spend while they run.
    pub fn is_spent(&self) -> bool {
        let used = |limit: Option<u64>, spent: u64| limit.is_some_and(|limit| spent >= limit);
        used(self.limits.usd_micros, self.spent.usd_micros) || used(self.limits.tokens, self.spent.tokens())
    }

    pub fn spent(&self) -> Spent {
        Spent { usage: self.spent, agents: self.agents, busy_ms: self.busy_ms }
    }

    pub fn limits(&self) -> &Budget {
        &self.limits
    }
}
