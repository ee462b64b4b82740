//! The keeper process: takes requests from its socket, starts, reaps, tidies up.
//!
//! Invariants:
//! - The main thread never starts a program, so the children of this very thread are exactly the
//!   processes that the keeper adopted. The kernel answers "are there any" in one call.
//! - Only the main thread reaps, and only under the roster's lock.
//! - The threads that start programs live as long as the keeper.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd},
    process::exit,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    sys::{
        prctl::{set_child_subreaper, set_name},
        signal::{SigSet, Signal},
    },
    unistd::{close as close_descriptor, getpid, setsid},
};
use rustix::{
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, WaitOptions, wait, waitid},
};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    super::{
        confine::{Confinement, Container},
        message::{Notice, Order, Request, Status, notify, receive},
        table::{Snapshot, kill_hard, signal_group},
    },
    roster::Roster,
    starter,
};

/// The hidden argument with which `orch` becomes a keeper.
pub const KEEPER_ARGUMENT: &str = "__keeper";

/// Two, because a start blocks its thread until the program is loaded. Four were no faster on two cores.
const STARTERS: usize = 2;
/// `__WNOTHREAD` of Linux: only children of the calling thread.
const OF_THIS_THREAD: WaitIdOptions = WaitIdOptions::from_bits_retain(0x2000_0000);
/// Between two looks at what is still alive while the keeper closes.
const CLOSING_LOOK: Duration = Duration::from_millis(1);

struct Shared {
    socket: File,
    /// Held while receiving, so that requests take effect in the order in which they were sent.
    turn: Mutex<()>,
    roster: Mutex<Roster>,
    noted: Condvar,
    null: File,
    own: i32,
    /// The containers of commands, which no death of a process ends.
    containers: Mutex<HashMap<u64, Container>>,
}

/// Runs the keeper on its standard input until the engine is gone, then kills all and ends the process.
///
/// Must be called on the main thread, before any other thread exists.
pub fn serve() -> ! {
    let code = match prepare() {
        Ok(shared) => run(&shared),
        Err(error) => {
            drop(writeln!(io::stderr(), "orch: the keeper failed to start: {error}"));
            70
        }
    };
    exit(code)
}

fn prepare() -> io::Result<Shared> {
    // A defect in one thread must not leave a keeper that only seems to work.
    std::panic::set_hook(Box::new(|panic| {
        drop(writeln!(io::stderr(), "orch: the keeper failed: {panic}"));
        exit(70);
    }));
    close_inherited()?;
    setsid()?;
    // Its own name, so that who kills `orch` by name leaves it to tidy up.
    set_name(c"keeper")?;
    set_child_subreaper(true)?;
    // Children inherit what is blocked.
    SigSet::empty().thread_set_mask()?;
    survive_signals()?;
    Ok(Shared {
        socket: File::from(io::stdin().as_fd().try_clone_to_owned()?),
        turn: Mutex::default(),
        roster: Mutex::default(),
        noted: Condvar::new(),
        null: starter::open_null()?,
        own: getpid().as_raw(),
        containers: Mutex::default(),
    })
}

/// Lets the keeper outlive the signals that end its engine, so that the engine can end its work gently.
///
/// They are caught, not ignored or blocked: only that is undone in every child.
fn survive_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::terminate(), SignalKind::quit()] {
        // The handler stays when the listener is dropped.
        let _listener = signal(kind)?;
    }
    Ok(())
}

/// Closes what the engine itself inherited from whoever started it, so that no child gets it.
///
/// Called before the keeper has opened anything, so none of these has an owner here.
pub(in super::super) fn close_inherited() -> io::Result<()> {
    // Collected first: an entry keeps the folder open that is being listed.
    let listed = std::fs::read_dir("/proc/self/fd")?.map(|entry| entry.map(|entry| entry.file_name()));
    let names = listed.collect::<Result<Vec<_>, _>>()?;
    for number in names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok()).filter(|number| *number > 2) {
        // The descriptor that listed the folder is closed already.
        let _ = close_descriptor(number);
    }
    Ok(())
}

fn run(shared: &Shared) -> i32 {
    std::thread::scope(|scope| {
        for _ in 0..STARTERS {
            scope.spawn(|| take_requests(shared));
        }
        reap(shared)
    })
}

impl Shared {
    fn roster(&self) -> MutexGuard<'_, Roster> {
        // A panic ends the process, so nobody sees a half-changed roster.
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_container(&self, id: u64, order: &Order) {
        let Some(container) = Confinement::read(&order.confinement).and_then(|found| found.container) else { return };
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let roster = self.roster();
        containers.retain(|id, _| roster.has(*id));
        containers.insert(id, container);
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn tell(&self, notices: &[Notice]) {
        // A failure means that the engine is gone, which the starters notice as well.
        let _ = notify(&self.socket, notices);
    }
}

/// One starter: waits for its turn, takes a request, lets the next one wait, and does it.
fn take_requests(shared: &Shared) {
    loop {
        let turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let request = receive(shared.socket());
        let Ok(Some(request)) = request else { close(shared) };
        let ticket = match &request {
            Request::Start { id, order, .. } => shared.roster().begin(*id, &order.attempt),
            Request::Terminate { .. } | Request::Kill { .. } | Request::Measure { .. } => 0,
        };
        drop(turn);
        match request {
            Request::Start { id, order, pipes } => {
                shared.note_container(id, &order);
                let result = starter::start(&order, pipes, &shared.null);
                let mut roster = shared.roster();
                roster.started(id, ticket, result.ok());
                let reaper_waits = std::mem::take(&mut roster.reaper_waits);
                drop(roster);
                if reaper_waits {
                    shared.noted.notify_all();
                }
                if let Err(fault) = result {
                    shared.tell(&[Notice::Failed { id, fault }]);
                }
            }
            Request::Terminate { id } => shared.roster().signal(id, Signal::SIGTERM),
            Request::Kill { id } => shared.roster().signal(id, Signal::SIGKILL),
            Request::Measure { id } => {
                let ticks = shared.roster().ticks(id, shared.own);
                shared.tell(&[Notice::Measured { id, ticks }]);
            }
        }
    }
}

/// The main thread's work: waits for deaths and reports them in batches.
fn reap(shared: &Shared) -> ! {
    let mut notices = Vec::new();
    loop {
        let generation = shared.roster().generation;
        let any = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let mut roster = shared.roster();
        if matches!(any, Err(Errno::CHILD)) && !roster.has_ended() {
            // No children at all: the next one is announced.
            while roster.generation == generation {
                roster = wait_noted(shared, roster);
            }
        }
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let status = status
                .exit_status()
                .map_or_else(|| Status::Signalled(status.terminating_signal().unwrap_or_default()), Status::Exited);
            roster.reaped(pid.as_raw_nonzero().get(), status);
        }
        if let Some(ticket) = roster.last_ticket() {
            while roster.may_claim(ticket) {
                roster = wait_noted(shared, roster);
            }
            roster.forget_strangers();
        }
        if has_adopted(WaitId::All) {
            roster.settle(
                shared.own,
                |pid| Pid::from_raw(pid).is_some_and(|pid| has_adopted(WaitId::Pid(pid))),
                &mut notices,
            );
        } else {
            roster.settle_empty(&mut notices);
        }
        drop(roster);
        if !notices.is_empty() {
            shared.tell(&notices);
            notices.clear();
        }
    }
}

fn wait_noted<'a>(shared: &Shared, mut roster: MutexGuard<'a, Roster>) -> MutexGuard<'a, Roster> {
    roster.reaper_waits = true;
    shared.noted.wait(roster).unwrap_or_else(PoisonError::into_inner)
}

/// Whether the calling thread has such a child: on the main thread, an adopted one.
fn has_adopted(which: WaitId<'_>) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG | OF_THIS_THREAD;
    !matches!(waitid(which, look), Err(Errno::CHILD))
}

/// Kills everything below the keeper and ends it. The caller keeps its turn, so nothing starts any more.
fn close(shared: &Shared) -> ! {
    let left = {
        let containers = shared.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut roster = shared.roster();
        roster.is_closing = true;
        containers.iter().filter(|(id, _)| roster.has(**id)).map(|(_, one)| one.clone()).collect::<Vec<_>>()
    };
    loop {
        // Asked in this order: whatever was started is a child by then, and who has no child has nobody below.
        if !shared.roster().is_starting() && has_no_child() {
            left.iter().for_each(Container::remove);
            exit(0)
        }
        for process in Snapshot::take().below(shared.own) {
            if process.group != shared.own {
                signal_group(process.group, Signal::SIGKILL);
            }
            kill_hard(process.pid);
        }
        std::thread::sleep(CLOSING_LOOK);
    }
}

/// Whether this process has no child, not even a dead one that nobody has reaped.
fn has_no_child() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}
