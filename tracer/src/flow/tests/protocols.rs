//! The real decoders say the same behind the flow table as behind the small
//! driver that their own tests use.

use super::{
    dialogues::{Talk, part},
    *,
};
use crate::decode::{
    PROTOCOLS,
    testing::{self, Step},
};
use Side::{Client, Server};

/// What the decoders say, without what the flow table adds.
fn decoded(protocol: &'static Protocol, segments: &[Sent]) -> Vec<String> {
    let port = protocol.ports[0];
    let mut rig = Rig::new(Settings { ports: vec![(port, protocol)], ..settings() });
    rig.server_port = port;
    let mut said = testing::Said::default();
    for segment in segments {
        rig.feed_to(segment, &mut said);
    }
    rig.table.finish(rig.now, &mut said);
    let tcp = |line: &String| line.starts_with("-: Connection");
    said.text.retain(|line| !tcp(line));
    said.text
}

fn check(name: &str, exchange: &[(Side, &str)]) {
    let protocol = PROTOCOLS.iter().find(|protocol| protocol.label.name == name).expect("known");
    let mut steps: Vec<_> =
        exchange.iter().map(|(side, text)| Step::Bytes(*side, text.as_bytes().to_vec())).collect();
    steps.extend([Step::Close(Client), Step::Close(Server)]);
    let expected = testing::run(protocol, decode::Settings::default(), &steps);
    assert!(expected.text.len() >= exchange.len(), "{:?}", expected.text);

    let talk = exchange
        .iter()
        .fold(Talk::new(u32::MAX - 80, 9), |talk, (side, text)| talk.says(*side, text));
    let segments = talk.closes().segments;
    assert_eq!(decoded(protocol, &segments), expected.text, "whole");
    for (number, segment) in segments.iter().enumerate() {
        for at in 1..segment.payload.len() {
            let end = segment.payload.len();
            let mut cut = segments.clone();
            cut.splice(
                number..=number,
                [part(segment, at, end), part(segment, 0, at).at(2), part(segment, 0, end)],
            );
            assert_eq!(decoded(protocol, &cut), expected.text, "segment {number} cut at {at}");
        }
    }
}

#[test]
fn http_with_bodies() {
    check(
        "http",
        &[
            (Client, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"),
            (Server, "HTTP/1.1 100 Continue\r\n\r\n"),
            (
                Server,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ),
            (Client, "GET /b HTTP/1.1\r\nHost: h\r\n\r\nHEAD /c HTTP/1.1\r\nHost: h\r\n\r\n"),
            (
                Server,
                "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
            ),
            (Client, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n"),
            (Server, "HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        ],
    );
}

#[test]
fn smtp_with_pipelining() {
    check(
        "smtp",
        &[
            (Server, "220 mail.example ESMTP\r\n"),
            (Client, "EHLO me\r\n"),
            (Server, "250-mail.example\r\n250 PIPELINING\r\n"),
            (Client, "MAIL FROM:<a@example>\r\nRCPT TO:<b@example>\r\nDATA\r\n"),
            (Server, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n"),
            (Client, "Subject: hi\r\nFrom: a@example\r\n\r\n..body\r\n.\r\nQUIT\r\n"),
            (Server, "250 2.0.0 Ok: queued as 1234\r\n221 2.0.0 Bye\r\n"),
        ],
    );
}

#[test]
fn imap_with_literals() {
    check(
        "imap",
        &[
            (Server, "* OK ready\r\n"),
            (Client, "a LOGIN {4}\r\n"),
            (Server, "+ go on\r\n"),
            (Client, "user {6+}\r\nsecret\r\n"),
            (Server, "a OK in\r\n"),
            (Client, "b UID FETCH 7 (RFC822.HEADER)\r\n"),
            (Server, "* 7 FETCH (UID 7 RFC822.HEADER {14}\r\nSubject: a\r\n\r\n)\r\nb OK done\r\n"),
            (Client, "c LOGOUT\r\n"),
            (Server, "* BYE\r\nc OK\r\n"),
        ],
    );
}

#[test]
fn flows_of_a_port_that_is_not_traced_any_more_end_and_others_go_on() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.said();
    // Another port comes, in front of the one that is there.
    rig.choose(Settings { ports: vec![(9, &LINES), (PORT, &LINES)], ..settings() });
    rig.feed(&client(ACK, 105, "two\n"));
    assert_eq!(rig.said(), ["client line two"]);
    rig.choose(Settings { ports: vec![(9, &LINES)], ..settings() });
    let told = "flow 8+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed";
    let expected = ["client finish", "flow end deselected", told];
    assert_eq!(rig.said(), expected);
    // What was copied before the kernel side knew.
    rig.feed(&client(ACK, 109, "three\n"));
    assert_eq!(rig.finish(), [""; 0]);
}
