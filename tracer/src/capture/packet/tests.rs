use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpFragOffset, IpNumber, Ipv4Header, Ipv6Header,
    TcpOptionElement::{
        self, MaximumSegmentSize, Noop, SelectiveAcknowledgementPermitted, Timestamp, WindowScale,
    },
};

use super::*;
use crate::random::Random;

/// A TCP segment from port 40000 to 80 with ACK and PSH.
fn tcp(sequence: u32, options: &[TcpOptionElement], payload: &[u8]) -> Vec<u8> {
    let mut tcp = etherparse::TcpHeader::new(40_000, 80, sequence, 512);
    tcp.ack = true;
    tcp.acknowledgment_number = 77;
    tcp.psh = true;
    tcp.set_options(options).unwrap();
    [&tcp.to_bytes()[..], payload].concat()
}

pub(crate) fn ipv4(protocol: IpNumber, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut ip = Ipv4Header::new(0, 64, protocol, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
    ip.options = options.try_into().unwrap();
    ip.set_payload_len(payload.len()).unwrap();
    [&ip.to_bytes()[..], payload].concat()
}

pub(crate) fn ipv6(next: IpNumber, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv6Header {
        payload_length: payload.len().try_into().unwrap(),
        next_header: next,
        hop_limit: 64,
        source: Ipv6Addr::LOCALHOST.octets(),
        destination: Ipv6Addr::LOCALHOST.octets(),
        ..Ipv6Header::default()
    };
    [&ip.to_bytes()[..], payload].concat()
}

/// A packet of IPv4 with this payload, for other tests.
pub(crate) fn packet(sequence: u32, payload: &[u8]) -> Vec<u8> {
    ipv4(IpNumber::TCP, &[], &tcp(sequence, &[], payload))
}

/// A packet of IPv6 with this payload, for other tests.
pub(crate) fn packet6(sequence: u32, payload: &[u8]) -> Vec<u8> {
    ipv6(IpNumber::TCP, &tcp(sequence, &[], payload))
}

fn parse(packet: &[u8]) -> Result<Headers, Outcome> {
    let len = u32::try_from(packet.len()).unwrap();
    Headers::parse(packet, len, &Selection::new([80], false))
}

#[test]
fn all_fields_of_a_segment() {
    let options = [
        MaximumSegmentSize(1460),
        SelectiveAcknowledgementPermitted,
        Timestamp(11, 22),
        Noop,
        WindowScale(7),
    ];
    let headers = parse(&ipv4(IpNumber::TCP, &[], &tcp(1000, &options, b"GET"))).unwrap();
    let at = |last, port| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port };
    assert_eq!(
        headers,
        Headers {
            source: at(1, 40_000),
            destination: at(2, 80),
            tcp: TcpHeader {
                sequence: 1000,
                acknowledgement: 77,
                flags: TcpFlags(TcpFlags::ACK.0 | TcpFlags::PSH.0),
                window: 512,
                options: TcpOptions::new(&[
                    2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 11, 0, 0, 0, 22, 1, 3, 3, 7
                ]),
            },
            len: 60,
            payload_len: 3,
        }
    );
}

#[test]
fn ninth_flag_stands_in_the_byte_before() {
    let mut segment = tcp(1, &[], b"x");
    segment[12] |= 1;
    let headers = parse(&ipv4(IpNumber::TCP, &[], &segment)).unwrap();
    assert!(headers.tcp.flags.has(TcpFlags::AE));
}

#[test]
fn ipv4_options_are_passed_over() {
    let headers = parse(&ipv4(IpNumber::TCP, &[1; 12], &tcp(9, &[], b"abc"))).unwrap();
    assert_eq!((headers.len, headers.payload_len, headers.tcp.sequence), (52, 3, 9));
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    let segment = tcp(9, &[], b"abc");
    // Hop-by-hop, destination options of 16 bytes, routing, an authentication
    // header (its length counts words and leaves out two), an atomic fragment.
    let chain = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[51, 0, 0, 0, 0, 0, 0, 0],
        &[44, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        &[6, 0, 0, 0, 0, 0, 0, 7],
        &segment,
    ]
    .concat();
    let headers = parse(&ipv6(IpNumber::IPV6_HEADER_HOP_BY_HOP, &chain)).unwrap();
    assert_eq!((headers.len, headers.payload_len), (40 + 64 + 20, 3));
    assert_eq!(headers.source.ip, IpAddr::V6(Ipv6Addr::LOCALHOST));
}

#[test]
fn fragments_are_counted_on_any_port() {
    let mut first = Ipv4Header::new(0, 64, IpNumber::TCP, [1; 4], [2; 4]).unwrap();
    first.more_fragments = true;
    let mut later = first.clone();
    later.more_fragments = false;
    later.fragment_offset = IpFragOffset::try_new(100).unwrap();
    for header in [first, later] {
        let packet = [&header.to_bytes()[..], b"no TCP header"].concat();
        assert_eq!(parse(&packet), Err(Outcome::Fragment));
    }
    let fragment = [&[6, 0, 0, 1, 0, 0, 0, 7][..], &tcp(9, &[], b"abc")].concat();
    let packet = ipv6(IpNumber::IPV6_FRAGMENTATION_HEADER, &fragment);
    assert_eq!(parse(&packet), Err(Outcome::Fragment));
}

#[test]
fn other_protocols_and_ports_are_not_selected() {
    let segment = tcp(1, &[], b"x");
    assert_eq!(parse(&ipv4(IpNumber::UDP, &[], &segment)), Err(Outcome::NotSelected));
    assert_eq!(parse(&ipv6(IpNumber::UDP, &segment)), Err(Outcome::NotSelected));
    assert_eq!(parse(&[0x20; 40]), Err(Outcome::NotSelected));
    assert_eq!(parse(&[]), Err(Outcome::NotSelected));
    let packet = ipv4(IpNumber::TCP, &[], &segment);
    for (ports, expected) in [(&[25, 143][..], false), (&[80], true), (&[40_000], true)] {
        let selection = Selection::new(ports.iter().copied(), false);
        assert_eq!(Headers::parse(&packet, 41, &selection).is_ok(), expected, "{ports:?}");
    }
}

#[test]
fn hosts_that_are_left_out_are_not_selected_whatever_they_send() {
    let selection = |rules: &[&str]| {
        let rules: Vec<_> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Selection::new([80], false).with_hosts(&selection::hosts(&rules).unwrap())
    };
    let (data, bare, six) = (packet(1, b"x"), packet(1, b""), packet6(1, b"x"));
    for (rules, expected) in [
        (&["10.0.0.2"][..], [None, Some(Outcome::PureAck), Some(Outcome::NotSelected)]),
        (&["!10.0.0.2"], [Some(Outcome::NotSelected), Some(Outcome::NotSelected), None]),
        (&["::1", "10.0.0.0/30"], [None, Some(Outcome::PureAck), None]),
    ] {
        let outcomes = [&data, &bare, &six].map(|packet| {
            Headers::parse(packet, u32::try_from(packet.len()).unwrap(), &selection(rules)).err()
        });
        assert_eq!(outcomes, expected, "{rules:?}");
    }
}

#[test]
fn bare_acknowledgements_only_for_who_wants_them() {
    let packet = packet(1, b"");
    assert_eq!(parse(&packet), Err(Outcome::PureAck));
    assert!(Headers::parse(&packet, 40, &Selection::new([80], true)).is_ok());
    for flag in [TcpFlags::SYN, TcpFlags::FIN, TcpFlags::RST] {
        let mut packet = packet.clone();
        packet[33] |= u8::try_from(flag.0).unwrap();
        assert!(parse(&packet).is_ok(), "{flag:?}");
    }
}

#[test]
fn padding_is_not_payload() {
    let padded = [&packet(1, b"")[..], &[0; 6]].concat();
    assert_eq!(parse(&padded), Err(Outcome::PureAck));
    let padded = [&packet(1, b"x")[..], &[0; 5]].concat();
    assert_eq!(parse(&padded).unwrap().payload_len, 1);
}

#[test]
fn length_of_zero_is_that_of_the_packet() {
    let mut packet = packet(1, b"big");
    packet[2..4].fill(0);
    assert_eq!(parse(&packet).unwrap().payload_len, 3);
    // A capture that was cut knows how long the packet was.
    let selection = Selection::all();
    assert_eq!(Headers::parse(&packet, 200_040, &selection).unwrap().payload_len, 200_000);
    let mut packet = packet6(1, b"big");
    packet[4..6].fill(0);
    assert_eq!(parse(&packet).unwrap().payload_len, 3);
}

#[test]
fn headers_that_contradict_themselves_are_malformed() {
    let good = packet(1, b"x");
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        parse(&packet)
    };
    // IHL below 5, total length below the header's, below the TCP header's,
    // data offset below 5, TCP header cut.
    assert_eq!(broken(&|packet| packet[0] = 0x44), Err(Outcome::Malformed));
    assert_eq!(broken(&|packet| packet[3] = 19), Err(Outcome::Malformed));
    assert_eq!(broken(&|packet| packet[3] = 39), Err(Outcome::Malformed));
    assert_eq!(broken(&|packet| packet[32] = 0x40), Err(Outcome::Malformed));
    assert_eq!(broken(&|packet| packet.truncate(39)), Err(Outcome::Malformed));
}

#[test]
fn options_that_the_capture_cut_are_left_out() {
    let options = [MaximumSegmentSize(1460), Noop, Noop, Timestamp(1, 2)];
    let packet = ipv4(IpNumber::TCP, &[], &tcp(1, &options, b"payload"));
    let headers = parse(&packet[..50]).unwrap();
    assert_eq!((headers.len, headers.payload_len), (56, 7));
    let options = headers.tcp.options;
    assert_eq!((options.maximum_segment_size(), options.timestamps()), (Some(1460), None));
}

#[test]
fn packets_cut_anywhere_or_of_random_bytes_have_an_outcome() {
    let whole = packet6(1, b"payload");
    for len in 0..whole.len() {
        let parsed = parse(&whole[..len]);
        assert_eq!(parsed.is_ok(), len >= 60, "{len}: {parsed:?}");
    }
    let mut random = Random(1);
    for round in 0..20_000 {
        let mut packet = [0_u8; 96];
        for byte in &mut packet {
            *byte = random.byte();
        }
        packet[0] = if round % 2 == 0 { 0x45 } else { 0x60 };
        packet[if round % 2 == 0 { 9 } else { 6 }] = [6, 0, 43, 44, 51, 60][round % 6];
        let _ = Headers::parse(&packet[..round % 97], 96, &Selection::all());
    }
}

/// Whatever is changed in a packet, and wherever it is cut.
#[test]
fn the_usual_header_is_read_as_any_other() {
    let mut usual = 0;
    for whole in [packet(1, b"GET"), packet6(1, b"GET")] {
        for at in 0..whole.len().min(60) {
            for byte in 0..=u8::MAX {
                let mut changed = whole.clone();
                changed[at] = byte;
                for cut in [&changed[..], &changed[..at]] {
                    let Some(quick) = Ip::usual(cut) else { continue };
                    match Ip::any(cut) {
                        Ok(ip) => assert_eq!(quick, ip, "{byte} at {at}"),
                        // Which the length says as well.
                        Err(outcome) => {
                            assert_eq!(outcome, Outcome::Malformed);
                            assert_eq!(Headers::parse(cut, 0, &Selection::all()), Err(outcome));
                        }
                    }
                    usual += 1;
                }
            }
        }
    }
    assert!(usual > 10_000, "{usual}");
}
