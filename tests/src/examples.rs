//! Short dialogues whose events stand in docs/EVENTS.md, for what the annex
//! does not have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use tracer::event::Side::{self, Client, Server};

use crate::{capture::Capture, conversation::Conversation};

/// Microseconds since the epoch, and between packets.
const BEGIN: u64 = 1_475_232_861_000_000;
const STEP: usize = 1_000;
const CLOCK: u32 = 1_000;

/// A mail that is fetched by POP3.
const POP3: &[(Side, &str)] = &[
    (Server, "+OK POP3 server ready <1896.697170952@pop.example>\r\n"),
    (Client, "APOP eve c4c9334bac560ecc979e58001b3e22fb\r\n"),
    (Server, "+OK 1 message\r\n"),
    (Client, "RETR 1\r\n"),
    (
        Server,
        "+OK 72 octets\r\nFrom: bob@example.org\r\nTo: eve@example.org\r\nSubject: lunch\r\n\r\n\
         At noon?\r\n.\r\n",
    ),
    (Client, "QUIT\r\n"),
    (Server, "+OK\r\n"),
];

/// The captures, with their names.
///
/// # Errors
///
/// None, unless a packet cannot exist.
pub fn captures() -> Result<[(&'static str, Capture); 4]> {
    Ok([
        ("pop3", capture(110, POP3, None)?),
        (
            "upgrade",
            capture(
                25,
                &[
                    (Server, "220 mx.example ESMTP\r\n"),
                    (Client, "EHLO client.example\r\n"),
                    (Server, "250-mx.example\r\n250 STARTTLS\r\n"),
                    (Client, "STARTTLS\r\n"),
                    (Server, "220 2.0.0 Go ahead\r\n"),
                    (Client, "\x16\x03\x01\0\x05hello"),
                ],
                None,
            )?,
        ),
        (
            "anomaly",
            capture(
                80,
                &[
                    (
                        Client,
                        "POST /login?user=a&password=b HTTP/1.1\r\nHost: shop.example\r\n\
                         Authorization: Basic YTpi\r\nContent-Length: 3\r\n\
                         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    ),
                    (Server, "HTTP/1.1 204 No Content\r\n\r\n"),
                ],
                None,
            )?,
        ),
        (
            "gap",
            capture(
                143,
                &[
                    (Server, "* OK ready\r\n"),
                    (Client, "a1 CHECK\r\n"),
                    (Server, "a1 OK done\r\n"),
                    (Client, "a2 LOGOUT\r\n"),
                    (Server, "* BYE\r\na2 OK bye\r\n"),
                ],
                Some(2),
            )?,
        ),
    ])
}

/// A connection that is captured whole but for the step `missing`.
fn capture(port: u16, steps: &[(Side, &str)], missing: Option<usize>) -> Result<Capture> {
    let end = |host, port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), port);
    let mut talk = Conversation::new(end(1, 40_001), end(25, port));
    let mut packets = talk.open(CLOCK).to_vec();
    for (number, (side, text)) in steps.iter().enumerate() {
        let packet = talk.say(*side, CLOCK, text);
        if missing != Some(number) {
            packets.push(packet);
        }
    }
    packets.extend([talk.fin(Server, CLOCK), talk.fin(Client, CLOCK), talk.ack(Server, CLOCK)]);
    Capture::new(&(BEGIN..).step_by(STEP).zip(packets).collect::<Vec<_>>())
}
