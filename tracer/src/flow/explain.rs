//! Why nothing was decoded of a flow.

use super::{
    dialogue::Dialogue,
    half::Half,
    pair::Pair,
    stream::{Opening, Reader},
};
use crate::{
    decode::detect,
    event::{
        Connection, Side,
        tracer::{GapCause, Reason, Undecoded},
    },
};

/// First bytes of a side that are kept for the question what they look like.
const FIRST_BYTES: usize = 64;

/// What is kept of a flow until something was decoded.
#[derive(Debug, Default)]
pub(super) struct Explain {
    first: Pair<FirstBytes>,
    /// The cause of the first gap.
    gap: Option<GapCause>,
    /// TLS was recognised.
    tls: bool,
}

#[derive(Clone, Copy, Debug)]
struct FirstBytes {
    bytes: [u8; FIRST_BYTES],
    len: usize,
}

impl Default for FirstBytes {
    fn default() -> Self {
        Self { bytes: [0; FIRST_BYTES], len: 0 }
    }
}

impl FirstBytes {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Explain {
    /// Takes down bytes of a side in order.
    pub(super) fn note(&mut self, side: Side, bytes: &[u8]) {
        let first = self.first.of_mut(side);
        let free = first.bytes.get_mut(first.len..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(bytes) {
            *to = *from;
            first.len += 1;
        }
    }

    /// Takes down a gap.
    pub(super) fn note_gap(&mut self, cause: GapCause) {
        self.gap.get_or_insert(cause);
    }

    /// Takes down that TLS was recognised.
    pub(super) const fn note_tls(&mut self) {
        self.tls = true;
    }

    /// Why nothing was decoded of the flow that ends now.
    pub(super) fn why(
        &self,
        connection: &Connection,
        halves: &Pair<Half>,
        dialogue: &Dialogue,
        refused: bool,
    ) -> Undecoded {
        let sent = halves.client.end + halves.server.end;
        if sent == 0 && self.gap.is_none() {
            return Undecoded::new(Reason::NoPayload, Some(bare(halves, refused)));
        }
        if self.tls {
            return Undecoded::new(Reason::Tls, None);
        }
        let looks = detect::name(self.first.client.bytes(), self.first.server.bytes());
        let expected = connection.protocol.map(|label| label.name);
        if looks.is_some() && looks != expected {
            return Undecoded::new(Reason::OtherProtocol, looks);
        }
        let sides = [Side::Client, Side::Server];
        let lost = sides.into_iter().any(|side| dialogue.peek(side).reader == Reader::Lost);
        let older = sides.into_iter().any(|side| {
            halves.of(side).is_known() && dialogue.peek(side).opening != Opening::Known
        });
        match self.gap {
            Some(cause @ (GapCause::StreamLimit | GapCause::FlowLimit)) => {
                Undecoded::new(Reason::Limit, Some(cause.name()))
            }
            Some(cause @ (GapCause::RingFull | GapCause::NotCaptured)) if !lost => {
                Undecoded::new(Reason::Gap, Some(cause.name()))
            }
            _ if older => Undecoded::new(Reason::Midstream, None),
            _ if lost => Undecoded::new(Reason::OtherProtocol, None),
            _ if halves.client.end == 0 || halves.server.end == 0 => {
                let silent = if halves.client.end == 0 { "the client" } else { "the server" };
                Undecoded::new(Reason::OneSided, Some(silent))
            }
            _ if looks.is_some() => Undecoded::new(Reason::Incomplete, None),
            _ => Undecoded::new(Reason::OtherProtocol, None),
        }
    }
}

/// What a connection without payload came to.
const fn bare(halves: &Pair<Half>, refused: bool) -> &'static str {
    match (halves.client.has_syn, halves.server.has_syn) {
        (_, true) => "only the handshake was seen",
        (true, false) if refused => "the server refused the connection",
        (true, false) => "no answer to the SYN was seen",
        (false, false) => "only its end was seen",
    }
}
