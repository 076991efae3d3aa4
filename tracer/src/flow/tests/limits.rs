//! Limits of what may be held.

use super::*;

#[test]
fn a_stream_that_says_nothing_reaches_its_limit() {
    let mut rig = Rig::new(Settings { stream_limit: 1000, ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.feed(&client(ACK, 101, &format!("!{}", "x".repeat(599))));
    rig.said();
    rig.feed(&client(ACK, 701, &"y".repeat(600)));
    assert_eq!(rig.said(), ["client gap 1200 stream-limit", "client told 1200"]);
    rig.feed(&client(ACK, 1301, "\nnext\n"));
    assert_eq!(rig.said(), ["client gap 1 stream-limit", "client line next"]);
}

#[test]
fn what_the_decoder_takes_at_the_limit_keeps_the_step() {
    let mut rig = Rig::new(Settings { stream_limit: 1000, ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.said();
    rig.feed(&client(ACK, 101, &"x".repeat(1100)));
    let said = rig.said();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("client cut xxx"), "{said:?}");
}

#[test]
fn a_stream_full_of_early_bytes_gives_up_its_hole() {
    let mut rig = Rig::new(Settings { stream_limit: 4000, ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.said();
    rig.feed(&client(ACK, 201, &format!("\n{}\n", "a".repeat(998))));
    rig.feed(&client(ACK, 1201, &format!("{}\n", "b".repeat(999))));
    assert!(rig.said().is_empty());
    rig.feed(&client(ACK, 2301, &format!("{}\n", "c".repeat(1999))));
    let said = rig.said();
    let gaps = ["client gap 100 not-captured", "client told 100", "client gap 1 not-captured"];
    assert_eq!(said[..3], gaps);
    assert!(said[3].starts_with("client line aaa"), "{said:?}");
    assert!(rig.table.counters().memory < 6000);
}

#[test]
fn fragments_cost_more_than_their_bytes() {
    let mut rig = Rig::new(Settings { stream_limit: 10_000, ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    let mut most = 0;
    for number in 0..1000 {
        rig.feed(&client(ACK, 200 + 2 * number, "x"));
        most = most.max(rig.table.counters().memory);
    }
    assert!(most < 12_000, "held {most}");
    assert!(rig.said().iter().any(|line| line.contains("gap")));
}

#[test]
fn both_streams_share_the_limit_of_the_flow() {
    let mut rig = Rig::new(Settings { flow_limit: 1000, ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    rig.said();
    rig.feed(&client(ACK, 101, &format!("!{}", "x".repeat(599))));
    rig.feed(&server(ACK, 501, &format!("!{}", "y".repeat(599))));
    assert_eq!(rig.said(), ["server gap 600 flow-limit", "server told 600"]);
}

#[test]
fn the_flow_with_new_bytes_gives_way_when_all_together_hold_too_much() {
    let mut rig = Rig::new(Settings { total_limit: 20_000, ..settings() });
    let payload = format!("!{}", "x".repeat(2999));
    for port in 1..=10 {
        rig.feed(&client(SYN, 100, "").port(port));
    }
    for port in 1..=10 {
        rig.feed(&client(ACK, 101, &payload).port(port));
        assert!(rig.table.counters().memory <= 20_000, "held {}", rig.table.counters().memory);
    }
    let said = rig.said();
    assert!(said.iter().any(|line| line == "client gap 3000 flow-limit"), "{said:?}");
}

#[test]
fn the_longest_silent_flow_gives_way_to_a_new_one() {
    let mut rig = Rig::new(Settings { total_limit: 10_000, ..settings() });
    for port in 1..=100 {
        rig.feed(&client(SYN, 100, "").port(port));
        assert!(rig.table.counters().memory <= 10_000);
    }
    let said = rig.said();
    let evicted = said.iter().filter(|line| *line == "flow end evicted").count() as u64;
    assert!(evicted > 80, "{evicted} evicted");
    assert_eq!(rig.table.counters().open, 100 - evicted);
    rig.feed(&client(ACK, 101, "hello\n").port(100));
    assert_eq!(rig.said(), ["client line hello"]);
}

#[test]
fn a_flood_does_not_push_out_who_goes_on() {
    let mut rig = Rig::new(Settings { total_limit: 10_000, ..settings() });
    for segment in handshake() {
        rig.feed(&segment);
    }
    // A dozen flows fit.
    for port in 1..=100 {
        rig.feed(&client(SYN, 100, "").port(port));
        rig.feed(&client(ACK, 101, "GET /").port(port));
        if port % 5 == 0 {
            rig.feed(&client(ACK, 101 + 3 * (u32::from(port) / 5 - 1), "on\n"));
        }
        assert!(rig.table.counters().memory <= 10_000);
    }
    let said = rig.said();
    let lines = said.iter().filter(|line| *line == "client line on").count();
    assert_eq!(lines, 20, "{said:?}");
    assert!(said.iter().filter(|line| *line == "flow end evicted").count() > 80, "{said:?}");
    // Who says nothing goes, however much was said before.
    for port in 101..=200 {
        rig.feed(&client(SYN, 100, "").port(port));
    }
    rig.said();
    rig.feed(&server(ACK, 501, "late\n"));
    assert!(!rig.said().contains(&"server line late".to_owned()));
}

#[test]
fn an_idle_flow_is_small() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, "hello\n"));
    let memory = rig.table.counters().memory;
    assert!(memory < 800, "{memory} bytes");
    rig.feed(&client(RST, 107, ""));
    let memory = rig.table.counters().memory;
    assert!(memory < 448, "{memory} bytes after the end");
}

#[test]
fn other_limits_hold_for_flows_that_are_there() {
    let mut rig = opened();
    rig.feed(&client(ACK, 101, &format!("!{}", "x".repeat(2000))));
    rig.choose(Settings { stream_limit: 1000, idle_timeout: SECOND, ..settings() });
    assert_eq!(rig.said(), [""; 0]);
    rig.feed(&client(ACK, 2102, "y"));
    assert_eq!(rig.said(), ["client gap 2002 stream-limit", "client told 2002"]);
    rig.wait(2 * SECOND);
    assert!(rig.said().contains(&"flow end idle".to_owned()));
    // The memory of all: what is there is too much.
    for segment in handshake() {
        rig.feed(&segment.port(40_001));
    }
    rig.choose(Settings { total_limit: 1, ..settings() });
    assert!(rig.said().contains(&"flow end evicted".to_owned()));
    assert_eq!(rig.table.counters().memory, 0);
}
