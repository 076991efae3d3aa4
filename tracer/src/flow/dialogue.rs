//! A decoder and the two streams that it reads.

use super::{
    Settings,
    explain::Explain,
    maybe::Maybe,
    pair::Pair,
    queue::Piece,
    stream::{Hole, Lost, Stream},
};
use crate::{
    decode::{Decoder, End},
    event::{Connection, Event, Message, Side, Sink, Timestamp, tracer::GapCause},
};

/// What a call needs to know of its surroundings.
pub(super) struct Context<'a> {
    /// What the operator chose.
    pub(super) settings: &'a Settings,
    /// The flow's connection.
    pub(super) connection: &'a mut Connection,
    /// Packet time.
    pub(super) now: Timestamp,
    /// What is counted of the flow.
    pub(super) tally: &'a mut Tally,
    /// Takes the events.
    pub(super) sink: &'a mut dyn Sink,
}

impl Context<'_> {
    /// Pushes an event of the flow.
    pub(super) fn emit(&mut self, side: Option<Side>, message: Message<'_>) {
        let connection = Some(&*self.connection);
        self.sink.event(&Event { time: self.now, connection, side, message });
    }
}

/// What a dialogue counts for `tcp-close`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Gaps told of.
    pub(super) gaps: u64,
    /// Bytes in them.
    pub(super) lost_bytes: u64,
    /// Bytes that the decoder did not want.
    pub(super) skipped_bytes: u64,
}

/// A decoder and its two streams, as [`Decoder`] wants them driven.
pub(super) struct Dialogue {
    /// `None` as long as nobody knows what is spoken.
    pub(super) decoder: Option<Box<dyn Decoder>>,
    pub(super) streams: Pair<Stream>,
    /// Until something was decoded, if the reason may be asked for.
    pub(super) explain: Option<Box<Explain>>,
}

impl Dialogue {
    /// A dialogue that has not begun.
    pub(super) fn new(decoder: Option<Box<dyn Decoder>>) -> Self {
        Self { decoder, streams: Pair::default(), explain: None }
    }

    /// The side whose bytes the decoder was offered last.
    const fn offered(&self) -> Side {
        if self.streams.client.offered { Side::Client } else { Side::Server }
    }

    /// A side's stream.
    pub(super) const fn stream(&mut self, side: Side) -> &mut Stream {
        self.streams.of_mut(side)
    }

    /// A side's stream, to look at.
    pub(super) const fn peek(&self, side: Side) -> &Stream {
        self.streams.of(side)
    }

    /// Bytes of memory held: both streams and the decoder.
    pub(super) fn held(&self) -> usize {
        let decoder = self.decoder.as_deref();
        let decoder = decoder.map_or(0, |decoder| size_of_val(decoder) + decoder.held());
        let decoder = decoder + self.explain.as_deref().map_or(0, size_of_val);
        self.streams.client.held() + self.streams.server.held() + decoder
    }

    /// Whether both sides have sent FIN and all before it.
    pub(super) const fn closed(&self) -> bool {
        self.streams.client.closed && self.streams.server.closed
    }

    /// Takes a piece of a segment: delivers it if it is its turn, else keeps
    /// it; returns how many of its bytes were new. `more`: the rest of its packet
    /// comes in another record.
    pub(super) fn piece(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        piece: Piece<'_>,
        more: bool,
    ) -> u64 {
        let stream = self.streams.of_mut(side);
        let end = stream.fin.get().map_or(piece.end, |fin| piece.end.min(fin));
        let start = piece.start.max(stream.next);
        if start >= end {
            return 0;
        }
        let place = |offset: u64| usize::try_from(offset - piece.start).unwrap_or(usize::MAX);
        let bytes =
            piece.bytes.map(|bytes| bytes.get(place(start)..place(end)).unwrap_or_default());
        if start > stream.next {
            self.pass_hidden(context, side, start, piece.lost);
        }
        let stream = self.streams.of_mut(side);
        if start > stream.next {
            return stream.keep(&Piece { start, end, bytes, ..piece });
        }
        if let Some(bytes) = bytes {
            stream.advance(0, piece.lost);
            // The row of a packet has its first message, which is to be whole.
            let room = stream.held() + bytes.len() <= context.settings.stream_limit / 2;
            if more && context.settings.rows && room && stream.skip == 0 {
                self.keep_back(side, bytes, piece.time);
                self.streams.of_mut(side).unlooked = true;
            } else {
                self.offer(context, side, bytes, piece.time, None);
            }
            return end - start;
        }
        let passed = self.pass(context, side, end - start, piece.lost);
        let stream = self.streams.of_mut(side);
        passed + stream.keep(&Piece { start: start + passed, end, bytes: None, ..piece })
    }

    /// Delivers what has become due on a side: what waited for its turn, gaps
    /// that are certain, and the FIN.
    pub(super) fn settle(&mut self, context: &mut Context<'_>, side: Side) {
        loop {
            self.deliver(context, side);
            let stream = self.streams.of(side);
            match stream.hole() {
                Some(hole) if stream.is_hopeless(hole, context.now) => {
                    self.give_up(context, side, hole);
                }
                Some(_) => {
                    let stream = self.streams.of_mut(side);
                    if !stream.hole_since.is_some() {
                        stream.hole_since = Maybe::at(context.now);
                    }
                    break;
                }
                None => break,
            }
        }
        if self.streams.of(side).at_end(false) {
            self.close(context, side);
        }
    }

    /// Gives up the first hole of a side, whether it is certain or not, and
    /// what was seen to pass behind it; returns whether there was anything.
    pub(super) fn force(&mut self, context: &mut Context<'_>, side: Side) -> bool {
        let stream = self.streams.of(side);
        let Some(hole) = stream.hole().or_else(|| stream.tail()) else { return false };
        self.give_up(context, side, hole);
        self.settle(context, side);
        true
    }

    /// Offers again what waits for the other side, until nothing moves.
    pub(super) fn unblock(&mut self, context: &mut Context<'_>) {
        // Who was offered bytes last waits for the other.
        let offered = self.offered();
        for first in [offered.other(), offered] {
            let mut side = first;
            while self.streams.of(side).blocked {
                let moved = self.offer_again(context, side);
                // Before the other side says more: it may be about this end.
                if self.streams.of(side).at_end(false) {
                    self.close(context, side);
                }
                if !moved && self.streams.of(side).blocked {
                    break;
                }
                side = side.other();
            }
        }
        for side in [Side::Client, Side::Server] {
            let hopeless = self.streams.of(side.other()).closed;
            if self.streams.of(side).at_end(hopeless) {
                self.close(context, side);
            }
        }
    }

    /// Makes the decoder take what a side has left, because it may hold no
    /// more; what it still leaves is dropped.
    pub(super) fn relieve(&mut self, context: &mut Context<'_>, side: Side, cause: GapCause) {
        if self.streams.of(side).buffer.is_empty() {
            return;
        }
        self.offer(context, side, &[], context.now, Some(End::Limit));
        let left = self.drop_buffer(side);
        if left > 0 {
            self.streams.of_mut(side).cause = Some(cause);
            self.tell(context, side, left, cause);
            self.tell_decoder(context, side, left);
        }
    }

    /// Says why bytes are of no use that were not decoded yet.
    pub(super) fn blame(&mut self, cause: GapCause) {
        for side in [Side::Client, Side::Server] {
            self.streams.of_mut(side).cause = Some(cause);
        }
    }

    /// Ends both sides and the decoder.
    pub(super) fn finish(&mut self, context: &mut Context<'_>) {
        for side in [Side::Client, Side::Server] {
            while self.force(context, side) {}
        }
        for side in [Side::Client, Side::Server] {
            self.flush(context, side, End::Close);
        }
        self.call(context, Side::Client, |decoder, out, now| decoder.finish(now, out));
        for side in [Side::Client, Side::Server] {
            self.tell_undecoded(context, side);
        }
    }

    fn deliver(&mut self, context: &mut Context<'_>, side: Side) {
        loop {
            let stream = self.streams.of_mut(side);
            stream.queue.advance(stream.next);
            let Some((start, fragment)) = stream.queue.first() else {
                if let Some(fin) = stream.fin.get() {
                    let lost = stream.latest_lost;
                    self.pass_hidden(context, side, fin, lost);
                }
                return;
            };
            if start > stream.next {
                let lost = fragment.lost;
                if !self.pass_hidden(context, side, start, lost) {
                    return;
                }
                continue;
            }
            if !fragment.has_bytes() {
                let (len, lost) = (fragment.end - start, fragment.lost);
                if self.pass(context, side, len, lost) == 0 {
                    return;
                }
                continue;
            }
            let Some((start, fragment)) = stream.queue.pop() else { return };
            stream.advance(0, fragment.lost);
            self.offer(context, side, fragment.bytes(start), fragment.time, None);
        }
    }

    fn close(&mut self, context: &mut Context<'_>, side: Side) {
        self.begin(context, side);
        self.flush(context, side, End::Close);
        self.streams.of_mut(side).closed = true;
        self.call(context, side, |decoder, out, now| decoder.close(side, now, out));
        self.tell_undecoded(context, side);
    }

    fn give_up(&mut self, context: &mut Context<'_>, side: Side, hole: Hole) {
        self.begin(context, side);
        self.flush(context, side, End::Gap);
        let stream = self.streams.of_mut(side);
        let missing = hole.end.saturating_sub(stream.next);
        stream.skip = stream.skip.saturating_sub(missing);
        stream.advance(missing, stream.latest_lost);
        stream.queue.advance(stream.next);
        stream.cause = Some(hole.cause);
        self.tell(context, side, missing, hole.cause);
        self.tell_decoder(context, side, missing);
    }

    fn flush(&mut self, context: &mut Context<'_>, side: Side, end: End) {
        if !self.streams.of(side).buffer.is_empty() {
            self.offer(context, side, &[], context.now, Some(end));
            let left = self.drop_buffer(side);
            self.streams.of_mut(side).undecoded += left;
        }
    }

    fn drop_buffer(&mut self, side: Side) -> u64 {
        let stream = self.streams.of_mut(side);
        stream.blocked = false;
        std::mem::take(&mut stream.buffer).len() as u64
    }

    /// Passes the bytes before offset `to` that stayed in the kernel, as far as
    /// the decoder does not want them; says whether there were any. What the
    /// ring lost is told from them by its count, `lost` at that offset.
    fn pass_hidden(&mut self, context: &mut Context<'_>, side: Side, to: u64, lost: Lost) -> bool {
        let stream = self.streams.of(side);
        let told = stream.next < stream.told && lost == stream.lost;
        let missing = to.saturating_sub(stream.next);
        (told || to <= stream.shunted) && missing > 0 && self.pass(context, side, missing, lost) > 0
    }

    pub(super) fn pass(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        bytes: u64,
        lost: Lost,
    ) -> u64 {
        let passed = self.streams.of_mut(side).pass(bytes, lost);
        self.skipped(context, side, passed);
        passed
    }
}
