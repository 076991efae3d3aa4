//! How a flow can end, and what is told of it then.

use super::{dialogue::Tally, half::Half, pair::Pair};
use crate::event::{
    Common,
    tcp::{Close, CloseFields},
};

/// How a flow ended, as `tcp.state` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// FIN of both sides.
    Closed,
    /// RST of one side.
    Reset,
    /// Nothing came for the idle time-out.
    Idle,
    /// A new connection took its ports.
    Reused,
    /// Memory was needed.
    Evicted,
    /// It was given up, because the tracer cannot keep up.
    Shed,
    /// Its port or its hosts are not traced any more.
    Deselected,
    /// The source ended.
    End,
}

impl Ending {
    /// The value of `tcp.state`.
    const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::Reused => "reused",
            Self::Evicted => "evicted",
            Self::Shed => "shed",
            Self::Deselected => "deselected",
            Self::End => "end",
        }
    }

    /// The event of a flow that lasted for `duration` nanoseconds.
    pub(super) fn close(self, halves: &Pair<Half>, tally: Tally, duration: u64) -> Close {
        let Pair { client, server } = halves;
        let Tally { gaps, lost_bytes, skipped_bytes } = tally;
        let both = |client: u32, server: u32| u64::from(client) + u64::from(server);
        Close {
            tcp: CloseFields {
                state: self.name(),
                retransmissions: both(client.retransmissions, server.retransmissions),
                out_of_order: both(client.out_of_order, server.out_of_order),
                gaps,
                lost_bytes,
                skipped_bytes,
            },
            common: Common {
                duration: Some(duration),
                client_bytes: Some(client.end),
                server_bytes: Some(server.end),
                ..Common::default()
            },
        }
    }
}
