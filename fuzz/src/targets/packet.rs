//! Target `packet`: bytes as frames of a network, through link layers, tunnels
//! and fragments, down to the TCP header.
//!
//! The first byte is what the wire had and the capture has not, the second the
//! link type; the rest are frames, with DLE and `|` between them.
//!
//! - Every frame counts under one outcome, and is handed over as a segment when
//!   it counts as copied or truncated, else not.
//! - A segment says no more bytes than it has, and has its whole frame with it.
//! - A frame says the same of itself whatever frames stand before it, unless
//!   it is a fragment.
//! - What waits for other fragments keeps to its limit.

use std::io::Cursor;

use tracer::capture::{Source as _, Status, file::FileSource, packet::Selection};

use crate::{
    heap,
    input::{Item, Op, items},
};

/// Ports that are wanted.
const PORTS: [u16; 3] = [80, 25, 143];
/// What a source may have on the heap: its buffer, and fragments.
const HEAP: usize = 8 * 1024 * 1024;

/// A file in the pcap format, little-endian, with one frame a second.
fn pcap(link_type: u8, frames: &[&[u8]], cut: u8) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, u32::from(link_type)] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for (second, frame) in (0_u32..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        for word in [second, 0, len, len.saturating_add(cut.into())] {
            file.extend_from_slice(&u32::to_le_bytes(word));
        }
        file.extend_from_slice(frame);
    }
    file
}

/// What each frame is: the segment in it, or what it counts as.
fn unwrapped(link_type: u8, frames: &[&[u8]], cut: u8) -> Option<Vec<String>> {
    let file = Cursor::new(pcap(link_type, frames, cut));
    let selection = Selection::new(PORTS, true);
    let mut source = FileSource::new([("built".to_owned(), Box::new(file) as _)], selection);
    let mut said = Vec::new();
    let before = heap::used();
    loop {
        let status = source.read(&mut |segment| {
            heap::apart(|| {
                let until = u64::from(segment.offset) + segment.bytes.len() as u64;
                assert!(until <= u64::from(segment.len), "{until} of {} bytes", segment.len);
                // Fragments are put together into a packet of their own.
                let whole = frames.contains(&segment.captured.bytes);
                assert!(whole || frames.len() > 1, "another frame");
                let ends = (segment.source, segment.destination, segment.vlan);
                let payload = (segment.len, segment.offset, segment.bytes);
                said.push(format!("{ends:?} {:?} {payload:?}", segment.tcp));
            });
        });
        let held = usize::try_from(heap::used() - before).unwrap_or(0);
        assert!(held <= HEAP, "{held} bytes");
        match status {
            Ok(Status::End) => break,
            Ok(_) => {}
            // A link type that nobody knows.
            Err(_) => return None,
        }
    }
    let outcomes = source.outcomes();
    assert_eq!(outcomes.seen(), frames.len() as u64, "{outcomes:?}");
    assert_eq!(outcomes.copied + outcomes.truncated, said.len() as u64, "{outcomes:?}");
    said.push(format!("{outcomes:?}"));
    Some(said)
}

/// Holds frames against what must be true of each.
pub(crate) fn run(data: &[u8]) {
    let [cut, link_type, frames @ ..] = data else { return };
    let items = items(frames);
    let mut frames: Vec<Vec<u8>> = vec![Vec::new()];
    for item in &items {
        match (item, frames.last_mut()) {
            (Item::Bytes(bytes), Some(frame)) => frame.extend_from_slice(bytes),
            (Item::Op(Op::Cut), _) => frames.push(Vec::new()),
            _ => {}
        }
    }
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let Some(together) = unwrapped(*link_type, &frames, *cut) else { return };
    let fragments = |said: &[String]| said.iter().any(|said| !said.contains("fragment: 0"));
    let mut alone = Vec::new();
    for frame in &frames {
        let Some(mut said) = unwrapped(*link_type, &[frame], *cut) else { return };
        let outcome = said.pop();
        if outcome.is_some_and(|outcome| fragments(&[outcome])) {
            return;
        }
        alone.append(&mut said);
    }
    for (one, other) in alone.iter().zip(&together) {
        assert_eq!(one, other);
    }
    assert_eq!(alone.len() + 1, together.len());
}
