//! The straight way and the long way lead to the same.

use super::{dialogues::Talk, *};
use crate::random::Random;

/// What is said with rows, which keep segments from the straight way, without
/// the rows.
struct WithoutRows<'a>(&'a mut Said);

impl Sink for WithoutRows<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if !matches!(event.message, Message::TcpSegment(_)) {
            self.0.event(event);
        }
    }
}

fn say(segments: &[Sent], settings: Settings) -> (Vec<String>, [u64; 4]) {
    let mut rig = Rig::new(settings);
    let mut said = Said::default();
    for segment in segments {
        rig.feed_to(segment, &mut WithoutRows(&mut said));
    }
    rig.table.finish(rig.now, &mut WithoutRows(&mut said));
    let counters = rig.table.counters();
    let counted = [counters.gaps, counters.gap_bytes, counters.duplicate, counters.total];
    (said.0, counted)
}

#[test]
fn both_ways_lead_to_the_same() {
    const WORDS: [&str; 8] =
        ["line\n", "half ", "skip 7\n0123", "wait\n", "!cut", "skip 3\nabc", "x", "a\nb\nc\n"];
    let mut random = Random(0x5851_f42d_4c95_7f2d);
    for _ in 0..3_000 {
        let mut talk = Talk::new(u32::MAX - 20, 500);
        for _ in 0..random.below(12) {
            let side = [Side::Client, Side::Server][random.below(2)];
            talk = talk.says(side, WORDS[random.below(WORDS.len())]);
        }
        let mut segments = if random.below(2) == 0 { talk.ends() } else { talk.closes() }.segments;
        for _ in 0..random.below(4) {
            let at = 1 + random.below(segments.len() - 1);
            let len = u32::try_from(segments[at].payload.len()).unwrap();
            match random.below(8) {
                0 => segments.swap(at, at - 1),
                1 => segments.insert(at, segments[at].clone()),
                2 => drop(segments.remove(at)),
                3 => segments[at].interface = 2,
                4 => segments[at].captured = (0, len / 2),
                5 => segments[at].captured = (len / 2, len),
                6 => segments[at..].iter_mut().for_each(|sent| sent.lost = 1),
                _ => segments[at].tcp.flags = TcpFlags(segments[at].tcp.flags.0 & !ACK.0),
            }
        }
        let settings = Settings {
            stream_limit: [STREAM_LIMIT, 16][random.below(2)],
            flow_limit: [FLOW_LIMIT, 24][random.below(2)],
            ..settings()
        };
        let straight = say(&segments, settings.clone());
        let long = say(&segments, Settings { rows: true, ..settings });
        assert_eq!(straight, long, "{segments:#?}");
    }
}
