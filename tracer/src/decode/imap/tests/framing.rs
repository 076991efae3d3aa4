//! Where messages end: literals, overlong lines, gaps, late starts.

use super::{super::Imap, *};
use crate::{
    decode::{
        Decoder as _, End, Input, Out, Progress,
        testing::{byte_by_byte, connection},
    },
    event::Timestamp,
    random::Random,
};

#[test]
fn every_form_of_literal_on_both_sides() {
    let said = says(
        &[
            client("1 APPEND a {5}\r\n"),
            server("+ OK\r\n"),
            client("a\r\nb\n {0+}\r\n ~{3+}\r\n\0\r\n ~{2}\r\n"),
            server("+ OK\r\n"),
            client("x\n\r\n"),
            server(
                "* 1 FETCH (BODY[1] {3}\r\n1 O BODY[2] {0}\r\n BINARY[3] ~{4}\r\n\r\n\r\n)\r\n1 OK\r\n",
            ),
        ],
        &[
            "server: Response: + OK",
            "server: Response: + OK",
            "client: Request: 1 APPEND a {5}",
            "server: Response: * 1 FETCH (BODY[1] {3}",
            "server: Response: 1 OK",
        ],
    );
    assert_eq!(said.json[2]["imap"]["literal"]["bytes"], json!([5, 0, 3, 2]));
    assert_eq!(said.json[3]["imap"]["literal"]["bytes"], json!([3, 0, 4]));
}

#[test]
fn a_refused_literal_never_comes() {
    let said = says(
        &[client("1 APPEND a {500}\r\n2 NOOP\r\n"), server("1 NO [TOOBIG] too big\r\n2 OK\r\n")],
        &[
            "client: Request: 1 APPEND a {500}",
            "server: Response: 1 NO [TOOBIG] too big",
            "client: Request: 2 NOOP",
            "server: Response: 2 OK",
        ],
    );
    assert_eq!(said.json[0]["imap"]["literal"], json!(null));
}

#[test]
fn a_literal_in_a_response_code() {
    says(
        &[server("* OK\r\n* NO [BADCHARSET ({5}\r\nutf-8)] no such\r\n* 1 EXISTS\r\n")],
        &[
            "server: Response: * OK",
            "server: Response: * NO [BADCHARSET ({5}",
            "server: Response: * 1 EXISTS",
        ],
    );
}

/// A decoder that is offered bytes by hand, to see what it answers.
struct Bench {
    decoder: Imap,
    said: Said,
}

impl Bench {
    fn new() -> Self {
        Self { decoder: Imap::default(), said: Said::default() }
    }

    fn offer(&mut self, side: Side, bytes: &[u8], end: Option<End>) -> Progress {
        let (connection, time) = (connection(&PROTOCOL), Timestamp(1));
        let mut out = Out::new(&connection, CLOSED, &mut self.said);
        self.decoder.data(&Input { side, bytes, started: time, time, end }, &mut out)
    }

    fn skipped(&mut self, side: Side, bytes: u64) {
        let connection = connection(&PROTOCOL);
        let mut out = Out::new(&connection, CLOSED, &mut self.said);
        self.decoder.skipped(side, bytes, Timestamp(1), &mut out);
    }
}

#[test]
fn a_large_literal_is_skipped() {
    let mut bench = Bench::new();
    let size = 20 * 1024 * 1024;
    for (side, head, tail) in [
        (Side::Server, format!("* 1 FETCH (BODY[] {{{size}}}\r\n"), ")\r\n"),
        (Side::Client, format!("1 APPEND a {{{size}+}}\r\n"), "\r\n"),
    ] {
        let mail = "Subject: large\r\n\r\nbo";
        bench.offer(side, head.as_bytes(), None);
        for byte in mail.bytes().take(mail.len() - 3) {
            assert_eq!(bench.offer(side, &[byte], None), Progress::more(1));
        }
        // All of the body that was not offered with the header's end.
        let left = size - mail.len() as u64;
        let progress = bench.offer(side, b"\nbo", None);
        assert_eq!(progress, Progress::skip(3, left));
        assert!(bench.decoder.held() < 4096, "holds {}", bench.decoder.held());
        bench.skipped(side, left);
        assert_eq!(bench.offer(side, tail.as_bytes(), None), Progress::more(tail.len()));
    }
    assert_eq!(
        bench.said.text,
        [
            "server: [anomaly: no-greeting]",
            "server: Response: * 1 FETCH (BODY[] {20971520}",
            "client: Request: 1 APPEND a {20971520+}"
        ]
    );
    for event in &bench.said.json[1..] {
        assert_eq!(event["email"], json!({"subject": "large"}));
    }
}

#[test]
fn a_late_start_shows_nothing_before_a_known_command() {
    let said = says(
        &[
            Step::Gap(Side::Client, None),
            Step::Gap(Side::Server, None),
            client("AGJvYgBjYW5hcnk=\r\nsome words\r\n7 UID FETCH 1 FLAGS\r\n8 XFOO bar\r\n"),
            server(
                "of a mail\r\n* a bullet\r\n)\r\n* 1 FETCH (FLAGS ())\r\n* XNEW thing\r\n7 OK\r\n",
            ),
        ],
        &[
            "client: Request: 7 UID FETCH 1 FLAGS",
            "client: Request: 8 XFOO [redacted]",
            "server: Response: * 1 FETCH (FLAGS ())",
            "server: Response: * XNEW thing",
            "server: Response: 7 OK",
        ],
    );
    assert_eq!(said.undecoded, [30, 26]);
}

#[test]
fn a_late_start_before_an_answer() {
    says(
        &[
            Step::Gap(Side::Client, None),
            client("1 LOGIN bob {6}\r\n"),
            Step::Gap(Side::Server, None),
            server("+ OK\r\n"),
            client("canary\r\n"),
            server("1 NO [ALERT] canary is no password\r\n"),
        ],
        &[
            "server: Response: + OK",
            "client: Request: 1 LOGIN bob [redacted]",
            "server: Response: 1 NO [ALERT] [redacted]",
        ],
    );
}

#[test]
fn a_gap_that_may_hide_the_answer_leaves_what_follows_unread() {
    let said = says(
        &[
            client("1 LOGIN bob {6}\r\n"),
            server("* OK "),
            Step::Gap(Side::Server, Some(10)),
            client("canary\r\n2 NOOP\r\n"),
            server("2 OK done\r\n"),
        ],
        &[
            "client: Request: 1 LOGIN [redacted]",
            "client: Request: 2 NOOP",
            "server: Response: 2 OK done",
        ],
    );
    assert_eq!(said.undecoded, [8, 5]);
}

#[test]
fn a_gap_within_a_literal_keeps_the_step() {
    let said = says(
        &[
            client("1 FETCH 1 BODY[]\r\n"),
            server("* 1 FETCH (BODY[] {100}\r\n0123456789"),
            Step::Gap(Side::Server, Some(80)),
            server("0123456789 UID 4)\r\n1 OK\r\n"),
        ],
        &[
            "client: Request: 1 FETCH 1 BODY[]",
            "server: Response: * 1 FETCH (BODY[] {100}",
            "server: Response: 1 OK",
        ],
    );
    assert_eq!(said.undecoded, [0, 0]);
}

#[test]
fn a_gap_beyond_a_literal_loses_it() {
    let said = says(
        &[
            client("1 FETCH 1 BODY[]\r\n"),
            server("* 1 FETCH (BODY[] {100}\r\n0123456789"),
            Step::Gap(Side::Server, Some(91)),
            server("UID 4)\r\n1 OK\r\n"),
        ],
        &[
            "client: Request: 1 FETCH 1 BODY[]",
            "server: Response: * 1 FETCH (BODY[] {100}",
            "server: Response: 1 OK",
        ],
    );
    assert_eq!(said.undecoded, [0, 8]);
}

#[test]
fn a_message_that_ends_too_early_is_told_of_as_far_as_it_goes() {
    says(
        &[
            client("1 SELECT INB"),
            Step::Gap(Side::Client, Some(10)),
            client("OX\r\n2 APPEND a {10+}\r\n01234"),
            server("* 4 EXI"),
            Step::Close(Side::Client),
            Step::Close(Side::Server),
        ],
        &["client: Request: 1 SELECT INB", "client: Request: 2 APPEND a {10+}"],
    );
}

#[test]
fn a_line_beyond_the_limit_keeps_the_step() {
    let numbers = " 1234567".repeat(20_000);
    let steps = [
        client(format!("1 UID FETCH{numbers} BODY[] {{3+}}\r\nabc\r\n2 NOOP\r\n")),
        server(format!("* SEARCH{numbers}\r\n* OK{numbers} {{5}}\r\n2 OK\r\n")),
    ];
    let whole = greeted(run, CLOSED, &steps);
    let heads: Vec<_> = whole.text.iter().map(|row| row.get(..30).unwrap_or(row)).collect();
    assert_eq!(
        heads,
        [
            "client: [anomaly: line-too-long]",
            "client: Request: 1 UID FETCH 1",
            "client: Request: 2 NOOP",
            "server: [anomaly: line-too-long]",
            "server: Response: * SEARCH 123",
            "server: [anomaly: line-too-long]",
            "server: Response: * OK 1234567",
            "server: Response: 2 OK",
        ]
        .map(|row| row.get(..30).unwrap_or(row))
    );
    assert_eq!(whole.json[1]["imap"]["literal"]["bytes"], json!([3]));
    for size in [1_000, 4_093, 65_535, 65_536, 65_537] {
        let cut: Vec<_> = steps
            .iter()
            .flat_map(|step| match step {
                Step::Bytes(side, bytes) => {
                    bytes.chunks(size).map(|part| Step::Bytes(*side, part.to_vec())).collect()
                }
                other => vec![other.clone()],
            })
            .collect();
        assert_eq!(greeted(run, CLOSED, &cut), whole, "in pieces of {size}");
    }
}

#[test]
fn literals_beyond_the_limit_keep_the_step() {
    let literals = "{1+}\r\nx ".repeat(2_000);
    let said = greeted(run, CLOSED, &[client(format!("1 X {literals}\r\n2 NOOP\r\n"))]);
    assert_eq!(
        said.text,
        [
            "client: [anomaly: too-many-literals]",
            "client: Request: 1 X [redacted]",
            "client: Request: 2 NOOP"
        ]
    );
    assert_eq!(said.json[1]["imap"]["literal"]["bytes"].as_array().map(Vec::len), Some(1024));
}

#[test]
fn an_absurd_literal_is_not_believed() {
    for size in ["4294967297", "99999999999999999999999"] {
        says(
            &[client(format!("1 APPEND a {{{size}+}}\r\nwhat ever\r\n2 NOOP\r\n"))],
            &[
                "client: [anomaly: literal-too-large]",
                &format!("client: Request: 1 APPEND a {{{size}+}}"),
                "client: Request: 2 NOOP",
            ],
        );
    }
}

#[test]
fn lines_that_are_none_of_imap() {
    let said = says(
        &[client("canary\r\n\r\n1 NOOP\n"), server("canary\r\n* 1 EXISTS\n")],
        &[
            "client: [anomaly: malformed-command]",
            "client: Request: 1 NOOP",
            "server: [anomaly: malformed-response]",
            "server: Response: * 1 EXISTS",
        ],
    );
    assert_eq!(said.undecoded, [10, 8]);
}

#[test]
fn a_server_that_is_never_heard_is_decided_without() {
    let mut bench = Bench::new();
    let steps = b"1 LOGIN bob {6}\r\ncanary\r\n";
    assert_eq!(bench.offer(Side::Client, steps, None), Progress::peer(17));
    assert_eq!(bench.offer(Side::Client, &steps[17..], Some(End::Limit)), Progress::more(8));
    let steps = b"2 AUTHENTICATE PLAIN\r\nAGJvYgBjYW5hcnk=\r\n3 NOOP\r\n";
    assert_eq!(bench.offer(Side::Client, steps, None), Progress::peer(22));
    assert_eq!(bench.offer(Side::Client, &steps[22..], Some(End::Limit)), Progress::more(26));
    assert_eq!(
        bench.said.text,
        [
            "client: Request: 1 LOGIN bob [redacted]",
            "client: Request: 2 AUTHENTICATE PLAIN",
            "client: Request: [redacted]",
            "client: Request: 3 NOOP",
        ]
    );
}

#[test]
fn hostile_bytes_neither_panic_nor_fill_memory() {
    let words: [&[u8]; 24] = [
        b"1 ",
        b"LOGIN ",
        b"* ",
        b"+ ",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"{3}",
        b"{9+}\r\n",
        b"~{2}\r\n",
        b"\"",
        b"\\",
        b"OK ",
        b"[",
        b"]",
        b"AUTHENTICATE PLAIN",
        b"1 OK\r\n",
        b"+\r\n",
        b"DONE\r\n",
        b"IDLE\r\n",
        b"\0\xff\x80",
        b"UID ",
        b"SELECT &",
        b" ",
    ];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..3_000 {
        let steps: Vec<_> = (0..random.below(30))
            .map(|_| {
                let side = [Side::Client, Side::Server][random.below(2)];
                match random.below(12) {
                    0 => Step::Gap(side, Some(random.below(20) as u64 + 1)),
                    1 => Step::Gap(side, None),
                    _ => {
                        let words = (0..random.below(8)).map(|_| words[random.below(words.len())]);
                        Step::Bytes(side, words.flatten().copied().collect())
                    }
                }
            })
            .collect();
        let whole = run(&PROTOCOL, CLOSED, &steps);
        assert_eq!(run(&PROTOCOL, CLOSED, &byte_by_byte(&steps)), whole, "{steps:?}");
    }
    let mut bench = Bench::new();
    for _ in 0..2_000 {
        for side in [Side::Client, Side::Server] {
            let bytes: Vec<_> = (0..random.below(400))
                .flat_map(|_| words[random.below(words.len())])
                .copied()
                .collect();
            bench.offer(side, &bytes, Some(End::Limit));
            assert!(bench.decoder.held() < 512 * 1024, "holds {}", bench.decoder.held());
        }
        bench.said = Said::default();
    }
}
