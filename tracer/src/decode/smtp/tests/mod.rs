//! Dialogues, named by their situation, fed in every way the wire could cut
//! them.

mod lost;
mod mails;
mod secrets;

use serde_json::{Value, json};

use super::PROTOCOL;
use crate::decode::{
    Settings,
    testing::{Said, Step, client, run, run_cut, server},
};

/// The dialogue's events, secrets redacted.
fn said(steps: &[Step]) -> Said {
    run_cut(&PROTOCOL, Settings::default(), steps)
}

fn rows(steps: &[Step]) -> Vec<String> {
    said(steps).text
}

/// The only mail of the dialogue, as JSON.
fn mail(steps: &[Step]) -> Value {
    let mut mails: Vec<Value> =
        said(steps).json.into_iter().filter(|event| event["action"] == "smtp-message").collect();
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

/// Greeting and EHLO, so that a dialogue can begin with what it is about.
fn greeted(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [server("220 mx ESMTP\r\n"), client("EHLO me\r\n"), server("250 mx\r\n")]
        .into_iter()
        .chain(steps)
        .collect()
}

/// The rows behind those of [`greeted`].
fn rows_greeted(steps: impl IntoIterator<Item = Step>) -> Vec<String> {
    rows(&greeted(steps)).split_off(3)
}

/// The annex's mail: its first segment, and the rest in 548 bytes.
fn annex_mail() -> (String, String) {
    let first = "Received: from 192.168.1.25 by smtp.domaineel.rt (webm)\r\n";
    assert_eq!(first.len(), 57);
    let header = "Date: Fri, 30 Sep 2016 12:54:47 +0200\r\n\
        From: Edouard <edouard@smtp.domaineel.rt>\r\n\
        To: utilisateur@localhost\r\n\
        Subject: Re: Test webmail\r\n\
        Message-ID: <4fdf@smtp.domaineel.rt>\r\n\
        X-Sender: edouard@smtp.domaineel.rt\r\n\
        User-Agent: Roundcube Webmail/1.2\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=US-ASCII; format=flowed\r\n\r\n";
    let end = "\r\n.\r\n";
    let body = "x".repeat(548 - header.len() - end.len());
    (first.to_owned(), format!("{header}{body}{end}"))
}

fn annex() -> Vec<Step> {
    let (first, rest) = annex_mail();
    vec![
        server("220 smtp.domaineel.rt ESMTP Postfix (Ubuntu)\r\n"),
        client("EHLO smtp.domaineel.rt\r\n"),
        server(
            "250-smtp.domaineel.rt\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n\
             250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n\
             250-8BITMIME\r\n250 DSN\r\n",
        ),
        client("AUTH PLAIN AGVkb3VhcmQAMTIzNDU2Nzg5MDEyMzQ1\r\n"),
        server("235 2.7.0 Authentication successful\r\n"),
        client("MAIL FROM:<edouard@smtp.domaineel.rt>\r\n"),
        server("250 2.1.0 Ok\r\n"),
        client("RCPT TO:<utilisateur@localhost>\r\n"),
        server("250 2.1.5 Ok\r\n"),
        client("DATA\r\n"),
        server("354 End data with <CR><LF>.<CR><LF>\r\n"),
        client(first),
        client(rest),
        server("250 2.0.0 Ok: queued as 5BE0578032B\r\n"),
        client("QUIT\r\n"),
        server("221 2.0.0 Bye\r\n"),
        Step::Close(crate::event::Side::Client),
        Step::Close(crate::event::Side::Server),
    ]
}

const ANNEX_ROWS: [&str; 16] = [
    "server: S: 220 smtp.domaineel.rt ESMTP Postfix (Ubuntu)",
    "client: C: EHLO smtp.domaineel.rt",
    "server: S: 250 smtp.domaineel.rt | 250 PIPELINING | 250 SIZE 10240000 | 250 VRFY | 250 ETRN \
     | 250 STARTTLS | 250 AUTH PLAIN LOGIN | 250 ENHANCEDSTATUSCODES | 250 8BITMIME | 250 DSN",
    "client: C: AUTH PLAIN [redacted]",
    "server: S: 235 2.7.0 Authentication successful",
    "client: C: MAIL FROM:<edouard@smtp.domaineel.rt>",
    "server: S: 250 2.1.0 Ok",
    "client: C: RCPT TO:<utilisateur@localhost>",
    "server: S: 250 2.1.5 Ok",
    "client: C: DATA",
    "server: S: 354 End data with <CR><LF>.<CR><LF>",
    "client: subject: Re: Test webmail, from: Edouard <edouard@smtp.domaineel.rt>, (text/plain)",
    "server: S: 250 2.0.0 Ok: queued as 5BE0578032B",
    "client: C: QUIT",
    "server: S: 221 2.0.0 Bye",
    "",
];

#[test]
fn the_annex() {
    assert_eq!(rows(&annex()), ANNEX_ROWS[..15]);
    let shown =
        run_cut(&PROTOCOL, Settings { show_secrets: true, ..Settings::default() }, &annex());
    let mut expected = ANNEX_ROWS[..15].to_vec();
    expected[3] = "client: C: AUTH PLAIN AGVkb3VhcmQAMTIzNDU2Nzg5MDEyMzQ1";
    assert_eq!(shown.text, expected);
    assert_eq!(shown.undecoded, [0, 0]);
}

#[test]
fn the_annex_in_pieces() {
    let pieces = run(&PROTOCOL, Settings { pieces: true, ..Settings::default() }, &annex());
    let mut expected = ANNEX_ROWS[..15].to_vec();
    expected.insert(11, "client: C: DATA fragment, 57 bytes");
    expected.insert(12, expected[12]);
    assert_eq!(pieces.text, expected);
    assert_eq!(pieces.json[11]["smtp"]["data"]["bytes"], 57);
    assert_eq!(
        pieces.json[12],
        json!({
            "action": "smtp-data",
            "smtp": {"data": {"bytes": 548}},
        })
    );
}

#[test]
fn the_annex_as_a_mail() {
    assert_eq!(
        mail(&annex()),
        json!({
            "action": "smtp-message",
            "outcome": "success",
            "email": {
                "from": {"address": ["edouard@smtp.domaineel.rt"]},
                "to": {"address": ["utilisateur@localhost"]},
                "subject": "Re: Test webmail",
                "message_id": "4fdf@smtp.domaineel.rt",
                "origination_timestamp": "2016-09-30T12:54:47+02:00",
                "content_type": "text/plain",
                "x_mailer": "Roundcube Webmail/1.2",
            },
            "smtp": {
                "helo": "smtp.domaineel.rt",
                "mail_from": "edouard@smtp.domaineel.rt",
                "rcpt_to": [{"address": "utilisateur@localhost", "reply": 250}],
                "data": {"mode": "data", "bytes": 57 + 548 - 3},
                "auth": {"mechanism": "PLAIN", "user": "edouard", "outcome": "success"},
                "pipelined": false,
                "queue_id": "5BE0578032B",
                "reply": {"code": 250, "enhanced": "2.0.0"},
            },
        })
    );
}

#[test]
fn commands_and_replies_in_their_fields() {
    let said = said(&greeted([
        client("mail FROM:<a@b> SIZE=5\r\n"),
        server("550-5.7.1 Not\r\n550 5.7.1 welcome\r\n"),
    ]));
    assert_eq!(
        said.json[3],
        json!({
            "action": "smtp-command",
            "smtp": {"command": {"verb": "MAIL", "argument": "FROM:<a@b> SIZE=5"}},
        })
    );
    assert_eq!(
        said.json[4],
        json!({
            "action": "smtp-reply",
            "smtp": {"reply": {
                "code": 550, "enhanced": "5.7.1", "lines": ["5.7.1 Not", "5.7.1 welcome"],
            }},
        })
    );
    assert_eq!(said.text[3], "client: C: mail FROM:<a@b> SIZE=5");
    assert_eq!(said.text[4], "server: S: 550 5.7.1 Not | 550 5.7.1 welcome");
}

#[test]
fn a_line_that_never_ends() {
    let long = format!("NOOP {}\r\nRSET\r\n", "x".repeat(super::LINE_LIMIT));
    let steps = greeted([client(long), server("500 too long\r\n250 ok\r\n")]);
    let settings = Settings::default();
    let whole = run(&PROTOCOL, settings, &steps);
    assert_eq!(
        whole.text[3..],
        [
            "client: [anomaly: command-too-long]",
            "client: C: RSET",
            "client: [anomaly: unexpected-pipelining: not offered]",
            "server: S: 500 [redacted]",
            "server: S: 250 ok",
        ]
    );
    assert_eq!(whole.undecoded, [super::LINE_LIMIT as u64 + 7, 0]);
    let Step::Bytes(side, bytes) = &steps[3] else { panic!("bytes") };
    for size in [1, 7, 1448] {
        let mut cut = steps.clone();
        cut.splice(3..4, bytes.chunks(size).map(|piece| Step::Bytes(*side, piece.to_vec())));
        assert_eq!(run(&PROTOCOL, settings, &cut), whole, "pieces of {size}");
    }
}

#[test]
fn a_reply_that_never_ends() {
    let line = "250-abcdefgh\r\n";
    let long = line.repeat(5000) + "250 end\r\n";
    let steps =
        greeted([client("HELP\r\n"), server(long), client("QUIT\r\n"), server("221 x\r\n")]);
    let whole = run(&PROTOCOL, Settings::default(), &steps);
    let count = whole.text.iter().filter(|row| row.contains("250 abcdefgh")).count();
    assert_eq!(count, 1);
    assert_eq!(whole.text.last().map(String::as_str), Some("server: S: 221 x"));
    let Step::Bytes(side, bytes) = &steps[4] else { panic!("bytes") };
    for size in [1, 1448] {
        let mut cut = steps.clone();
        cut.splice(4..5, bytes.chunks(size).map(|piece| Step::Bytes(*side, piece.to_vec())));
        assert_eq!(run(&PROTOCOL, Settings::default(), &cut), whole, "pieces of {size}");
    }
}
