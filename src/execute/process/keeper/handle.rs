//! The engine's side of the keeper.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix,
    },
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::sys::prctl::set_child_subreaper;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use tokio::{
    io::Interest,
    net::UnixStream,
    sync::{mpsc, watch},
};

use super::{
    super::{
        attempt,
        command::{Command, Limits},
        lines::Listener,
        message::{Notice, Packet, Request, read_notices},
        report::Report,
        stop::StopToken,
        sweep::kill_adopted,
    },
    serve::KEEPER_ARGUMENT,
};

/// Why a keeper could not be started.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The system refused the socket or the process attributes.
    #[error("prepare the keeper of child processes: {0}")]
    Prepare(#[source] io::Error),
    /// The program could not be started.
    #[error("start `{program}` as the keeper of child processes: {source}")]
    Start {
        /// The program that was tried.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// How often a keeper that was lost is replaced; more often than by accident, less often than in a circle.
const REPLACED_MAX: u32 = 16;

/// Runs commands, each in a tree that dies with it. Clones share one keeper process.
///
/// A keeper process that is lost takes what it ran with it; the next command gets a new one.
/// When the last clone is dropped, or the engine ends in any way, everything that still runs is killed.
#[derive(Debug, Clone)]
pub struct Keeper {
    program: Arc<Path>,
    post: Arc<Mutex<Post>>,
}

/// Which keeper process serves at the moment.
#[derive(Debug)]
struct Post {
    link: Arc<Link>,
    replaced: u32,
    is_closed: bool,
}

#[derive(Debug)]
struct Link {
    shared: Arc<Shared>,
    is_gone: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    /// Keeps packets apart, which its type does not say.
    socket: UnixStream,
    /// `None` once the keeper is gone.
    listeners: Mutex<Option<HashMap<u64, mpsc::UnboundedSender<Notice>>>>,
    next_id: AtomicU64,
}

/// The keepers of this process. What the process adopts from a lost one is told apart from the others by this.
static LIVING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

impl Keeper {
    /// Starts `program __keeper`; `program` is this very program. Makes this process a sub-reaper.
    ///
    /// Must be called on a tokio runtime. Does not wait for the keeper to be ready.
    ///
    /// # Errors
    /// When the socket or the process cannot be made.
    pub fn start(program: &Path) -> Result<Self, KeeperError> {
        let post = Post { link: Arc::new(Link::start(program)?), replaced: 0, is_closed: false };
        Ok(Self { program: program.into(), post: Arc::new(Mutex::new(post)) })
    }

    /// Runs one command to its end. Always gives a report; no process of the command is alive then.
    ///
    /// If the future is dropped, the command's tree is killed.
    pub async fn run(&self, command: Command, limits: Limits, stop: StopToken, ears: Option<Listener>) -> Report {
        attempt::run(self, command, limits, stop, ears).await
    }

    /// Kills what is left and waits until the keeper is gone.
    pub async fn shutdown(self) {
        let link = {
            let mut post = self.post();
            post.is_closed = true;
            Arc::clone(&post.link)
        };
        link.shared.close();
        let mut is_gone = link.is_gone.clone();
        let _ = is_gone.wait_for(|gone| *gone).await;
    }

    /// A new number with a channel for its notices; `None` when the keeper is gone for good.
    pub(in super::super) fn attach(&self) -> Option<Attached> {
        let mut post = self.post();
        if let Some(line) = post.link.attach() {
            return Some(line);
        }
        if post.is_closed || post.replaced == REPLACED_MAX {
            return None;
        }
        post.replaced += 1;
        // The attempt's report says that the keeper is lost, whatever the reason.
        post.link = Arc::new(Link::start(&self.program).ok()?);
        post.link.attach()
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        // The post is whole after every statement, so a panic elsewhere does not spoil it.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn start(program: &Path) -> Result<Self, KeeperError> {
        set_child_subreaper(true).map_err(|error| KeeperError::Prepare(error.into()))?;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| KeeperError::Prepare(error.into()))?;
        let ours = unix::net::UnixStream::from(ours);
        ours.set_nonblocking(true).map_err(KeeperError::Prepare)?;
        let socket = UnixStream::from_std(ours).map_err(KeeperError::Prepare)?;
        let child = Self::spawn(program, theirs)
            .map_err(|source| KeeperError::Start { program: program.display().to_string(), source })?;
        let shared =
            Arc::new(Shared { socket, listeners: Mutex::new(Some(HashMap::new())), next_id: AtomicU64::new(1) });
        let (gone, is_gone) = watch::channel(false);
        tokio::spawn(listen(Arc::clone(&shared), child, gone));
        Ok(Self { shared, is_gone })
    }

    fn spawn(program: &Path, socket: OwnedFd) -> io::Result<Child> {
        let mut living = living();
        let mut command = std::process::Command::new(program);
        command.arg(KEEPER_ARGUMENT).env_clear().stdin(socket).stdout(Stdio::null());
        let child = command.spawn()?;
        living.insert(child.id());
        Ok(child)
    }

    fn attach(self: &Arc<Self>) -> Option<Attached> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, notices) = mpsc::unbounded_channel();
        self.shared.listeners().as_mut()?.insert(id, sender);
        Some(Attached { link: Arc::clone(self), id, notices, is_live: false })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// One command's line to the keeper. Dropping it while the command lives kills the command.
#[derive(Debug)]
pub(in super::super) struct Attached {
    link: Arc<Link>,
    pub(in super::super) id: u64,
    pub(in super::super) notices: mpsc::UnboundedReceiver<Notice>,
    /// Whether processes of the command may be alive.
    pub(in super::super) is_live: bool,
}

impl Attached {
    /// Sends a request. A keeper that is gone is noticed by the end of the notices, not here.
    pub(in super::super) async fn send(&self, request: Request) -> io::Result<()> {
        let packet = Packet::new(request)?;
        self.link.shared.send(&packet).await;
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let shared = &self.link.shared;
        if let Some(listeners) = shared.listeners().as_mut() {
            listeners.remove(&self.id);
        }
        if !self.is_live {
            return;
        }
        let Ok(packet) = Packet::new(Request::Kill { id: self.id }) else { return };
        if packet.send(shared.socket.as_fd()).is_err()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // The socket is full for a moment; without a runtime the socket closes, which kills as well.
            let shared = Arc::clone(shared);
            runtime.spawn(async move { shared.send(&packet).await });
        }
    }
}

impl Shared {
    fn listeners(&self) -> MutexGuard<'_, Option<HashMap<u64, mpsc::UnboundedSender<Notice>>>> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        // Fails only when the keeper is gone already.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    async fn send(&self, packet: &Packet) {
        // Tried first without the event loop: the socket is almost never full.
        if packet.send(self.socket.as_fd()).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            // Any other failure means that the keeper is gone.
            drop(self.socket.async_io(Interest::WRITABLE, || packet.send(self.socket.as_fd())).await);
        }
    }
}

/// Hands notices to their commands until the keeper is gone, then kills what a lost keeper left.
async fn listen(shared: Arc<Shared>, mut child: Child, gone: watch::Sender<bool>) {
    let mut notices = Vec::new();
    let is_ended = loop {
        let read = shared.socket.async_io(Interest::READABLE, || read_notices(&shared.socket, &mut notices)).await;
        let listeners = shared.listeners();
        for notice in notices.drain(..) {
            if let Some(listener) = listeners.as_ref().and_then(|listeners| listeners.get(&notice.id())) {
                // A command that was dropped takes no notice any more.
                let _ = listener.send(notice);
            }
        }
        drop(listeners);
        match read {
            Ok(true) => {}
            Ok(false) => break true,
            Err(_) => break false,
        }
    };
    let cleaned = tokio::task::spawn_blocking(move || {
        // A keeper that ends by itself has killed all, and ends right after its socket does.
        let is_orderly = is_ended && child.wait().is_ok_and(|status| status.success());
        if !is_orderly {
            let _ = child.kill();
            let _ = child.wait();
        }
        let mut living = living();
        living.remove(&child.id());
        if !is_orderly {
            kill_adopted(&living);
        }
    });
    // Fails only when the runtime itself is ending, and the process with it.
    let _ = cleaned.await;
    // Only now do the commands learn of it, so that a report is never ahead of the last death.
    shared.listeners().take();
    gone.send_replace(true);
}

fn living() -> MutexGuard<'static, BTreeSet<u32>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}
