//! One budget ledger for the whole run: money, tokens, time, starts of agents.
//!
//! A budget is checked before each start and charged by every report. Time counts only while something runs, so
//! that waiting for a person costs nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    base::{Timestamp, Usage},
    plan::Budget,
};

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
        let (spent, last) = (Usage::default(), Timestamp::default());
        Self { limits, spent, agents: 0, busy_ms: 0, last, sessions: BTreeMap::new() }
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

    pub fn charge(&mut self, usage: Usage) {
        if super::planted::on(super::planted::Bug::UsageNotCharged) {
            return;
        }
        self.spent.add(usage);
    }

    /// Charges what was spent in a session, if in one.
    pub fn charge_in(&mut self, session: Option<Arc<str>>, usage: Usage) {
        self.charge(usage);
        if let Some(session) = session.filter(|_| !usage.is_zero()) {
            self.sessions.entry(session).or_default().add(usage);
        }
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
        if super::planted::on(super::planted::Bug::BudgetUnchecked) {
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
    }

    pub fn spent(&self) -> Spent {
        Spent { usage: self.spent, agents: self.agents, busy_ms: self.busy_ms }
    }

    pub fn limits(&self) -> &Budget {
        &self.limits
    }
}

fn dollars(micros: u64) -> String {
    format!("${}.{:02}", micros / 1_000_000, micros / 10_000 % 100)
}
