//! Rows of the segments view.

use super::*;

fn rig() -> Rig {
    Rig::new(Settings { rows: true, ..settings() })
}

fn scale(shift: u8) -> TcpOptions {
    TcpOptions::new(&[3, 3, shift])
}

#[test]
fn numbers_count_from_the_syn_and_windows_are_scaled() {
    let mut rig = rig();
    rig.feed(&client(SYN, 100, "").options(scale(7)));
    rig.feed(&server(SYN_ACK, 500, "").ack(101).options(scale(2)));
    rig.feed(&client(ACK, 101, "").ack(501));
    rig.feed(&server(ACK, 501, "yes\n").ack(101));
    rig.feed(&server(FIN_ACK, 505, "").ack(101));
    rig.feed(&client(FIN_ACK, 101, "").ack(506));
    rig.feed(&server(ACK, 506, "").ack(102));
    let rows: Vec<_> = rig.said().into_iter().filter(|line| line.contains("Seq=")).collect();
    assert_eq!(
        rows,
        [
            "client 40000 → 7 [SYN] Seq=0 Win=1000 Len=0 WS=128",
            "server 7 → 40000 [SYN, ACK] Seq=0 Ack=1 Win=1000 Len=0 WS=4",
            "client 40000 → 7 [ACK] Seq=1 Ack=1 Win=128000 Len=0",
            "server 7 → 40000 [ACK] Seq=1 Ack=1 Win=4000 Len=4",
            "server 7 → 40000 [FIN, ACK] Seq=5 Ack=1 Win=4000 Len=0",
            "client 40000 → 7 [FIN, ACK] Seq=1 Ack=6 Win=128000 Len=0",
            "server 7 → 40000 [ACK] Seq=6 Ack=2 Win=4000 Len=0",
        ]
    );
}

#[test]
fn windows_are_raw_where_one_side_does_not_scale() {
    let mut rig = rig();
    rig.feed(&client(SYN, 100, "").options(scale(7)));
    rig.feed(&server(SYN_ACK, 500, "").ack(101));
    rig.feed(&client(ACK, 101, "").ack(501));
    assert_eq!(
        rig.said().last().map(String::as_str),
        Some("client 40000 → 7 [ACK] Seq=1 Ack=1 Win=1000 Len=0")
    );
}

#[test]
fn in_mid_stream_numbers_count_from_what_is_seen_first() {
    let mut rig = rig();
    let times = TcpOptions::new(&[8, 10, 0, 0, 0, 9, 0, 0, 0, 8]);
    rig.feed(&client(ACK, 3000, "").ack(9000).options(times));
    rig.feed(&server(ACK, 9000, "").ack(3000));
    assert_eq!(
        rig.said(),
        [
            "client 40000 → 7 [ACK] Seq=1 Ack=1 Win=1000 Len=0 TSval=9 TSecr=8",
            "server 7 → 40000 [ACK] Seq=1 Ack=1 Win=1000 Len=0",
        ]
    );
    rig.feed(&client(ACK, 3000, "x\nyes\n").ack(9000));
    assert_eq!(
        rig.said(),
        [
            "flow open midstream",
            "client told ?",
            "client gap 2 midstream",
            "client line yes",
            "client 40000 → 7 [ACK] Seq=1 Ack=1 Win=1000 Len=6",
        ]
    );
}

#[test]
fn a_flow_without_syn_and_payload_has_rows_only() {
    let mut rig = rig();
    rig.feed(&client(ACK, 3000, "").ack(9000));
    rig.feed(&server(RST, 9000, ""));
    assert_eq!(
        rig.finish(),
        [
            "client 40000 → 7 [ACK] Seq=1 Ack=1 Win=1000 Len=0",
            "client finish",
            "server 7 → 40000 [RST] Seq=1 Win=1000 Len=0",
        ]
    );
    assert_eq!(rig.table.counters().total, 0);
}

#[test]
fn a_row_for_each_segment_and_none_for_duplicates() {
    let mut rig = rig();
    let packet = client(SYN, 100, "one\ntwo\n");
    rig.feed(&packet.clone().captured(0, 5).more());
    rig.feed(&packet.clone().captured(5, 8));
    rig.feed(&packet.clone().at(2));
    rig.feed(&packet);
    let rows = rig.said().into_iter().filter(|line| line.contains("Seq=")).count();
    assert_eq!(rows, 2, "the packet and its repetition");
}

#[test]
fn a_packet_of_several_records_ends_the_stream_with_its_last() {
    let mut rig = Rig::new(settings());
    for segment in handshake() {
        rig.feed(&segment);
    }
    let packet = client(FIN_ACK, 101, "one\ntwo\nthree\n").ack(501);
    for interface in [1, 2] {
        rig.feed(&packet.clone().at(interface).captured(0, 6).more());
        rig.feed(&packet.clone().at(interface).captured(6, 10).more());
        rig.feed(&packet.clone().at(interface).captured(10, 14));
    }
    assert_eq!(
        rig.said(),
        [
            "flow open syn",
            "client line one",
            "client line two",
            "client line three",
            "client close"
        ]
    );
    assert_eq!(rig.table.counters().duplicate, 1, "one packet, however many records");
}

#[test]
fn a_packet_of_several_records_is_offered_whole_to_the_decoder() {
    let mut rig = rig();
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.said();
    let packet = client(ACK, 101, "one line\nand another\n").ack(501);
    rig.feed(&packet.clone().captured(0, 4).more());
    rig.feed(&packet.clone().captured(4, 12).more());
    assert!(rig.said().is_empty());
    rig.feed(&packet.captured(12, 21));
    assert_eq!(
        rig.said(),
        [
            "client line one line",
            "client line and another",
            "client 40000 → 7 [ACK] Seq=1 Ack=1 Win=1000 Len=21"
        ]
    );
}
