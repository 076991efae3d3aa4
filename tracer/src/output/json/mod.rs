//! JSON lines, with the names of docs/EVENTS.md.

mod connections;
mod serializer;
mod string;
mod time;

use std::{io, net::IpAddr};

use schemars::JsonSchema;
use serde::Serialize;

use self::{
    connections::Connections,
    serializer::{Part, Serializer},
    time::{Clock, Rfc3339},
};
use super::lines::{Body, Head};
use crate::{
    append,
    capture::Direction,
    decode::PROTOCOLS,
    event::{
        Certainty, Connection, Endpoint, Message, Outcome, Place, Process, Processes, Side,
        Timestamp, tcp::Row,
    },
    output::put,
};

/// What lines have in common with those before them.
#[derive(Debug, Default)]
pub(super) struct Common {
    clock: Clock,
    /// What is added to the times of events.
    step: u64,
    connections: Connections,
}

impl Common {
    /// Tells what is added to the times of events from now on, nanoseconds.
    pub(super) const fn set_step(&mut self, nanoseconds: u64) {
        self.step = nanoseconds;
    }
}

/// Appends one line. The objects of the event, its connection, its message
/// and, where a message stands in the row of a segment, the row's are one.
///
/// # Errors
///
/// When something cannot be said in JSON, which is a fault of its type.
pub(super) fn line(
    buffer: &mut Vec<u8>,
    common: &mut Common,
    sequence: u64,
    head: &Head<'_>,
    body: Body<'_>,
    row: Option<&Row>,
) -> io::Result<()> {
    let timestamp = common.clock.text(Timestamp(head.time.0.wrapping_add(common.step)));
    let event = EventObject {
        action: head.action,
        sequence,
        duration: head.common.duration,
        outcome: head.common.outcome,
    };
    Envelope { timestamp, event }.serialize(Serializer::of(buffer, Part::Begin))?;
    if let Some(connection) = head.connection {
        let bytes = [head.common.client_bytes, head.common.server_bytes];
        // The actions of messages tell who speaks; these do not.
        let speaker = head.side.filter(|_| matches!(head.place, Place::Note | Place::Row));
        common.connections.write(buffer, connection, bytes, speaker)?;
    }
    match body {
        Body::Message(message) => members(buffer, message)?,
        Body::Formatted(members) => buffer.extend_from_slice(members),
    }
    if let Some(row) = row {
        row.serialize(Serializer::of(buffer, Part::Members))?;
    }
    append::pieces(buffer, [b"}\n"]);
    Ok(())
}

/// Where in the line with that head `event.sequence` stands.
pub(super) const fn number_at(head: &Head<'_>) -> usize {
    const BEFORE: &str =
        r#"{"@timestamp":"2026-11-23T11:04:52.657349926Z","event":{"action":"","sequence":"#;
    BEFORE.len() + head.action.len()
}

/// Appends the members of a message's object, each behind a comma.
///
/// # Errors
///
/// As for [`line()`].
pub(super) fn members(buffer: &mut Vec<u8>, message: &Message<'_>) -> io::Result<()> {
    Ok(message.serialize(Serializer::of(buffer, Part::Members))?)
}

/// What every event has.
#[derive(Serialize, JsonSchema)]
pub(super) struct Envelope {
    /// When: the time of the packet that completed it.
    #[serde(rename = "@timestamp")]
    timestamp: Rfc3339,
    /// What kind of event it is.
    event: EventObject,
}

/// The object `event`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
struct EventObject {
    /// What happened.
    action: &'static str,
    /// Number of the line, from 1 on.
    sequence: u64,
    /// How long it took, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

/// What every event of a connection has.
#[derive(Serialize, JsonSchema)]
pub(super) struct ConnectionObjects<'a> {
    /// What is spoken, over what, and which way.
    network: NetworkObject<'a>,
    /// Who opened the connection.
    client: EndObject<'a>,
    /// Who was called.
    server: EndObject<'a>,
    /// Who speaks, where the action does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<EndObject<'a>>,
    /// Who is spoken to, where the action does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<EndObject<'a>>,
    /// Where it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    observer: Option<ObserverObject<'a>>,
}

/// The object `network`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Network")]
struct NetworkObject<'a> {
    /// Protocol that is spoken; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = PROTOCOLS.iter().map(|known| known.label.name).collect::<Vec<_>>()))]
    protocol: Option<&'static str>,
    /// Always `tcp`.
    #[schemars(extend("enum" = ["tcp"]))]
    transport: &'static str,
    /// Version of IP.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["ipv4", "ipv6"]))]
    kind: &'static str,
    /// Which way the client's packets cross the interface; `internal` on the
    /// loopback. Absent where a capture file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ingress", "egress", "internal"]))]
    direction: Option<&'static str>,
    /// Community ID, version 1, seed 0.
    community_id: &'a str,
    /// The outer VLAN tag of its frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<VlanObject>,
    /// What stands inside of the outer tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<InnerObject>,
}

/// A VLAN tag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Vlan")]
struct VlanObject {
    /// VLAN id.
    id: u16,
}

/// The object `network.inner`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Inner")]
struct InnerObject {
    /// The inner VLAN tag.
    vlan: VlanObject,
}

/// An end of a connection.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "End")]
struct EndObject<'a> {
    /// Address.
    ip: Address,
    /// TCP port.
    port: u16,
    /// Bytes that it sent on the connection, by sequence numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// The process of this host that has it; absent without `--process`.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<ProcessObject<'a>>,
    /// The systemd unit that the process belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceObject<'a>>,
    /// The container that the process is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<ContainerObject<'a>>,
}

/// The object `process` of an end.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Process")]
struct ProcessObject<'a> {
    /// Its number, as the host numbers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// What it calls itself: at most 15 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Path of its program, as it sees that; absent where it has none, or one
    /// that is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<&'a str>,
    /// How that is known: `kernel` when it has called the kernel to connect, to
    /// send or to receive, `proc` when it had the socket open as tracing began,
    /// `none` when nothing is known, as of ends on other hosts.
    certainty: Certainty,
}

/// The object `service` of an end.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Service")]
struct ServiceObject<'a> {
    /// Name of the unit.
    name: &'a str,
}

/// The object `container` of an end.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Container")]
struct ContainerObject<'a> {
    /// Its number, as whoever runs it has given it.
    id: &'a str,
}

/// An address as text.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Address(IpAddr);

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Vec::new();
        put::address(&mut text, self.0);
        serializer.serialize_bytes(&text)
    }
}

/// The object `observer`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Observer")]
struct ObserverObject<'a> {
    /// The object `observer.ingress`.
    ingress: IngressObject<'a>,
}

/// The object `observer.ingress`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ingress")]
struct IngressObject<'a> {
    /// The interface that owns the client's direction.
    interface: InterfaceObject<'a>,
}

/// The object `observer.ingress.interface`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Interface")]
struct InterfaceObject<'a> {
    /// Its name.
    name: &'a str,
}

impl<'a> EndObject<'a> {
    /// An end, and who has it, where that was asked.
    fn new(end: &Endpoint, bytes: Option<u64>, known: Option<(&'a Processes, Side)>) -> Self {
        let process: Option<&Process> =
            known.and_then(|(known, side)| known.of(side)).map(|process| &**process);
        Self {
            ip: Address(end.ip),
            port: end.port,
            bytes,
            process: known.map(|_| ProcessObject {
                pid: process.map(|process| process.pid),
                name: process.map(|process| process.name.as_str()),
                executable: process.and_then(|process| process.executable.as_deref()),
                certainty: process.map_or(Certainty::None, |process| process.certainty),
            }),
            service: process
                .and_then(|process| process.unit.as_deref())
                .map(|name| ServiceObject { name }),
            container: process
                .and_then(|process| process.container.as_deref())
                .map(|id| ContainerObject { id }),
        }
    }
}

impl<'a> ConnectionObjects<'a> {
    /// All that is to be said of a connection, with bytes of the client and the
    /// server, and who speaks.
    fn new(connection: &'a Connection, bytes: [Option<u64>; 2], speaker: Option<Side>) -> Self {
        let end = |side: Side, bytes| {
            let processes = connection.processes.as_deref();
            EndObject::new(connection.end(side), bytes, processes.map(|known| (known, side)))
        };
        let speaking = |side: Side| end(side, None);
        let [client_bytes, server_bytes] = bytes;
        let vlan = |id| VlanObject { id };
        Self {
            network: NetworkObject {
                protocol: connection.protocol.map(|label| label.name),
                transport: "tcp",
                kind: match connection.client.ip {
                    IpAddr::V4(_) => "ipv4",
                    IpAddr::V6(_) => "ipv6",
                },
                direction: match connection.direction {
                    _ if connection.loopback => Some("internal"),
                    Direction::Ingress => Some("ingress"),
                    Direction::Egress => Some("egress"),
                    Direction::Unknown => None,
                },
                community_id: connection.community_id(),
                vlan: connection.vlan.outer.map(vlan),
                inner: connection.vlan.inner.map(|id| InnerObject { vlan: vlan(id) }),
            },
            client: end(Side::Client, client_bytes),
            server: end(Side::Server, server_bytes),
            source: speaker.map(speaking),
            destination: speaker.map(Side::other).map(speaking),
            observer: (!connection.interface.is_empty()).then(|| ObserverObject {
                ingress: IngressObject {
                    interface: InterfaceObject { name: &connection.interface },
                },
            }),
        }
    }
}
