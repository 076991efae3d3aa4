//! JSON lines, with the names of docs/EVENTS.md.

use std::{borrow::Cow, fmt, io, net::IpAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::{
    may_control_at,
    writer::{Body, Head},
};
use crate::{
    capture::Direction,
    decode::PROTOCOLS,
    event::{Connection, Endpoint, Message, Outcome, Place, Side, Timestamp, is_control, tcp::Row},
};

/// Appends one line. The objects of the event, its connection, its message
/// and, where a message stands in the row of a segment, the row's are one.
///
/// # Errors
///
/// When something cannot be said in JSON, which is a fault of its type.
pub(super) fn line(
    buffer: &mut Vec<u8>,
    sequence: u64,
    head: &Head<'_>,
    body: Body<'_>,
    row: Option<&Row>,
) -> io::Result<()> {
    let timestamp = Rfc3339(head.time);
    let event = EventObject {
        action: head.action,
        sequence,
        duration: head.common.duration,
        outcome: head.common.outcome,
    };
    write(buffer, &Envelope { timestamp, event })?;
    if let Some(connection) = head.connection {
        merge(buffer, |buffer| write(buffer, &ConnectionObjects::new(connection, head)))?;
    }
    merge(buffer, |buffer| match body {
        Body::Message(message) => object(buffer, message),
        Body::Formatted(object) => {
            buffer.extend_from_slice(object);
            Ok(())
        }
    })?;
    if let Some(row) = row {
        merge(buffer, |buffer| write(buffer, row))?;
    }
    buffer.push(b'\n');
    Ok(())
}

/// Appends the object of a message.
///
/// # Errors
///
/// As for [`line()`].
pub(super) fn object(buffer: &mut Vec<u8>, message: &Message<'_>) -> io::Result<()> {
    write(buffer, message)
}

fn write(buffer: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(buffer, Harmless);
    Ok(value.serialize(&mut serializer)?)
}

/// Makes one object of the object that ends the buffer and of the one that
/// `write` appends.
fn merge(
    buffer: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    buffer.pop_if(|last| *last == b'}');
    let at = buffer.len();
    write(buffer)?;
    if buffer.get(at..) == Some(b"{}") {
        buffer.truncate(at);
        buffer.push(b'}');
    } else if let Some(brace) = buffer.get_mut(at) {
        *brace = b',';
    }
    Ok(())
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
    client: EndObject,
    /// Who was called.
    server: EndObject,
    /// Who speaks, where the action does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<EndObject>,
    /// Who is spoken to, where the action does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<EndObject>,
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
struct EndObject {
    /// Address.
    ip: IpAddr,
    /// TCP port.
    port: u16,
    /// Bytes that it sent on the connection, by sequence numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
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

impl<'a> ConnectionObjects<'a> {
    fn new(connection: &'a Connection, head: &Head<'_>) -> Self {
        let end = |end: &Endpoint, bytes| EndObject { ip: end.ip, port: end.port, bytes };
        // The actions of messages tell who speaks; these do not.
        let speaker = head.side.filter(|_| matches!(head.place, Place::Note | Place::Row));
        let speaking = |side: Side| end(connection.end(side), None);
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
            client: end(&connection.client, head.common.client_bytes),
            server: end(&connection.server, head.common.server_bytes),
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

/// Compact JSON in which a terminal finds nothing to obey: besides the control
/// characters that JSON must escape, all of [`is_control`] are.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut written = 0;
        for at in may_control_at(fragment.as_bytes()) {
            let (before, from) = fragment.split_at(at);
            if let Some(control) = from.chars().next().filter(|found| is_control(*found)) {
                writer.write_all(before.get(written..).unwrap_or_default().as_bytes())?;
                write!(writer, "\\u{:04x}", u32::from(control))?;
                written = at + control.len_utf8();
            }
        }
        writer.write_all(fragment.get(written..).unwrap_or_default().as_bytes())
    }
}

/// A time as RFC 3339 has it, in UTC and with nanoseconds.
#[derive(Clone, Copy)]
struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Rfc3339 {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Time as RFC 3339 has it, in UTC and with nanoseconds.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
        })
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400;
        let Timestamp(nanoseconds) = self.0;
        let (seconds, nanoseconds) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        let (year, month, day) = date(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z"
        )
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Years are taken to begin in March: then the leap day is the last of the
/// year, and the months have the lengths 31, 30, 31, 30, 31 over and over,
/// which `(153 * month + 2) / 5` adds up.
const fn date(days: u64) -> (u64, u64, u64) {
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;
    /// In 400 years, after which the calendar repeats.
    const ERA: u64 = 146_097;
    let days = days + EPOCH;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let january_or_february = if month <= 2 { 1 } else { 0 };
    (era * 400 + year + january_or_february, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_475_232_887, "2016-09-30T10:54:47"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            let time = Timestamp(seconds * 1_000_000_000 + 7_000);
            assert_eq!(Rfc3339(time).to_string(), format!("{text}.000007000Z"));
        }
        let last = Rfc3339(Timestamp(u64::MAX)).to_string();
        assert_eq!(last, "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = (1969, 12, 31);
        for days in 0..200_000 {
            let (year, month, day) = date(days);
            let (last_year, last_month, last_day) = before;
            let leap = |year: u64| {
                year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
            };
            let length = match last_month {
                2 if leap(last_year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = if last_day < length {
                (last_year, last_month, last_day + 1)
            } else if last_month < 12 {
                (last_year, last_month + 1, 1)
            } else {
                (last_year + 1, 1, 1)
            };
            assert_eq!((year, month, day), next);
            before = next;
        }
    }
}
