//! The straight way of a segment that brings the next bytes of its side and
//! nothing else: nearly all that are not the first or the last of a flow.

use super::{
    Settings,
    connection::{Flow, note_interface},
    dialogue::{Context, Dialogue},
    half::Half,
    intake::limit,
    stream::{Lost, Opening, Reader, Stream},
};
use crate::{
    capture::{Segment, TcpFlags},
    event::{Side, Sink},
};

/// Flags of which such a segment has none.
const TURNS: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0);

/// Whether a segment is all payload, all of it captured, in one record.
fn is_plain(segment: &Segment<'_>) -> bool {
    let flags = segment.tcp.flags;
    segment.len > 0
        && flags.has(TcpFlags::ACK)
        && !flags.has(TURNS)
        && segment.offset == 0
        && !segment.more
        && !segment.shunted
        && u32::try_from(segment.bytes.len()) == Ok(segment.len)
}

impl Stream {
    /// Whether nothing waits in it and nothing is missing.
    const fn is_straight(&self) -> bool {
        self.queue.is_empty()
            && !self.hole_since.is_some()
            && !self.fin.is_some()
            && !self.blocked
            && matches!(self.opening, Opening::Known)
    }
}

impl Dialogue {
    /// Whether the next bytes of a side go to the decoder, or to who finds it, and
    /// nothing else will happen by them.
    fn is_straight(&self, side: Side, half: &Half) -> bool {
        let stream = self.peek(side);
        stream.next == half.end
            && matches!(stream.reader, Reader::Decoder | Reader::Pending)
            && stream.is_straight()
            && self.peek(side.other()).is_straight()
            && self.explain.is_none()
    }
}

impl Flow {
    /// Takes a segment of `side` if it can go the straight way, and says how many
    /// bytes the flow holds then, beside its own; `None` if it has to go the long way.
    /// Both ways lead to the same.
    pub(super) fn straight(
        &mut self,
        segment: &Segment<'_>,
        side: Side,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) -> Option<usize> {
        let half = self.halves.of(side);
        let dialogue = self.dialogue.as_deref_mut()?;
        let is_straight = is_plain(segment)
            && half.goes_on(segment)
            && dialogue.is_straight(side, half)
            && self.opened.is_some()
            && self.history.is_none()
            && !settings.rows;
        if !is_straight {
            return None;
        }
        self.seen = self.seen.max(segment.time);
        if side == Side::Client {
            note_interface(&mut self.connection, segment);
        }
        let half = self.halves.of_mut(side);
        half.go_on(segment);
        let peer = self.halves.of_mut(side.other());
        peer.note_acknowledged(segment.tcp.acknowledgement);
        if peer.is_known() {
            let acknowledged = peer.acknowledged(segment.tcp.acknowledgement);
            let stream = dialogue.stream(side.other());
            stream.acknowledged = stream.acknowledged.max(acknowledged);
        }
        let stream = dialogue.stream(side);
        stream.latest_lost = Lost::of(segment.lost);
        stream.advance(0, stream.latest_lost);
        let mut context = Context {
            settings,
            connection: &mut self.connection,
            now: segment.time,
            tally: &mut self.tally,
            sink,
        };
        dialogue.offer(&mut context, side, segment.bytes, segment.time, None);
        if dialogue.peek(Side::Client).blocked || dialogue.peek(Side::Server).blocked {
            dialogue.unblock(&mut context);
        }
        let held = dialogue.held();
        if held > settings.flow_limit || dialogue.peek(side).held() > settings.stream_limit {
            limit(dialogue, &mut context, side);
        } else {
            return Some(size_of::<Dialogue>() + held);
        }
        Some(size_of::<Dialogue>() + dialogue.held())
    }
}
