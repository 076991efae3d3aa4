//! Who gets a stream: its first bytes say it, if nobody else did.

use super::{
    dialogue::{Context, Dialogue},
    stream::{Opening, Reader},
};
use crate::{
    decode::{
        End, Protocol,
        detect::{self, FIRST_BYTES, LINE_BEGIN, Likeness, Spoken},
    },
    event::{Message, Side, Timestamp, tracer::Upgrade},
};

/// What the first bytes of a side say.
enum Verdict {
    /// Nothing yet.
    Wait,
    /// They are for the decoder.
    Decoder,
    /// They are for the decoder of a protocol that they have shown.
    Protocol(&'static Protocol),
    /// They are TLS.
    Tls,
    /// They are of no protocol that is decoded.
    Unknown,
}

impl Dialogue {
    /// Looks at the bytes of a side that nobody has looked at. Returns those
    /// that the decoder is to be offered beside what the stream holds; `None`
    /// when none are for it, or not yet.
    pub(super) fn first_bytes<'a>(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        fresh: &'a [u8],
        time: Timestamp,
        end: Option<End>,
    ) -> Option<&'a [u8]> {
        match self.peek(side).reader {
            Reader::Decoder => return Some(fresh),
            Reader::Nobody | Reader::Lost => {
                self.count(context, side, fresh.len());
                return None;
            }
            Reader::Pending => {}
        }
        let straight = self.peek(side).buffer.is_empty();
        let mut looked = 0;
        if !straight {
            let says_more = self.says_more(side, fresh);
            looked = self.peek(side).line as usize;
            self.note_line(side, fresh);
            self.keep_back(side, fresh, time);
            if !says_more && end.is_none() && self.peek(side).buffer.len() < FIRST_BYTES {
                return None;
            }
        }
        let held = if straight { fresh } else { self.peek(side).buffer.bytes() };
        let rest = if straight { fresh } else { &[] };
        match self.verdict(side, held, looked, end) {
            Verdict::Decoder => {
                self.stream(side).reader = Reader::Decoder;
                Some(rest)
            }
            Verdict::Protocol(protocol) => {
                self.begin_protocol(context, side, time, protocol);
                Some(rest)
            }
            Verdict::Tls => {
                if !self.peek(side.other()).is_opaque() {
                    context.emit(Some(side), Message::Upgrade(Upgrade::new("tls")));
                }
                if let Some(explain) = &mut self.explain {
                    explain.note_tls();
                }
                self.give_to(context, side, Reader::Nobody, rest);
                None
            }
            Verdict::Unknown => {
                self.give_to(context, side.other(), Reader::Lost, &[]);
                self.give_to(context, side, Reader::Lost, rest);
                None
            }
            Verdict::Wait => {
                if straight {
                    self.note_line(side, fresh);
                    self.keep_back(side, fresh, time);
                }
                self.forget(side);
                None
            }
        }
    }

    /// Whether more can be said of a side's bytes with `fresh` ones behind them:
    /// so each of them is looked at a few times at most, however they are cut.
    fn says_more(&mut self, side: Side, fresh: &[u8]) -> bool {
        let stream = self.stream(side);
        let unlooked = std::mem::take(&mut stream.unlooked);
        let (held, line) = (stream.buffer.len(), stream.line as usize);
        if unlooked || held < LINE_BEGIN {
            return true;
        }
        // Once the first line is whole nothing behind it says what it is.
        let over = stream.opening == Opening::Known && line > 0;
        let begun = held.saturating_sub(line) < LINE_BEGIN;
        !over && (begun || memchr::memchr(b'\n', fresh).is_some())
    }

    /// Takes down where the line begins that is not whole, before `fresh` bytes
    /// are kept.
    fn note_line(&mut self, side: Side, fresh: &[u8]) {
        let stream = self.stream(side);
        let held = stream.buffer.len();
        if let Some(end) = memchr::memrchr(b'\n', fresh) {
            stream.line = u32::try_from(held + end + 1).unwrap_or(u32::MAX);
        } else if held == 0 {
            stream.line = 0;
        }
    }

    /// What the bytes of a side say. In those before `looked` no line was
    /// recognised.
    fn verdict(&self, side: Side, bytes: &[u8], looked: usize, end: Option<End>) -> Verdict {
        let stream = self.peek(side);
        let midstream = stream.opening != Opening::Known;
        let whole = end.is_some() || bytes.len() >= FIRST_BYTES;
        match detect::is_tls(side, bytes, midstream) {
            Likeness::Like => return Verdict::Tls,
            Likeness::Unclear if !whole => return Verdict::Wait,
            _ if self.decoder.is_some() => return Verdict::Decoder,
            _ => {}
        }
        if midstream {
            let bytes = bytes.get(looked..).unwrap_or_default();
            return detect::spoken_within(side, bytes).map_or(Verdict::Wait, Verdict::Protocol);
        }
        let peer = self.peek(side.other());
        let pending = peer.reader == Reader::Pending && peer.opening == Opening::Known;
        let others = if pending { peer.buffer.bytes() } else { &[] };
        let (client, server) = match side {
            Side::Client => (bytes, others),
            Side::Server => (others, bytes),
        };
        match detect::spoken(client, server, whole) {
            Spoken::Protocol(protocol) => Verdict::Protocol(protocol),
            // Behind a gap something else may stand.
            Spoken::Unknown if end != Some(End::Gap) => Verdict::Unknown,
            Spoken::Unknown | Spoken::Unclear => Verdict::Wait,
        }
    }

    /// Gives both sides to the decoder of a protocol: what the other side has
    /// said before first.
    fn begin_protocol(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        time: Timestamp,
        protocol: &'static Protocol,
    ) {
        context.connection.protocol = Some(&protocol.label);
        self.decoder = Some((protocol.decoder)());
        let other = side.other();
        let mine = self.peek(side).buffer.started().unwrap_or(time);
        if self.peek(other).buffer.started().is_some_and(|theirs| theirs <= mine) {
            self.offer(context, other, &[], context.now, None);
        }
        let stream = self.stream(other);
        stream.blocked |= !stream.buffer.is_empty();
        self.stream(side).reader = Reader::Decoder;
        if self.peek(other).closed {
            self.call(context, other, |decoder, out, now| decoder.close(other, now, out));
        }
    }

    /// Gives a side's bytes, held and `fresh`, to nobody.
    fn give_to(&mut self, context: &mut Context<'_>, side: Side, reader: Reader, fresh: &[u8]) {
        let stream = self.stream(side);
        stream.reader = reader;
        stream.blocked = false;
        stream.skip = u64::MAX;
        let held = std::mem::take(&mut stream.buffer).len();
        self.skipped(context, side, held as u64);
        self.count(context, side, fresh.len());
    }

    /// Counts bytes in order that nobody reads.
    fn count(&mut self, context: &mut Context<'_>, side: Side, bytes: usize) {
        let stream = self.stream(side);
        stream.advance(bytes as u64, stream.lost);
        self.skipped(context, side, bytes as u64);
    }

    /// Keeps bytes in order that are to be offered with those behind them.
    pub(super) fn keep_back(&mut self, side: Side, fresh: &[u8], time: Timestamp) {
        let stream = self.stream(side);
        stream.advance(fresh.len() as u64, stream.lost);
        let next = stream.next;
        stream.buffer.append(fresh, next, time);
    }

    /// Lets go of bytes of an older connection in which nothing was recognised,
    /// when there are many: of whole lines, and of what has no end.
    fn forget(&mut self, side: Side) {
        let stream = self.stream(side);
        let bytes = stream.buffer.bytes();
        if stream.opening == Opening::Known || bytes.len() < FIRST_BYTES {
            return;
        }
        let useless = memchr::memrchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        stream.buffer.take(useless);
        stream.line = 0;
        stream.undecoded += useless as u64;
    }
}
