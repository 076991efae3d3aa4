//! From the first byte of a frame to a TCP segment that somebody wants.

use core::arch::asm;

use tracer_common::{
    Address, COPY_PURE_ACKS, FlowHash, NO_VLAN, Outcome, Version,
    window::{FIN, RST, SYN},
};

use crate::{
    hosts, maps,
    packet::{Header, Packet},
};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;

const PROTOCOL_TCP: u8 = 6;

/// RFC 8200 section 4; an AH's length counts in other units (RFC 4302).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

/// Extension headers of one packet that are followed. More is nobody's
/// ordinary traffic, and the verifier wants a bound.
const MAX_EXTENSIONS: u32 = 8;

const ACK: u8 = 0x10;

/// IP and TCP header bytes that a record carries at most. With all options
/// they come to 120 bytes of IPv4; the rest is room for IPv6 extensions.
pub(crate) const MAX_HEADERS: u32 = 512;

/// What a packet of the device begins with.
#[derive(Clone, Copy)]
pub(crate) enum Link {
    /// An Ethernet header.
    Ethernet,
    /// The IP header itself.
    Ip,
}

/// A TCP segment that is to be copied. Offsets are from the packet's begin.
pub(crate) struct Segment {
    /// Offset of the IP header.
    pub(crate) network: u32,
    /// Bytes of IP and TCP header; 40 to [`MAX_HEADERS`].
    pub(crate) headers_len: u32,
    /// Payload bytes as the headers say.
    pub(crate) payload_len: u32,
    /// Sequence number.
    pub(crate) sequence: u32,
    /// Offset of the TCP header.
    pub(crate) transport: u32,
    /// Flags of the TCP header.
    pub(crate) flags: u8,
    /// Numbers of source and destination port ([`tracer_common::PortTable`]).
    pub(crate) ports: [u8; 2],
    /// Outer VLAN id.
    pub(crate) vlan_outer: u16,
    /// Inner VLAN id.
    pub(crate) vlan_inner: u16,
    /// The number of its flow.
    pub(crate) flow: FlowHash,
}

impl Segment {
    /// Whether a client opens a connection by it.
    #[inline(always)]
    pub(crate) fn is_opening(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }
}

/// Where the IP header stands, and under which tags.
struct Network {
    offset: u32,
    ethertype: u16,
    outer: u16,
    inner: u16,
}

/// Where the TCP header stands.
struct Transport {
    offset: u32,
    /// Bytes of TCP header and payload as the IP header says.
    len: u32,
    source: Address,
    destination: Address,
}

/// Finds the segment, or says what becomes of a packet that is not copied.
#[inline(always)]
pub(crate) fn parse<P: Packet>(packet: &P, link: Link) -> Result<Segment, Outcome> {
    let network = match link {
        Link::Ethernet => ethernet(packet)?,
        Link::Ip => bare(packet)?,
    };
    let (version, transport) = match network.ethertype {
        ETHERTYPE_IPV4 => (Version::V4, ipv4(packet, network.offset)?),
        ETHERTYPE_IPV6 => (Version::V6, ipv6(packet, network.offset)?),
        _ => return Err(Outcome::NotSelected),
    };

    // RFC 9293 section 3.1, up to and with the flags.
    let (source, destination, sequence, tcp_len, flags) = packet
        .fields(transport.offset, |tcp: Header<14>| {
            let len = u32::from(tcp.byte::<12>() >> 4) * 4;
            (tcp.half::<0>(), tcp.half::<2>(), tcp.word::<4>(), len, tcp.byte::<13>())
        })
        .ok_or(Outcome::Malformed)?;
    let ports = maps::numbers(source, destination);
    if ports == [0; 2] {
        return Err(Outcome::NotSelected);
    }
    let headers_len = transport.offset - network.offset + tcp_len;
    if tcp_len < 20 || tcp_len > transport.len || headers_len > MAX_HEADERS {
        return Err(Outcome::Malformed);
    }
    let payload_len = transport.len - tcp_len;
    if !hosts::wanted(packet, version, network.offset) {
        return Err(Outcome::NotSelected);
    }
    // Without settings nothing can be copied.
    let settings = maps::settings().ok_or(Outcome::LostCopy)?;
    let bare = payload_len == 0 && flags & (SYN | FIN | RST) == 0;
    if bare && settings.flags & COPY_PURE_ACKS == 0 {
        return Err(Outcome::PureAck);
    }
    let FlowHash(flow) = FlowHash::new(
        (transport.source, source),
        (transport.destination, destination),
        settings.seed,
    );
    Ok(Segment {
        network: opaque(network.offset),
        headers_len: opaque(headers_len),
        payload_len: opaque(payload_len),
        sequence: opaque(u32::from_be_bytes(sequence)),
        transport: opaque(transport.offset),
        flags: opaque(flags.into()) as u8,
        ports,
        vlan_outer: opaque(network.outer.into()) as u16,
        vlan_inner: opaque(network.inner.into()) as u16,
        flow: FlowHash(opaque_word(flow)),
    })
}

/// Ethernet, with up to two tags: one may have been taken out of the frame
/// already, and is then the outer one.
#[inline(always)]
fn ethernet<P: Packet>(packet: &P) -> Result<Network, Outcome> {
    let ethertype = packet.fields(0, |header: Header<14>| header.half::<12>());
    let mut ethertype = ethertype.ok_or(Outcome::NotSelected)?;
    let mut offset = 14;
    let mut outer = packet.offloaded_vlan();
    let mut inner = NO_VLAN;
    for _ in 0..2 {
        if ethertype != ETHERTYPE_VLAN && ethertype != ETHERTYPE_QINQ {
            break;
        }
        let tag: [u8; 4] = packet.read(offset).ok_or(Outcome::NotSelected)?;
        let id = u16::from_be_bytes([tag[0], tag[1]]) & 0x0fff;
        if outer == NO_VLAN {
            outer = id;
        } else {
            inner = id;
        }
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        offset += 4;
    }
    Ok(Network { offset, ethertype, outer, inner })
}

/// No link header: the IP version says what it is.
#[inline(always)]
fn bare<P: Packet>(packet: &P) -> Result<Network, Outcome> {
    // Both headers have 20 bytes at least.
    let first = packet.fields(0, |header: Header<20>| header.byte::<0>());
    let ethertype = match first.ok_or(Outcome::NotSelected)? >> 4 {
        4 => ETHERTYPE_IPV4,
        6 => ETHERTYPE_IPV6,
        _ => return Err(Outcome::NotSelected),
    };
    Ok(Network { offset: 0, ethertype, outer: packet.offloaded_vlan(), inner: NO_VLAN })
}

/// RFC 791 section 3.1.
#[inline(always)]
fn ipv4<P: Packet>(packet: &P, offset: u32) -> Result<Transport, Outcome> {
    let (first, total, fragment, protocol, source, destination) = packet
        .fields(offset, |header: Header<20>| {
            let (total, fragment) = (header.half::<2>(), header.half::<6>());
            let ends = (header.word::<12>(), header.word::<16>());
            (header.byte::<0>(), total, fragment, header.byte::<9>(), ends.0, ends.1)
        })
        .ok_or(Outcome::NotSelected)?;
    if protocol != PROTOCOL_TCP {
        return Err(Outcome::NotSelected);
    }
    let header_len = u32::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header_len < 20 {
        return Err(Outcome::Malformed);
    }
    // More fragments, or not the first one.
    if fragment & 0x3fff != 0 {
        return Err(Outcome::Fragment);
    }
    let total = total_len(packet, offset, total.into());
    if total < header_len {
        return Err(Outcome::Malformed);
    }
    Ok(Transport {
        offset: offset + header_len,
        len: total - header_len,
        source: Address::v4(source),
        destination: Address::v4(destination),
    })
}

/// RFC 8200 section 3, and the extension headers of section 4.
#[inline(always)]
fn ipv6<P: Packet>(packet: &P, offset: u32) -> Result<Transport, Outcome> {
    let (first, payload, mut next, source, destination) = packet
        .fields(offset, |header: Header<40>| {
            let source = Address::v6(
                joined(header.word::<8>(), header.word::<12>()),
                joined(header.word::<16>(), header.word::<20>()),
            );
            let destination = Address::v6(
                joined(header.word::<24>(), header.word::<28>()),
                joined(header.word::<32>(), header.word::<36>()),
            );
            let payload = u32::from(header.half::<4>());
            (header.byte::<0>(), payload, header.byte::<6>(), source, destination)
        })
        .ok_or(Outcome::NotSelected)?;
    let total = if payload == 0 { 0 } else { payload + 40 };
    let total = total_len(packet, offset, total);
    let mut passed = 40;
    for _ in 0..MAX_EXTENSIONS {
        if next == PROTOCOL_TCP {
            break;
        }
        let (unit, extra) = match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY => (8, 8),
            FRAGMENT => (0, 8),
            AUTHENTICATION => (4, 8),
            _ => return Err(Outcome::NotSelected),
        };
        let extension: [u8; 4] = packet.read(offset + passed).ok_or(Outcome::NotSelected)?;
        if next == FRAGMENT && u16::from_be_bytes([extension[2], extension[3]]) & 0xfff9 != 0 {
            // The fragment header names what the whole packet carries.
            return Err(if extension[0] == PROTOCOL_TCP {
                Outcome::Fragment
            } else {
                Outcome::NotSelected
            });
        }
        passed += u32::from(extension[1]) * unit + extra;
        next = extension[0];
    }
    if next != PROTOCOL_TCP {
        return Err(Outcome::NotSelected);
    }
    if first >> 4 != 6 || total < passed {
        return Err(Outcome::Malformed);
    }
    Ok(Transport { offset: offset + passed, len: total - passed, source, destination })
}

/// Length of the IP packet: what its header says, never what the frame holds,
/// which may be padded. A length of 0 is a packet too big for the field (BIG
/// TCP), and then the buffer knows.
#[inline(always)]
fn total_len<P: Packet>(packet: &P, offset: u32, total: u32) -> u32 {
    if total == 0 { packet.len().saturating_sub(offset) } else { total }
}

/// The same number, of which the verifier forgets how it came about. Else it
/// would walk through all of [`crate::emit`] again for every way to get there
/// (tags, IP versions, extension headers): 780,000 instructions in place of
/// 96,000 for the worst of the programs, with a limit of a million.
#[inline(always)]
pub(crate) fn opaque(value: u32) -> u32 {
    opaque_word(u64::from(value)) as u32
}

/// As [`opaque`], of a whole register.
#[inline(always)]
pub(crate) fn opaque_word(mut value: u64) -> u64 {
    // SAFETY: swaps the bytes of a register twice.
    unsafe { asm!("{value} = be64 {value}", "{value} = be64 {value}", value = inout(reg) value) };
    value
}

/// Half of an address.
#[inline(always)]
fn joined(first: [u8; 4], second: [u8; 4]) -> [u8; 8] {
    let [one, two] = [u32::from_be_bytes(first), u32::from_be_bytes(second)];
    (u64::from(one) << 32 | u64::from(two)).to_be_bytes()
}
