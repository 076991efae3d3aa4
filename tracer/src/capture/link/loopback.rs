//! Frames that begin with an address family.

use super::{Frame, Vlan};

/// `LINKTYPE_NULL` has the byte order of the host that captured, which need
/// not be the file's; `LINKTYPE_LOOP` is big-endian.
pub(super) fn null(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (family, rest) = frame.split_first_chunk()?;
    is_ip(*family)
        .then(|| Frame { loopback: true, ..Frame::new(rest, Vlan::default(), headers_left) })
}

/// `LINKTYPE_ENC`: family, security parameters index, flags.
pub(super) fn enc(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([f0, f1, f2, f3, ..], rest) = frame.split_first_chunk::<12>()?;
    is_ip([*f0, *f1, *f2, *f3]).then(|| Frame::new(rest, Vlan::default(), headers_left))
}

/// `OpenBSD`'s `pflog`: length of the header without its padding, family, action
/// and the rest of what the filter knew.
pub(super) fn pflog(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let [len, family, ..] = *frame else { return None };
    let header = usize::from(len).next_multiple_of(4);
    is_ip([0, 0, 0, family])
        .then(|| Some(Frame::new(frame.get(header..)?, Vlan::default(), headers_left)))?
}

/// Whether it is `AF_INET`, which is 2 everywhere, or `AF_INET6` of Linux,
/// Windows, `NetBSD`, FreeBSD or Darwin.
fn is_ip(family: [u8; 4]) -> bool {
    let family = u32::from_be_bytes(family);
    // Families have small numbers.
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    matches!(family, 2 | 10 | 23 | 24 | 28 | 30)
}
