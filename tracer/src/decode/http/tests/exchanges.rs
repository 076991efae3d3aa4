//! Exchanges: the same whether a response comes in one piece or in many, and
//! whether its messages are told of or not.

use super::*;
use crate::{
    decode::testing::{byte_by_byte, run},
    event::Side,
};

/// Dialogues in which responses are here as a whole, when they are not cut,
/// and in which they may have to wait all the same.
fn dialogues() -> Vec<Vec<Step>> {
    let get = |more: &str| client(format!("GET /{more} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let ok = |body: &str| {
        let len = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: {len}\r\n\r\n{body}")
    };
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
    vec![
        vec![get("a"), server(ok("abc")), get("b"), server(ok(""))],
        vec![get("a"), get("b"), get("c"), server([ok("1"), ok("22"), ok("")].concat())],
        vec![get("a"), server("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), get("b")],
        vec![
            client("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"),
            server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            get("b"),
            server(ok("x")),
        ],
        // What is odd is told of before the exchange.
        vec![get("a"), server("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n"), get("b")],
        vec![get("a"), server("HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nab")],
        vec![get("a"), server("HTTP/1.0 200 OK\r\nContent-Length: 2,2\r\n\r\nab")],
        // Before the request has ended, and before there is one.
        vec![client(post), server(ok("no")), client("abcd"), get("b"), server(ok("yes"))],
        vec![server(ok("early")), get("a"), server(ok("b")), get("b")],
        vec![
            client(post),
            server("HTTP/1.1 100 Continue\r\n\r\n"),
            client("abcd"),
            server(["HTTP/1.1 103 Early\r\n\r\n", &ok("x")].concat()),
        ],
        vec![get("a"), server("HTTP/1.1 200 OK\r\n\r\nuntil"), Step::Close(Side::Server)],
        vec![
            get("a"),
            Step::Gap(Side::Server, Some(7)),
            server(ok("x")),
            get("b"),
            server(ok("y")),
        ],
    ]
}

/// What is said, without the times, which depend on how the bytes are cut.
fn said(exchanges_only: bool, steps: &[Step]) -> Vec<serde_json::Value> {
    let settings = Settings { exchanges: true, exchanges_only, ..Settings::default() };
    let mut said = run(&PROTOCOL, settings, steps).json;
    for event in &mut said {
        if let Some(response) = event.pointer_mut("/http/response") {
            response.as_object_mut().unwrap().remove("time_to_first_byte");
        }
    }
    said
}

#[test]
fn they_are_the_same_however_their_messages_come() {
    for steps in dialogues() {
        let mut expected = said(false, &steps);
        assert_eq!(said(false, &byte_by_byte(&steps)), expected, "{steps:?}");
        expected.retain(|event| event["action"] != "http-request");
        expected.retain(|event| event["action"] != "http-response");
        assert_eq!(said(true, &steps), expected, "{steps:?}");
        assert_eq!(said(true, &byte_by_byte(&steps)), expected, "{steps:?}");
        assert!(expected.iter().any(|event| event["action"] == "http-exchange"), "{steps:?}");
    }
}
