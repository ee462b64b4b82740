//! One limiter for the whole run, however deep it nests: slots over all attempts and slots per runtime.
//!
//! Knows nothing of steps. Two lines per class: what finishes begun work goes before new work; within a line,
//! first come, first served over all classes.
//!
//! Invariant: slots in use never exceed `parallel`, nor a class's own bound. Nothing is granted of a class that is held.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    base::Timestamp,
    scheduler::{
        event::{InstanceId, Purpose},
        planted::{self, Bug},
    },
};

/// Which line an attempt stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It finishes begun work: a gate, a fix, a next try.
    Begun,
    /// New work.
    New,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waiting {
    pub instance: InstanceId,
    pub purpose: Purpose,
    line: Line,
    ticket: u64,
}

impl Waiting {
    /// What it holds once it was granted.
    pub fn slot(&self, class: u16) -> Slot {
        Slot { class, line: self.line, ticket: self.ticket }
    }
}

/// A slot, and where its holder stood in line for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slot {
    pub class: u16,
    line: Line,
    ticket: u64,
}

/// What a class was last told of its speed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tempo {
    /// Attempts at once, besides the bound of the plan.
    pub slots: Option<u32>,
    /// Nothing is granted before this.
    pub until: Timestamp,
    /// Why.
    pub reason: Arc<str>,
}

#[derive(Debug, Default, PartialEq)]
struct Class {
    name: String,
    bound: Option<u32>,
    tempo: Tempo,
    in_use: u32,
    begun: VecDeque<Waiting>,
    new: VecDeque<Waiting>,
}

impl Class {
    fn line(&mut self, line: Line) -> &mut VecDeque<Waiting> {
        match line {
            Line::Begun => &mut self.begun,
            Line::New => &mut self.new,
        }
    }

    /// Whether one more may begin.
    fn is_free(&self, now: Timestamp) -> bool {
        let bounds = [self.bound, self.tempo.slots.filter(|_| !planted::on(Bug::PaceIgnored))];
        let held = self.tempo.until > now && !planted::on(Bug::HoldIgnored);
        !held && bounds.into_iter().flatten().all(|bound| self.in_use < bound.max(1))
    }
}

/// Slots and who waits for them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Limiter {
    parallel: u32,
    in_use: u32,
    tickets: u64,
    classes: Vec<Class>,
}

impl Limiter {
    /// The same classes and bounds with nobody in line and no slot in use.
    pub fn renewed(old: &Self) -> Self {
        let classes = old.classes.iter().map(|class| Class {
            name: class.name.clone(),
            bound: class.bound,
            tempo: class.tempo.clone(),
            ..Class::default()
        });
        Self { parallel: old.parallel, in_use: 0, tickets: 0, classes: classes.collect() }
    }

    /// Sets how many attempts may run at once; at least one.
    pub fn set_parallel(&mut self, parallel: u32) {
        self.parallel = parallel.max(1);
    }

    /// The class of a name, made at first use.
    pub fn class(&mut self, name: &str, bound: Option<u32>) -> u16 {
        let place = self.classes.iter().position(|class| class.name == name).unwrap_or_else(|| {
            self.classes.push(Class { name: name.to_owned(), bound, ..Class::default() });
            self.classes.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// Stands an attempt in line.
    pub fn wait(&mut self, class: u16, line: Line, instance: InstanceId, purpose: Purpose) {
        self.tickets += 1;
        let waiting = Waiting { instance, purpose, line, ticket: self.tickets };
        self.classes[usize::from(class)].line(line).push_back(waiting);
    }

    /// Stands an attempt in line again where it stood: before all who came later.
    pub fn wait_again(&mut self, slot: Slot, instance: InstanceId, purpose: Purpose) {
        let waiting = Waiting { instance, purpose, line: slot.line, ticket: slot.ticket };
        let line = self.classes[usize::from(slot.class)].line(slot.line);
        let place = line.partition_point(|other| other.ticket < slot.ticket);
        if planted::on(Bug::DeferredLosesPlace) {
            line.push_back(waiting);
        } else {
            line.insert(place, waiting);
        }
    }

    /// Takes somebody out of the lines of classes that are held: nobody else would, and who only seems to wait would
    /// keep a run awake.
    pub fn forget(&mut self, instance: InstanceId) {
        for class in self.classes.iter_mut().filter(|class| class.tempo != Tempo::default()) {
            class.begun.retain(|waiting| waiting.instance != instance);
            class.new.retain(|waiting| waiting.instance != instance);
        }
    }

    /// What a class was last told of its speed.
    pub fn tempo(&mut self, class: u16) -> &mut Tempo {
        &mut self.classes[usize::from(class)].tempo
    }

    /// Every class that has a name, with its speed, who stands in line and who has a slot.
    pub fn speeds(&self) -> impl Iterator<Item = (&str, &Tempo, usize, u32)> {
        let named = self.classes.iter().filter(|class| !class.name.is_empty());
        named.map(|class| (class.name.as_str(), &class.tempo, class.begun.len() + class.new.len(), class.in_use))
    }

    /// When the first held class in whose line somebody stands may be granted again.
    pub fn next_release(&self, now: Timestamp) -> Option<Timestamp> {
        let held = self.classes.iter().filter(|class| !class.begun.is_empty() || !class.new.is_empty());
        held.map(|class| class.tempo.until).filter(|until| *until > now).min()
    }

    /// The next attempt that may begin, with its class; its slot is taken.
    pub fn grant(&mut self, now: Timestamp) -> Option<(u16, Waiting)> {
        let room = if planted::on(Bug::SlotOffByOne) { 1 } else { 0 };
        if self.in_use >= self.parallel + room {
            return None;
        }
        let front = |line: fn(&Class) -> &VecDeque<Waiting>| {
            self.classes
                .iter()
                .enumerate()
                .filter(|(_, class)| class.is_free(now))
                .filter_map(|(place, class)| line(class).front().map(|waiting| (waiting.ticket, place)))
                .min()
        };
        let (place, begun) = match front(|class| &class.begun) {
            Some((_, place)) => (place, true),
            None => (front(|class| &class.new)?.1, false),
        };
        let class = &mut self.classes[place];
        let waiting = if begun { class.begun.pop_front() } else { class.new.pop_front() }?;
        class.in_use += 1;
        self.in_use += 1;
        Some((u16::try_from(place).unwrap_or(u16::MAX), waiting))
    }

    /// Gives a slot back.
    pub fn release(&mut self, class: u16) {
        let class = &mut self.classes[usize::from(class)];
        class.in_use = class.in_use.saturating_sub(1);
        self.in_use = self.in_use.saturating_sub(1);
    }

    /// Whether more slots are in use than there are: a new owner may have fewer.
    pub fn is_overfull(&self) -> bool {
        self.in_use > self.parallel
    }

    /// The name of a class.
    pub fn name(&self, class: u16) -> &str {
        &self.classes[usize::from(class)].name
    }

    /// How many attempts may run at once.
    pub fn parallel(&self) -> u32 {
        self.parallel
    }

    /// Slots in use over all classes.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Whether anybody stands in line.
    pub fn has_waiting(&self) -> bool {
        self.classes.iter().any(|class| !class.begun.is_empty() || !class.new.is_empty())
    }
}
