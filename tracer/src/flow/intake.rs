//! How a segment's payload gets into its stream.

use super::{
    dialogue::{Context, Dialogue},
    queue::Piece,
    stream::Lost,
};
use crate::{
    capture::Segment,
    event::{Side, tracer::GapCause},
};

/// Hands over a segment's payload in its three pieces: not captured, captured,
/// cut off. Returns how many bytes were new.
pub(super) fn payload(
    dialogue: &mut Dialogue,
    context: &mut Context<'_>,
    side: Side,
    segment: &Segment<'_>,
    start: i64,
) -> u64 {
    let bytes_len = u32::try_from(segment.bytes.len()).unwrap_or(u32::MAX);
    let from = segment.offset.min(segment.len);
    let to = from.saturating_add(bytes_len).min(segment.len);
    let mut new = 0;
    let mut piece = |from: u32, to: u32, bytes: Option<&[u8]>| {
        let offset = |at: u32| start.saturating_add(i64::from(at));
        // What stood before the first byte seen is of no use any more.
        let Ok(end) = u64::try_from(offset(to)) else { return };
        let before = usize::try_from(offset(from).min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let bytes = bytes.map(|bytes| bytes.get(before..).unwrap_or_default());
        let begin = u64::try_from(offset(from)).unwrap_or(0);
        if begin < end {
            let origin = u64::try_from(start).unwrap_or(0);
            let (lost, time) = (Lost::of(segment.lost), segment.time);
            let piece = Piece { start: begin, end, origin, bytes, lost, time };
            new += dialogue.piece(context, side, piece, segment.more);
        }
    };
    piece(0, from, None);
    piece(from, to, Some(segment.bytes));
    if !segment.more {
        piece(to, segment.len, None);
    }
    new
}

/// Holds the stream and the flow to their limits.
pub(super) fn limit(dialogue: &mut Dialogue, context: &mut Context<'_>, side: Side) {
    let settings = context.settings;
    while dialogue.peek(side).held() > settings.stream_limit && dialogue.force(context, side) {}
    if dialogue.peek(side).held() > settings.stream_limit {
        dialogue.relieve(context, side, GapCause::StreamLimit);
    }
    if dialogue.held() > settings.flow_limit {
        for side in [side, side.other()] {
            while dialogue.held() > settings.flow_limit && dialogue.force(context, side) {}
            if dialogue.held() > settings.flow_limit {
                dialogue.relieve(context, side, GapCause::FlowLimit);
            }
        }
    }
    dialogue.unblock(context);
}
