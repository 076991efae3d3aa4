//! rtnetlink: which interfaces there are, what becomes of them, and the
//! traffic control objects on them.
//!
//! Written by hand because it is four requests and three replies; the crates
//! for it bring more code than all of tracer's privileged side. Everything is
//! named by interface index, which a rename does not change.

mod links;
mod message;
mod tc;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
        setsockopt, socket, sockopt,
    },
};

#[cfg(test)]
pub(super) use links::VlanDevice;
pub(super) use links::{Change, Framing, Link};
use message::{Messages, Request};
pub(super) use tc::{Direction, Filter, Qdisc};

/// Bytes that one read takes: more than the kernel puts into one datagram.
const DATAGRAM: usize = 64 * 1024;

/// Bytes of notifications that may wait: some ten thousand changes.
const NOTIFICATION_BUFFER: usize = 4 * 1024 * 1024;

/// A socket for requests, each of which is answered before it returns.
pub(super) struct Requests {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    /// Opens a socket in the network namespace of this process.
    pub(super) fn open() -> io::Result<Self> {
        let socket = open(SockFlag::SOCK_CLOEXEC, 0)?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; DATAGRAM] })
    }

    /// Sends a request and hands each message of the answer to `each`.
    fn ask(&mut self, request: Request, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        send(self.socket.as_raw_fd(), &request.finish(sequence), MsgFlags::empty())?;
        loop {
            let len = loop {
                match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                    Err(Errno::EINTR) => {}
                    other => break other?,
                }
            };
            for message in Messages::new(self.buffer.get(..len).unwrap_or_default()) {
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    message::DONE => return Ok(()),
                    message::ERROR => return message.error(),
                    kind => each(kind, message.payload),
                }
            }
        }
    }
}

/// A socket that hears of every change of an interface.
pub(super) struct Notifications {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Notifications {
    /// Opens a non-blocking socket in the network namespace of this process.
    pub(super) fn open() -> io::Result<Self> {
        // RTNLGRP_LINK is group 1, and this mask has a bit for each group.
        const LINK_GROUP: u32 = 1;
        let socket = open(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, LINK_GROUP)?;
        // Without it the default holds some hundred changes; that is worth a
        // resynchronisation, not an error.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &NOTIFICATION_BUFFER)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &NOTIFICATION_BUFFER));
        Ok(Self { socket, buffer: vec![0; DATAGRAM] })
    }

    /// Takes the next changes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there are none; `ENOBUFS` when changes were lost, so
    /// that the interfaces have to be listed anew.
    pub(super) fn next(&mut self) -> io::Result<Vec<Change>> {
        let len = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
        let messages = Messages::new(self.buffer.get(..len).unwrap_or_default());
        Ok(messages.filter_map(|message| links::change(message.kind, message.payload)).collect())
    }
}

impl AsFd for Notifications {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Notifications {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn open(flags: SockFlag, groups: u32) -> io::Result<OwnedFd> {
    let protocol = SockProtocol::NetlinkRoute;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}
