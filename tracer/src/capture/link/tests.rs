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
fn ethernet_with_tags_of_which_two_are_kept() {
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
    // A third is passed over.
    let three = &[0x91, 0, 0, 5, 0x88, 0xa8, 0, 6, 0x81, 0, 0, 7, 8, 0][..];
    assert_eq!(parse(1, &[addresses, three, IP]), Some(found(two, Direction::Unknown, false)));
    let endless = [0x81, 0, 0, 5].repeat(100);
    assert_eq!(parse(1, &[addresses, &endless, &[8, 0], IP]), None);
    assert_eq!(parse(1, &[addresses, &[8, 6], IP]), None);
}

#[test]
fn ethernet_without_addresses_is_the_loopback() {
    assert_eq!(parse(1, &[&[0; 12], &[8, 0], IP]), Some(found(NO_TAG, Direction::Unknown, true)));
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
        let sll2 = parse(276, &[&[8, 0, 0, 0, 0, 0, 0, 9, 3, 4, packet_type], &address[1..], IP]);
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
    for number in [0, 1, 6, 9, 51, 105, 107, 109, 113, 119, 127, 192, 197, 239, 258, 276] {
        let link_type = LinkType::from_number(number).unwrap();
        for len in 0..4 {
            assert_eq!(link_type.parse(&[0; 20][..len]), None);
        }
    }
    assert_eq!(LinkType::from_number(195), None);
}

#[test]
fn what_ethernet_types_announce() {
    let plain = Some(found(NO_TAG, Direction::Unknown, false));
    let addresses = &[2; 12][..];
    for (name, header) in [
        ("MPLS, two labels", &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64][..]),
        ("PPPoE", &[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0, 0x21]),
        ("PPPoE, short protocol", &[0x88, 0x64, 0x11, 0, 0, 1, 0, 5, 0x21]),
        ("802.1ah", &[0x88, 0xe7, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 8, 0]),
        ("redundancy tag", &[0xf1, 0xc1, 0, 0, 0, 1, 8, 0]),
        ("SNAP", &[0, 12, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]),
        ("LLC of IP", &[0, 7, 6, 6, 3]),
    ] {
        assert_eq!(parse(1, &[addresses, header, IP]), plain, "{name}");
    }
    let pseudowire = [&[0x88, 0x47, 0, 1, 1, 64, 0, 0, 0, 0], addresses, &[8, 0]].concat();
    assert_eq!(parse(1, &[addresses, &pseudowire, IP]), plain);
    let without_control_word = [&[0x88, 0x47, 0, 1, 1, 64], addresses, &[8, 0]].concat();
    assert_eq!(parse(1, &[addresses, &without_control_word, IP]), plain);
    let tagged = Some(found(Vlan { outer: Some(7), inner: None }, Direction::Unknown, false));
    let mpls_behind_a_tag = &[0x81, 0, 0, 7, 0x88, 0x47, 0, 1, 1, 64][..];
    assert_eq!(parse(1, &[addresses, mpls_behind_a_tag, IP]), tagged);
    assert_eq!(parse(1, &[addresses, &[0x88, 0x63, 0x11, 9, 0, 0, 0, 4], IP]), None);
}

#[test]
fn serial_lines() {
    let plain = Some(found(NO_TAG, Direction::Unknown, false));
    for (number, header) in [
        (9, &[0xff, 3, 0, 0x21][..]),
        (9, &[0x21]),
        (50, &[0xff, 3, 0, 0x21]),
        (50, &[0x0f, 0, 8, 0]),
        (104, &[0x8f, 0, 8, 0]),
        (51, &[0x11, 0, 0, 1, 0, 6, 0, 0x21]),
        (100, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]),
        (107, &[0x18, 0x41, 3, 0xcc]),
        (107, &[0x18, 0x41, 8, 0]),
        (107, &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0]),
        (109, &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]),
        (117, &[7, 2, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(parse(number, &[header, IP]), plain, "{number} {header:?}");
    }
    assert_eq!(
        parse(204, &[&[1, 0xff, 3, 0, 0x21], IP]),
        Some(found(NO_TAG, Direction::Egress, false))
    );
    assert_eq!(parse(166, &[&[0, 3, 0, 0x21], IP]), Some(found(NO_TAG, Direction::Ingress, false)));
}

#[test]
fn netfilters_log_in_either_byte_order() {
    let plain = Some(found(NO_TAG, Direction::Unknown, false));
    let little = &[2, 0, 0, 1, 5, 0, 10, 0, b'x', 0, 0, 0, 8, 0, 9, 0][..];
    assert_eq!(parse(239, &[little, IP]), plain);
    let big = &[2, 0, 0, 1, 0, 5, 0, 10, b'x', 0, 0, 0, 0, 8, 0, 9][..];
    assert_eq!(parse(239, &[big, IP]), plain);
    // Attributes of no length.
    assert_eq!(parse(239, &[&[2, 0, 0, 1], &[0; 4096]]), None);
}

#[test]
fn wireless_data_frames() {
    let plain = Some(found(NO_TAG, Direction::Unknown, false));
    let header = |kind: u8, flags: u8| [&[kind, flags][..], &[3; 22]].concat();
    let snap = &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..];
    assert_eq!(parse(105, &[&header(0x08, 1), snap, IP]), plain);
    assert_eq!(parse(105, &[&header(0x08, 3), &[4; 6], snap, IP]), plain);
    assert_eq!(parse(105, &[&header(0x88, 1), &[0, 0], snap, IP]), plain);
    assert_eq!(parse(105, &[&header(0x88, 0x81), &[0, 0, 1, 2, 3, 4], snap, IP]), plain);
    assert_eq!(parse(105, &[&header(0x88, 1), &[0x80, 0], &[5; 14], snap, IP]), plain);
    // Without data, encrypted, of another type.
    for (kind, flags) in [(0x48, 1), (0x08, 0x41), (0x80, 0)] {
        assert_eq!(parse(105, &[&header(kind, flags), snap, IP]), None);
    }
    // Time and flags are present; the flags say that the header is padded.
    let radiotap = &[0, 0, 17, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20][..];
    assert_eq!(parse(127, &[radiotap, &header(0x88, 1), &[0, 0, 0, 0], snap, IP]), plain);
    let prism = [&[0, 0, 0, 0x44, 0, 0, 0, 12][..], &[0; 4]].concat();
    assert_eq!(parse(119, &[&prism, &header(0x08, 1), snap, IP]), plain);
    let avs = [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 12][..], &[0; 4]].concat();
    assert_eq!(parse(163, &[&avs, &header(0x08, 1), snap, IP]), plain);
    assert_eq!(parse(192, &[&[0, 0, 8, 0, 105, 0, 0, 0], &header(0x08, 1), snap, IP]), plain);
    // One that names itself.
    assert_eq!(parse(192, &[&[0, 0, 8, 0, 192, 0, 0, 0].repeat(1000)]), None);
}

#[test]
fn other_local_networks() {
    let plain = Some(found(NO_TAG, Direction::Unknown, false));
    let snap = &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..];
    let addresses = &[2; 12][..];
    assert_eq!(parse(6, &[&[0x10, 0x40], addresses, snap, IP]), plain);
    let routed = &[2, 2, 2, 2, 2, 2, 0x82, 2, 2, 2, 2, 2, 6, 0, 0, 0, 0, 0][..];
    assert_eq!(parse(6, &[&[0x10, 0x40], routed, snap, IP]), plain);
    assert_eq!(parse(10, &[&[0x50], addresses, snap, IP]), plain);
    assert_eq!(parse(138, &[&[2; 16], &[8, 0], IP]), plain);
}

#[test]
fn frames_in_the_records_of_devices() {
    let plain = Some(found(NO_TAG, Direction::Unknown, false));
    let ethernet = [&[2; 12][..], &[8, 0], IP].concat();
    let pktap = [&[16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0][..], &[0; 4]].concat();
    assert_eq!(parse(258, &[&pktap, &ethernet]), plain);
    let erf = [&[0; 8][..], &[2, 4, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(parse(197, &[&erf, &ethernet]), plain);
    let extended = [&[0; 8][..], &[0x82, 4, 0, 0, 0, 0, 0, 0], &[0; 10]].concat();
    assert_eq!(parse(197, &[&extended, &ethernet]), plain);
    assert_eq!(parse(240, &[&[0; 4], &ethernet]), plain);
    assert_eq!(parse(241, &[&[0; 12], &ethernet]), plain);
    let incoming = Some(found(NO_TAG, Direction::Ingress, false));
    assert_eq!(parse(178, &[b"MGC\x01", &ethernet]), incoming);
    assert_eq!(parse(178, &[b"MGC\x81", &[0, 2, 9, 9], &ethernet]), incoming);
    assert_eq!(parse(205, &[&[0, 0x0f, 0, 8, 0], IP]), incoming);
    assert_eq!(parse(206, &[&[0, 0x18, 0x41, 3, 0xcc], IP]), incoming);
}

#[test]
fn hostile_bytes_do_no_harm() {
    let random = &mut crate::random::Random(5);
    for link_type in (0..300).filter_map(LinkType::from_number) {
        for _ in 0..3000 {
            let frame: Vec<u8> = (0..random.below(60)).map(|_| random.byte() & 0x8f).collect();
            if let Some(found) = link_type.parse(&frame) {
                assert!(found.packet.len() <= frame.len());
            }
        }
    }
}
