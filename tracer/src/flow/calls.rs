//! The calls of a flow's decoder: what it is offered and told of, and what
//! becomes of the bytes that it takes, leaves and throws away.

use super::{
    dialogue::{Context, Dialogue},
    pair::Pair,
    stream::{Opening, Reader},
};
use crate::{
    decode::{Decoder, Discard, Discarded, End, Input, Out, Want},
    event::{
        Message, Side, Timestamp,
        tracer::{Gap, GapCause},
    },
};

impl Dialogue {
    /// Tells the decoder of missing bytes; who has yet to be found will begin
    /// behind them.
    pub(super) fn tell_decoder(&mut self, context: &mut Context<'_>, side: Side, missing: u64) {
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
    pub(super) fn begin(&mut self, context: &mut Context<'_>, side: Side) {
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

    pub(super) fn offer_again(&mut self, context: &mut Context<'_>, side: Side) -> bool {
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
            self.streams.of_mut(side).offered = true;
            self.streams.of_mut(side.other()).offered = false;
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
    pub(super) fn tell_undecoded(&mut self, context: &mut Context<'_>, side: Side) {
        let stream = self.streams.of(side);
        if stream.undecoded > 0 {
            self.tell(context, side, 0, stream.undecoded_cause());
        }
    }

    /// Tells of `missing` bytes, and in the same event of those right before
    /// them that were of no use.
    pub(super) fn tell(
        &mut self,
        context: &mut Context<'_>,
        side: Side,
        missing: u64,
        cause: GapCause,
    ) {
        let bytes = std::mem::take(&mut self.streams.of_mut(side).undecoded) + missing;
        if let Some(explain) = self.explain.as_mut().filter(|_| missing > 0) {
            explain.note_gap(cause);
        }
        context.tally.gaps += 1;
        context.tally.lost_bytes += bytes;
        context.emit(Some(side), Message::Gap(Gap::new(bytes, cause, side)));
    }
}
