//! Ethernet, what its types announce, and logical link control.

use super::{Frame, MAX_HEADERS, Vlan, ip, ppp};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q, 802.1ad, and three that were in use before 802.1ad.
const VLAN: [u16; 5] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];
/// MPLS (RFC 3032 section 5), unicast and multicast.
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// `PPPoE`, session stage (RFC 2516 section 4).
const PPPOE: u16 = 0x8864;
/// IEEE 802.1ah, a frame in a frame.
const BACKBONE_TAG: u16 = 0x88e7;
/// Tags of four bytes in front of the next type: IEEE 802.1BR's VN-tag,
/// IEC 62439-3's HSR, IEEE 802.1CB's redundancy tag.
const SHORT_TAGS: [u16; 3] = [0x8926, 0x892f, 0xf1c1];
const SHORT_TAG: usize = 4;
/// A frame in a tunnel (RFC 7637 section 3.2).
const BRIDGED: u16 = 0x6558;
/// Types begin here; smaller numbers are a length, with logical link control
/// behind it (IEEE 802.3 section 3.2.6).
const FIRST_TYPE: u16 = 0x0600;
/// Logical link control in a frame that is too long for a length.
const LONG_LLC: u16 = 0x8870;

/// Addresses, then a type.
pub(in crate::capture) fn frame(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (addresses, rest) = frame.split_first_chunk::<12>()?;
    let (ethertype, rest) = rest.split_first_chunk()?;
    // Linux's loopback device has no addresses and puts zeros in their place.
    let loopback = *addresses == [0; 12];
    let ethertype = u16::from_be_bytes(*ethertype);
    typed(ethertype, rest, headers_left)
        .map(|frame| Frame { loopback: loopback || frame.loopback, ..frame })
}

/// The packet of a frame that has one, and no tags in front of it.
#[inline]
pub(in crate::capture) fn untagged(frame: &[u8]) -> Option<Frame<'_>> {
    let (addresses, rest) = frame.split_first_chunk::<12>()?;
    let (ethertype, packet) = rest.split_first_chunk()?;
    let loopback = *addresses == [0; 12];
    matches!(u16::from_be_bytes(*ethertype), IPV4 | IPV6)
        .then(|| Frame { loopback, ..Frame::new(packet, Vlan::default(), MAX_HEADERS - 1) })
}

/// What an Ethernet type announces, behind any tags; the outermost two VLAN
/// tags are kept.
pub(in crate::capture) fn typed(
    mut ethertype: u16,
    mut rest: &[u8],
    mut headers_left: u8,
) -> Option<Frame<'_>> {
    let mut vlan = Vlan::default();
    let found = loop {
        headers_left = headers_left.checked_sub(1)?;
        if matches!(ethertype, IPV4 | IPV6) {
            break Frame::new(rest, Vlan::default(), headers_left);
        }
        let is_vlan = VLAN.contains(&ethertype);
        if !is_vlan && !SHORT_TAGS.contains(&ethertype) {
            break behind_tags(ethertype, rest, headers_left)?;
        }
        let (tag, behind) = rest.split_at_checked(if is_vlan { 4 } else { SHORT_TAG + 2 })?;
        let [t0, t1, .., e0, e1] = *tag else { return None };
        if is_vlan {
            let place = if vlan.outer.is_none() { &mut vlan.outer } else { &mut vlan.inner };
            place.get_or_insert(u16::from_be_bytes([t0, t1]) & 0x0fff);
        }
        ethertype = u16::from_be_bytes([e0, e1]);
        rest = behind;
    };
    Some(Frame { vlan: if vlan.outer.is_some() { vlan } else { found.vlan }, ..found })
}

fn behind_tags(ethertype: u16, rest: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    match ethertype {
        PPPOE => ppp::over_ethernet(rest, headers_left),
        BACKBONE_TAG => frame(rest.get(4..)?, headers_left),
        BRIDGED => frame(rest, headers_left),
        LONG_LLC => llc(rest, headers_left),
        _ if MPLS.contains(&ethertype) => mpls(rest, headers_left),
        _ if ethertype < FIRST_TYPE => llc(rest, headers_left),
        _ => None,
    }
}

/// Logical link control (IEEE 802.2): IP by its own service access point, or a
/// type behind a subnetwork access protocol header (RFC 1042).
pub(super) fn llc(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    match bytes {
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, e0, e1, rest @ ..] => {
            typed(u16::from_be_bytes([*e0, *e1]), rest, headers_left)
        }
        // A bridged frame with or without its checksum (RFC 2684 section 5.2).
        [0xaa, 0xaa, 0x03, 0x00, 0x80, 0xc2, 0x00, 0x01 | 0x07, _, _, rest @ ..] => {
            frame(rest, headers_left.checked_sub(1)?)
        }
        // The second by its network layer protocol identifier (RFC 2427 section 4).
        [0x06, 0x06, 0x03, rest @ ..] | [0xfe, 0xfe, 0x03, 0xcc | 0x8e, rest @ ..] => {
            ip(rest, headers_left)
        }
        _ => None,
    }
}

/// A label stack (RFC 3032 section 2.1). Nothing says what is behind it: IP
/// shows by its version, a pseudowire's control word by its first four bits
/// being 0 (RFC 4385 section 3), and Ethernet is what is left.
pub(in crate::capture) fn mpls(mut bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let mut labels_left = headers_left;
    loop {
        labels_left = labels_left.checked_sub(1)?;
        let ([_, _, bottom, _], rest) = bytes.split_first_chunk()?;
        bytes = rest;
        if bottom & 1 == 1 {
            break;
        }
    }
    match bytes.first()? >> 4 {
        4 | 6 => ip(bytes, labels_left),
        0 => frame(bytes.get(4..)?, labels_left).or_else(|| frame(bytes, labels_left)),
        _ => frame(bytes, labels_left),
    }
}
