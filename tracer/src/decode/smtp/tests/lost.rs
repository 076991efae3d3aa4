//! Late starts, gaps, hostile bytes, and limits.

use super::*;
use crate::decode::{Decoder as _, Input, Out, testing::connection};
use crate::event::{Side, Timestamp};
use crate::random::Random;

#[test]
fn a_start_within_a_mail() {
    let said = said(&[
        Step::Gap(Side::Client, None),
        client("half a line\r\nHelp me, data follow\r\n.\r\n"),
        Step::Gap(Side::Server, None),
        server("50 is no code\r\n250 2.0.0 Ok: queued as Q\r\n"),
        client("MAIL FROM:<a@b>\r\n"),
        server("250 ok\r\n"),
    ]);
    assert_eq!(
        said.text,
        ["server: S: 250 2.0.0 Ok: queued as Q", "client: C: MAIL FROM:<a@b>", "server: S: 250 ok",]
    );
    assert_eq!(said.undecoded, [38, 15]);
}

#[test]
fn a_gap_within_a_mail() {
    let mut steps = greeted(mails::transfer("Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"));
    let last = steps.pop().expect("a reply");
    steps.pop();
    steps.extend([
        client("Subject: x\r\nTo: cut"),
        Step::Gap(Side::Client, Some(30)),
        client(" off\r\n\r\nbody\r\n.\r\nQUIT\r\n"),
        last,
        server("221 bye\r\n"),
    ]);
    let event = mail(&steps);
    assert_eq!(event["email"], json!({"subject": "x"}));
    assert_eq!(event["smtp"]["data"], json!({"mode": "data", "bytes": 63, "incomplete": true}));
    assert_eq!(event["outcome"], "success");
    assert_eq!(event["smtp"]["queue_id"], "Q1");
}

#[test]
fn a_gap_that_hides_the_end_of_a_mail() {
    for server_first in [true, false] {
        let mut steps = greeted(mails::transfer("Subject: x\r\n\r\nbo"));
        let reply = steps.pop().expect("a reply");
        let gap = Step::Gap(Side::Client, Some(7));
        steps.extend(if server_first { [reply, gap] } else { [gap, reply] });
        steps.extend([client("QUIT\r\n"), server("221 bye\r\n")]);
        let said = said(&steps);
        assert_eq!(said.text.last().map(String::as_str), Some("server: S: 221 bye"));
        assert!(said.text.contains(&"client: C: QUIT".to_owned()));
        assert_eq!(mail(&steps)["outcome"], "success");
        assert_eq!(mail(&steps)["smtp"]["data"]["incomplete"], true);
    }
}

#[test]
fn a_gap_that_hides_354() {
    let mut steps = greeted(mails::transfer("Subject: x\r\n\r\n.\r\n"));
    steps[8] = Step::Gap(Side::Server, Some(8));
    assert_eq!(mail(&steps)["email"]["subject"], "x");
    assert_eq!(mail(&steps)["outcome"], "success");
}

#[test]
fn a_gap_that_hides_the_refusal_of_data() {
    let steps = greeted([
        client("DATA\r\n"),
        Step::Gap(Side::Server, Some(8)),
        client("MAIL FROM:<a@b>\r\n"),
        server("250 ok\r\n"),
    ]);
    assert_eq!(rows(&steps)[4..], ["client: C: MAIL FROM:<a@b>", "server: S: 250 ok"]);
}

#[test]
fn a_gap_that_hides_data() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\n"),
        server("250 ok\r\n"),
        Step::Gap(Side::Client, Some(21)),
        server("250 ok\r\n"),
        server("354 go\r\n"),
        client("Subject: x\r\n\r\nQUIT\r\n.\r\n"),
        server("250 ok\r\n"),
    ]);
    let event = mail(&steps);
    assert_eq!(event["email"]["subject"], "x");
    assert_eq!(event["smtp"]["mail_from"], "a@b");
    assert_eq!(event["smtp"]["data"]["bytes"], 20);
}

#[test]
fn a_gap_that_hides_commands() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\n"),
        server("250 m\r\n"),
        Step::Gap(Side::Client, Some(20)),
        client("c@d>\r\nRCPT TO:<e@f>\r\n"),
        server("250 r\r\n"),
    ]);
    let said = said(&steps);
    assert_eq!(said.text[5..], ["client: C: RCPT TO:<e@f>", "server: S: 250 r"]);
    assert_eq!(said.undecoded, [6, 0]);
}

#[test]
fn a_gap_within_a_chunk() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\n"),
        server("250 m\r\n"),
        client("BDAT 40 LAST\r\nSubject: x\r\n\r\n"),
        Step::Gap(Side::Client, Some(20)),
        client("abcdefQUIT\r\n"),
        server("250 ok\r\n221 bye\r\n"),
    ]);
    let event = mail(&steps);
    assert_eq!(event["smtp"]["data"], json!({"mode": "bdat", "bytes": 40, "incomplete": true}));
    assert_eq!(
        rows(&steps)[6..],
        [
            "client: C: QUIT",
            "client: [anomaly: unexpected-pipelining: not offered]",
            "client: subject: x",
            "server: S: 250 ok",
            "server: S: 221 bye",
        ]
    );
}

#[test]
fn a_gap_within_a_reply() {
    let steps = greeted([
        client("EHLO me\r\n"),
        server("250-mx\r\n250-SI"),
        Step::Gap(Side::Server, Some(4)),
        server("00\r\n250-VRFY\r\n250 DSN\r\n"),
        client("NOOP\r\n"),
        server("250 ok\r\n"),
    ]);
    let said = said(&steps);
    assert_eq!(
        said.text[4..],
        ["server: S: 250 mx | 250 SI", "client: C: NOOP", "server: S: 250 ok",]
    );
    assert_eq!(said.undecoded, [0, 23]);
}

#[test]
fn a_gap_that_hides_replies() {
    let steps = greeted([
        client("MAIL FROM:<a@b>\r\n"),
        Step::Gap(Side::Server, Some(8)),
        client("RCPT TO:<c@d>\r\n"),
        server("550 r\r\n"),
        client("RCPT TO:<e@f>\r\n"),
        server("250 r\r\n"),
        client("DATA\r\n"),
        server("354 go\r\n"),
        client("Subject: x\r\n\r\n.\r\n"),
        server("250 ok\r\n"),
    ]);
    assert_eq!(
        mail(&steps)["smtp"]["rcpt_to"],
        json!([
            {"address": "c@d", "reply": 550},
            {"address": "e@f", "reply": 250},
        ])
    );
}

const WORDS: [&[u8]; 26] = [
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\r\n.\r\n",
    b"EHLO x\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"DATA\r\n",
    b"BDAT 5\r\n",
    b"BDAT 7 LAST\r\n",
    b"AUTH PLAIN x\r\n",
    b"AUTH LOGIN\r\n",
    b"STARTTLS\r\n",
    b"QUIT\r\n",
    b"RSET\r\n",
    b"220 x\r\n",
    b"250-x\r\n",
    b"250 x\r\n",
    b"334 x\r\n",
    b"354 x\r\n",
    b"535 x\r\n",
    b"235 x\r\n",
    b"LHLO x\r\n",
    b"\x16\x03\x01",
    b"Subject: x\r\n\r\n",
];

#[test]
fn hostile_bytes_and_gaps_say_the_same_however_cut() {
    for seed in 1..=100u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut steps = Vec::new();
        for _ in 0..random.below(24) {
            let side = if random.below(3) == 0 { Side::Server } else { Side::Client };
            let mut bytes = Vec::new();
            for _ in 0..=random.below(3) {
                match random.below(12) {
                    0 => bytes.extend(random.next().to_le_bytes()),
                    _ => bytes.extend(WORDS[random.below(WORDS.len())]),
                }
            }
            steps.push(Step::Bytes(side, bytes));
            if random.below(16) == 0 {
                let side = if random.below(2) == 0 { Side::Server } else { Side::Client };
                steps.push(Step::Gap(side, Some(random.below(10) as u64 + 1)));
            }
        }
        run_cut(&PROTOCOL, Settings::default(), &steps);
    }
}

#[test]
fn memory_stays_bounded() {
    let connection = connection(&PROTOCOL);
    let recipients = "RCPT TO:<somebody-with-a-long-name@example.org>\r\n".repeat(4000);
    let header = "X-Long: and longer\r\n".repeat(5000);
    let chunk = format!("BDAT {} LAST\r\n{header}", header.len());
    let one = format!("MAIL FROM:<a@b>\r\n{recipients}{chunk}");
    let mut decoder = super::super::Smtp::default();
    let mut said = Said::default();
    let mut most = 0;
    for _ in 0..40 {
        let bytes = one.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let time = Timestamp(1);
            let input =
                Input { side: Side::Client, bytes: &bytes[at..], started: time, time, end: None };
            let mut out = Out::new(&connection, Settings::default(), &mut said);
            let progress = decoder.data(&input, &mut out);
            at += progress.consumed;
            if let crate::decode::Want::Skip(skip) = progress.want {
                let skip = usize::try_from(skip).expect("fits").min(bytes.len() - at);
                at += skip;
                decoder.skipped(Side::Client, skip as u64, time, &mut out);
            }
            most = most.max(decoder.held());
        }
        said.text.clear();
        said.json.clear();
    }
    assert!(most < 2 * 1024 * 1024, "{most}");
    assert!(most > 64 * 1024, "{most}");
}
