//! Secrets: a canary in every place where one can stand never comes out.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;
use crate::event::Side;

/// Part of every planted secret, plain.
const PLAIN: &str = "CANARYcanaryCANARY";

fn encoded(secret: &str) -> String {
    BASE64_STANDARD.encode(secret)
}

/// Runs the dialogue in every way and looks for the canary in any form.
fn hidden(steps: &[Step]) -> Said {
    let said = said(steps);
    let all = format!("{:?} {:?}", said.text, said.json);
    // Base64 has three forms of the same bytes, by where they stand.
    for at in 0..3 {
        let shifted = encoded(PLAIN.get(at..at + 12).expect("long enough"));
        assert!(!all.contains(&shifted), "{all}");
    }
    assert!(!all.contains("CANARY") && !all.contains("canary"), "{all}");
    let pieces = run(&PROTOCOL, Settings { pieces: true, ..Settings::default() }, steps);
    assert!(!format!("{pieces:?}").contains(&encoded(PLAIN)));
    said
}

#[test]
fn plain_with_an_initial_response() {
    let secret = encoded(&format!("\0user\0{PLAIN}"));
    let said = hidden(&greeted([
        client(format!("auth plain {secret}\r\n")),
        server("535 5.7.8 no\r\n"),
        client("QUIT\r\n"),
    ]));
    assert_eq!(
        said.text[3..],
        ["client: C: auth plain [redacted]", "server: S: 535 5.7.8 no", "client: C: QUIT",]
    );
    assert_eq!(
        said.json[3],
        json!({
            "action": "smtp-command",
            "smtp": {
                "command": {"verb": "AUTH", "argument": "plain [redacted]"},
                "auth": {"mechanism": "PLAIN", "user": "user"},
            },
        })
    );
}

#[test]
fn plain_with_a_continuation() {
    let said = hidden(&greeted([
        client("AUTH PLAIN\r\n"),
        server("334 \r\n"),
        client(encoded(&format!("zid\0user\0{PLAIN}")) + "\r\n"),
        server("235 ok\r\n"),
        client("QUIT\r\n"),
    ]));
    assert_eq!(
        said.text[3..],
        [
            "client: C: AUTH PLAIN",
            "server: S: 334",
            "client: C: [redacted]",
            "server: S: 235 ok",
            "client: C: QUIT",
        ]
    );
    assert_eq!(
        said.json[5],
        json!({
            "action": "smtp-command",
            "smtp": {
                "command": {"argument": "[redacted]"},
                "auth": {"mechanism": "PLAIN", "user": "user"},
            },
        })
    );
}

#[test]
fn login() {
    let said = hidden(&greeted([
        client("AUTH LOGIN\r\n"),
        server("334 VXNlcm5hbWU6\r\n"),
        client(encoded("user") + "\r\n"),
        server("334 UGFzc3dvcmQ6\r\n"),
        client(encoded(PLAIN) + "\r\n"),
        server("535 no\r\n"),
    ]));
    assert_eq!(
        said.text[3..],
        [
            "client: C: AUTH LOGIN",
            "server: S: 334 VXNlcm5hbWU6",
            "client: C: [redacted]",
            "server: S: 334 UGFzc3dvcmQ6",
            "client: C: [redacted]",
            "server: S: 535 no",
        ]
    );
    assert_eq!(said.json[7]["smtp"]["auth"], json!({"mechanism": "LOGIN", "user": "user"}));
}

#[test]
fn login_with_the_user_in_the_command() {
    let said = hidden(&greeted([
        client(format!("AUTH LOGIN {}\r\n", encoded("user"))),
        server("334 UGFzc3dvcmQ6\r\n"),
        client(encoded(PLAIN) + "\r\n"),
        server("235 ok\r\n"),
    ]));
    assert_eq!(said.json[5]["smtp"]["auth"]["user"], "user");
}

#[test]
fn login_that_asks_for_the_password_first() {
    let said = hidden(&greeted([
        client("AUTH LOGIN\r\n"),
        server("334 UGFzc3dvcmQ6\r\n"),
        client(encoded(PLAIN) + "\r\n"),
        server("235 ok\r\n"),
    ]));
    assert_eq!(said.json[5]["smtp"]["auth"], json!({"mechanism": "LOGIN"}));
}

#[test]
fn cram_md5() {
    let digest = "0123456789abcdef0123456789abcdef";
    let response = encoded(&format!("user {digest}"));
    let said = hidden(&greeted([
        client("AUTH CRAM-MD5\r\n"),
        server("334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+\r\n"),
        client(format!("{response}\r\n")),
        server("235 ok\r\n"),
    ]));
    let all = format!("{said:?}");
    assert!(!all.contains(digest) && !all.contains(&response));
    assert_eq!(said.json[5]["smtp"]["auth"], json!({"mechanism": "CRAM-MD5", "user": "user"}));
}

#[test]
fn xoauth2_with_an_error_challenge() {
    let token = encoded(&format!("user=me@x\x01auth=Bearer {PLAIN}\x01\x01"));
    let said = hidden(&greeted([
        client(format!("AUTH XOAUTH2 {token}\r\n")),
        server("334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"),
        client("\r\n"),
        server("535 5.7.8 no\r\n"),
    ]));
    assert_eq!(
        said.text[3..],
        [
            "client: C: AUTH XOAUTH2 [redacted]",
            "server: S: 334 eyJzdGF0dXMiOiI0MDEifQ==",
            "client: C: [redacted]",
            "server: S: 535 5.7.8 no",
        ]
    );
    assert_eq!(said.json[3]["smtp"]["auth"]["user"], "me@x");
}

#[test]
fn shown_when_the_operator_asks() {
    let response = encoded(PLAIN);
    let steps = greeted([
        client("AUTH LOGIN\r\n"),
        server("334 VXNlcm5hbWU6\r\n"),
        client(format!("{response}\r\n")),
        server(format!("500 what is {response}?\r\n")),
    ]);
    let said = run_cut(&PROTOCOL, Settings { show_secrets: true, ..Settings::default() }, &steps);
    assert_eq!(said.text[5], format!("client: C: {response}"));
    assert_eq!(said.text[6], format!("server: S: 500 what is {response}?"));
}

#[test]
fn a_mechanism_that_is_none() {
    for line in [
        format!("AUTH {}", encoded(PLAIN)),
        format!("AUTH=PLAIN {}", encoded(PLAIN)),
        format!("AUTH={}", encoded(PLAIN)),
        format!("AUTHPLAIN {}", encoded(PLAIN)),
        format!("  AUTH \t PLAIN \t {}", encoded(PLAIN)),
        format!("PASS {PLAIN}"),
        format!("a1 LOGIN user {PLAIN}"),
        format!("Authorization: Basic {}", encoded(PLAIN)),
    ] {
        hidden(&greeted([client(line.clone() + "\r\n"), server("500 what?\r\n")]));
        hidden(&greeted([client(line), Step::Close(Side::Client)]));
    }
}

#[test]
fn a_server_that_quotes_the_secret() {
    let secret = encoded(&format!("\0user\0{PLAIN}"));
    let said = hidden(&greeted([
        client(format!("AUTH PLAIN {secret}\r\n")),
        server(format!("502-unknown command {secret}\r\n502 cut: {}\r\n", &secret[..20])),
    ]));
    assert_eq!(said.text[4], "server: S: 502 unknown command [redacted] | 502 cut: [redacted]");
}

#[test]
fn a_client_that_sends_responses_to_a_refusal() {
    let user = encoded("user");
    let secret = encoded(PLAIN);
    let said = hidden(&greeted([
        client(format!("AUTH LOGIN\r\n{user}\r\n{secret}\r\nQUIT\r\n")),
        server(format!("504 no\r\n500 what is {user}?\r\n500 what is {secret}?\r\n221 bye\r\n")),
    ]));
    assert_eq!(
        said.text[3..],
        [
            "client: C: AUTH LOGIN",
            "client: [anomaly: unexpected-pipelining: behind AUTH]",
            "server: S: 504 [redacted]",
            "client: [anomaly: not-a-command]",
            "client: C: [redacted]",
            "client: C: [redacted]",
            "client: C: QUIT",
            "server: S: 500 what is [redacted]?",
            "server: S: 500 what is [redacted]?",
            "server: S: 221 bye",
        ]
    );
}

#[test]
fn a_start_within_auth() {
    let secret = encoded(PLAIN);
    for first in [encoded("user"), secret.clone()] {
        let said = hidden(&[
            Step::Gap(Side::Client, None),
            client(format!("{first}\r\n")),
            Step::Gap(Side::Server, None),
            server("334 UGFzc3dvcmQ6\r\n"),
            client(format!("{secret}\r\n")),
            server(format!("535 no {secret}\r\n")),
            client("QUIT\r\n"),
            server("221 bye\r\n"),
        ]);
        assert_eq!(
            said.text,
            [
                "server: S: 334 UGFzc3dvcmQ6",
                "client: C: [redacted]",
                "server: S: 535 no [redacted]",
                "client: C: QUIT",
                "server: S: 221 bye",
            ]
        );
        assert_eq!(said.undecoded, [first.len() as u64 + 2, 0]);
    }
}

#[test]
fn a_gap_that_hides_the_auth_command() {
    let secret = encoded(PLAIN);
    hidden(&greeted([
        Step::Gap(Side::Client, Some(12)),
        client(format!("{secret}\r\n")),
        server(format!("500 {secret}\r\n")),
        client("QUIT\r\n"),
    ]));
    hidden(&greeted([
        client("AUTH PL"),
        Step::Gap(Side::Client, Some(4)),
        client(format!("{secret}\r\n")),
        server("535 no\r\n"),
    ]));
    hidden(&greeted([
        client(format!("AUTH PLAIN {}", &secret[..9])),
        Step::Gap(Side::Client, Some(3)),
        client(format!("{}\r\n", &secret[12..])),
        server("535 no\r\n"),
    ]));
}

#[test]
fn a_gap_that_hides_the_challenge() {
    let secret = encoded(PLAIN);
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let said = hidden(&greeted([
            client(format!("AUTH {mechanism}\r\n")),
            Step::Gap(Side::Server, Some(18)),
            client(format!("{secret}\r\n")),
            server("235 ok\r\n"),
            client("MAIL FROM:<a@b>\r\n"),
            server("250 ok\r\n"),
        ]));
        assert_eq!(
            said.text[4..],
            [
                "client: C: [redacted]",
                "server: S: 235 ok",
                "client: C: MAIL FROM:<a@b>",
                "server: S: 250 ok",
            ]
        );
    }
}

#[test]
fn a_server_that_was_never_seen() {
    let secret = encoded(PLAIN);
    let said = hidden(&[
        client("EHLO me\r\n"),
        client("AUTH LOGIN\r\n"),
        client(format!("{secret}\r\n{secret}\r\n")),
        client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
        client("Subject: x\r\n\r\n.\r\nQUIT\r\n"),
    ]);
    assert_eq!(
        said.text,
        [
            "client: C: EHLO me",
            "client: C: AUTH LOGIN",
            "client: C: [redacted]",
            "client: C: [redacted]",
            "client: C: MAIL FROM:<a@b>",
            "client: C: RCPT TO:<c@d>",
            "client: C: DATA",
            "client: C: QUIT",
            "client: subject: x",
        ]
    );
}

#[test]
fn a_response_longer_than_a_line_may_be() {
    let secret = encoded(&PLAIN.repeat(1000));
    let steps = greeted([
        client("AUTH PLAIN\r\n"),
        server("334 \r\n"),
        client(format!("{secret}\r\n{}\r\nQUIT\r\n", encoded(PLAIN))),
        server("500 too long\r\n500 what?\r\n221 bye\r\n"),
    ]);
    let said = run(&PROTOCOL, Settings::default(), &steps);
    let all = format!("{said:?}");
    assert!(!all.contains(&encoded(PLAIN)) && !all.contains(&secret[300..320]), "{all}");
    assert!(said.text.contains(&"client: [anomaly: command-too-long]".to_owned()));
    assert!(said.text.contains(&"client: C: QUIT".to_owned()));
}

#[test]
fn a_response_that_is_taken_back() {
    assert_eq!(
        rows_greeted([
            client("AUTH LOGIN\r\n"),
            server("334 VXNlcm5hbWU6\r\n"),
            client("*\r\n"),
            server("501 ok\r\n"),
            client("VRFY root\r\n"),
        ])[2..],
        ["client: C: *", "server: S: 501 ok", "client: C: VRFY root",]
    );
}

#[test]
fn words_that_nobody_knows() {
    for line in [format!("XAUTH PLAIN {}", encoded(PLAIN)), format!("LOGIN user {PLAIN}")] {
        let said = hidden(&greeted([
            client(format!("{line}\r\n")),
            server(format!("502 5.5.2 Error: command not recognized: {line}\r\n")),
        ]));
        assert!(said.text[3].ends_with(" [redacted]"), "{}", said.text[3]);
        let word = line.rsplit(' ').next().expect("a word");
        hidden(&greeted([
            client(format!("{line}\r\n")),
            server(format!("501 no such word: {word}\r\n")),
        ]));
    }
}

#[test]
fn the_server_quotes_what_was_encoded() {
    let said = hidden(&greeted([
        client(format!("AUTH PLAIN {}\r\n", encoded(&format!("\0user\0{PLAIN}")))),
        server(format!("535 5.7.8 bad password {PLAIN} of user\r\n")),
    ]));
    assert_eq!(said.text[4], "server: S: 535 5.7.8 bad password [redacted] of user");
}

#[test]
fn the_server_refuses_a_line_that_was_lost() {
    let quote = format!("502-5.5.2 unknown: {PLAIN}\r\n502 {}\r\n", encoded(PLAIN));
    for steps in [
        vec![Step::Gap(Side::Server, None), server(&quote)],
        greeted([Step::Gap(Side::Client, Some(40)), server(&quote)]),
        greeted([
            client("NOOP\r\n"),
            Step::Gap(Side::Client, Some(40)),
            server("250 ok\r\n"),
            server(&quote),
        ]),
    ] {
        let said = hidden(&steps);
        let last = said.text.last().expect("a reply");
        assert_eq!(last, "server: S: 502 5.5.2 [redacted] | 502 [redacted]");
    }
}

#[test]
fn a_refusal_does_not_quote_a_response_that_comes_late() {
    let secret = encoded(PLAIN);
    let quote = server(format!("535 5.7.8 no such secret: {secret}\r\n"));
    // The response was sent, and is not here yet.
    let late = hidden(&greeted([
        client("AUTH LOGIN\r\n"),
        server("334 \r\n"),
        quote.clone(),
        client(format!("{secret}\r\n")),
    ]));
    let shown = "server: S: 535 5.7.8 no such secret: [redacted]";
    assert_eq!(late.text.last().map(String::as_str), Some(shown));
    // It waits for an answer that came before the command.
    let early = hidden(&greeted([
        server("334 \r\n"),
        client("AUTH LOGIN\r\n"),
        client(format!("{secret}\r\n")),
        quote,
    ]));
    assert!(early.text.contains(&"server: S: 535 5.7.8 [redacted]".to_owned()), "{early:?}");
}

#[test]
fn a_refusal_that_is_cut_short_quotes_nothing() {
    let secret = encoded(PLAIN);
    let quote = format!("535 5.7.8 no: {secret}");
    for cut in 15..quote.len() {
        let steps = greeted([
            client(format!("AUTH PLAIN {secret}\r\n")),
            server(&quote[..cut]),
            Step::Gap(Side::Server, Some(100)),
        ]);
        let said = run(&PROTOCOL, Settings::default(), &steps);
        assert_eq!(said.text[4], "server: S: 535 5.7.8 [redacted]", "{cut}");
    }
}
