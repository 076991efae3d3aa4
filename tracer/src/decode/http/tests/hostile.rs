//! Too much of anything, and bytes that mean nothing.

use super::{PROTOCOL, Settings};
use crate::{
    decode::{
        End, Input, Out, Want,
        testing::{Said, client, connection, run, run_cut, server},
    },
    event::{Side, Timestamp},
    random::Random,
};

/// Offers the bytes in order; those offered with an end are dropped where they
/// are left. Returns what was said and the bytes left.
fn offer(pieces: &[(Side, &[u8], Option<End>)]) -> (Said, usize) {
    let connection = connection(&PROTOCOL);
    let mut decoder = (PROTOCOL.decoder)();
    let mut said = Said::default();
    let mut left = 0;
    for (side, bytes, end) in pieces {
        let mut out = Out::new(&connection, Settings::default(), &mut said);
        let time = Timestamp(1);
        let input = Input { side: *side, bytes, started: time, time, end: *end };
        let progress = decoder.data(&input, &mut out);
        left += bytes.len() - progress.consumed;
        if let Want::Skip(_) = progress.want {
            assert_eq!(left, 0, "skips before all was taken");
        }
    }
    (said, left)
}

#[test]
fn head_longer_than_a_stream_keeps_the_step() {
    let head = format!("POST /1 HTTP/1.1\r\nHost: h\r\nX-Long: {}", "x".repeat(5000));
    let (said, left) = offer(&[
        (Side::Client, head.as_bytes(), Some(End::Limit)),
        (
            Side::Client,
            b"yyy\r\nX: y\r\ncontent-length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
            None,
        ),
    ]);
    assert_eq!(
        said.text,
        ["client: POST /1 HTTP/1.1", "client: [anomaly: head-too-long]", "client: GET /2 HTTP/1.1",]
    );
    assert_eq!(said.json[0]["url"]["domain"], "h");
    assert_eq!(left, 0);
}

#[test]
fn status_line_longer_than_a_stream_is_given_up() {
    let line = format!("HTTP/1.1 200 {}", "x".repeat(5000));
    let (said, left) = offer(&[
        (Side::Server, line.as_bytes(), Some(End::Limit)),
        (Side::Server, b"xxx\r\n\r\nHTTP/1.1 299 Next\r\n\r\n", None),
    ]);
    assert_eq!(said.text, ["server: HTTP/1.1 299 Next"]);
    assert_eq!(left, 0);
}

#[test]
fn limit_in_the_middle_of_the_last_line_end() {
    for cut in 0..=4 {
        let head = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
        let at = head.len() - 1 - cut;
        let (said, left) = offer(&[
            (Side::Client, &head.as_bytes()[..at], Some(End::Limit)),
            (
                Side::Client,
                format!("{}GET /2 HTTP/1.1\r\nHost: h\r\n\r\n", &head[at..]).as_bytes(),
                None,
            ),
        ]);
        assert_eq!(said.text.last().unwrap(), "client: GET /2 HTTP/1.1", "{cut}");
        assert_eq!(left, 0);
    }
}

#[test]
fn request_line_longer_than_a_stream_keeps_the_step() {
    let line = format!("HEAD /?password={}", "x".repeat(5000));
    let (said, left) = offer(&[
        (Side::Client, line.as_bytes(), Some(End::Limit)),
        (Side::Client, b"xxx HTTP/1.1\r\nHost: h\r\n\r\n", None),
        (Side::Server, b"HTTP/1.1 414 URI Too Long\r\nContent-Length: 9\r\n\r\n", None),
        (Side::Server, b"HTTP/1.1 299 Next\r\n\r\n", None),
    ]);
    assert_eq!(
        said.text,
        [
            "client: [anomaly: head-too-long]",
            "server: HTTP/1.1 414 URI Too Long",
            "server: HTTP/1.1 299 Next",
        ]
    );
    assert_eq!(left, 0);
}

#[test]
fn more_fields_than_are_told_of() {
    let fields: String =
        (0..200).fold(String::new(), |fields, number| fields + &format!("X-{number}: y\r\n"));
    let steps = [client(format!(
        "POST / HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
    ))];
    let said = run(&PROTOCOL, Settings::default(), &steps);
    assert_eq!(
        said.text,
        [
            "client: POST / HTTP/1.1",
            "client: [anomaly: too-many-headers]",
            "client: GET /2 HTTP/1.1",
        ]
    );
    assert_eq!(said.json[0]["http"]["request"]["header"].as_object().unwrap().len(), 128);
}

#[test]
fn more_requests_than_are_remembered() {
    let connection = connection(&PROTOCOL);
    let mut decoder = (PROTOCOL.decoder)();
    let mut said = Said::default();
    let bytes = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(10_000);
    let mut out = Out::new(&connection, Settings::default(), &mut said);
    let time = Timestamp(1);
    let input =
        Input { side: Side::Client, bytes: bytes.as_bytes(), started: time, time, end: None };
    assert_eq!(decoder.data(&input, &mut out).consumed, bytes.len());
    assert!(decoder.held() <= 8192, "{}", decoder.held());
    assert_eq!(said.text.iter().filter(|line| line.contains("pipeline-too-long")).count(), 2);
}

const PIECES: [&str; 25] = [
    "HTTP/1.1 200\rX\r\n",
    "HTTP/1.1 200\n",
    "PRI * HTTP/2.0\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\n",
    "HEAD /x?password=1 HTTP/1.0\r\n",
    "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 101 S\r\n",
    "HTTP/1.1 304 N\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: x\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Upgrade: websocket\r\n",
    "Host: u:p@h\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "hello",
    "\0\u{e9}",
    " ",
    ":",
];

#[test]
fn random_dialogues_say_the_same_however_cut() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..150 {
        let steps: Vec<_> = (0..=random.below(4))
            .map(|_| {
                let text: String =
                    (0..=random.below(8)).map(|_| PIECES[random.below(PIECES.len())]).collect();
                if random.below(2) == 0 { client(text) } else { server(text) }
            })
            .collect();
        run_cut(&PROTOCOL, Settings::default(), &steps);
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..random.below(2000)).map(|_| random.byte()).collect();
        let said = run(&PROTOCOL, Settings::default(), &[client(&bytes), server(&bytes)]);
        assert!(said.text.len() <= 2, "{:?}", said.text);
    }
}
