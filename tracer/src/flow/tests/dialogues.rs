//! One dialogue, cut, swapped, repeated and seen twice: always the same said.

use super::*;

/// Builds a dialogue with the numbers that TCP would give it.
pub(super) struct Talk {
    next: [u32; 2],
    pub(super) segments: Vec<Sent>,
}

impl Talk {
    pub(super) fn new(client_isn: u32, server_isn: u32) -> Self {
        let mut talk = Self { next: [client_isn, server_isn], segments: Vec::new() };
        talk.segments.push(client(SYN, client_isn, ""));
        talk.next[0] = client_isn.wrapping_add(1);
        talk.segments.push(server(SYN_ACK, server_isn, "").ack(talk.next[0]));
        talk.next[1] = server_isn.wrapping_add(1);
        talk.send(Side::Client, ACK, "")
    }

    fn send(mut self, side: Side, flags: TcpFlags, payload: &str) -> Self {
        let [mine, theirs] = [self.next[side as usize], self.next[side.other() as usize]];
        self.segments.push(sent(side, flags, mine, payload).ack(theirs));
        let len = u32::try_from(payload.len()).expect("short") + u32::from(flags == FIN_ACK);
        self.next[side as usize] = mine.wrapping_add(len);
        self
    }

    pub(super) fn says(self, side: Side, payload: &str) -> Self {
        self.send(side, ACK, payload)
    }

    pub(super) fn closes(self) -> Self {
        self.send(Side::Client, FIN_ACK, "").send(Side::Server, FIN_ACK, "")
    }

    pub(super) fn ends(self) -> Self {
        self.send(Side::Client, FIN_ACK, "last words").send(Side::Server, FIN_ACK, "").send(
            Side::Client,
            ACK,
            "",
        )
    }
}

/// Lines, halves of lines, unwanted bytes; what one side says does not depend
/// on the other.
fn dialogue(client_isn: u32, server_isn: u32) -> Vec<Sent> {
    Talk::new(client_isn, server_isn)
        .says(Side::Server, "welcome\n")
        .says(Side::Client, "hello\nthis is ")
        .says(Side::Client, "longer\n")
        .says(Side::Server, "a\nb\nc\n")
        .says(Side::Client, "skip 12\n0123456789")
        .says(Side::Client, "01behind\n")
        .says(Side::Server, "skip 3\nabcdone\n")
        .ends()
        .segments
}

/// The same with a side that waits for the other.
fn waiting_dialogue() -> Vec<Sent> {
    Talk::new(7, 9)
        .says(Side::Client, "wait\nsecond\nwait\n")
        .says(Side::Server, "first answer\n")
        .says(Side::Client, "third\n")
        .says(Side::Server, "second answer\n")
        .ends()
        .segments
}

/// What is said without the line of counters.
fn words(segments: &[Sent]) -> Vec<String> {
    run(segments).into_iter().filter(|line| !line.contains(" bytes, ")).collect()
}

/// What each side says, and then the flow: the order between them is left out.
fn by_side(segments: &[Sent]) -> Vec<String> {
    let mut said = words(segments);
    said.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    said
}

/// The part of a segment's payload from `from` to `to`, as one of its own.
pub(super) fn part(whole: &Sent, from: usize, to: usize) -> Sent {
    let mut part = whole.clone();
    part.payload = whole.payload[from..to].to_vec();
    part.captured = (0, u32::try_from(to - from).expect("short"));
    part.tcp.sequence = whole.tcp.sequence.wrapping_add(u32::try_from(from).expect("short"));
    if to < whole.payload.len() {
        part.tcp.flags.0 &= !TcpFlags::FIN.0;
    }
    part
}

#[test]
fn cut_at_each_position() {
    for segments in [dialogue(100, 500), waiting_dialogue()] {
        let whole = words(&segments);
        assert!(whole.contains(&"flow end closed".to_owned()), "{whole:?}");
        assert!(!whole.iter().any(|line| line.contains("gap")), "{whole:?}");
        for (number, segment) in segments.iter().enumerate() {
            for at in 1..segment.payload.len() {
                let mut cut = segments.clone();
                let end = segment.payload.len();
                cut.splice(number..=number, [part(segment, 0, at), part(segment, at, end)]);
                assert_eq!(words(&cut), whole, "segment {number} cut at {at}");
                cut.swap(number, number + 1);
                assert_eq!(words(&cut), whole, "segment {number} cut at {at}, swapped");
            }
        }
    }
}

#[test]
fn byte_by_byte() {
    for segments in [dialogue(100, 500), waiting_dialogue()] {
        let bytes: Vec<_> = segments
            .iter()
            .flat_map(|segment| match segment.payload.len() {
                0 => vec![segment.clone()],
                len => (0..len).map(|at| part(segment, at, at + 1)).collect(),
            })
            .collect();
        assert_eq!(words(&bytes), words(&segments));
    }
}

#[test]
fn cuts_that_overlap() {
    for segments in [dialogue(100, 500), waiting_dialogue()] {
        let whole = words(&segments);
        for (number, segment) in segments.iter().enumerate() {
            let end = segment.payload.len();
            for (from, to) in (0..end).flat_map(|from| (from + 1..=end).map(move |to| (from, to))) {
                let mut cut = segments.clone();
                cut.splice(number..=number, [part(segment, 0, to), part(segment, from, end)]);
                assert_eq!(words(&cut), whole, "segment {number} to {to} and from {from}");
                cut.swap(number, number + 1);
                assert_eq!(words(&cut), whole, "segment {number} from {from} and to {to}");
            }
        }
    }
}

#[test]
fn neighbours_swapped() {
    let segments = dialogue(100, 500);
    let whole = by_side(&segments);
    for first in 0..segments.len() - 1 {
        let mut swapped = segments.clone();
        swapped.swap(first, first + 1);
        assert_eq!(by_side(&swapped), whole, "segments {first} and {}", first + 1);
    }
}

#[test]
fn each_repeated() {
    for segments in [dialogue(100, 500), waiting_dialogue()] {
        let whole = words(&segments);
        let twice: Vec<_> =
            segments.iter().flat_map(|segment| [segment.clone(), segment.clone()]).collect();
        assert_eq!(words(&twice), whole, "at once");
        for (number, segment) in segments.iter().enumerate() {
            for later in number..segments.len() {
                let mut again = segments.clone();
                again.insert(later + 1, segment.clone());
                assert_eq!(words(&again), whole, "segment {number} again behind {later}");
            }
        }
    }
}

#[test]
fn near_the_wrap() {
    let whole = words(&dialogue(100, 500));
    for before in 0..64 {
        let segments = dialogue(u32::MAX - before, u32::MAX - before / 2);
        assert_eq!(words(&segments), whole, "{before} before the wrap");
        assert_eq!(by_side(&segments), by_side(&dialogue(100, 500)));
    }
}

#[test]
fn from_two_capture_points() {
    for segments in [dialogue(100, 500), waiting_dialogue()] {
        let whole = words(&segments);
        for lag in 0..segments.len() {
            let mut rig = Rig::new(Settings { rows: true, ..settings() });
            let mut once = Rig::new(Settings { rows: true, ..settings() });
            for number in 0..segments.len() + lag {
                if let Some(segment) = segments.get(number) {
                    rig.feed(segment);
                    once.feed(segment);
                }
                if let Some(segment) = number.checked_sub(lag).and_then(|late| segments.get(late)) {
                    rig.feed(&segment.clone().at(2));
                }
            }
            assert_eq!(rig.table.counters().duplicate, segments.len() as u64, "lag {lag}");
            let said = rig.finish();
            assert_eq!(said, once.finish(), "lag {lag}");
            let said: Vec<_> = said
                .into_iter()
                .filter(|line| !line.contains(" bytes, ") && !line.contains("Seq="))
                .collect();
            assert_eq!(said, whole, "lag {lag}");
        }
    }
}

#[test]
fn either_of_two_capture_points_loses_any_segment() {
    let segments = dialogue(100, 500);
    let whole = by_side(&segments);
    for (missing, point) in (0..segments.len()).flat_map(|number| [(number, 1), (number, 2)]) {
        let seen: Vec<_> = segments
            .iter()
            .enumerate()
            .flat_map(|(number, segment)| {
                [1, 2].map(|at| (number != missing || at != point).then(|| segment.clone().at(at)))
            })
            .flatten()
            .collect();
        assert_eq!(by_side(&seen), whole, "{missing} missing at {point}");
    }
}
