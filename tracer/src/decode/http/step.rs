//! Moves one side on, from one state to the next.

use super::{
    Http,
    begins::{self, Begins},
    body::Taken,
    content::Content,
    framing::Asked,
    half::{Half, State, Step},
    odd::Odd,
    resync::Resync,
};
use crate::{
    decode::{Input, Out, Want},
    event::{Side, Timestamp},
};

impl Http {
    /// Takes what the side's state can take of the bytes.
    pub(super) fn step(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Step {
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
                if content.is_rare() {
                    self.tell_content(side, time, out);
                    self.show(side, false, time, out);
                }
                self.body_taken(side, bytes.len(), taken, time, out)
            }
            State::BodyUnlessHead(body) => match begins::status_begins(bytes) {
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
            let is_new = search.is_new();
            if is_new && let Some(length) = self.plain_head(side, bytes, time, out) {
                return Step::Next(length);
            }
            match begins::begins(side, bytes) {
                Begins::Yes | Begins::Maybe => {}
                Begins::Http2 => {
                    self.become_opaque("h2c", side, time, out);
                    return Step::Next(0);
                }
                Begins::Simple => return self.simple_request(bytes, time),
                Begins::No if side == Side::Server && self.asked.front() == Some(Asked::Simple) => {
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
        let State::Head(search) = &mut self.half(side).state else {
            return Step::Wait(0, Want::More);
        };
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
