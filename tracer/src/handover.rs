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

use crate::{config::Config, decode::PROTOCOLS, flow};

/// Bytes of the longest message: [`ToWorker::Chosen`] with some thousand ports.
const LONGEST: usize = 64 * 1024;

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
    /// What flows are to be traced from now on, and within which limits. Sent
    /// before the kernel side copies by it.
    Chosen(Chosen),
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

/// What the worker has to know of settings that have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chosen {
    /// Ports with their numbers in the kernel's table, and the places of their
    /// protocols in [`PROTOCOLS`]; none where the first bytes say the protocol.
    pub(crate) ports: Vec<(u16, u8, Option<usize>)>,
    /// [`flow::Settings::stream_limit`]
    pub(crate) stream_limit: usize,
    /// [`flow::Settings::flow_limit`]
    pub(crate) flow_limit: usize,
    /// [`flow::Settings::total_limit`] of a shard.
    pub(crate) total_limit: usize,
    /// [`flow::Settings::idle_timeout`]
    pub(crate) idle_timeout: u64,
}

impl Chosen {
    /// What a run is to do, with its ports' numbers.
    pub(crate) fn new(config: &Config, numbers: &[(u16, u8)]) -> Self {
        let flow::Settings { stream_limit, flow_limit, total_limit, idle_timeout, ports, .. } =
            config.shard_flows();
        let place = |port: u16| {
            let (_, protocol) = ports.iter().find(|(of, _)| *of == port)?;
            PROTOCOLS.iter().position(|known| known.label.name == protocol.label.name)
        };
        let ports = numbers.iter().map(|(port, number)| (*port, *number, place(*port))).collect();
        Self { ports, stream_limit, flow_limit, total_limit, idle_timeout }
    }

    /// The ports' numbers.
    pub(crate) fn numbers(&self) -> Vec<(u16, u8)> {
        self.ports.iter().map(|(port, number, _)| (*port, *number)).collect()
    }

    /// The settings of a shard's flow table, of which these are a part.
    pub(crate) fn flows(&self, rest: &flow::Settings) -> flow::Settings {
        let Self { stream_limit, flow_limit, total_limit, idle_timeout, .. } = *self;
        let protocol = |place: usize| PROTOCOLS.get(place);
        let spoken =
            |&(port, _, place): &(u16, u8, Option<usize>)| Some((port, place.and_then(protocol)?));
        let detected =
            |(port, _, place): &(u16, u8, Option<usize>)| place.is_none().then_some(*port);
        let ports = self.ports.iter().filter_map(spoken).collect();
        let detect = self.ports.iter().filter_map(detected).collect();
        flow::Settings {
            stream_limit,
            flow_limit,
            total_limit,
            idle_timeout,
            ports,
            detect,
            ..*rest
        }
    }
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
    /// `InvalidInput` when the message is too long; `BrokenPipe` when the other
    /// end is gone; `WouldBlock`, on an end that
    /// was made non-blocking, when the other one has not read for so long that
    /// the socket is full.
    pub(crate) fn send<M: Serialize>(
        &self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > LONGEST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
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
        let mut bytes = vec![0; LONGEST];
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

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, CommonArgs, LiveArgs};

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
            ToWorker::Chosen(Chosen {
                ports: vec![(80, 1, Some(0)), (8080, u8::MAX, None)],
                stream_limit: usize::MAX,
                ..Chosen::default()
            }),
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
    fn what_was_chosen_arrives_as_it_was_chosen() {
        let cli = "tracer --port http=8080,80 --port auto=9,10 --idle-timeout 5 --stream-limit 8K";
        let cli = Cli::try_parse_from(cli.split(' ')).unwrap();
        let config = Config::new(&cli.live, &cli.common).unwrap();
        let numbers: Vec<_> = config.flows.numbered().collect();
        let chosen = Chosen::new(&config, &numbers);
        assert_eq!(chosen.numbers(), numbers);
        let usual = Config::new(&LiveArgs::default(), &CommonArgs::default()).unwrap();
        let (flows, expected) = (chosen.flows(&usual.flows), config.shard_flows());
        let ports = |of: &flow::Settings| {
            of.ports.iter().map(|(port, of)| (*port, of.label.name)).collect::<Vec<_>>()
        };
        assert_eq!((ports(&flows), &flows.detect), (ports(&expected), &expected.detect));
        let limits =
            |of: &flow::Settings| (of.stream_limit, of.flow_limit, of.total_limit, of.idle_timeout);
        assert_eq!(limits(&flows), limits(&expected));
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let (privileged, worker) = Channel::pair().unwrap();
        let ports = (1..10_000).map(|port| (port, 255, None)).collect();
        let chosen = ToWorker::Chosen(Chosen { ports, ..Chosen::default() });
        let error = privileged.send(&chosen, &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let ports = (1..4000).map(|port| (port, 255, Some(0))).collect();
        let chosen = ToWorker::Chosen(Chosen { ports, ..Chosen::default() });
        privileged.send(&chosen, &[]).unwrap();
        assert_eq!(worker.receive().unwrap(), Some(chosen));
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
