//! No secret comes out of anything that is written, however the packets that
//! carry it arrive: whole, cut, late, out of order, in part, not at all.
//!
//! In the texts `‹…›` encloses what must not come out: not one stretch of six
//! bytes of it, as it is, in Base64 or percent-encoded, in no format and no view,
//! nor in what the program itself says.

#![expect(
    clippy::indexing_slicing,
    reason = "packets are built here; a wrong index fails the test"
)]

mod arrivals;
mod http;
mod imap;
mod pop3;
mod program;
mod smtp;

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tests::{conversation::Conversation, packet::Packet, replay::written, secret::Secrets};
use tracer::{
    event::Side::{self, Client, Server},
    flow::STREAM_LIMIT,
};

use self::arrivals::{arrivals, capture, cuts};

/// What the clock of the ends' timestamps says.
const CLOCK: u32 = 1_000;
/// The first client's port.
const CLIENT_PORT: u16 = 40_001;

/// A password.
const PASSWORD: &str = "‹qX7vK2mRw9Zt4Lp›";
/// The response of PLAIN with it: `\0eve\0` and the password in Base64.
const PLAIN: &str = "‹AGV2ZQBxWDd2SzJtUnc5WnQ0THA=›";
/// The response of LOGIN with it; the user is `eve`.
const LOGIN: &str = "‹cVg3dksybVJ3OVp0NExw›";

/// Who says what, one after the other.
type Steps = Vec<(Side, String)>;

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
                hide(&mut secrets, secret);
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
        self.said(CLIENT_PORT, |_, bytes| bytes.chunks(size).map(<[u8]>::to_vec).collect())
    }

    /// The packets of the dialogue, from a port of the client's; `cut` says how
    /// the bytes of a step are cut.
    fn said(&self, client: u16, cut: impl Fn(usize, &[u8]) -> Vec<Vec<u8>>) -> Result<Vec<Packet>> {
        let client = SocketAddr::new("192.0.2.1".parse()?, client);
        let server = SocketAddr::new("192.0.2.25".parse()?, self.port);
        let mut talk = Conversation::new(client, server);
        let mut packets = talk.open(CLOCK).to_vec();
        for (number, (side, bytes)) in self.steps.iter().enumerate() {
            let pieces = cut(number, bytes).into_iter().filter(|piece| !piece.is_empty());
            packets.extend(pieces.map(|piece| talk.say(*side, CLOCK, piece)));
        }
        packets.extend([talk.fin(Server, CLOCK), talk.fin(Client, CLOCK), talk.ack(Server, CLOCK)]);
        Ok(packets)
    }
}

/// Adds a secret in each form in which it is still one.
fn hide(secrets: &mut Secrets, secret: &str) {
    secrets.add(secret.as_bytes());
    let percent: Vec<String> = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let percent = percent.concat();
    secrets.add(percent.as_bytes());
    secrets.add(percent.to_lowercase().as_bytes());
    for at in 0..3.min(secret.len()) {
        // What surrounds it reaches into the first and the last group.
        let groups = &secret[at..at + (secret.len() - at) / 3 * 3];
        secrets.add(BASE64_STANDARD.encode(groups).as_bytes());
    }
}

/// Tries all dialogues, and that each shows its secret to who asks for it.
fn attack(port: u16, dialogues: &[Steps]) -> Result<()> {
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
        ways.extend(cuts(&dialogue)?);
        for (how, capture, limit) in ways {
            if let Some(leak) = dialogue.secrets.leak(&written(&capture, limit, false)?) {
                leaks.push(format!("{steps:?}\n  {how}: {leak}"));
                break;
            }
        }
    }
    ensure!(leaks.is_empty(), "{} dialogues leak\n{}", leaks.len(), leaks.join("\n"));
    Ok(())
}

#[test]
fn of_http() -> Result<()> {
    attack(80, &http::dialogues())
}

#[test]
fn of_imap() -> Result<()> {
    attack(143, &imap::dialogues())
}

#[test]
fn of_pop3() -> Result<()> {
    attack(110, &pop3::dialogues())
}

#[test]
fn of_smtp() -> Result<()> {
    attack(25, &smtp::dialogues())
}
