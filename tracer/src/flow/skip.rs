//! What the kernel side is told of bytes that nobody will look at, so that it
//! need not copy them.

use super::{connection::Flow, stream::Stream};
use crate::{
    capture::{Point, Segment},
    decode::Behind,
    event::{Endpoint, Side},
};

/// More bytes than any message has: what is skipped to the connection's end.
const ENDLESS: u64 = u64::MAX / 2;

/// Segments that were copied although they need not have been, after which the
/// kernel side is told once more: it may have given the place to another flow.
/// So many may have been on the way when it was told first.
const GIFTS: u16 = 256;

/// One direction of a flow, as its capture point sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The capture point that the direction belongs to.
    pub point: Point,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Initial sequence number of the connection, if its SYN was seen.
    pub connection: Option<u32>,
    /// Port of the server, which may be either end.
    pub port: u16,
}

/// What is known of the next bytes of a direction; numbers are TCP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// These bytes are not wanted; in `total` bytes of a message's body.
    Skip {
        /// First of them.
        begin: u32,
        /// Behind the last; as far ahead as can be said at once.
        end: u32,
        /// Bytes that are not wanted, of which there may be more than that.
        bytes: u64,
        /// What stands at `end`.
        behind: Behind,
    },
    /// Nothing behind this is wanted.
    Stop {
        /// First number.
        begin: u32,
    },
    /// A message begins here.
    Message {
        /// First number.
        begin: u32,
    },
}

/// Who is told what need not be copied. Everything that is told is true for as
/// long as the connection lives, so it may be used at any later time, or never.
pub trait Windows: Send {
    /// Bytes below which it is not worth to be told, of what has this behind it.
    fn threshold(&self, behind: Behind) -> u64;

    /// The farthest that [`Known::Skip`] may reach.
    fn reach(&self) -> u32;

    /// Whether it is worth to be told of [`Known::Message`]s that servers on
    /// this port begin.
    fn follows(&self, port: u16) -> bool;

    /// Takes what is known.
    fn tell(&mut self, heading: &Heading, known: Known);

    /// The number behind the last byte that stayed uncopied.
    fn hidden(&self, heading: &Heading) -> Option<u32>;

    /// A second or so has passed.
    fn tick(&mut self);

    /// Takes other ports, with their numbers; those in `responding` have servers
    /// whose bodies announce their length.
    fn trace(&mut self, ports: &[(u16, u8)], responding: &[u16]);
}

impl Flow {
    /// Tells what has become known of both directions by a segment.
    pub(super) fn tell_windows(&mut self, windows: &mut dyn Windows, segment: &Segment<'_>) {
        let sender = self.sender(segment);
        let port = self.server_port();
        let follows = windows.follows(port);
        let Some((streams, decoder)) = self.streams() else { return };
        let begins = follows
            && is_between_messages(&streams.server)
            && decoder.is_some_and(|decoder| decoder.is_between_messages(Side::Server));
        for side in [Side::Client, Side::Server] {
            let Some((streams, decoder)) = self.streams() else { return };
            let stream = streams.of_mut(side);
            let (next, skip) = (stream.next, stream.skip);
            let decoder = decoder.filter(|_| side == Side::Server && skip > 0);
            let behind = decoder.map_or(Behind::Unknown, |decoder| decoder.behind_skip(side));
            if skip >= windows.threshold(behind) {
                let again = next < stream.told && {
                    stream.gifts = stream.gifts.saturating_add(1);
                    stream.gifts > GIFTS
                };
                if next < stream.told && !again {
                    continue;
                }
                let reach = skip.min(u64::from(windows.reach()));
                stream.gifts = 0;
                stream.told = if skip > ENDLESS { u64::MAX } else { next + reach };
                let Some((heading, begin)) = self.heading(side, next) else { continue };
                let end = begin.wrapping_add(u32::try_from(reach).unwrap_or_default());
                let behind = if skip == reach { behind } else { Behind::Unknown };
                windows.tell(
                    &heading,
                    if skip > ENDLESS {
                        Known::Stop { begin }
                    } else {
                        Known::Skip { begin, end, bytes: skip, behind }
                    },
                );
            } else if skip > 0 {
                // The kernel side knows the body already, and its slot may be
                // another flow's before the rest has passed.
                if side == sender && stays(segment) {
                    stream.told = stream.told.max(next + skip);
                }
            } else if side == Side::Server && begins && stream.told != next {
                stream.told = next;
                if let Some((heading, begin)) = self.heading(side, next) {
                    windows.tell(&heading, Known::Message { begin });
                }
            }
        }
    }
}

/// Whether some of the segment, or what stands before it, was kept back.
fn stays(segment: &Segment<'_>) -> bool {
    let end = u64::from(segment.offset) + segment.bytes.len() as u64;
    segment.shunted || !segment.more && end < u64::from(segment.len)
}

/// Whether all that a side has sent was decoded.
fn is_between_messages(stream: &Stream) -> bool {
    stream.skip == 0 && stream.buffer.is_empty() && stream.queue.first().is_none()
}
