//! What the engine and the keeper say to each other, one packet each way at a time.
//!
//! A request is one packet; the descriptors of a command travel with it. An order too large for a
//! packet travels in a file that lives in memory. Notices have a fixed size and share packets.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, ffi::OsStringExt, fs::FileExt},
    },
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// The largest packet; a larger order goes into a file.
const PACKET_BYTES_MAX: usize = 32 * 1024;
/// An order's file, standard output, standard error, standard input.
const DESCRIPTORS_MAX: usize = 4;
const NOTICE_BYTES: usize = 24;

/// One command, as the keeper needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: OsString,
    /// `ORCH_ATTEMPT`, by which escaped processes are recognised.
    pub(super) attempt: OsString,
    /// What it is confined to, as the helper reads it; empty for nothing.
    pub(super) confinement: OsString,
}

/// What the engine asks for; the number names a command for the life of the keeper.
#[derive(Debug)]
pub(super) enum Request {
    Start {
        id: u64,
        order: Order,
        pipes: Pipes,
    },
    /// SIGTERM to the command's group.
    Terminate {
        id: u64,
    },
    /// SIGKILL to the command's whole tree.
    Kill {
        id: u64,
    },
    /// How much of a core the tree has used.
    Measure {
        id: u64,
    },
}

/// The child's ends.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// `None` is `/dev/null`.
    pub(super) stdin: Option<OwnedFd>,
}

/// What the keeper reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// The command itself ended. `is_last`: nothing of its tree is left and no `Gone` follows.
    Ended { id: u64, status: Status, is_last: bool },
    /// The last process of the tree is gone; `leaked` of them had to be killed.
    Gone { id: u64, leaked: u32 },
    /// The command never started; no other notice follows.
    Failed { id: u64, fault: Fault },
    /// Clock ticks that the tree has used.
    Measured { id: u64, ticks: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Exited(i32),
    Signalled(i32),
}

/// Why a command did not start, with the system's error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotFound,
    Folder(i32),
    Start(i32),
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Start = 1,
    StartInFile = 2,
    Terminate = 3,
    Kill = 4,
    Measure = 5,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(super) struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Packet {
    /// # Errors
    /// When an order is too large for a packet and no file can be made for it.
    pub(super) fn new(request: Request) -> io::Result<Self> {
        let (kind, id) = match &request {
            Request::Start { id, .. } => (Kind::Start, id),
            Request::Terminate { id } => (Kind::Terminate, id),
            Request::Kill { id } => (Kind::Kill, id),
            Request::Measure { id } => (Kind::Measure, id),
        };
        let mut bytes = Vec::with_capacity(1024);
        bytes.push(kind as u8);
        bytes.extend(id.to_le_bytes());
        let mut descriptors = Vec::new();
        if let Request::Start { order, pipes, .. } = request {
            let header = bytes.len();
            order.write(&mut bytes);
            if bytes.len() > PACKET_BYTES_MAX {
                let mut file = File::from(memfd_create(c"order", MFdFlags::MFD_CLOEXEC)?);
                file.write_all(&bytes[header..])?;
                descriptors.push(file.into());
                bytes.truncate(header);
                bytes[0] = Kind::StartInFile as u8;
            }
            descriptors.extend([pipes.stdout, pipes.stderr]);
            descriptors.extend(pipes.stdin);
        }
        Ok(Self { bytes, descriptors })
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when the other side has not read enough yet; any other error is final.
    pub(super) fn send(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = self.descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(socket, &[IoSlice::new(&self.bytes)], &mut control, flags)?;
        Ok(())
    }
}

/// Waits for the next request; `None` when the engine is gone.
///
/// # Errors
/// When the packet cannot be understood; the two sides are the same program, so this is a defect.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Request>> {
    let mut buffer = [0; PACKET_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = control
        .drain()
        .filter_map(|message| if let RecvAncillaryMessage::ScmRights(found) = message { Some(found) } else { None })
        .flatten();
    let mangled = || io::Error::new(io::ErrorKind::InvalidData, "request is mangled");
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(mangled());
    }
    let mut reader = Reader(&buffer[..received.bytes]);
    let kind = reader.take(1).ok_or_else(mangled)?[0];
    let id = reader.number().ok_or_else(mangled)?;
    let mut file = Vec::new();
    if kind == Kind::StartInFile as u8 {
        let payload = File::from(descriptors.next().ok_or_else(mangled)?);
        file.resize(usize::try_from(payload.metadata()?.len()).map_err(io::Error::other)?, 0);
        payload.read_exact_at(&mut file, 0)?;
        reader = Reader(&file);
    }
    let request = if kind == Kind::Start as u8 || kind == Kind::StartInFile as u8 {
        let order = Order::read(&mut reader).ok_or_else(mangled)?;
        let (stdout, stderr) = descriptors.next().zip(descriptors.next()).ok_or_else(mangled)?;
        Request::Start { id, order, pipes: Pipes { stdout, stderr, stdin: descriptors.next() } }
    } else if kind == Kind::Terminate as u8 {
        Request::Terminate { id }
    } else if kind == Kind::Kill as u8 {
        Request::Kill { id }
    } else if kind == Kind::Measure as u8 {
        Request::Measure { id }
    } else {
        return Err(mangled());
    };
    Ok(Some(request))
}

impl Order {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.argv.len() as u64).to_le_bytes());
        bytes.extend((self.env.len() as u64).to_le_bytes());
        let mut text = |text: &OsStr| {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        };
        self.argv.iter().for_each(|argument| text(argument));
        for (name, value) in &self.env {
            text(name);
            text(value);
        }
        text(&self.cwd);
        text(&self.attempt);
        text(&self.confinement);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (arguments, variables) = (reader.number()?, reader.number()?);
        let argv = (0..arguments).map(|_| reader.text()).collect::<Option<_>>()?;
        let env = (0..variables).map(|_| Some((reader.text()?, reader.text()?))).collect::<Option<_>>()?;
        Some(Self { argv, env, cwd: reader.text()?, attempt: reader.text()?, confinement: reader.text()? })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<OsString> {
        let size = usize::try_from(self.number()?).ok()?;
        Some(OsString::from_vec(self.take(size)?.to_vec()))
    }
}

/// Sends notices, waiting as long as it takes. Fails only when the engine is gone.
pub(super) fn notify(mut socket: impl Write, notices: &[Notice]) -> io::Result<()> {
    for packet in notices.chunks(PACKET_BYTES_MAX / NOTICE_BYTES) {
        let bytes: Vec<u8> = packet.iter().flat_map(|notice| notice.to_bytes()).collect();
        socket.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads one packet of notices into `notices`; `false` when the keeper is gone.
///
/// # Errors
/// `WouldBlock` when there is none yet.
pub(super) fn read_notices(socket: impl AsFd, notices: &mut Vec<Notice>) -> io::Result<bool> {
    let mut buffer = [0; PACKET_BYTES_MAX];
    let (size, _) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
    for bytes in buffer[..size].as_chunks::<NOTICE_BYTES>().0 {
        let notice = Notice::from_bytes(bytes);
        notices.push(notice.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "notice is mangled"))?);
    }
    Ok(size > 0)
}

impl Notice {
    /// Kind, detail, two unused bytes, a 32-bit value, a 64-bit value, the command's number.
    fn to_bytes(self) -> [u8; NOTICE_BYTES] {
        let (kind, detail, small, large, id) = match self {
            Self::Ended { id, status, is_last } => match status {
                Status::Exited(code) => (1, u8::from(is_last), code, 0, id),
                Status::Signalled(signal) => (2, u8::from(is_last), signal, 0, id),
            },
            Self::Gone { id, leaked } => (3, 0, 0, u64::from(leaked), id),
            Self::Failed { id, fault } => match fault {
                Fault::NotFound => (4, 0, 0, 0, id),
                Fault::Folder(error) => (4, 1, error, 0, id),
                Fault::Start(error) => (4, 2, error, 0, id),
            },
            Self::Measured { id, ticks } => (5, 0, 0, ticks, id),
        };
        let mut bytes = [0; NOTICE_BYTES];
        bytes[0] = kind;
        bytes[1] = detail;
        bytes[4..8].copy_from_slice(&small.to_le_bytes());
        bytes[8..16].copy_from_slice(&large.to_le_bytes());
        bytes[16..].copy_from_slice(&id.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; NOTICE_BYTES]) -> Option<Self> {
        let small = i32::from_le_bytes(bytes[4..8].try_into().ok()?);
        let large = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
        let id = u64::from_le_bytes(bytes[16..].try_into().ok()?);
        let notice = match (bytes[0], bytes[1]) {
            (1, detail) => Self::Ended { id, status: Status::Exited(small), is_last: detail == 1 },
            (2, detail) => Self::Ended { id, status: Status::Signalled(small), is_last: detail == 1 },
            (3, _) => Self::Gone { id, leaked: u32::try_from(large).ok()? },
            (4, 0) => Self::Failed { id, fault: Fault::NotFound },
            (4, 1) => Self::Failed { id, fault: Fault::Folder(small) },
            (4, 2) => Self::Failed { id, fault: Fault::Start(small) },
            (5, _) => Self::Measured { id, ticks: large },
            (_, _) => return None,
        };
        Some(notice)
    }

    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Ended { id, .. } | Self::Gone { id, .. } | Self::Failed { id, .. } | Self::Measured { id, .. } => *id,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn notices_survive_the_wire() {
        let notices = [
            Notice::Ended { id: 1, status: Status::Exited(-3), is_last: true },
            Notice::Ended { id: u64::MAX, status: Status::Signalled(34), is_last: false },
            Notice::Gone { id: 2, leaked: 50 },
            Notice::Failed { id: 3, fault: Fault::NotFound },
            Notice::Failed { id: 4, fault: Fault::Folder(2) },
            Notice::Failed { id: 5, fault: Fault::Start(13) },
            Notice::Measured { id: 6, ticks: 1 << 40 },
        ];
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        notify(File::from(OwnedFd::from(ours)), &notices).unwrap();
        let mut back = Vec::new();
        assert!(read_notices(theirs, &mut back).unwrap());
        assert_eq!(back, notices);
    }

    #[test]
    fn small_and_large_orders_arrive_with_their_pipes() {
        for size in [3, 3 * PACKET_BYTES_MAX] {
            let (ours, theirs) = UnixDatagram::pair().unwrap();
            let (_keep, stdout) = io::pipe().unwrap();
            let order = Order {
                argv: vec!["x".repeat(size).into(), OsString::from_vec(vec![0xff, 1])],
                env: vec![("A".into(), "".into())],
                cwd: "/".into(),
                attempt: "a".into(),
                confinement: "{}".into(),
            };
            let pipes = Pipes { stderr: stdout.try_clone().unwrap().into(), stdout: stdout.into(), stdin: None };
            Packet::new(Request::Start { id: 7, order: order.clone(), pipes }).unwrap().send(ours.as_fd()).unwrap();
            let Some(Request::Start { id: 7, order: found, pipes }) = receive(theirs.as_fd()).unwrap() else {
                panic!()
            };
            assert_eq!(found, order);
            assert!(pipes.stdin.is_none());
        }
    }
}
