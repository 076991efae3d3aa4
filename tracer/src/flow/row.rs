//! The segments view's row of a segment.

use super::{half::Half, pair::Pair};
use crate::{
    capture::{Segment, TcpFlags},
    event::{
        Side,
        tcp::{Analysis, Row, RowFields, SackBlock},
    },
};

/// The row of a segment that `side` sent: sequence numbers count from the
/// first one seen of their direction, windows are in bytes where the sender's
/// SYN has offered scaling and no other SYN declined it (RFC 7323 section 2.2:
/// that of a SYN is never scaled).
pub(super) fn row(segment: &Segment<'_>, side: Side, halves: &Pair<Half>) -> Row {
    let tcp = &segment.tcp;
    let peer = halves.of(side.other());
    let scaled = peer.scale().is_some() || !peer.has_syn;
    let shift = halves.of(side).scale().filter(|_| scaled && !tcp.flags.has(TcpFlags::SYN));
    let acknowledges = tcp.flags.has(TcpFlags::ACK);
    let timestamps = tcp.options.timestamps();
    let edges = tcp.options.sack().map(|blocks| {
        let edges = blocks.edges();
        edges.map(|(left, right)| SackBlock {
            left: peer.relative(left),
            right: peer.relative(right),
        })
    });
    Row {
        tcp: RowFields {
            frame: segment.frame,
            flags: tcp.flags,
            seq: halves.of(side).relative(tcp.sequence),
            ack: acknowledges.then(|| peer.relative(tcp.acknowledgement)),
            window: u32::from(tcp.window) << shift.unwrap_or(0),
            len: segment.len,
            mss: tcp.options.maximum_segment_size(),
            window_scale: tcp.options.window_scale(),
            sack_permitted: tcp.options.sack_permitted().then_some(true),
            sack: edges.into_iter().flatten().collect(),
            tsval: timestamps.map(|timestamps| timestamps.value),
            tsecr: timestamps.map(|timestamps| timestamps.echo),
            analysis: Analysis::default(),
            duplicate_ack: None,
        },
        source_port: segment.source.port,
        destination_port: segment.destination.port,
        options: tcp.options,
    }
}
