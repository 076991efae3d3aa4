//! Beginnings, and what they are taken for.

use super::{Likeness::*, *};

fn of(client: &str, server: &str) -> String {
    match spoken(client.as_bytes(), server.as_bytes(), false) {
        Spoken::Protocol(protocol) => protocol.label.name.to_owned(),
        Spoken::Unknown => "unknown".to_owned(),
        Spoken::Unclear => "unclear".to_owned(),
    }
}

#[test]
fn beginnings_of_each_protocol() {
    for (client, server, expected) in [
        ("GET / HTTP/1.1\r\n", "", "http"),
        ("PROPFIND /dav HTTP/1.1\r\nHost", "", "http"),
        ("CONNECT h:443 HTTP/1.0\n", "", "http"),
        ("PRI * HTTP/2.0\r\n", "", "http"),
        ("", "HTTP/1.0 200", "http"),
        ("GET /", "", "unclear"),
        ("G", "", "unclear"),
        ("GET /\r\n", "", "http"),
        ("GET index\r\n", "", "unclear"),
        ("GET index\r\n", "HTTP/1.1 400 Bad Request\r\n", "http"),
        ("GET index\r\n", "<html>", "unknown"),
        ("OPTIONS sip:a SIP/2.0\r\n", "SIP/2.0 200 OK\r\n", "unknown"),
        ("", "220 mx.example ESMTP Postfix\r\n", "smtp"),
        ("", "220-mx.example\r\n", "unclear"),
        ("", "220 lmtp.example LMTP\r\n", "smtp"),
        ("", "220 mx.example\r\n", "unclear"),
        ("EHLO me\r\n", "220 mx.example\r\n", "smtp"),
        ("ehlo me\r\n", "", "smtp"),
        ("LHLO me", "", "smtp"),
        ("", "554 mx.example ESMTP not now\r\n", "smtp"),
        ("", "220 (vsFTPd 3.0.3)\r\n", "unclear"),
        ("", "220 ProFTPD FTP Server\r\n", "unknown"),
        ("USER anonymous\r\n", "220 (vsFTPd 3.0.3)\r\n", "unknown"),
        ("QUIT\r\n", "220 mx.example\r\n", "unclear"),
        ("", "* OK [CAPABILITY IMAP4rev1] ready\r\n", "imap"),
        ("", "* PREAUTH hello\r\n", "imap"),
        ("", "* O", "unclear"),
        ("a1 LOGIN u p\r\n", "", "imap"),
        ("a1 capability\r\n", "", "imap"),
        ("a1 CAPA", "", "unclear"),
        ("A1.2 UID FETCH 1 FLAGS\r\n", "", "imap"),
        ("a1 LOGINS u\r\n", "", "unclear"),
        ("", "+OK POP3 ready\r\n", "pop3"),
        ("USER login\r\n", "+OK ready <1.2@h>\r\n", "pop3"),
        ("SSH-2.0-x\r\n", "SSH-2.0-y\r\n", "unknown"),
    ] {
        assert_eq!(of(client, server), expected, "{client:?} {server:?}");
    }
}

#[test]
fn a_longer_beginning_never_unsays_what_is_sure() {
    for (side, text) in [
        (Side::Client, "GET /some/path?with=query HTTP/1.1\r\nHost: h\r\n"),
        (Side::Client, "EHLO mail.example\r\nMAIL FROM:<a>\r\n"),
        (Side::Client, "a1 LOGIN user pass\r\n"),
        (Side::Client, "USER someone\r\n"),
        (Side::Server, "HTTP/1.1 200 OK\r\n"),
        (Side::Server, "220 mail.example ESMTP\r\n"),
        (Side::Server, "220-mail.example\r\n220 ESMTP\r\n"),
        (Side::Server, "* OK ready\r\n"),
        (Side::Server, "+OK ready\r\n"),
    ] {
        for protocol in PROTOCOLS {
            let mut sure = Unclear;
            for end in 1..=text.len() {
                let first = First { side, bytes: &text.as_bytes()[..end], whole: false };
                let likeness = (protocol.recognises)(&first);
                let name = protocol.label.name;
                assert!(sure == Unclear || likeness == sure, "{name} {:?}", &text[..end]);
                sure = likeness;
            }
        }
    }
}

#[test]
fn a_target_that_does_not_end_is_taken_for_one() {
    let long = format!("GET /{} ", "x".repeat(FIRST_BYTES));
    assert!(matches!(spoken(long.as_bytes(), b"", true), Spoken::Protocol(_)));
    assert!(matches!(spoken(b"GET x", b"", true), Spoken::Unknown));
}

#[test]
fn an_older_connection_is_recognised_at_a_line() {
    let name =
        |side, text: &str| spoken_within(side, text.as_bytes()).map(|found| found.label.name);
    assert_eq!(name(Side::Client, "rest of a body\nGET / HTTP/1.1\r\n"), Some("http"));
    assert_eq!(name(Side::Client, "rest of a line\r\nRCPT TO:<b>\r\n"), Some("smtp"));
    assert_eq!(name(Side::Server, "250 2.1.5 Ok\r\n"), Some("smtp"));
    assert_eq!(name(Side::Client, "a body that says GET / HTTP/1.1\r\n"), None);
}

#[test]
fn records_of_tls() {
    for (side, bytes, midstream, expected) in [
        (Side::Client, &[22, 3, 1, 2, 0, 1, 0][..], false, Like),
        (Side::Client, &[22, 3, 1], false, Unclear),
        (Side::Client, &[22, 3, 1, 2, 0, 2], false, Unlike),
        (Side::Client, &[22, 3, 1, 0, 0, 1], false, Unlike),
        (Side::Client, &[22, 3, 1, 0xff, 0, 1], false, Unlike),
        (Side::Server, &[22, 3, 3, 0, 90, 2], false, Like),
        (Side::Server, &[21, 3, 3, 0, 2, 2, 40], false, Like),
        (Side::Server, &[23, 3, 3, 0, 90, 2], false, Unlike),
        (Side::Server, &[23, 3, 3, 0, 90, 2], true, Like),
        // As clients of SSL 2.0 said hello, and those that knew SSL 3.0, too.
        (Side::Client, &[0x80, 46, 1, 0, 2], false, Like),
        (Side::Client, &[0x80, 46, 1, 3, 1, 0], false, Like),
        (Side::Client, &[0x80, 46, 1], false, Unclear),
        (Side::Client, &[0x80, 46, 2, 3, 1], false, Unlike),
        (Side::Server, &[0x80, 46, 1, 3, 1], false, Unlike),
        (Side::Client, b"GET / HTTP/1.1", false, Unlike),
    ] {
        assert_eq!(is_tls(side, bytes, midstream), expected, "{bytes:?}");
    }
}

#[test]
fn names_of_what_is_not_decoded() {
    for (client, server, expected) in [
        ("SSH-2.0-x\r\n", "", Some("ssh")),
        ("", "SSH-2.0-y\r\n", Some("ssh")),
        ("USER a\r\n", "+OK ready\r\n", Some("pop3")),
        ("USER a\r\n", "220 ready\r\n", Some("ftp")),
        ("\x16\x03\x01\x02\0\x01", "", Some("tls")),
        ("EHLO me\r\n", "", Some("smtp")),
        ("nonsense", "", None),
        ("", "", None),
    ] {
        assert_eq!(name(client.as_bytes(), server.as_bytes()), expected, "{client:?}");
    }
}

/// What the flow table relies on when it does not look again.
#[test]
fn what_is_said_of_a_line_depends_on_its_begin_and_on_its_end_alone() {
    let longest = "x".repeat(LINE_BEGIN);
    for begin in [
        "GET /",
        "GET ",
        "OPTIONS * ",
        "HTTP/1.1 200 ",
        "EHLO ",
        "MAIL FROM:",
        "220 ",
        "250-",
        "a1 LOGIN ",
        "a1 ",
        "* OK ",
        "+OK ",
        "USER ",
        "\x16\x03\x01",
        "",
        " ",
        "-",
    ] {
        let line = format!("{begin}{longest}{longest}");
        for side in [Side::Client, Side::Server] {
            for protocol in PROTOCOLS {
                let says = |text: &str| {
                    (protocol.recognises)(&First { side, bytes: text.as_bytes(), whole: false })
                };
                let name = protocol.label.name;
                for len in LINE_BEGIN..line.len() {
                    assert_eq!(says(&line[..len]), says(&line), "{name}: {begin} {side} {len}");
                }
                let whole = format!("{line}\r\n");
                let more = format!("{whole}GET / HTTP/1.1\r\n220 ESMTP\r\n");
                assert_eq!(says(&whole), says(&more), "{name}: {begin} {side}");
            }
        }
    }
}
