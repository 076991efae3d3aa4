//! `LINKTYPE_LINUX_SLL2`: the header in place of one that was not captured
//! (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).

use std::net::IpAddr;

use crate::capture::{Direction, Segment, Vlan};

/// Its number.
pub(super) const LINKTYPE_LINUX_SLL2: u32 = 276;

const HEADER: usize = 20;
/// Length of a VLAN tag, which is the protocol behind it and the id.
const TAG: usize = 4;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q; which type a frame's tag had is not known.
const ETHERTYPE_VLAN: u16 = 0x8100;

/// `ARPHRD_LOOPBACK` and `ARPHRD_VOID` ("nothing is known") in Linux's `if_arp.h`.
const ARPHRD_LOOPBACK: u16 = 772;
const ARPHRD_VOID: u16 = 0xffff;

/// `PACKET_HOST`, `PACKET_OTHERHOST`, `PACKET_OUTGOING` in `if_packet.h`.
const PACKET_HOST: u8 = 0;
const PACKET_OTHERHOST: u8 = 3;
const PACKET_OUTGOING: u8 = 4;

/// What is known of a frame without its header.
pub(super) struct Cooked {
    ethertype: u16,
    interface: u32,
    loopback: bool,
    direction: Direction,
    vlan: Vlan,
}

impl Cooked {
    /// What a segment says of its frame.
    pub(super) fn new(segment: &Segment<'_>) -> Self {
        Self {
            ethertype: match segment.source.ip {
                IpAddr::V4(_) => ETHERTYPE_IPV4,
                IpAddr::V6(_) => ETHERTYPE_IPV6,
            },
            interface: segment.captured.interface,
            loopback: segment.interface.loopback,
            direction: segment.point.direction,
            vlan: segment.vlan,
        }
    }

    /// Bytes of the header, tags included.
    pub(super) fn len(&self) -> usize {
        HEADER + TAG * self.tags().count()
    }

    fn tags(&self) -> impl Iterator<Item = u16> {
        [self.vlan.outer, self.vlan.inner].into_iter().flatten()
    }

    /// Appends the header. The protocol of a tagged frame is that of its tag,
    /// behind which stand the id and the next protocol.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let protocols = self.tags().map(|_| ETHERTYPE_VLAN).chain([self.ethertype]);
        let mut protocols = protocols.map(u16::to_be_bytes);
        buffer.extend(protocols.next().into_iter().flatten());
        buffer.extend([0; 2]);
        buffer.extend(self.interface.to_be_bytes());
        let device = if self.loopback { ARPHRD_LOOPBACK } else { ARPHRD_VOID };
        buffer.extend(device.to_be_bytes());
        buffer.push(match self.direction {
            Direction::Ingress => PACKET_HOST,
            Direction::Egress => PACKET_OUTGOING,
            Direction::Unknown => PACKET_OTHERHOST,
        });
        // The length of the address, and none.
        buffer.extend([0; 9]);
        for (id, protocol) in self.tags().zip(protocols) {
            buffer.extend(id.to_be_bytes());
            buffer.extend(protocol);
        }
    }
}
