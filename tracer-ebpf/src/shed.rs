//! Which flows are not followed, because the user side cannot keep up.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE, btf_maps::Array, helpers::bpf_ringbuf_query, macros::btf_map,
};
use tracer_common::{
    FlowHash, MAX_SHARDS,
    shedding::{self, ADMITTED_LEN, Line, STOPPED_LINES, Shedding, WAYS},
};

use crate::{headers::Segment, maps};

/// What the user side wants, and what was shed. Index: shard.
#[btf_map]
static SHEDDING: Array<Shedding, MAX_SHARDS, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Flows that are not followed. Index: [`FlowHash::line`].
#[btf_map]
static STOPPED: Array<Line, STOPPED_LINES> = Array::new();

/// Flows that began lately and are followed. Index: [`FlowHash::place`].
#[btf_map]
static ADMITTED: Array<u64, ADMITTED_LEN> = Array::new();

/// `BPF_RB_AVAIL_DATA`: bytes that wait in a ring.
const AVAILABLE: u64 = 0;

/// Whether the segment's flow is not followed. A client's SYN decides on it.
#[inline(always)]
pub(crate) fn sheds(segment: &Segment, shards: u32) -> bool {
    let shard = segment.flow.shard(shards);
    let Some(state) = State::of(shard) else { return false };
    if segment.is_opening() {
        return opens(segment, shard, &state);
    }
    state.active() && is_stopped(segment.flow, segment.flow.tag(state.epoch()))
}

/// Sheds a flow whose SYN was admitted and could not be copied. False where
/// nothing is shed at all.
#[inline(always)]
pub(crate) fn refuse(segment: &Segment, shards: u32) -> bool {
    let Some(state) = State::of(segment.flow.shard(shards)) else { return false };
    if state.brake() == 0 {
        return false;
    }
    let syn = shedding::entry(segment.flow.tag(state.epoch()), segment.sequence);
    stop(segment.flow, syn, &state);
    true
}

/// Decides on a flow that begins: true when it is shed.
#[inline(always)]
fn opens(segment: &Segment, shard: u32, state: &State) -> bool {
    let brake = state.brake();
    if brake == 0 {
        return false;
    }
    let flow = segment.flow;
    let tag = flow.tag(state.epoch());
    let syn = shedding::entry(tag, segment.sequence);
    let Some(admitted) = ADMITTED.get_ptr_mut(flow.place()) else { return false };
    // SAFETY: map values are aligned and live as long as the map; volatile,
    // because other CPUs and the user side change them.
    if unsafe { admitted.read_volatile() } == syn {
        return false;
    }
    let active = state.active();
    if active && is_in_line(flow, |entry| entry == syn) {
        return true;
    }
    if flow.share() < state.level() || waiting(shard) > u64::from(brake) {
        stop(flow, syn, state);
        return true;
    }
    // SAFETY: as above.
    unsafe { admitted.write_volatile(syn) };
    if active {
        // What was stopped was the one that had these ports before.
        forget(flow, tag);
    }
    false
}

/// Bytes that wait in the ring of a shard.
#[inline(always)]
fn waiting(shard: u32) -> u64 {
    let Some(ring) = maps::ring(shard) else { return 0 };
    let ring = core::ptr::from_ref(ring).cast_mut().cast::<c_void>();
    // SAFETY: a reference to an inner map is the kernel's pointer to the map.
    unsafe { bpf_ringbuf_query(ring, AVAILABLE) }
}

/// Whether a flow was stopped, and no connection between the same ends was
/// admitted since.
#[inline(always)]
fn is_stopped(flow: FlowHash, tag: u32) -> bool {
    if !is_in_line(flow, |entry| shedding::is_of(entry, tag)) {
        return false;
    }
    // SAFETY: as in `opens`.
    let admitted = ADMITTED.get_ptr(flow.place()).map(|entry| unsafe { entry.read_volatile() });
    !admitted.is_some_and(|admitted| shedding::is_of(admitted, tag))
}

/// Whether one of the entries of a flow's line is as asked for.
#[inline(always)]
fn is_in_line(flow: FlowHash, is: impl Fn(u64) -> bool) -> bool {
    let Some(line) = STOPPED.get_ptr(flow.line()) else { return false };
    let line = line.cast::<u64>();
    let mut found = false;
    for way in 0..WAYS {
        // SAFETY: a line has WAYS entries; volatile, because other CPUs and the
        // user side change them.
        found |= is(unsafe { line.add(way).read_volatile() });
    }
    found
}

/// Stops a flow, and counts it.
#[inline(always)]
fn stop(flow: FlowHash, syn: u64, state: &State) {
    let Some(line) = STOPPED.get_ptr_mut(flow.line()) else { return };
    let line = line.cast::<u64>();
    let tag = (syn >> 32) as u32;
    let mut place = shedding::victim(syn) as usize;
    for way in 0..WAYS {
        // SAFETY: as in `is_in_line`.
        let entry = unsafe { line.add(way).read_volatile() };
        if entry == 0 || shedding::is_of(entry, tag) {
            place = way;
        }
    }
    // SAFETY: as in `is_in_line`; the mask is for the verifier.
    unsafe { line.add(place & (WAYS - 1)).write_volatile(syn) };
    if let Some(admitted) = ADMITTED.get_ptr_mut(flow.place()) {
        // SAFETY: as in `opens`.
        unsafe {
            if shedding::is_of(admitted.read_volatile(), tag) {
                admitted.write_volatile(0);
            }
        }
    }
    state.count();
}

/// Takes a flow out of its line.
#[inline(always)]
fn forget(flow: FlowHash, tag: u32) {
    let Some(line) = STOPPED.get_ptr_mut(flow.line()) else { return };
    let line = line.cast::<u64>();
    for way in 0..WAYS {
        // SAFETY: as in `is_in_line`.
        unsafe {
            if shedding::is_of(line.add(way).read_volatile(), tag) {
                line.add(way).write_volatile(0);
            }
        }
    }
}

/// The state of a shard, which both sides change at any time.
struct State(*mut Shedding);

impl State {
    #[inline(always)]
    fn of(shard: u32) -> Option<Self> {
        SHEDDING.get_ptr_mut(shard).map(Self)
    }

    #[inline(always)]
    fn level(&self) -> u32 {
        // SAFETY: an aligned, live map value; here and in the following.
        unsafe { (&raw const (*self.0).level).read_volatile() }
    }

    #[inline(always)]
    fn brake(&self) -> u32 {
        // SAFETY: see `level`.
        unsafe { (&raw const (*self.0).brake).read_volatile() }
    }

    #[inline(always)]
    fn epoch(&self) -> u32 {
        // SAFETY: see `level`.
        unsafe { (&raw const (*self.0).epoch).read_volatile() }
    }

    #[inline(always)]
    fn active(&self) -> bool {
        // SAFETY: see `level`.
        unsafe { (&raw const (*self.0).active).read_volatile() != 0 }
    }

    /// Counts a flow, and says that there are such.
    #[inline(always)]
    fn count(&self) {
        // SAFETY: see `level`; the compiler's own atomics know no fetch-and-add
        // for this target.
        unsafe {
            (&raw mut (*self.0).active).write_volatile(1);
            let flows = &raw mut (*self.0).flows;
            asm!("lock *(u64 *)({flows} + 0) += {one}", flows = in(reg) flows, one = in(reg) 1_u64);
        }
    }
}
