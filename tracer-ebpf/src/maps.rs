//! What is shared with the user side while the programs run.

use core::{arch::asm, hint::black_box};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, ArrayOfMaps, PerCpuArray, RingBuf},
    helpers::bpf_ktime_get_ns,
    macros::btf_map,
};
use tracer_common::{
    ABI, Hosts, MAX_PORTS, MAX_SHARDS, OUTCOMES as OUTCOME_COUNT, Outcome, PortTable, Settings,
    Switches,
    slot::{SLOTS as SLOT_COUNT, Slot},
};

use crate::scan::Desk;

/// Shape of the rings in [`RINGS`]; the loader makes them, at the size that
/// the operator chose, which need not be this one.
pub(crate) type Ring = RingBuf<(), 4096>;

/// The ring of each shard. Index: shard.
#[btf_map]
static RINGS: ArrayOfMaps<Ring, MAX_SHARDS> = ArrayOfMaps::new();

/// Records that each ring could not take. Index: shard.
#[btf_map]
static LOST: Array<u64, MAX_SHARDS> = Array::new();

/// One element: what the operator chose.
#[btf_map]
static SETTINGS: Array<Settings, 1> = Array::new();

/// One element: which ports are traced.
#[btf_map]
static PORTS: Array<PortTable, 1> = Array::new();

/// What need not be copied. Index: [`tracer_common::slot::Tag::index`].
#[btf_map]
static SLOTS: Array<Slot, SLOT_COUNT, { BPF_F_MMAPABLE as usize }> = Array::new();

/// One element: where it is worth to look at slots.
#[btf_map]
static SWITCHES: Array<Switches, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// One element: where the scanner works.
#[btf_map]
static DESK: PerCpuArray<Desk, 1> = PerCpuArray::new();

/// Packets by [`Outcome`].
#[btf_map]
static OUTCOMES: PerCpuArray<u64, { OUTCOME_COUNT as usize }> = PerCpuArray::new();

/// Nonzero where the hook can outlive its loader (clsact). Set before loading,
/// so that elsewhere the verifier cuts the check out.
#[unsafe(no_mangle)]
static CHECK_LIVENESS: u32 = 0;

/// Which hosts are traced. Set before loading, so that the verifier knows how
/// many networks there are, and cuts the search out where there are none.
#[unsafe(no_mangle)]
static HOSTS: Hosts = Hosts::ALL;

/// The settings, if a loader wrote them that means by them what this side
/// means.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0).filter(|settings| settings.abi == ABI)
}

/// Whether the process that attached this program has stopped refreshing its
/// stamp, so that nobody reads what would be copied.
#[inline(always)]
pub(crate) fn loader_is_gone() -> bool {
    // SAFETY: a valid static; volatile, because the loader writes its value
    // into the object's read-only data after the compiler has seen the zero.
    if unsafe { core::ptr::read_volatile(&raw const CHECK_LIVENESS) } == 0 {
        return false;
    }
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    settings().is_none_or(|settings| settings.alive_until < now)
}

/// The numbers of both ports, of which that is 0 which is not traced.
#[inline(always)]
pub(crate) fn numbers(source: u16, destination: u16) -> [u8; 2] {
    let Some(ports) = PORTS.get_ptr(0) else { return [0; 2] };
    let ports = ports.cast::<u8>();
    // SAFETY: the table has an element for every value of a u16.
    unsafe { [*ports.add(index(source)), *ports.add(index(destination))] }
}

/// The number as an index, with a mask that the compiler would leave out: the
/// verifier of Linux 6.1 does not know that a byte-swapped u16 has 16 bits.
#[inline(always)]
fn index(port: u16) -> usize {
    let mut index = u64::from(port);
    // SAFETY: changes a register, not its value.
    unsafe { asm!("{index} &= 0xffff", index = inout(reg) index) };
    index as usize
}

/// The switches of a port, by its number in the port table.
#[inline(always)]
pub(crate) fn switches(shard: u32, port: u8) -> u8 {
    let Some(switches) = SWITCHES.get_ptr(0) else { return 0 };
    let mut index = u64::from(shard) * MAX_PORTS as u64 + u64::from(port);
    // SAFETY: the mask, which the compiler would leave out, keeps the index
    // within the rows of all shards; volatile, because the user side changes
    // the value.
    unsafe {
        asm!("{index} &= {mask}", index = inout(reg) index, mask = const MAX_PORTS * MAX_SHARDS - 1);
        switches.cast::<u8>().add(index as usize).read_volatile()
    }
}

/// A slot.
#[inline(always)]
pub(crate) fn slot(index: u32) -> Option<*mut Slot> {
    SLOTS.get_ptr_mut(index)
}

/// This CPU's place to scan.
#[inline(always)]
pub(crate) fn desk() -> Option<*mut Desk> {
    DESK.get_ptr_mut(0)
}

/// Which hosts are traced; `None` for all.
#[inline(always)]
pub(crate) fn hosts() -> Option<&'static Hosts> {
    // The compiler must not know which one this is: the loader writes into the
    // object after the compiler has seen the zeros.
    let hosts = black_box(&HOSTS);
    (!hosts.are_all()).then_some(hosts)
}

/// Counts a packet.
#[inline(always)]
pub(crate) fn count(outcome: Outcome) {
    if let Some(counter) = OUTCOMES.get_ptr_mut(outcome as u32) {
        // SAFETY: the element belongs to this CPU, and programs that share it
        // do not preempt each other on it (the kernel disables migration, and
        // TC and XDP run in softirq context).
        unsafe { *counter += 1 };
    }
}

/// The ring of a shard.
#[inline(always)]
pub(crate) fn ring(shard: u32) -> Option<&'static Ring> {
    RINGS.get(shard)
}

/// The number of records that the ring of a shard could not take.
#[inline(always)]
pub(crate) fn lost(shard: u32) -> u64 {
    // SAFETY: map values are aligned and live as long as the map, which the
    // program holds; volatile, because other CPUs add to it.
    LOST.get_ptr(shard).map_or(0, |counter| unsafe { counter.read_volatile() })
}

/// Counts a record that the ring of a shard could not take.
#[inline(always)]
pub(crate) fn count_lost(shard: u32) {
    if let Some(counter) = LOST.get_ptr_mut(shard) {
        // The compiler's own atomics know no fetch-and-add for this target.
        // SAFETY: adds to an aligned, live map value, atomically.
        unsafe {
            asm!("lock *(u64 *)({counter} + 0) += {one}",
                counter = in(reg) counter, one = in(reg) 1_u64);
        }
    }
}
