//! Names of what is not decoded, for whoever asks why.

use super::{First, Likeness, Spoken, is_tls, spoken};
use crate::event::Side;

/// How sides of other protocols begin.
const BEGINNINGS: [(Option<Side>, &[u8], &str); 18] = [
    (None, b"SSH-", "ssh"),
    (None, b"PROXY ", "proxy-protocol"),
    (None, b"\r\n\r\n\0\r\nQUIT\n", "proxy-protocol"),
    (None, b"\x13BitTorrent protocol", "bittorrent"),
    (None, b"RTSP/", "rtsp"),
    (None, b"SIP/", "sip"),
    (None, b"RFB ", "vnc"),
    (None, b"\x03\0\0", "rdp"),
    (None, b"\0\0\0\0\xffSMB", "smb"),
    (Some(Side::Client), b"*1\r\n$", "redis"),
    (Some(Side::Client), b"*2\r\n$", "redis"),
    (Some(Side::Client), b"*3\r\n$", "redis"),
    (Some(Side::Client), b"JRMI", "java-rmi"),
    (Some(Side::Client), b"\x10", "mqtt"),
    (Some(Side::Server), b"+OK", "pop3"),
    (Some(Side::Server), b"220", "ftp"),
    (Some(Side::Server), b"200 ", "nntp"),
    (Some(Side::Server), b"201 ", "nntp"),
];

/// What a connection looks like whose sides begin with `client` and `server`.
pub fn name(client: &[u8], server: &[u8]) -> Option<&'static str> {
    let sides = [(Side::Client, client), (Side::Server, server)];
    if sides.iter().any(|(side, bytes)| is_tls(*side, bytes, false) == Likeness::Like) {
        return Some("tls");
    }
    if let Spoken::Protocol(protocol) = spoken(client, server, true) {
        return Some(protocol.label.name);
    }
    sides.iter().find_map(|(side, bytes)| {
        let first = First { side: *side, bytes, whole: true };
        let of_side = |(wanted, text, name): &(Option<Side>, &[u8], &'static str)| {
            let fits = wanted.is_none_or(|wanted| wanted == *side);
            (fits && first.begins_with(text) == Likeness::Like).then_some(*name)
        };
        BEGINNINGS.iter().find_map(of_side)
    })
}
