//! HTTP/1.x (RFC 9112): heads are told of when they are complete, bodies are
//! counted and passed over.
//!
//! Each side goes its own way through heads and bodies; they meet only where a
//! response is read in the light of its request, and where both become
//! something else (CONNECT, Upgrade).

mod begins;
mod bodies;
mod body;
mod coding;
mod content;
mod fields;
mod framing;
mod half;
mod head;
mod heads;
mod message;
mod name;
mod odd;
mod recognise;
mod record;
mod records;
mod repaired;
mod rest;
mod resync;
mod simple;
mod start_line;
mod step;
#[cfg(test)]
mod tests;
mod usual;
mod waiting;

pub(super) use self::records::release_spares;
use self::{
    body::Body,
    half::{Half, State, Step},
    odd::{Odd, Oddities},
    records::Records,
    resync::Resync,
    waiting::Waiting,
};
use super::{Behind, Decoder, Input, Out, Progress, Protocol};
use crate::event::{Hue, Label, Message, Side, Timestamp, http::Ended, tracer::Upgrade};

/// HTTP in the clear.
pub(super) const PROTOCOL: Protocol = Protocol {
    label: Label { name: "http", column: "HTTP", hue: Hue::Green },
    ports: &[80],
    by_default: true,
    decoder: || Box::new(Http::default()),
    recognises: recognise::recognises,
};

/// Decoder of one connection.
#[derive(Debug, Default)]
struct Http {
    client: Half,
    server: Half,
    /// Requests without a final response, oldest first.
    asked: Waiting,
    /// The newest of them may turn the connection into something else, so
    /// what the client sends behind it can be read only when it is answered.
    undecided: bool,
    counted: Counted,
    /// Bytes are missing, so that what is odd may be no fault of the peers.
    lossy: bool,
    /// What exchanges will say.
    records: Records,
}

/// How responses and requests stand against each other.
#[derive(Debug, Default)]
struct Counted {
    /// Final responses that came before any request they could answer. A
    /// capture may show a response before its request.
    early: usize,
    /// There are requests: a capture may show the other direction only.
    requests_seen: bool,
    /// Messages of either side were not seen, so that nobody knows how many
    /// requests and responses there were.
    uncounted: bool,
}

impl Decoder for Http {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let side = input.side;
        if side == Side::Server {
            self.simple_told(out);
        }
        let mut consumed = 0;
        loop {
            let bytes = input.bytes.get(consumed..).unwrap_or_default();
            let rank = self.half(side).state.rank();
            // What stands behind a message came after it.
            let started = if consumed == 0 { input.started } else { input.time };
            let waits = matches!(self.client.state, State::Undecided { .. });
            match self.step(&Input { bytes, started, ..*input }, out) {
                Step::Next(0) if self.half(side).state.rank() >= rank => {
                    debug_assert!(false, "a state that took nothing leads nowhere");
                    self.lose(side, input.time, out);
                    out.undecoded(bytes.len() as u64);
                    return Progress::more(input.bytes.len());
                }
                Step::Next(taken) => {
                    consumed += taken;
                    // Bytes that the client sent meanwhile come first.
                    let goes_on = waits && !matches!(self.client.state, State::Undecided { .. });
                    if goes_on && side == Side::Server && input.end.is_none() {
                        return Progress::peer(consumed);
                    }
                }
                Step::Wait(taken, want) => return Progress { consumed: consumed + taken, want },
            }
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        self.pass(side, bytes, time, out);
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        self.simple_told(out);
        self.lossy = true;
        if let Some(bytes) = bytes {
            return self.pass(side, bytes, time, out);
        }
        // The first response behind it answers the first request behind it,
        // more likely than not: what was asked is kept.
        self.miscount();
        if !matches!(self.half(side).state, State::Opaque) {
            self.half(side).state = State::Lost(Resync::default());
        }
    }

    fn close(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        self.simple_told(out);
        let half = self.half(side);
        half.closed = true;
        let ended = match half.state {
            State::Body(Body::UntilClose) => Ended::Whole,
            // Perhaps there was none to come.
            State::BodyUnlessHead(_) => Ended::Unseen,
            _ => Ended::Cut,
        };
        self.content_ends(side, ended, time, out);
        if side == Side::Server {
            self.records.abandon(Ended::Cut, time, out);
        }
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        self.simple_told(out);
        for side in [Side::Client, Side::Server] {
            self.content_ends(side, Ended::Unseen, time, out);
        }
        self.tell_unasked(time, out);
        let ended = self.server.broken_off();
        self.records.abandon(ended, time, out);
    }

    fn is_between_messages(&self, side: Side) -> bool {
        let half = if side == Side::Client { &self.client } else { &self.server };
        matches!(half.state, State::Head(_))
    }

    fn behind_skip(&self, side: Side) -> Behind {
        let half = if side == Side::Client { &self.client } else { &self.server };
        match half.state {
            State::Body(Body::Length(_)) => Behind::Message,
            State::Body(Body::Chunked(_)) => Behind::Chunk,
            _ => Behind::Unknown,
        }
    }

    fn held(&self) -> usize {
        self.asked.held() + self.client.held() + self.server.held() + self.records.held()
    }
}

impl Http {
    const fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Nobody knows any more how many messages there were.
    const fn miscount(&mut self) {
        self.counted.uncounted = true;
        self.counted.early = 0;
    }

    /// The side's next message has to be searched for. What was asked before
    /// is answered in its order all the same; behind a lost response, nobody
    /// knows any more which response belongs to which request.
    fn lose(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        self.miscount();
        let ended = self.half(side).broken_off();
        self.content_ends(side, ended, time, out);
        self.half(side).state = State::Lost(Resync::default());
        if side == Side::Server {
            // Its next message may yet say what the connection becomes.
            self.asked.clear();
            self.records.abandon(Ended::Unseen, time, out);
        } else {
            self.decide();
        }
    }

    /// The connection stays what it is.
    fn decide(&mut self) {
        self.undecided = false;
        if let State::Undecided { lost } = self.client.state {
            self.client.state =
                if lost { State::Lost(Resync::default()) } else { State::default() };
        }
    }

    /// The connection becomes something else.
    fn become_opaque(&mut self, to: &'static str, side: Side, time: Timestamp, out: &mut Out<'_>) {
        out.emit(side, time, Message::Upgrade(Upgrade::new(to)));
        for side in [Side::Client, Side::Server] {
            self.content_ends(side, Ended::Whole, time, out);
            self.half(side).state = State::Opaque;
        }
        self.records.abandon(Ended::Unseen, time, out);
        self.asked.clear();
        self.undecided = false;
    }

    /// Tells of responses that no request has come for, where none was missed.
    fn tell_unasked(&mut self, time: Timestamp, out: &mut Out<'_>) {
        let early = std::mem::take(&mut self.counted.early);
        if early > 0 && self.counted.requests_seen {
            let mut odd = Oddities::default();
            odd.insert(Odd::UnaskedResponse);
            odd.tell(Side::Server, time, out);
        }
    }
}
