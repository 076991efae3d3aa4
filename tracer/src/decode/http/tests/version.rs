//! Versions that are odd or missing.

use super::{OK, say, text};
use crate::{
    decode::testing::{Step, client, server},
    event::Side,
};

#[test]
fn request_without_version_is_told_of_at_once() {
    let steps = [client("GET /old?x=1\r\n"), server("<html>HTTP/1.1 200 OK\r\n\r\n</html>")];
    let said = say(&steps);
    assert_eq!(said.text, ["client: GET /old?x=1", "client: [anomaly: no-version]"]);
    assert_eq!(said.undecoded, [0, 0]);
    assert_eq!(said.json[0]["http"]["version"], serde_json::Value::Null);
    assert_eq!(said.json[0]["url"]["path"], "/old");
}

#[test]
fn request_without_version_is_answered_with_a_head() {
    let steps = [
        client("CCM_POST /HTTP/1.1\nHost: h\nContent-Length: 2\n\nab"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
        client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\n\r\n"),
    ];
    assert_eq!(
        text(&steps),
        [
            "client: CCM_POST /HTTP/1.1",
            "client: [anomaly: no-version]",
            OK,
            "client: GET / HTTP/1.1",
            OK
        ]
    );
}

#[test]
fn versions_that_nobody_speaks() {
    let steps = [client("GET / HTTP/1.\r\nHost: h\r\n\r\nGET /2 HTTP/01.01\r\n\r\n")];
    let odd = "client: [anomaly: unknown-version: ";
    assert_eq!(
        text(&steps),
        [
            "client: GET / HTTP/1.".to_owned(),
            format!("{odd}1.]"),
            "client: GET /2 HTTP/01.01".to_owned(),
            format!("{odd}01.01]"),
        ]
    );
    for version in ["2.0", "2.1", "1.01", "1.10"] {
        let steps = [
            client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
            server(format!("HTTP/{version} 200 ok\r\nContent-Length: 2\r\n\r\nab")),
        ];
        let said = say(&steps);
        assert_eq!(
            said.text[1..],
            [
                format!("server: HTTP/{version} 200 ok"),
                format!("server: [anomaly: unknown-version: {version}]")
            ]
        );
        assert_eq!(said.json[1]["http"]["version"], version);
    }
}

#[test]
fn versions_in_lower_case() {
    let steps = [
        client("GET / http/1.1\r\nHost: h\r\n\r\n"),
        server("http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
        client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    let get = "client: GET / HTTP/1.1";
    assert_eq!(
        text(&steps),
        [get, "client: [anomaly: unknown-version]", OK, "server: [anomaly: unknown-version]", get]
    );
}

#[test]
fn words_that_are_no_request_line() {
    for line in [
        "BREW HTTP/1.1",
        "OPTIONSHTTP/1.1",
        "GET /x HTTP/!.12",
        "GET /x HTTP/1.10000",
        "SOURCE /mount ICE/1.0",
        "EHLO host",
        "a LOGIN u p",
    ] {
        let said = say(&[client(format!("{line}\r\n\r\n"))]);
        assert_eq!(said.text, ["client: [anomaly: not-http]"], "{line}");
    }
}

#[test]
fn start_lines_cut_by_a_gap() {
    for cut in ["GET /images/box.gif ", "GET /images/box.gif HTT", "GET /images/box.gif HTTP/1.1"] {
        let steps = [client(cut), Step::Gap(Side::Client, Some(466))];
        assert_eq!(text(&steps), ["client: GET /images/box.gif"], "{cut}");
    }
    let steps = [client("GET /images/bo"), Step::Gap(Side::Client, Some(466))];
    assert_eq!(say(&steps).undecoded, [14, 0]);
    let steps = [
        client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        server("HTTP/1.1 404 Not Fo"),
        Step::Gap(Side::Server, Some(9)),
    ];
    assert_eq!(text(&steps), ["client: GET / HTTP/1.1", "server: HTTP/1.1 404"]);
}
