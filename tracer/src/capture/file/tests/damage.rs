//! Files that are cut, broken or something else.

use super::*;

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
