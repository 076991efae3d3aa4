//! How a flow can end.

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
    /// The source ended.
    End,
}

impl Ending {
    /// The value of `tcp.state`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::Reused => "reused",
            Self::Evicted => "evicted",
            Self::End => "end",
        }
    }
}
