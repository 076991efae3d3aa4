//! One test for each situation that the bytes of a flow can get into.

use super::*;

#[test]
fn a_connection_in_order() {
    let mut segments = handshake();
    segments.extend([
        client(ACK, 101, "hello\n").ack(501),
        server(ACK, 501, "world\n").ack(107),
        client(FIN_ACK, 107, "").ack(507),
        server(FIN_ACK, 507, "bye\n").ack(108),
        client(ACK, 108, "").ack(512),
    ]);
    assert_eq!(
        run(&segments),
        [
            "flow open syn",
            "client line hello",
            "server line world",
            "client close",
            "server line bye",
            "server close",
            "client finish",
            "flow end closed",
            "flow 6+10 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed",
        ]
    );
}

#[test]
fn a_message_in_several_segments() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "he"));
    rig.feed(&client(ACK, 103, "ll"));
    assert!(rig.said().is_empty());
    rig.feed(&client(ACK, 105, "o\nwor"));
    rig.feed(&client(ACK, 110, "ld\n"));
    assert_eq!(rig.said(), ["client line hello", "client line world"]);
}

#[test]
fn segments_in_the_wrong_order() {
    let mut rig = opened();
    rig.feed(&client(ACK, 109, "three\n"));
    rig.feed(&client(ACK, 105, "two\n"));
    assert!(rig.said().is_empty());
    rig.feed(&client(ACK, 101, "one\n"));
    assert_eq!(rig.said(), ["client line one", "client line two", "client line three"]);
    let end = rig.finish();
    assert_eq!(end[2], "flow 14+0 bytes, 0 again, 2 early, 0 gaps of 0, 0 passed");
}

#[test]
fn a_retransmission_says_nothing_again() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 103, "e\ntwo\n"));
    assert_eq!(rig.said(), ["client line one", "client line two"]);
    assert_eq!(rig.finish()[2], "flow 8+0 bytes, 2 again, 0 early, 0 gaps of 0, 0 passed");
}

#[test]
fn delivered_bytes_are_not_replaced_by_an_overlap() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\ntw"));
    rig.feed(&client(ACK, 101, "XXX\nXXo\n"));
    assert_eq!(rig.said(), ["client line one", "client line two"]);
}

#[test]
fn a_segment_in_order_wins_over_what_came_too_early() {
    let mut rig = opened();
    rig.feed(&client(ACK, 103, "XX\nend\n"));
    rig.feed(&client(ACK, 101, "abcd"));
    assert_eq!(rig.said(), ["client line abcd", "client line end"]);
}

#[test]
fn sequence_numbers_wrap() {
    let isn = u32::MAX - 3;
    let mut rig = Rig::new(settings());
    rig.feed(&client(SYN, isn, ""));
    rig.feed(&server(SYN_ACK, u32::MAX, "").ack(isn.wrapping_add(1)));
    rig.feed(&client(ACK, 5, "lo\n"));
    rig.feed(&client(ACK, u32::MAX - 2, "hel"));
    rig.feed(&client(ACK, 0, "-lo, "));
    rig.feed(&server(ACK, 0, "yes\n").ack(8));
    rig.feed(&client(FIN_ACK, 8, ""));
    assert_eq!(
        rig.said(),
        ["flow open syn", "client line hel-lo, lo", "server line yes", "client close"]
    );
}

#[test]
fn data_stands_on_the_syn() {
    let mut rig = Rig::new(settings());
    rig.feed(&client(SYN, 100, "early\n"));
    rig.feed(&server(SYN_ACK, 500, "").ack(107));
    rig.feed(&client(ACK, 101, "early\n"));
    rig.feed(&client(ACK, 107, "late\n"));
    assert_eq!(rig.said(), ["flow open syn", "client line early", "client line late"]);
}

#[test]
fn the_answer_comes_before_the_syn() {
    let mut rig = Rig::new(settings());
    rig.feed(&server(SYN_ACK, 500, "").ack(101));
    rig.feed(&client(SYN, 100, ""));
    rig.feed(&client(ACK, 101, "hello\n"));
    assert_eq!(rig.said(), ["flow open syn", "client line hello"]);
}

#[test]
fn the_syn_and_its_answer_come_behind_the_data() {
    let mut rig = Rig::new(settings());
    rig.feed(&client(ACK, 101, "hello\n").ack(501));
    rig.feed(&client(SYN, 100, ""));
    rig.feed(&server(SYN_ACK, 500, "").ack(101));
    rig.feed(&server(ACK, 501, "yes\n"));
    let said = rig.said();
    assert_eq!(said.last().map(String::as_str), Some("server line yes"));
    assert!(!said.iter().any(|line| line.contains("reused")), "{said:?}");
}

#[test]
fn a_connection_that_was_there_before() {
    let mut rig = Rig::new(settings());
    rig.feed(&server(ACK, 9000, "ail\nyes\n").ack(3000));
    rig.feed(&client(ACK, 3000, "and\nmore\n").ack(9008));
    assert_eq!(
        rig.said(),
        [
            "flow open midstream",
            "server told ?",
            "server gap 4 midstream",
            "server line yes",
            "client told ?",
            "client gap 4 midstream",
            "client line more",
        ]
    );
}

#[test]
fn a_keep_alive_is_the_first_that_is_seen_of_a_side() {
    let mut rig = Rig::new(settings());
    rig.feed(&server(ACK, 9000, "x\n").ack(3000));
    rig.feed(&client(ACK, 2999, "").ack(9002));
    rig.said();
    rig.feed(&client(ACK, 3000, "x\nyes\n").ack(9002));
    assert_eq!(rig.said(), ["client told ?", "client gap 2 midstream", "client line yes"]);
}

#[test]
fn probes_are_no_data() {
    let mut rig = opened();
    rig.feed(&client(ACK, 100, "").ack(501));
    rig.feed(&client(ACK, 101, "one\ntw").ack(501));
    rig.feed(&client(ACK, 106, "").ack(501));
    rig.feed(&client(ACK, 106, "X").ack(501));
    rig.feed(&client(ACK, 107, "o\n").ack(501));
    assert_eq!(rig.said(), ["client line one", "client line two"]);
    assert_eq!(rig.finish()[2], "flow 8+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed");
}

#[test]
fn a_hole_is_given_up_when_the_peer_has_acknowledged_it() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 109, "ee\nfour\n"));
    rig.feed(&server(ACK, 501, "").ack(105));
    assert_eq!(rig.said(), ["client line one"]);
    rig.feed(&server(ACK, 501, "").ack(117));
    assert!(rig.said().is_empty());
    rig.wait(SECOND);
    assert_eq!(
        rig.said(),
        [
            "client gap 4 not-captured",
            "client told 4",
            "client gap 3 not-captured",
            "client line four",
        ]
    );
}

#[test]
fn a_capture_shows_bytes_behind_what_follows_and_acknowledges_them() {
    let mut rig = opened();
    rig.feed(&client(ACK, 105, "two\n"));
    rig.feed(&server(ACK, 501, "yes\n").ack(109));
    rig.feed(&server(FIN_ACK, 505, "").ack(109));
    rig.feed(&client(ACK, 101, "one\n"));
    assert_eq!(
        rig.said(),
        ["server line yes", "server close", "client line one", "client line two"]
    );
}

#[test]
fn an_acknowledged_hole_is_given_up_when_enough_has_come_behind_it() {
    let mut rig = opened();
    rig.feed(&client(ACK, 105, "two\n").ack(501));
    for number in 0..7 {
        rig.feed(&server(ACK, 501 + number, "s").ack(109));
    }
    assert!(rig.said().is_empty());
    rig.feed(&server(ACK, 508, "s").ack(109));
    assert_eq!(rig.said()[..2], ["client gap 4 not-captured", "client told 4"]);
}

#[test]
fn an_acknowledgement_brings_the_end_of_the_wait_forward() {
    let mut rig = opened();
    rig.feed(&client(ACK, 105, "x\ntwo\n"));
    rig.wait(SECOND);
    rig.feed(&server(ACK, 501, "").ack(111));
    assert_eq!(rig.said()[..2], ["client gap 4 not-captured", "client told 4"]);
    rig.feed(&client(ACK, 115, "x\nthree\n"));
    rig.feed(&server(ACK, 501, "").ack(123));
    assert!(rig.said().is_empty());
    rig.wait(SECOND);
    assert_eq!(rig.said()[..2], ["client gap 4 not-captured", "client told 4"]);
}

#[test]
fn a_closed_flow_with_a_hole_is_closed_at_the_end_of_the_source() {
    let mut rig = opened();
    rig.feed(&client(FIN_ACK, 105, "").ack(501));
    rig.feed(&server(FIN_ACK, 501, "").ack(106));
    let end = rig.finish();
    assert!(end.contains(&"flow end closed".to_owned()), "{end:?}");
}

#[test]
fn what_was_acknowledged_and_never_seen_is_a_gap_when_the_next_bytes_come() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&server(ACK, 501, "yes\n").ack(109));
    assert_eq!(rig.said(), ["client line one", "server line yes"]);
    rig.feed(&client(ACK, 109, "\nthree\n"));
    rig.wait(SECOND);
    assert_eq!(rig.said()[..2], ["client gap 4 not-captured", "client told 4"]);
}

#[test]
fn what_the_ring_lost_is_told_apart() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n").lost(3));
    rig.feed(&client(ACK, 109, "\nthree\n").lost(4));
    rig.feed(&server(ACK, 501, "").ack(116).lost(4));
    rig.feed(&client(ACK, 126, "\nfive\n").lost(4));
    rig.feed(&server(ACK, 501, "").ack(132).lost(9));
    rig.wait(SECOND);
    let gaps: Vec<_> = rig.said().into_iter().filter(|line| line.contains("gap")).collect();
    assert_eq!(
        gaps,
        [
            "client gap 4 ring-full",
            "client gap 1 ring-full",
            "client gap 10 not-captured",
            "client gap 1 not-captured",
        ]
    );
}

#[test]
fn a_hole_is_given_up_after_a_time() {
    let mut rig = opened();
    rig.feed(&client(ACK, 105, "x\ntwo\n"));
    rig.wait(9 * SECOND);
    assert!(rig.said().is_empty());
    rig.wait(SECOND);
    assert_eq!(
        rig.said(),
        [
            "client gap 4 not-captured",
            "client told 4",
            "client gap 2 not-captured",
            "client line two",
        ]
    );
}

#[test]
fn a_hole_is_given_up_at_the_end_of_the_flow() {
    let mut rig = opened();
    rig.feed(&client(ACK, 105, "x\ntwo\n"));
    assert_eq!(
        rig.finish(),
        [
            "client gap 4 not-captured",
            "client told 4",
            "client gap 2 not-captured",
            "client line two",
            "client finish",
            "flow end end",
            "flow 10+0 bytes, 0 again, 0 early, 2 gaps of 6, 0 passed",
        ]
    );
}

#[test]
fn a_fin_behind_a_hole_waits_for_it() {
    let mut rig = opened();
    rig.feed(&client(FIN_ACK, 105, "two\n"));
    assert!(rig.said().is_empty());
    rig.feed(&client(ACK, 101, "one\n"));
    assert_eq!(rig.said(), ["client line one", "client line two", "client close"]);
}

#[test]
fn a_fin_behind_lost_bytes_that_were_acknowledged() {
    let mut rig = opened();
    rig.feed(&client(FIN_ACK, 105, ""));
    rig.feed(&server(ACK, 501, "").ack(106));
    rig.wait(SECOND);
    assert_eq!(rig.said(), ["client gap 4 not-captured", "client told 4", "client close"]);
}

#[test]
fn what_is_left_at_a_gap_is_told_with_it() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "!left"));
    rig.feed(&client(ACK, 110, "\nnext\n"));
    rig.feed(&server(ACK, 501, "").ack(116));
    rig.wait(SECOND);
    assert_eq!(
        rig.said(),
        [
            "client gap 9 not-captured",
            "client told 4",
            "client gap 1 not-captured",
            "client line next",
        ]
    );
}

#[test]
fn a_segment_that_the_capture_cut() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\ntwo\nthr").captured(0, 6));
    assert_eq!(rig.said(), ["client line one"]);
    rig.feed(&client(ACK, 112, "ee\nfour\n"));
    assert_eq!(
        rig.said(),
        [
            "client cut tw",
            "client gap 5 not-captured",
            "client told 5",
            "client gap 3 not-captured",
            "client line four",
        ]
    );
}

#[test]
fn segments_without_any_captured_byte_are_one_gap() {
    let mut rig = opened();
    for start in [101, 105, 109] {
        rig.feed(&client(ACK, start, "xxxx").captured(0, 0));
    }
    rig.feed(&client(ACK, 113, "\nyes\n"));
    assert_eq!(
        rig.said(),
        [
            "client gap 12 not-captured",
            "client told 12",
            "client gap 1 not-captured",
            "client line yes",
        ]
    );
}

#[test]
fn what_was_cut_at_the_end_of_the_flow_is_a_gap() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\ntwo\n").captured(0, 4));
    let end = rig.finish();
    assert_eq!(end[..3], ["client line one", "client gap 4 not-captured", "client told 4"]);
}

#[test]
fn bytes_before_the_captured_ones_are_missing_unless_they_are_there_already() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 101, "one\ntwo\n").captured(4, 8));
    assert_eq!(rig.said(), ["client line one", "client line two"]);
    rig.feed(&client(ACK, 109, "three\nfour\n").captured(6, 11));
    assert_eq!(rig.said()[..2], ["client gap 6 not-captured", "client told 6"]);
}

#[test]
fn a_packet_in_several_records() {
    let mut rig = opened();
    let packet = client(ACK, 101, "one\ntwo\nthree\n");
    rig.feed(&packet.clone().captured(0, 5).more());
    rig.feed(&packet.clone().captured(5, 10).more());
    rig.feed(&packet.captured(10, 14));
    assert_eq!(rig.said(), ["client line one", "client line two", "client line three"]);
    assert_eq!(rig.finish()[2], "flow 14+0 bytes, 0 again, 0 early, 0 gaps of 0, 0 passed");
}

#[test]
fn unwanted_bytes_pass_captured_or_not() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "skip 10\nab"));
    rig.feed(&client(ACK, 111, "cdef").captured(0, 0));
    rig.feed(&client(ACK, 115, "ghijnext\n").captured(2, 9));
    assert_eq!(rig.said(), ["client line skip 10", "client passed", "client line next"]);
    assert_eq!(rig.finish()[2], "flow 23+0 bytes, 0 again, 0 early, 0 gaps of 0, 8 passed");
}

#[test]
fn unwanted_bytes_that_came_too_early_are_not_held() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "skip 100000\n"));
    let before = rig.table.counters().memory;
    let chunk = "x".repeat(10_000);
    for number in [1, 2, 3, 4, 6, 7, 8] {
        rig.feed(&client(ACK, 113 + number * 10_000, &chunk));
    }
    rig.feed(&client(ACK, 113 + 90_000, &format!("{chunk}next\n")));
    assert!(rig.table.counters().memory - before < 2_000, "held {}", rig.table.counters().memory);
    rig.feed(&client(ACK, 113, &chunk));
    rig.feed(&client(ACK, 113 + 50_000, &chunk));
    assert_eq!(rig.said(), ["client line skip 100000", "client passed", "client line next"]);
}

#[test]
fn a_hole_in_unwanted_bytes_is_a_gap_that_costs_no_step() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "skip 10\nab"));
    rig.feed(&client(ACK, 115, "ghijnext\n"));
    rig.feed(&server(ACK, 501, "").ack(124));
    rig.wait(SECOND);
    assert_eq!(
        rig.said(),
        [
            "client line skip 10",
            "client gap 4 not-captured",
            "client told 4",
            "client passed",
            "client line next",
        ]
    );
}

#[test]
fn what_waits_for_the_other_side_is_offered_again() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "wait\none\nwait\ntwo\n"));
    assert_eq!(rig.said(), ["client line wait"]);
    rig.feed(&server(ACK, 501, "a\n"));
    assert_eq!(rig.said(), ["server line a", "client line one", "client line wait"]);
    rig.feed(&server(ACK, 503, "b\n"));
    assert_eq!(rig.said(), ["server line b", "client line two"]);
}

#[test]
fn a_fin_does_not_cut_what_waits_for_the_other_side() {
    let mut rig = opened();
    rig.feed(&client(FIN_ACK, 101, "wait\none\n"));
    assert_eq!(rig.said(), ["client line wait"]);
    rig.feed(&server(FIN_ACK, 501, "a\n"));
    assert_eq!(
        rig.said()[..4],
        ["server line a", "server close", "client line one", "client close"]
    );
}
