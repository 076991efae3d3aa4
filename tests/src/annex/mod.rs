//! The dialogues that the first user saw, rebuilt as packets: a webmail that
//! shares a host with its web, IMAP and SMTP servers.
//!
//! The lists that are kept of them (`tests/captures/annex/*.annex`) show one
//! row a segment, cut short here and there; byte counts, sequence numbers and
//! timestamps in them agree. What they leave out is filled in to the counts:
//! the handshakes, lines behind the first of a segment, headers and bodies.

mod http;
mod imap;
mod smtp;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use tracer::event::Side::{self, Client, Server};

use crate::{capture::Capture, conversation::Conversation, packet::Packet};

/// The host on which everything runs.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 25));

/// The time at which a clock of the timestamps option stood at `TICK`,
/// microseconds since the epoch: the webmail put the time into a URL
/// (`loading1475232887448`), in a segment whose `TSval` is known.
const TICK_TIME: u64 = 1_475_232_887_448_000;
const TICK: u32 = 11_571_830;
/// Microseconds a tick: the kernel counted 250 a second.
const TICK_LEN: u64 = 4_000;
/// Microseconds between packets of one tick.
const STEP: u64 = 17;

/// A dialogue of the annex.
#[derive(Clone, Copy, Debug)]
pub struct Dialogue {
    /// Its name, and that of its files.
    pub name: &'static str,
    /// Its packets with their times, microseconds since the epoch.
    pub packets: fn() -> Vec<(u64, Packet)>,
    /// What nobody may read who does not ask for it.
    pub secrets: &'static [&'static str],
}

/// All dialogues of the annex.
pub const DIALOGUES: [Dialogue; 3] = [
    Dialogue { name: "http", packets: http::packets, secrets: http::SECRETS },
    Dialogue { name: "imap", packets: imap::packets, secrets: imap::SECRETS },
    Dialogue { name: "smtp", packets: smtp::packets, secrets: smtp::SECRETS },
];

impl Dialogue {
    /// The dialogue as it was captured.
    ///
    /// # Errors
    ///
    /// None, unless a packet cannot exist.
    pub fn capture(&self) -> Result<Capture> {
        Capture::new(&(self.packets)())
    }
}

/// Packets whose times follow from their timestamps option.
#[derive(Debug, Default)]
struct Ticked(Vec<(u64, Packet)>);

impl Ticked {
    fn push(&mut self, clock: u32, packet: Packet) {
        let tick = TICK_TIME + u64::from(clock - TICK) * TICK_LEN;
        let next = self.0.last().map_or(0, |(last, _)| last + STEP);
        self.0.push((tick.max(next), packet));
    }
}

const fn end(port: u16) -> SocketAddr {
    SocketAddr::new(HOST, port)
}
