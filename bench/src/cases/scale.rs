//! `scale`: what many flows cost, in time and in memory.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use anyhow::Result;
use tracer::{
    capture::{Captured, Interface, Point, Segment, TcpFlags, TcpHeader, TcpOptions, Vlan},
    cli::{CommonArgs, LiveArgs},
    config::Config,
    event::{Endpoint, Side, Sink, Timestamp},
    flow::{self, Table},
    output::{Format, Output as _, View, Writer},
};

use super::{
    Case,
    live::{churn, shards},
};
use crate::{
    figures::{Figure, number},
    findings::Findings,
    marks::{Mark, Measure},
    options::Options,
    process, rounds,
};

/// The case.
pub(super) const CASE: Case = Case {
    name: "scale",
    about: "what many open flows cost, what shards do, and whether memory grows with new flows",
    run,
    marks: &[
        Mark::at_most(
            "flows",
            "ns more for an exchange at 100,000 flows than at 10",
            Measure::Difference(("100000", TIME.name), ("10", TIME.name)),
            700.0,
        ),
        idle("http"),
        idle("smtp"),
        idle("imap"),
        Mark::at_most(
            "churn",
            "memory in the last minute against the second",
            Measure::Ratio((LAST, HEAP.name), (SECOND, HEAP.name)),
            1.02,
        ),
        Mark::at_most(
            churn::LOAD,
            "memory at the end against that after a quarter",
            Measure::Ratio((churn::LATE, churn::MEMORY.name), (churn::EARLY, churn::MEMORY.name)),
            1.02,
        ),
    ],
};

/// The mark of what an idle flow may take.
const fn idle(protocol: &'static str) -> Mark {
    Mark::at_most("idle", "bytes of an idle flow", Measure::Value((protocol, MEMORY.name)), 1024.0)
}

const TIME: Figure = Figure::new("ns/exchange", "");
const MEMORY: Figure = Figure::new("bytes/flow", "");
const HEAP: Figure = Figure::new("heap", "MB");

const SECOND: &str = "second minute";
const LAST: &str = "last minute";

/// How many flows are open, by the names of the rows.
const FLOWS: [(&str, u32); 3] = [("10", 10), ("1000", 1000), ("100000", 100_000)];

/// Exchanges of one measurement.
const EXCHANGES: u32 = 400_000;

/// Steps from flow to flow: a prime, so that all have their turn, and far
/// enough that no neighbour is in the cache already.
const STEP: u64 = 7919;

/// New connections in a second of packet time while memory is watched.
const NEW: u64 = 500;

/// Minutes of packet time for which that is.
const MINUTES: u64 = 10;

/// Nanoseconds of a second.
const SECONDS: u64 = 1_000_000_000;

/// When the traffic begins.
const BEGIN: u64 = 1_767_261_600 * SECONDS;

/// A dialogue: what is said once in a flow, and what may be said again and
/// again.
struct Dialogue {
    protocol: &'static str,
    port: u16,
    opening: &'static [(Side, &'static str)],
}

const GET: &str = "GET /api/v1/items?page=3&sort=name HTTP/1.1\r\nHost: www.example.test\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n\
    Connection: keep-alive\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\
    Date: Thu, 01 Jan 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n\
    Content-Length: 62\r\nConnection: keep-alive\r\n\r\n\
    {\"items\":[{\"id\":1,\"name\":\"first\"},{\"id\":2,\"name\":\"second\"}]}\r\n";

const HTTP: Dialogue = Dialogue {
    protocol: "http",
    port: 80,
    opening: &[(Side::Client, GET), (Side::Server, ANSWER)],
};

const DIALOGUES: [Dialogue; 3] = [
    HTTP,
    Dialogue {
        protocol: "smtp",
        port: 25,
        opening: &[
            (Side::Server, "220 mx.example.net ESMTP Postfix\r\n"),
            (Side::Client, "EHLO mail.example.test\r\n"),
            (Side::Server, "250-mx.example.net\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
        ],
    },
    Dialogue {
        protocol: "imap",
        port: 143,
        opening: &[
            (Side::Server, "* OK [CAPABILITY IMAP4rev1 IDLE] Dovecot ready.\r\n"),
            (Side::Client, "A1 LOGIN user@example.test sesame\r\n"),
            (Side::Server, "A1 OK Logged in\r\n"),
            (Side::Client, "A2 SELECT INBOX\r\n"),
            (Side::Server, "* 42 EXISTS\r\n* 1 RECENT\r\nA2 OK [READ-WRITE] Select completed.\r\n"),
        ],
    },
];

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let quick = options.quick;
    let exchanges = if quick { EXCHANGES / 100 } else { EXCHANGES };
    findings.table(
        "flows",
        &format!("{exchanges} HTTP exchanges in turn over open flows, in memory, to JSON"),
        Some(("10", TIME)),
    );
    rounds::interleave(options.rounds(), &FLOWS, |(name, flows), _| {
        let flows = if quick { flows / 10 } else { *flows };
        let (nanos, events) = process::pinned(|| many(flows, exchanges))?;
        let opened = u64::from(flows);
        // An opening and a first exchange of each, then the requests and answers.
        findings.truth(
            &format!("events of {flows} flows"),
            events,
            3 * opened + 2 * u64::from(exchanges),
        );
        findings.add(name, TIME, nanos / f64::from(exchanges));
        Ok(())
    })?;

    let flows = if quick { 1_000 } else { 100_000 };
    findings.table(
        "idle",
        &format!("the heap for each of {flows} flows that have said something and fell silent"),
        None,
    );
    for dialogue in &DIALOGUES {
        let bytes = idle_memory(dialogue, flows)?;
        findings.add(dialogue.protocol, MEMORY, bytes);
    }

    shards::run(options, findings)?;
    let minutes = if quick { 3 } else { MINUTES };
    let new = if quick { NEW / 50 } else { NEW };
    findings.table(
        "churn",
        &format!(
            "{new} new connections a second for {minutes} minutes of packet time, an exchange each"
        ),
        None,
    );
    for (minute, heap) in heaps(minutes, new)? {
        let name = match minute {
            2 => SECOND,
            last if last == minutes => LAST,
            _ => continue,
        };
        findings.add(name, HEAP, number(heap) / 1e6);
    }
    churn::run(options, findings)
}

/// Nanoseconds of so many exchanges over so many open flows, and how many
/// events there were in all.
fn many(flows: u32, exchanges: u32) -> Result<(f64, u64)> {
    let mut writer = Writer::new(io::sink(), Format::Json, View::Messages);
    let mut traffic = Traffic::new(Table::new(settings()?), &mut writer);
    for flow in 0..flows {
        traffic.open(flow, &HTTP);
    }
    let before = process::thread_time()?;
    let mut at = 0;
    for number in 0..exchanges {
        at = (at + STEP) % u64::from(flows);
        let flow = u32::try_from(at)?;
        let turn = number / flows;
        traffic.again(flow, turn, &HTTP);
    }
    let time = process::thread_time()?.saturating_sub(before);
    writer.flush()?;
    Ok((time.as_secs_f64() * 1e9, writer.events()))
}

/// Bytes of the heap for each flow that has fallen silent.
fn idle_memory(dialogue: &Dialogue, flows: u32) -> Result<f64> {
    let mut writer = Writer::new(io::sink(), Format::Json, View::Messages);
    let before = process::heap();
    let mut traffic = Traffic::new(Table::new(settings()?), &mut writer);
    for flow in 0..flows {
        traffic.open(flow, dialogue);
    }
    let used = process::heap().saturating_sub(before);
    Ok(number(used) / f64::from(flows))
}

/// The heap at the end of each minute of packet time, in bytes.
fn heaps(minutes: u64, new: u64) -> Result<Vec<(u64, u64)>> {
    let mut writer = Writer::new(io::sink(), Format::Json, View::Messages);
    let mut traffic = Traffic::new(Table::new(settings()?), &mut writer);
    let mut heap = Vec::new();
    let mut flow = 0_u32;
    for minute in 1..=minutes {
        for _ in 0..60 {
            for _ in 0..new {
                traffic.open(flow, &HTTP);
                traffic.close(flow, &HTTP);
                traffic.now += SECONDS / new;
                flow = flow.wrapping_add(1);
            }
            traffic.table.expire(Timestamp(traffic.now), traffic.sink);
        }
        heap.push((minute, process::heap()));
    }
    Ok(heap)
}

fn settings() -> Result<flow::Settings> {
    Ok(Config::new(&LiveArgs::default(), &CommonArgs::default())?.flows)
}

/// Segments of many flows, straight into a table.
struct Traffic<'a> {
    table: Table,
    sink: &'a mut dyn Sink,
    interface: Interface,
    now: u64,
}

impl<'a> Traffic<'a> {
    fn new(table: Table, sink: &'a mut dyn Sink) -> Self {
        let interface = Interface { name: Arc::from("eth0"), loopback: false };
        Self { table, sink, interface, now: BEGIN }
    }

    /// Opens a flow and says what it begins with.
    fn open(&mut self, flow: u32, dialogue: &Dialogue) {
        let syn_ack = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
        self.send(flow, dialogue, Side::Client, TcpFlags::SYN, [0, 0], "");
        self.send(flow, dialogue, Side::Server, syn_ack, [0, 1], "");
        self.send(flow, dialogue, Side::Client, TcpFlags::ACK, [1, 1], "");
        self.say(flow, dialogue, [1, 1]);
    }

    /// Says the same again, for the time after the opening that `turn` counts.
    fn again(&mut self, flow: u32, turn: u32, dialogue: &Dialogue) {
        let [client, server] = said(dialogue);
        let turn = turn.wrapping_add(1);
        let client = turn.wrapping_mul(client).wrapping_add(1);
        let server = turn.wrapping_mul(server).wrapping_add(1);
        self.say(flow, dialogue, [client, server]);
    }

    /// Both sides end it.
    fn close(&mut self, flow: u32, dialogue: &Dialogue) {
        let fin = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
        let [client, server] = said(dialogue).map(|len| len + 1);
        self.send(flow, dialogue, Side::Server, fin, [server, client], "");
        self.send(flow, dialogue, Side::Client, fin, [client, server + 1], "");
    }

    /// What is said, from these numbers of the sides on.
    fn say(&mut self, flow: u32, dialogue: &Dialogue, [mut client, mut server]: [u32; 2]) {
        for (side, text) in dialogue.opening {
            let numbers = match side {
                Side::Client => [client, server],
                Side::Server => [server, client],
            };
            self.send(flow, dialogue, *side, TcpFlags::ACK, numbers, text);
            let len = u32::try_from(text.len()).unwrap_or_default();
            match side {
                Side::Client => client = client.wrapping_add(len),
                Side::Server => server = server.wrapping_add(len),
            }
        }
    }

    fn send(
        &mut self,
        flow: u32,
        dialogue: &Dialogue,
        side: Side,
        flags: TcpFlags,
        [sequence, acknowledgement]: [u32; 2],
        text: &str,
    ) {
        const PORTS: u32 = 60_000;
        let port = u16::try_from(flow % PORTS + 2000).unwrap_or(2000);
        let host = Ipv4Addr::from_bits(0x0a00_0001 + flow / PORTS);
        let client = Endpoint { ip: IpAddr::V4(host), port };
        let server = Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: dialogue.port };
        let (source, destination) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        self.now += 1000;
        self.table.segment(
            &Segment {
                time: Timestamp(self.now),
                point: Point::default(),
                interface: &self.interface,
                vlan: Vlan::default(),
                source,
                destination,
                tcp: TcpHeader {
                    sequence,
                    acknowledgement,
                    flags,
                    window: 0xffff,
                    options: TcpOptions::default(),
                },
                len: u32::try_from(text.len()).unwrap_or_default(),
                offset: 0,
                bytes: text.as_bytes(),
                more: false,
                shunted: false,
                lost: 0,
                frame: None,
                captured: Captured::default(),
            },
            self.sink,
        );
    }
}

/// Bytes that each side says in a dialogue: client, server.
fn said(dialogue: &Dialogue) -> [u32; 2] {
    [Side::Client, Side::Server].map(|side| {
        let of = dialogue.opening.iter().filter(|(speaker, _)| *speaker == side);
        u32::try_from(of.map(|(_, text)| text.len()).sum::<usize>()).unwrap_or_default()
    })
}
