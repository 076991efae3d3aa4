//! What the privileged process and the worker say to each other.
//!
//! They share a `SOCK_SEQPACKET` pair: one message a packet, as JSON, with map
//! descriptors beside the first (`SCM_RIGHTS`). The privileged end takes no
//! descriptors and believes nothing: what it cannot read ends the worker.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
        sendmsg, socketpair,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracer_common::MAX_SHARDS;

/// Bytes of the longest message; a name of an interface is the longest part.
const LONGEST: usize = 4096;

/// Maps beside the rings that a worker can be given.
const MAX_MAPS: usize = 7;

/// Descriptors beside [`ToWorker::Hello`].
const MAX_DESCRIPTORS: usize = MAX_MAPS + MAX_SHARDS;

/// What the privileged process says to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(crate) enum ToWorker {
    /// The first message. Beside it come the descriptors of the maps that it
    /// names, in that order, then those of one ring for each shard.
    Hello {
        /// Names of the maps, as the object has them.
        maps: Vec<String>,
        /// [`tracer_common::Settings::seed`].
        seed: u64,
    },
    /// An interface that is going to be attached, or that changed its name.
    /// Sent before its first packet can be in a ring.
    Interface(Interface),
    /// The interfaces that are there from the start have been named; answered
    /// by [`FromWorker::Ready`].
    Start,
    /// An interface that no packet comes from any more.
    Gone {
        /// Its index, which the kernel may give to another one.
        index: u32,
    },
    /// Asks for a sign of life: [`FromWorker::Alive`] with this number.
    Ask {
        /// Counts up.
        number: u64,
    },
    /// Beside it comes the descriptor of a file to which events go from now on.
    Output,
    /// Everything is detached: what is in the rings now is the last of it.
    Stop,
}

/// What the worker has to know of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// Index, as records give it.
    pub(crate) index: u32,
    /// Name.
    pub(crate) name: String,
    /// Whether it is the loopback.
    pub(crate) loopback: bool,
    /// For a VLAN device: the ids of the tags that its frames have on the
    /// physical device below it, outermost first. The same packet shows with
    /// these tags there and without them here.
    pub(crate) vlans: Vec<u16>,
}

/// The maps that came with [`ToWorker::Hello`].
#[derive(Debug)]
pub(crate) struct Maps {
    named: Vec<(String, OwnedFd)>,
    rings: Vec<OwnedFd>,
}

impl Maps {
    /// Puts names to descriptors; `None` when there are too few, or no ring.
    pub(crate) fn new(names: Vec<String>, mut descriptors: Vec<OwnedFd>) -> Option<Self> {
        if descriptors.len() <= names.len() {
            return None;
        }
        let rings = descriptors.split_off(names.len());
        Some(Self { named: names.into_iter().zip(descriptors).collect(), rings })
    }

    /// Takes a map out.
    pub(crate) fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let at = self.named.iter().position(|(of, _)| of == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// The ring of each shard, in the order of their numbers.
    pub(crate) fn rings(self) -> Vec<OwnedFd> {
        self.rings
    }
}

/// What the worker says to the privileged process. Its end is told by its
/// exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(crate) enum FromWorker {
    /// The rings are mapped and being read.
    Ready,
    /// Somebody told the worker to end; the privileged process is to detach
    /// and to send [`ToWorker::Stop`].
    Stop,
    /// Since it was asked for that with [`ToWorker::Ask`], each shard has come
    /// round, and has taken what it was told before.
    Alive {
        /// The number of the latest asking that this is true of.
        number: u64,
        /// What was counted so far.
        figures: Figures,
    },
}

/// What a run has counted so far, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Packets seen.
    pub(crate) packets: u64,
    /// Events that were written.
    pub(crate) events: u64,
    /// Packets that should have been copied and were not.
    pub(crate) lost: u64,
    /// Events that were not written.
    pub(crate) events_lost: u64,
    /// Flows that are open.
    pub(crate) flows: u64,
}

/// One end of the pair.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Makes both ends.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (left, right) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self { socket: left }, Self { socket: right }))
    }

    /// Sends a message, and duplicates of `descriptors` beside it.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the other end is gone; `WouldBlock`, on an end that
    /// was made non-blocking, when the other one has not read for so long that
    /// the socket is full.
    pub(crate) fn send<M: Serialize>(
        &self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[_] = if raw.is_empty() { &[] } else { &rights };
        let flags = MsgFlags::MSG_NOSIGNAL;
        let socket = self.socket.as_raw_fd();
        sendmsg::<()>(socket, &[IoSlice::new(&bytes)], control, flags, None)?;
        Ok(())
    }

    /// Waits for a message; `None` when the other end is gone. Descriptors
    /// beside it are refused.
    ///
    /// # Errors
    ///
    /// `InvalidData` for what is no message; `WouldBlock` on an end that was
    /// made non-blocking.
    pub(crate) fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<M>> {
        Ok(self.receive_raw(None)?.map(|(message, _)| message))
    }

    /// Waits for a message and the descriptors beside it.
    ///
    /// # Errors
    ///
    /// As [`Channel::receive`].
    pub(crate) fn receive_descriptors<M: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        self.receive_raw(Some(cmsg_space!([RawFd; MAX_DESCRIPTORS])))
    }

    fn receive_raw<M: DeserializeOwned>(
        &self,
        mut control: Option<Vec<u8>>,
    ) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let mut bytes = [0; LONGEST];
        let takes_descriptors = control.is_some();
        let (len, descriptors) = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, control.as_deref_mut(), flags)
            {
                Ok(received) => {
                    let descriptors = if takes_descriptors {
                        received.cmsgs()?.flat_map(own).collect()
                    } else {
                        Vec::new()
                    };
                    break (received.bytes, descriptors);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        match bytes.get(..len) {
            None | Some([]) => Ok(None),
            Some(message) => Ok(Some((serde_json::from_slice(message)?, descriptors))),
        }
    }

    /// Makes this end non-blocking, for an event loop.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        fcntl(&self.socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(())
    }
}

/// Takes over the descriptors that came with a message.
#[expect(unsafe_code, reason = "nix hands received descriptors over as plain numbers")]
fn own(message: ControlMessageOwned) -> Vec<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    let ControlMessageOwned::ScmRights(descriptors) = message else { return Vec::new() };
    // SAFETY: the kernel has just made these descriptors for this process, and
    // nobody else knows them.
    descriptors.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }).collect()
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        let (privileged, worker) = Channel::pair().unwrap();
        let interface =
            Interface { index: 7, name: "eth0.5".into(), loopback: false, vlans: vec![5] };
        let messages = [
            ToWorker::Hello { maps: vec!["OUTCOMES".to_owned()], seed: u64::MAX },
            ToWorker::Interface(interface),
            ToWorker::Start,
            ToWorker::Gone { index: 7 },
            ToWorker::Ask { number: 3 },
            ToWorker::Stop,
        ];
        for message in &messages {
            privileged.send(message, &[]).unwrap();
        }
        for message in messages {
            assert_eq!(worker.receive().unwrap(), Some(message));
        }
        let figures = Figures { packets: u64::MAX, events: 1, lost: 2, events_lost: 3, flows: 4 };
        for message in [FromWorker::Ready, FromWorker::Alive { number: 3, figures }] {
            worker.send(&message, &[]).unwrap();
            assert_eq!(privileged.receive().unwrap(), Some(message));
        }
    }

    #[test]
    fn descriptors_travel_beside_a_message() {
        let (privileged, worker) = Channel::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        privileged.send(&ToWorker::Stop, &[writer.as_fd()]).unwrap();
        drop(writer);
        let (message, mut descriptors) = worker.receive_descriptors::<ToWorker>().unwrap().unwrap();
        assert_eq!((message, descriptors.len()), (ToWorker::Stop, 1));
        let mut writer = io::PipeWriter::from(descriptors.remove(0));
        writer.write_all(b"through").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn maps_are_known_by_their_names_and_rings_by_their_place() {
        let pipes: Vec<_> = (0..4).map(|_| io::pipe().unwrap().0).collect();
        let raw: Vec<RawFd> = pipes.iter().map(AsRawFd::as_raw_fd).collect();
        let names = || vec!["OUTCOMES".to_owned(), "SLOTS".to_owned()];
        let mut maps = Maps::new(names(), pipes.into_iter().map(OwnedFd::from).collect()).unwrap();
        assert_eq!(maps.take("SLOTS").unwrap().as_raw_fd(), raw[1]);
        assert_eq!(maps.take("OUTCOMES").unwrap().as_raw_fd(), raw[0]);
        assert!(maps.take("PORTS").is_none());
        let rings: Vec<RawFd> = maps.rings().iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!(rings, raw[2..]);
        // Two maps, but no ring.
        let few = (0..2).map(|_| io::pipe().unwrap().0.into()).collect();
        assert!(Maps::new(names(), few).is_none());
    }

    #[test]
    fn descriptors_that_nobody_asked_for_are_closed() {
        let (privileged, worker) = Channel::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        worker.send(&FromWorker::Ready, &[writer.as_fd()]).unwrap();
        drop(writer);
        assert_eq!(privileged.receive().unwrap(), Some(FromWorker::Ready));
        // End of file: no copy of the writing end is left open.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn the_death_of_the_other_end_is_an_end_and_garbage_an_error() {
        let (privileged, worker) = Channel::pair().unwrap();
        privileged.send(&"no such message", &[]).unwrap();
        assert_eq!(worker.receive::<ToWorker>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(privileged);
        assert_eq!(worker.receive::<ToWorker>().unwrap(), None);
        let error = worker.send(&FromWorker::Ready, &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
