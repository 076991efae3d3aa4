//! Drives a decoder as the flow table does, and feeds it a dialogue in every
//! way in which the wire could have cut it.

use std::net::{IpAddr, Ipv4Addr};

use super::{Decoder, End, Input, Out, Protocol, Settings, Want};
use crate::{
    capture::{Direction, Vlan},
    event::{CommunityId, Connection, Endpoint, Event, Side, Sink, Timestamp},
};

/// One step of a dialogue.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The side sends bytes.
    Bytes(Side, Vec<u8>),
    /// So many bytes of the side are missing; `None` at the start of a side
    /// whose connection is older than the tracer.
    Gap(Side, Option<u64>),
    /// The side sends FIN.
    Close(Side),
}

/// The client sends `text`.
pub(crate) fn client(text: impl AsRef<[u8]>) -> Step {
    Step::Bytes(Side::Client, text.as_ref().to_vec())
}

/// The server sends `text`.
pub(crate) fn server(text: impl AsRef<[u8]>) -> Step {
    Step::Bytes(Side::Server, text.as_ref().to_vec())
}

/// What became of a dialogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Each event: its side, and its info column, as `client: text`.
    pub(crate) text: Vec<String>,
    /// Each event's own JSON fields, with `action` beside them.
    pub(crate) json: Vec<serde_json::Value>,
    /// Bytes that no decoder got, by side.
    pub(crate) undecoded: [u64; 2],
}

impl Sink for Said {
    fn event(&mut self, event: &Event<'_>) {
        let side = event.side.map_or_else(|| "-".to_owned(), |side| side.to_string());
        self.text.push(format!("{side}: {}", event.message.describe()));
        let mut json = serde_json::to_value(&event.message).expect("events serialize");
        json["action"] = event.message.action().into();
        if let Some(outcome) = event.message.describe().common().outcome {
            json["outcome"] = serde_json::to_value(outcome).expect("outcomes serialize");
        }
        self.json.push(json);
    }
}

/// The connection of every dialogue.
pub(crate) fn connection(protocol: &'static Protocol) -> Connection {
    let end = |port| Endpoint { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
    Connection {
        client: end(40_000),
        server: end(protocol.ports[0]),
        vlan: Vlan::default(),
        protocol: Some(&protocol.label),
        interface: "lo".into(),
        direction: Direction::Egress,
        loopback: true,
        community_id: CommunityId::default(),
        processes: None,
    }
}

struct Stream {
    pending: Vec<u8>,
    skip: u64,
    blocked: bool,
}

/// A decoder, its two streams and what it said.
struct Driver {
    connection: Connection,
    settings: Settings,
    decoder: Box<dyn Decoder>,
    streams: [Stream; 2],
    said: Said,
    now: Timestamp,
}

impl Driver {
    fn new(protocol: &'static Protocol, settings: Settings) -> Self {
        Self {
            connection: connection(protocol),
            settings,
            decoder: (protocol.decoder)(),
            streams: [(), ()].map(|()| Stream { pending: Vec::new(), skip: 0, blocked: false }),
            said: Said::default(),
            now: Timestamp(1_000_000_000),
        }
    }

    fn call<R>(
        &mut self,
        side: Side,
        call: impl FnOnce(&mut dyn Decoder, &[u8], &mut Out<'_>) -> R,
    ) -> R {
        let mut out = Out::new(&self.connection, self.settings, &mut self.said);
        let result = call(self.decoder.as_mut(), &self.streams[side as usize].pending, &mut out);
        let undecoded = out.undecoded;
        self.said.undecoded[side as usize] += undecoded;
        result
    }

    /// Offers what the side holds until nothing moves; returns whether
    /// anything did.
    fn offer(&mut self, side: Side, end: Option<End>) -> bool {
        let now = self.now;
        let mut moved = false;
        loop {
            let stream = &mut self.streams[side as usize];
            if stream.skip > 0 && !stream.pending.is_empty() {
                let passed = stream.skip.min(stream.pending.len() as u64);
                stream.skip -= passed;
                stream.pending.drain(..usize::try_from(passed).expect("fits"));
                self.call(side, |decoder, _, out| decoder.skipped(side, passed, now, out));
                moved = true;
                continue;
            }
            if self.streams[side as usize].pending.is_empty() {
                return moved;
            }
            let progress = self.call(side, |decoder, bytes, out| {
                decoder.data(&Input { side, bytes, started: now, time: now, end }, out)
            });
            let stream = &mut self.streams[side as usize];
            assert!(progress.consumed <= stream.pending.len(), "took more than was offered");
            stream.pending.drain(..progress.consumed);
            moved |= progress.consumed > 0;
            stream.blocked = progress.want == Want::Peer && end.is_none();
            match progress.want {
                Want::Skip(bytes) => {
                    assert!(stream.pending.is_empty(), "skips before all was taken");
                    stream.skip = bytes;
                }
                Want::More | Want::Peer => return moved,
            }
        }
    }

    fn pump(&mut self, side: Side) {
        let mut side = side;
        while self.offer(side, None) && self.streams[side.other() as usize].blocked {
            side = side.other();
        }
    }

    fn flush(&mut self, side: Side, end: End) {
        self.offer(side, Some(end));
        let left = std::mem::take(&mut self.streams[side as usize].pending);
        self.said.undecoded[side as usize] += left.len() as u64;
    }

    fn step(&mut self, step: &Step) {
        self.now.0 += 1_000_000;
        let now = self.now;
        match step {
            Step::Bytes(side, bytes) => {
                self.streams[*side as usize].pending.extend_from_slice(bytes);
                self.pump(*side);
            }
            Step::Gap(side, bytes) => {
                let (side, bytes) = (*side, *bytes);
                self.flush(side, End::Gap);
                let stream = &mut self.streams[side as usize];
                stream.skip = stream.skip.saturating_sub(bytes.unwrap_or(0));
                self.call(side, |decoder, _, out| decoder.gap(side, bytes, now, out));
            }
            Step::Close(side) => {
                let side = *side;
                self.flush(side, End::Close);
                self.call(side, |decoder, _, out| decoder.close(side, now, out));
            }
        }
        for side in [Side::Client, Side::Server] {
            if self.streams[side as usize].blocked {
                self.pump(side);
            }
        }
    }

    fn finish(mut self) -> Said {
        let now = self.now;
        for side in [Side::Client, Side::Server] {
            self.flush(side, End::Close);
        }
        self.call(Side::Client, |decoder, _, out| decoder.finish(now, out));
        self.said
    }
}

/// Feeds the steps as they are.
pub(crate) fn run(protocol: &'static Protocol, settings: Settings, steps: &[Step]) -> Said {
    let mut driver = Driver::new(protocol, settings);
    for step in steps {
        driver.step(step);
    }
    driver.finish()
}

/// The dialogue with each byte in a step of its own.
pub(crate) fn byte_by_byte(steps: &[Step]) -> Vec<Step> {
    steps
        .iter()
        .flat_map(|step| match step {
            Step::Bytes(side, bytes) => {
                bytes.iter().map(|byte| Step::Bytes(*side, vec![*byte])).collect()
            }
            other => vec![other.clone()],
        })
        .collect()
}

/// Feeds the dialogue whole, byte by byte, and with each step cut in two at
/// each position; all must say the same, which is returned.
pub(crate) fn run_cut(protocol: &'static Protocol, settings: Settings, steps: &[Step]) -> Said {
    let whole = run(protocol, settings, steps);
    assert_eq!(run(protocol, settings, &byte_by_byte(steps)), whole, "byte by byte");
    for (number, step) in steps.iter().enumerate() {
        let Step::Bytes(side, bytes) = step else { continue };
        for at in 1..bytes.len() {
            let mut cut = steps.to_vec();
            let (head, tail) = bytes.split_at(at);
            cut.splice(
                number..=number,
                [Step::Bytes(*side, head.to_vec()), Step::Bytes(*side, tail.to_vec())],
            );
            assert_eq!(run(protocol, settings, &cut), whole, "step {number} cut at {at}");
        }
    }
    whole
}
