//! From the bytes of a frame to the IP packet in it. Link types are those of
//! <https://www.tcpdump.org/linktypes.html>.

use super::{Direction, Vlan};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q.
const ETHERTYPE_VLAN: u16 = 0x8100;
/// IEEE 802.1ad, the outer tag of two.
const ETHERTYPE_QINQ: u16 = 0x88a8;

/// `ARPHRD_LOOPBACK` in Linux's `if_arp.h`.
const ARPHRD_LOOPBACK: u16 = 772;

/// How the frames of an interface begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet header, with or without tags.
    Ethernet,
    /// The IP header itself.
    Raw,
    /// Linux "cooked" capture, version 1.
    LinuxSll,
    /// Linux "cooked" capture, version 2, which names the interface.
    LinuxSll2,
    /// An address family of four bytes, in either byte order.
    Null,
}

/// What a frame says beside its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// From the first byte of the IP header to the end of the frame.
    pub packet: &'a [u8],
    /// VLAN tags, up to two.
    pub vlan: Vlan,
    /// Which way it crossed the interface.
    pub direction: Direction,
    /// Whether the frame shows that its interface is the loopback.
    pub loopback: bool,
    /// Index of its interface on the host that captured it, if it says so.
    pub interface: Option<u32>,
}

impl LinkType {
    /// The link type of that number in a file header; `None` if it is not one
    /// that can be read.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 | 108 => Some(Self::Null),
            1 => Some(Self::Ethernet),
            // Numbers of DLT_RAW that files of some systems have instead of 101.
            12 | 14 | 101 | 228 | 229 => Some(Self::Raw),
            113 => Some(Self::LinuxSll),
            276 => Some(Self::LinuxSll2),
            _ => None,
        }
    }

    /// Finds the IP packet in a frame; `None` if it carries something else or
    /// ends before the packet begins.
    pub fn parse(self, frame: &[u8]) -> Option<Frame<'_>> {
        match self {
            Self::Ethernet => ethernet(frame),
            Self::Raw => {
                matches!(frame.first()? >> 4, 4 | 6).then(|| Frame::new(frame, Vlan::default()))
            }
            Self::LinuxSll => sll(frame),
            Self::LinuxSll2 => sll2(frame),
            Self::Null => null(frame),
        }
    }
}

impl<'a> Frame<'a> {
    const fn new(packet: &'a [u8], vlan: Vlan) -> Self {
        Self { packet, vlan, direction: Direction::Unknown, loopback: false, interface: None }
    }
}

fn ethernet(frame: &[u8]) -> Option<Frame<'_>> {
    let (addresses, rest) = frame.split_first_chunk::<12>()?;
    let (ethertype, rest) = rest.split_first_chunk()?;
    // Linux's loopback device has no addresses and puts zeros in their place.
    let loopback = *addresses == [0; 12];
    tagged(u16::from_be_bytes(*ethertype), rest).map(|frame| Frame { loopback, ..frame })
}

/// What an Ethernet type announces, behind up to two VLAN tags.
fn tagged(mut ethertype: u16, mut rest: &[u8]) -> Option<Frame<'_>> {
    let mut vlan = Vlan::default();
    for place in [&mut vlan.outer, &mut vlan.inner] {
        if !matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) {
            break;
        }
        let ([t0, t1, e0, e1], behind) = rest.split_first_chunk()?;
        *place = Some(u16::from_be_bytes([*t0, *t1]) & 0x0fff);
        ethertype = u16::from_be_bytes([*e0, *e1]);
        rest = behind;
    }
    matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then(|| Frame::new(rest, vlan))
}

/// `LINKTYPE_LINUX_SLL`: packet type, device type, address, protocol. A VLAN
/// tag makes the protocol field its Ethernet type and stands behind it.
fn sll(frame: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = frame.split_first_chunk::<16>()?;
    let [t0, t1, d0, d1, .., p0, p1] = *header;
    let frame = tagged(u16::from_be_bytes([p0, p1]), rest)?;
    Some(Frame {
        direction: cooked_direction(u16::from_be_bytes([t0, t1])),
        loopback: u16::from_be_bytes([d0, d1]) == ARPHRD_LOOPBACK,
        ..frame
    })
}

/// `LINKTYPE_LINUX_SLL2`: protocol, interface, device type, packet type,
/// address.
fn sll2(frame: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = frame.split_first_chunk::<20>()?;
    let [p0, p1, _, _, i0, i1, i2, i3, d0, d1, packet_type, ..] = *header;
    let frame = tagged(u16::from_be_bytes([p0, p1]), rest)?;
    Some(Frame {
        direction: cooked_direction(packet_type.into()),
        loopback: u16::from_be_bytes([d0, d1]) == ARPHRD_LOOPBACK,
        interface: Some(u32::from_be_bytes([i0, i1, i2, i3])),
        ..frame
    })
}

/// The packet type of a cooked frame, `PACKET_HOST` to `PACKET_OUTGOING`. What
/// is between others (3) may have come or be forwarded.
const fn cooked_direction(packet_type: u16) -> Direction {
    match packet_type {
        0..=2 => Direction::Ingress,
        4 => Direction::Egress,
        _ => Direction::Unknown,
    }
}

/// `LINKTYPE_NULL` has the byte order of the host that captured, which need
/// not be the file's; `LINKTYPE_LOOP` is big-endian.
fn null(frame: &[u8]) -> Option<Frame<'_>> {
    let (family, rest) = frame.split_first_chunk()?;
    let family = u32::from_be_bytes(*family);
    // Families have small numbers.
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    // AF_INET is 2 everywhere; AF_INET6 is Linux's, Windows's, and those of
    // NetBSD, FreeBSD and Darwin.
    matches!(family, 2 | 10 | 23 | 24 | 28 | 30)
        .then(|| Frame { loopback: true, ..Frame::new(rest, Vlan::default()) })
}

/// Names for an error message, of link types that captures do have.
pub fn name(number: u32) -> Option<&'static str> {
    Some(match number {
        6 => "IEEE 802.5 token ring",
        9 => "PPP",
        50 => "PPP in HDLC framing",
        51 => "PPPoE",
        104 => "Cisco HDLC",
        105 => "IEEE 802.11",
        107 => "Frame Relay",
        119 => "IEEE 802.11 with Prism header",
        127 => "IEEE 802.11 with radiotap header",
        163 => "IEEE 802.11 with AVS header",
        166 => "PPP with direction",
        187 | 201 => "Bluetooth",
        189 | 220 => "USB (Linux)",
        192 => "PPI",
        195 | 230 => "IEEE 802.15.4",
        239 => "NFLOG",
        249 => "USB (Windows)",
        252 => "exported PDUs",
        253 => "netlink",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: &[u8] = &[0x45, 1, 2, 3];

    /// Packet, tags, direction, whether looped.
    type Found = (Vec<u8>, Vlan, Direction, bool);

    fn parse(number: u32, parts: &[&[u8]]) -> Option<Found> {
        let frame = parts.concat();
        let found = LinkType::from_number(number).unwrap().parse(&frame)?;
        Some((found.packet.to_vec(), found.vlan, found.direction, found.loopback))
    }

    fn found(vlan: Vlan, direction: Direction, loopback: bool) -> Found {
        (IP.to_vec(), vlan, direction, loopback)
    }

    const NO_TAG: Vlan = Vlan { outer: None, inner: None };

    #[test]
    fn ethernet_with_up_to_two_tags() {
        let addresses = &[2; 12][..];
        let plain = Some(found(NO_TAG, Direction::Unknown, false));
        assert_eq!(parse(1, &[addresses, &[8, 0], IP]), plain);
        assert_eq!(parse(1, &[addresses, &[0x86, 0xdd], IP]), plain);
        let one = Vlan { outer: Some(0x123), inner: None };
        let tagged = parse(1, &[addresses, &[0x81, 0, 0xe1, 0x23, 8, 0], IP]);
        assert_eq!(tagged, Some(found(one, Direction::Unknown, false)));
        let two = Vlan { outer: Some(5), inner: Some(6) };
        let tagged = parse(1, &[addresses, &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], IP]);
        assert_eq!(tagged, Some(found(two, Direction::Unknown, false)));
        let three = &[0x81, 0, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 8, 0][..];
        assert_eq!(parse(1, &[addresses, three, IP]), None);
        assert_eq!(parse(1, &[addresses, &[8, 6], IP]), None);
    }

    #[test]
    fn ethernet_without_addresses_is_the_loopback() {
        assert_eq!(
            parse(1, &[&[0; 12], &[8, 0], IP]),
            Some(found(NO_TAG, Direction::Unknown, true))
        );
    }

    #[test]
    fn raw_ip_by_its_version() {
        for number in [12, 14, 101, 228, 229] {
            assert_eq!(parse(number, &[IP]), Some(found(NO_TAG, Direction::Unknown, false)));
        }
        assert_eq!(parse(101, &[&[0x55, 0]]), None);
        assert_eq!(parse(101, &[]), None);
    }

    #[test]
    fn cooked_frames_say_their_direction() {
        let address = &[0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..];
        for (packet_type, direction) in
            [(0, Direction::Ingress), (3, Direction::Unknown), (4, Direction::Egress)]
        {
            let sll = parse(113, &[&[0, packet_type, 0, 1], address, &[8, 0], IP]);
            assert_eq!(sll, Some(found(NO_TAG, direction, false)));
            // The second version's address length is one byte.
            let sll2 =
                parse(276, &[&[8, 0, 0, 0, 0, 0, 0, 9, 3, 4, packet_type], &address[1..], IP]);
            assert_eq!(sll2, Some(found(NO_TAG, direction, true)));
        }
    }

    #[test]
    fn cooked_frames_name_the_interface_and_may_be_tagged() {
        let header = [0x81, 0, 0, 0, 0, 0, 1, 2, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];
        let frame = [&header[..], &[0, 7, 8, 0], IP].concat();
        let frame = LinkType::LinuxSll2.parse(&frame).unwrap();
        assert_eq!((frame.interface, frame.vlan.outer), (Some(0x0102), Some(7)));
        let address = &[0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..];
        let tagged = parse(113, &[&[0, 0, 0, 1], address, &[0x81, 0, 0, 7, 8, 0], IP]);
        let vlan = Vlan { outer: Some(7), inner: None };
        assert_eq!(tagged, Some(found(vlan, Direction::Ingress, false)));
    }

    #[test]
    fn families_in_either_byte_order() {
        for number in [0, 108] {
            for family in [[0, 0, 0, 2], [2, 0, 0, 0], [0, 0, 0, 30], [24, 0, 0, 0]] {
                let looped = Some(found(NO_TAG, Direction::Unknown, true));
                assert_eq!(parse(number, &[&family, IP]), looped, "{family:?}");
            }
            assert_eq!(parse(number, &[&[0, 0, 0, 7], IP]), None);
        }
    }

    #[test]
    fn cut_frames_carry_nothing() {
        for number in [0, 1, 113, 276] {
            let link_type = LinkType::from_number(number).unwrap();
            for len in 0..4 {
                assert_eq!(link_type.parse(&[0; 20][..len]), None);
            }
        }
        assert_eq!(LinkType::from_number(105), None);
    }
}
