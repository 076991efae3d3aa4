//! Target `file`: bytes as a capture file.
//!
//! The first byte says in which pieces the system hands the file over, the
//! second in how many files it is; the rest is their bytes.
//!
//! - The same segments come out, and the same errors, in whatever pieces the
//!   file is read; but of a corrupt compressed one.
//! - A segment has no more bytes than its packet had on the wire, and every
//!   packet counts under one outcome: as many are copied or truncated as there
//!   are segments.
//! - The reader has no more on the heap than its buffer and the longest packet
//!   that it believes, however long the file says that one is.

use std::io::{self, Read};

use tracer::{
    capture::{Source as _, Status, file::FileSource, packet::Selection},
    event::Timestamp,
};

use crate::heap;

/// What a reader may have on the heap: 256 KiB read at once, or a packet of
/// 1 MiB, in a buffer that has been made larger once; and the list of interfaces.
const HEAP: usize = 4 * 1024 * 1024;
/// Ports that are wanted.
const PORTS: [u16; 3] = [80, 25, 143];

/// A file of which the system hands over so much at once.
struct Slow {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.len().min(buffer.len()).min(self.piece);
        for (to, from) in buffer.iter_mut().zip(rest.iter().take(len)) {
            *to = *from;
        }
        self.at += len;
        Ok(len)
    }
}

/// What comes out of a file: segments, errors, and the counters.
fn segments(files: &[&[u8]], piece: usize, begin: bool) -> Vec<String> {
    let inputs = files.iter().enumerate().map(|(number, bytes)| {
        let slow = Slow { bytes: bytes.to_vec(), at: 0, piece };
        (number.to_string(), Box::new(slow) as _)
    });
    let mut lines = Vec::new();
    let mut source = FileSource::new(inputs.collect::<Vec<_>>(), Selection::new(PORTS, true));
    if begin {
        source.begin();
    }
    let before = heap::used();
    let mut count = 0;
    let mut errors = 0;
    loop {
        let status = source.read(&mut |segment| {
            heap::apart(|| {
                count += 1;
                let until = u64::from(segment.offset) + segment.bytes.len() as u64;
                assert!(until <= u64::from(segment.len), "{until} of {} bytes", segment.len);
                assert!(segment.time >= Timestamp(0));
                lines.push(format!("{segment:?}"));
            });
        });
        heap::apart(|| match status {
            Ok(Status::End) => lines.push("end".to_owned()),
            Ok(_) => {}
            Err(ref error) => {
                errors += 1;
                lines.push(error.to_string());
            }
        });
        let held = usize::try_from(heap::used() - before).unwrap_or(0);
        assert!(held <= HEAP, "{held} bytes");
        if matches!(status, Ok(Status::End)) {
            break;
        }
        assert!(errors <= files.len(), "an error without end");
    }
    let outcomes = source.outcomes();
    assert_eq!(outcomes.copied + outcomes.truncated, count);
    lines.push(format!("{outcomes:?}"));
    lines
}

/// Holds a file against the same file in pieces.
pub(crate) fn run(data: &[u8]) {
    let [piece, files, bytes @ ..] = data else { return };
    let half = bytes.len() / 2;
    let files = match files % 4 {
        0 => {
            [bytes.get(..half).unwrap_or_default(), bytes.get(half..).unwrap_or_default()].to_vec()
        }
        1 => vec![bytes, bytes],
        _ => vec![bytes],
    };
    let whole = segments(&files, usize::MAX, false);
    let pieces = segments(&files, usize::from(*piece).max(1), true);
    // How much comes out of a corrupt one before the error depends on how much
    // of it was looked at.
    let corrupt = |said: &[String]| said.iter().any(|line| line.contains("corrupt"));
    if corrupt(&whole) || corrupt(&pieces) {
        return;
    }
    assert!(whole == pieces, "whole: {whole:#?}\nin pieces of {piece}: {pieces:#?}");
}
