//! The one thread of this process that writes: takes what has piled up while the
//! last commit ran, commits it together, then acknowledges.

use std::{
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    batch::{Batch, Stop},
    fault::sort,
};
use crate::{
    base::RunId,
    journal::{Ack, Append, AppendError, NewRun, StoreError},
};

/// How many commands share a commit at most.
const BATCH_COMMANDS_MAX: usize = 512;

/// A batch takes no further command once its bodies have this many bytes.
const BATCH_BYTES_FULL: usize = 8 * 1024 * 1024;

/// How many commands may wait for the writer; then callers wait too.
const QUEUE_COMMANDS_MAX: usize = 4096;

/// What the writer can be asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Add a run.
    Create(NewRun),
    /// Add records to a run.
    Append(Append),
    /// Leave a decision for a run's owner.
    Decide {
        /// The run.
        run: RunId,
        /// The driver's bytes.
        body: Vec<u8>,
    },
}

impl Command {
    fn bytes(&self) -> usize {
        match self {
            Self::Create(new) => {
                new.plan_body.len() + new.records.iter().map(|record| record.body.len()).sum::<usize>()
            }
            Self::Append(append) => append.records.iter().map(|record| record.body.len()).sum(),
            Self::Decide { run: _, body } => body.len(),
        }
    }
}

type Reply = oneshot::Sender<Result<u64, AppendError>>;
type Order = (Command, Reply);

/// A handle on the writer thread; dropping it lets the thread finish what waits, then joins it.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (orders, queue) = sync_channel(QUEUE_COMMANDS_MAX);
        let thread = thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || work(connection, &queue))
            .map_err(|error| StoreError::io("start the journal's writer", error))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Hands a command over; waits only while the queue is full.
    pub(super) fn order(&self, command: Command) -> Ack {
        let (reply, ack) = Ack::pair();
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send((command, reply)).is_ok());
        if sent { ack } else { Ack::ready(Err(StoreError::Closed.into())) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has been reported on its own thread, and every open acknowledgement says closed.
            thread.join().ok();
        }
    }
}

fn work(mut connection: Connection, queue: &Receiver<Order>) {
    let mut poison: Option<StoreError> = None;
    while let Ok(first) = queue.recv() {
        let (commands, replies) = drain(first, queue);
        let outcome = match &poison {
            Some(error) => Err(error.clone()),
            None => {
                let start = Instant::now();
                let done = commit(&mut connection, commands);
                note(start.elapsed());
                done
            }
        };
        match outcome {
            Ok(results) => {
                for (reply, result) in replies.into_iter().zip(results) {
                    // A caller that no longer listens has lost interest, not the record.
                    reply.send(result).ok();
                }
            }
            Err(error) => {
                // After a failed write nobody knows what the disk holds, so nothing is tried again
                // in this process. A lock that stayed busy has written nothing.
                if !matches!(error, StoreError::Busy { .. }) {
                    poison = Some(error.clone());
                }
                for reply in replies {
                    reply.send(Err(error.clone().into())).ok();
                }
            }
        }
    }
}

/// Times that are kept until somebody counts them.
const TIMES_MAX: usize = 10_000;

static TIMES: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

fn note(took: Duration) {
    let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    if times.len() < TIMES_MAX {
        times.push(took);
    }
}

/// How long the commits of this process took since somebody asked last.
#[must_use]
pub fn take_commit_times() -> Vec<Duration> {
    std::mem::take(&mut *TIMES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The first command and what else waits, up to a batch.
fn drain(first: Order, queue: &Receiver<Order>) -> (Vec<Command>, Vec<Reply>) {
    let mut bytes = first.0.bytes();
    let (mut commands, mut replies) = (vec![first.0], vec![first.1]);
    while commands.len() < BATCH_COMMANDS_MAX && bytes < BATCH_BYTES_FULL {
        let Ok((command, reply)) = queue.try_recv() else { break };
        bytes += command.bytes();
        commands.push(command);
        replies.push(reply);
    }
    (commands, replies)
}

/// One transaction; a result for each command, or the error that undid them all.
fn commit(connection: &mut Connection, commands: Vec<Command>) -> Result<Vec<Result<u64, AppendError>>, StoreError> {
    let sorted = |error| sort("write to the store", error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sorted)?;
    let mut batch = Batch::new(&transaction);
    let mut results = Vec::with_capacity(commands.len());
    for command in commands {
        match batch.stage(command) {
            Ok(number) => results.push(Ok(number)),
            Err(Stop::Refuse(error)) => results.push(Err(error)),
            Err(Stop::Fail(error)) => return Err(sorted(error)),
        }
    }
    batch.flush().map_err(sorted)?;
    transaction.commit().map_err(sorted)?;
    Ok(results)
}
