//! One test for each situation that a flow can get into.

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
fn a_hole_is_given_up_when_the_peer_has_acknowledged_it() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "one\n"));
    rig.feed(&client(ACK, 109, "ee\nfour\n"));
    assert_eq!(rig.said(), ["client line one"]);
    rig.feed(&server(ACK, 501, "").ack(117));
    assert_eq!(
        rig.said(),
        [
            "client gap 4 not-captured",
            "client told 4",
            "client line four",
            "client gap 3 not-captured",
        ]
    );
}
