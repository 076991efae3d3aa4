use etherparse::{IpNumber, ip_number};
use tracer_common::Outcome;

use crate::{
    capture::{
        Direction,
        link::LinkType,
        packet::{
            Selection,
            tests::{ipv4, ipv6, packet, packet6},
        },
        unwrap::Unwrapper,
    },
    event::Timestamp,
    random::Random,
};

const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// The payload that a packet turns out to carry, and what it counts as.
fn unwrap(packet: &[u8]) -> (Option<Vec<u8>>, Outcome) {
    let mut found = None;
    let len = u32::try_from(packet.len()).unwrap();
    let mut unwrapper = Unwrapper::new(Selection::new([80], false));
    let told = (Timestamp(0), Direction::Unknown);
    let outcome = unwrapper.frame(LinkType::Raw, packet, len, told, &mut |unwrapped| {
        assert!(found.is_none());
        found = Some(unwrapped.payload.to_vec());
    });
    (found, outcome)
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).unwrap();
    let header = [40_000, port, len, 0].map(u16::to_be_bytes).concat();
    ipv4(ip_number::UDP, &[], &[&header, payload].concat())
}

fn over(number: IpNumber, parts: &[&[u8]]) -> Vec<u8> {
    ipv4(number, &[], &parts.concat())
}

/// A packet of each kind of tunnel, all with the same segment in them.
fn tunnels() -> Vec<(&'static str, Vec<u8>)> {
    let inner = &packet(1, PAYLOAD)[..];
    let inner6 = &packet6(1, PAYLOAD)[..];
    let bridged = &[&[2; 12][..], &[8, 0], inner].concat()[..];
    let gre = ip_number::GRE;
    vec![
        ("IP in IP", over(ip_number::IPV4, &[inner])),
        ("6in4", over(ip_number::IPV6, &[inner6])),
        ("4in6", ipv6(ip_number::IPV4, inner)),
        ("GRE", over(gre, &[&[0, 0, 8, 0], inner])),
        ("GRE with checksum, key, sequence", over(gre, &[&[0xb0, 0, 8, 0], &[9; 12], inner])),
        ("GRE of IPv6", over(gre, &[&[0, 0, 0x86, 0xdd], inner6])),
        ("bridging", over(gre, &[&[0x20, 0, 0x65, 0x58, 0, 0, 0, 1], bridged])),
        ("ERSPAN I", over(gre, &[&[0, 0, 0x88, 0xbe], bridged])),
        ("ERSPAN II", over(gre, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0x10; 8], bridged])),
        ("ERSPAN III", over(gre, &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &[0x20; 12], bridged])),
        (
            "ERSPAN III with a subheader",
            over(gre, &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &[0x21; 20], bridged]),
        ),
        ("WCCP", over(gre, &[&[0, 0, 0x88, 0x3e, 0, 0, 0, 0], inner])),
        ("PPTP", over(gre, &[&[0x30, 0x81, 0x88, 0x0b], &[0; 12], &[0xff, 3, 0, 0x21], inner])),
        ("EtherIP", over(ip_number::ETHER_IP, &[&[0x30, 0], bridged])),
        ("MPLS", over(ip_number::MPLS_IN_IP, &[&[0, 1, 1, 64], inner])),
        ("VXLAN", udp(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], bridged].concat())),
        ("VXLAN, generic", udp(4790, &[&[0xc, 0, 0, 1, 0, 0, 1, 0], inner].concat())),
        ("GENEVE", udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9], bridged].concat())),
        ("GTP-U", udp(2152, &[&[0x30, 0xff, 0, 0, 0, 0, 0, 1], inner].concat())),
        (
            "GTP-U with an extension",
            udp(
                2152,
                &[&[0x34, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0], inner].concat(),
            ),
        ),
        ("L2TP", udp(1701, &[&[0x40, 2, 0, 0, 0, 1, 0, 1, 0xff, 3, 0, 0x21], inner].concat())),
        (
            "L2TP with sequence and offset",
            udp(1701, &[&[0x0a, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0, 2, 7, 7, 0x21], inner].concat()),
        ),
        ("Teredo", udp(3544, inner6)),
        (
            "Teredo with authentication and origin",
            udp(3544, &[&[0, 1, 0, 0], &[7; 9][..], &[0; 8], inner6].concat()),
        ),
        ("GRE in UDP", udp(4754, &[&[0, 0, 8, 0], inner].concat())),
        ("MPLS in UDP", udp(6635, &[&[0, 1, 1, 64], inner].concat())),
        ("CAPWAP", udp(5247, &[&[0, 0x10, 0, 0, 0, 0, 0, 0], bridged].concat())),
        ("TZSP", udp(37008, &[&[1, 0, 0, 1, 0, 10, 1, 9, 1], bridged].concat())),
        ("AH", over(ip_number::AUTH, &[&[6, 4, 0, 0], &[1; 20], inner.get(20..).unwrap()])),
        ("AH, tunnel mode", over(ip_number::AUTH, &[&[4, 4, 0, 0], &[1; 20], inner])),
        (
            "GENEVE of GRE of IP in IP",
            udp(
                6081,
                &[
                    &[0, 0, 8, 0, 0, 0, 1, 0][..],
                    &over(gre, &[&[0, 0, 8, 0], &over(ip_number::IPV4, &[inner])]),
                ]
                .concat(),
            ),
        ),
    ]
}

#[test]
fn each_tunnel_carries_the_segment() {
    for (name, packet) in tunnels() {
        let found = unwrap(&packet);
        assert_eq!(found, (Some(PAYLOAD.to_vec()), Outcome::Copied), "{name}");
    }
}

#[test]
fn cut_anywhere_it_has_one_outcome() {
    for (name, packet) in tunnels() {
        for len in 0..packet.len() {
            let (found, outcome) = unwrap(&packet[..len]);
            match found {
                Some(payload) => {
                    assert!(PAYLOAD.starts_with(&payload), "{name}");
                    assert_eq!(outcome, Outcome::Truncated, "{name}");
                }
                None => assert_ne!(outcome, Outcome::Copied, "{name}"),
            }
        }
    }
}

#[test]
fn hostile_bytes_do_no_harm() {
    let random = &mut Random(11);
    for (_, packet) in tunnels() {
        for _ in 0..2000 {
            let mut packet = packet.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(packet.len());
                packet[at] = random.byte();
            }
            unwrap(&packet);
        }
    }
}

#[test]
fn nesting_ends() {
    let mut nested = packet(1, PAYLOAD);
    for depth in 1..100 {
        nested = over(ip_number::IPV4, &[&nested]);
        let (found, outcome) = unwrap(&nested);
        if depth > 8 {
            assert_eq!((found, outcome), (None, Outcome::NotSelected));
        }
    }
}

#[test]
fn what_is_not_traced_within_a_tunnel_is_not_selected() {
    let mut other_port = packet(1, PAYLOAD);
    other_port[23] = 81;
    let tunnel = over(ip_number::IPV4, &[&other_port]);
    assert_eq!(unwrap(&tunnel), (None, Outcome::NotSelected));
    let mut broken = packet(1, PAYLOAD);
    broken[32] = 0;
    let tunnel = over(ip_number::IPV4, &[&broken]);
    assert_eq!(unwrap(&tunnel), (None, Outcome::Malformed));
}
