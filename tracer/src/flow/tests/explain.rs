//! Why nothing was decoded.

use super::{dialogues::Talk, *};
use crate::decode::PROTOCOLS;
use Side::{Client, Server};

/// What is said of segments to a port of `name`, or one whose protocol has to
/// be found, of why nothing was decoded.
fn why(name: Option<&str>, segments: &[Sent]) -> Vec<String> {
    let known = PROTOCOLS.iter().find(|known| Some(known.label.name) == name);
    let ports = known.map(|known| (PORT, known)).into_iter().collect();
    let detect = if known.is_none() { vec![PORT] } else { Vec::new() };
    let mut rig = Rig::new(Settings { ports, detect, explain: true, ..settings() });
    for segment in segments {
        rig.feed(segment);
    }
    rig.finish().into_iter().filter(|line| line.contains("nothing decoded")).collect()
}

fn talk(exchange: &[(Side, &str)]) -> Vec<Sent> {
    let talk =
        exchange.iter().fold(Talk::new(99, 499), |talk, (side, text)| talk.says(*side, text));
    talk.closes().segments
}

#[test]
fn connections_without_payload() {
    for (segments, expected) in [
        (vec![client(SYN, 100, "")], "no answer to the SYN was seen"),
        (
            vec![client(SYN, 100, ""), server(RST, 0, "").ack(101)],
            "the server refused the connection",
        ),
        (handshake(), "only the handshake was seen"),
        (vec![client(FIN_ACK, 100, "").ack(7)], "only its end was seen"),
    ] {
        let expected = format!("flow [nothing decoded: no payload: {expected}]");
        assert_eq!(why(Some("http"), &segments), [expected]);
    }
}

#[test]
fn another_protocol_is_named_if_it_is_known() {
    for (port, exchange, expected) in [
        (Some("http"), [(Server, "SSH-2.0-x\r\n"), (Client, "SSH-2.0-y\r\n")], ": ssh"),
        (Some("http"), [(Server, "* OK ready\r\n"), (Client, "a1 NOOP\r\n")], ": imap"),
        (None, [(Server, "+OK ready\r\n"), (Client, "USER a\r\n")], ": pop3"),
        (None, [(Server, "what is\r\n"), (Client, "this\r\n")], ""),
    ] {
        let said = why(port, &talk(&exchange));
        assert_eq!(said, [format!("flow [nothing decoded: another protocol{expected}]")]);
    }
}

#[test]
fn tls_in_place_of_the_protocol() {
    let hello = "\u{16}\u{3}\u{1}\0\u{5}\u{1}hello";
    let said = why(Some("smtp"), &talk(&[(Client, hello)]));
    assert_eq!(said, ["flow [nothing decoded: TLS from the first byte]"]);
}

#[test]
fn what_is_missing_or_cut_off() {
    let cut = talk(&[(Client, "GET / HTTP/1.1\r\nHost")]).into_iter();
    let lost: Vec<_> = cut.map(|segment| segment.captured(0, 0)).collect();
    assert_eq!(
        why(Some("http"), &lost),
        ["flow [nothing decoded: bytes are missing: not-captured]"]
    );
    let older = [client(ACK, 100, "half of a body").ack(7)];
    assert_eq!(
        why(Some("http"), &older),
        ["flow [nothing decoded: the connection is older than the capture]"]
    );
}

#[test]
fn a_flow_with_a_message_needs_no_explanation() {
    let said = why(Some("http"), &talk(&[(Client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")]));
    assert!(said.is_empty(), "{said:?}");
}
