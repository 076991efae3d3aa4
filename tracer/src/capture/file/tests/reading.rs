//! How a source reads: pipes, batches, outcomes, where a capture begins.

use super::*;

/// Gives out a byte with each call, as a slow pipe does.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

#[test]
fn a_pipe_that_trickles_gives_the_same() {
    for (file, _) in samples() {
        let whole = read(vec![file.clone()]).seen;
        let input: Box<dyn Read + Send> = Box::new(Trickle(Cursor::new(file)));
        let source = FileSource::new([("pipe".to_owned(), input)], Selection::new([80], false));
        assert_eq!(drain(source).seen, whole);
    }
}

/// An input that must not be waited for.
struct Never;

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("waited for more");
    }
}

#[test]
fn a_batch_ends_before_it_would_wait() {
    let bytes = packet(1, b"x");
    let file = Builder::pcap(false, 0xa1b2_c3d4, 101).record(0, 0, bytes.len(), &bytes).bytes;
    let input: Box<dyn Read + Send> = Box::new(Cursor::new(file).chain(Never));
    let mut source = FileSource::new([("pipe".to_owned(), input)], Selection::all());
    let mut seen = 0;
    assert_eq!(source.read(&mut |_| seen += 1).unwrap(), Status::More);
    assert_eq!(seen, 1);
}

#[test]
fn records_larger_than_the_buffer_are_read_whole() {
    let payload = vec![b'x'; 700_000];
    let mut big = packet(1, b"");
    big[2..4].fill(0);
    big.extend(&payload);
    let small = packet(2, b"next");
    let file = Builder::pcap(false, 0xa1b2_c3d4, 101)
        .record(0, 0, small.len(), &small)
        .record(0, 0, big.len(), &big)
        .record(0, 0, small.len(), &small)
        .bytes;
    let read = read(vec![file]);
    assert_eq!(sequences(&read), [2, 1, 2]);
    assert_eq!(read.seen[1].payload.len(), payload.len());
}

#[test]
fn every_packet_has_one_outcome() {
    let frame = |ethertype: [u8; 2], packet: &[u8]| [&[2; 12][..], &ethertype, packet].concat();
    let mut fragment = packet(1, b"x");
    fragment[6] = 0x20;
    let mut other_port = packet(1, b"x");
    other_port[23] = 81;
    let mut malformed = packet(1, b"x");
    malformed[32] = 0;
    let packets = [
        frame([8, 0], &packet(1, b"x")),
        frame([8, 0], &packet(1, b"")),
        frame([8, 0], &fragment),
        frame([8, 0], &other_port),
        frame([8, 0], &malformed),
        frame([8, 6], &[0; 28]),
        Vec::new(),
        frame([8, 0], &packet(1, b"cut"))[..55].to_vec(),
    ];
    let file = packets.iter().fold(Builder::pcap(false, 0xa1b2_c3d4, 1), |file, packet| {
        file.record(0, 0, packet.len(), packet)
    });
    let outcomes = read(vec![file.bytes]).outcomes;
    assert_eq!(
        outcomes,
        Outcomes {
            copied: 1,
            pure_ack: 1,
            fragment: 1,
            malformed: 1,
            not_selected: 3,
            truncated: 1,
            ..Outcomes::default()
        }
    );
    assert_eq!(outcomes.seen(), packets.len() as u64);
}

#[test]
fn begin_is_the_first_packet_wanted_or_not() {
    let (wanted, other) = (packet(1, b"x"), packet(1, b""));
    let file = Builder::pcap(false, 0xa1b2_c3d4, 101).record(5, 0, other.len(), &other).record(
        6,
        0,
        wanted.len(),
        &wanted,
    );
    let mut source = source(vec![file.bytes]);
    assert_eq!(source.begin(), Some(Timestamp(5_000_000_000)));
    let read = drain(source);
    assert_eq!((read.seen.len(), read.outcomes.seen()), (1, 2));

    let mut empty = self::source(vec![Vec::new()]);
    assert_eq!(empty.begin(), None);
    assert_eq!(drain(empty).errors, ["file0: is empty"]);
}
