//! Mails: several, refused, in chunks, for several recipients, and LMTP.

use super::*;
use crate::event::Side;

/// A mail, from MAIL to its final reply.
pub(super) fn transfer(data: &str) -> Vec<Step> {
    vec![
        client("MAIL FROM:<a@b>\r\n"),
        server("250 ok\r\n"),
        client("RCPT TO:<c@d>\r\n"),
        server("250 ok\r\n"),
        client("DATA\r\n"),
        server("354 go\r\n"),
        client(data),
        server("250 ok queued as Q1\r\n"),
    ]
}

/// Outcome, subject, bytes and mode of each mail.
fn mails(steps: &[Step]) -> Vec<(String, String, u64, String)> {
    let string = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    said(steps)
        .json
        .iter()
        .filter(|event| event["action"] == "smtp-message")
        .map(|event| {
            let data = &event["smtp"]["data"];
            (
                string(&event["outcome"]),
                string(&event["email"]["subject"]),
                data["bytes"].as_u64().unwrap_or(0),
                string(&data["mode"]),
            )
        })
        .collect()
}

fn told(outcome: &str, subject: &str, bytes: u64, mode: &str) -> (String, String, u64, String) {
    (outcome.to_owned(), subject.to_owned(), bytes, mode.to_owned())
}

#[test]
fn dots_at_the_start_of_lines() {
    let data = "Subject: x\r\n\r\n..\r\n...a\r\n.b\r\n.\r\n";
    let steps = greeted(transfer(data));
    // Three dots are the client's, and the last line is none of the mail's.
    assert_eq!(mails(&steps), [told("success", "x", data.len() as u64 - 3 - 3, "data")]);
}

#[test]
fn a_server_that_takes_a_bare_lf_for_the_end() {
    for (end, bytes) in [("\n.\n", 19), ("\r\n.\n", 20), ("\n.\r\n", 19)] {
        let mut steps = greeted(transfer(&format!("Subject: x\r\n\r\nbody{end}")));
        steps.extend(transfer("Subject: y\r\n\r\n.\r\n"));
        steps.extend([client("QUIT\r\n"), server("221 bye\r\n")]);
        let both = [told("success", "x", bytes, "data"), told("success", "y", 14, "data")];
        assert_eq!(mails(&steps), both, "{end:?}");
        let rows = rows(&steps);
        assert!(rows.contains(&"client: [anomaly: bare-lf]".to_owned()), "{rows:?}");
        assert!(rows.contains(&"client: C: QUIT".to_owned()), "{rows:?}");
    }
}

#[test]
fn a_bare_lf_that_no_server_took_for_the_end() {
    let mut steps = greeted(transfer("Subject: x\r\n\r\nbody\n.\n"));
    steps.pop();
    steps.extend([client("more\r\n.\r\n"), server("250 ok\r\n")]);
    assert_eq!(mails(&steps), [told("success", "x", 27, "data")]);
}

#[test]
fn a_mail_of_nothing() {
    let steps = greeted(transfer(".\r\n"));
    assert_eq!(mails(&steps), [told("success", "-", 0, "data")]);
    assert!(rows(&steps).contains(&"client: mail without subject or author".to_owned()));
}

#[test]
fn several_mails_on_one_connection() {
    let mut steps = greeted(transfer("Subject: one\r\n\r\n.\r\n"));
    steps.extend(transfer("Subject: two\r\n\r\nx\r\n.\r\n"));
    assert_eq!(
        mails(&steps),
        [told("success", "one", 16, "data"), told("success", "two", 19, "data"),]
    );
}

#[test]
fn the_header_in_all_its_fields() {
    let header = "From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>, Eva\r\n <e@x.example>\r\n\
        Sender: s@x.example\r\nTo: Team: t1@x.example, t2@x.example;\r\n\
        Cc: \"C, c\" <c@x.example>\r\nReply-To: r@x.example\r\n\
        Subject: =?iso-8859-1?B?R3L832U=?=\r\n =?utf-8?q?_mehr?=\r\n\
        Date: Thu, 1 Jan 2026 10:00:00 -0330\r\nMessage-ID: <id@x.example>\r\n\
        Content-Type: Multipart/MIXED; boundary=\"b\"\r\nX-Mailer: swaks v1\r\n\r\nbody\r\n.\r\n";
    let event = mail(&greeted(transfer(header)));
    assert_eq!(
        event["email"],
        json!({
            "from": {"address": ["j@x.example", "e@x.example"]},
            "sender": {"address": "s@x.example"},
            "to": {"address": ["t1@x.example", "t2@x.example"]},
            "cc": {"address": ["c@x.example"]},
            "reply_to": {"address": ["r@x.example"]},
            "subject": "Grüße mehr",
            "message_id": "id@x.example",
            "origination_timestamp": "2026-01-01T10:00:00-03:30",
            "content_type": "multipart/mixed",
            "x_mailer": "swaks v1",
        })
    );
    assert!(
        rows(&greeted(transfer(header))).contains(
            &"client: subject: Grüße mehr, from: Jürgen <j@x.example>, Eva <e@x.example>, \
          (multipart/mixed)"
                .to_owned()
        )
    );
}

#[test]
fn words_in_east_asian_charsets() {
    for (word, expected) in [
        ("=?gb2312?B?dGVzdCCy4srU?=", "test 测试"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?euc-kr?B?x9GxuQ==?=", "한국"),
        ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
    ] {
        let data = format!("Subject: {word}\r\n\r\n.\r\n");
        assert_eq!(mail(&greeted(transfer(&data)))["email"]["subject"], expected, "{word}");
    }
}

#[test]
fn a_subject_in_no_charset_is_given_as_it_was_sent() {
    let mut steps = greeted(transfer(""));
    let at = steps.len() - 2;
    steps[at] = client(b"Subject: See What\x92s\r\n Next\r\n\r\n.\r\n");
    assert_eq!(mail(&steps)["email"]["subject"], json!({"base64": "U2VlIFdoYXSScyBOZXh0"}));
    let row = "client: subject: See What\\x92s Next".to_owned();
    assert!(rows(&steps).contains(&row), "{:?}", rows(&steps));
}

#[test]
fn several_recipients_with_a_reply_each() {
    let steps = greeted([
        client("MAIL FROM:<>\r\n"),
        server("250 ok\r\n"),
        client("RCPT TO:<one@d>\r\n"),
        server("250 ok\r\n"),
        client("RCPT TO:<two@d> NOTIFY=NEVER\r\n"),
        server("550 5.1.1 no such user\r\n"),
        client("DATA\r\n"),
        server("354 go\r\n"),
        client("Subject: x\r\n\r\n.\r\n"),
        server("250 ok\r\n"),
    ]);
    let event = mail(&steps);
    assert_eq!(event["smtp"]["mail_from"], "");
    assert_eq!(event["smtp"]["pipelined"], false);
    assert_eq!(
        event["smtp"]["rcpt_to"],
        json!([
            {"address": "one@d", "reply": 250},
            {"address": "two@d", "reply": 550},
        ])
    );
}

#[test]
fn a_pipelined_group_matched_in_order() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\nRCPT TO:<one@d>\r\nRCPT TO:<two@d>\r\nDATA\r\n"),
        server("250 m\r\n550 one\r\n250 two\r\n354 go\r\n"),
        client("Subject: x\r\n\r\n.\r\nMAIL FROM:<e@f>\r\n"),
        server("250 queued\r\n250 m2\r\n"),
    ]);
    let event = mail(&steps);
    assert_eq!(event["smtp"]["pipelined"], true);
    assert_eq!(event["smtp"]["rcpt_to"][0]["reply"], 550);
    assert_eq!(event["smtp"]["rcpt_to"][1]["reply"], 250);
    assert_eq!(
        rows(&steps)[11..],
        [
            "client: C: MAIL FROM:<e@f>",
            "client: subject: x",
            "server: S: 250 queued",
            "server: S: 250 m2",
        ]
    );
}

#[test]
fn a_client_that_does_not_wait_for_354() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"),
        server("250 m\r\n250 r\r\n354 go\r\n250 queued\r\n221 bye\r\n"),
    ]);
    assert_eq!(
        rows(&steps)[3..],
        [
            "client: C: MAIL FROM:<a@b>",
            "client: C: RCPT TO:<c@d>",
            "client: C: DATA",
            "server: S: 250 m",
            "server: S: 250 r",
            "server: S: 354 go",
            "client: C: QUIT",
            "client: subject: x",
            "server: S: 250 queued",
            "server: S: 221 bye",
        ]
    );
}

#[test]
fn data_that_is_refused() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
        server("250 m\r\n550 r\r\n554 no valid recipients\r\n"),
        client("RSET\r\nQUIT\r\n"),
        server("250 ok\r\n221 bye\r\n"),
    ]);
    assert_eq!(
        rows(&steps)[9..],
        ["client: C: RSET", "client: C: QUIT", "server: S: 250 ok", "server: S: 221 bye",]
    );
}

#[test]
fn a_mail_that_is_refused_at_its_end() {
    let mut steps = greeted(transfer("Subject: x\r\n\r\n.\r\n"));
    steps.pop();
    steps.push(server("552 5.3.4 too big\r\n"));
    assert_eq!(mails(&steps), [told("failure", "x", 14, "data")]);
}

#[test]
fn a_connection_that_drops_within_a_mail() {
    let mut steps = greeted(transfer("Subject: x\r\n\r\nhalf"));
    steps.pop();
    assert_eq!(mails(&steps), [told("failure", "x", 18, "data")]);
    steps.pop();
    steps.extend([client("Subject: x\r\n\r\n.\r\n"), Step::Close(Side::Server)]);
    assert_eq!(mails(&steps), [told("unknown", "x", 14, "data")]);
}

#[test]
fn a_server_that_refuses_before_the_end() {
    let mut steps = greeted(transfer("Subject: x\r\n\r\nhalf"));
    steps.pop();
    steps.extend([server("552 enough\r\n"), client("more\r\n.\r\n"), client("QUIT\r\n")]);
    assert_eq!(mails(&steps), [told("failure", "x", 24, "data")]);
}

#[test]
fn a_mail_in_chunks() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"),
        server("250 m\r\n250 r\r\n"),
        client("BDAT 10\r\nSubject: yBDAT 9 LAST\r\n\r\n\r\n.\r\nxyQUIT\r\n"),
        server("250 10 octets\r\n250 queued as Q2\r\n221 bye\r\n"),
    ]);
    assert_eq!(
        rows(&steps)[7..],
        [
            "client: C: BDAT 10",
            "client: C: BDAT 9 LAST",
            "client: C: QUIT",
            "server: S: 250 10 octets",
            "client: subject: y",
            "server: S: 250 queued as Q2",
            "server: S: 221 bye",
        ]
    );
    assert_eq!(mails(&steps), [told("success", "y", 19, "bdat")]);
}

#[test]
fn a_body_in_chunks_is_skipped_and_counted() {
    let body = "x".repeat(3000);
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"),
        server("250 m\r\n250 r\r\n"),
        client("BDAT 3014\r\nSubject: y\r\n\r\n"),
        client(body),
        client("BDAT 0 LAST\r\n"),
        server("250 ok\r\n250 queued\r\n"),
    ]);
    let whole = run(&PROTOCOL, Settings::default(), &steps);
    let mail = whole.json.iter().find(|event| event["action"] == "smtp-message").expect("a mail");
    assert_eq!(mail["smtp"]["data"], json!({"mode": "bdat", "bytes": 3014}));
    assert_eq!(
        run(&PROTOCOL, Settings { pieces: true, ..Settings::default() }, &steps).text[9..],
        [
            "client: C: DATA fragment, 3000 bytes",
            "client: C: BDAT 0 LAST",
            "server: S: 250 ok",
            "client: subject: y",
            "server: S: 250 queued",
        ]
    );
}

#[test]
fn a_chunk_that_is_refused_passes_all_the_same() {
    let steps = greeted([
        client("BDAT 6 LAST\r\n"),
        server("503 no MAIL\r\n"),
        client("QUIT\r\nRSET\r\n"),
        server("250 ok\r\n"),
    ]);
    assert_eq!(
        rows(&steps)[3..],
        [
            "client: C: BDAT 6 LAST",
            "client: mail without subject or author",
            "server: S: 503 no MAIL",
            "client: C: RSET",
            "server: S: 250 ok",
        ]
    );
}

#[test]
fn a_chunk_of_no_size() {
    let steps = greeted([client("BDAT x\r\nabc\r\nRSET\r\n"), server("501 size\r\n250 ok\r\n")]);
    let said = said(&steps);
    assert_eq!(
        said.text[3..],
        [
            "client: C: BDAT x",
            "client: [anomaly: bdat-size]",
            "client: C: RSET",
            "server: S: 501 size",
            "server: S: 250 ok",
        ]
    );
    assert_eq!(said.undecoded, [5, 0]);
}

#[test]
fn chunks_given_up_by_rset() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 14\r\nSubject: y\r\n\r\nRSET\r\n"),
        server("250 m\r\n250 r\r\n250 b\r\n250 ok\r\n"),
    ]);
    assert_eq!(mails(&steps), [told("failure", "y", 14, "bdat")]);
}

#[test]
fn lmtp_replies_for_each_recipient() {
    let steps = [
        server("220 lmtp\r\n"),
        client("LHLO me\r\n"),
        server("250 lmtp\r\n"),
        client("MAIL FROM:<a@b>\r\nRCPT TO:<1@d>\r\nRCPT TO:<2@d>\r\nRCPT TO:<3@d>\r\nDATA\r\n"),
        server("250 m\r\n250 r\r\n550 r\r\n250 r\r\n354 go\r\n"),
        client("Subject: x\r\n\r\n.\r\nQUIT\r\n"),
        server("250 one\r\n452 three\r\n221 bye\r\n"),
    ];
    let event = mail(&steps);
    assert_eq!(
        event["smtp"]["rcpt_to"],
        json!([
            {"address": "1@d", "reply": 250},
            {"address": "2@d", "reply": 550},
            {"address": "3@d", "reply": 452},
        ])
    );
    assert_eq!(
        rows(&steps)[13..],
        [
            "client: C: QUIT",
            "server: S: 250 one",
            "client: subject: x",
            "server: S: 452 three",
            "server: S: 221 bye",
        ]
    );
}

#[test]
fn recipients_beyond_the_limit_are_named_once() {
    let mut text = String::from("MAIL FROM:<a@b>\r\n");
    for number in 0..4000 {
        text.push_str("RCPT TO:<somebody-with-a-long-name-");
        text.push_str(&number.to_string());
        text.push_str("@example.org>\r\n");
    }
    let steps = greeted([client(text)]);
    let said = run(&PROTOCOL, Settings::default(), &steps);
    let anomalies = said.text.iter().filter(|row| row.contains("too-many-recipients")).count();
    assert_eq!(anomalies, 1);
}
