//! What became of a packet that a hook saw.

/// The one thing that became of a packet; index into the per-CPU `OUTCOMES`
/// map. The sum over all outcomes is the number of packets that the hooks saw.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not TCP, or neither port is traced.
    NotSelected = 0,
    /// A bare acknowledgement that no view asked for.
    PureAck = 1,
    /// A fragment of an IP packet that carries TCP; not reassembled.
    Fragment = 2,
    /// Headers that contradict themselves or end too early.
    Malformed = 3,
    /// All payload bytes are in a skip window: counted, not copied.
    Shunted = 4,
    /// Every payload byte that was wanted is in the ring.
    Copied = 5,
    /// In the ring with fewer payload bytes than the headers announce.
    Truncated = 6,
    /// The ring had no room.
    LostRing = 7,
    /// The packet's bytes could not be read.
    LostCopy = 8,
    /// Of a flow that is not followed, because the user side cannot keep up.
    Shed = 9,
}

/// Number of [`Outcome`]s.
pub const OUTCOMES: u32 = 10;

impl Outcome {
    /// All outcomes, in the order of their indices.
    pub const ALL: [Self; OUTCOMES as usize] = [
        Self::NotSelected,
        Self::PureAck,
        Self::Fragment,
        Self::Malformed,
        Self::Shunted,
        Self::Copied,
        Self::Truncated,
        Self::LostRing,
        Self::LostCopy,
        Self::Shed,
    ];
}
