//! HTTP/1.x (RFC 9112): heads are told of when they are complete, bodies are
//! counted and passed over.
//!
//! Each side goes its own way through heads and bodies; they meet only where a
//! response is read in the light of its request, and where both become
//! something else (CONNECT, Upgrade).

mod body;
mod exchange;
mod framing;
mod head;
mod message;
mod odd;
mod repaired;
mod rest;
mod resync;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::{
    body::{Body, Taken},
    framing::Asked,
    head::Begins,
    odd::Odd,
    rest::Rest,
    resync::Resync,
};
use super::{Decoder, Input, Out, Progress, Protocol, Want};
use crate::event::{Hue, Label, Message, Side, Timestamp, tracer::Upgrade};

/// HTTP in the clear.
pub(super) const PROTOCOL: Protocol = Protocol {
    label: Label { name: "http", column: "HTTP", hue: Hue::Green },
    ports: &[80],
    decoder: || Box::new(Http::default()),
};

/// Requests that wait for their responses. Clients that pipeline send a few
/// dozen ahead; the queue holds a byte for each.
const PIPELINE_LIMIT: usize = 4096;
/// Changes of a side's state without a byte taken: twice as many as there are
/// states. More would mean that two of them lead to each other, and a peer
/// must not keep the worker in them.
const CHANGES_LIMIT: u32 = 16;

/// Decoder of one connection.
#[derive(Debug, Default)]
struct Http {
    client: State,
    server: State,
    /// Requests without a final response, oldest first.
    asked: VecDeque<Asked>,
    /// The newest of them may turn the connection into something else, so
    /// what the client sends behind it can be read only when it is answered.
    undecided: bool,
}

/// Where one side stands.
#[derive(Debug)]
enum State {
    /// Before or in a head.
    Head(head::Search),
    /// In what is left of a head that is too long.
    Rest(Rest),
    /// In a body.
    Body(Body),
    /// Before a body of this length, if there is one: the response is to an
    /// unknown request, which may have been HEAD.
    BodyUnlessHead(u64),
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

/// What became of the bytes offered to a state.
enum Step {
    /// So many were taken; another state goes on.
    Next(usize),
    /// So many were taken; nothing moves before there is more.
    Wait(usize, Want),
}

impl Decoder for Http {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let (mut consumed, mut changes) = (0, 0);
        loop {
            let bytes = input.bytes.get(consumed..).unwrap_or_default();
            match self.step(&Input { bytes, ..*input }, out) {
                Step::Next(0) if changes == CHANGES_LIMIT => {
                    self.lose(input.side);
                    out.undecoded(bytes.len() as u64);
                    return Progress::more(input.bytes.len());
                }
                Step::Next(taken) => {
                    changes = if taken == 0 { changes + 1 } else { 0 };
                    consumed += taken;
                }
                Step::Wait(taken, want) => return Progress { consumed: consumed + taken, want },
            }
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, _time: Timestamp, _out: &mut Out<'_>) {
        self.pass(side, bytes);
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, _time: Timestamp, _out: &mut Out<'_>) {
        match bytes {
            Some(bytes) => self.pass(side, bytes),
            // The first response behind it answers the first request behind
            // it, more likely than not: what was asked is kept.
            None => {
                if !matches!(self.state(side), State::Opaque) {
                    *self.state(side) = State::Lost(Resync::default());
                }
            }
        }
    }

    fn close(&mut self, _side: Side, _time: Timestamp, _out: &mut Out<'_>) {}

    fn finish(&mut self, _time: Timestamp, _out: &mut Out<'_>) {}

    fn held(&self) -> usize {
        self.asked.capacity() * size_of::<Asked>()
    }
}

impl Http {
    const fn state(&mut self, side: Side) -> &mut State {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Bytes passed that nobody read.
    fn pass(&mut self, side: Side, bytes: u64) {
        match self.state(side) {
            State::Opaque => {}
            State::Undecided { lost } => *lost = true,
            State::Body(body) => {
                if !body.pass(bytes) {
                    self.lose(side);
                }
            }
            State::BodyUnlessHead(length) => {
                let mut body = Body::Length(*length);
                if body.pass(bytes) {
                    *self.state(side) = State::Body(body);
                } else {
                    self.lose(side);
                }
            }
            State::Head(_) | State::Rest(_) | State::Lost(_) => self.lose(side),
        }
    }

    /// The side's next message has to be searched for, and nobody knows any
    /// more which response belongs to which request.
    fn lose(&mut self, side: Side) {
        self.asked.clear();
        *self.state(side) = State::Lost(Resync::default());
        self.decide();
    }

    /// Behind a whole message.
    fn message_ends(&mut self, side: Side) {
        *self.state(side) = if side == Side::Client && self.undecided {
            State::Undecided { lost: false }
        } else {
            State::default()
        };
    }

    /// The connection stays what it is.
    fn decide(&mut self) {
        self.undecided = false;
        if let State::Undecided { lost } = self.client {
            self.client = if lost { State::Lost(Resync::default()) } else { State::default() };
        }
    }

    /// The connection becomes something else.
    fn become_opaque(&mut self, to: &'static str, side: Side, time: Timestamp, out: &mut Out<'_>) {
        out.emit(side, time, Message::Upgrade(Upgrade::new(to)));
        self.asked = VecDeque::new();
        self.undecided = false;
        self.client = State::Opaque;
        self.server = State::Opaque;
    }

    fn step(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Step {
        let Input { side, bytes, end, .. } = *input;
        match self.state(side) {
            State::Head(_) => self.head(input, out),
            State::Rest(rest) => {
                let (taken, head) = rest.take(bytes, end.is_some());
                let Some(head) = head else { return Step::Wait(taken, Want::More) };
                self.head_ends(side, Some(&head), input.time, out);
                Step::Next(taken)
            }
            State::Body(body) => match body.take(bytes) {
                Taken::Done(taken) => {
                    self.message_ends(side);
                    Step::Next(taken)
                }
                Taken::More(taken) => Step::Wait(taken, Want::More),
                Taken::Skip(more) => Step::Wait(bytes.len(), Want::Skip(more)),
                Taken::Broken(taken, odd) => {
                    out.anomaly(side, input.time, odd.code(), None);
                    self.lose(side);
                    Step::Next(taken)
                }
            },
            State::BodyUnlessHead(length) => match head::status_begins(bytes) {
                Begins::Yes => {
                    self.message_ends(side);
                    Step::Next(0)
                }
                Begins::Maybe if end.is_none() => Step::Wait(0, Want::More),
                _ => {
                    *self.state(side) = State::Body(Body::Length(*length));
                    Step::Next(0)
                }
            },
            State::Undecided { .. } if end.is_none() => Step::Wait(0, Want::Peer),
            State::Undecided { .. } => {
                self.decide();
                Step::Next(0)
            }
            State::Opaque => Step::Wait(bytes.len(), Want::Skip(u64::MAX)),
            State::Lost(resync) => {
                let found = resync.find(side, bytes);
                if found.message {
                    out.undecoded(found.discard as u64);
                    *self.state(side) = State::default();
                    return Step::Next(found.discard);
                }
                let discard = if end.is_some() { bytes.len() } else { found.discard };
                out.undecoded(discard as u64);
                Step::Wait(discard, Want::More)
            }
        }
    }

    fn head(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Step {
        let Input { side, bytes, end, time, .. } = *input;
        let State::Head(search) = self.state(side) else { return Step::Wait(0, Want::More) };
        if !search.has_line() {
            match bytes {
                [] | [b'\r'] => return Step::Wait(0, Want::More),
                // Empty lines before a message: RFC 9112 section 2.2.
                [b'\n', ..] => return Step::Next(1),
                [b'\r', b'\n', ..] => return Step::Next(2),
                _ => {}
            }
            match head::begins(side, bytes) {
                Begins::Yes | Begins::Maybe => {}
                Begins::Http2 => {
                    self.become_opaque("h2c", side, time, out);
                    return Step::Next(0);
                }
                Begins::Simple => return self.simple_request(bytes, time, out),
                Begins::No
                    if side == Side::Server && self.asked.front() == Some(&Asked::Simple) =>
                {
                    self.asked.pop_front();
                    self.server = State::Body(Body::UntilClose);
                    return Step::Next(0);
                }
                Begins::No => {
                    out.anomaly(side, time, Odd::NotHttp.code(), None);
                    self.lose(side);
                    out.undecoded(1);
                    return Step::Next(1);
                }
            }
        }
        match (search.advance(bytes), end) {
            (Some(length), _) => {
                let head =
                    self.whole_head(side, bytes.get(..length).unwrap_or_default(), time, out);
                self.head_ends(side, head.as_ref(), time, out);
                Step::Next(length)
            }
            (None, None) => Step::Wait(0, Want::More),
            (None, Some(end)) => {
                let lines = search.lines();
                self.cut_head(side, bytes, lines, end, time, out)
            }
        }
    }
}
