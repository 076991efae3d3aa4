//! Mails, whole and cut at every position.

use super::Content;

/// A mail of these lines.
fn mail(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\r\n"]).collect()
}

/// Attachments as `name|type|size`, and what is odd.
fn read(pieces: &[&[u8]]) -> (Vec<String>, Vec<&'static str>) {
    let mut content = Content::default();
    for piece in pieces {
        content.push(piece);
    }
    content.end();
    assert_eq!(content.bytes(), pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
    (attachments(&content), content.odd().collect())
}

fn attachments(content: &Content) -> Vec<String> {
    let email = content.email(false);
    let files = email.attachments.iter().map(|attachment| &attachment.file);
    files
        .map(|file| {
            let text =
                |text: &Option<_>| text.as_ref().map_or_else(|| "-".into(), ToString::to_string);
            let size = file.size.map_or_else(|| "-".into(), |size| size.to_string());
            format!("{}|{}|{size}", text(&file.name), text(&file.mime_type))
        })
        .collect()
}

/// Reads a mail in every way; all must say the same, which is expected.
fn expect(mail: &str, attachments: &[&str], odd: &[&str]) {
    let bytes = mail.as_bytes();
    let whole = read(&[bytes]);
    assert_eq!(
        whole,
        (attachments.iter().map(|one| (*one).to_owned()).collect(), odd.to_vec()),
        "{mail}"
    );
    assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte: {mail}");
    for at in 1..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(read(&[head, tail]), whole, "cut at {at}: {mail}");
    }
}

#[test]
fn a_file_in_a_multipart() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=\"=_b (1)\"",
        "",
        "no part",
        "--=_b (1)",
        "",
        "text",
        "--=_b (1)  ",
        "Content-Type: Application/PDF; name=\"x.pdf\"",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment",
        "",
        "YWJj",
        "ZA==",
        "--=_b (1)--",
        "--=_b (1)",
        "Content-Disposition: attachment",
        "",
    ];
    expect(&mail(&lines), &["x.pdf|application/pdf|4"], &[]);
}

#[test]
fn parts_that_only_look_like_the_end() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "Content-Disposition: attachment; filename=a",
        "",
        "--",
        "--bb",
        "--B",
        "--b-",
        "--b--x",
        " --b",
        "-",
        "",
        "--b--",
    ];
    expect(&mail(&lines), &["a|-|38"], &[]);
}

#[test]
fn multiparts_within_each_other() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "Content-Type: multipart/related; boundary=bb",
        "",
        "--bb",
        "Content-Type: image/png; name=1.png",
        "",
        "1",
        "--bb",
        "Content-Type: image/png; name=2.png",
        "",
        "22",
        "--b",
        "Content-Type: image/png; name=3.tar.gz",
        "",
        "--b--",
    ];
    let files = ["1.png|image/png|1", "2.png|image/png|2", "3.tar.gz|image/png|0"];
    expect(&mail(&lines), &files, &["mime-unclosed"]);
}

#[test]
fn mails_within_the_mail() {
    let lines = [
        "Content-Type: multipart/digest; boundary=b",
        "",
        "--b",
        "",
        "Subject: x",
        "Content-Disposition: attachment; filename=1",
        "",
        "1",
        "--b",
        "Content-Type: message/rfc822; name=m.eml",
        "",
        "Content-Type: multipart/mixed; boundary=c",
        "",
        "--c",
        "Content-Type: text/plain; name=2",
        "",
        "22",
        "--c--",
        "--b--",
    ];
    expect(&mail(&lines), &["1|-|1", "m.eml|message/rfc822|95", "2|text/plain|2"], &[]);
}

#[test]
fn a_mail_that_is_a_file() {
    let header = "Content-Type: text/csv; name*=utf-8''%c3%a9.csv\r\n";
    expect(&format!("{header}\r\na,b\r\n"), &["é.csv|text/csv|5"], &[]);
    expect(&format!("{header}no header\r\n"), &["é.csv|text/csv|11"], &[]);
    expect(header, &["é.csv|text/csv|0"], &[]);
}

#[test]
fn ends_that_are_missing() {
    let multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let part = "--b\r\nContent-Disposition: attachment\r\n";
    expect(&format!("{multipart}{part}\r\nabc\r\n"), &["-|-|5"], &["mime-unclosed"]);
    expect(&format!("{multipart}{part}\r\nabc\r\n--b--"), &["-|-|3"], &[]);
    expect(&format!("{multipart}{part}--b\n{part}"), &["-|-|0", "-|-|0"], &["mime-unclosed"]);
    expect(&format!("{multipart}{part}\n1\n--b--\n"), &["-|-|1"], &[]);
    expect("Content-Type: multipart/mixed\r\n\r\n--b\r\n", &[], &["mime-no-boundary"]);
    expect("Content-Type: multipart/mixed; boundary=b", &[], &["mime-unclosed"]);
    expect("", &[], &[]);
}

#[test]
fn missing_bytes_leave_sizes_out() {
    let mut content = Content::default();
    content.push(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
    content.push(b"Content-Disposition: attachment; filename=1\r\n\r\nabc");
    content.missing(10);
    content.push(
        b"--b\r\nd\r\n--b\r\nContent-Disposition: attachment; filename=2\r\n\r\nabc\r\n--b--",
    );
    content.end();
    assert_eq!(attachments(&content), ["1|-|-", "2|-|3"]);
    assert_eq!(content.odd().count(), 0);
}

#[test]
fn limits_are_kept_and_told() {
    let mut content = Content::default();
    for number in 0..100 {
        content.push(
            format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
                .as_bytes(),
        );
    }
    content.end();
    assert_eq!(content.odd().collect::<Vec<_>>(), ["mime-too-deep", "mime-unclosed"]);

    let mut content = Content::default();
    content.push(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for _ in 0..10_000 {
        content.push(b"--b\r\nContent-Disposition: attachment; filename=a.b\r\n\r\nabc\r\n");
    }
    assert!(content.held() < 256 * 1024, "{}", content.held());
    content.end();
    assert!(content.odd().any(|code| code == "too-many-attachments"));

    let mut content = Content::default();
    content
        .push(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain;");
    for _ in 0..1_000 {
        content.push(b" name=01234567890;\r\n");
    }
    content.push(b"--b--");
    for _ in 0..100_000 {
        content.push(b" ");
    }
    assert!(content.held() < 64 * 1024, "{}", content.held());
    content.end();
    assert_eq!(content.odd().collect::<Vec<_>>(), ["header-too-long", "mime-unclosed"]);
}

#[test]
fn a_body_without_parts_may_be_skipped() {
    let mut content = Content::default();
    content.push(b"Subject: x\r\n");
    assert!(!content.is_idle());
    content.push(b"\r\n");
    assert!(content.is_idle());
    let mut content = Content::default();
    content.push(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n");
    assert!(!content.is_idle());
    content.push(b"--b--\r\n");
    assert!(content.is_idle());
}

#[test]
fn the_program_that_wrote_the_mail() {
    let mailer = |lines: &[&str]| {
        let mut content = Content::default();
        content.push(mail(lines).as_bytes());
        content.end();
        content.email(false).x_mailer.map(|mailer| mailer.to_string())
    };
    assert_eq!(mailer(&["User-Agent: a", ""]).as_deref(), Some("a"));
    assert_eq!(mailer(&["User-Agent: a", "X-Mailer: b", ""]).as_deref(), Some("b"));
    assert_eq!(mailer(&["Subject: c", ""]), None);
}
