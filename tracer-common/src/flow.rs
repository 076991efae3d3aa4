//! The number of a flow, which both sides work out alike.

#![expect(
    clippy::inline_always,
    reason = "the kernel side calls functions of its own at a cost, and folds constants into these"
)]

/// Odd constants whose bits are well spread: the fractions of the golden ratio,
/// and the multipliers of `SplitMix64` (Steele, Lea and Flood, 2014).
const HIGH: u64 = 0x9e37_79b9_7f4a_7c15;
const END: u64 = 0xbf58_476d_1ce4_e5b9;
const FLOW: u64 = 0x94d0_49bb_1331_11eb;

/// A number for both directions of a flow, out of its addresses and ports.
///
/// Tags are no part of it, so that the two sides of a VLAN device agree. The
/// seed, [`crate::Settings::seed`], is not known outside: nobody can choose a
/// port by what becomes of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowHash(pub u64);

impl FlowHash {
    /// The flow between two ends, in either order.
    #[inline(always)]
    #[must_use]
    pub const fn new(left: (Address, u16), right: (Address, u16), seed: u64) -> Self {
        let sum = end(left, seed).wrapping_add(end(right, seed)).wrapping_mul(FLOW);
        Self(sum ^ (sum >> 32))
    }

    /// Which of `shards` shards, a power of two, the flow belongs to.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
    pub const fn shard(self, shards: u32) -> u32 {
        self.0 as u32 & shards.wrapping_sub(1)
    }
}

/// An IP address folded into a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(u64);

impl Address {
    /// Of IPv4: its four bytes as they stand in the header.
    #[inline(always)]
    #[must_use]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(bytes) as u64)
    }

    /// Of IPv6: its two halves as they stand in the header.
    #[inline(always)]
    #[must_use]
    pub const fn v6(high: [u8; 8], low: [u8; 8]) -> Self {
        Self(u64::from_ne_bytes(high).wrapping_mul(HIGH) ^ u64::from_ne_bytes(low))
    }
}

#[inline(always)]
const fn end((address, port): (Address, u16), seed: u64) -> u64 {
    let end = (address.0.rotate_left(16) ^ port as u64 ^ seed).wrapping_mul(END);
    end ^ (end >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: (Address, u16) = (Address::v4([10, 0, 0, 2]), 80);

    fn of(client: [u8; 4], port: u16, seed: u64) -> FlowHash {
        FlowHash::new((Address::v4(client), port), SERVER, seed)
    }

    #[test]
    fn both_directions_have_one_number() {
        let client = (Address::v6([1; 8], [2; 8]), 40_000);
        let server = (Address::v6([1; 8], [3; 8]), 80);
        assert_eq!(FlowHash::new(client, server, 7), FlowHash::new(server, client, 7));
        assert_ne!(FlowHash::new(client, server, 7), FlowHash::new(client, server, 8));
    }

    #[test]
    fn ports_of_one_client_spread_over_shards_and_over_the_high_bits() {
        let mut shards = [0; 4];
        let mut high = [0; 16];
        for port in 32_768..61_000 {
            let FlowHash(hash) = of([10, 0, 0, 1], port, 0x0123_4567_89ab_cdef);
            shards[FlowHash(hash).shard(4) as usize] += 1;
            high[(hash >> 60) as usize] += 1;
        }
        let all = 61_000 - 32_768;
        assert!(shards.iter().all(|count| (all / 5..all / 3).contains(count)), "{shards:?}");
        assert!(high.iter().all(|count| (all / 18..all / 14).contains(count)), "{high:?}");
    }

    #[test]
    fn neither_swapped_ports_nor_neighbours_share_a_number() {
        let left = |port| (Address::v4([10, 0, 0, 1]), port);
        let right = |port| (Address::v4([10, 0, 0, 2]), port);
        assert_ne!(
            FlowHash::new(left(80), right(40_000), 1),
            FlowHash::new(left(40_000), right(80), 1)
        );
        assert_ne!(of([10, 0, 0, 1], 40_000, 1), of([10, 0, 0, 3], 40_002, 1));
    }
}
