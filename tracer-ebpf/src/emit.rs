//! Copies a segment into the ring of its flow's shard.

use core::{ffi::c_void, hint::black_box};

use aya_ebpf::helpers::{
    bpf_ktime_get_ns, bpf_loop, bpf_ringbuf_discard, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use tracer_common::{CONTINUED, Outcome, RECORD_LEN, Record, SHUNTED, TRUNCATED};

use crate::{
    headers::{MAX_HEADERS, Segment, opaque},
    maps::{self, Ring},
    packet::Packet,
    scan, skip,
};

/// The largest ring slot. An IP packet whose length fits its header fits one
/// slot; larger ones (BIG TCP) take several.
const LARGEST: usize = lines(1025);

/// Bytes of a ring slot that takes so many whole cache lines together with the
/// eight bytes that the kernel puts in front of it: no line then belongs to two
/// records, of which one is being read and the other written.
const fn lines(count: usize) -> usize {
    count * 64 - 8
}

/// Packet bytes that one slot takes.
const CAPACITY: u32 = (LARGEST - RECORD_LEN) as u32;

// A record counts its payload in 16 bits; the headers have 40 bytes at least.
const _: () = assert!(CAPACITY - 40 <= u16::MAX as u32);

// And its headers in words.
const _: () = assert!(MAX_HEADERS / 4 <= u8::MAX as u32);

/// Payload bytes in one of several records of a segment: what is left when the
/// headers, which every record carries, are as long as they may be.
const PART: u32 = CAPACITY - MAX_HEADERS;

/// Records of one packet: enough for the kernel's `GSO_MAX_SIZE`, 512 KiB.
const MAX_PARTS: u32 = 9;

/// What became of a segment's records.
enum Written {
    /// They are in the ring.
    Yes,
    /// The first of them are; the ring had no room for more, or the rest could
    /// not be read.
    Part,
    /// The ring had no room.
    Full,
    /// The packet's bytes could not be read.
    Unreadable,
}

/// Copies the segment and says what became of the packet.
#[inline(always)]
pub(crate) fn emit<P: Packet>(packet: &P, segment: &Segment, direction: u8) -> Outcome {
    let Some(settings) = maps::settings() else { return Outcome::LostCopy };
    let shard = segment.flow.shard(settings.shards);
    let held = packet.len().saturating_sub(segment.network);
    if held < segment.headers_len {
        return Outcome::Malformed;
    }
    let available = (held - segment.headers_len).min(segment.payload_len);
    let Some(part) = skip::part(packet, segment, settings, direction, shard, available) else {
        return Outcome::Shunted;
    };
    let Some(ring) = maps::ring(shard) else { return Outcome::LostRing };
    // The verifier is not to walk all that follows again for each way to them.
    let (from, to) = (opaque(part.from.min(available)), opaque(part.to.min(available)));
    let wanted = to.saturating_sub(from);
    let fits = if from == 0 { CAPACITY - segment.headers_len } else { PART };
    let mut record = Record {
        // SAFETY: the helper has no preconditions.
        time: unsafe { bpf_ktime_get_ns() },
        interface: packet.interface(),
        payload_len: segment.payload_len,
        copied_offset: from,
        lost: maps::lost(shard) as u32,
        copied_len: wanted.min(fits) as u16,
        vlan_outer: segment.vlan_outer,
        vlan_inner: segment.vlan_inner,
        headers_words: (segment.headers_len / 4) as u8,
        flags: direction | part.flags,
    };
    if available < part.to {
        record.flags |= TRUNCATED;
    }

    if part.pieces != 0 {
        if !scan::send(packet, ring, segment.network, &record, part.pieces, wanted != 0) {
            maps::count_lost(shard);
            return Outcome::LostRing;
        }
        if wanted == 0 {
            return Outcome::Copied;
        }
        record.flags |= SHUNTED;
    }
    let written = if wanted > fits {
        in_parts(packet, ring, segment.network, &record, to)
    } else if from == 0 || wanted == 0 {
        sized(packet, ring, segment.network, &record)
    } else {
        parted(packet, ring, segment.network, &record)
    };
    match written {
        Written::Yes if record.flags & TRUNCATED == 0 => Outcome::Copied,
        Written::Yes => Outcome::Truncated,
        Written::Part => {
            maps::count_lost(shard);
            Outcome::Truncated
        }
        Written::Full => {
            maps::count_lost(shard);
            Outcome::LostRing
        }
        Written::Unreadable => Outcome::LostCopy,
    }
}

/// Writes the record into the smallest size class that takes it: the ring wants
/// sizes that the verifier knows, and memory touched is what a copy costs.
#[inline(always)]
fn sized<P: Packet>(packet: &P, ring: &Ring, network: u32, record: &Record) -> Written {
    let len = u32::from(record.headers_len()) + u32::from(record.copied_len);
    macro_rules! first_that_fits {
        ($($lines:literal)*) => {
            $(if len <= (lines($lines) - RECORD_LEN) as u32 {
                return write::<P, { lines($lines) }>(packet, ring, network, len, record);
            })*
        };
    }
    // 25 lines take a full Ethernet frame.
    first_that_fits! { 2 3 4 5 6 7 8 12 16 25 32 48 64 96 128 192 256 384 512 768 }
    write::<P, LARGEST>(packet, ring, network, len, record)
}

/// As [`sized`], for payload that does not begin right behind the headers.
#[inline(always)]
fn parted<P: Packet>(packet: &P, ring: &Ring, network: u32, record: &Record) -> Written {
    let len = MAX_HEADERS + u32::from(record.copied_len);
    if len <= (lines(16) - RECORD_LEN) as u32 {
        return write_parted::<P, { lines(16) }>(packet, ring, network, record);
    }
    if len <= (lines(64) - RECORD_LEN) as u32 {
        return write_parted::<P, { lines(64) }>(packet, ring, network, record);
    }
    write_parted::<P, LARGEST>(packet, ring, network, record)
}

/// Reserves a slot of `SIZE` bytes, fills it with headers and, behind them, a
/// part of the payload, and hands it over.
#[inline(always)]
fn write_parted<P: Packet, const SIZE: usize>(
    packet: &P,
    ring: &Ring,
    network: u32,
    record: &Record,
) -> Written {
    let Some(slot) = reserve::<SIZE>(ring) else { return Written::Full };
    let headers_len = bounded(u32::from(record.headers_len()), MAX_HEADERS);
    let room = (SIZE - RECORD_LEN) as u32 - MAX_HEADERS;
    // SAFETY: the slot has SIZE bytes, is eight-byte aligned, and is ours until
    // it is submitted; `bounded` keeps both copies within it.
    unsafe {
        slot.cast::<Record>().write(*record);
        let headers = slot.add(RECORD_LEN);
        let copied = packet.copy(network, headers, headers_len)
            && packet.copy(
                network + headers_len + record.copied_offset,
                headers.add(headers_len as usize),
                bounded(u32::from(record.copied_len), room),
            );
        finish(slot, copied)
    }
}

/// Reserves a slot of `SIZE` bytes, fills it and hands it over.
#[inline(always)]
fn write<P: Packet, const SIZE: usize>(
    packet: &P,
    ring: &Ring,
    offset: u32,
    len: u32,
    record: &Record,
) -> Written {
    let Some(slot) = reserve::<SIZE>(ring) else { return Written::Full };
    // SAFETY: the slot has SIZE bytes, is eight-byte aligned, and is ours until
    // it is submitted; `bounded` keeps the copy within it.
    unsafe {
        slot.cast::<Record>().write(*record);
        let copied =
            packet.copy(offset, slot.add(RECORD_LEN), bounded(len, (SIZE - RECORD_LEN) as u32));
        finish(slot, copied)
    }
}

/// What the records of a segment in several are made of.
struct Rest<'a, P> {
    packet: &'a P,
    ring: &'a Ring,
    /// Offset of the IP header.
    network: u32,
    /// Where the payload that is wanted ends.
    to: u32,
    /// The record that was written last; before the first, it holds nothing.
    record: Record,
    /// Whether the last failed because the packet could not be read.
    unreadable: bool,
}

/// Writes a segment that is larger than the largest slot. A way of its own: the
/// verifier would walk the loop anew behind each size class.
#[inline(always)]
fn in_parts<P: Packet>(packet: &P, ring: &Ring, network: u32, record: &Record, to: u32) -> Written {
    let from = record.copied_offset;
    let flags = opaque(u32::from(record.flags | CONTINUED)) as u8;
    let record = Record { copied_len: 0, flags, ..*record };
    let mut rest = Rest { packet, ring, network, to, record, unreadable: false };
    // A loop by helper, whose body the verifier walks once: of a loop in the
    // program it walks all rounds in all their branches, beyond its limit.
    // SAFETY: the callback takes what is passed, which lives until the return.
    unsafe {
        bpf_loop(MAX_PARTS, one_more::<P> as *const () as *mut c_void, (&raw mut rest).cast(), 0);
    }
    let end = rest.record.copied_offset + u32::from(rest.record.copied_len);
    if end == to {
        Written::Yes
    } else if end != from {
        Written::Part
    } else if rest.unreadable {
        Written::Unreadable
    } else {
        Written::Full
    }
}

/// Writes one more record; nonzero, which ends the loop, when there is nothing
/// left or it failed, and then the last record stays the last that was written.
extern "C" fn one_more<P: Packet>(_round: u32, rest: *mut Rest<'_, P>) -> i64 {
    // SAFETY: `in_parts` passes a valid pointer that nothing else uses meanwhile.
    let rest = unsafe { &mut *rest };
    let mut record = rest.record;
    // Of what changes from round to round the verifier must not know the
    // bounds: newer kernels walk one more round for each new one.
    record.copied_offset = opaque(record.copied_offset + u32::from(record.copied_len));
    let left = rest.to.saturating_sub(record.copied_offset);
    if left == 0 {
        return 1;
    }
    let copied_len = left.min(PART);
    record.copied_len = opaque(copied_len) as u16;
    if left <= PART {
        record.flags &= !CONTINUED;
    }
    let Some(slot) = reserve::<LARGEST>(rest.ring) else { return 1 };
    let headers_len = bounded(u32::from(record.headers_len()), MAX_HEADERS);
    // SAFETY: the slot has LARGEST bytes, is eight-byte aligned, and is ours
    // until it is submitted; headers and payload together are bounded by
    // MAX_HEADERS + PART, which is its CAPACITY.
    let written = unsafe {
        slot.cast::<Record>().write(record);
        let headers = slot.add(RECORD_LEN);
        let copied = rest.packet.copy(rest.network, headers, headers_len)
            && rest.packet.copy(
                rest.network + headers_len + record.copied_offset,
                headers.add(headers_len as usize),
                bounded(copied_len, PART),
            );
        finish(slot, copied)
    };
    if matches!(written, Written::Yes) {
        rest.record = record;
        0
    } else {
        rest.unreadable = true;
        1
    }
}

#[inline(always)]
fn reserve<const SIZE: usize>(ring: &Ring) -> Option<*mut c_void> {
    // SAFETY: a reference to an inner map is the kernel's pointer to the map.
    let slot =
        unsafe { bpf_ringbuf_reserve(core::ptr::from_ref(ring).cast_mut().cast(), SIZE as u64, 0) };
    (!slot.is_null()).then_some(slot)
}

/// Hands the slot over, or back.
///
/// # Safety
///
/// `slot` was reserved and neither submitted nor discarded.
#[inline(always)]
unsafe fn finish(slot: *mut c_void, copied: bool) -> Written {
    // SAFETY: the caller's promise.
    unsafe {
        if copied {
            bpf_ringbuf_submit(slot, 0);
            Written::Yes
        } else {
            bpf_ringbuf_discard(slot, 0);
            Written::Unreadable
        }
    }
}

/// `len` as a number from 1 to `max`, in a way that the verifier can follow
/// and the optimiser cannot undo.
#[inline(always)]
pub(crate) fn bounded(len: u32, max: u32) -> u32 {
    let mut less = black_box(len.wrapping_sub(1));
    if less >= max {
        less = max - 1;
    }
    less + 1
}
