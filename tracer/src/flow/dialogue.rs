//! A decoder and the two streams that it reads.

use super::{
    Settings,
    explain::Explain,
    maybe::Maybe,
    pair::Pair,
    queue::Piece,
    stream::{Hole, Lost, Opening, Reader, Stream},
};
use crate::{
    decode::{Decoder, Discard, Discarded, End, Input, Out, Want},
    event::{
        Connection, Event, Message, Side, Sink, Timestamp,
        tracer::{Gap, GapCause},
    },
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
    /// The side whose bytes the decoder was offered last.
    offered: Side,
    /// Until something was decoded, if the reason may be asked for.
    pub(super) explain: Option<Box<Explain>>,
}

impl Dialogue {
    /// A dialogue that has not begun.
    pub(super) fn new(decoder: Option<Box<dyn Decoder>>) -> Self {
        Self { decoder, streams: Pair::default(), offered: Side::Server, explain: None }
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
        for first in [self.offered.other(), self.offered] {
            let mut side = first;
            while self.streams.of(side).blocked && self.offer_again(context, side) {
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

    /// Tells the decoder of missing bytes; who has yet to be found will begin
    /// behind them.
    fn tell_decoder(&mut self, context: &mut Context<'_>, side: Side, missing: u64) {
        match self.streams.of(side).reader {
            Reader::Decoder => {
                self.call(context, side, |decoder, out, now| {
                    decoder.gap(side, Some(missing), now, out);
                });
            }
            Reader::Pending => self.streams.of_mut(side).opening = Opening::Midstream,
            Reader::Nobody | Reader::Lost => {}
        }
    }

    /// Tells the decoder that the side is older than the tracer, if it is.
    fn begin(&mut self, context: &mut Context<'_>, side: Side) {
        let known = self.decoder.is_some();
        let stream = self.streams.of_mut(side);
        if known && stream.reader == Reader::Pending {
            stream.reader = Reader::Decoder;
        }
        if stream.opening == Opening::Midstream && stream.reader == Reader::Decoder {
            stream.opening = Opening::Unsettled;
            self.call(context, side, |decoder, out, now| decoder.gap(side, None, now, out));
        }
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

    pub(super) fn skipped(&mut self, context: &mut Context<'_>, side: Side, passed: u64) {
        if passed == 0 {
            return;
        }
        if self.streams.of(side).reader == Reader::Lost {
            self.streams.of_mut(side).undecoded += passed;
            return;
        }
        context.tally.skipped_bytes += passed;
        if self.streams.of(side).reader == Reader::Decoder {
            self.call(context, side, |decoder, out, now| decoder.skipped(side, passed, now, out));
        }
    }

    fn offer_again(&mut self, context: &mut Context<'_>, side: Side) -> bool {
        let before = self.streams.of(side).buffer.len();
        self.offer(context, side, &[], context.now, None);
        self.streams.of(side).buffer.len() < before
    }

    /// Offers what the side holds and the `fresh` bytes at `next`, which came
    /// at `time`. Fresh bytes are only copied if the decoder leaves them.
    pub(super) fn offer(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        fresh: &[u8],
        time: Timestamp,
        end: Option<End>,
    ) {
        if let Some(explain) = &mut self.explain {
            explain.note(side, fresh);
        }
        let Some(fresh) = self.first_bytes(context, side, fresh, time, end) else { return };
        self.begin(context, side);
        let stream = self.streams.of_mut(side);
        stream.advance(fresh.len() as u64, stream.lost);
        let next = stream.next;
        let mut buffer = std::mem::take(&mut stream.buffer);
        // What only waited for the other side was complete when it came.
        let waited = fresh.is_empty() && end.is_none();
        let now = buffer.latest().filter(|_| waited).unwrap_or(context.now);
        let straight = buffer.is_empty();
        if !straight {
            buffer.append(fresh, next, time);
        }
        let all = if straight { fresh } else { buffer.bytes() };
        let mut rest = all;
        let mut started = buffer.started().unwrap_or(time);
        while !rest.is_empty() {
            let stream = self.streams.of_mut(side);
            let passed = stream.skip.min(rest.len() as u64);
            if passed > 0 {
                stream.skip -= passed;
                self.skipped(context, side, passed);
                rest = usize::try_from(passed)
                    .map_or(&[], |passed| rest.get(passed..).unwrap_or_default());
                started = time;
                continue;
            }
            self.offered = side;
            let bytes = rest;
            let progress = self.call(context, side, |decoder, out, _| {
                decoder.data(&Input { side, bytes, started, time: now, end }, out)
            });
            let Some(progress) = progress else { break };
            rest = rest.get(progress.consumed..).unwrap_or_default();
            let stream = self.streams.of_mut(side);
            stream.blocked = progress.want == Want::Peer && end.is_none() && !rest.is_empty();
            match progress.want {
                Want::Skip(bytes) if bytes > 0 => stream.skip = bytes,
                _ => break,
            }
        }
        let taken = all.len() - rest.len();
        if straight {
            buffer.append(fresh.get(taken..).unwrap_or_default(), next, time);
        } else {
            buffer.take(taken);
        }
        self.streams.of_mut(side).buffer = buffer;
    }

    pub(super) fn call<R>(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        call: impl FnOnce(&mut dyn Decoder, &mut Out<'_>, Timestamp) -> R,
    ) -> Option<R> {
        let settings = context.settings.decode;
        let decoder = self.decoder.as_deref_mut()?;
        let Pair { client, server } = &self.streams;
        let (client, server) = (client.discard(), server.discard());
        let mut discarded = Discarded { side, client, server };
        let out = Out::new(context.connection, settings, &mut *context.sink);
        let mut out = out.telling(&mut discarded);
        let result = call(decoder, &mut out, context.now);
        if out.told {
            self.explain = None;
        }
        self.note_discard(context, Side::Client, &discarded.client);
        self.note_discard(context, Side::Server, &discarded.server);
        Some(result)
    }

    /// Takes down what a call of the decoder threw away and told of.
    fn note_discard(&mut self, context: &mut Context<'_>, side: Side, discard: &Discard) {
        let stream = self.streams.of_mut(side);
        stream.undecoded = discard.bytes;
        if discard.spoke {
            stream.opening = Opening::Known;
        }
        context.tally.gaps += discard.gaps;
        context.tally.lost_bytes += discard.gap_bytes;
    }

    /// Tells of bytes that the decoder could not use, once no message will come
    /// behind them.
    fn tell_undecoded(&mut self, context: &mut Context<'_>, side: Side) {
        let stream = self.streams.of(side);
        if stream.undecoded > 0 {
            self.tell(context, side, 0, stream.undecoded_cause());
        }
    }

    /// Tells of `missing` bytes, and in the same event of those right before
    /// them that were of no use.
    fn tell(&mut self, context: &mut Context<'_>, side: Side, missing: u64, cause: GapCause) {
        let bytes = std::mem::take(&mut self.streams.of_mut(side).undecoded) + missing;
        if let Some(explain) = self.explain.as_mut().filter(|_| missing > 0) {
            explain.note_gap(cause);
        }
        context.tally.gaps += 1;
        context.tally.lost_bytes += bytes;
        context.emit(Some(side), Message::Gap(Gap::new(bytes, cause, side)));
    }
}
