//! Which segments make a flow, which one they belong to, and how it ends.

use super::*;

#[test]
fn a_second_capture_point_says_nothing() {
    let mut segments = handshake();
    segments.extend([
        client(ACK, 101, "hello\n").ack(501),
        server(ACK, 501, "world\n").ack(107),
        client(FIN_ACK, 107, "").ack(507),
        server(FIN_ACK, 507, "").ack(108),
        client(ACK, 108, "").ack(508),
    ]);
    let once = run(&segments);
    for twice in [
        segments.iter().flat_map(|sent| [sent.clone(), sent.clone().at(2)]).collect::<Vec<_>>(),
        segments.iter().cloned().chain(segments.iter().map(|sent| sent.clone().at(2))).collect(),
    ] {
        let mut rig = Rig::new(Settings { rows: false, ..settings() });
        for segment in &twice {
            rig.feed(segment);
        }
        assert_eq!(rig.finish(), once);
        assert_eq!(rig.table.counters().duplicate, segments.len() as u64);
        assert_eq!(rig.table.counters().total, 1);
    }
}

#[test]
fn another_capture_point_goes_on_where_the_owner_is_silent() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 105, "two\n").at(2));
    rig.feed(&client(ACK, 105, "two\n"));
    rig.feed(&client(ACK, 109, "three\n"));
    rig.feed(&client(ACK, 109, "three\n").at(2));
    assert_eq!(rig.said(), ["client line one", "client line two", "client line three"]);
    assert_eq!(rig.table.counters().duplicate, 2);
    assert_eq!(rig.finish()[2], "flow 14+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed");
}

#[test]
fn another_capture_point_fills_what_the_owner_lost() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 109, "three\n").lost(1));
    rig.feed(&client(ACK, 101, "one\n").at(2));
    rig.feed(&client(ACK, 105, "two\n").at(2));
    rig.feed(&client(ACK, 109, "three\n").at(2));
    assert_eq!(rig.said(), ["client line one", "client line two", "client line three"]);
    assert_eq!(rig.table.counters().duplicate, 3);
}

#[test]
fn a_fin_or_a_late_reset_of_another_capture_point_is_believed() {
    let mut rig = opened();
    rig.feed(&client(FIN_ACK, 101, "").at(2));
    assert_eq!(rig.said(), ["client close"]);
    rig.feed(&server(RST, 501, "").at(2));
    assert!(rig.said().is_empty());
    rig.now.0 += 2 * SECOND;
    rig.feed(&server(RST, 501, "").at(2));
    assert_eq!(rig.said()[..2], ["client finish", "flow end reset"]);
}

#[test]
fn a_new_connection_may_belong_to_another_capture_point() {
    let mut rig = opened();
    rig.feed(&client(SYN, 90_000, "").at(2));
    rig.feed(&client(ACK, 90_001, "hello\n").at(2));
    assert_eq!(
        rig.said(),
        [
            "client finish",
            "flow end reused",
            "flow 0+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed",
            "flow open syn",
            "client line hello",
        ]
    );
    assert_eq!(rig.table.counters().duplicate, 0);
}

#[test]
fn a_new_connection_whose_syn_nobody_saw() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 0x6000_0000, "x\ntwo\n"));
    assert_eq!(
        rig.said(),
        [
            "client line one",
            "client finish",
            "flow end reused",
            "flow 4+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed",
            "flow open midstream",
            "client told ?",
            "client gap 2 midstream",
            "client line two",
        ]
    );
}

#[test]
fn a_syn_again_is_no_new_connection() {
    let mut rig = opened();
    rig.feed(&client(SYN, 100, ""));
    rig.feed(&server(SYN_ACK, 500, "").ack(101));
    rig.feed(&client(ACK, 101, "hello\n"));
    rig.feed(&client(SYN, 100, ""));
    assert_eq!(rig.said(), ["client line hello"]);
}

#[test]
fn late_segments_of_an_ended_flow_make_no_new_one() {
    let mut rig = opened();
    rig.feed(&client(FIN_ACK, 101, "hello\n").ack(501));
    rig.feed(&server(FIN_ACK, 501, "").ack(108));
    assert_eq!(
        rig.said().last().map(String::as_str),
        Some("flow 6+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed")
    );
    rig.feed(&client(ACK, 108, "").ack(502));
    rig.feed(&client(FIN_ACK, 101, "hello\n").ack(501));
    rig.wait(4 * SECOND);
    rig.feed(&client(FIN_ACK, 101, "hello\n").ack(501));
    assert!(rig.said().is_empty());
    assert_eq!(rig.table.counters().open, 0);
    rig.wait(2 * SECOND);
    assert_eq!(rig.table.counters().memory, 0, "an ended flow stays for a while only");
}

#[test]
fn a_new_connection_on_the_ports_of_an_ended_one() {
    let mut rig = opened();
    rig.feed(&server(RST, 501, ""));
    rig.said();
    rig.feed(&client(SYN, 70_000, ""));
    rig.feed(&server(SYN_ACK, 80_000, "").ack(70_001));
    rig.feed(&client(ACK, 70_001, "hello\n"));
    assert_eq!(rig.said(), ["flow open syn", "client line hello"]);
    assert_eq!(rig.table.counters().total, 2);
}

#[test]
fn a_reset_ends_both_sides_without_their_close() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "hello\nhalf"));
    rig.feed(&server(RST, 501, ""));
    assert_eq!(
        rig.said(),
        [
            "client line hello",
            "client cut half",
            "client finish",
            "flow end reset",
            "flow 10+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed",
        ]
    );
}

#[test]
fn who_has_reset_the_connection_goes_on() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n").ack(501));
    rig.feed(&client(RST, 105, "").ack(501));
    rig.said();
    rig.feed(&client(ACK, 101, "one\n").ack(501));
    rig.feed(&server(ACK, 501, "late\n").ack(105));
    assert!(rig.said().is_empty(), "what was on its way makes no new flow");
    rig.feed(&client(ACK, 105, "two\nthree\n").ack(501));
    rig.feed(&server(ACK, 501, "x\nyes\n").ack(115));
    assert_eq!(
        rig.said(),
        [
            "flow open midstream",
            "client told ?",
            "client gap 4 midstream",
            "client line three",
            "server told ?",
            "server gap 2 midstream",
            "server line yes",
        ]
    );
}

#[test]
fn a_reset_out_of_the_window_is_not_believed() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n").ack(501));
    rig.feed(&client(RST, 90, ""));
    rig.feed(&client(RST, 0x7000_0000, ""));
    rig.feed(&client(ACK, 105, "two\n").ack(501));
    assert_eq!(rig.said(), ["client line one", "client line two"]);
}

#[test]
fn a_bare_segment_of_an_unknown_flow_makes_none() {
    let mut rig = Rig::new(settings());
    rig.feed(&client(ACK, 101, "").ack(501));
    rig.feed(&client(FIN_ACK, 101, "").ack(501));
    rig.feed(&server(RST, 501, ""));
    assert_eq!(rig.table.counters(), crate::stats::FlowCounters::default());
    assert!(rig.finish().is_empty());
}

#[test]
fn a_silent_flow_is_let_go() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "half"));
    rig.wait(299 * SECOND);
    assert!(rig.said().is_empty());
    rig.wait(2 * SECOND);
    assert_eq!(
        rig.said(),
        [
            "client cut half",
            "client finish",
            "flow end idle",
            "flow 4+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed",
        ]
    );
    assert_eq!(rig.table.counters().memory, 0);
}

#[test]
fn only_the_silent_flow_is_let_go() {
    let mut rig = Rig::new(settings());
    rig.feed(&client(SYN, 100, "").port(1));
    rig.feed(&client(SYN, 100, "").port(2));
    rig.wait(200 * SECOND);
    rig.feed(&server(SYN_ACK, 500, "").ack(101).port(1));
    rig.wait(200 * SECOND);
    assert_eq!(rig.table.counters().open, 1);
    rig.feed(&client(ACK, 101, "hello\n").port(1));
    assert_eq!(rig.said().last().map(String::as_str), Some("client line hello"));
}

#[test]
fn vlans_tell_flows_apart() {
    let tagged = |outer, inner| Vlan { outer, inner };
    let vlans = [
        tagged(None, None),
        tagged(Some(0), None),
        tagged(Some(1), None),
        tagged(Some(1), Some(1)),
        tagged(None, Some(1)),
    ];
    let mut rig = Rig::new(settings());
    for vlan in vlans {
        rig.feed(&Sent { vlan, ..client(SYN, 100, "") });
        rig.feed(&Sent { vlan, ..server(SYN_ACK, 500, "").ack(101) });
    }
    assert_eq!(rig.table.counters().total, vlans.len() as u64);
    assert_eq!(rig.table.counters().duplicate, 0);
}

#[test]
fn untraced_ports_make_no_flow() {
    let mut rig = Rig::new(Settings { ports: Vec::new(), rows: true, ..settings() });
    rig.feed(&client(SYN, 100, "hello\n"));
    assert!(rig.finish().is_empty());
}
