//! Drives the [`Scanner`] over a packet, and gathers what is copied of it.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_loop, bpf_ringbuf_output};
use tracer_common::{
    CONTINUED, PIECES, RECORD_LEN, Record, Settings,
    pieces::{LARGEST_PIECE, MAX_LOOKS, PIECE_HEADER, PIECES_LEN, Pieces},
    scan::{SCAN_LEN, Scanner},
    slot::Statement,
    window::{NOWHERE, Passing},
};

use crate::{
    emit::bounded,
    headers::{MAX_HEADERS, Segment, opaque},
    maps::{self, Ring},
    packet::Packet,
};

/// Where to look, and why.
pub(crate) struct Look {
    /// What is known of the direction, in words.
    pub(crate) known: [u64; 2],
    /// The segment.
    pub(crate) passing: Passing,
    /// Where in its payload.
    pub(crate) at: u32,
    /// Offset of the first payload byte that is copied.
    pub(crate) from: u32,
}

/// What was found in a segment.
pub(crate) struct Found {
    /// What is known of the direction now, in words.
    pub(crate) next: [u64; 2],
    /// Bytes of the pieces that wait to be sent; the desk is taken until then.
    pub(crate) pieces: u32,
    /// What is copied behind them: from where to where; nothing if that is the
    /// same.
    pub(crate) tail: (u32, u32),
}

/// Bytes of a record up to which it may share its last cache line.
const SMALL: u32 = 96;

/// Bytes of a record in pieces, as far as they are not pieces.
const BEFORE: u32 = RECORD_LEN as u32 + MAX_HEADERS;

/// Room for a record in pieces, and so much more that the verifier need not see
/// that the last piece is in it.
const OUT_LEN: usize = (BEFORE + PIECES_LEN + LARGEST_PIECE + 64) as usize & !63;

/// Where the scanner works, one on each CPU. All that changes on the way stands
/// here: of a map's value the verifier assumes nothing, so it walks each loop
/// only once.
#[repr(C)]
pub(crate) struct Desk {
    /// A record in pieces.
    out: [u8; OUT_LEN],
    scanner: Scanner,
    /// Index of the next of `bytes`.
    at: u32,
    /// How many of them there are.
    len: u32,
    /// Bytes before the payload in the packet.
    payload: u32,
    /// Bytes before the pieces in `out`.
    before: u32,
    passing: Passing,
    /// What is known after all that was looked at.
    next: [u64; 2],
    pieces: Pieces,
    /// The next piece: where it begins, its length, and where it is to stand.
    piece: [u32; 3],
    /// What is known when nothing was found.
    nothing: [u64; 2],
    threshold: u32,
    /// The packet could not be read.
    failed: u32,
    /// Somebody works here: where the kernel lets a program on this CPU come in
    /// between, that one does without.
    busy: u32,
    /// Eight more than there can be, so that eight can be read at each of them.
    bytes: [u8; SCAN_LEN + 8],
}

/// What the loops hand on.
struct Context<'a, P> {
    packet: &'a P,
    desk: *mut Desk,
}

/// Looks at what stands in a segment that is in the packet as a whole. `None`
/// when nothing can be said.
#[inline(always)]
pub(crate) fn look<P: Packet>(
    packet: &P,
    segment: &Segment,
    settings: &Settings,
    look: &Look,
) -> Option<Found> {
    let desk = maps::desk()?;
    // SAFETY: a live map value of this CPU; volatile, because of who may come
    // in between.
    unsafe {
        let busy = &raw mut (*desk).busy;
        if busy.read_volatile() != 0 {
            return None;
        }
        busy.write_volatile(1);
    }
    // SAFETY: nobody else uses the desk while it is marked.
    let found = unsafe {
        let known = Statement::of(look.known);
        (*desk).scanner.restart(&known);
        (*desk).payload = segment.network + segment.headers_len;
        (*desk).before = RECORD_LEN as u32 + segment.headers_len;
        (*desk).passing = look.passing;
        (*desk).nothing = Statement::nothing(known.connection).words();
        (*desk).next = (*desk).nothing;
        (*desk).pieces = Pieces::new(look.from, look.at);
        (*desk).threshold = settings.skip_from;
        (*desk).failed = 0;
        let mut context = Context { packet, desk };
        bpf_loop(
            MAX_LOOKS,
            look_once::<P> as *const () as *mut c_void,
            (&raw mut context).cast(),
            0,
        );
        if (*desk).pieces.look != NOWHERE {
            (*desk).next = (*desk).nothing;
        }
        (*desk).pieces.rest(look.passing.len);
        let tail = (*desk).pieces.tail().unwrap_or_default();
        let found = Found { next: (*desk).next, pieces: (*desk).pieces.len, tail };
        ((*desk).failed == 0).then_some(found)
    };
    if found.as_ref().is_none_or(|found| found.pieces == 0) {
        leave(desk);
    }
    found
}

/// Makes room on the desk for the next.
#[inline(always)]
fn leave(desk: *mut Desk) {
    // SAFETY: a live map value of this CPU; volatile as in `look`.
    unsafe { (&raw mut (*desk).busy).write_volatile(0) };
}

/// Sends the pieces that wait on the desk, of which there are `pieces` bytes,
/// behind the record's header and those of the packet. More of the packet
/// follows if it is `continued`. False when the ring has no room.
#[inline(always)]
pub(crate) fn send<P: Packet>(
    packet: &P,
    ring: &Ring,
    network: u32,
    record: &Record,
    pieces: u32,
    continued: bool,
) -> bool {
    let Some(desk) = maps::desk() else { return false };
    let headers_len = u32::from(record.headers_len());
    // SAFETY: `look` has left the desk marked; `bounded` keeps the headers, and
    // what is sent, within it.
    let sent = unsafe {
        let single = (*desk).pieces.single();
        // Without its header a piece goes as any other part, and all before it
        // moves on by as much.
        let begin = if single.is_some() { PIECE_HEADER } else { 0 };
        let begin = opaque(begin) & PIECE_HEADER;
        let out = (&raw mut (*desk).out).cast::<c_void>().add(begin as usize);
        let written = out.cast::<Record>();
        // There, for a third record would be too much for the stack.
        written.write(*record);
        let mut len = pieces;
        if let Some(piece) = single {
            len = piece.len;
            (*written).copied_offset = piece.from;
        } else {
            (*written).copied_offset = 0;
            (*written).flags |= PIECES;
        }
        (*written).copied_len = len as u16;
        if continued {
            (*written).flags |= CONTINUED;
        }
        len += RECORD_LEN as u32 + headers_len;
        // Whole cache lines, as other records, with the eight bytes that are the
        // ring's own; but what stands between chunks takes less than two, and
        // there is much of it.
        if len > SMALL {
            len = (len + 8).next_multiple_of(64) - 8;
        }
        packet.copy(network, out.add(RECORD_LEN), bounded(headers_len, MAX_HEADERS)) && {
            let ring = core::ptr::from_ref(ring).cast_mut().cast();
            let len = bounded(len, OUT_LEN as u32 - PIECE_HEADER);
            bpf_ringbuf_output(ring, out, u64::from(len), 0) == 0
        }
    };
    leave(desk);
    sent
}

/// Looks at one thing; nonzero, which ends the loop, when no other follows.
extern "C" fn look_once<P: Packet>(_round: u32, context: *mut Context<'_, P>) -> i64 {
    // SAFETY: `look` passes a valid pointer that nothing else uses meanwhile,
    // and so is the desk in it; `bytes` takes as many as `bounded` allows.
    unsafe {
        let packet = (*context).packet;
        let desk = (*context).desk;
        let look = (*desk).pieces.look;
        let left = (*desk).passing.len.saturating_sub(look);
        if left == 0 {
            return 1;
        }
        let len = left.min((*desk).scanner.reach());
        let bytes = (&raw mut (*desk).bytes).cast();
        let offset = (*desk).payload.wrapping_add(look);
        if !packet.copy(offset, bytes, bounded(len, SCAN_LEN as u32)) {
            (*desk).failed = 1;
            return 1;
        }
        (*desk).len = len;
        (*desk).at = 0;
        bpf_loop(SCAN_LEN as u32, step as *const () as *mut c_void, (&raw mut *context).cast(), 0);
        if note(desk) == 0 {
            return 0;
        }
        let [from, len, at] = (*desk).piece;
        let at = opaque((*desk).before.wrapping_add(at));
        if at > BEFORE + PIECES_LEN - PIECE_HEADER {
            (*desk).failed = 1;
            return 1;
        }
        let place = (&raw mut (*desk).out).cast::<u8>().add(at as usize);
        #[expect(clippy::cast_ptr_alignment, reason = "headers and pieces take whole words")]
        let header = place.cast::<u32>();
        header.write_volatile(from);
        header.add(1).write_volatile(len);
        let offset = (*desk).payload.wrapping_add(from);
        let place = place.add(PIECE_HEADER as usize).cast();
        if !packet.copy(offset, place, bounded(len, LARGEST_PIECE)) {
            (*desk).failed = 1;
            return 1;
        }
        0
    }
}

/// Notes what was found; nonzero when there is a piece to be copied. A function
/// of its own, whose stack is not there while the other loop runs: that of the
/// whole program is short.
#[inline(never)]
extern "C" fn note(desk: *mut Desk) -> i64 {
    // SAFETY: `look_once` passes its desk.
    unsafe {
        let look = (*desk).pieces.look;
        let passing = (*desk).passing;
        let begin = passing.sequence.wrapping_add(look);
        let connection = Statement::of((*desk).nothing).connection;
        let found = (*desk).scanner.found(begin, (*desk).threshold, connection);
        let outlook = found.outlook(look, &passing);
        (*desk).next = outlook.next.words();
        (*desk).scanner.restart(&outlook.next);
        let Some(piece) = (*desk).pieces.note(&outlook) else { return 0 };
        (*desk).piece = [piece.from, piece.len, piece.at];
        1
    }
}

/// Looks at the next byte, or at the next eight; nonzero when no more are
/// needed.
extern "C" fn step(_round: u32, context: *mut Context<'_, ()>) -> i64 {
    // SAFETY: as in `message`; the index stays within `bytes`.
    unsafe {
        let desk = (*context).desk;
        let at = (*desk).at;
        if at >= (*desk).len || at >= SCAN_LEN as u32 || (*desk).scanner.is_done() {
            return 1;
        }
        let byte = (&raw const (*desk).bytes).cast::<u8>().add(at as usize);
        if at + 8 <= (*desk).len {
            #[expect(
                clippy::cast_ptr_alignment,
                reason = "of map values the verifier allows unaligned loads where the host does"
            )]
            let eight = byte.cast::<u64>().read_volatile();
            if (*desk).scanner.is_idle(eight) {
                (*desk).scanner.pass();
                (*desk).at = at + 8;
                return 0;
            }
        }
        (*desk).scanner.step(byte.read_volatile());
        (*desk).at = at + 1;
        0
    }
}
