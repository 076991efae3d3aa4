#![expect(
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small, or meant to be cut"
)]

mod damage;
mod formats;
mod reading;

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
