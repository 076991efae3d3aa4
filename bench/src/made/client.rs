//! Connections of many clients to one server.

use std::net::Ipv4Addr;

use tests::{conversation::Conversation, packet::Packet};
use tracer::event::Side;

use crate::figures::Random;

/// Bytes of payload that a packet of 1,500 bytes has room for beside its
/// headers and the timestamps.
const SEGMENT: usize = 1448;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// Another address for each client, another port for each of its connections.
pub(super) fn connect(
    client: u64,
    connection: u64,
    port: u16,
    random: &mut Random,
) -> Conversation {
    let last = u8::try_from(client % 250 + 1).unwrap_or(1);
    let third = u8::try_from(client / 250 % 250).unwrap_or_default();
    let from = u16::try_from(32_768 + connection % 28_000).unwrap_or(32_768);
    let address = Ipv4Addr::new(198, 51, third, last);
    let mut start = || u32::try_from(random.below(1 << 32)).unwrap_or_default();
    let (ours, theirs) = (start(), start());
    Conversation::new((address, from).into(), (SERVER, port).into()).starting_at(ours, theirs)
}

/// What a side says, in packets of the usual size, of which the other
/// acknowledges every second and the last.
pub(super) fn say(
    conversation: &mut Conversation,
    side: Side,
    clock: u32,
    text: impl AsRef<[u8]>,
) -> Vec<Packet> {
    let pieces = text.as_ref().chunks(SEGMENT);
    let last = pieces.len().saturating_sub(1);
    let mut packets = Vec::with_capacity(pieces.len() + pieces.len().div_ceil(2));
    for (number, piece) in pieces.enumerate() {
        packets.push(conversation.say(side, clock, piece));
        if number % 2 == 1 || (number == last && last > 0) {
            packets.push(conversation.ack(side.other(), clock));
        }
    }
    packets
}

/// Both sides end it, the server first.
pub(super) fn close(conversation: &mut Conversation, clock: u32) -> Vec<Packet> {
    vec![
        conversation.fin(Side::Server, clock),
        conversation.fin(Side::Client, clock),
        conversation.ack(Side::Server, clock),
    ]
}
