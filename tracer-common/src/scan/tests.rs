extern crate std;
use std::{format, string::String};

use super::*;
use crate::window::{NOWHERE, Passing};

/// What is found in bytes from sequence number 1000 on.
fn found(bytes: &[u8]) -> Found {
    found_from(&Statement::message(1000, None), bytes)
}

fn found_from(start: &Statement, bytes: &[u8]) -> Found {
    let mut scanner = Scanner::new(start);
    for &byte in bytes {
        scanner.step(byte);
    }
    // The same in steps of eight where that is possible.
    let mut swift = Scanner::new(start);
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        match rest.first_chunk::<8>() {
            Some(eight) if swift.is_idle(u64::from_ne_bytes(*eight)) => {
                swift.pass();
                rest = &rest[8..];
            }
            _ => {
                swift.step(*first);
                rest = behind;
            }
        }
    }
    assert_eq!(scanner, swift);
    scanner.found(1000, 100, None)
}

fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n")
}

#[test]
fn a_body_that_follows_its_head_is_known_to_its_end() {
    let head = head("Server: x\r\ncontent-LENGTH: \t5000 \r\nConnection: keep-alive\r\n");
    let begin = 1000 + u32::try_from(head.len()).unwrap();
    let found = found(format!("{head}<").as_bytes());
    assert_eq!(found.head_len, begin - 1000);
    assert_eq!(found.next, Statement::about(Kind::Body, begin, begin + 5000, None));
}

#[test]
fn a_small_body_leads_to_the_next_message() {
    let head = head("Content-Length: 7\r\n");
    let begin = 1000 + u32::try_from(head.len()).unwrap();
    let next = |bytes: String| found(bytes.as_bytes()).next;
    assert_eq!(next(format!("{head}<p>text")), Statement::message(begin + 7, None));
    let bare = "HTTP/1.0 304 Not Modified\r\nContent-Length: 5000\r\n\r\n";
    let behind = 1000 + u32::try_from(bare.len()).unwrap();
    assert_eq!(next(bare.into()), Statement::message(behind, None));
}

#[test]
fn a_body_that_may_not_come_is_waited_for() {
    let head = head("Content-Length: 5000\r\n");
    let begin = 1000 + u32::try_from(head.len()).unwrap();
    let announced = Statement::about(Kind::Announced, begin, begin + 5000, None);
    assert_eq!(found(head.as_bytes()).next, announced);
    for begins in ["H", "HTTP/1", "HTTP/1.", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<"] {
        let next = found(format!("{head}{begins}").as_bytes()).next;
        assert_eq!(next.kind, Kind::Nothing, "{begins}");
    }
    let next = found(format!("{head}HTTP/2").as_bytes()).next;
    assert_eq!(next.kind, Kind::Body);
}

#[test]
fn what_is_not_plain_is_refused() {
    let lengths = "Content-Length: 5000\r\n";
    for fields in [
        "Server: x\r\n".into(),
        format!("{lengths}{lengths}"),
        format!("{lengths}Transfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\n{lengths}"),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding: gzip, chunked\r\n".into(),
        "Transfer-Encoding: chunked, gzip\r\n".into(),
        "Transfer-Encoding: chunke\r\n".into(),
        "Transfer-Encoding:\r\n".into(),
        format!("transfer-encoding: gzip\r\n{lengths}"),
        format!("{lengths}Connection: Upgrade\r\n"),
        "Content-Length: 50, 50\r\n".into(),
        "Content-Length: +50\r\n".into(),
        "Content-Length: 5 0\r\n".into(),
        "Content-Length:\r\n".into(),
        "Content-Length : 5000\r\n".into(),
        "Content-Length: 1234567890123456\r\n".into(),
        "Content-Length: 2000000000\r\n".into(),
        " folded\r\nContent-Length: 5000\r\n".into(),
        format!("{lengths} folded\r\n"),
        format!("{lengths}no colon\r\n"),
        format!("{lengths}: no name\r\n"),
        format!("{lengths}A: b\n"),
        format!("{lengths}A: b\rc\r\n"),
        format!("{lengths}A: \0\r\n"),
        format!("{lengths}A: 12345678\x7f12345678\r\n"),
    ] {
        let next = found(format!("{}<", head(&fields)).as_bytes()).next;
        assert_eq!(next.kind, Kind::Nothing, "{fields:?}");
    }
    for start in [
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 100 Continue",
        "HTTP/1.1 101 Switching Protocols",
        "GET / HTTP/1.1",
    ] {
        let next = found(format!("{start}\r\n{lengths}\r\n<").as_bytes()).next;
        assert_eq!(next.kind, Kind::Nothing, "{start:?}");
    }
    for name in ["xontent-length", "xransfer-encoding", "content-lengtx", "xcontent-length"] {
        let next = found(head(&format!("{name}: 5000\r\n")).as_bytes()).next;
        assert_eq!(next.kind, Kind::Nothing, "{name}");
    }
}

#[test]
fn what_is_cut_anywhere_is_gone_on_with() {
    let names = "Via: x\r\nx-long-name-that-is-longer-than-sixteen: y\r\nContent: z\r\n\
        Transfer: z\r\ncontent-lengthy: 7\r\nConnections: u\r\n";
    for bytes in [
        head(&format!("{names}Content-Length: 5000\r\nConnection: close\r\n")) + "<",
        head(&format!("{names}Transfer-Encoding: chunked\r\n")) + "8000\r\n",
        head(&format!("Content-Length: 50\r\nTransfer-Encoding: chunked\r\n{names}")) + "<",
        head(&format!("Content-Length: 5000\r\nConnection: Upgrade\r\n{names}")) + "<",
        head(&format!("Xontent-Length: 5000\r\n{names}xransfer-encoding: chunked\r\n")) + "<",
        format!("HTTP/1.0 304 Not Modified\r\n{names}\r\n"),
    ] {
        let whole = found(bytes.as_bytes()).next;
        for cut in 1..bytes.len() {
            let (before, behind) = bytes.as_bytes().split_at(cut);
            let first = found(before).next;
            if !matches!(first.kind, Kind::Within | Kind::Announced) {
                assert_eq!(first, whole, "{cut} of {bytes:?}");
                continue;
            }
            let begin = 1000 + u32::try_from(cut).unwrap();
            assert_eq!(first.begin, begin, "{cut} of {bytes:?}");
            let mut next = found_from(&first, behind).next;
            let shift = begin - 1000;
            let there = next.kind != Kind::Nothing;
            next.begin = next.begin.wrapping_add(if there { shift } else { 0 });
            let spans = there && next.kind != Kind::Within;
            next.end = next.end.wrapping_add(if spans { shift } else { 0 });
            assert_eq!(next, whole, "{cut} of {bytes:?}");
        }
    }
}

/// Chunks, or a chunk's end, are looked at there.
fn within(mark: u32, at: u32) -> Statement {
    Statement { mark, ..Statement::about(Kind::Within, at, 0, None) }
}

#[test]
fn the_head_and_a_little_of_its_body_are_copied() {
    let next = Statement::about(Kind::Body, 1000, 9000, None);
    let found = Found { next, head_len: 100 };
    let segment = |sequence, len| Passing { sequence, len, flags: 0 };
    let all = |look, len| Outlook { next, to: len, look };
    assert_eq!(found.outlook(0, &segment(900, 150)), all(NOWHERE, 150));
    assert_eq!(found.outlook(0, &segment(900, 5000)), Outlook { to: 164, ..all(NOWHERE, 0) });
    assert_eq!(found.outlook(7, &segment(893, 8107)), Outlook { to: 171, ..all(NOWHERE, 0) });
    // Another message stands behind the body.
    let outlook = Outlook { to: 171, ..all(8107, 0) };
    assert_eq!(found.outlook(7, &segment(893, 8108)), outlook);
    // And behind one that is copied.
    let small = Found { next: Statement::message(1050, None), head_len: 100 };
    let outlook = Outlook { next: small.next, to: 157, look: 157 };
    assert_eq!(small.outlook(7, &segment(893, 8108)), outlook);
    let outlook = Outlook { next: small.next, to: 150, look: NOWHERE };
    assert_eq!(small.outlook(7, &segment(893, 150)), outlook);
}

#[test]
fn chunks_are_followed_from_size_to_size() {
    let head = head("Transfer-Encoding:\tChunked \r\nServer: x\r\n");
    let begin = 1000 + u32::try_from(head.len()).unwrap();
    let next = |bytes: String| found(bytes.as_bytes()).next;
    let chunks = within(AT_CHUNKS, begin);
    assert_eq!(next(head.clone()), chunks);
    let chunk = Statement::about(Kind::Chunk, begin + 6, begin + 6 + 0x1f0a, None);
    assert_eq!(next(format!("{head}1F0a\r\n")), chunk);
    assert_eq!(next(format!("{head}1F0a\r\ntext")), chunk);
    let behind = |bytes: &str| found_from(&within(AT_CHUNK_END, 1000), bytes.as_bytes());
    let chunk = Statement::about(Kind::Chunk, 1008, 1008 + 0x8000, None);
    assert_eq!(behind("\r\n8000\r\nHTTP/1.1 "), Found { next: chunk, head_len: 8 });
    let small = within(AT_CHUNK_END, 1005 + 4);
    assert_eq!(behind("\r\n4\r\nHTTP/1.1 ").next, small);
    let last = Found { next: Statement::message(1007, None), head_len: 7 };
    assert_eq!(behind("\r\n0\r\n\r\nHTTP/1.1 "), last);
    assert_eq!(behind("\r\n000\r\n\r\n").next, Statement::message(1009, None));
}

#[test]
fn a_message_may_follow_where_chunks_did_not_come() {
    let first = |bytes: &str| found_from(&within(AT_CHUNKS, 1000), bytes.as_bytes()).next;
    let bare = "HTTP/1.1 204 No Content\r\n\r\n";
    let end = 1000 + u32::try_from(bare.len()).unwrap();
    assert_eq!(first(bare), Statement::message(end, None));
    assert_eq!(first("f000\r\n"), Statement::about(Kind::Chunk, 1006, 1006 + 0xf000, None));
    assert_eq!(first("\r\nf000\r\n").kind, Kind::Nothing);
}

#[test]
fn sizes_that_are_not_plain_are_refused() {
    for lines in [
        "8000\r\n",
        "\r\n\r\n",
        "\r\r\n8000\r\n",
        "\n8000\r\n",
        "\r\n8000\n",
        "\r\n8000;name=value\r\n",
        "\r\n8000 \r\n",
        "\r\n 8000\r\n",
        "\r\n0x80\r\n",
        "\r\n800g\r\n",
        "\r\n@000\r\n",
        "\r\n800000000\r\n",
        "\r\n40000001\r\n",
        "\r\n-1\r\n",
        "\r\n0\r\nTrailer: x\r\n\r\n",
        "\r\n0\r\n\n",
    ] {
        let next = found_from(&within(AT_CHUNK_END, 1000), lines.as_bytes()).next;
        assert_eq!(next.kind, Kind::Nothing, "{lines:?}");
    }
    // HTTP/1.0 knows none.
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(found(old.as_bytes()).next.kind, Kind::Nothing);
}
