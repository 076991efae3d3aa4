//! Frame Relay.

use super::{Frame, ethernet, ip};

/// An address of two bytes or more, of which the last is odd (Q.922), then
/// what RFC 2427 says, or an Ethernet type in Cisco's way.
pub(super) fn frame_relay(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let last = bytes.iter().take(4).position(|byte| byte & 1 == 1)?;
    match bytes.get(last + 1..)? {
        [0x03, 0xcc | 0x8e, rest @ ..] => ip(rest, headers_left),
        // A pad, the identifier of SNAP, its organisation and type.
        [0x03, 0, 0x80, 0, 0, 0, e0, e1, rest @ ..]
        | [0x03, 0x80, 0, 0, 0, e0, e1, rest @ ..]
        | [e0 @ 0x08..=0xff, e1, rest @ ..] => {
            ethernet::typed(u16::from_be_bytes([*e0, *e1]), rest, headers_left)
        }
        _ => None,
    }
}
