//! Whether the operator wants packets between two hosts.

use tracer_common::{Bits, Version};

use crate::{maps, packet::Packet};

/// Whether a packet is wanted whose IP header stands at `offset`. Where all
/// hosts are, the verifier cuts this out.
#[inline(always)]
pub(crate) fn wanted<P: Packet>(packet: &P, version: Version, offset: u32) -> bool {
    let Some(hosts) = maps::hosts() else { return true };
    // RFC 791 section 3.1, RFC 8200 section 3. Read for the second time: kept
    // from the first, they would cost those who want all hosts, too.
    let ends = match version {
        Version::V4 => {
            packet.read(offset + 12).map(|[s, d]: [[u8; 4]; 2]| (Bits::v4(s), Bits::v4(d)))
        }
        Version::V6 => packet
            .read(offset + 8)
            .map(|[s0, s1, d0, d1]: [[u8; 8]; 4]| (Bits::v6(s0, s1), Bits::v6(d0, d1))),
    };
    ends.is_some_and(|(source, destination)| hosts.select(version, source, destination))
}
