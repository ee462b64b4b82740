//! Wakes the loopback device of a new network, so that a command without a network can still talk to itself.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

use super::Fault;

/// `RTM_NEWLINK`: changes a device.
const NEW_LINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const ASK_AND_ANSWER: u16 = 5;
/// `NLMSG_ERROR`, which is also the answer of success.
const ANSWER: u16 = 2;
/// The loopback device is always the first.
const LOOPBACK: i32 = 1;
/// `IFF_UP`.
const UP: u32 = 1;
const LENGTH: u32 = 32;

/// Sets the loopback device up.
pub(super) fn wake() -> Result<(), Fault> {
    ask().map_err(|why| Fault::new("set the loopback device up", why))
}

fn ask() -> Result<(), String> {
    let text = |error: nix::Error| error.to_string();
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
        .map_err(text)?;
    // The header: length, kind, flags, number, sender. Then the device: family, padding, kind, number, flags, mask.
    let mut message = Vec::with_capacity(LENGTH as usize);
    message.extend(LENGTH.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(ASK_AND_ANSWER.to_ne_bytes());
    message.extend([0; 12]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty()).map_err(text)?;
    let mut answer = [0; 256];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()).map_err(text)?;
    let error = answer[..length].get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (answer.get(4..6) == Some(&ANSWER.to_ne_bytes()), error) {
        (true, Some(0)) => Ok(()),
        (true, Some(number)) => Err(std::io::Error::from_raw_os_error(-number).to_string()),
        _ => Err("the kernel gave no answer".to_owned()),
    }
}
