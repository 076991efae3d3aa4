//! A transcript as segments of a connection, through the real flow table.

use std::{
    iter,
    net::{IpAddr, Ipv4Addr},
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Context as _, Result, anyhow};
use tracer::{
    capture::{
        Captured, Direction, Interface, Point, Segment, TcpFlags, TcpHeader, TcpOptions, Vlan,
    },
    decode::{self, PROTOCOLS, Protocol},
    event::{Endpoint, Event, Message, Side, Sink, Timestamp},
    flow::{self, FLOW_LIMIT, STREAM_LIMIT, TOTAL_LIMIT, Table},
    output::View,
};

use super::{
    Act, Transcript,
    account::{self, Accounts},
    said::Hearer,
};

/// 2016-09-30T10:54:21Z, and a millisecond.
const BEGIN: u64 = 1_475_232_861_000_000_000;
const STEP: u64 = 1_000_000;

/// Sequence numbers wrap a little behind the beginning.
const FIRST: [u32; 2] = [u32::MAX - 100, u32::MAX - 10];

/// When a step happens.
pub(super) const fn time(step: usize) -> u64 {
    BEGIN + (step as u64 + 1) * STEP
}

/// A part of a step: one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// The step that it is of.
    pub(super) step: usize,
    pub(super) side: Side,
    pub(super) content: Content<'a>,
}

impl Piece<'_> {
    /// Bytes of its segment.
    pub(super) const fn len(&self) -> u64 {
        match self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Missing(len) | Content::Unseen(len) => len as u64,
            Content::Fin => 0,
        }
    }
}

/// What a segment carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    /// Bytes that the capture cut off.
    Missing(u32),
    /// Bytes in a segment that nobody saw.
    Unseen(u32),
    Fin,
}

/// What became of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) hearer: Hearer,
    pub(super) accounts: Accounts,
    /// Bytes sent, as `tcp-close` counts them: client's, server's.
    pub(super) sent: [u64; 2],
    /// Bytes in gaps, and skipped, as `tcp-close` counts them.
    pub(super) lost: u64,
    pub(super) skipped: u64,
}

impl Transcript {
    /// Its steps, each a piece.
    pub(super) fn pieces(&self) -> Vec<Piece<'_>> {
        let pieces = self.steps.iter().enumerate().map(|(number, step)| {
            let content = match &step.act {
                Act::Say(bytes) => Content::Bytes(bytes),
                Act::Lose(bytes) => Content::Missing(*bytes),
                Act::Close => Content::Fin,
            };
            Piece { step: number, side: step.side, content }
        });
        pieces.collect()
    }

    /// What is said of the pieces.
    pub(super) fn run(&self, pieces: &[Piece<'_>]) -> Result<Outcome> {
        self.run_since(self.settings.opened, pieces)
    }

    /// What is said of the pieces when the SYN of these sides was seen.
    pub(super) fn run_since(&self, opened: [bool; 2], pieces: &[Piece<'_>]) -> Result<Outcome> {
        let mut sink = Counted { hearer: Hearer::new(self.settings.view), close: None };
        let protocol = self.spoken()?;
        let audited = account::audited(protocol).context("a known protocol")?;
        let settings = self.decode(self.settings.view == View::Exchanges, false);
        self.replay(pieces, opened, audited, settings, &mut sink)?;
        let (sent, [lost, skipped]) = sink.close.context("no tcp-close")?;
        Ok(Outcome { hearer: sink.hearer, accounts: account::accounts(), sent, lost, skipped })
    }

    /// Puts the pieces through a table into any sink, with rows and all that a
    /// view could want.
    pub(super) fn write(
        &self,
        opened: [bool; 2],
        pieces: &[Piece<'_>],
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let settings = self.decode(true, true);
        self.replay(pieces, opened, self.spoken()?, settings, sink)
    }

    /// What decoders are told.
    const fn decode(&self, exchanges: bool, pieces: bool) -> decode::Settings {
        let super::Settings { show_secrets, body, envelope, .. } = self.settings;
        decode::Settings {
            show_secrets,
            pieces,
            exchanges,
            exchanges_only: exchanges && !pieces,
            body,
            brief: false,
            headless: false,
            envelope,
        }
    }

    /// What is spoken on the server's port.
    fn spoken(&self) -> Result<&'static Protocol> {
        let port = self.settings.port;
        let usual = PROTOCOLS.iter().find(|protocol| protocol.ports.contains(&port));
        usual.or(self.protocol).context("a port of no protocol")
    }

    fn replay(
        &self,
        pieces: &[Piece<'_>],
        opened: [bool; 2],
        protocol: &'static Protocol,
        decode: decode::Settings,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut table = Table::new(flow::Settings {
            stream_limit: STREAM_LIMIT,
            flow_limit: FLOW_LIMIT,
            total_limit: TOTAL_LIMIT,
            idle_timeout: u64::MAX,
            ports: vec![(self.settings.port, protocol)],
            detect: Vec::new(),
            explain: false,
            rows: decode.pieces,
            decode,
        });
        let mut wire = Wire::new(self.settings.port);
        let handshake = [
            (Side::Client, TcpFlags::SYN),
            (Side::Server, TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0)),
        ];
        let end = time(pieces.last().map_or(0, |piece| piece.step));
        let done = catch_unwind(AssertUnwindSafe(|| {
            for ((side, flags), seen) in iter::zip(handshake, opened) {
                let segment = wire.segment(BEGIN, side, flags, &[], 0);
                if seen {
                    table.segment(&segment, sink);
                }
            }
            for Piece { step, side, content } in pieces {
                let at = time(*step);
                let (flags, bytes, len) = match *content {
                    Content::Bytes(bytes) => (TcpFlags::PSH, bytes, bytes.len()),
                    Content::Missing(len) | Content::Unseen(len) => {
                        (TcpFlags::PSH, &[][..], len as usize)
                    }
                    Content::Fin => (TcpFlags::FIN, &[][..], 0),
                };
                let flags = TcpFlags(flags.0 | TcpFlags::ACK.0);
                let segment = wire.segment(at, *side, flags, bytes, len);
                if !matches!(content, Content::Unseen(_)) {
                    table.segment(&segment, sink);
                }
            }
            table.finish(Timestamp(end), sink);
        }));
        done.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            anyhow!("panicked: {}", text.unwrap_or("without a word"))
        })
    }
}

/// Makes segments whose numbers agree.
struct Wire {
    ends: [Endpoint; 2],
    next: [u32; 2],
    interface: Interface,
}

impl Wire {
    fn new(port: u16) -> Self {
        let end = |host, port| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), port };
        let client = if port == 40_001 { 40_002 } else { 40_001 };
        Self {
            ends: [end(1, client), end(25, port)],
            next: FIRST,
            interface: Interface { name: "lo".into(), loopback: true },
        }
    }

    fn segment<'a>(
        &'a mut self,
        time: u64,
        side: Side,
        flags: TcpFlags,
        bytes: &'a [u8],
        len: usize,
    ) -> Segment<'a> {
        let [client, server] = self.ends;
        let [of_client, of_server] = &mut self.next;
        let (source, destination, next, peer) = match side {
            Side::Client => (client, server, of_client, *of_server),
            Side::Server => (server, client, of_server, *of_client),
        };
        let sequence = *next;
        // Lengths of single segments; the sequence space wraps by design.
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let numbered = flags.has(TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0));
        *next = next.wrapping_add(len).wrapping_add(u32::from(numbered));
        let acknowledges = flags.has(TcpFlags::ACK);
        Segment {
            time: Timestamp(time),
            point: Point { interface: 1, direction: Direction::Egress, vlans: [0; 2] },
            interface: &self.interface,
            vlan: Vlan::default(),
            source,
            destination,
            tcp: TcpHeader {
                sequence,
                acknowledgement: if acknowledges { peer } else { 0 },
                flags,
                window: 512,
                // Timestamps: kind, length, value, echo.
                options: TcpOptions::new(&[8, 10, 0, 0, 0, 1, 0, 0, 0, u8::from(acknowledges)]),
            },
            len,
            offset: 0,
            bytes,
            more: false,
            lost: 0,
            captured: Captured::default(),
            shunted: false,
            frame: None,
        }
    }
}

/// Hears what is said, and what is counted at the end.
struct Counted {
    hearer: Hearer,
    /// Bytes sent by each side; bytes lost, and skipped.
    close: Option<([u64; 2], [u64; 2])>,
}

impl Sink for Counted {
    fn event(&mut self, event: &Event<'_>) {
        if let Message::TcpClose(close) = &event.message {
            let sent = [close.common.client_bytes, close.common.server_bytes];
            let counted = [close.tcp.lost_bytes, close.tcp.skipped_bytes];
            self.close = Some((sent.map(Option::unwrap_or_default), counted));
        }
        self.hearer.event(event);
    }
}
