//! What rows say of their segments by those before them.

use super::*;
use crate::capture::TcpHeader;

fn rig() -> Rig {
    Rig::new(Settings { rows: true, ..settings() })
}

/// A rig with rows that has seen the handshake.
fn opened() -> Rig {
    let mut rig = rig();
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.said();
    rig
}

/// The words of the rows since the last time, in front of their flags and numbers.
fn words(rig: &mut Rig) -> Vec<String> {
    let rows = rig.said().into_iter().filter(|line| line.contains("Seq="));
    rows.map(|row| {
        let (words, ports) = row.split_at(row.find(" → ").expect("a row"));
        let words = words.rsplit_once(' ').map_or("", |(words, _)| words);
        let (_, numbers) = ports.split_once('[').expect("flags");
        let side = words.split_once(' ').map_or(words, |(side, _)| side);
        let words = words.strip_prefix(side).unwrap_or_default().trim();
        let numbers = numbers.split(" Win=").next().unwrap_or_default();
        format!("{words}|{side} [{numbers}")
    })
    .collect()
}

fn window(mut segment: Sent, window: u16) -> Sent {
    segment.tcp = TcpHeader { window, ..segment.tcp };
    segment
}

/// A bare acknowledgement of the server.
fn ack(sequence: u32, acknowledgement: u32) -> Sent {
    server(ACK, sequence, "").ack(acknowledgement)
}

#[test]
fn bytes_seen_before_are_a_retransmission() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&client(ACK, 101, "hello\nagain\n").ack(501));
    rig.feed(&client(SYN, 100, ""));
    assert_eq!(
        words(&mut rig),
        [
            "|client [ACK] Seq=1 Ack=1",
            "[TCP Retransmission]|client [ACK] Seq=1 Ack=1",
            "[TCP Retransmission]|client [ACK] Seq=1 Ack=1",
            "[TCP Retransmission]|client [SYN] Seq=0",
        ]
    );
}

#[test]
fn a_retransmission_of_what_was_acknowledged_is_spurious() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&ack(501, 107));
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    assert_eq!(words(&mut rig)[2], "[TCP Spurious Retransmission]|client [ACK] Seq=1 Ack=1");
}

#[test]
fn a_hole_that_is_filled_soon_was_out_of_order_and_late_sent_again() {
    let mut rig = opened();
    rig.feed(&client(ACK, 107, "world\n").ack(501));
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&client(ACK, 119, "more.\n").ack(501));
    rig.now.0 += SECOND / 5;
    rig.feed(&client(ACK, 113, "some,\n").ack(501));
    assert_eq!(
        words(&mut rig),
        [
            "[TCP Previous segment not captured]|client [ACK] Seq=7 Ack=1",
            "[TCP Out-Of-Order]|client [ACK] Seq=1 Ack=1",
            "[TCP Previous segment not captured]|client [ACK] Seq=19 Ack=1",
            "[TCP Retransmission]|client [ACK] Seq=13 Ack=1",
        ]
    );
}

#[test]
fn repeated_acknowledgements_are_numbered_and_name_the_first() {
    let mut rig = opened();
    for sequence in [101, 113, 119] {
        rig.feed(&client(ACK, sequence, "hello\n").ack(501));
        rig.feed(&ack(501, 107));
    }
    rig.feed(&client(ACK, 107, "hello\n").ack(501));
    rig.feed(&ack(501, 125));
    rig.feed(&ack(501, 125));
    assert_eq!(
        words(&mut rig),
        [
            "|client [ACK] Seq=1 Ack=1",
            "|server [ACK] Seq=1 Ack=7",
            "[TCP Previous segment not captured]|client [ACK] Seq=13 Ack=1",
            // The fifth segment of the flow said so first.
            "[TCP Dup ACK 5#1]|server [ACK] Seq=1 Ack=7",
            "|client [ACK] Seq=19 Ack=1",
            "[TCP Dup ACK 5#2]|server [ACK] Seq=1 Ack=7",
            "[TCP Out-Of-Order]|client [ACK] Seq=7 Ack=1",
            "|server [ACK] Seq=1 Ack=25",
            "[TCP Dup ACK 11#1]|server [ACK] Seq=1 Ack=25",
        ]
    );
}

#[test]
fn keep_alives_and_their_answers() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&ack(501, 107));
    for payload in ["", "\n"] {
        rig.feed(&client(ACK, 106, payload).ack(501));
        rig.feed(&ack(501, 107));
    }
    assert_eq!(
        words(&mut rig)[2..],
        [
            "[TCP Keep-Alive]|client [ACK] Seq=6 Ack=1",
            "[TCP Keep-Alive ACK]|server [ACK] Seq=1 Ack=7",
            "[TCP Keep-Alive]|client [ACK] Seq=6 Ack=1",
            "[TCP Keep-Alive ACK]|server [ACK] Seq=1 Ack=7",
        ]
    );
}

#[test]
fn a_window_that_fills_closes_and_opens() {
    let mut rig = opened();
    rig.feed(&window(ack(501, 101), 6));
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&window(ack(501, 107), 0));
    rig.feed(&client(ACK, 107, "!").ack(501));
    rig.feed(&window(ack(501, 107), 0));
    rig.feed(&client(ACK, 107, "!").ack(501));
    rig.feed(&window(ack(501, 108), 0));
    rig.feed(&window(ack(501, 108), 900));
    rig.feed(&client(ACK, 108, "and on\n").ack(501));
    assert_eq!(
        words(&mut rig),
        [
            "[TCP Window Update]|server [ACK] Seq=1 Ack=1",
            "[TCP Window Full]|client [ACK] Seq=1 Ack=1",
            "[TCP ZeroWindow]|server [ACK] Seq=1 Ack=7",
            "[TCP ZeroWindowProbe]|client [ACK] Seq=7 Ack=1",
            "[TCP ZeroWindow] [TCP ZeroWindowProbeAck]|server [ACK] Seq=1 Ack=7",
            "[TCP ZeroWindowProbe]|client [ACK] Seq=7 Ack=1",
            "[TCP ZeroWindow] [TCP ZeroWindowProbeAck]|server [ACK] Seq=1 Ack=8",
            "[TCP Window Update]|server [ACK] Seq=1 Ack=8",
            "|client [ACK] Seq=8 Ack=1",
        ]
    );
}

#[test]
fn an_acknowledgement_of_what_was_not_seen_is_told_of_once() {
    let mut rig = opened();
    for _ in 0..2 {
        rig.feed(&ack(501, 107));
    }
    rig.feed(&client(ACK, 113, "hello\n").ack(501));
    rig.feed(&ack(501, 119));
    assert_eq!(
        words(&mut rig),
        [
            "[TCP ACKed unseen segment]|server [ACK] Seq=1 Ack=7",
            "[TCP Dup ACK 4#1]|server [ACK] Seq=1 Ack=7",
            "[TCP Previous segment not captured]|client [ACK] Seq=13 Ack=1",
            "[TCP ACKed unseen segment]|server [ACK] Seq=1 Ack=19",
        ]
    );
}

#[test]
fn an_acknowledgement_of_cut_or_early_bytes_is_none_of_what_was_not_seen() {
    let mut rig = opened();
    rig.feed(&client(ACK, 107, "world\n").ack(501).captured(0, 2));
    rig.feed(&client(ACK, 101, "hello\n").ack(501).captured(0, 0));
    rig.feed(&client(FIN_ACK, 113, "").ack(501));
    rig.feed(&ack(501, 114));
    assert_eq!(words(&mut rig)[3], "|server [ACK] Seq=1 Ack=14");
}

#[test]
fn a_new_connection_between_the_same_ports() {
    let mut rig = opened();
    rig.feed(&client(SYN, 9000, ""));
    rig.feed(&server(SYN_ACK, 7000, "").ack(9001));
    assert_eq!(
        words(&mut rig),
        ["[TCP Port numbers reused]|client [SYN] Seq=0", "|server [SYN, ACK] Seq=0 Ack=1"]
    );
    // Also long after the one before has ended.
    rig.feed(&server(RST, 7001, "").ack(9001));
    rig.wait(60 * SECOND);
    rig.feed(&client(SYN, 90_000, ""));
    assert_eq!(words(&mut rig)[1], "[TCP Port numbers reused]|client [SYN] Seq=0");
}

#[test]
fn a_packet_of_several_records_is_one_segment() {
    let mut rig = opened();
    for _ in 0..2 {
        let packet = client(ACK, 101, "hello\nworld\n").ack(501);
        rig.feed(&packet.clone().captured(0, 4).more());
        rig.feed(&packet.captured(4, 12));
    }
    assert_eq!(
        words(&mut rig),
        ["|client [ACK] Seq=1 Ack=1", "[TCP Retransmission]|client [ACK] Seq=1 Ack=1"]
    );
}

#[test]
fn blocks_of_a_selective_acknowledgement_count_from_the_bytes_that_they_name() {
    let mut rig = opened();
    let sack = TcpOptions::new(&[1, 1, 5, 10, 0, 0, 0, 113, 0, 0, 0, 119]);
    rig.feed(&ack(501, 107).options(sack));
    let row = rig.said().pop().expect("a row");
    assert!(row.ends_with("Seq=1 Ack=7 Win=1000 Len=0 SLE=13 SRE=19"), "{row}");
}

#[test]
fn the_counters_of_the_end_are_those_of_the_words() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&ack(501, 107));
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&client(ACK, 113, "later\n").ack(501));
    rig.feed(&client(ACK, 107, "early\n").ack(501));
    rig.feed(&client(FIN_ACK, 119, "").ack(501));
    rig.feed(&client(FIN_ACK, 119, "").ack(501));
    rig.feed(&client(ACK, 119, "").ack(501));
    let said = rig.finish();
    let count = |word: &str| said.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count("Retransmission]"), count("Out-Of-Order]")), (3, 1), "{said:?}");
    assert!(said.iter().any(|line| line.contains("3 again, 1 early")), "{said:?}");
}
