//! A TCP connection without packets: segments straight into a flow table.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
};

use tracer::{
    capture::{
        Captured, Direction, Interface, Point, Segment, TcpFlags, TcpHeader, TcpOptions, Vlan,
    },
    cli::{CommonArgs, LiveArgs},
    config::Config,
    event::{Endpoint, Side, Sink, Timestamp},
    flow::{self, Table},
};

/// When everything happens: what is said must not depend on it.
pub(crate) const NOW: Timestamp = Timestamp(1_000_000_000);
/// Client's port; the server's is the protocol's.
pub(crate) const CLIENT_PORT: u16 = 40_000;
/// Sequence numbers of the SYNs, so that one of them wraps soon.
const FIRST: [u32; 2] = [u32::MAX - 100, 7];

/// Where everything is seen.
static INTERFACE: LazyLock<Interface> =
    LazyLock::new(|| Interface { name: "eth0".into(), loopback: false });

/// What flows are told when an operator chooses nothing.
pub(crate) fn settings() -> flow::Settings {
    let config = Config::new(&LiveArgs::default(), &CommonArgs::default());
    assert!(config.is_ok(), "the defaults contradict each other");
    config.map_or_else(|_| unreachable!(), |config| config.flows)
}

/// A segment, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) side: Side,
    pub(crate) flags: TcpFlags,
    /// Sequence and acknowledgement number.
    pub(crate) numbers: [u32; 2],
    /// Length on the wire.
    pub(crate) len: u32,
    /// What of it was captured, from `offset` on.
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: u32,
    pub(crate) more: bool,
    /// The ring's count of lost records.
    pub(crate) lost: u64,
    pub(crate) time: Timestamp,
    /// Number of the interface that shows it.
    pub(crate) interface: u32,
    pub(crate) client_port: u16,
    pub(crate) server_port: u16,
}

impl Piece<'_> {
    /// Lets the table have it.
    pub(crate) fn enter(&self, table: &mut Table, sink: &mut dyn Sink) {
        let end = |last, port| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port };
        let (client, server) = (end(1, self.client_port), end(25, self.server_port));
        let (source, destination) = match self.side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let [sequence, acknowledgement] = self.numbers;
        table.segment(
            &Segment {
                time: self.time,
                point: Point {
                    interface: self.interface,
                    direction: Direction::Unknown,
                    vlans: [0; 2],
                },
                interface: &INTERFACE,
                vlan: Vlan::default(),
                source,
                destination,
                tcp: TcpHeader {
                    sequence,
                    acknowledgement,
                    flags: self.flags,
                    window: 0xffff,
                    options: TcpOptions::default(),
                },
                len: self.len,
                offset: self.offset,
                bytes: self.bytes,
                more: self.more,
                lost: self.lost,
                shunted: false,
                frame: None,
                captured: Captured::default(),
            },
            sink,
        );
    }
}

/// A connection on which everything comes in order.
pub(crate) struct Talk<'a> {
    pub(crate) table: Table,
    sink: &'a mut dyn Sink,
    port: u16,
    /// Next sequence numbers.
    next: [u32; 2],
    /// Bytes that each side has sent.
    pub(crate) sent: [u64; 2],
}

impl<'a> Talk<'a> {
    /// A connection to `port`, with a handshake unless it is `midstream`.
    pub(crate) fn new(table: Table, sink: &'a mut dyn Sink, port: u16, midstream: bool) -> Self {
        let mut talk = Self { table, sink, port, next: FIRST, sent: [0; 2] };
        if !midstream {
            talk.send(Side::Client, TcpFlags::SYN, 0, &[]);
            talk.send(Side::Server, TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0), 0, &[]);
            talk.send(Side::Client, TcpFlags::ACK, 0, &[]);
        }
        talk
    }

    /// The side says `bytes`, in one segment.
    pub(crate) fn say(&mut self, side: Side, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if len > 0 {
            self.send(side, TcpFlags::ACK, len, bytes);
        }
    }

    /// The side says `len` bytes that were cut off when they were captured.
    pub(crate) fn lose(&mut self, side: Side, len: u32) {
        self.send(side, TcpFlags::ACK, len, &[]);
    }

    /// The side sends FIN.
    pub(crate) fn close(&mut self, side: Side) {
        self.send(side, TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0), 0, &[]);
    }

    /// Nothing more is captured.
    pub(crate) fn finish(mut self) -> Table {
        self.table.finish(NOW, self.sink);
        self.table
    }

    fn send(&mut self, side: Side, flags: TcpFlags, len: u32, bytes: &[u8]) {
        let ([client, server], [client_sent, server_sent]) = (&mut self.next, &mut self.sent);
        let (from, to, sent) = match side {
            Side::Client => (client, server, client_sent),
            Side::Server => (server, client, server_sent),
        };
        *sent += u64::from(len);
        let piece = Piece {
            side,
            flags,
            numbers: [*from, *to],
            len,
            bytes,
            offset: 0,
            more: false,
            lost: 0,
            time: NOW,
            interface: 1,
            client_port: CLIENT_PORT,
            server_port: self.port,
        };
        let counted = flags.has(TcpFlags::SYN) || flags.has(TcpFlags::FIN);
        *from = from.wrapping_add(len + u32::from(counted));
        piece.enter(&mut self.table, self.sink);
    }
}
