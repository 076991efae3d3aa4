//! No secret comes out of anything that is written, however the packets that
//! carry it arrive: whole, cut, late, out of order, in part, not at all.
//!
//! In the texts `‹…›` encloses what must not come out: not one stretch of six
//! bytes of it, in no format and no view.

#![expect(
    clippy::indexing_slicing,
    reason = "packets are built here; a wrong index fails the test"
)]

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tests::{
    capture::Capture, conversation::Conversation, packet::Packet, replay::written, secret::Secrets,
};
use tracer::{
    event::Side::{self, Client, Server},
    flow::STREAM_LIMIT,
};

const CLOCK: u32 = 1_000;
/// Microseconds since the epoch, and between packets.
const BEGIN: u64 = 1_475_232_861_000_000;
const STEP: usize = 100;
/// Segments before the first one with data.
const HANDSHAKE: usize = 3;
/// One in so many of the ways to arrive is tried with each dialogue: another
/// one with each, and hundreds with all.
const SAMPLE: usize = 151;

/// A password.
const PASSWORD: &str = "‹qX7vK2mRw9Zt4Lp›";
/// The response of PLAIN with it: `\0eve\0` and the password in Base64.
const PLAIN: &str = "‹AGV2ZQBxWDd2SzJtUnc5WnQ0THA=›";
/// The response of LOGIN with it; the user is `eve`.
const LOGIN: &str = "‹cVg3dksybVJ3OVp0NExw›";

/// What is said on a connection, and what of it must stay hidden.
struct Dialogue {
    port: u16,
    steps: Vec<(Side, Vec<u8>)>,
    secrets: Secrets,
}

impl Dialogue {
    fn new(port: u16, steps: &[(Side, String)]) -> Self {
        let mut secrets = Secrets::default();
        let mut plain = |text: &str| {
            let mut bytes = Vec::new();
            for part in text.split_inclusive('›') {
                let (before, secret) = part.split_once('‹').unwrap_or((part, ""));
                let secret = secret.trim_end_matches('›');
                secrets.add(secret.as_bytes());
                bytes.extend_from_slice(before.as_bytes());
                bytes.extend_from_slice(secret.as_bytes());
            }
            bytes
        };
        let steps = steps.iter().map(|(side, text)| (*side, plain(text))).collect();
        Self { port, steps, secrets }
    }

    /// The packets of the dialogue, with at most `size` bytes in each.
    fn packets(&self, size: usize) -> Result<Vec<Packet>> {
        let client = SocketAddr::new("192.0.2.1".parse()?, 40_001);
        let server = SocketAddr::new("192.0.2.25".parse()?, self.port);
        let mut talk = Conversation::new(client, server);
        let mut packets = talk.open(CLOCK).to_vec();
        for (side, bytes) in &self.steps {
            packets.extend(bytes.chunks(size).map(|chunk| talk.say(*side, CLOCK, chunk)));
        }
        packets.extend([talk.fin(Server, CLOCK), talk.fin(Client, CLOCK), talk.ack(Server, CLOCK)]);
        Ok(packets)
    }
}

fn capture<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Result<Capture> {
    let times = (BEGIN..).step_by(STEP);
    Capture::new(&times.zip(packets.into_iter().cloned()).collect::<Vec<_>>())
}

/// The ways in which packets may arrive: what they are called, what of them is
/// captured, and the limit of a stream.
fn arrivals(packets: &[Packet], all: &mut usize) -> Result<Vec<(String, Capture, usize)>> {
    let mut ways = Vec::new();
    let mut sampled = || {
        *all += 1;
        all.is_multiple_of(SAMPLE)
    };
    for at in 1..packets.len() {
        if sampled() {
            ways.push((format!("from {at} on"), capture(&packets[at..])?, STREAM_LIMIT));
        }
    }
    for (at, packet) in packets.iter().enumerate().skip(HANDSHAKE) {
        for lost in [1, 3] {
            if sampled() {
                let left = packets[..at].iter().chain(packets.iter().skip(at + lost));
                ways.push((format!("{lost} lost at {at}"), capture(left)?, STREAM_LIMIT));
            }
        }
        if sampled() {
            let mut cut = capture(packets)?;
            let frame = &mut cut.frames[at].1;
            frame.truncate(frame.len() - packet.payload.len() / 2);
            ways.push((format!("{at} cut in half"), cut, STREAM_LIMIT));
        }
        if sampled() && at + 1 < packets.len() {
            let mut swapped = packets.to_vec();
            swapped.swap(at, at + 1);
            ways.push((format!("{at} and next swapped"), capture(&swapped)?, STREAM_LIMIT));
        }
    }
    for side in [0, 1] {
        if sampled() {
            let end = packets[side].source;
            let left = packets.iter().filter(|packet| packet.source == end);
            ways.push((format!("only what {end} says"), capture(left)?, STREAM_LIMIT));
        }
    }
    for limit in (8..400).step_by(8) {
        if sampled() {
            ways.push((format!("a limit of {limit}"), capture(packets)?, limit));
        }
    }
    Ok(ways)
}

/// Tries all dialogues, and that each shows its secret to who asks for it.
fn attack(port: u16, dialogues: &[Vec<(Side, String)>]) -> Result<()> {
    let mut all = 0;
    let mut leaks = Vec::new();
    for steps in dialogues {
        let dialogue = Dialogue::new(port, steps);
        let whole = capture(&dialogue.packets(usize::MAX)?)?;
        let shown = written(&whole, STREAM_LIMIT, true)?;
        ensure!(dialogue.secrets.leak(&shown).is_some(), "{steps:?}: never shown");
        let mut ways = vec![("whole".to_owned(), whole, STREAM_LIMIT)];
        for size in [1, 5, 23] {
            ways.extend(arrivals(&dialogue.packets(size)?, &mut all)?);
        }
        for (how, capture, limit) in ways {
            if let Some(leak) = dialogue.secrets.leak(&written(&capture, limit, false)?) {
                leaks.push(format!("{steps:?}\n  {how}: {leak}"));
            }
        }
    }
    ensure!(leaks.is_empty(), "{}", leaks.join("\n"));
    Ok(())
}

#[test]
fn of_http() -> Result<()> {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const NEXT: &str = "GET /next HTTP/1.1\r\n\r\n";
    let mut requests = Vec::new();
    let mut responses = Vec::new();
    for name in ["Authorization", "PROXY-AUTHORIZATION", "Cookie", "X-Auth-Token", "x-api-key"] {
        for value in [
            format!(" Basic {PASSWORD}"),
            format!("\r\n\t{PASSWORD}"),
            format!(" a=b;\r\n c={PASSWORD}"),
            format!(" é{PASSWORD}"),
            format!("{PASSWORD}\u{1}"),
        ] {
            requests.push(format!("GET / HTTP/1.1\r\n{name}:{value}\r\nAccept: x\r\n\r\n"));
        }
        requests.push(format!("GET / HTTP/1.1\n{name} : {PASSWORD}\n\n"));
        requests.push(format!("GET / HTTP/1.1\r\nX: y\r\n {name}: {PASSWORD}\r\n\r\n"));
    }
    for target in [
        format!("/?password={PASSWORD}"),
        format!("/?a=b&_pass={PASSWORD}&c=d"),
        format!("/?PASSWD={PASSWORD};x"),
        format!("/?%70%61ss={PASSWORD}"),
        format!("/?X-Goog-Signature={PASSWORD}&AWSAccessKeyId={PASSWORD}"),
        format!("/#token={PASSWORD}"),
        format!("/?next=%2Fin%3Fpassword%3D{PASSWORD}"),
        format!("/login%3Fsecret%3D{PASSWORD}"),
        format!("http://u:{PASSWORD}@h/?a=b"),
        format!("/proxy?u=http://{PASSWORD}@h/"),
    ] {
        requests.push(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        requests.push(format!("GET / HTTP/1.1\r\nReferer: http://h{target}\r\n\r\n"));
        for (name, before, after) in
            [("Location", "", ""), ("Refresh", "0; url=", ""), ("Link", "<", ">; rel=next")]
        {
            responses
                .push(format!("HTTP/1.1 302 Found\r\n{name}: {before}{target}{after}\r\n\r\n"));
        }
        responses.push(format!("HTTP/1.1 404 No {target} here\r\n\r\n"));
    }
    responses.push(format!("HTTP/1.1 401 Invalid Authorization: Basic {PASSWORD}\r\n\r\n"));
    responses.push(format!("HTTP/1.1 200 OK\r\nSet-Cookie: a={PASSWORD}; Path=/\r\n\r\n"));
    let mut dialogues = Vec::new();
    for request in requests {
        dialogues.push(vec![(Client, request), (Server, OK.into()), (Client, NEXT.into())]);
    }
    for response in responses {
        dialogues.push(vec![(Client, NEXT.into()), (Server, response), (Client, NEXT.into())]);
    }
    attack(80, &dialogues)
}

#[test]
fn of_imap() -> Result<()> {
    let mut dialogues = Vec::new();
    for (secret, steps) in [
        (PASSWORD, vec![format!("a1 LOGIN eve {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 login \"eve\" \"{PASSWORD}\"")]),
        (PASSWORD, vec![format!("a1 LOGIN  eve  {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGN eve {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGIN eve {PASSWORD} too much")]),
        (PLAIN, vec![format!("a1 AUTHENTICATE PLAIN {PLAIN}")]),
        (PLAIN, vec![format!("a1 AUTHENTICATE X-NEW {PLAIN}")]),
        (PLAIN, vec![format!("a1 AUTHENTICATE {PLAIN}")]),
        (PLAIN, vec!["a1 AUTHENTICATE PLAIN".into(), PLAIN.into()]),
        (LOGIN, vec!["a1 AUTHENTICATE LOGIN".into(), "ZXZl".into(), LOGIN.into()]),
    ] {
        let sent = steps.len() - 1;
        for refusal in [
            format!("a1 NO [AUTHENTICATIONFAILED] no {secret}"),
            format!("a1 BAD unknown: {secret}"),
            format!("a1 NO [X-{secret}] no"),
        ] {
            let mut dialogue = vec![(Server, "* OK ready\r\n".to_owned())];
            for (number, step) in steps.iter().enumerate() {
                dialogue.push((Client, format!("{step}\r\n")));
                if number < sent {
                    dialogue.push((Server, "+ \r\n".to_owned()));
                }
            }
            dialogue.push((Server, format!("{refusal}\r\n")));
            dialogue.push((Client, "a2 NOOP\r\na3 LOGOUT\r\n".to_owned()));
            dialogue.push((Server, "a2 OK x\r\n* BYE\r\na3 OK\r\n".to_owned()));
            dialogues.push(dialogue);
        }
    }
    attack(143, &dialogues)
}

#[test]
fn of_smtp() -> Result<()> {
    let mut dialogues = Vec::new();
    for (secret, steps) in [
        (PLAIN, vec![format!("AUTH PLAIN {PLAIN}")]),
        (PLAIN, vec![format!(" auth\tplain {PLAIN}")]),
        (PLAIN, vec![format!("AUTH {PLAIN}")]),
        (PLAIN, vec![format!("AUTH=PLAIN {PLAIN}")]),
        (PLAIN, vec![format!("XAUTH PLAIN {PLAIN}")]),
        (PASSWORD, vec![format!("LOGIN eve {PASSWORD}")]),
        (PASSWORD, vec![format!("AUTH PLAIN {PLAIN}")]),
        (PLAIN, vec!["AUTH PLAIN".into(), PLAIN.into()]),
        (LOGIN, vec!["AUTH LOGIN".into(), "ZXZl".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH LOGIN ZXZl".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH X-NEW".into(), LOGIN.into()]),
    ] {
        let sent = steps.len() - 1;
        for refusal in [
            format!("535 5.7.8 Error: authentication failed: {secret}"),
            format!("501-5.5.4 Syntax [{secret}]\r\n501 {secret}"),
        ] {
            let mut dialogue = vec![
                (Server, "220 mx ESMTP\r\n".to_owned()),
                (Client, "EHLO me\r\n".to_owned()),
                (Server, "250-mx\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()),
            ];
            for (number, step) in steps.iter().enumerate() {
                dialogue.push((Client, format!("{step}\r\n")));
                if number < sent {
                    dialogue.push((Server, "334 \r\n".to_owned()));
                }
            }
            dialogue.push((Server, format!("{refusal}\r\n")));
            dialogue.push((Client, "MAIL FROM:<a@b>\r\nQUIT\r\n".to_owned()));
            dialogue.push((Server, "250 ok\r\n221 bye\r\n".to_owned()));
            dialogues.push(dialogue);
        }
    }
    attack(25, &dialogues)
}
