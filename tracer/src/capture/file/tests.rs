#![expect(
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small, or meant to be cut"
)]

use std::{
    io::{self, Cursor},
    mem,
};

use super::*;
use crate::{
    capture::packet::tests::{packet, packet6},
    random::Random,
};

/// Writes a file of either format in either byte order.
struct Builder {
    big: bool,
    bytes: Vec<u8>,
}

impl Builder {
    fn new(big: bool) -> Self {
        Self { big, bytes: Vec::new() }
    }

    fn u16(mut self, value: u16) -> Self {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn padded(self, bytes: &[u8]) -> Self {
        let padding = bytes.len().wrapping_neg() % 4;
        self.raw(bytes).raw(&[0xee; 4][..padding])
    }

    fn pcap(big: bool, magic: u32, link_type: u32) -> Self {
        Self::new(big).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(link_type)
    }

    fn record(self, seconds: u32, fraction: u32, wire_len: usize, bytes: &[u8]) -> Self {
        self.u32(seconds).u32(fraction).u32(len(bytes)).u32(wire_len as u32).raw(bytes)
    }

    fn option(self, code: u16, value: &[u8]) -> Self {
        self.u16(code).u16(value.len() as u16).padded(value)
    }

    fn block(self, kind: u32, body: impl FnOnce(Self) -> Self) -> Self {
        let body = body(Self::new(self.big)).bytes;
        let total = len(&body) + 12;
        self.u32(kind).u32(total).raw(&body).u32(total)
    }

    fn section(big: bool) -> Self {
        Self::new(big).then_section()
    }

    fn then_section(self) -> Self {
        self.block(0x0a0d_0d0a, |body| body.u32(0x1a2b_3c4d).u16(1).u16(0).raw(&[0xff; 8]))
    }

    fn interface(self, link_type: u16, options: impl FnOnce(Self) -> Self) -> Self {
        self.block(1, |body| options(body.u16(link_type).u16(0).u32(0)))
    }

    fn enhanced(
        self,
        interface: u32,
        ticks: u64,
        bytes: &[u8],
        options: impl FnOnce(Self) -> Self,
    ) -> Self {
        self.block(6, |body| {
            let body = body.u32(interface).u32((ticks >> 32) as u32).u32(ticks as u32);
            options(body.u32(len(bytes)).u32(len(bytes)).padded(bytes))
        })
    }
}

fn len(bytes: &[u8]) -> u32 {
    bytes.len().try_into().unwrap()
}

/// What is compared of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    time: u64,
    name: String,
    loopback: bool,
    point: Point,
    sequence: u32,
    payload: Vec<u8>,
    len: u32,
}

struct Reading {
    seen: Vec<Seen>,
    errors: Vec<String>,
    outcomes: Outcomes,
}

fn source(files: Vec<Vec<u8>>) -> FileSource {
    let files = files.into_iter().enumerate().map(|(number, bytes)| {
        let input: Box<dyn Read + Send> = Box::new(Cursor::new(bytes));
        (format!("file{number}"), input)
    });
    FileSource::new(files, Selection::new([80], false))
}

fn read(files: Vec<Vec<u8>>) -> Reading {
    drain(source(files))
}

fn drain(mut source: FileSource) -> Reading {
    let (mut seen, mut errors) = (Vec::new(), Vec::new());
    loop {
        let status = source.read(&mut |segment| {
            seen.push(Seen {
                time: segment.time.0,
                name: segment.interface.name.to_string(),
                loopback: segment.interface.loopback,
                point: segment.point,
                sequence: segment.tcp.sequence,
                payload: segment.bytes.to_vec(),
                len: segment.len,
            });
        });
        match status {
            Ok(Status::End) => break,
            Ok(_) => {}
            Err(error) => errors.push(error.to_string()),
        }
    }
    Reading { seen, errors, outcomes: source.outcomes() }
}

fn sequences(read: &Reading) -> Vec<u32> {
    read.seen.iter().map(|seen| seen.sequence).collect()
}

/// Both halves of a dialogue in each format, with the offset at which each
/// record begins, and the end.
fn samples() -> Vec<(Vec<u8>, Vec<usize>)> {
    let (first, second) = (packet(1, b"first"), packet6(2, b"second"));
    let mut samples = Vec::new();
    for big in [false, true] {
        let header = Builder::pcap(big, 0xa1b2_c3d4, 101);
        let mut bounds = vec![header.bytes.len()];
        let one = header.record(1, 2, first.len(), &first);
        bounds.push(one.bytes.len());
        let two = one.record(3, 4, second.len(), &second);
        bounds.push(two.bytes.len());
        samples.push((two.bytes, bounds));

        let section = Builder::section(big);
        let mut bounds = vec![section.bytes.len()];
        let described = section.interface(101, |options| options.option(2, b"eth0").u32(0));
        bounds.push(described.bytes.len());
        let one = described.enhanced(0, 1_000_002, &first, |options| options);
        bounds.push(one.bytes.len());
        let unknown = one.block(0xbad, |body| body.padded(b"some text"));
        bounds.push(unknown.bytes.len());
        let two = unknown
            .enhanced(0, 3_000_004, &second, |options| options.option(2, &[1, 0, 0, 0]).u32(0));
        bounds.push(two.bytes.len());
        samples.push((two.bytes, bounds));
    }
    samples
}

#[test]
fn classic_files_in_both_byte_orders_and_units() {
    for big in [false, true] {
        for (magic, nanoseconds) in [(0xa1b2_c3d4, 5000), (0xa1b2_3c4d, 5)] {
            let bytes = packet(7, b"hello");
            let file = Builder::pcap(big, magic, 101).record(3, 5, bytes.len(), &bytes).bytes;
            let read = read(vec![file]);
            assert!(read.errors.is_empty(), "{:?}", read.errors);
            let point = Point::default();
            let expected = Seen {
                time: 3_000_000_000 + nanoseconds,
                name: String::new(),
                loopback: false,
                point,
                sequence: 7,
                payload: b"hello".to_vec(),
                len: 5,
            };
            assert_eq!(read.seen, [expected]);
            assert_eq!(read.outcomes, Outcomes { copied: 1, ..Outcomes::default() });
        }
    }
}

#[test]
fn block_files_in_both_byte_orders() {
    let all: Vec<_> = samples().into_iter().map(|(file, _)| read(vec![file])).collect();
    for read in &all {
        assert!(read.errors.is_empty(), "{:?}", read.errors);
        assert_eq!(sequences(read), [1, 2]);
        assert_eq!(read.outcomes.seen(), 2);
    }
    assert_eq!(all[1].seen[0].time, 1_000_002_000);
    assert_eq!(all[1].seen[0].name, "eth0");
}

#[test]
fn cut_at_every_byte_tells_once_and_gives_what_came_before() {
    for (file, bounds) in samples() {
        let whole = read(vec![file.clone()]).seen;
        for end in 0..file.len() {
            let read = read(vec![file[..end].to_vec()]);
            let at_bound = bounds.contains(&end);
            assert_eq!(read.errors.len(), usize::from(!at_bound), "{end}: {:?}", read.errors);
            let began = bounds.iter().rev().find(|bound| **bound <= end);
            if let Some(began) = began
                && !at_bound
            {
                let expected = format!("file0: at byte {began}: the file is cut short");
                assert!(read.errors[0].starts_with(&expected), "{end}: {:?}", read.errors);
            }
            assert_eq!(read.seen, whole[..read.seen.len()], "{end}");
            let complete = bounds.iter().skip(1).filter(|bound| **bound <= end).count();
            if bounds.len() == 3 {
                assert_eq!(read.seen.len(), complete, "{end}");
            }
        }
    }
}

#[test]
fn random_bytes_never_panic_and_end() {
    let mut random = Random(42);
    for (file, _) in samples() {
        for _ in 0..3000 {
            let mut file = file.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(file.len());
                file[at] = [random.byte(), 0, 0xff, 0x80][random.below(4)];
            }
            let read = read(vec![file]);
            assert!(read.errors.len() <= 1 && read.seen.len() <= 2, "{:?}", read.errors);
        }
    }
}

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

/// An input that must not be waited for.
struct Never;

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("waited for more");
    }
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
fn absurd_lengths_are_refused() {
    let file = Builder::pcap(false, 0xa1b2_c3d4, 1).u32(0).u32(0).u32(0xffff_fff0).u32(60).bytes;
    assert_eq!(
        read(vec![file]).errors,
        ["file0: at byte 24: a packet of 4294967280 bytes is more than any network carries; \
          the file is damaged here"]
    );
    for (len, wanted) in [(0, "has 0 bytes"), (11, "has 11 bytes"), (0xffff_fff0, "429496728")] {
        let file = Builder::section(false).interface(1, |body| body).u32(6).u32(len).bytes;
        let errors = read(vec![file]).errors;
        assert!(errors.len() == 1 && errors[0].contains(wanted), "{errors:?}");
    }
}

#[test]
fn lengths_of_a_block_that_differ_are_damage() {
    let bytes = packet(1, b"x");
    let mut file =
        Builder::section(true).interface(101, |body| body).enhanced(0, 0, &bytes, |body| body);
    *file.bytes.last_mut().unwrap() ^= 1;
    let errors = read(vec![mem::take(&mut file.bytes)]).errors;
    assert!(errors[0].contains("by its begin"), "{errors:?}");
}

#[test]
fn time_units_and_offsets_of_interfaces() {
    let bytes = packet(1, b"x");
    for (resolution, offset, ticks, expected) in [
        (6, 0_i64, 1_500_000, 1_500_000_000),
        (9, 0, 1_500_000_000, 1_500_000_000),
        (0, 0, 3, 3_000_000_000),
        (12, 0, 1_500_000_000_000, 1_500_000_000),
        (0x8a, 0, 1536, 1_500_000_000),
        (3, 2, 1500, 3_500_000_000),
        (3, -1, 1500, 500_000_000),
        (3, -5, 1500, 0),
    ] {
        let file = Builder::section(true)
            .interface(101, |options| {
                options.option(9, &[resolution]).option(14, &offset.to_be_bytes()).u32(0)
            })
            .enhanced(0, ticks, &bytes, |options| options);
        let read = read(vec![file.bytes]);
        assert_eq!(read.seen[0].time, expected, "{resolution:#x} {offset}");
    }
    let file = Builder::section(true).interface(101, |options| options.option(9, &[77]));
    assert!(read(vec![file.bytes]).errors[0].contains("10^-77"));
}

#[test]
fn interfaces_with_names_directions_and_link_types_of_their_own() {
    let bytes = packet(1, b"x");
    let framed = [&[2; 12][..], &[8, 0], &bytes].concat();
    let file = Builder::section(false)
        .interface(101, |options| options.option(2, b"tun0").u32(0))
        .interface(1, |options| options)
        .enhanced(0, 0, &bytes, |options| options.option(2, &[1, 0, 0, 0]).u32(0))
        .enhanced(1, 0, &framed, |options| options.option(1, b"abc").option(2, &[2, 0, 0, 0]));
    let read = read(vec![file.bytes]);
    let points: Vec<_> = read.seen.iter().map(|seen| (seen.name.as_str(), seen.point)).collect();
    assert_eq!(
        points,
        [
            ("tun0", Point { interface: 0, direction: Direction::Ingress, vlans: [0; 2] }),
            ("", Point { interface: 1, direction: Direction::Egress, vlans: [0; 2] }),
        ]
    );
}

#[test]
fn one_direction_of_packets_that_say_theirs() {
    let bytes = packet(1, b"x");
    let looped = [&[0; 12][..], &[8, 0], &bytes].concat();
    let file = Builder::section(false)
        .interface(101, |options| options)
        .interface(1, |options| options)
        .enhanced(0, 1000, &bytes, |options| options.option(2, &[1, 0, 0, 0]).u32(0))
        .enhanced(0, 2000, &bytes, |options| options.option(2, &[2, 0, 0, 0]).u32(0))
        .enhanced(1, 3000, &looped, |options| options.option(2, &[2, 0, 0, 0]).u32(0));
    let silent = Builder::section(false).interface(101, |options| options);
    let silent = silent.enhanced(0, 4000, &bytes, |options| options);
    let files = || vec![file.bytes.clone(), silent.bytes.clone()];
    for (directions, expected, left_out) in [
        (Directions::In, &[1, 3][..], 1),
        (Directions::Out, &[2, 3], 1),
        (Directions::Both, &[1, 2, 3, 4], 0),
    ] {
        let read = drain(source(files()).with_directions(directions));
        let numbers: Vec<_> = read.seen.iter().map(|seen| seen.time / 1_000_000).collect();
        assert_eq!(numbers, expected, "{directions:?}");
        assert_eq!(read.outcomes.not_selected, 4 - expected.len() as u64);
        assert_eq!(read.errors.len(), left_out, "{:?}", read.errors);
        let told = read.errors.iter().all(|error| error.starts_with("file1: does not say of 1"));
        assert!(told, "{:?}", read.errors);
    }
}

#[test]
fn sections_begin_anew_in_their_own_byte_order() {
    let bytes = packet(1, b"x");
    let part = |big, name: &[u8]| {
        Builder::section(big)
            .interface(101, |options| options.option(2, name).u32(0))
            .enhanced(0, 0, &bytes, |options| options)
            .bytes
    };
    let read = read(vec![[part(false, b"a"), part(true, b"b"), part(false, b"a")].concat()]);
    assert!(read.errors.is_empty(), "{:?}", read.errors);
    let numbers: Vec<_> = read.seen.iter().map(|seen| seen.point.interface).collect();
    assert_eq!(numbers, [0, 1, 0]);
}

#[test]
fn simple_and_obsolete_packet_blocks() {
    let bytes = packet(1, b"abcde");
    let file = Builder::section(true)
        .block(1, |body| body.u16(101).u16(0).u32(43))
        .block(2, |body| {
            let body = body.u16(0).u16(9).u32(0).u32(5).u32(len(&bytes)).u32(len(&bytes));
            body.padded(&bytes).option(2, &[0, 0, 0, 2])
        })
        .block(3, |body| body.u32(len(&bytes)).padded(&bytes[..43]));
    let read = read(vec![file.bytes]);
    assert!(read.errors.is_empty(), "{:?}", read.errors);
    let seen: Vec<_> = read
        .seen
        .iter()
        .map(|seen| (seen.time, seen.payload.as_slice(), seen.len, seen.point.direction))
        .collect();
    assert_eq!(
        seen,
        [(5000, &b"abcde"[..], 5, Direction::Egress), (5000, &b"abc"[..], 5, Direction::Unknown),]
    );
    assert_eq!(read.outcomes, Outcomes { copied: 1, truncated: 1, ..Outcomes::default() });
}

#[test]
fn interfaces_and_their_names_are_bounded() {
    let one = Builder::section(false)
        .interface(101, |options| options.option(2, &[b'n'; 400]).u32(0).option(2, b"x"));
    let section = Builder::section(false).bytes.len();
    let (begin, describe) = one.bytes.split_at(section);
    let packet = Builder::new(false).enhanced(0, 0, &packet(1, b"x"), |options| options).bytes;
    let read = read(vec![[begin, describe, &packet, &describe.repeat(65_536)].concat()]);
    assert_eq!(read.seen[0].name, "n".repeat(256));
    let offset = section + describe.len() * 65_536 + packet.len();
    assert_eq!(
        read.errors,
        [format!("file0: at byte {offset}: more than 65536 interfaces are described")]
    );
}

#[test]
fn packets_of_interfaces_that_were_not_described_are_damage() {
    let file = Builder::section(true).enhanced(3, 0, &packet(1, b"x"), |body| body);
    let errors = read(vec![file.bytes]).errors;
    assert_eq!(
        errors,
        ["file0: at byte 28: a packet names interface 3, which the file does not describe"]
    );
}

#[test]
fn unknown_link_types_are_named() {
    let file = Builder::pcap(false, 0xa1b2_c3d4, 195).bytes;
    let errors = read(vec![file]).errors;
    assert!(errors[0].starts_with("file0: has link type 195 (IEEE 802.15.4)"), "{errors:?}");

    // Those that can be read beside them are.
    let bytes = packet(1, b"x");
    let file = Builder::section(false)
        .interface(101, |options| options)
        .interface(777, |options| options)
        .enhanced(1, 0, &bytes, |options| options)
        .enhanced(0, 0, &bytes, |options| options);
    let read = read(vec![file.bytes]);
    assert_eq!((read.seen.len(), read.outcomes.not_selected), (1, 1));
    assert_eq!(
        read.errors,
        ["file0: interface 1 has link type 777, which is not supported; packets left out: 1"]
    );
}

#[test]
fn files_that_are_something_else_are_named() {
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b"ab", "is neither a pcap nor a pcapng file"),
        (b"hello, world", "is neither a pcap nor a pcapng file"),
        (b"\x1f\x8b\x08\0", "unexpected end of file"),
        (b"\x28\xb5\x2f\xfd", "is zstd-compressed"),
        (b"\x0a\x0d\x0d\x0a\0\0\0\x1cabcdefghijklmnopqrst", "without a byte-order magic"),
        (b"\xa1\xb2\xc3\xd4\0\x09\0\x04abcdefghijklmnop", "has version 9.4"),
    ] {
        let errors = read(vec![bytes.to_vec()]).errors;
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files() {
    let first = Builder::pcap(false, 0xa1b2_c3d4, 101).record(1, 0, 60, &packet(1, b"a")).bytes;
    let second = Builder::new(false).record(2, 0, 60, &packet(2, b"b")).bytes;
    let whole = [&first[..], &second].concat();
    let plain = read(vec![whole.clone()]).seen;
    assert_eq!(plain.len(), 2);
    assert_eq!(read(vec![gzip(&whole)]).seen, plain);
    // In two members, as `cat a.gz b.gz` makes them.
    assert_eq!(read(vec![[gzip(&first), gzip(&second)].concat()]).seen, plain);
    let twice = read(vec![gzip(&gzip(&whole))]);
    assert_eq!(twice.seen, []);
    assert!(twice.errors[0].contains("is gzip-compressed"), "{:?}", twice.errors);

    // Cut, or with a byte that is another: what was before counts.
    let compressed = [gzip(&first), gzip(&second)].concat();
    for len in 0..compressed.len() {
        let cut = read(vec![compressed[..len].to_vec()]);
        assert!(plain.starts_with(&cut.seen));
        assert!(cut.errors.len() == 1 || len == gzip(&first).len(), "{len}: {:?}", cut.errors);
        let mut damaged = compressed.clone();
        damaged[len] ^= 0x55;
        read(vec![damaged]);
    }
}

#[test]
fn kinds_of_classic_files() {
    let packet = packet(1, b"x");
    for big in [false, true] {
        let plain = Builder::pcap(big, 0xa1b2_c3d4, 101).record(5, 250_000, 60, &packet).bytes;
        let expected = read(vec![plain]).seen;
        assert_eq!(expected.len(), 1);
        let modified = Builder::pcap(big, 0xa1b2_cd34, 101);
        let modified = modified.u32(5).u32(250_000).u32(len(&packet)).u32(60);
        let modified = modified.raw(&[0, 0, 0, 2, 8, 0, 4, 0]).raw(&packet).bytes;
        assert_eq!(read(vec![modified]).seen, expected);
        for magic in [0x1c00_01ac, 0x1c00_01ab] {
            let ixia = Builder::pcap(big, magic, 101).u32(16 + len(&packet));
            let ixia = ixia.record(5, 250_000, 60, &packet).bytes;
            assert_eq!(read(vec![ixia]).seen, expected);
        }
    }
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
fn several_files_are_one_capture_and_a_damaged_one_ends_itself_only() {
    let (mut files, bounds): (Vec<_>, Vec<_>) = samples().into_iter().unzip();
    files[0].truncate(bounds[0][1] + 3);
    let read = read(files);
    assert_eq!(sequences(&read), [1, 1, 2, 1, 2, 1, 2]);
    assert_eq!(read.errors.len(), 1);
    // The unnamed interfaces of two files are one, as are those of one name.
    let numbers: Vec<_> = read.seen.iter().map(|seen| seen.point.interface).collect();
    assert_eq!(numbers, [0, 1, 1, 0, 0, 1, 1]);
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
