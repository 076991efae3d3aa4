//! Which hosts are traced: one list, which both sides look through alike.

#![expect(
    clippy::inline_always,
    reason = "the kernel side calls functions of its own at a cost, and its verifier knows constants only within one"
)]

use core::mem::{offset_of, size_of};

/// Networks that a list can hold.
pub const MAX_NETWORKS: usize = 64;

/// An address: of IPv4 its four bytes and zeros, of IPv6 its two halves, all
/// as they stand in the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits(pub [u64; 2]);

impl Bits {
    /// Of IPv4.
    #[inline(always)]
    #[must_use]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self([u32::from_ne_bytes(bytes) as u64, 0])
    }

    /// Of IPv6, by its halves.
    #[inline(always)]
    #[must_use]
    pub const fn v6(high: [u8; 8], low: [u8; 8]) -> Self {
        Self([u64::from_ne_bytes(high), u64::from_ne_bytes(low)])
    }
}

/// A network: the addresses that agree with `bits` where `mask` has ones.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Its address, with zeros where the mask has them.
    pub bits: Bits,
    /// Ones for the prefix, zeros behind it.
    pub mask: Bits,
}

impl Network {
    #[inline(always)]
    const fn has(&self, Bits([high, low]): Bits) -> bool {
        let Self { bits: Bits(bits), mask: Bits(mask) } = self;
        (high & mask[0]) ^ bits[0] | (low & mask[1]) ^ bits[1] == 0
    }
}

/// Version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// Networks to trace, and networks not to trace.
///
/// A packet is selected if either of its ends is in one that is included, and
/// neither is in one that is excluded. Where none is included, of either
/// version, all are but those that are excluded.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Where in `networks` those of IPv4 that are included end, behind them
    /// those of IPv4 that are excluded, then those of IPv6 that are included,
    /// and those of IPv6 that are excluded.
    pub ends: [u32; 4],
    /// The networks.
    pub networks: [Network; MAX_NETWORKS],
}

impl Hosts {
    /// Every host.
    pub const ALL: Self = Self {
        ends: [0; 4],
        networks: [Network { bits: Bits([0; 2]), mask: Bits([0; 2]) }; MAX_NETWORKS],
    };

    /// Whether any is named at all.
    #[inline(always)]
    #[must_use]
    pub const fn are_all(&self) -> bool {
        self.ends[3] == 0
    }

    /// Whether a packet between two hosts is selected.
    #[inline(always)]
    #[must_use]
    pub fn select(&self, version: Version, source: Bits, destination: Bits) -> bool {
        let [included4, excluded4, included6, excluded6] = self.ends;
        let (start, included, excluded) = match version {
            Version::V4 => (0, included4, excluded4),
            Version::V6 => (excluded4, included6, excluded6),
        };
        let any_included = included4 > 0 || included6 > excluded4;
        (!any_included || self.any(start, included, source, destination))
            && !self.any(included, excluded, source, destination)
    }

    /// Whether one of some of the networks has one of two addresses.
    #[inline(always)]
    fn any(&self, start: u32, end: u32, source: Bits, destination: Bits) -> bool {
        let mut index = start;
        while index < end {
            let Some(network) = self.networks.get(index as usize) else { return false };
            if network.has(source) || network.has(destination) {
                return true;
            }
            index += 1;
        }
        false
    }
}

const _: () = assert!(size_of::<Network>() == 32);
const _: () = assert!(offset_of!(Hosts, networks) == 16);
const _: () = assert!(size_of::<Hosts>() == 16 + 32 * MAX_NETWORKS);

#[cfg(feature = "user")]
mod plain {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]
    // SAFETY: repr(C), integers only, no padding (asserted above).
    unsafe impl aya::Pod for super::Hosts {}
}
