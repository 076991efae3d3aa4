//! What the formats say, in every form of theirs.

use super::*;

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
