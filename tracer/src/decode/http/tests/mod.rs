//! Dialogues, each whole and cut in every way.

mod body;
mod exchanges;
mod hostile;
mod lost;
mod opaque;
mod redaction;
mod version;

use serde_json::json;

use super::PROTOCOL;
use crate::decode::{
    Settings,
    testing::{Said, Step, client, run_cut, server},
};

/// What a dialogue says, however it is cut.
fn say(steps: &[Step]) -> Said {
    run_cut(&PROTOCOL, Settings::default(), steps)
}

/// The text of what a dialogue says; every byte was decoded.
fn text(steps: &[Step]) -> Vec<String> {
    let said = say(steps);
    assert_eq!(said.undecoded, [0, 0], "{:?}", said.text);
    said.text
}

const OK: &str = "server: HTTP/1.1 200 OK";

#[test]
fn annex_request_and_response() {
    let steps = [
        client(
            "POST /roundcube/?_task=mail&_action=refresh HTTP/1.1\r\nHost: 192.168.1.25\r\n\
             Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\
             Content-Length: 9\r\n\r\n_remote=1",
        ),
        server(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: 2\r\n\r\n{}",
        ),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: POST /roundcube/?_task=mail&_action=refresh HTTP/1.1  (application/x-www-form-urlencoded)",
            "server: HTTP/1.1 200 OK  (text/plain)",
        ]
    );
}

#[test]
fn fields_of_a_request() {
    let said = say(&[client(
        "POST /a/b?x=1&y=2#top HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: curl/8\r\n\
         Referer: http://example.org/\r\nX-Twice: one\r\nContent-Type: Text/HTML; charset=utf-8\r\n\
         x-twice: two\r\nContent-Length: 3\r\nX-Latin: \u{e9}\r\n\r\nabc"
            .chars()
            .map(|character| u8::try_from(character).unwrap())
            .collect::<Vec<u8>>(),
    )]);
    assert_eq!(
        said.json,
        [json!({
            "action": "http-request",
            "http": {
                "version": "1.1",
                "request": {
                    "method": "POST",
                    "mime_type": "text/html",
                    "referrer": "http://example.org/",
                    "body": {"bytes": 3},
                    "header": {
                        "host": ["example.org:8080"],
                        "user-agent": ["curl/8"],
                        "referer": ["http://example.org/"],
                        "x-twice": ["one", "two"],
                        "content-type": ["Text/HTML; charset=utf-8"],
                        "content-length": ["3"],
                        "x-latin": [{"base64": "6Q=="}],
                    },
                },
            },
            "url": {
                "original": "/a/b?x=1&y=2#top",
                "domain": "example.org",
                "port": 8080,
                "path": "/a/b",
                "query": "x=1&y=2",
            },
            "user_agent": {"original": "curl/8"},
        })]
    );
}

#[test]
fn fields_of_a_response() {
    let said = say(&[
        client("GET / HTTP/1.0\r\n\r\n"),
        server(
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nlost",
        ),
    ]);
    assert_eq!(
        said.json,
        [
            json!({
                "action": "http-request",
                "http": {"version": "1.0", "request": {"method": "GET"}},
                "url": {"original": "/", "path": "/"},
            }),
            json!({
                "action": "http-response",
                "http": {
                    "version": "1.1",
                    "response": {
                        "status_code": 404,
                        "reason": "Not Found",
                        "mime_type": "text/html",
                        "body": {"bytes": 4},
                        "header": {"content-type": ["text/html"], "content-length": ["4"]},
                    },
                },
            }),
        ]
    );
}

#[test]
fn targets_in_each_form() {
    let urls = |target: &str| {
        let steps = [client(format!("{target} HTTP/1.1\r\nHost: h:1\r\n\r\n"))];
        say(&steps).json[0]["url"].clone()
    };
    assert_eq!(
        urls("GET http://user@[::1]:81/p?q"),
        json!({
            "original": "http://[redacted]@[::1]:81/p?q", "domain": "[::1]", "port": 81,
            "path": "/p", "query": "q",
        })
    );
    assert_eq!(
        urls("GET http://example.org"),
        json!({"original": "http://example.org", "domain": "example.org"})
    );
    assert_eq!(
        urls("CONNECT example.org:443"),
        json!({"original": "example.org:443", "domain": "example.org", "port": 443})
    );
    assert_eq!(urls("OPTIONS *"), json!({"original": "*", "domain": "h", "port": 1, "path": "*"}));
    assert_eq!(
        urls("GET /a b"),
        json!({"original": "/a b", "domain": "h", "port": 1, "path": "/a b"})
    );
}

#[test]
fn persistent_connection() {
    let steps = [
        client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"),
        client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"),
    ];
    assert_eq!(text(&steps), ["client: GET /1 HTTP/1.1", OK, "client: GET /2 HTTP/1.1", OK]);
}

#[test]
fn pipelined_requests_pair_in_order() {
    let steps = [
        client(
            "HEAD /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nPOST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabHEAD /4 HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        server(
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
             HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: HEAD /1 HTTP/1.1",
            "client: GET /2 HTTP/1.1",
            "client: POST /3 HTTP/1.1",
            "client: HEAD /4 HTTP/1.1",
            OK,
            OK,
            "server: HTTP/1.1 201 Created",
            OK,
        ]
    );
}

#[test]
fn interim_responses_before_the_final_one() {
    let steps = [
        client(
            "HEAD / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
    ];
    assert_eq!(
        text(&steps)[2..],
        ["server: HTTP/1.1 100 Continue", "server: HTTP/1.1 103 Early Hints", OK, OK]
    );
}

#[test]
fn response_while_the_request_is_still_going() {
    let steps = [
        client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nabcd"),
        server("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"),
        client("efghGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: POST / HTTP/1.1",
            "server: HTTP/1.1 413 Content Too Large",
            "client: GET / HTTP/1.1",
            "server: HTTP/1.1 200",
        ]
    );
}

#[test]
fn empty_lines_before_a_request() {
    let steps =
        [client("\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")];
    assert_eq!(text(&steps), ["client: GET / HTTP/1.1", "client: GET / HTTP/1.1"]);
}

#[test]
fn folded_field() {
    let said =
        say(&[client("GET / HTTP/1.1\r\nX-Long: one\r\n two\r\n\tthree\r\nHost: h\r\n\r\n")]);
    assert_eq!(said.text, ["client: GET / HTTP/1.1", "client: [anomaly: obs-fold: X-Long]"]);
    assert_eq!(said.json[0]["http"]["request"]["header"]["x-long"], json!(["one two three"]));
    assert_eq!(said.json[0]["url"]["domain"], "h");
}

#[test]
fn bare_cr_at_either_end_of_a_value() {
    for value in ["\rchunked", "\r chunked", "chunked\r", "chunked\r "] {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n");
        let steps =
            [client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), server(head + "1\r\nx\r\n0\r\n\r\n")];
        let odd = "server: [anomaly: bare-cr: Transfer-Encoding]";
        assert_eq!(text(&steps), ["client: GET / HTTP/1.1", OK, odd], "{value:?}");
    }
}

#[test]
fn odd_heads_are_told_of_and_read() {
    let said = say(&[client(
        "GET / HTTP/1.1\nHost : h\r\nno colon here\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
    )]);
    assert_eq!(
        said.text,
        [
            "client: GET / HTTP/1.1",
            "client: [anomaly: invalid-header]",
            "client: [anomaly: space-before-colon: Host]",
            "client: [anomaly: bare-lf]",
            "client: GET /2 HTTP/1.1",
        ]
    );
    assert_eq!(said.json[0]["url"]["domain"], "h");
}
