//! Drives the [`Scanner`] over a packet.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_loop;
use tracer_common::{
    Settings,
    scan::{SCAN_LEN, Scanner},
    slot::{Kind, Statement},
    window::{NOWHERE, Passing},
};

use crate::{emit::bounded, headers::Segment, maps, packet::Packet};

/// Messages of one segment that are looked at.
const MAX_MESSAGES: u32 = 4;

/// Where to look, and why.
pub(crate) struct Look {
    /// What is known of the direction, in words.
    pub(crate) known: [u64; 2],
    /// The segment.
    pub(crate) passing: Passing,
    /// Where in its payload.
    pub(crate) at: u32,
    /// Payload bytes in the packet.
    pub(crate) available: u32,
}

/// Where the scanner works, one on each CPU. All that changes on the way stands
/// here: of a map's value the verifier assumes nothing, so it walks each loop
/// only once.
#[repr(C)]
pub(crate) struct Desk {
    scanner: Scanner,
    /// Index of the next of `bytes`.
    at: u32,
    /// How many of them there are.
    len: u32,
    /// Bytes before the payload in the packet.
    payload: u32,
    /// Payload bytes in the packet.
    available: u32,
    passing: Passing,
    /// What is known after all that was looked at.
    next: [u64; 2],
    /// Offset behind the last payload byte that is copied.
    to: u32,
    /// Where to look next.
    look: u32,
    /// What is known when nothing was found.
    nothing: [u64; 2],
    threshold: u32,
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

/// Looks at the messages of a segment. Returns what is known then, in words,
/// and the offset behind the last payload byte that is copied; `None` when
/// nothing can be said.
#[inline(always)]
pub(crate) fn look<P: Packet>(
    packet: &P,
    segment: &Segment,
    settings: &Settings,
    look: &Look,
) -> Option<([u64; 2], u32)> {
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
        (*desk).scanner.restart(match known.kind {
            Kind::Announced => Some(known.end.wrapping_sub(known.begin)),
            _ => None,
        });
        (*desk).payload = segment.network + segment.headers_len;
        (*desk).available = look.available;
        (*desk).passing = look.passing;
        (*desk).nothing = Statement::nothing(known.connection).words();
        (*desk).next = (*desk).nothing;
        (*desk).to = look.passing.len;
        (*desk).look = look.at;
        (*desk).threshold = settings.skip_from;
        let mut context = Context { packet, desk };
        bpf_loop(
            MAX_MESSAGES,
            message::<P> as *const () as *mut c_void,
            (&raw mut context).cast(),
            0,
        );
        ((*desk).next, (*desk).to)
    };
    // SAFETY: as above.
    unsafe { (&raw mut (*desk).busy).write_volatile(0) };
    Some(found)
}

/// Looks at one message; nonzero, which ends the loop, when none follows.
extern "C" fn message<P: Packet>(_round: u32, context: *mut Context<'_, P>) -> i64 {
    // SAFETY: `look` passes a valid pointer that nothing else uses meanwhile,
    // and so is the desk in it; `bytes` takes as many as `bounded` allows.
    unsafe {
        let packet = (*context).packet;
        let desk = (*context).desk;
        let look = (*desk).look;
        if look == NOWHERE {
            return 1;
        }
        (*desk).look = NOWHERE;
        (*desk).to = (*desk).passing.len;
        (*desk).next = (*desk).nothing;
        let left = (*desk).available.saturating_sub(look);
        if left == 0 {
            return 1;
        }
        let len = left.min(SCAN_LEN as u32);
        let bytes = (&raw mut (*desk).bytes).cast();
        let offset = (*desk).payload.wrapping_add(look);
        if !packet.copy(offset, bytes, bounded(len, SCAN_LEN as u32)) {
            return 1;
        }
        (*desk).len = len;
        (*desk).at = 0;
        bpf_loop(SCAN_LEN as u32, step as *const () as *mut c_void, (&raw mut *context).cast(), 0);
        let passing = (*desk).passing;
        let begin = passing.sequence.wrapping_add(look);
        let connection = Statement::of((*desk).nothing).connection;
        let found = (*desk).scanner.found(begin, (*desk).threshold, connection);
        let outlook = found.outlook(look, &passing);
        (*desk).next = outlook.next.words();
        (*desk).to = outlook.to;
        (*desk).look = outlook.look;
        (*desk).scanner.restart(None);
        0
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
