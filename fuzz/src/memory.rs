//! What is large on the wire is small in memory: held against the heap itself,
//! not only against what the flow table says of it.

use tracer::{
    capture::TcpFlags,
    decode::{PROTOCOLS, Protocol},
    event::{Event, Side, Sink},
    flow::{FLOW_LIMIT, Table},
};

use crate::{
    heap,
    talk::{self, NOW, Piece, Talk},
};

/// A large segment's payload.
const SEGMENT: usize = 64 * 1024;
const MEGABYTE: usize = 1024 * 1024;

/// Counts events.
#[derive(Default)]
struct Count(usize);

impl Sink for Count {
    fn event(&mut self, _: &Event<'_>) {
        self.0 += 1;
    }
}

fn protocol(name: &str) -> &'static Protocol {
    PROTOCOLS.iter().find(|protocol| protocol.label.name == name).expect("a protocol")
}

/// What a side says of which nothing may be kept: once, then over and over.
struct Flood {
    protocol: &'static str,
    opening: Vec<(Side, &'static str)>,
    side: Side,
    line: &'static str,
    megabytes: usize,
    /// Bytes that may be held meanwhile.
    held: usize,
}

impl Flood {
    fn run(&self) {
        let protocol = protocol(self.protocol);
        let mut settings = talk::settings();
        settings.decode.exchanges = true;
        let mut count = Count::default();
        let before = heap::used();
        let mut talk = Talk::new(Table::new(settings), &mut count, protocol.ports[0], false);
        for (side, text) in &self.opening {
            talk.say(*side, text.as_bytes());
        }
        let piece = self.line.repeat(SEGMENT / self.line.len());
        for _ in 0..self.megabytes * MEGABYTE / piece.len() {
            talk.say(self.side, piece.as_bytes());
            let said = talk.table.counters().memory;
            assert!(said <= self.held as u64, "{said} bytes counted");
            let used = usize::try_from(heap::used() - before).unwrap_or(0);
            assert!(used <= self.held + 2 * piece.capacity(), "{used} bytes on the heap");
        }
        let table = talk.finish();
        assert_eq!(table.counters().memory, 0);
    }
}

const ENVELOPE: &[(Side, &str)] = &[
    (Side::Server, "220 mx\r\n"),
    (Side::Client, "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    (Side::Server, "250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
];

#[test]
fn a_literal_of_20_megabytes() {
    Flood {
        protocol: "imap",
        opening: vec![
            (Side::Server, "* OK ready\r\n"),
            (Side::Client, "a FETCH 1 BODY[]\r\n"),
            (Side::Server, "* 1 FETCH (BODY[] {20971520}\r\nSubject: x\r\n\r\n"),
        ],
        side: Side::Server,
        line: "and so on, a line of a mail, seventy bytes of it or something like it\r\n",
        megabytes: 19,
        held: 64 * 1024,
    }
    .run();
}

#[test]
fn a_mail_of_100_megabytes() {
    Flood {
        protocol: "smtp",
        opening: [ENVELOPE, &[(Side::Client, "Subject: x\r\n\r\n")]].concat(),
        side: Side::Client,
        line: "and so on, a line of a mail, seventy bytes of it or something like it\r\n",
        megabytes: 100,
        held: 64 * 1024,
    }
    .run();
}

#[test]
fn a_mail_whose_header_is_100_megabytes() {
    Flood {
        protocol: "smtp",
        opening: ENVELOPE.to_vec(),
        side: Side::Client,
        line: "Subject: again\r\nX-Other: something that nobody wants to know\r\n",
        megabytes: 100,
        held: FLOW_LIMIT / 2,
    }
    .run();
}

#[test]
fn a_request_whose_header_is_100_megabytes() {
    Flood {
        protocol: "http",
        opening: vec![(Side::Client, "GET / HTTP/1.1\r\n")],
        side: Side::Client,
        line: "X-Field: something that nobody wants to know, over and over again\r\n",
        megabytes: 100,
        held: FLOW_LIMIT,
    }
    .run();
}

/// Each flow has its place in the table and nothing beside it.
#[test]
fn many_half_open_connections() {
    const LIMIT: usize = 4 * MEGABYTE;
    let http = protocol("http");
    let mut settings = talk::settings();
    settings.flow_limit = MEGABYTE;
    settings.total_limit = LIMIT;
    let mut table = Table::new(settings);
    let mut count = Count::default();
    let before = heap::used();
    for round in 0..2 {
        for client_port in 1024..=u16::MAX {
            let piece = Piece {
                side: Side::Client,
                flags: TcpFlags::SYN,
                numbers: [u32::from(client_port) << round, 0],
                len: 0,
                bytes: &[],
                offset: 0,
                more: false,
                lost: 0,
                time: NOW,
                interface: 1,
                client_port,
                server_port: http.ports[0],
            };
            piece.enter(&mut table, &mut count);
            assert!(table.counters().memory <= LIMIT as u64);
        }
        let used = usize::try_from(heap::used() - before).unwrap_or(0);
        assert!(used <= LIMIT * 2, "{used} bytes on the heap");
    }
    assert!(table.counters().open > 1000);
}
