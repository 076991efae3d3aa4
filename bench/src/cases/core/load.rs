//! What is decoded in memory: the segments of a capture.

use std::{fs::File, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use tracer::{
    capture::{
        Captured, Interface, Segment, Source as _, Status, file::FileSource, packet::Selection,
    },
    cli::{CommonArgs, LiveArgs},
    config::Config,
    decode::{PROTOCOLS, Protocol},
    event::{Connection, Event, Side, Sink, Timestamp},
    flow::{self, Table},
};

use crate::made::{self, Kind};

/// A capture in memory. It lives as long as the program: what is handed its
/// bytes need not copy them.
pub(super) struct Load {
    pub(super) protocol: &'static Protocol,
    /// All segments, and the number of the connection that each belongs to.
    pub(super) segments: Vec<(usize, Segment<'static>)>,
    /// Connections.
    pub(super) connections: usize,
    /// One of the connections.
    pub(super) connection: Connection,
    /// Bytes of payload.
    pub(super) bytes: u64,
    /// Messages: heads of HTTP, mails, commands of IMAP.
    pub(super) messages: u64,
}

/// The loads by their names: the kind of capture, messages of an exchange.
const KINDS: [(&Kind, &str, u64); 3] =
    [(&made::SMALL, "http", 2), (&made::PLAIN_MAILS, "smtp", 1), (&made::IMAP, "imap", 1)];

/// Names of all loads.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(_, name, _)| *name)
}

/// What flows are told when an operator chooses nothing, with one protocol on
/// its usual port.
pub(super) fn settings(protocol: &'static Protocol) -> Result<flow::Settings> {
    let mut settings = Config::new(&LiveArgs::default(), &CommonArgs::default())?.flows;
    settings.ports = protocol.ports.iter().map(|port| (*port, protocol)).collect();
    Ok(settings)
}

impl Load {
    /// The one of that name, which is that of its protocol.
    pub(super) fn of(name: &str) -> Result<Self> {
        let known = KINDS.iter().find(|(_, known, _)| *known == name);
        let (kind, name, each) = known.with_context(|| format!("no load is called {name}"))?;
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.label.name == *name);
        let protocol = protocol.context("no such protocol")?;
        let made = kind.make(true)?;
        let selection = Selection::new(protocol.ports.iter().copied(), false);
        let file = Box::new(File::open(&made.path)?) as _;
        let mut source = FileSource::new([(made.path.display().to_string(), file)], selection);
        let interface: &'static Interface =
            Box::leak(Box::new(Interface { name: Arc::from(""), loopback: false }));
        let mut clients = Vec::new();
        let mut segments = Vec::new();
        loop {
            let status = source.read(&mut |segment| {
                let from_server = protocol.ports.contains(&segment.source.port);
                let client = if from_server { segment.destination } else { segment.source };
                let known = clients.iter().rposition(|known| *known == client);
                let connection = known.unwrap_or_else(|| {
                    clients.push(client);
                    clients.len() - 1
                });
                segments.push((connection, kept(segment, interface)));
            });
            if status.map_err(|error| anyhow!("{error}"))? == Status::End {
                break;
            }
        }
        let mut first = First(None);
        let mut table = Table::new(settings(protocol)?);
        for (_, segment) in &segments {
            table.segment(segment, &mut first);
        }
        table.finish(Timestamp::default(), &mut first);
        Ok(Self {
            protocol,
            connections: clients.len(),
            connection: first.0.context("no event")?,
            bytes: segments.iter().map(|(_, segment)| segment.bytes.len() as u64).sum(),
            messages: each * made.truth.exchanges,
            segments,
        })
    }

    /// Payloads that begin a head of HTTP, with their sides.
    pub(super) fn heads(&self) -> impl Iterator<Item = (Side, &'static [u8])> {
        let whole = self.segments.iter().filter(|(_, segment)| !segment.bytes.is_empty());
        whole.map(|(_, segment)| {
            let from_server = self.protocol.ports.contains(&segment.source.port);
            (if from_server { Side::Server } else { Side::Client }, segment.bytes)
        })
    }
}

/// A segment whose bytes stay.
fn kept(segment: &Segment<'_>, interface: &'static Interface) -> Segment<'static> {
    Segment {
        time: segment.time,
        point: segment.point,
        interface,
        vlan: segment.vlan,
        source: segment.source,
        destination: segment.destination,
        tcp: segment.tcp,
        len: segment.len,
        offset: segment.offset,
        bytes: Vec::leak(segment.bytes.to_vec()),
        more: segment.more,
        shunted: segment.shunted,
        lost: segment.lost,
        frame: segment.frame,
        captured: Captured::default(),
    }
}

/// Keeps the connection of the first event.
struct First(Option<Connection>);

impl Sink for First {
    fn event(&mut self, event: &Event<'_>) {
        if self.0.is_none() {
            self.0 = event.connection.cloned();
        }
    }
}
