//! What a slot's statement means for the segment at hand: the one rule that the
//! kernel side follows and that the user side's tests hold against it.

#![expect(clippy::inline_always, reason = "the kernel side calls functions of its own at a cost")]

use crate::slot::{Kind, MAX_SPAN, Statement};

/// Bytes by which [`Kind::Stop`] moves on: after so many the reader hears that
/// the flow lives, and can still number the bytes.
pub const STRIDE: u32 = 256 << 20;

/// Bytes of a body that are copied with the head in front of it: who does not
/// know whether a body follows has to look at them.
pub const BODY_SHOWN: u32 = 64;

/// FIN, as it stands in the TCP header.
pub const FIN: u8 = 0x01;
/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;

/// A segment, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Sequence number of its header.
    pub sequence: u32,
    /// Payload bytes.
    pub len: u32,
    /// Flags of its header.
    pub flags: u8,
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Nothing of it is copied, not even headers.
    pub shunted: bool,
    /// Offset of the first payload byte that is copied; all of them for the
    /// headers alone.
    pub from: u32,
    /// The reader is to be told that bytes before this one stayed uncopied on
    /// purpose.
    pub told: bool,
    /// Where in the payload something stands to be looked at; [`NOWHERE`] if
    /// not. A body that was announced and may not be there stands at its begin,
    /// behind a chunk's bytes its line's end; else it is a message.
    pub look: u32,
    /// What is known from now on.
    pub next: Statement,
}

/// See [`Plan::look`].
pub const NOWHERE: u32 = u32::MAX;

impl Plan {
    /// All of the segment is copied.
    #[inline(always)]
    const fn copy(next: Statement) -> Self {
        Self { shunted: false, from: 0, told: false, look: NOWHERE, next }
    }

    /// Nothing of the segment is copied.
    #[inline(always)]
    const fn shunt(next: Statement) -> Self {
        Self { shunted: true, ..Self::copy(next) }
    }

    /// The segment is copied from an offset on, behind what was not.
    #[inline(always)]
    const fn behind(from: u32, next: Statement) -> Self {
        Self { from, told: true, ..Self::copy(next) }
    }
}

/// What becomes of a segment when this is known of its direction.
#[inline(always)]
#[must_use]
pub fn plan(known: &Statement, segment: &Passing) -> Plan {
    let connection = known.connection;
    if segment.flags & SYN != 0 {
        let sequence = segment.sequence;
        return Plan::copy(Statement::message(sequence.wrapping_add(1), Some(sequence)));
    }
    let nothing = Statement::nothing(connection);
    let at = segment.sequence.wrapping_sub(known.begin).cast_signed();
    let spans = !matches!(known.kind, Kind::Within);
    let span = if spans { known.end.wrapping_sub(known.begin) } else { 0 };
    // Too far away to be explained: the statement is of another age.
    let near = at >= -MAX_SPAN.cast_signed() && span <= MAX_SPAN;
    let ends = segment.flags & (FIN | RST) != 0;
    if known.kind == Kind::Nothing || !near || segment.flags & RST != 0 {
        return Plan::copy(nothing);
    }
    let before = at < 0;
    // Bytes from the statement's begin to the segment's, or the other way.
    let distance = at.unsigned_abs();
    match known.kind {
        Kind::Message | Kind::Within => {
            let straddles = before && distance < segment.len;
            if ends {
                Plan::copy(nothing)
            } else if at == 0 || straddles {
                Plan { look: distance, ..Plan::copy(*known) }
            } else {
                Plan::copy(if before { *known } else { nothing })
            }
        }
        Kind::Announced => {
            if ends || at > 0 {
                Plan::copy(nothing)
            } else if before {
                Plan::copy(*known)
            } else {
                Plan { look: 0, ..Plan::copy(*known) }
            }
        }
        Kind::Body | Kind::Window | Kind::Chunk => {
            if before {
                return Plan::copy(if ends { nothing } else { *known });
            }
            let next = if ends { nothing } else { *known };
            let leads = !ends && !matches!(known.kind, Kind::Window);
            if distance >= span {
                let look = if leads && distance == span { 0 } else { NOWHERE };
                return Plan { look, ..Plan::behind(0, nothing) };
            }
            let left = span - distance;
            // Behind a chunk something follows that tells the time as well.
            let hidden = segment.len < left || matches!(known.kind, Kind::Chunk);
            if hidden && segment.len <= left {
                return if ends { Plan::behind(segment.len, next) } else { Plan::shunt(next) };
            }
            if segment.len == left {
                return Plan::behind(left, next);
            }
            let look = if leads { left } else { NOWHERE };
            Plan { look, ..Plan::behind(left, nothing) }
        }
        Kind::Stop => {
            if ends {
                return Plan::behind(segment.len, nothing);
            }
            if before || distance + segment.len < span {
                return Plan::shunt(*known);
            }
            Plan::behind(segment.len, moved_on(known, segment))
        }
        Kind::Nothing => Plan::copy(nothing),
    }
}

/// The next stretch of a direction of which nothing is wanted.
#[inline(always)]
fn moved_on(known: &Statement, segment: &Passing) -> Statement {
    let begin = segment.sequence.wrapping_add(segment.len);
    Statement { begin, end: begin.wrapping_add(STRIDE), ..*known }
}
