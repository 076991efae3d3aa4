//! Content codings, undone as far as a body is shown (RFC 9110 section 8.4.1).

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use httparse::Header;

/// Codings on top of each other that are undone. One is usual; more are made
/// by those who want work done.
const CODINGS_LIMIT: usize = 3;

/// Bytes that a coded content may be longer than what it stands for, for the
/// part that is shown: names and comments of gzip, tables, and blocks that do
/// not compress.
const OVERHEAD: usize = 1024;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    Unknown,
}

/// The codings of a content, in the order in which they were applied.
#[derive(Clone, Debug, Default)]
pub(super) struct Codings {
    applied: [Option<Coding>; CODINGS_LIMIT],
}

impl Codings {
    /// The codings that header fields name.
    pub(super) fn of(headers: &[Header<'_>]) -> Self {
        let mut codings = Self::default();
        let mut places = codings.applied.iter_mut();
        for name in headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("content-encoding"))
            .flat_map(|header| header.value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
        {
            let coding = match name.to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"br" => Coding::Brotli,
                b"zstd" => Coding::Zstd,
                _ => Coding::Unknown,
            };
            match places.next() {
                Some(place) => *place = Some(coding),
                None => return Self { applied: [Some(Coding::Unknown); CODINGS_LIMIT] },
            }
        }
        codings
    }

    /// Bytes of the coded content from which `limit` bytes can be shown.
    pub(super) const fn input(&self, limit: usize) -> usize {
        match self.applied {
            [None, ..] => limit,
            _ => limit.saturating_add(OVERHEAD),
        }
    }

    /// The first `limit` bytes of what the coded bytes stand for, and whether
    /// more stood in them; `None` when nothing can be said.
    pub(super) fn undo(&self, mut bytes: Vec<u8>, limit: usize) -> Option<(Vec<u8>, bool)> {
        let mut more = false;
        for coding in self.applied.iter().rev().flatten() {
            // What is in between may need some more than is shown of it.
            let room = limit.saturating_add(OVERHEAD);
            (bytes, more) = coding.undo(&bytes, room)?;
        }
        more |= bytes.len() > limit;
        bytes.truncate(limit);
        Some((bytes, more))
    }
}

impl Coding {
    fn undo(self, bytes: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
        match self {
            Self::Gzip => read(MultiGzDecoder::new(bytes), limit),
            // Some send it without the zlib format that the name stands for.
            Self::Deflate if is_zlib(bytes) => read(ZlibDecoder::new(bytes), limit),
            Self::Deflate => read(DeflateDecoder::new(bytes), limit),
            Self::Brotli => brotli(bytes, limit),
            Self::Zstd => zstd(bytes, limit),
            Self::Unknown => None,
        }
    }
}

/// Whether bytes begin as zlib's (RFC 1950 section 2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => true,
    }
}

/// Reads at most `limit` bytes, up to where the bytes end or break off.
fn read(mut decoder: impl Read, limit: usize) -> Option<(Vec<u8>, bool)> {
    const PIECE: usize = 4096;
    let mut read = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Some((read, false)),
            Ok(length) => {
                let room = limit - read.len();
                let piece = piece.get(..length).unwrap_or_default();
                read.extend_from_slice(piece.get(..room).unwrap_or(piece));
                if length > room {
                    return Some((read, true));
                }
            }
            // What came before the error was there.
            Err(_) => return (!read.is_empty()).then_some((read, false)),
        }
    }
}

#[cfg(feature = "brotli")]
fn brotli(bytes: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
    const BUFFER: usize = 4096;
    read(brotli_decompressor::Decompressor::new(bytes, BUFFER), limit)
}

#[cfg(not(feature = "brotli"))]
const fn brotli(_bytes: &[u8], _limit: usize) -> Option<(Vec<u8>, bool)> {
    None
}

#[cfg(feature = "zstd")]
fn zstd(bytes: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
    if zstd_window(bytes)? > ZSTD_WINDOW_LIMIT {
        return None;
    }
    read(ruzstd::decoding::StreamingDecoder::new(bytes).ok()?, limit)
}

#[cfg(not(feature = "zstd"))]
const fn zstd(_bytes: &[u8], _limit: usize) -> Option<(Vec<u8>, bool)> {
    None
}

/// Bytes of the largest window that HTTP allows (RFC 9659 section 3).
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_LIMIT: u64 = 8 << 20;

/// Bytes of a frame's window, or of all its content where that is one segment
/// (RFC 8878 section 3.1.1.1).
#[cfg(feature = "zstd")]
fn zstd_window(bytes: &[u8]) -> Option<u64> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = bytes else { return None };
    if descriptor & 0x20 == 0 {
        let window = *rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    let dictionary = match descriptor & 3 {
        3 => 4,
        length => usize::from(length),
    };
    let (length, offset) = match descriptor >> 6 {
        0 => (1, 0),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let size = rest.get(dictionary..dictionary + length)?;
    Some(size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte)) + offset)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn codings(value: &str) -> Codings {
        Codings::of(&[Header { name: "Content-Encoding", value: value.as_bytes() }])
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_coding_is_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"hello").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"hello").unwrap();
        for (name, bytes) in [
            ("gzip", gzip(b"hello")),
            ("X-GZIP", [gzip(b"hel"), gzip(b"lo")].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("gzip, gzip", gzip(&gzip(b"hello"))),
            ("identity", b"hello".to_vec()),
        ] {
            assert_eq!(codings(name).undo(bytes, 5), Some((b"hello".to_vec(), false)), "{name}");
        }
        for name in ["compress", "gzip, gzip, gzip, gzip"] {
            assert_eq!(codings(name).undo(gzip(b"hello"), 5), None, "{name}");
        }
    }

    #[test]
    fn as_much_as_is_there_is_undone() {
        let text = b"hello, hello, hello, good bye".repeat(9);
        let whole = gzip(&text);
        for end in 0..whole.len() {
            let cut = whole.get(..end).unwrap().to_vec();
            if let Some((shown, _)) = codings("gzip").undo(cut, text.len()) {
                assert!(text.starts_with(&shown), "{end}");
            }
        }
        assert_eq!(codings("gzip").undo(whole, 5), Some((b"hello".to_vec(), true)));
    }

    #[test]
    fn a_bomb_is_not_undone_beyond_what_is_shown() {
        let bomb = gzip(&gzip(&vec![0; 100_000_000]));
        let (shown, more) = codings("gzip, gzip").undo(bomb, 100).unwrap();
        assert_eq!((shown.len(), more), (100, true));
    }

    #[cfg(feature = "brotli")]
    #[test]
    fn brotli_is_undone() {
        let coded = b"\x0b\x02\x80hello\x03".to_vec();
        assert_eq!(codings("br").undo(coded, 5), Some((b"hello".to_vec(), false)));
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_is_undone_unless_its_window_is_too_large() {
        let frame = |header: &[u8]| [b"\x28\xb5\x2f\xfd", header, b"\x29\0\0hello"].concat();
        let small = frame(b"\x20\x05");
        assert_eq!(codings("zstd").undo(small, 5), Some((b"hello".to_vec(), false)));
        let large = frame(b"\0\xa8");
        assert_eq!(codings("zstd").undo(large, 5), None);
    }
}
