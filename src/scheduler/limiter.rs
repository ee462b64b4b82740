//! One limiter for the whole run, however deep it nests: slots over all attempts and slots per runtime.
//!
//! Knows nothing of steps. Two lines per class: what finishes begun work goes before new work; within a line,
//! first come, first served over all classes.
//!
//! Invariant: slots in use never exceed `parallel`, nor a class's own bound.

use std::collections::VecDeque;

use crate::scheduler::event::{InstanceId, Purpose};

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
    ticket: u64,
}

#[derive(Debug, Default, PartialEq)]
struct Class {
    name: String,
    bound: Option<u32>,
    in_use: u32,
    begun: VecDeque<Waiting>,
    new: VecDeque<Waiting>,
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
        let classes =
            old.classes.iter().map(|class| Class { name: class.name.clone(), bound: class.bound, ..Class::default() });
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
        let waiting = Waiting { instance, purpose, ticket: self.tickets };
        let class = &mut self.classes[usize::from(class)];
        match line {
            Line::Begun => class.begun.push_back(waiting),
            Line::New => class.new.push_back(waiting),
        }
    }

    /// The next attempt that may begin, with its class; its slot is taken.
    pub fn grant(&mut self) -> Option<(u16, Waiting)> {
        let room = if super::planted::on(super::planted::Bug::SlotOffByOne) { 1 } else { 0 };
        if self.in_use >= self.parallel + room {
            return None;
        }
        let free = |class: &&(usize, &Class)| class.1.bound.is_none_or(|bound| class.1.in_use < bound.max(1));
        let front = |line: fn(&Class) -> &VecDeque<Waiting>| {
            self.classes
                .iter()
                .enumerate()
                .filter(|(place, class)| free(&&(*place, *class)))
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

    /// Slots in use over all classes.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Whether anybody stands in line.
    pub fn has_waiting(&self) -> bool {
        self.classes.iter().any(|class| !class.begun.is_empty() || !class.new.is_empty())
    }
}
