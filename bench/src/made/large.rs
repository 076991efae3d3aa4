//! Downloads: HTTP answers of 1 MiB.

use anyhow::Result;
use tests::{conversation::Conversation, packet::Packet};
use tracer::event::Side;

use super::{
    Pcap,
    client::{self, close, say},
    mixer::{Script, mix},
};
use crate::figures::Random;

/// Connections at a time.
const CONNECTIONS: u64 = 8;

/// Bytes of a body.
const BODY: usize = 1024 * 1024;

/// Downloads, one after the other on each of a few connections.
pub(super) fn write(exchanges: u64, pcap: &mut Pcap) -> Result<()> {
    let mut random = Random(7);
    // No text, as what is large seldom is.
    let body: Vec<u8> = (0..BODY / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let scripts = (0..CONNECTIONS).map(|number| {
        let left = exchanges / CONNECTIONS + u64::from(number < exchanges % CONNECTIONS);
        let conversation = client::connect(number, number, 80, &mut random);
        Download { conversation, left, body: &body, state: State::New }
    });
    mix(scripts.collect(), pcap)
}

struct Download<'a> {
    conversation: Conversation,
    left: u64,
    body: &'a [u8],
    state: State,
}

enum State {
    New,
    Open,
    Closed,
}

impl Script for Download<'_> {
    fn next(&mut self, clock: u32) -> Option<Vec<Packet>> {
        let Self { conversation, left, body, state } = self;
        match state {
            State::New => {
                *state = State::Open;
                Some(conversation.open(clock).to_vec())
            }
            State::Open if *left > 0 => {
                *left -= 1;
                let request = format!(
                    "GET /archive/part-{left}.bin HTTP/1.1\r\nHost: files.example.test\r\n\
                     User-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
                );
                let head = format!(
                    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\
                     Date: Thu, 01 Jan 2026 10:00:00 GMT\r\n\
                     Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\
                     Last-Modified: Mon, 22 Jul 2024 08:41:16 GMT\r\nConnection: keep-alive\r\n\
                     ETag: \"669e1b2c-100000\"\r\nAccept-Ranges: bytes\r\n\r\n",
                    body.len()
                );
                let mut packets = say(conversation, Side::Client, clock, request);
                let answer = [head.as_bytes(), body].concat();
                packets.extend(say(conversation, Side::Server, clock, answer));
                Some(packets)
            }
            State::Open => {
                *state = State::Closed;
                Some(close(conversation, clock))
            }
            State::Closed => None,
        }
    }
}
