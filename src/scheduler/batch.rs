//! Items of a fan-out that go into one session, one after the other: which item may begin, and whose session it goes on with.
//!
//! An item belongs to the batch of its place in the list, so what is told to one session does not depend on who was quick.
//! Invariants: of one batch at most one item is open; a session goes to items of its batch only; what has failed hands
//! nothing on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    plan::{EachWork, Work},
    scheduler::{
        action::Settled,
        core::Scheduler,
        event::{InstanceId, Purpose},
        planted::{self, Bug},
        state::FrameId,
    },
};

/// Bytes of a text that are about a token.
const BYTES_PER_TOKEN: u64 = 4;

/// The batches of one fan-out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batches {
    size: usize,
    items: usize,
    /// For each batch the place of the next item that has not begun.
    heads: Vec<usize>,
    /// Those with an open item.
    busy: BTreeSet<usize>,
    /// Those without one and with items that have not begun.
    free: BTreeSet<usize>,
    /// For each batch who worked last in it, and so has the session; by the step's place in the body.
    before: Vec<BTreeMap<u32, InstanceId>>,
    /// For each batch about how many tokens its session has been told and has said.
    tokens: Vec<u64>,
}

impl Batches {
    /// Nothing for items that each have a session of their own.
    pub fn of(each: &EachWork, items: usize) -> Option<Box<Self>> {
        let size = each.batch.filter(|size| *size > 1)? as usize;
        let count = items.div_ceil(size);
        Some(Box::new(Self {
            size,
            items,
            heads: (0..count).map(|batch| batch * size).collect(),
            busy: BTreeSet::new(),
            free: (0..count).collect(),
            before: vec![BTreeMap::new(); count],
            tokens: vec![0; count],
        }))
    }

    fn of_item(&self, item: usize) -> usize {
        item / self.size
    }

    /// The item that begins next, if one may.
    pub fn next(&self) -> Option<usize> {
        self.free.first().map(|batch| self.heads[*batch])
    }

    pub fn is_busy(&self, item: usize) -> bool {
        self.busy.contains(&self.of_item(item))
    }

    /// An item begins, for the first time or again.
    pub fn opens(&mut self, item: usize) {
        let batch = self.of_item(item);
        self.heads[batch] = self.heads[batch].max(item + 1);
        if planted::on(Bug::BatchSideBySide) && self.heads[batch] < self.end(batch) {
            return;
        }
        self.free.remove(&batch);
        self.busy.insert(batch);
    }

    fn closes(&mut self, batch: usize) {
        self.busy.remove(&batch);
        if self.heads[batch] < self.end(batch) {
            self.free.insert(batch);
        }
    }

    fn end(&self, batch: usize) -> usize {
        ((batch + 1) * self.size).min(self.items)
    }

    /// A second life of the run: nothing is open, and sessions begin anew.
    pub fn renew(&mut self) {
        self.busy.clear();
        self.before.iter_mut().for_each(BTreeMap::clear);
        self.tokens.fill(0);
        self.free = (0..self.heads.len()).filter(|batch| self.heads[*batch] < self.end(*batch)).collect();
    }
}

impl Scheduler {
    /// An item of a fan-out has ended: the next one of its batch may begin, and goes on with what this one leaves.
    pub(super) fn batch_goes_on(&mut self, each: InstanceId, frame: FrameId, succeeded: bool) {
        let Some(item) = self.frame(frame).item.clone() else { return };
        let plan = Arc::clone(&self.plan);
        let mut leaves = Vec::new();
        let mut told = 0_u64;
        let mut budget = u64::MAX;
        for (place, instance) in (0..).zip(self.members(frame)) {
            let Work::Agent(agent) = &plan.step(self.at(instance).step).work else { continue };
            budget = budget.min(agent.context_budget);
            let Some(envelope) = self.at(instance).envelope.as_deref() else { continue };
            let said = envelope.text.len() + envelope.summary.len() + envelope.output.to_string().len();
            let texts = (said + agent.prompt.text.len() + item.value.to_string().len()) as u64 / BYTES_PER_TOKEN;
            told = told.saturating_add(texts.max(envelope.usage.output_tokens));
            // What was done before in another run has its session there.
            let is_here = self.at(instance).settled() == Some(Settled::Succeeded) && envelope.reused.is_none();
            if is_here && self.at(instance).session.is_some() {
                leaves.push((place, instance));
            }
        }
        let Some(fan_out) = self.at_mut(each).fan_out.as_mut() else { return };
        let Some(batches) = fan_out.batches.as_mut() else { return };
        let batch = batches.of_item(item.index);
        batches.tokens[batch] = batches.tokens[batch].saturating_add(told);
        if succeeded && batches.tokens[batch] <= budget {
            batches.before[batch].extend(leaves);
        } else {
            batches.before[batch].clear();
            batches.tokens[batch] = 0;
        }
        batches.closes(batch);
    }

    /// The session that the first attempt of an item's agent goes on with: that of the item before it in its batch.
    #[must_use]
    pub fn continued(&self, instance: InstanceId, purpose: Purpose) -> Option<&str> {
        let at = self.at(instance);
        if purpose != Purpose::Work || at.restarts > 0 || at.session.is_some() {
            return None;
        }
        let frame = self.frame(at.frame);
        let batches = self.at(frame.container?).fan_out.as_ref()?.batches.as_ref()?;
        let item = frame.item.as_ref()?.index;
        let batch = batches.of_item(if planted::on(Bug::BatchBorrows) { 0 } else { item });
        let before = *batches.before[batch].get(&(instance.0 - frame.first))?;
        self.at(before).session.as_deref()
    }
}
