//! HTTP/1.x (RFC 9112): heads are told of when they are complete, bodies are
//! counted and passed over.
//!
//! Each side goes its own way through heads and bodies; they meet only where a
//! response is read in the light of its request, and where both become
//! something else (CONNECT, Upgrade).

mod body;
mod coding;
mod content;
mod fields;
mod framing;
mod half;
mod head;
mod heads;
mod message;
mod odd;
mod recognise;
mod record;
mod repaired;
mod rest;
mod resync;
mod simple;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::{
    body::{Body, Taken},
    content::Content,
    framing::Asked,
    half::{Half, State, Step},
    head::Begins,
    odd::{Odd, Oddities},
    record::Records,
    resync::Resync,
};
use super::{Decoder, Input, Out, Progress, Protocol, Want};
use crate::event::{
    Hue, Label, Message, Side, Timestamp,
    http::{BodyShown, Ended},
    tracer::Upgrade,
};

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
    asked: VecDeque<Asked>,
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
            let thrown_away = out.undecoded;
            let step = self.step(&Input { bytes, started, ..*input }, out);
            let thrown_away = out.undecoded > thrown_away;
            match step {
                Step::Next(0) if self.half(side).state.rank() >= rank => {
                    debug_assert!(false, "a state that took nothing leads nowhere");
                    self.lose(side, input.time, out);
                    out.undecoded(bytes.len() as u64);
                    return Progress::more(input.bytes.len());
                }
                Step::Next(taken) => {
                    consumed += taken;
                    let is_lost = matches!(self.half(side).state, State::Lost(_));
                    if is_lost != thrown_away && consumed > 0 {
                        return Progress { consumed, want: Want::Again };
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

    fn held(&self) -> usize {
        let asked = self.asked.capacity() * size_of::<Asked>();
        asked + self.client.held() + self.server.held() + self.records.held()
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

    /// Bytes passed that nobody read.
    fn pass(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        let half = self.half(side);
        if let State::BodyUnlessHead(body) = half.state {
            half.state = State::Body(body);
        }
        match &mut half.state {
            State::Opaque => {}
            State::Undecided { lost } => *lost = true,
            State::Body(body) => {
                let fits = body.pass(bytes);
                let complete = body.is_complete();
                if let Some(content) = half.content.as_mut().filter(|_| fits) {
                    content.pass(bytes);
                    content.latest = time;
                }
                match (fits, complete) {
                    (false, _) => self.lose(side, time, out),
                    (true, true) => self.message_ends(side, time, out),
                    (true, false) => self.show(side, false, time, out),
                }
            }
            State::Head(_)
            | State::Simple(_)
            | State::Rest(_)
            | State::Lost(_)
            | State::BodyUnlessHead(_) => {
                self.lose(side, time, out);
            }
        }
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

    /// Behind a whole message.
    fn message_ends(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        self.content_ends(side, Ended::Whole, time, out);
        self.half(side).state = if side == Side::Client && self.undecided {
            State::Undecided { lost: false }
        } else {
            State::default()
        };
    }

    /// The message at hand, if there is one, has no more content.
    fn content_ends(&mut self, side: Side, ended: Ended, time: Timestamp, out: &mut Out<'_>) {
        let Some(content) = &mut self.half(side).content else { return };
        let trailer = content.read_trailer(out.settings.show_secrets);
        self.tell_content(side, time, out);
        self.show(side, true, time, out);
        if let Some(content) = self.half(side).content.take() {
            self.records.ends(side, &content, trailer, ended);
        }
        self.records.tell_complete(self.counted.early, time, out);
    }

    /// Tells of what was wrong with the content so far.
    fn tell_content(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        if let Some(content) = &mut self.half(side).content {
            let (mut odd, told) = content.take_odd();
            odd.tell_new(told, side, time, out);
        }
    }

    /// Shows the body once what is shown of it is complete.
    fn show(&mut self, side: Side, end: bool, time: Timestamp, out: &mut Out<'_>) {
        let settings = out.settings;
        let content = self.half(side).content.as_mut();
        let Some(body) = content.and_then(|content| content.take_shown(end, settings)) else {
            return;
        };
        out.emit(side, time, Message::HttpBody(BodyShown::new(side, body.clone())));
        self.records.body(side, body);
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
        self.asked = VecDeque::new();
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

    fn step(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Step {
        let Input { side, bytes, end, time, .. } = *input;
        let Half { state, content, .. } = self.half(side);
        match state {
            State::Head(_) => self.head(input, out),
            State::Simple(_) => self.simple_fields(bytes, end.is_some(), time, out),
            State::Rest(rest) => {
                let (taken, head) = rest.take(bytes, end.is_some());
                let Some(head) = head else { return Step::Wait(taken, Want::More) };
                self.head_ends(side, Some(head), time, out);
                Step::Next(taken)
            }
            State::Body(body) => {
                let content = content.get_or_insert_default();
                if !bytes.is_empty() {
                    content.latest = time;
                }
                let taken = body.take(bytes, content);
                self.tell_content(side, time, out);
                self.show(side, false, time, out);
                self.body_taken(side, bytes.len(), taken, time, out)
            }
            State::BodyUnlessHead(body) => match head::status_begins(bytes) {
                Begins::Yes => {
                    self.message_ends(side, time, out);
                    Step::Next(0)
                }
                Begins::Maybe if end.is_none() => Step::Wait(0, Want::More),
                _ => {
                    *state = State::Body(*body);
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
                    *state = State::default();
                    return Step::Next(found.discard);
                }
                let discard = if end.is_some() { bytes.len() } else { found.discard };
                out.undecoded(discard as u64);
                Step::Wait(discard, Want::More)
            }
        }
    }

    fn body_taken(
        &mut self,
        side: Side,
        offered: usize,
        taken: Taken,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Step {
        match taken {
            Taken::Done(taken) => {
                self.message_ends(side, time, out);
                Step::Next(taken)
            }
            Taken::More(taken) => Step::Wait(taken, Want::More),
            Taken::Pause(taken) => Step::Next(taken),
            Taken::Skip(more) => {
                let content = self.half(side).content.as_ref();
                let wanted = content.is_some_and(Content::wants_more);
                Step::Wait(offered, if wanted { Want::More } else { Want::Skip(more) })
            }
            Taken::Broken(taken) => {
                self.lose(side, time, out);
                Step::Next(taken)
            }
        }
    }

    fn head(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Step {
        let Input { side, bytes, end, time, started } = *input;
        let half = self.half(side);
        let State::Head(search) = &mut half.state else { return Step::Wait(0, Want::More) };
        if !search.has_line() {
            match bytes {
                [] | [b'\r'] => return Step::Wait(0, Want::More),
                // Empty lines before a message: RFC 9112 section 2.2.
                [b'\n', ..] => return Step::Next(1),
                [b'\r', b'\n', ..] => return Step::Next(2),
                _ => {}
            }
            half.started = started;
            match head::begins(side, bytes) {
                Begins::Yes | Begins::Maybe => {}
                Begins::Http2 => {
                    self.become_opaque("h2c", side, time, out);
                    return Step::Next(0);
                }
                Begins::Simple => return self.simple_request(bytes, time),
                Begins::No
                    if side == Side::Server && self.asked.front() == Some(&Asked::Simple) =>
                {
                    self.simple_response(time, out);
                    return Step::Next(0);
                }
                Begins::No => {
                    // Behind a loss they may be of anything.
                    if !self.lossy {
                        out.anomaly(side, time, Odd::NotHttp.code(), None);
                    }
                    self.lose(side, time, out);
                    self.half(side).state = State::Lost(Resync::behind_first());
                    return Step::Next(0);
                }
            }
        }
        match (search.advance(bytes), end) {
            (Some(length), _) => {
                let head =
                    self.whole_head(side, bytes.get(..length).unwrap_or_default(), time, out);
                self.head_ends(side, head, time, out);
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
