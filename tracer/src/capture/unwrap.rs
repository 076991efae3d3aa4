//! From the bytes of a captured frame to the TCP segment in it, through
//! tunnels and fragments, or to the outcome that the packet counts as.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tracer_common::Outcome;

use super::{
    Direction,
    fragments::Fragments,
    link::{Frame, LinkType, ethernet},
    packet::{Headers, Selection},
    tunnel::{self, Inside},
};
use crate::{event::Timestamp, selection::Directions};

/// Packets in packets that are looked into. Reassembled ones have new headers
/// to count, so their nesting has a limit of its own.
const MAX_DEPTH: u8 = 8;

/// A segment and what was captured of its payload.
pub(super) struct Unwrapped<'a> {
    /// The frame that its packet stands in: the innermost.
    pub(super) frame: Frame<'a>,
    /// Its IP and TCP headers.
    pub(super) headers: Headers,
    /// Captured bytes of its payload.
    pub(super) payload: &'a [u8],
    /// The packet with the segment, or the tunnel's with it, if it came in
    /// fragments: from the IP header on.
    pub(super) rebuilt: Option<&'a [u8]>,
    /// What tunnels it came through; 0 for none. Each is a point of its own
    /// that shows a flow, so that what stands in a capture both in a tunnel and
    /// by itself is known for the same.
    pub(super) tunnel: u32,
}

/// Finds the wanted segments in frames.
pub(super) struct Unwrapper {
    selection: Selection,
    fragments: Fragments,
    /// Directions that are wanted.
    pub(super) directions: Directions,
    /// Packets so far that were left out because nothing says which way they
    /// went.
    pub(super) undirected: u64,
}

/// What is known of a packet's surroundings.
#[derive(Clone, Copy)]
struct Around<'a> {
    time: Timestamp,
    rebuilt: Option<&'a [u8]>,
    wire_len: u32,
    tunnel: u32,
    depth: u8,
}

impl Unwrapper {
    pub(super) fn new(selection: Selection) -> Self {
        let fragments = Fragments::default();
        Self { selection, fragments, directions: Directions::Both, undirected: 0 }
    }

    /// Looks into a frame that had `wire_len` bytes on the wire, hands over the
    /// segment if there is a wanted one, and says what the packet counts as.
    /// What the frame says of its direction holds over what was `told` of it.
    pub(super) fn frame(
        &mut self,
        link_type: LinkType,
        bytes: &[u8],
        wire_len: u32,
        (time, told): (Timestamp, Direction),
        each: &mut dyn FnMut(&Unwrapped<'_>),
    ) -> Outcome {
        let Some(mut frame) = link_type.parse(bytes) else { return Outcome::NotSelected };
        if frame.direction == Direction::Unknown {
            frame.direction = told;
        }
        // What is looped goes out and comes in.
        match self.directions.has(frame.direction) {
            Some(false) if !frame.loopback => return Outcome::NotSelected,
            None if !frame.loopback => {
                self.undirected += 1;
                return Outcome::NotSelected;
            }
            _ => {}
        }
        let wire_len = wire_len.saturating_sub(len(bytes) - len(frame.packet));
        let around = Around { time, rebuilt: None, wire_len, tunnel: 0, depth: MAX_DEPTH };
        self.packet(frame, around, each)
    }

    /// The same of a frame that nearly all are: Ethernet, without tags, and the
    /// packet in it in one piece and for itself. `None` says nothing of any other.
    #[inline]
    pub(super) fn usual<'a>(
        &self,
        link_type: LinkType,
        bytes: &'a [u8],
        wire_len: u32,
        told: Direction,
    ) -> Option<Result<Unwrapped<'a>, Outcome>> {
        if link_type != LinkType::Ethernet || self.directions != Directions::Both {
            return None;
        }
        let frame = Frame { direction: told, ..ethernet::untagged(bytes)? };
        let wire_len = wire_len.saturating_sub(len(bytes) - len(frame.packet));
        match Headers::parse(frame.packet, wire_len, &self.selection) {
            Ok(headers) => Some(Ok(Unwrapped::new(frame, headers, None, 0))),
            Err(Outcome::NotSelected | Outcome::Fragment) => None,
            Err(outcome) => Some(Err(outcome)),
        }
    }

    fn packet(
        &mut self,
        frame: Frame<'_>,
        around: Around<'_>,
        each: &mut dyn FnMut(&Unwrapped<'_>),
    ) -> Outcome {
        let outcome = match Headers::parse(frame.packet, around.wire_len, &self.selection) {
            Ok(headers) => {
                let unwrapped = Unwrapped::new(frame, headers, around.rebuilt, around.tunnel);
                each(&unwrapped);
                return unwrapped.outcome();
            }
            Err(outcome @ (Outcome::NotSelected | Outcome::Fragment)) => outcome,
            Err(outcome) => return outcome,
        };
        let Some(depth) = around.depth.checked_sub(1) else { return outcome };
        if let Some(whole) = self.fragments.push(around.time, frame.packet) {
            let around = Around { rebuilt: Some(&whole), wire_len: len(&whole), depth, ..around };
            return self.packet(Frame { packet: &whole, ..frame }, around, each);
        }
        match tunnel::inside(frame.packet, frame.headers_left) {
            Some(Inside::Frame(inner)) => {
                let tunnel = tunnelled(frame.packet, around.tunnel);
                let outside = len(frame.packet) - len(inner.packet);
                let wire_len = around.wire_len.saturating_sub(outside);
                // The capture's interface is that of the outermost frame.
                let inner = Frame {
                    direction: frame.direction,
                    loopback: frame.loopback,
                    interface: frame.interface,
                    ..inner
                };
                self.packet(inner, Around { wire_len, tunnel, depth, ..around }, each)
            }
            Some(Inside::Rebuilt(whole)) => {
                let around = Around { wire_len: len(&whole), depth, ..around };
                self.packet(Frame { packet: &whole, ..frame }, around, each)
            }
            None => outcome,
        }
    }
}

impl<'a> Unwrapped<'a> {
    #[inline]
    fn new(frame: Frame<'a>, headers: Headers, rebuilt: Option<&'a [u8]>, tunnel: u32) -> Self {
        let held = frame.packet.get(headers.len..).unwrap_or_default();
        let wanted = usize::try_from(headers.payload_len).unwrap_or(usize::MAX);
        // What is behind the payload is padding.
        let payload = held.get(..wanted).unwrap_or(held);
        Self { frame, headers, payload, rebuilt, tunnel }
    }

    /// What its packet counts as.
    pub(super) fn outcome(&self) -> Outcome {
        let whole = self.payload.len() as u64 == u64::from(self.headers.payload_len);
        if whole { Outcome::Copied } else { Outcome::Truncated }
    }
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A number for a tunnel within another: its addresses tell it from others.
fn tunnelled(packet: &[u8], within: u32) -> u32 {
    let addresses = match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(12..20),
        _ => packet.get(8..40),
    };
    let mut hasher = DefaultHasher::new();
    (within, addresses).hash(&mut hasher);
    let [.., h0, h1, h2, h3] = hasher.finish().to_be_bytes();
    u32::from_be_bytes([h0, h1, h2, h3]).max(1)
}
