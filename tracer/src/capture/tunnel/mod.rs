//! What an IP packet carries that is not TCP itself but may hold it: another
//! packet, or a frame with a packet in it.

mod gre;
#[cfg(test)]
mod tests;
mod udp;

use etherparse::{IpNumber, LaxIpSlice, ip_number};

use super::link::{Frame, ethernet, ip};

/// What stands in a tunnel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inside<'a> {
    /// A packet, in the frame that it stands in.
    Frame(Frame<'a>),
    /// What a header between IP and TCP stood in the way of, without it.
    Rebuilt(Vec<u8>),
}

/// Looks into the IP packet that `packet` begins with; `None` if it carries no
/// packet. Fragments are not looked into.
pub(super) fn inside(packet: &[u8], headers_left: u8) -> Option<Inside<'_>> {
    let headers_left = headers_left.checked_sub(1)?;
    let (ip_slice, broken) = LaxIpSlice::from_slice(packet).ok()?;
    if broken.is_some() || ip_slice.is_fragmenting_payload() {
        return None;
    }
    let payload = ip_slice.payload().payload;
    if let LaxIpSlice::Ipv4(ip) = &ip_slice
        && ip.header().protocol() == ip_number::AUTH
    {
        let authentication = ip.extensions().auth.map_or(0, |header| header.slice().len());
        let skipped = ip.header().slice().len() + authentication;
        let len = usize::from(ip.header().total_len()).checked_sub(skipped)?;
        let number = ip_slice.payload_ip_number();
        return rebuilt_v4(packet, number, payload, len).map(Inside::Rebuilt);
    }
    let frame = match ip_slice.payload_ip_number() {
        ip_number::IPV4 | ip_number::IPV6 | ip_number::ENCAP => ip(payload, headers_left),
        ip_number::GRE => gre::packet(payload, headers_left),
        ip_number::ETHER_IP => etherip(payload, headers_left),
        ip_number::MPLS_IN_IP => ethernet::mpls(payload, headers_left),
        ip_number::UDP => udp::datagram(payload, headers_left),
        _ => None,
    };
    frame.map(Inside::Frame)
}

/// A version number, then a frame (RFC 3378).
fn etherip(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (_, frame) = payload.split_at_checked(2)?;
    ethernet::frame(frame, headers_left)
}

/// An IPv4 packet with the addresses of `packet` and another payload, of which
/// `len` bytes were on the wire, without options; `None` if that is too long
/// for one.
pub(super) fn rebuilt_v4(
    packet: &[u8],
    number: IpNumber,
    payload: &[u8],
    len: usize,
) -> Option<Vec<u8>> {
    let mut header = *packet.first_chunk::<20>()?;
    let len = u16::try_from(len + header.len()).ok()?;
    let [first, _, l0, l1, _, _, o0, o1, _, protocol, ..] = &mut header;
    *first = 0x45;
    [*l0, *l1] = len.to_be_bytes();
    (*o0, *o1) = (0, 0);
    *protocol = number.0;
    Some([&header[..], payload].concat())
}

/// The same for IPv6; extension headers are left out.
pub(super) fn rebuilt_v6(packet: &[u8], number: IpNumber, payload: &[u8]) -> Option<Vec<u8>> {
    let mut header = *packet.first_chunk::<40>()?;
    let len = u16::try_from(payload.len()).ok()?;
    let [_, _, _, _, l0, l1, next, ..] = &mut header;
    [*l0, *l1] = len.to_be_bytes();
    *next = number.0;
    Some([&header[..], payload].concat())
}
