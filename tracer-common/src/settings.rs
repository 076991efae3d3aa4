//! What the user side tells the kernel side, by map.

use core::mem::{offset_of, size_of};

/// The one element of the `SETTINGS` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `CLOCK_MONOTONIC` nanoseconds until which the loader is known to live;
    /// looked at only where the object's `CHECK_LIVENESS` was set.
    pub alive_until: u64,
    /// What the numbers of flows ([`crate::FlowHash`]) are made with.
    pub seed: u64,
    /// [`crate::ABI`] of the side that wrote the settings.
    pub abi: u32,
    /// [`COPY_PURE_ACKS`].
    pub flags: u32,
    /// Rings in use, 1 to [`MAX_SHARDS`], a power of two.
    pub shards: u32,
    /// Bytes from which on a body that nobody asked for stays uncopied;
    /// [`NO_SKIP`]: all is copied.
    pub skip_from: u32,
}

/// Copy segments that carry nothing but an acknowledgement, too.
pub const COPY_PURE_ACKS: u32 = 1;

/// Value of [`Settings::skip_from`] with which nobody looks at slots.
pub const NO_SKIP: u32 = 0;

/// Rings that a run can have; it uses a power of two of them.
pub const MAX_SHARDS: usize = 64;

/// Entries of the port table: every port number.
pub const PORT_TABLE_LEN: usize = 65_536;

/// The one element of the `PORTS` map: nonzero where the port is traced, and
/// then the port's number in [`Switches`].
pub type PortTable = [u8; PORT_TABLE_LEN];

/// Numbers of traced ports; ports beyond share the last.
pub const MAX_PORTS: usize = 256;

/// The one element of the `SWITCHES` map, which the user side changes as it
/// goes. Index: shard times [`MAX_PORTS`], and number of the port
/// ([`PortTable`]). Number 0 is no port's, and is what holds for all.
pub type Switches = [u8; MAX_PORTS * MAX_SHARDS];

/// Switch of a port: slots may say something about its flows.
pub const LOOK: u8 = 1;
/// Switch of a port: responses are worth being scanned for their length.
pub const SCAN: u8 = 2;
/// Switch for all: some slot was written since the start, so that those of
/// connections that begin or end have to be cleared.
pub const ANY: u8 = 4;

const _: () = assert!(size_of::<Settings>() == 32);
const _: () = assert!(offset_of!(Settings, seed) == 8);
const _: () = assert!(offset_of!(Settings, abi) == 16);
const _: () = assert!(offset_of!(Settings, flags) == 20);
const _: () = assert!(offset_of!(Settings, shards) == 24);
const _: () = assert!(offset_of!(Settings, skip_from) == 28);
const _: () = assert!(MAX_SHARDS.is_power_of_two());

#[cfg(feature = "user")]
mod plain {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]
    // SAFETY: repr(C), integers only, no padding (asserted above: 2 * 8 + 4 * 4).
    unsafe impl aya::Pod for super::Settings {}
}
