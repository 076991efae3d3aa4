//! Segments by hand, a protocol of lines to decode them, and what was said.

mod detection;
mod dialogues;
mod explain;
mod gate;
mod hostile;
mod limits;
mod points;
mod protocols;
mod rows;
mod situations;
mod straight;
mod words;

use std::net::{IpAddr, Ipv4Addr};

use super::{FLOW_LIMIT, STREAM_LIMIT, Settings, TOTAL_LIMIT, Table};
use crate::{
    capture::{
        Captured, Direction, Interface, Point, Segment, TcpFlags, TcpHeader, TcpOptions, Vlan,
    },
    decode::{self, Decoder, End, Input, Likeness, Out, Progress, Protocol},
    event::{Endpoint, Event, Hue, Label, Message, Side, Sink, Timestamp, tracer::Anomaly},
};

pub(super) const SYN: TcpFlags = TcpFlags::SYN;
pub(super) const ACK: TcpFlags = TcpFlags::ACK;
pub(super) const SYN_ACK: TcpFlags = TcpFlags(0x12);
pub(super) const FIN_ACK: TcpFlags = TcpFlags(0x11);
pub(super) const RST: TcpFlags = TcpFlags::RST;
pub(super) const PORT: u16 = 7;
pub(super) const SECOND: u64 = 1_000_000_000;

/// Lines, each an event. `skip N` lets N bytes pass, `wait` waits for a line
/// of the other side, and a line that begins with `!` is left when cut.
static LINES: Protocol = Protocol {
    label: Label { name: "lines", column: "LINES", hue: Hue::Blue },
    ports: &[PORT],
    by_default: true,
    decoder: || Box::new(Lines::default()),
    recognises: |_| Likeness::Unlike,
};

#[derive(Default)]
struct Lines {
    heard: [u64; 2],
    /// Lines of the other side that must have come first.
    wait: [Option<u64>; 2],
    resync: [bool; 2],
    skipped: [u64; 2],
}

fn say(out: &mut Out<'_>, side: Side, time: Timestamp, code: &'static str, detail: &[u8]) {
    let detail = (!detail.is_empty()).then(|| detail.into());
    out.emit(side, time, Message::Anomaly(Anomaly::new(code, detail)));
}

impl Decoder for Lines {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let (me, peer) = (input.side as usize, input.side.other() as usize);
        let mut taken = 0;
        loop {
            let rest = &input.bytes[taken..];
            if self.wait[me].is_some_and(|lines| self.heard[peer] < lines) && input.end.is_none() {
                return Progress::peer(taken);
            }
            self.wait[me] = None;
            let Some(len) = rest.iter().position(|byte| *byte == b'\n') else {
                if self.resync[me] {
                    out.undecoded(rest.len() as u64);
                    return Progress::more(input.bytes.len());
                }
                if input.end.is_some() && !rest.starts_with(b"!") && !rest.is_empty() {
                    say(out, input.side, input.time, "cut", rest);
                    taken = input.bytes.len();
                    self.resync[me] = input.end != Some(End::Close);
                }
                return Progress::more(taken);
            };
            let line = &rest[..len];
            taken += len + 1;
            if std::mem::take(&mut self.resync[me]) {
                out.undecoded(len as u64 + 1);
                continue;
            }
            self.heard[me] += 1;
            say(out, input.side, input.time, "line", line);
            let line = String::from_utf8_lossy(line);
            if line == "wait" {
                self.wait[me] = Some(self.heard[peer] + 1);
            } else if let Some(count) = line.strip_prefix("skip ") {
                let count: u64 = count.parse().unwrap_or(u64::MAX);
                let here = count.min((input.bytes.len() - taken) as u64);
                taken += usize::try_from(here).expect("fits");
                self.skipped[me] = count - here;
                if count > here {
                    return Progress::skip(taken, count - here);
                }
                say(out, input.side, input.time, "passed", b"");
            }
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        self.skipped[side as usize] -= bytes;
        if self.skipped[side as usize] == 0 {
            say(out, side, time, "passed", b"");
        }
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        let shown = bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
        out.anomaly(side, time, "told", Some(shown.as_bytes().into()));
        let left = &mut self.skipped[side as usize];
        match bytes {
            Some(bytes) if *left > bytes => *left -= bytes,
            _ => {
                *left = 0;
                self.resync[side as usize] = true;
            }
        }
    }

    fn close(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        say(out, side, time, "close", b"");
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        say(out, Side::Client, time, "finish", b"");
    }

    fn held(&self) -> usize {
        0
    }
}

/// A segment with bytes of its own.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) side: Side,
    pub(super) tcp: TcpHeader,
    pub(super) payload: Vec<u8>,
    /// What of the payload was captured.
    pub(super) captured: (u32, u32),
    pub(super) more: bool,
    pub(super) interface: u32,
    pub(super) lost: u64,
    pub(super) port: u16,
    pub(super) vlan: Vlan,
}

pub(super) fn sent(side: Side, flags: TcpFlags, sequence: u32, payload: &str) -> Sent {
    Sent {
        side,
        tcp: TcpHeader { sequence, flags, window: 1000, ..TcpHeader::default() },
        captured: (0, u32::try_from(payload.len()).expect("short")),
        payload: payload.as_bytes().to_vec(),
        more: false,
        interface: 1,
        lost: 0,
        port: 40_000,
        vlan: Vlan::default(),
    }
}

pub(super) fn client(flags: TcpFlags, sequence: u32, payload: &str) -> Sent {
    sent(Side::Client, flags, sequence, payload)
}

pub(super) fn server(flags: TcpFlags, sequence: u32, payload: &str) -> Sent {
    sent(Side::Server, flags, sequence, payload)
}

impl Sent {
    pub(super) fn ack(mut self, acknowledgement: u32) -> Self {
        self.tcp.flags.0 |= ACK.0;
        self.tcp.acknowledgement = acknowledgement;
        self
    }

    pub(super) fn at(mut self, interface: u32) -> Self {
        self.interface = interface;
        self
    }

    pub(super) fn lost(mut self, lost: u64) -> Self {
        self.lost = lost;
        self
    }

    pub(super) fn captured(mut self, from: u32, to: u32) -> Self {
        self.captured = (from, to);
        self
    }

    /// The rest of the payload comes in another record.
    pub(super) fn more(mut self) -> Self {
        self.more = true;
        self
    }

    pub(super) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    pub(super) fn options(mut self, options: TcpOptions) -> Self {
        self.tcp.options = options;
        self
    }
}

/// Writes down what events say, without times.
#[derive(Default)]
pub(super) struct Said(pub(super) Vec<String>);

impl Sink for Said {
    fn event(&mut self, event: &Event<'_>) {
        let side = event.side.map_or_else(|| "flow".to_owned(), |side| side.to_string());
        let text = match &event.message {
            Message::Anomaly(anomaly) => {
                let fields = &anomaly.tracer.anomaly;
                let detail = fields.detail.as_ref().map(|detail| format!(" {detail}"));
                format!("{}{}", fields.code, detail.unwrap_or_default())
            }
            Message::Gap(gap) => {
                let gap = &gap.tracer.gap;
                format!("gap {} {}", gap.bytes, gap.cause.name())
            }
            Message::TcpOpen(open) => format!("open {}", open.tcp.state),
            Message::TcpClose(close) => format!("end {}", close.tcp.state),
            other => other.describe().to_string(),
        };
        self.0.push(format!("{side} {text}"));
        if let Message::TcpClose(close) = &event.message {
            let tcp = &close.tcp;
            self.0.push(format!(
                "flow {}+{} bytes, {} again, {} early, {} gaps of {}, {} passed",
                close.common.client_bytes.expect("counted"),
                close.common.server_bytes.expect("counted"),
                tcp.retransmissions,
                tcp.out_of_order,
                tcp.gaps,
                tcp.lost_bytes,
                tcp.skipped_bytes
            ));
        }
    }
}

/// A table and what came of the segments that it was fed.
pub(super) struct Rig {
    pub(super) table: Table,
    pub(super) said: Said,
    pub(super) now: Timestamp,
    pub(super) server_port: u16,
}

pub(super) fn settings() -> Settings {
    Settings {
        stream_limit: STREAM_LIMIT,
        flow_limit: FLOW_LIMIT,
        total_limit: TOTAL_LIMIT,
        idle_timeout: 300 * SECOND,
        ports: vec![(PORT, &LINES)],
        detect: Vec::new(),
        explain: false,
        rows: false,
        decode: decode::Settings::default(),
    }
}

impl Rig {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            table: Table::new(settings),
            said: Said::default(),
            now: Timestamp(SECOND),
            server_port: PORT,
        }
    }

    /// Feeds a segment, a millisecond after the one before.
    pub(super) fn feed(&mut self, sent: &Sent) {
        let mut said = std::mem::take(&mut self.said);
        self.feed_to(sent, &mut said);
        self.said = said;
    }

    /// The same, with what is said going elsewhere.
    pub(super) fn feed_to(&mut self, sent: &Sent, sink: &mut dyn Sink) {
        self.now.0 += 1_000_000;
        let near = Endpoint { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), port: sent.port };
        let far = Endpoint { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), port: self.server_port };
        let (source, destination) = match sent.side {
            Side::Client => (near, far),
            Side::Server => (far, near),
        };
        let (from, to) = sent.captured;
        let interface = Interface { name: format!("if{}", sent.interface).into(), loopback: false };
        let segment = Segment {
            time: self.now,
            point: Point {
                interface: sent.interface,
                direction: Direction::Ingress,
                ..Point::default()
            },
            interface: &interface,
            vlan: sent.vlan,
            source,
            destination,
            tcp: sent.tcp,
            len: u32::try_from(sent.payload.len()).expect("short"),
            offset: from,
            bytes: &sent.payload[from as usize..to as usize],
            more: sent.more,
            lost: sent.lost,
            captured: Captured::default(),
            shunted: false,
            frame: None,
        };
        self.table.segment(&segment, sink);
    }

    /// Goes on by other settings.
    pub(super) fn choose(&mut self, settings: Settings) {
        let ports: Vec<u16> = settings.traced().collect();
        let mut kept = |_: &Endpoint, server: &Endpoint| ports.contains(&server.port);
        self.table.choose(settings, &[], &mut kept, self.now, &mut self.said);
    }

    /// Lets packet time pass.
    pub(super) fn wait(&mut self, nanoseconds: u64) {
        self.now.0 += nanoseconds;
        self.table.expire(self.now, &mut self.said);
    }

    /// What was said since the last time.
    pub(super) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said.0)
    }

    pub(super) fn finish(&mut self) -> Vec<String> {
        self.table.finish(self.now, &mut self.said);
        assert_eq!(self.table.counters().open, 0, "flows open after the end");
        assert_eq!(self.table.counters().memory, 0, "memory held after the end");
        self.said()
    }
}

/// Feeds segments to a new table and returns all that was said.
pub(super) fn run(segments: &[Sent]) -> Vec<String> {
    let mut rig = Rig::new(settings());
    for segment in segments {
        rig.feed(segment);
    }
    rig.finish()
}

/// A handshake: the client's bytes begin at 101, the server's at 501.
pub(super) fn handshake() -> Vec<Sent> {
    vec![client(SYN, 100, ""), server(SYN_ACK, 500, "").ack(101), client(ACK, 101, "").ack(501)]
}

/// A rig that has seen the handshake.
pub(super) fn opened() -> Rig {
    let mut rig = Rig::new(settings());
    for segment in handshake() {
        rig.feed(&segment);
    }
    assert_eq!(rig.said(), ["flow open syn"]);
    rig
}
