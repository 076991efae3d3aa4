//! Which processes of this host have the ends of a flow.

use std::sync::Arc;

use super::connection::Flow;
use crate::{
    capture::{Segment, TcpFlags},
    event::{Endpoint, Process, Processes, Side, Timestamp},
};

/// Payload segments on which it is asked again who has an end that nobody is
/// known to have. A server that speaks first may be known a moment after that.
const TRIES: u8 = 16;

/// Nanoseconds after which it is asked again who has the ends: a connection may
/// be handed on.
const AGAIN: u64 = 1_000_000_000;

/// Nanoseconds before its SYN that a client may have begun to connect. Where that
/// is told only once it is connected, what is known at the SYN is about whoever
/// had the port before.
const BEFORE: u64 = 100_000_000;

/// Who is asked which process has an end of a connection.
pub trait Owners: Send {
    /// The process that has the end `local`, towards `remote`. `since`: what was
    /// known before that time is about another connection.
    fn owner(
        &mut self,
        local: &Endpoint,
        remote: &Endpoint,
        since: Option<Timestamp>,
    ) -> Option<Arc<Process>>;
}

/// Moments at which something may have become known; a bit each.
const OPENED: u8 = 1;
const PAYLOAD: u8 = 2;
const END: u8 = 8;

/// When a flow's owners were asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Moments that were.
    moments: u8,
    /// Payload segments on which it was.
    tries: u8,
    /// When it was the last time, by a clock that counts as [`AGAIN`].
    turn: u32,
}

impl Asked {
    /// Whether a segment of `side` is a moment to ask, and whether that is for
    /// what is known as well.
    fn is_due(&mut self, segment: &Segment<'_>, side: Side, is_known: bool) -> Option<bool> {
        let flags = segment.tcp.flags;
        let shift = u8::from(side == Side::Server);
        let has_payload = segment.len > 0;
        let mut moments = OPENED;
        if has_payload {
            moments |= PAYLOAD << shift;
        }
        if flags.has(TcpFlags::FIN) || flags.has(TcpFlags::RST) {
            moments |= END << shift;
        }
        let is_new = self.moments & moments != moments;
        let turn = u32::try_from(segment.time.0 / AGAIN).unwrap_or_default();
        let is_again = has_payload && self.turn != turn;
        let tries = has_payload && !is_known && self.tries < TRIES;
        if !is_new && !is_again && !tries {
            return None;
        }
        self.moments |= moments;
        self.tries = self.tries.saturating_add(u8::from(has_payload));
        self.turn = turn;
        Some(is_again || moments >= END)
    }
}

impl Flow {
    /// Asks who has the ends, if a segment of `side` is a moment to.
    pub(super) fn attribute(&mut self, segment: &Segment<'_>, side: Side, owners: &mut dyn Owners) {
        let known = self.connection.processes.as_deref();
        let is_known = known.is_some_and(|known| known.client.is_some() && known.server.is_some());
        let Some(anew) = self.asked.is_due(segment, side, is_known) else { return };
        let mut found = known.cloned().unwrap_or_default();
        // The socket of the server is there since the SYN.
        let opened = self.opened.time().filter(|_| self.halves.client.has_syn);
        let began = opened.map(|opened| Timestamp(opened.0.saturating_sub(BEFORE)));
        for (end, since) in [(Side::Client, began), (Side::Server, opened)] {
            if anew || found.of(end).is_none() {
                let (local, remote) = (self.connection.end(end), self.connection.end(end.other()));
                if let Some(process) = owners.owner(local, remote, since) {
                    *found.of_mut(end) = Some(process);
                }
            }
        }
        if known != Some(&found) {
            self.connection.processes = Some(Arc::new(found));
        }
    }

    /// Bytes that are held for what is known of the processes.
    pub(super) fn processes_held(&self) -> usize {
        let Some(Processes { client, server }) = self.connection.processes.as_deref() else {
            return 0;
        };
        let held = |process: &Option<Arc<Process>>| process.as_ref().map_or(0, |one| one.held());
        size_of::<Processes>() + held(client) + held(server)
    }
}
