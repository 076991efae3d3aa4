//! Flows that are not followed, or no longer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::*;
use crate::flow::Gate;

/// Open or shut; counts what it turned away.
#[derive(Clone, Default)]
struct Door {
    shut: Arc<AtomicBool>,
    turned: Arc<AtomicU64>,
}

impl Gate for Door {
    fn admits(&mut self, _: &Segment<'_>) -> bool {
        let shut = self.shut.load(Ordering::Relaxed);
        self.turned.fetch_add(u64::from(shut), Ordering::Relaxed);
        !shut
    }

    fn shed(&self) -> u64 {
        7
    }
}

fn guarded() -> (Rig, Door) {
    let door = Door::default();
    let mut rig = Rig::new(settings());
    rig.table.set_gate(Box::new(door.clone()));
    (rig, door)
}

#[test]
fn behind_a_shut_gate_known_flows_go_on_and_unknown_ones_in_mid_stream_do_not_begin() {
    let (mut rig, door) = guarded();
    for segment in handshake() {
        rig.feed(&segment);
    }
    door.shut.store(true, Ordering::Relaxed);
    rig.feed(&client(ACK, 101, "one\n"));
    assert_eq!(rig.said(), ["flow open syn", "client line one"]);
    rig.feed(&client(ACK, 1, "of another\n").port(40_001));
    rig.feed(&server(SYN_ACK, 1, "").ack(1).port(40_002));
    rig.feed(&server(FIN_ACK, 9, "").ack(1).port(40_001));
    assert_eq!(rig.said(), [""; 0]);
    // A bare FIN of an unknown flow begins none anyway.
    assert_eq!(door.turned.load(Ordering::Relaxed), 2);
    let counters = rig.table.counters();
    assert_eq!((counters.unfollowed, counters.total, counters.shed), (2, 1, 7));
}

#[test]
fn a_shut_gate_is_not_asked_of_a_syn_which_the_kernel_side_has_let_through() {
    let (mut rig, door) = guarded();
    door.shut.store(true, Ordering::Relaxed);
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.feed(&client(ACK, 101, "one\n"));
    assert_eq!(rig.said(), ["flow open syn", "client line one"]);
    assert_eq!(door.turned.load(Ordering::Relaxed), 0);
}

#[test]
fn packets_of_several_records_are_turned_away_once() {
    let (mut rig, door) = guarded();
    door.shut.store(true, Ordering::Relaxed);
    rig.feed(&client(ACK, 101, "one and the rest\n").captured(0, 4).more());
    rig.feed(&client(ACK, 101, "one and the rest\n").captured(4, 17));
    assert_eq!(rig.table.counters().unfollowed, 1);
}

#[test]
fn an_open_gate_lets_flows_in_in_mid_stream() {
    let (mut rig, _door) = guarded();
    rig.feed(&client(ACK, 101, "one\n"));
    assert_eq!(rig.said(), ["flow open midstream", "client told ?"]);
}

#[test]
fn a_flow_is_given_up_whole_and_says_so() {
    let mut rig = opened();
    rig.feed(&client(SYN, 900, "").port(40_001));
    rig.feed(&client(ACK, 101, "!half a li"));
    rig.said();
    let Rig { table, said, now, .. } = &mut rig;
    let mut asked = Vec::new();
    let mut picks = |client: &Endpoint, server: &Endpoint, syn: Option<u32>| {
        asked.push((client.port, server.port, syn));
        client.port == 40_000
    };
    assert_eq!(table.give_up(&mut picks, *now, said), 1);
    asked.sort_unstable();
    assert_eq!(asked, [(40_000, PORT, Some(100)), (40_001, PORT, Some(900))]);
    let said = rig.said();
    assert!(said.contains(&"client gap 10 overload".to_owned()), "{said:?}");
    assert!(said.contains(&"flow end shed".to_owned()), "{said:?}");
    let counters = rig.table.counters();
    assert_eq!((counters.given_up, counters.open, counters.total), (1, 1, 2));
    // It is not known any more: the next byte begins it anew, if that is let.
    rig.feed(&client(ACK, 111, "next\n"));
    assert_eq!(rig.said(), ["flow open midstream", "client told ?"]);
}
