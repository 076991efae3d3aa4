//! Where one side stands.

use super::{body::Body, content::Content, head, rest::Rest, resync::Resync, simple::Simple};
use crate::{
    decode::Want,
    event::{Timestamp, http::Ended},
};

/// One side of the connection.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Where it stands.
    pub(super) state: State,
    /// The content of the message at hand, from its head on.
    pub(super) content: Option<Content>,
    /// When the first byte of the message at hand came.
    pub(super) started: Timestamp,
    /// Bytes that stand behind the head at hand and are here.
    pub(super) in_hand: usize,
    /// Its FIN was seen.
    pub(super) closed: bool,
}

/// Where one side stands.
#[derive(Debug)]
pub(super) enum State {
    /// Before or in a head.
    Head(head::Search),
    /// Behind a request line without a version.
    Simple(Box<Simple>),
    /// In what is left of a head that is too long.
    Rest(Box<Rest>),
    /// In a body.
    Body(Body),
    /// Before this body, if there is one: the response is to an unknown
    /// request, which may have been HEAD.
    BodyUnlessHead(Body),
    /// Behind a request that may turn the connection into something else;
    /// `lost` when bytes behind it are missing.
    Undecided {
        /// Whether a message has to be searched for afterwards.
        lost: bool,
    },
    /// The connection became something else.
    Opaque,
    /// Between messages, nobody knows where.
    Lost(Resync),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(head::Search::default())
    }
}

impl State {
    /// How many states may yet follow before a byte is taken. A side that
    /// takes none comes to a lower one, so that no bytes keep it in a circle.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Simple(_) => 8,
            Self::Rest(_) => 7,
            Self::Undecided { .. } => 6,
            Self::BodyUnlessHead(_) => 5,
            Self::Body(Body::Length(_) | Body::Chunked(_)) => 4,
            Self::Lost(resync) if !resync.is_behind_first() => 3,
            Self::Head(_) => 2,
            Self::Lost(_) => 1,
            Self::Body(Body::UntilClose) | Self::Opaque => 0,
        }
    }
}

impl Half {
    /// Whether the message at hand, if its end is not reached now, was cut
    /// short by the connection's end or only not seen to its end.
    pub(super) const fn broken_off(&self) -> Ended {
        if self.closed { Ended::Cut } else { Ended::Unseen }
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let rest = match &self.state {
            State::Rest(rest) => size_of_val(&**rest) + rest.held(),
            State::Simple(simple) => size_of_val(&**simple) + simple.held(),
            _ => 0,
        };
        let content = self.content.as_ref();
        rest + content.map_or(0, Content::held)
    }
}

/// What became of the bytes offered to a state.
pub(super) enum Step {
    /// So many were taken; another state goes on.
    Next(usize),
    /// So many were taken; nothing moves before there is more.
    Wait(usize, Want),
}
