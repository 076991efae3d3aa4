//! What a connection speaks, by the first bytes of its sides.
//!
//! Each protocol says itself how it is recognised ([`Protocol::recognises`]);
//! here their answers are put together. TLS is recognised on every port,
//! because it is what stands there most often in place of the protocol.

mod known;
pub(crate) mod line;
#[cfg(test)]
mod tests;
mod tls;

use super::{PROTOCOLS, Protocol};
use crate::event::Side;

pub use known::name;
pub use tls::is_tls;

/// Bytes of a side by which it must be recognised: more than the longest first
/// line that servers usually take (8 KiB).
pub const FIRST_BYTES: usize = 16 * 1024;

/// Bytes of a line that say all that can be said of it before it is whole: a
/// tag and a command of IMAP are the longest that a protocol looks at.
pub const LINE_BEGIN: usize = 64;

/// The first bytes of a side.
#[derive(Clone, Copy, Debug)]
pub struct First<'a> {
    /// Who sent them.
    pub side: Side,
    /// The bytes so far.
    pub bytes: &'a [u8],
    /// Whether no more will come before it has to be decided.
    pub whole: bool,
}

/// What the first bytes of a side say about a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// No side of this protocol begins so.
    Unlike,
    /// Others begin so as well, or too few bytes are there.
    Unclear,
    /// This protocol alone begins so.
    Like,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug)]
pub enum Spoken {
    /// More bytes will tell.
    Unclear,
    /// A protocol that is decoded.
    Protocol(&'static Protocol),
    /// None of those.
    Unknown,
}

/// What a connection speaks whose sides begin with `client` and `server`, or
/// have said nothing yet. A server knows what it speaks; what a client says has
/// to go with it.
pub fn spoken(client: &[u8], server: &[u8], whole: bool) -> Spoken {
    #[cfg(test)]
    looks::count(client);
    #[cfg(test)]
    looks::count(server);
    let likeness = |side, bytes: &[u8], protocol: &Protocol| {
        (!bytes.is_empty()).then(|| (protocol.recognises)(&First { side, bytes, whole }))
    };
    let of_server = |protocol: &&Protocol| likeness(Side::Server, server, protocol);
    let of_client = |protocol: &&Protocol| likeness(Side::Client, client, protocol);
    let mut protocols = PROTOCOLS.iter();
    if let Some(protocol) = protocols.find(|known| of_server(known) == Some(Likeness::Like)) {
        return Spoken::Protocol(protocol);
    }
    let may = |protocol: &&Protocol| of_server(protocol) != Some(Likeness::Unlike);
    let mut possible = PROTOCOLS.iter().filter(may);
    if let Some(protocol) = possible.find(|known| of_client(known) == Some(Likeness::Like)) {
        return Spoken::Protocol(protocol);
    }
    let open = |protocol: &Protocol| of_client(&protocol) != Some(Likeness::Unlike);
    let undecided = server.is_empty() || PROTOCOLS.iter().filter(may).any(open);
    if undecided && !whole { Spoken::Unclear } else { Spoken::Unknown }
}

/// What a connection speaks that is older than the capture: the first line, or
/// what seems one, by which a protocol is recognised for certain.
pub fn spoken_within(side: Side, bytes: &[u8]) -> Option<&'static Protocol> {
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1));
    starts.filter_map(|start| bytes.get(start..)).find_map(|bytes| recognised(side, bytes))
}

/// Whether bytes begin as a side of some protocol does, for certain.
pub fn begins(side: Side, bytes: &[u8]) -> bool {
    recognised(side, bytes).is_some()
}

fn recognised(side: Side, bytes: &[u8]) -> Option<&'static Protocol> {
    #[cfg(test)]
    looks::count(bytes);
    let first = First { side, bytes, whole: false };
    PROTOCOLS.iter().find(|protocol| (protocol.recognises)(&first) == Likeness::Like)
}

/// Counts what was looked at, for tests that hold it against what there is.
#[cfg(test)]
pub(crate) mod looks {
    use std::cell::Cell;

    thread_local! {
        static BYTES: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count(bytes: &[u8]) {
        BYTES.set(BYTES.get() + bytes.len());
    }

    /// Bytes that this thread has looked at since the last call.
    pub(crate) fn taken() -> usize {
        BYTES.take()
    }
}
