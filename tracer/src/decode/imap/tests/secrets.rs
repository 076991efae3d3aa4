//! Passwords and SASL responses: never shown, however they are sent.

use super::*;

/// Stands wherever a secret may.
const CANARY: &str = "c4nary";

/// Runs a dialogue cut everywhere; nothing it says may hold the canary, in
/// any of its forms.
#[track_caller]
fn hides(steps: &[Step]) -> Said {
    let said = greeted(run_cut, CLOSED, steps);
    let shown = format!("{:?}{:?}", said.text, said.json);
    for form in [CANARY, "AGJvYgBjNG5hcnk", "YzRuYXJ5", "c4na"] {
        assert!(!shown.contains(form), "{form} in {shown}");
    }
    said
}

#[test]
fn login_in_every_form() {
    for (sent, row, user) in [
        ("LOGIN bob c4nary\r\n", "LOGIN bob [redacted]", "bob"),
        ("login bob c4nary\r\n", "login bob [redacted]", "bob"),
        ("LOGIN \"b\\\"ob\" \"c4nary\\\"\"\r\n", "LOGIN \"b\\\"ob\" [redacted]", "b\"ob"),
        ("LOGIN \"b ob\" \"c4nary {5}\"\r\n", "LOGIN \"b ob\" [redacted]", "b ob"),
        ("LOGIN {3+}\r\nbob {6+}\r\nc4nary\r\n", "LOGIN {3+}", "bob"),
        ("LOGIN {3+}\r\nbob c4nary\r\n", "LOGIN {3+}", "bob"),
        ("LOGIN {3+}\r\nb\r\n \"c4nary\"\r\n", "LOGIN {3+}", "b\r\n"),
        ("LOGIN bob {6+}\r\nc4nary\r\n", "LOGIN bob [redacted]", "bob"),
        ("LOGIN \"\" \"c4nary\"\r\n", "LOGIN \"\" [redacted]", ""),
        ("LOGIN bob c4nary \r\n", "LOGIN bob [redacted]", "bob"),
    ] {
        let said = hides(&[
            client(format!("1 {sent}2 NOOP\r\n")),
            server("1 NO [AUTHENTICATIONFAILED] bad password\r\n"),
            server("* BAD no \"c4nary\" here, nor 'c4nary {5}'\r\n"),
        ]);
        let secret = said.text[0].as_str();
        assert_eq!(secret, format!("client: Request: 1 {row}"), "{sent}");
        assert_eq!(said.json[0]["imap"]["auth"], json!({"user": user}), "{sent}");
        assert_eq!(said.text[1], "client: Request: 2 NOOP");
        assert_eq!(
            said.text[2], "server: Response: 1 NO [AUTHENTICATIONFAILED] bad password",
            "{sent}"
        );
    }
}

#[test]
fn a_synchronising_password() {
    let said = hides(&[
        client("1 LOGIN {3}\r\n"),
        server("+ OK\r\n"),
        client("bob {6}\r\n"),
        server("+ OK\r\n"),
        client("c4nary\r\n"),
        server("1 NO c4nary is wrong\r\n"),
        client("2 LOGIN bob {6}\r\n"),
        server("2 BAD no literals\r\n"),
        client("c4nary\r\nc4nary c4nary\r\n3 LOGOUT\r\n"),
    ]);
    assert_eq!(
        said.text,
        [
            "server: Response: + OK",
            "server: Response: + OK",
            "client: Request: 1 LOGIN {3}",
            "server: Response: 1 NO [redacted]",
            "client: Request: 2 LOGIN bob [redacted]",
            "server: Response: 2 BAD no literals",
            "client: Request: 3 LOGOUT",
        ]
    );
}

#[test]
fn malformed_logins_show_nothing_behind_the_verb() {
    for sent in [
        "LOGIN c4nary",
        "LOGIN my c4nary pass",
        "LOGIN \"c4nary",
        "LOGIN \"bob\"c4nary x",
        "LOGIN bob \"c4nary",
        "LOGIN bob c4nary {3}",
        "LOGIN  c4nary x",
    ] {
        let said = hides(&[
            client(format!("1 {sent}\r\nc4nary\r\n")),
            server("1 BAD c4nary?\r\n"),
            client("2 NOOP\r\n"),
        ]);
        assert_eq!(said.text[0].get(..26), Some("client: Request: 1 LOGIN ["), "{sent}");
    }
}

#[test]
fn misspelt_logins_show_no_argument() {
    for sent in
        ["1 LOGN bob c4nary", "LOGIN bob c4nary", "1LOGIN bob c4nary", "1 LOGIN\tbob c4nary"]
    {
        let said =
            hides(&[client(format!("{sent}\r\n")), server("* BAD c4nary\r\n1 BAD c4nary\r\n")]);
        assert!(said.text.len() >= 3, "{:?}", said.text);
    }
}

#[test]
fn authenticate_with_an_initial_response() {
    let said = hides(&[
        client("1 AUTHENTICATE PLAIN AGJvYgBjNG5hcnk=\r\n"),
        server("1 NO c4nary or AGJvYgBjNG5hcnk=\r\n"),
        client("2 NOOP\r\n"),
    ]);
    assert_eq!(
        said.text,
        [
            "client: Request: 1 AUTHENTICATE PLAIN [redacted]",
            "server: Response: 1 NO [redacted]",
            "client: Request: 2 NOOP",
        ]
    );
    assert_eq!(
        said.json[0]["imap"],
        json!({
            "command": {"tag": "1", "name": "AUTHENTICATE", "arguments": "PLAIN [redacted]"},
            "auth": {"mechanism": "PLAIN", "user": "bob"}
        })
    );
}

#[test]
fn authenticate_with_responses() {
    let said = hides(&[
        client("1 authenticate login\r\n"),
        server("+ VXNlcm5hbWU6\r\n"),
        client("Ym9i\r\n"),
        server("+ UGFzc3dvcmQ6\r\n"),
        client("YzRuYXJ5\r\n"),
        server("1 NO no YzRuYXJ5 and no c4nary\r\n"),
        client("2 AUTHENTICATE PLAIN\r\n"),
        server("+ \r\n"),
        client("AGJvYgBjNG5hcnk=\r\n"),
        server("2 OK in\r\n"),
        client("3 XWHAT ever\r\n"),
    ]);
    assert_eq!(
        said.text,
        [
            "client: Request: 1 authenticate login",
            "server: Response: + VXNlcm5hbWU6",
            "client: Request: [redacted]",
            "server: Response: + UGFzc3dvcmQ6",
            "client: Request: [redacted]",
            "server: Response: 1 NO [redacted]",
            "client: Request: 2 AUTHENTICATE PLAIN",
            "server: Response: + ",
            "client: Request: [redacted]",
            "server: Response: 2 OK in",
            "client: Request: 3 XWHAT ever",
        ]
    );
    let auth: Vec<_> = [2, 4, 8].map(|number| said.json[number]["imap"]["auth"].clone()).to_vec();
    assert_eq!(
        auth,
        [
            json!({"mechanism": "LOGIN", "user": "bob"}),
            json!({"mechanism": "LOGIN"}),
            json!({"mechanism": "PLAIN", "user": "bob"})
        ]
    );
}

#[test]
fn secrets_of_other_mechanisms() {
    for (mechanism, response, user) in [
        ("CRAM-MD5", "Ym9iIGM0bmFyeQ==", json!(null)),
        ("XOAUTH2", "dXNlcj1ib2IBYXV0aD1CZWFyZXIgYzRuYXJ5AQE=", json!("bob")),
        ("PLAIN", "YzRuYXJ5", json!(null)),
        ("SCRAM-SHA-256", "YzRuYXJ5", json!(null)),
    ] {
        let said = hides(&[
            client(format!("1 AUTHENTICATE {mechanism}\r\n")),
            server("+ Y2hhbGxlbmdl\r\n"),
            client(format!("{response}\r\n")),
            server("1 BAD c4nary\r\n"),
        ]);
        assert_eq!(said.text[2], "client: Request: [redacted]");
        assert_eq!(said.json[2]["imap"]["auth"]["user"], user, "{mechanism}");
    }
}

#[test]
fn login_that_asks_for_the_password_first() {
    let said = hides(&[
        client("1 AUTHENTICATE LOGIN\r\n"),
        server("+ UGFzc3dvcmQ6\r\n"),
        client("YzRuYXJ5\r\n"),
        server("1 NO c4nary\r\n"),
    ]);
    assert_eq!(said.json[2]["imap"]["auth"], json!({"mechanism": "LOGIN"}));
}

#[test]
fn a_quote_that_is_cut_short() {
    let said = hides(&[
        client("1 LOGIN bob c4nary-of-many-words\r\n"),
        server("1 BAD no c4nary-of...\r\n"),
    ]);
    assert_eq!(said.text[1], "server: Response: 1 BAD [redacted]");
}

#[test]
fn a_refused_exchange_and_what_came_of_it() {
    hides(&[
        client("1 AUTHENTICATE PLAIN\r\nAGJvYgBjNG5hcnk=\r\n"),
        server("1 NO not now\r\n* BAD AGJvYgBjNG5hcnk=\r\n"),
        client("2 AUTHENTICATE c4nary\r\n"),
        server("2 BAD c4nary\r\n"),
        client("3 NOOP\r\n"),
    ]);
}

#[test]
fn gaps_and_late_starts_hide_what_may_be_secret() {
    let late = |text: &str| vec![Step::Gap(Side::Client, None), client(text)];
    hides(&late("AGJvYgBjNG5hcnk=\r\n1 NOOP\r\n"));
    hides(&late("ob c4nary\r\n1 NOOP\r\n"));
    hides(&late("LOGIN select c4nary\r\n1 NOOP\r\n"));
    for dialogue in [
        vec![client("1 LOGIN bob c4nary\r\n")],
        vec![client("1 LOGIN {3+}\r\nbob {6+}\r\nc4nary\r\n")],
        vec![client("1 AUTHENTICATE PLAIN AGJvYgBjNG5hcnk=\r\n")],
        vec![client("1 AUTHENTICATE PLAIN\r\n"), server("+ \r\n"), client("AGJvYgBjNG5hcnk=\r\n")],
    ] {
        for (number, step) in dialogue.iter().enumerate() {
            let Step::Bytes(side, bytes) = step else { continue };
            for from in 0..bytes.len() {
                for to in from + 1..=bytes.len() {
                    let mut steps = dialogue.clone();
                    let lost = Step::Gap(*side, Some((to - from) as u64));
                    steps.splice(
                        number..=number,
                        [
                            Step::Bytes(*side, bytes[..from].to_vec()),
                            lost,
                            Step::Bytes(*side, bytes[to..].to_vec()),
                        ],
                    );
                    steps.push(server("1 BAD I got c4nary or AGJvYgBjNG5hcnk=\r\n"));
                    let said = greeted(run, CLOSED, &steps);
                    let shown = format!("{:?}{:?}", said.text, said.json);
                    for form in [CANARY, "AGJvYgBjNG5hcnk", "c4na", "nary"] {
                        assert!(!shown.contains(form), "{from}..{to}: {form} in {shown}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_refusal_of_what_was_said_before_the_first_byte() {
    // `…ICATIONFAILED] bad password` looks like a tagged BAD.
    for text in ["ICATIONFAILED] bad", "a1 NO [ALERT] no"] {
        let said = hides(&[Step::Gap(Side::Server, None), server(format!("{text} {CANARY}\r\n"))]);
        assert!(said.text[0].ends_with("[redacted]"), "{:?}", said.text);
    }
}

#[test]
fn a_refusal_whose_tag_is_the_password() {
    // Sent without waiting for `+`, or behind a command that was refused.
    for login in ["a1 LOGIN job {6}\r\n", "a1 AUTHENTICATE PLAIN\r\n"] {
        hides(&[
            server("* OK ready\r\n"),
            client(format!("{login}{CANARY}\r\n")),
            server(format!("a1 NO [X-{CANARY}] {CANARY}\r\n{CANARY} BAD Missing command\r\n")),
        ]);
    }
    let said = hides(&[
        server("* OK ready\r\n"),
        Step::Gap(Side::Client, Some(9)),
        server(format!("{CANARY} BAD Missing command\r\n")),
    ]);
    assert_eq!(said.json.last().expect("a response")["imap"]["response"]["status"], "BAD");
    hides(&[Step::Gap(Side::Server, None), server(format!("{CANARY}] no\r\n"))]);
    hides(&[
        client("a1 AUTHENTICATE PLAIN\r\n"),
        server(format!("+ \r\na1 BAD unknown: {CANARY}\r\n")),
    ]);
}

#[test]
fn all_is_shown_to_who_asks() {
    let said = greeted(
        run_cut,
        OPEN,
        &[
            client("1 LOGIN \"bob\" \"c4nary\"\r\n"),
            server("1 NO c4nary?\r\n"),
            client("2 AUTHENTICATE PLAIN AGJvYgBjNG5hcnk=\r\n"),
            server("+ \r\n"),
            client("YzRuYXJ5\r\n"),
        ],
    );
    assert_eq!(
        said.text,
        [
            "client: Request: 1 LOGIN \"bob\" \"c4nary\"",
            "server: Response: 1 NO c4nary?",
            "client: Request: 2 AUTHENTICATE PLAIN AGJvYgBjNG5hcnk=",
            "server: Response: + ",
            "client: Request: YzRuYXJ5",
        ]
    );
}
