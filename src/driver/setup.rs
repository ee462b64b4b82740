//! What a driver is given by whoever starts it. Does nothing by itself.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    driver::{assign::Assigner, narrate::RunEvent, pace::Pacer, reuse::Recall, told},
    execute::{Executor, workspace::Spaces},
    guard::Redactor,
    journal::Journal,
};

/// What to do when a person is asked and nobody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnApproval {
    /// Ask on a terminal, else park.
    Wait,
    /// Say no.
    Fail,
    /// Say yes.
    Approve,
}

/// What a driver is given.
pub struct Setup {
    /// Where records go.
    pub journal: Arc<dyn Journal>,
    /// What runs attempts.
    pub executor: Executor,
    /// What turns attempts into assignments.
    pub assigner: Assigner,
    /// What to do when a person is asked.
    pub on_approval: OnApproval,
    /// Whether to return when only a person can move the run.
    pub park: bool,
    /// How often the inbox is looked at.
    pub inbox: Duration,
    /// Who is told.
    pub watchers: mpsc::UnboundedSender<RunEvent>,
    /// Whether there is space for more work.
    pub has_space: Box<dyn Fn() -> bool + Send>,
    /// How hard runtimes may be used.
    pub pacer: Pacer,
    /// Where attempts work that work apart, and what is kept of their work.
    pub spaces: Arc<Spaces>,
    /// Takes secrets out of everything that is written down.
    pub redactor: Redactor,
    /// What was done before; nothing is taken from there where absent.
    pub recall: Option<Recall>,
}

impl Setup {
    /// Tells an event to the log, and to whoever watches.
    pub fn tell(&self, event: RunEvent) {
        told::log(&event);
        // A watcher that has gone away must not stop the run.
        self.watchers.send(event).ok();
    }
}
