//! The door between `orch` and a network of its own: the helper hands a listening socket out through it, so that `orch`
//! can answer programs that have no other way out.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener as Listener, UnixStream as Stream},
    },
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::{io::Interest, net::UnixListener};

use super::Fault;
use crate::base::{hex, random};

/// The port inside. The network there is new, so it is free.
const PORT: u16 = 3128;

/// Where one helper hands a socket to.
#[derive(Debug)]
pub struct Doorway {
    name: String,
    listener: UnixListener,
}

impl Doorway {
    /// Opens one under a name that nobody can guess; it leaves nothing in any folder.
    ///
    /// # Errors
    /// When there is no random number or no socket.
    pub fn open() -> io::Result<Self> {
        let name = format!("orch-{}", hex(&random::<16>()?));
        let listener = Listener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self { name, listener: UnixListener::from_std(listener)? })
    }

    /// What the helper is told.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the helper's socket.
    ///
    /// # Errors
    /// When what comes is no socket of this user.
    pub async fn receive(self) -> io::Result<OwnedFd> {
        let (stream, _) = self.listener.accept().await?;
        if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        stream.async_io(Interest::READABLE, || take(&stream)).await
    }
}

fn take(stream: impl AsFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(stream, &mut [IoSliceMut::new(&mut [0])], &mut control, flags)?;
    let mut found = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(found) => Some(found),
        _ => None,
    });
    found.next().and_then(|mut found| found.next()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Finds the door, before the helper leaves the network that it is in.
pub(super) fn knock(name: &str) -> Result<Stream, Fault> {
    SocketAddr::from_abstract_name(name)
        .and_then(|address| Stream::connect_addr(&address))
        .map_err(|error| Fault::new("find the proxy", error))
}

/// Hands a socket out that listens in the new network.
pub(super) fn hand_out(door: RawFd) -> Result<(), Fault> {
    let listener = TcpListener::bind(("127.0.0.1", PORT)).map_err(|error| Fault::new("listen for the proxy", error))?;
    let descriptors = [listener.as_raw_fd()];
    let handed = [ControlMessage::ScmRights(&descriptors)];
    let sent = sendmsg::<()>(door, &[IoSlice::new(&[0])], &handed, MsgFlags::MSG_NOSIGNAL, None);
    sent.map(drop).map_err(|error| Fault::new("hand a socket to the proxy", error))
}
