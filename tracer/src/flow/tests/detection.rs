//! Protocols found by the first bytes, and TLS in their place.

use super::{
    dialogues::{Talk, part},
    *,
};
use crate::decode::{PROTOCOLS, testing};
use Side::{Client, Server};

/// What is said of segments to a port whose protocol has to be found; the
/// protocol's name stands before what has one.
#[derive(Default)]
struct Named(testing::Said, Vec<&'static str>);

impl Sink for Named {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
        let label = event.connection.and_then(|connection| connection.protocol);
        self.1.push(label.map_or("", |label| label.name));
    }
}

fn auto(segments: &[Sent]) -> Named {
    let mut rig = Rig::new(Settings { ports: Vec::new(), detect: vec![PORT], ..settings() });
    let mut said = Named::default();
    for segment in segments {
        rig.feed_to(segment, &mut said);
    }
    rig.table.finish(rig.now, &mut said);
    assert_eq!(rig.table.counters().memory, 0);
    said
}

/// The same, without what the flow table says of the connection.
fn words(segments: &[Sent]) -> Vec<String> {
    let said = auto(segments).0.text;
    said.into_iter().filter(|line| !line.starts_with("-: Connection")).collect()
}

fn talk(exchange: &[(Side, &str)]) -> Vec<Sent> {
    let talk = exchange
        .iter()
        .fold(Talk::new(u32::MAX - 20, 9), |talk, (side, text)| talk.says(*side, text));
    talk.closes().segments
}

/// A dialogue on a port with detection says what it says on the port of its
/// protocol, however it is cut.
fn same_as_known(name: &str, exchange: &[(Side, &str)]) {
    let protocol = PROTOCOLS.iter().find(|known| known.label.name == name).expect("known");
    let known = |segments: &[Sent]| {
        let mut rig = Rig::new(Settings { ports: vec![(PORT, protocol)], ..settings() });
        let mut said = testing::Said::default();
        for segment in segments {
            rig.feed_to(segment, &mut said);
        }
        rig.table.finish(rig.now, &mut said);
        said.text.retain(|line| !line.starts_with("-: Connection"));
        said.text
    };
    let segments = talk(exchange);
    let expected = known(&segments);
    assert_eq!(words(&segments), expected, "whole");
    assert!(auto(&segments).1.ends_with(&[name]), "the close bears the name");
    for (number, segment) in segments.iter().enumerate() {
        for at in 1..segment.payload.len() {
            let (end, mut cut) = (segment.payload.len(), segments.clone());
            cut.splice(number..=number, [part(segment, 0, at), part(segment, at, end)]);
            assert_eq!(words(&cut), expected, "segment {number} cut at {at}");
        }
    }
}

#[test]
fn http_is_found_by_its_request() {
    same_as_known(
        "http",
        &[
            (Client, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
            (Server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ],
    );
}

#[test]
fn smtp_is_found_by_its_greeting_or_by_what_the_client_answers() {
    for greeting in ["220 mx.example ESMTP\r\n", "220-mx.example\r\n220 at your service\r\n"] {
        same_as_known(
            "smtp",
            &[
                (Server, greeting),
                (Client, "EHLO me\r\n"),
                (Server, "250 mx.example\r\n"),
                (Client, "QUIT\r\n"),
                (Server, "221 Bye\r\n"),
            ],
        );
    }
}

#[test]
fn imap_is_found_by_its_greeting() {
    same_as_known(
        "imap",
        &[
            (Server, "* OK ready\r\n"),
            (Client, "a1 LOGIN {4}\r\n"),
            (Server, "+ go on\r\n"),
            (Client, "user secret\r\n"),
            (Server, "a1 OK in\r\n"),
        ],
    );
}

#[test]
fn what_is_not_recognised_is_a_gap_of_its_own_cause() {
    let said = talk(&[
        (Server, "+OK what ready\r\n"),
        (Client, "USER someone\r\n"),
        (Server, "+OK\r\n"),
        (Client, "PASS secret\r\n"),
    ]);
    assert_eq!(
        words(&said),
        [
            "client: [27 bytes from the client missing: unknown-protocol]",
            "server: [21 bytes from the server missing: unknown-protocol]",
        ]
    );
}

#[test]
fn an_older_connection_is_recognised_when_a_message_begins() {
    let segments = [
        client(ACK, 1000, "the rest of a body\n").ack(5000),
        server(ACK, 5000, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ack(1019),
        client(ACK, 1019, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n").ack(5038),
        server(ACK, 5038, "HTTP/1.1 204 No Content\r\n\r\n").ack(1050),
    ];
    let said = words(&segments).join("\n");
    for expected in ["HTTP/1.1 200 OK", "GET /next HTTP/1.1", "HTTP/1.1 204 No Content"] {
        assert!(said.contains(expected), "{said}");
    }
    assert!(said.contains("midstream"), "{said}");
}

#[test]
fn behind_a_gap_a_protocol_is_still_found() {
    let mut segments = Talk::new(99, 499).segments;
    segments.push(client(ACK, 150, "x\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").ack(500));
    let said = words(&segments).join("\n");
    assert!(said.contains("50 bytes from the client missing: not-captured"), "{said}");
    assert!(said.contains("client: GET / HTTP/1.1"), "{said}");
}

#[test]
fn tls_is_named_once_and_counted() {
    let hello = "\u{16}\u{3}\u{1}\0\u{5}\u{1}hello";
    let answer = "\u{16}\u{3}\u{3}\0\u{5}\u{2}hello";
    let segments = talk(&[(Client, hello), (Server, answer), (Client, "\u{17}\u{3}\u{3}\0\u{1}x")]);
    for port in PROTOCOLS.iter().map(Some).chain([None]) {
        let (ports, detect) = match port {
            Some(protocol) => (vec![(PORT, protocol)], Vec::new()),
            None => (Vec::new(), vec![PORT]),
        };
        let mut rig = Rig::new(Settings { ports, detect, ..settings() });
        for segment in &segments {
            rig.feed(segment);
        }
        assert_eq!(
            rig.finish(),
            [
                "flow open syn",
                "client [goes on as tls]",
                "flow end closed",
                "flow 17+11 bytes, 0 again, 0 early, 0 gaps of 0, 28 passed"
            ]
        );
    }
}

#[test]
fn an_answer_in_the_clear_to_tls_is_decoded() {
    let hello = "\u{16}\u{3}\u{1}\0\u{5}\u{1}hello";
    let said = words(&talk(&[
        (Client, hello),
        (Server, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    ]));
    assert_eq!(said, ["client: [goes on as tls]", "server: HTTP/1.1 400 Bad Request"]);
}

#[test]
fn what_waits_to_be_recognised_is_bounded() {
    let mut rig = Rig::new(Settings { ports: Vec::new(), detect: vec![PORT], ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    let mut sequence = 101;
    for _ in 0..100 {
        rig.feed(&client(ACK, sequence, &"GET_".repeat(300)).ack(501));
        sequence += 1200;
        assert!(rig.table.counters().memory < 40_000, "{}", rig.table.counters().memory);
    }
    assert!(rig.finish().contains(&"client gap 120000 unknown-protocol".to_owned()));
}

#[test]
fn in_mid_stream_the_first_bytes_say_who_is_the_server() {
    let first_of_the_higher_port = |payload: &str| {
        let both = vec![PORT, 40_000];
        let mut rig = Rig::new(Settings { ports: Vec::new(), detect: both, ..settings() });
        let mut said = testing::Said::default();
        rig.feed_to(&client(ACK, 500, payload), &mut said);
        rig.table.finish(rig.now, &mut said);
        said.text.retain(|line| !line.starts_with("-: Connection"));
        said.text
    };
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(first_of_the_higher_port(response), ["server: HTTP/1.1 200 OK"]);
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(first_of_the_higher_port(request), ["client: GET / HTTP/1.1"]);
}

/// Bytes of one-byte segments: nearly all that are held.
const HELD: usize = 16_000;

/// How many bytes are looked at while `text`, again and again, comes byte by
/// byte, in a connection that was there before or not.
fn looked(text: &str, midstream: bool) -> usize {
    use crate::decode::detect::looks;
    let mut rig = Rig::new(Settings { ports: Vec::new(), detect: vec![PORT], ..settings() });
    if !midstream {
        for segment in handshake() {
            rig.feed(&segment);
        }
    }
    looks::taken();
    for (byte, sequence) in text.chars().cycle().take(HELD).zip(101..) {
        rig.feed(&client(ACK, sequence, &byte.to_string()).ack(501));
    }
    looks::taken()
}

#[test]
fn held_bytes_are_not_looked_at_again_for_each_byte_that_comes() {
    for midstream in [false, true] {
        // A line that may yet be a request's; one of nothing; many short ones;
        // and lines that are all ends.
        for text in [&format!("GET /{}", "x".repeat(HELD)), "x", "nothing of that\n", "\n"] {
            let looked = looked(text, midstream);
            assert!(looked <= 10 * HELD, "{looked} bytes, {midstream} {:?}", &text[..1]);
        }
    }
}
