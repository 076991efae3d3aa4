//! Segments that mean harm, or nothing.

use super::*;
use crate::random::Random;
use dialogues::{Talk, part};

/// Both sides' bytes in pieces of random sizes that overlap, repeat, and come
/// in any order within a window, from two capture points.
#[test]
fn any_order_repetition_and_overlap_says_the_same() {
    let lines: Vec<String> = (0..120).map(|number| format!("line {number}")).collect();
    let text = lines.join("\n") + "\n";
    for seed in 1..200 {
        let mut random = Random(seed);
        let isn = [random.small(u32::MAX), u32::MAX - random.small(2000)];
        let whole = Talk::new(isn[0], isn[1]).says(Side::Client, &text).says(Side::Server, &text);
        let (handshake, data) = whole.segments.split_at(3);
        let mut pieces = Vec::new();
        for segment in data {
            // An acknowledgement would tell that what comes late is lost.
            let mut segment = segment.clone();
            segment.tcp.flags = TcpFlags::PSH;
            let mut at = 0;
            while at < segment.payload.len() {
                let to = (at + 1 + random.below(40)).min(segment.payload.len());
                let from = at.saturating_sub(random.below(20));
                let point = 1 + random.small(2);
                pieces.push(part(&segment, from, to).at(point));
                if random.below(4) == 0 {
                    pieces.push(part(&segment, from, to).at(point));
                }
                at = to;
            }
        }
        for at in 0..pieces.len() {
            let other = (at + random.below(8)).min(pieces.len() - 1);
            pieces.swap(at, other);
        }
        let mut rig = Rig::new(settings());
        for segment in handshake.iter().chain(&pieces) {
            rig.feed(segment);
        }
        let said = rig.said();
        for side in ["client", "server"] {
            let prefix = format!("{side} line ");
            let heard: Vec<_> = said.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
            assert_eq!(heard, lines, "{side}, seed {seed}");
        }
        assert!(!said.iter().any(|line| line.contains("gap")), "seed {seed}");
    }
}

/// What nobody would send: the table neither panics nor holds too much, and
/// tells of no byte twice.
#[test]
fn random_segments_respect_the_limits() {
    const WORDS: [&str; 8] =
        ["hello\n", "wait\n", "skip 100\n", "!", "x", "\n\n\n", "skip 18446744073709551615\n", ""];
    for seed in 1..20 {
        let mut random = Random(seed);
        let limits = Settings {
            stream_limit: 3000,
            flow_limit: 5000,
            total_limit: 30_000,
            idle_timeout: 20 * SECOND,
            rows: seed % 2 == 0,
            ..settings()
        };
        let mut rig = Rig::new(limits);
        for _ in 0..3000 {
            let side = if random.below(2) == 0 { Side::Client } else { Side::Server };
            let flags = match random.below(12) {
                0 => SYN,
                1 => SYN_ACK,
                2 => FIN_ACK,
                3 => RST,
                4 => TcpFlags(u16::try_from(random.below(512)).expect("nine bits")),
                _ => ACK,
            };
            let base = if random.below(2) == 0 { 1000 } else { u32::MAX - 500 };
            let reach = if random.below(8) == 0 { u32::MAX } else { 4000 };
            let sequence = base.wrapping_add(random.small(reach));
            let payload: String = (0..random.below(20)).map(|_| WORDS[random.below(8)]).collect();
            let len = u32::try_from(payload.len()).expect("short");
            let from = if random.below(3) == 0 { random.small(len + 1) } else { 0 };
            let to = if random.below(3) == 0 { from + random.small(len - from + 1) } else { len };
            let mut segment = sent(side, flags, sequence, &payload).captured(from, to);
            segment.tcp.acknowledgement = base.wrapping_add(random.small(reach));
            segment.port = 1000 + u16::try_from(random.below(20)).expect("few");
            segment.interface = random.small(3);
            segment.lost = u64::from(random.small(5));
            rig.feed(&segment);
            let memory = rig.table.counters().memory;
            assert!(memory <= 30_000, "held {memory}, seed {seed}");
            if random.below(50) == 0 {
                rig.wait(u64::from(random.small(8)) * SECOND);
            }
        }
        rig.finish();
        let counters = rig.table.counters();
        let ends = rig.table.counters().total;
        assert!(ends > 20, "seed {seed}: {counters:?}");
    }
}

/// Many fragments and no end: work and memory stay bounded.
#[test]
fn a_flood_of_fragments_is_not_slow() {
    let mut rig = opened();
    for number in 0..100_000_u32 {
        rig.feed(&client(ACK, 200 + 2 * (number % 50_000), "x").captured(0, number % 2));
    }
    let memory = rig.table.counters().memory;
    assert!(memory < STREAM_LIMIT as u64 + 8192, "held {memory}");
}
