//! The segments view's row of a segment.

use super::{half::Half, pair::Pair};
use crate::{
    capture::{Segment, TcpFlags},
    event::{
        Side,
        tcp::{Row, RowFields},
    },
};

/// The row of a segment that `side` sent: sequence numbers count from the
/// first one seen of their direction, windows are in bytes where both SYNs
/// have offered scaling (RFC 7323 section 2.2: that of a SYN never is).
pub(super) fn row(segment: &Segment<'_>, side: Side, halves: &Pair<Half>) -> Row {
    let tcp = &segment.tcp;
    let scaled = halves.client.scale.is_some() && halves.server.scale.is_some();
    let shift = halves.of(side).scale.filter(|_| scaled && !tcp.flags.has(TcpFlags::SYN));
    let acknowledges = tcp.flags.has(TcpFlags::ACK);
    Row {
        tcp: RowFields {
            flags: tcp.flags,
            seq: halves.of(side).relative(tcp.sequence),
            ack: acknowledges.then(|| halves.of(side.other()).relative(tcp.acknowledgement)),
            window: u32::from(tcp.window) << shift.unwrap_or(0),
            len: segment.len,
            tsval: tcp.options.timestamps.map(|timestamps| timestamps.value),
            tsecr: tcp.options.timestamps.map(|timestamps| timestamps.echo),
        },
        source_port: segment.source.port,
        destination_port: segment.destination.port,
        options: tcp.options,
    }
}
