//! Many connections at once: what each holds while nothing is said on it, and
//! that nothing is left of those that ended, by the heap's own count.

use tracer::{
    capture::TcpFlags,
    decode::{PROTOCOLS, Protocol},
    event::{Event, Side, Sink, Timestamp},
    flow::Table,
};

use crate::{
    heap,
    talk::{self, NOW, Piece},
};

/// Connections of a crowd.
const FLOWS: u16 = 2_000;
/// Bytes that a connection may hold while nothing is said on it: all of it, its
/// places in the table and the index as well.
const IDLE: usize = 1_024;
/// The same of one that ended, as long as late segments are waited for.
const ENDED: usize = 448;
/// Nanoseconds after which nothing is waited for any more.
const LINGER: u64 = 10_000_000_000;

/// Takes events and keeps nothing.
struct Nothing;

impl Sink for Nothing {
    fn event(&mut self, _: &Event<'_>) {}
}

/// What is said on a connection, one segment each.
type Said = &'static [(Side, &'static str)];

const CLIENT: Side = Side::Client;
const SERVER: Side = Side::Server;

const REQUEST: &str = "GET /index.html HTTP/1.1\r\nHost: www.example.test\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";

const HTTP: Said = &[
    (CLIENT, REQUEST),
    (SERVER, RESPONSE),
    (CLIENT, REQUEST),
    (SERVER, CHUNKED),
    // Several at once.
    (CLIENT, REQUEST),
    (CLIENT, REQUEST),
    (SERVER, RESPONSE),
    (SERVER, RESPONSE),
];

const SMTP: Said = &[
    (SERVER, "220 mx.example.test ESMTP\r\n"),
    (CLIENT, "EHLO client.example.test\r\n"),
    (SERVER, "250-mx.example.test\r\n250-PIPELINING\r\n250 SIZE 10240000\r\n"),
    (CLIENT, "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"),
    (SERVER, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n"),
    (CLIENT, "From: A <a@example.test>\r\nSubject: hello\r\nContent-Type: multipart/mixed; "),
    (CLIENT, "boundary=x\r\n\r\n--x\r\nContent-Disposition: attachment; filename=y\r\n\r\n"),
    (CLIENT, "text\r\n--x--\r\n.\r\n"),
    (SERVER, "250 2.0.0 Ok: queued as 4F0001\r\n"),
];

const IMAP: Said = &[
    (SERVER, "* OK [CAPABILITY IMAP4rev1 IDLE LITERAL+] ready\r\n"),
    (CLIENT, "a1 LOGIN user.name@example.test correct-horse-battery\r\n"),
    (SERVER, "a1 OK Logged in\r\n"),
    (CLIENT, "a2 SELECT INBOX\r\n"),
    (SERVER, "* FLAGS (\\Seen)\r\n* 3 EXISTS\r\na2 OK [READ-WRITE] done\r\n"),
    (CLIENT, "a3 FETCH 1 (FLAGS BODY[])\r\n"),
    (SERVER, "* 1 FETCH (FLAGS () BODY[] {15}\r\nSubject: x\r\n\r\ny)\r\na3 OK done\r\n"),
    (CLIENT, "a4 NOOP\r\na5 NOOP\r\na6 NOOP\r\n"),
    (SERVER, "a4 OK done\r\na5 OK done\r\na6 OK done\r\n"),
    (CLIENT, "a7 IDLE\r\n"),
    (SERVER, "+ idling\r\n"),
];

const POP3: Said = &[
    (SERVER, "+OK ready\r\n"),
    (CLIENT, "USER a\r\n"),
    (SERVER, "+OK\r\n"),
    (CLIENT, "PASS secret\r\n"),
    (SERVER, "+OK\r\n"),
    (CLIENT, "RETR 1\r\n"),
    (SERVER, "+OK\r\nSubject: x\r\n\r\ny\r\n.\r\n"),
];

const DIALOGUES: [(&str, Said); 4] =
    [("http", HTTP), ("smtp", SMTP), ("imap", IMAP), ("pop3", POP3)];

/// Connections that all say the same, each from a port of its own.
struct Crowd {
    table: Table,
    protocol: &'static Protocol,
    said: Said,
    time: Timestamp,
}

impl Crowd {
    fn new((name, said): (&str, Said), exchanges: bool) -> Self {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.label.name == name);
        let protocol = protocol.expect("a protocol");
        let mut settings = talk::settings();
        settings.ports = vec![(protocol.ports[0], protocol)];
        settings.decode.exchanges = exchanges;
        settings.decode.exchanges_only = exchanges;
        Self { table: Table::new(settings), protocol, said, time: NOW }
    }

    fn send(&mut self, port: u16, side: Side, flags: TcpFlags, numbers: [u32; 2], text: &str) {
        let piece = Piece {
            side,
            flags,
            numbers,
            len: u32::try_from(text.len()).expect("short"),
            bytes: text.as_bytes(),
            offset: 0,
            more: false,
            lost: 0,
            time: self.time,
            interface: 1,
            client_port: port,
            server_port: self.protocol.ports[0],
        };
        piece.enter(&mut self.table, &mut Nothing);
    }

    /// Each connection begins and says all, segment by segment in turn.
    fn speak(&mut self, end: bool) {
        let both = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
        for port in 1..=FLOWS {
            self.send(port, CLIENT, TcpFlags::SYN, [100, 0], "");
            self.send(port, SERVER, both, [500, 101], "");
            self.send(port, CLIENT, TcpFlags::ACK, [101, 501], "");
        }
        let mut next = [101, 501];
        for (side, text) in self.said {
            let [client, server] = next;
            let numbers = if *side == CLIENT { [client, server] } else { [server, client] };
            for port in 1..=FLOWS {
                self.send(port, *side, TcpFlags::ACK, numbers, text);
            }
            next[usize::from(*side == SERVER)] += u32::try_from(text.len()).expect("short");
        }
        if end {
            let fin = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
            let [client, server] = next;
            for port in 1..=FLOWS {
                self.send(port, CLIENT, fin, [client, server], "");
                self.send(port, SERVER, fin, [server, client + 1], "");
            }
        }
    }

    /// Time goes by.
    fn wait(&mut self, nanoseconds: u64) {
        self.time = Timestamp(self.time.0 + nanoseconds);
        self.table.expire(self.time, &mut Nothing);
    }
}

#[test]
fn an_idle_connection_holds_a_kibibyte_at_most() {
    for dialogue in DIALOGUES {
        for exchanges in [false, true] {
            let mut crowd = Crowd::new(dialogue, exchanges);
            let ((), grown) = heap::growth(|| crowd.speak(false));
            let each = usize::try_from(grown).expect("growth") / usize::from(FLOWS);
            let told = crowd.table.counters();
            assert_eq!(told.open, u64::from(FLOWS), "{dialogue:?}");
            assert!(each <= IDLE, "{}: {each} bytes, exchanges: {exchanges}", dialogue.0);
            let told = usize::try_from(told.memory).expect("memory") / usize::from(FLOWS);
            assert!(
                each.abs_diff(told) <= each / 8,
                "{}: {each} bytes, of which the table tells {told}",
                dialogue.0
            );
        }
    }
}

#[test]
fn nothing_is_left_of_connections_that_ended() {
    for dialogue in DIALOGUES {
        let mut crowd = Crowd::new(dialogue, true);
        let mut before = None;
        for round in 0..10 {
            let ((), grown) = heap::growth(|| crowd.speak(true));
            let each = usize::try_from(grown).expect("growth") / usize::from(FLOWS);
            assert!(each <= ENDED, "{}: {each} bytes after the end", dialogue.0);
            assert_eq!(crowd.table.counters().open, 0);
            crowd.wait(LINGER);
            assert_eq!(crowd.table.counters().memory, 0);
            // The first round makes the room that the others use.
            let used = heap::used();
            assert!(round == 0 || before == Some(used), "{}: round {round}", dialogue.0);
            before = Some(used);
        }
    }
}
