//! Connections that become something else.

use super::{OK, text};
use crate::decode::testing::{client, server};

#[test]
fn tunnel_behind_connect() {
    let steps = [
        client(
            "CONNECT example.org:443 HTTP/1.1\r\nHost: h\r\n\r\n\x16\x03\x01GET /not HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        server(
            "HTTP/1.1 200 Connection established\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ),
        client("more"),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: CONNECT example.org:443 HTTP/1.1",
            "server: HTTP/1.1 200 Connection established",
            "server: [anomaly: unexpected-framing]",
            "server: [goes on as tunnel]",
        ]
    );
}

#[test]
fn refused_connect_goes_on_as_http() {
    let steps = [
        client(
            "CONNECT example.org:443 HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        server("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: CONNECT example.org:443 HTTP/1.1",
            "server: HTTP/1.1 407 Proxy Authentication Required",
            "client: GET /next HTTP/1.1",
            OK,
        ]
    );
}

#[test]
fn upgrade_to_a_web_socket() {
    let steps = [
        client(
            "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
        ),
        server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x01\x05hello"),
        client("\x02\x03abc"),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: GET /chat HTTP/1.1",
            "server: HTTP/1.1 101 Switching Protocols",
            "server: [goes on as websocket]",
        ]
    );
}

#[test]
fn upgrade_to_http_2_behind_a_body() {
    let steps = [
        client(
            "POST / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabcPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
        server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n\0\0\0"),
    ];
    assert_eq!(text(&steps)[2], "server: [goes on as h2c]");
}

#[test]
fn ignored_upgrade_goes_on_as_http() {
    let steps = [
        client("GET /1 HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"),
        client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"),
    ];
    assert_eq!(text(&steps), ["client: GET /1 HTTP/1.1", OK, "client: GET /2 HTTP/1.1", OK]);
}

#[test]
fn unanswered_upgrade() {
    let steps = [client(
        "GET /1 HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
    )];
    assert_eq!(text(&steps), ["client: GET /1 HTTP/1.1", "client: GET /2 HTTP/1.1"]);
}

#[test]
fn http_2_with_prior_knowledge() {
    let steps =
        [client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04"), server("\0\0\0\x04\0\0\0\0\0")];
    assert_eq!(text(&steps), ["client: [goes on as h2c]"]);
}
