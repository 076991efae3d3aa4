//! Dialogues, each fed whole, byte by byte, and cut in two at each position.

use serde_json::json;

use super::{
    super::{
        Protocol, Settings,
        testing::{Said, Step, client, run, run_cut, server},
    },
    PROTOCOL,
};
use crate::event::Side;

mod framing;
mod secrets;

const OPEN: Settings = Settings {
    show_secrets: true,
    pieces: false,
    exchanges: false,
    exchanges_only: false,
    body: 0,
    brief: false,
    headless: false,
    envelope: false,
};
const CLOSED: Settings = Settings { show_secrets: false, ..OPEN };

/// Runs a dialogue, behind a greeting if it has none.
fn greeted(
    run: fn(&'static Protocol, Settings, &[Step]) -> Said,
    settings: Settings,
    steps: &[Step],
) -> Said {
    match steps.first() {
        Some(Step::Gap(_, None)) => return run(&PROTOCOL, settings, steps),
        Some(Step::Bytes(Side::Server, bytes)) if bytes.starts_with(b"* ") => {
            return run(&PROTOCOL, settings, steps);
        }
        _ => {}
    }
    let mut said = run(&PROTOCOL, settings, &[&[server("* OK ready\r\n")], steps].concat());
    said.text.remove(0);
    said.json.remove(0);
    said
}

/// Runs a dialogue cut everywhere, with secrets redacted, and compares rows.
#[track_caller]
fn says(steps: &[Step], rows: &[&str]) -> Said {
    let said = greeted(run_cut, CLOSED, steps);
    assert_eq!(said.text, rows);
    said
}

const CAPABILITIES: &str = "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR LOGIN-REFERRALS ID ENABLE IDLE";

fn annex() -> Vec<Step> {
    vec![
        client("A00001 LOGIN utilisateur 1234\r\n"),
        server(format!("A00001 OK [{CAPABILITIES}] Logged in\r\n")),
        client("A00002 NAMESPACE\r\n"),
        server("* NAMESPACE ((\"\" \".\")) NIL NIL\r\nA00002 OK Namespace completed.\r\n"),
        client("A00006 STATUS INBOX (MESSAGES UNSEEN)\r\n"),
        server("* STATUS INBOX (MESSAGES 7 UNSEEN 6)\r\nA00006 OK Status completed.\r\n"),
        client("A00009 UID FETCH 7 (RFC822.SIZE RFC822.HEADER FLAGS)\r\n"),
        server(format!(
            "* 7 FETCH (UID 7 RFC822.SIZE 685 FLAGS (\\Recent) RFC822.HEADER {{40}}\r\n\
             {:38}\r\n)\r\nA00009 OK Fetch completed.\r\n",
            "Subject: {5}"
        )),
    ]
}

#[test]
fn the_annex_reads_word_for_word() {
    let said = greeted(run_cut, OPEN, &annex());
    assert_eq!(
        said.text,
        [
            "client: Request: A00001 LOGIN utilisateur 1234",
            &format!("server: Response: A00001 OK [{CAPABILITIES}] Logged in"),
            "client: Request: A00002 NAMESPACE",
            "server: Response: * NAMESPACE ((\"\" \".\")) NIL NIL",
            "server: Response: A00002 OK Namespace completed.",
            "client: Request: A00006 STATUS INBOX (MESSAGES UNSEEN)",
            "server: Response: * STATUS INBOX (MESSAGES 7 UNSEEN 6)",
            "server: Response: A00006 OK Status completed.",
            "client: Request: A00009 UID FETCH 7 (RFC822.SIZE RFC822.HEADER FLAGS)",
            "server: Response: * 7 FETCH (UID 7 RFC822.SIZE 685 FLAGS (\\Recent) \
             RFC822.HEADER {40}",
            "server: Response: A00009 OK Fetch completed.",
        ]
    );
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn the_annex_has_its_fields() {
    let said = greeted(run_cut, CLOSED, &annex());
    assert_eq!(said.text[0], "client: Request: A00001 LOGIN utilisateur [redacted]");
    let expected = [
        (
            0,
            json!({"action": "imap-command", "imap": {
            "command": {"tag": "A00001", "name": "LOGIN", "arguments": "utilisateur [redacted]"},
            "auth": {"user": "utilisateur"}}}),
        ),
        (
            1,
            json!({"action": "imap-response", "imap": {
            "response": {"tag": "A00001", "status": "OK", "code": CAPABILITIES, "text": "Logged in"}}}),
        ),
        (
            5,
            json!({"action": "imap-command", "imap": {
            "command": {"tag": "A00006", "name": "STATUS", "mailbox": "INBOX",
                "arguments": "INBOX (MESSAGES UNSEEN)"}}}),
        ),
        (
            8,
            json!({"action": "imap-command", "imap": {
            "command": {"tag": "A00009", "name": "FETCH", "uid": true,
                "arguments": "7 (RFC822.SIZE RFC822.HEADER FLAGS)"}}}),
        ),
        (
            9,
            json!({"action": "imap-response", "imap": {
            "response": {"tag": "*", "number": 7, "name": "FETCH",
                "text": "(UID 7 RFC822.SIZE 685 FLAGS (\\Recent) RFC822.HEADER {40}"},
            "literal": {"bytes": [40]}},
            "email": {"subject": "{5}"}}),
        ),
    ];
    for (number, event) in expected {
        assert_eq!(said.json[number], event);
    }
}

#[test]
fn greetings_and_farewells() {
    says(
        &[
            server("* PREAUTH IMAP4rev1 server logged in as Smith\r\n"),
            client("a1 XUNKNOWN some thing\r\n"),
            server("a1 BAD what\r\n"),
            client("a2 LOGOUT\r\n"),
            server("* BYE bye {5}\r\na2 OK done\r\n"),
        ],
        &[
            "server: Response: * PREAUTH IMAP4rev1 server logged in as Smith",
            "client: Request: a1 XUNKNOWN some thing",
            "server: Response: a1 BAD what",
            "client: Request: a2 LOGOUT",
            "server: Response: * BYE bye {5}",
            "server: Response: a2 OK done",
        ],
    );
}

#[test]
fn pipelined_commands_and_their_answers() {
    says(
        &[
            client("1 SELECT INBOX\r\n2 FETCH 1 FLAGS\r\n3 CLOSE\r\n"),
            server(
                "* 1 EXISTS\r\n1 OK [READ-WRITE] done\r\n* 1 FETCH (FLAGS ())\r\n2 OK\r\n3 OK x\r\n",
            ),
        ],
        &[
            "client: Request: 1 SELECT INBOX",
            "client: Request: 2 FETCH 1 FLAGS",
            "client: Request: 3 CLOSE",
            "server: Response: * 1 EXISTS",
            "server: Response: 1 OK [READ-WRITE] done",
            "server: Response: * 1 FETCH (FLAGS ())",
            "server: Response: 2 OK",
            "server: Response: 3 OK x",
        ],
    );
}

#[test]
fn idle_is_ended_by_done() {
    let said = says(
        &[
            client("A1 IDLE\r\n"),
            server("+ idling\r\n* 4 EXISTS\r\n"),
            client("DONE\r\nA2 NOOP\r\n"),
            server("A1 OK Idle completed.\r\nA2 OK\r\n"),
        ],
        &[
            "client: Request: A1 IDLE",
            "server: Response: + idling",
            "server: Response: * 4 EXISTS",
            "client: Request: DONE",
            "client: Request: A2 NOOP",
            "server: Response: A1 OK Idle completed.",
            "server: Response: A2 OK",
        ],
    );
    assert_eq!(
        said.json[3],
        json!({"action": "imap-command", "imap": {"command": {"tag": "A1", "name": "DONE"}}})
    );
    assert_eq!(
        said.json[1],
        json!({"action": "imap-response", "imap": {"response": {"tag": "+", "text": "idling"}}})
    );
}

#[test]
fn a_late_answer_to_idle_grants_no_literal() {
    says(
        &[
            client("A1 IDLE\r\nDONE\r\nA2 LOGIN bob {6}\r\n"),
            server("+ idling\r\nA1 OK\r\n"),
            server("+ go\r\n"),
            client("canary\r\nA3 NOOP\r\n"),
        ],
        &[
            "client: Request: A1 IDLE",
            "client: Request: DONE",
            "server: Response: + idling",
            "server: Response: A1 OK",
            "server: Response: + go",
            "client: Request: A2 LOGIN bob [redacted]",
            "client: Request: A3 NOOP",
        ],
    );
}

#[test]
fn starttls_makes_the_flow_opaque() {
    let said = says(
        &[
            client("A1 STARTTLS\r\n"),
            server("A1 OK Begin TLS negotiation now.\r\n"),
            client(b"\x16\x03\x01\x02A2 NOOP\r\n"),
            server(b"\x16\x03\x03\x02* OK\r\n"),
        ],
        &[
            "client: Request: A1 STARTTLS",
            "server: Response: A1 OK Begin TLS negotiation now.",
            "server: [goes on as tls]",
        ],
    );
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn refused_compression_leaves_it_clear() {
    says(
        &[
            client("A1 COMPRESS DEFLATE\r\nA2 NOOP\r\n"),
            server("A1 NO [COMPRESSIONACTIVE] already\r\nA2 OK\r\n"),
            client("A3 COMPRESS DEFLATE\r\n"),
            server("A3 OK DEFLATE active\r\n\x01\x02"),
            client("\x03\x04"),
        ],
        &[
            "client: Request: A1 COMPRESS DEFLATE",
            "server: Response: A1 NO [COMPRESSIONACTIVE] already",
            "client: Request: A2 NOOP",
            "server: Response: A2 OK",
            "client: Request: A3 COMPRESS DEFLATE",
            "server: Response: A3 OK DEFLATE active",
            "server: [goes on as deflate]",
        ],
    );
}

#[test]
fn mailboxes_are_readable_in_every_form() {
    let said = greeted(
        run_cut,
        CLOSED,
        &[
            client("1 SELECT Envoy&AOk-s\r\n2 STATUS \"a \\\"b\\\"\" (MESSAGES)\r\n"),
            client(
                "3 UID COPY 1:* {7+}\r\nin here\r\n4 APPEND \"&U,BTFw-\" (\\Seen) {3+}\r\nabc\r\n",
            ),
        ],
    );
    let mailboxes: Vec<_> =
        said.json.iter().map(|event| event["imap"]["command"]["mailbox"].clone()).collect();
    assert_eq!(mailboxes, ["Envoyés", "a \"b\"", "in here", "台北"]);
    assert_eq!(said.json[3]["imap"]["literal"], json!({"bytes": [3]}));
}
