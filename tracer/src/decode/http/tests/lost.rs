//! Gaps, foreign bytes, and what is found behind them.

use super::{OK, say};
use crate::{
    decode::testing::{Step, client, server},
    event::Side,
};

#[test]
fn gap_within_a_body_of_known_length() {
    let said = say(&[
        client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabcde"),
        Step::Gap(Side::Server, Some(90)),
        server("vwxyzHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHTTP/1.1 299 Next\r\n\r\n"),
    ]);
    let odd = "server: [anomaly: unasked-response]";
    assert_eq!(said.text[2..], [OK, OK, "server: HTTP/1.1 299 Next", odd]);
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn gap_to_the_end_of_a_body() {
    let said = say(&[
        client("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"),
        Step::Gap(Side::Client, Some(10)),
        client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ]);
    assert_eq!(said.text, ["client: POST /1 HTTP/1.1", "client: GET /2 HTTP/1.1"]);
}

#[test]
fn gap_over_the_end_of_a_body() {
    let said = say(&[
        server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcde"),
        Step::Gap(Side::Server, Some(50)),
        server("ngth: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n"),
    ]);
    assert_eq!(said.text, [OK, OK]);
    assert_eq!(said.undecoded, [0, 14]);
}

#[test]
fn gap_within_the_data_of_a_chunk() {
    let said = say(&[
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123"),
        Step::Gap(Side::Server, Some(8)),
        server("cdef\r\n0\r\n\r\nHTTP/1.1 299 Next\r\n\r\n"),
    ]);
    assert_eq!(said.text, [OK, "server: HTTP/1.1 299 Next"]);
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn gap_over_the_end_of_a_chunk() {
    let said = say(&[
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123"),
        Step::Gap(Side::Server, Some(20)),
        server("abc\r\n0\r\n\r\nHTTP/1.1 299 Next\r\n\r\n"),
    ]);
    assert_eq!(said.text, [OK, "server: HTTP/1.1 299 Next"]);
    assert_eq!(said.undecoded, [0, 10]);
}

#[test]
fn gap_within_a_head_shows_its_whole_lines() {
    let said = say(&[
        client("GET /1 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic c2Vj"),
        Step::Gap(Side::Client, Some(10)),
        client("cmV0\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ]);
    assert_eq!(said.text, ["client: GET /1 HTTP/1.1", "client: GET /2 HTTP/1.1"]);
    assert_eq!(said.json[0]["url"]["domain"], "h");
    assert_eq!(said.undecoded, [25 + 14, 0]);
}

#[test]
fn gap_between_messages() {
    let said = say(&[
        client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        Step::Gap(Side::Client, Some(30)),
        client("a=b&c=dPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"),
    ]);
    assert_eq!(said.text, ["client: GET /1 HTTP/1.1", "client: POST /2 HTTP/1.1"]);
    assert_eq!(said.undecoded, [7, 0]);
}

#[test]
fn start_in_midstream() {
    let said = say(&[
        Step::Gap(Side::Server, None),
        server(
            "of a body, HTTP/1.9999 and HTTP/1.\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        ),
        Step::Gap(Side::Client, None),
        client("Cookie: a=b\r\n\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"),
    ]);
    assert_eq!(said.text, [OK, "client: GET /1 HTTP/1.1", OK]);
    assert_eq!(said.undecoded, [15, 36]);
}

#[test]
fn server_joins_in_midstream_behind_a_request() {
    let said = say(&[
        Step::Gap(Side::Client, None),
        client("HEAD /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        Step::Gap(Side::Server, None),
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 299 Next\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(said.text[3], "server: HTTP/1.1 299 Next");
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn response_to_an_unknown_head_request() {
    let said = say(&[
        Step::Gap(Side::Server, None),
        server("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"),
        server("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc"),
        server("HTTP/1.1 299 Next\r\n\r\n"),
    ]);
    assert_eq!(said.text, [OK, "server: HTTP/1.1 404 Not Found", "server: HTTP/1.1 299 Next"]);
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn response_before_its_request() {
    let said = say(&[
        server("HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nabc"),
        client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ]);
    assert_eq!(said.text, ["server: HTTP/1.1 408 Request Timeout", "client: GET /1 HTTP/1.1"]);
}

#[test]
fn foreign_bytes_are_named_once() {
    let said = say(&[
        client("\x16\x03\x01\x02\0\x01\0\n\nmore\nstill more"),
        client("\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("SSH-2.0-OpenSSH\r\nHTTP/2 200\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ]);
    assert_eq!(
        said.text,
        [
            "client: [anomaly: not-http]",
            "client: GET /1 HTTP/1.1",
            "server: [anomaly: not-http]",
            OK,
        ]
    );
    assert_eq!(said.undecoded, [25, 29]);
}

#[test]
fn gap_behind_an_upgrade_that_is_accepted() {
    let said = say(&[
        client("GET /1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"),
        Step::Gap(Side::Client, Some(3)),
        client("abc"),
        server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        Step::Gap(Side::Server, Some(3)),
        server("abc"),
    ]);
    assert_eq!(said.text[2], "server: [goes on as websocket]");
    assert_eq!(said.undecoded, [0, 0]);
}
