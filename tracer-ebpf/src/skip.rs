//! The skip window: what of a segment need not be copied, because it is known
//! to be a body that nobody asked for.
//!
//! The rule is [`plan`]; here stand the slots that it is applied to.

use tracer_common::{
    ANY, EGRESS, LOOK, NO_SKIP, SCAN, SHUNTED, Settings,
    slot::{OPEN, Place, Slot, Statement, Tag, is_held, reaching},
    window::{FIN, NOWHERE, Passing, RST, SYN, plan},
};

use crate::{
    headers::{Segment, opaque, opaque_word},
    maps,
    packet::Packet,
    scan,
};

/// The part of a segment's payload that is copied.
pub(crate) struct Part {
    /// Bytes of the pieces that wait to be sent ([`scan::send`]).
    pub(crate) pieces: u32,
    /// Offset of the first byte that is copied behind them.
    pub(crate) from: u32,
    /// Offset behind the last; behind pieces there may be none.
    pub(crate) to: u32,
    /// Flags that the record gets for it.
    pub(crate) flags: u8,
}

/// What identifies a segment's direction, and what matters of the segment.
struct Known {
    tag: Tag,
    passing: Passing,
}

/// The part of the segment that is copied; `None` when nothing is, not even the
/// headers. `available` payload bytes are in the packet.
#[inline(always)]
pub(crate) fn part<P: Packet>(
    packet: &P,
    segment: &Segment,
    settings: &Settings,
    direction: u8,
    shard: u32,
    available: u32,
) -> Option<Part> {
    let all = Part { pieces: 0, from: 0, to: segment.payload_len, flags: 0 };
    if settings.skip_from == NO_SKIP {
        return Some(all);
    }
    let ends = segment.flags & (SYN | FIN | RST) != 0;
    let [source, destination] = segment.ports;
    let scans = maps::switches(shard, source);
    let switches =
        if ends { maps::switches(shard, 0) } else { scans | maps::switches(shard, destination) };
    if switches & (ANY | LOOK) == 0 {
        return Some(all);
    }
    let Some(Known { tag, passing }) = known(packet, segment, settings, direction) else {
        return Some(all);
    };
    let Some(slot) = maps::slot(tag.index()) else { return Some(all) };
    let words = read(slot);
    let Some(known) = Statement::unsealed(words, tag) else {
        if passing.flags & SYN != 0 {
            begin(slot, words, tag, passing.sequence);
        }
        return Some(all);
    };
    let plan = plan(&known, &passing);
    // A plan has many ways to come about, and from here on they do not matter.
    let (mut from, look) = (opaque(plan.from), opaque(plan.look));
    let hidden = opaque(u32::from(plan.shunted)) != 0;
    let flags = opaque(if plan.told { u32::from(SHUNTED) } else { 0 }) as u8;
    let mut next = plan.next.words().map(opaque_word);
    let (mut to, mut pieces) = (passing.len, 0);
    if passing.flags & SYN != 0 {
        forget_reach(slot);
    }
    if hidden {
        note_hidden(slot, passing.sequence.wrapping_add(passing.len));
    }
    if look != NOWHERE {
        next = Statement::nothing(known.connection).words();
        if scans & SCAN != 0 && available == passing.len {
            let [window, state, _] = words;
            let look = scan::Look { known: [window, state], passing, at: look, from };
            if let Some(found) = scan::look(packet, segment, settings, &look) {
                next = found.next;
                pieces = opaque(found.pieces);
                (from, to) = (opaque(found.tail.0), opaque(found.tail.1));
            }
        }
    }
    if next[0] != words[0] || next[1] != words[1] {
        write(slot, next, tag);
    }
    (!hidden).then_some(Part { pieces, from, to, flags })
}

/// Reads again what [`crate::headers`] has found, with what it did not need.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "within the eight words of two addresses")]
fn known<P: Packet>(
    packet: &P,
    segment: &Segment,
    settings: &Settings,
    direction: u8,
) -> Option<Known> {
    let ports: [u8; 4] = packet.read(segment.transport)?;
    let source = u16::from_be_bytes([ports[0], ports[1]]);
    let destination = u16::from_be_bytes([ports[2], ports[3]]);
    let place = Place {
        interface: packet.interface(),
        egress: direction & EGRESS != 0,
        vlans: [segment.vlan_outer, segment.vlan_inner],
    };
    // The version stands in the first byte, which no header is too short for.
    let header: [u8; 20] = packet.read(segment.network)?;
    let tag = if header[0] >> 4 == 4 {
        let addresses: [u8; 8] = packet.read(segment.network + 12)?;
        let addresses = [word(&addresses, 0), word(&addresses, 4)];
        Tag::new(settings.seed, place, &addresses, source, destination)
    } else {
        let addresses: [u8; 32] = packet.read(segment.network + 8)?;
        let mut words = [0; 8];
        let mut at = 0;
        while at < words.len() {
            words[at] = word(&addresses, at * 4);
            at += 1;
        }
        Tag::new(settings.seed, place, &words, source, destination)
    };
    let passing =
        Passing { sequence: segment.sequence, len: segment.payload_len, flags: segment.flags };
    Some(Known { tag, passing })
}

/// Four bytes of an address as they stand in the header.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "inlined with constants that are within the address")]
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Notes that a connection begins, unless the slot has more to say of another.
#[inline(always)]
fn begin(slot: *mut Slot, words: [u64; 3], tag: Tag, sequence: u32) {
    if claim(slot, words) {
        write(slot, Statement::message(sequence.wrapping_add(1), Some(sequence)).words(), tag);
        forget_reach(slot);
    }
}

/// What stayed uncopied was another connection's.
#[inline(always)]
fn forget_reach(slot: *mut Slot) {
    // SAFETY: a live, aligned map value; volatile, because others read it.
    unsafe { (&raw mut (*slot).reach).write_volatile(0) };
}

/// Asks for a slot that belongs to another flow; says whether it is free.
#[inline(always)]
fn claim(slot: *mut Slot, words: [u64; 3]) -> bool {
    // SAFETY: a live, aligned map value; volatile, because others change it.
    // That another CPU's count may be lost only makes the wait longer.
    unsafe {
        let claims = &raw mut (*slot).claims;
        let count = claims.read_volatile();
        if is_held(words[1], count) {
            claims.write_volatile(count + 1);
            return false;
        }
    }
    true
}

#[inline(always)]
fn read(slot: *mut Slot) -> [u64; 3] {
    // SAFETY: a live, aligned map value; volatile, because others change it.
    unsafe {
        [
            (&raw const (*slot).window).read_volatile(),
            (&raw const (*slot).state).read_volatile(),
            (&raw const (*slot).seal).read_volatile(),
        ]
    }
}

#[inline(always)]
fn write(slot: *mut Slot, [window, state]: [u64; 2], tag: Tag) {
    let seal = tag.seal(window, state);
    // SAFETY: a live, aligned map value; volatile, because others read it.
    unsafe {
        (&raw mut (*slot).seal).write_volatile(OPEN);
        (&raw mut (*slot).window).write_volatile(window);
        (&raw mut (*slot).state).write_volatile(state);
        (&raw mut (*slot).seal).write_volatile(seal);
        (&raw mut (*slot).claims).write_volatile(0);
    }
}

/// Takes down how far the bytes reach that stay uncopied, which also shows that
/// the slot's flow lives.
#[inline(always)]
fn note_hidden(slot: *mut Slot, end: u32) {
    // SAFETY: a live, aligned map value; volatile, because others read it.
    unsafe {
        let reach = &raw mut (*slot).reach;
        reach.write_volatile(reaching(reach.read_volatile(), end));
        (&raw mut (*slot).claims).write_volatile(0);
    }
}
