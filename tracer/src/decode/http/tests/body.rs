//! Where bodies end.

use super::{OK, say, text};
use crate::{
    decode::testing::{Step, client, server},
    event::Side,
};

/// The events of a response with this head and body, behind GET, and of one
/// more response behind it.
fn response(first: &str) -> Vec<String> {
    let steps = [
        client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server(format!("{first}HTTP/1.1 299 Next\r\nContent-Length: 0\r\n\r\n")),
    ];
    text(&steps).split_off(2)
}

#[test]
fn statuses_without_body() {
    let first = "HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n";
    let next = "server: HTTP/1.1 299 Next";
    assert_eq!(response(first), ["server: HTTP/1.1 304 Not Modified", next]);
}

#[test]
fn chunks_with_extensions_and_trailers() {
    let said = response(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n\
         5;name=value;q=\"x\"\r\nhello\r\n00A \r\n0123456789\r\n0;last\r\nX-Trailer: a\r\nX-Other: b\r\n\r\n",
    );
    assert_eq!(said, ["server: HTTP/1.1 200 OK  (text/plain)", "server: HTTP/1.1 299 Next"]);
}

#[test]
fn chunked_request() {
    let steps = [client(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Type: a/b\r\n\r\n1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    )];
    assert_eq!(text(&steps), ["client: POST / HTTP/1.1  (a/b)", "client: GET / HTTP/1.1"]);
}

#[test]
fn body_until_close() {
    let steps = [
        client("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        server("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        Step::Close(Side::Server),
    ];
    assert_eq!(text(&steps), ["client: GET / HTTP/1.0", "server: HTTP/1.0 200 OK  (text/html)"]);
}

#[test]
fn last_encoding_of_a_response_is_not_chunked() {
    let steps = [
        client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        server(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 1\r\n\r\nabcHTTP/1.1 ",
        ),
    ];
    assert_eq!(
        text(&steps)[1..],
        [
            OK,
            "server: [anomaly: content-length-with-transfer-encoding]",
            "server: [anomaly: invalid-transfer-encoding: chunked, gzip]",
        ]
    );
}

#[test]
fn kept_alive_in_http_1_0() {
    let steps = [
        client("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        server("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab"),
        client("GET /2 HTTP/1.0\r\n\r\n"),
        server("HTTP/1.0 200 OK\r\n\r\nrest"),
    ];
    let said = text(&steps);
    assert_eq!(said.len(), 4);
    assert_eq!(said[2], "client: GET /2 HTTP/1.0");
}

#[test]
fn content_length_against_transfer_encoding() {
    let steps = [client(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    )];
    assert_eq!(
        text(&steps),
        [
            "client: POST / HTTP/1.1",
            "client: [anomaly: content-length-with-transfer-encoding]",
            "client: GET /smuggled HTTP/1.1",
        ]
    );
}

#[test]
fn transfer_encoding_before_http_1_1() {
    let steps = [client("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")];
    assert_eq!(text(&steps)[1], "client: [anomaly: transfer-encoding-in-old-version]");
}

#[test]
fn two_content_lengths() {
    let same = [client(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3, 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    )];
    let odd = "client: [anomaly: repeated-content-length]";
    assert_eq!(text(&same), ["client: POST / HTTP/1.1", odd, "client: GET / HTTP/1.1"]);
    let differing = [client(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    )];
    assert_eq!(
        text(&differing),
        [
            "client: POST / HTTP/1.1",
            "client: [anomaly: content-length-conflict: 3, 4]",
            "client: GET / HTTP/1.1",
        ]
    );
}

#[test]
fn content_length_that_is_no_number() {
    for value in ["-1", "+3", "0x3", "99999999999999999999999"] {
        let said = say(&[client(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {value}\r\n\r\nabc\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        ))]);
        assert_eq!(
            said.text,
            [
                "client: POST / HTTP/1.1",
                &format!("client: [anomaly: invalid-content-length: {value}]"),
                "client: GET /2 HTTP/1.1",
            ],
            "{value}"
        );
        assert_eq!(said.undecoded, [5, 0]);
    }
}

#[test]
fn invalid_chunk_sizes() {
    for size in ["-1", "0x5", "5 5", "fffffffffffffffff"] {
        let said = say(&[client(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        ))]);
        assert_eq!(
            said.text,
            [
                "client: POST / HTTP/1.1",
                &format!("client: [anomaly: invalid-chunk-size: {size}]"),
                "client: GET /2 HTTP/1.1",
            ],
            "{size}"
        );
        assert_eq!(said.undecoded, [size.len() as u64 + 2, 0]);
    }
}

#[test]
fn chunk_longer_than_its_size() {
    let said = say(&[
        client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        server(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ),
    ]);
    assert_eq!(said.text[1..], [OK, "server: [anomaly: invalid-chunk-end]", OK]);
    assert_eq!(said.undecoded, [0, 8]);
}

#[test]
fn chunk_line_without_end() {
    let steps = [
        client(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;{}",
            "x".repeat(9000)
        )),
        client("\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    let said = crate::decode::testing::run(&super::PROTOCOL, super::Settings::default(), &steps);
    assert_eq!(
        said.text,
        [
            "client: POST / HTTP/1.1",
            "client: [anomaly: chunk-line-too-long]",
            "client: GET /2 HTTP/1.1",
        ]
    );
    assert_eq!(said.undecoded, [9004, 0]);
}
