//! Mails that are more than a transcript can hold.

use super::*;

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
        run(&PROTOCOL, Settings { pieces: true, ..Settings::default() }, &steps).text[10..],
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
