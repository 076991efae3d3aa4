//! What events say of their connections. It is the same for most events of a
//! connection, so it is written once and copied from then on.

use std::{net::IpAddr, ptr, sync::Arc};

use memchr::{memchr, memchr_iter, memchr2};
use serde::Serialize as _;

use super::{
    ConnectionObjects,
    serializer::{Error, Part, Serializer},
};
use crate::{
    append,
    event::{Connection, Side},
    output::put,
};

/// Connections that are remembered. Where several have the same place, the one
/// of the latest event has it.
const PLACES: usize = 1024;

/// Bytes of most members: more are for long names of interfaces.
const USUAL: usize = 384;

/// What was written of connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// By addresses and ports. None before the first event.
    places: Vec<Option<Box<Written>>>,
}

/// What was written of a connection.
#[derive(Debug)]
struct Written {
    connection: Connection,
    /// Members of an object, each behind a comma.
    members: Vec<u8>,
    client: End,
    server: End,
}

/// Where the object of an end stands among the members.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// Where it begins.
    start: usize,
    /// Behind its port.
    port: usize,
    /// Behind its last brace.
    behind: usize,
}

impl Connections {
    /// Appends what there is to say of a connection, behind a comma: with the
    /// bytes of client and server, and who speaks.
    ///
    /// # Errors
    ///
    /// When it cannot be said, which is a fault of its type.
    pub(super) fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        connection: &Connection,
        bytes: [Option<u64>; 2],
        speaker: Option<Side>,
    ) -> Result<(), Error> {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let mut nowhere = None;
        let place = self.places.get_mut(place(connection)).unwrap_or(&mut nowhere);
        let written = match place {
            Some(written) if is_same(&written.connection, connection) => written,
            Some(written) => {
                written.renew(connection)?;
                written
            }
            None => place.insert(Written::new(connection)?),
        };
        match (bytes, speaker) {
            ([None, None], None) => buffer.extend_from_slice(&written.members),
            _ => written.with(buffer, bytes, speaker),
        }
        Ok(())
    }
}

impl Written {
    fn new(connection: &Connection) -> Result<Box<Self>, Error> {
        keep_id(connection);
        let mut written = Box::new(Self {
            connection: connection.clone(),
            members: Vec::with_capacity(USUAL),
            client: End::default(),
            server: End::default(),
        });
        written.write()?;
        Ok(written)
    }

    /// Becomes that of another connection.
    fn renew(&mut self, connection: &Connection) -> Result<(), Error> {
        keep_id(connection);
        self.connection.clone_from(connection);
        self.write()
    }

    fn write(&mut self) -> Result<(), Error> {
        self.members.clear();
        ConnectionObjects::new(&self.connection, [None, None], None)
            .serialize(Serializer::of(&mut self.members, Part::Members))?;
        self.client = self.end(b",\"client\":");
        self.server = self.end(b",\"server\":");
        Ok(())
    }

    /// Where the end stands that follows an object and this name, which nothing
    /// else looks like: quotation marks within strings have a backslash before
    /// them.
    fn end(&self, name: &[u8]) -> End {
        let behind = |at: usize| self.members.get(at..).unwrap_or_default();
        let before = memchr_iter(b'}', &self.members).find(|at| behind(at + 1).starts_with(name));
        let start = before.map_or(0, |at| at + 1 + name.len());
        // An address, which holds neither, and the port are its first members.
        let port = memchr(b',', behind(start)).map_or(start, |at| start + at + 1);
        let port = port + memchr2(b',', b'}', behind(port)).unwrap_or_default();
        End { start, port, behind: start + object(behind(start)) }
    }

    /// Appends it with what is not the same for all events of the connection.
    fn with(&self, buffer: &mut Vec<u8>, bytes: [Option<u64>; 2], speaker: Option<Side>) {
        let piece = |from: usize, to: usize| self.members.get(from..to).unwrap_or_default();
        let mut from = 0;
        for (end, bytes) in [self.client, self.server].into_iter().zip(bytes) {
            append::few(buffer, piece(from, end.port));
            if let Some(bytes) = bytes {
                append::pieces(buffer, [b",\"bytes\":"]);
                put::decimal(buffer, bytes);
            }
            from = end.port;
        }
        append::few(buffer, piece(from, self.server.behind));
        if let Some(side) = speaker {
            let object = |side: Side| match side {
                Side::Client => piece(self.client.start, self.client.behind),
                Side::Server => piece(self.server.start, self.server.behind),
            };
            append::pieces(buffer, [b",\"source\":"]);
            append::few(buffer, object(side));
            append::pieces(buffer, [b",\"destination\":"]);
            append::few(buffer, object(side.other()));
        }
        append::few(buffer, piece(self.server.behind, self.members.len()));
    }
}

/// Bytes of the object that the text begins with.
fn object(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Has the connection itself keep its Community ID, beside the copy: where
/// connections take each other's places, it is hashed once all the same.
fn keep_id(connection: &Connection) {
    let _ = connection.community_id();
}

/// The place of a connection.
fn place(connection: &Connection) -> usize {
    /// A factor that spreads what differs little over the highest bits.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => {
            let [high, low] = [ip.to_bits() >> 64, ip.to_bits() & u128::from(u64::MAX)]
                .map(|half| u64::try_from(half).unwrap_or_default());
            high.rotate_left(32) ^ low
        }
    };
    let (client, server) = (&connection.client, &connection.server);
    let ports = u64::from(client.port) << 16 | u64::from(server.port);
    let ends = number(client.ip).wrapping_mul(SPREAD) ^ number(server.ip).rotate_left(17);
    let mixed = (ends ^ ports).wrapping_mul(SPREAD);
    usize::try_from(mixed >> 32).unwrap_or_default() % PLACES
}

/// Whether the same is to be said of both.
fn is_same(one: &Connection, other: &Connection) -> bool {
    let label = |connection: &Connection| connection.protocol.map(ptr::from_ref);
    one.client == other.client
        && one.server == other.server
        && one.vlan == other.vlan
        && label(one) == label(other)
        && (one.direction, one.loopback) == (other.direction, other.loopback)
        && (Arc::ptr_eq(&one.interface, &other.interface) || one.interface == other.interface)
        && one.processes == other.processes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        capture::{Direction, Vlan},
        event::{Certainty, CommunityId, Endpoint, Hue, Label, Process, Processes},
    };

    static LABEL: Label = Label { name: "x", column: "X", hue: Hue::Blue };

    fn connection(port: u16, text: &str) -> Connection {
        Connection {
            client: Endpoint { ip: text.parse().expect("an address"), port },
            server: Endpoint { ip: "10.0.0.1".parse().expect("an address"), port: 80 },
            vlan: Vlan { outer: Some(7), inner: None },
            protocol: None,
            interface: ",\"server\":}".into(),
            direction: Direction::Egress,
            loopback: false,
            community_id: CommunityId::default(),
            processes: None,
        }
    }

    /// A process that calls itself what could be taken for something else.
    fn processes() -> Arc<Processes> {
        let name = "}\\\"},\"server\":{{".to_owned();
        let process = Process {
            pid: 4711,
            executable: Some("/usr/bin/{".to_owned()),
            unit: Some(name.clone()),
            container: Some(name.clone()),
            name,
            certainty: Certainty::Kernel,
        };
        Arc::new(Processes { client: Some(Arc::new(process)), server: None })
    }

    /// More connections than places, each in all its states, and twice.
    #[test]
    fn what_is_remembered_is_what_would_be_written() {
        let mut connections = Connections::default();
        for number in 0..u16::try_from(2 * PLACES).expect("few") {
            let ip = if number % 2 == 0 { "192.0.2.1" } else { "2001:db8::1" };
            let first = connection(number % 1500, ip);
            let changed = [
                first.clone(),
                Connection { protocol: Some(&LABEL), ..first.clone() },
                Connection { direction: Direction::Unknown, ..first.clone() },
                Connection { loopback: true, ..first.clone() },
                Connection { interface: "".into(), ..first.clone() },
                Connection { processes: Some(Arc::default()), ..first.clone() },
                Connection { processes: Some(processes()), ..first.clone() },
                Connection { vlan: Vlan::default(), ..first },
            ];
            for connection in &changed {
                for (bytes, speaker) in [
                    ([None, None], None),
                    ([Some(5), Some(70_000)], None),
                    ([None, Some(1)], Some(Side::Client)),
                    ([None, None], Some(Side::Server)),
                ] {
                    let mut expected = Vec::new();
                    ConnectionObjects::new(connection, bytes, speaker)
                        .serialize(Serializer::of(&mut expected, Part::Members))
                        .expect("it can be said");
                    let mut written = Vec::new();
                    connections.write(&mut written, connection, bytes, speaker).expect("as well");
                    let [expected, written] =
                        [expected, written].map(|text| String::from_utf8(text).expect("text"));
                    assert_eq!(written, expected);
                }
            }
        }
    }
}
