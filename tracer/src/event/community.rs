//! The Community ID of a connection: a hash by which tools find each other's
//! records of the same flow.

use std::{cell::OnceCell, net::IpAddr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1_smol::Sha1;

use super::Endpoint;

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// What an id begins with.
const VERSION: &[u8] = b"1:";

/// Bytes of an id: a SHA-1 in Base64 behind that.
const LEN: usize = VERSION.len() + 28;

/// The Community ID (version 1, seed 0) of one connection, hashed when it is
/// first asked for: text rows never need it.
///
/// It says nothing that the ends do not say, so it never tells two connections
/// apart when they are compared.
#[derive(Clone, Debug, Default)]
pub struct CommunityId(OnceCell<[u8; LEN]>);

impl CommunityId {
    /// The id of the connection between `client` and `server`, as
    /// `1:` and the hash in Base64.
    pub(super) fn of(&self, client: &Endpoint, server: &Endpoint) -> &str {
        str::from_utf8(self.0.get_or_init(|| hash(client, server))).unwrap_or_default()
    }
}

impl PartialEq for CommunityId {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for CommunityId {}

/// SHA-1 over seed, addresses, protocol, padding and ports, the smaller end
/// first, so that both directions have one id.
fn hash(one: &Endpoint, other: &Endpoint) -> [u8; LEN] {
    const SEED: u16 = 0;
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    let mut hash = Sha1::new();
    hash.update(&SEED.to_be_bytes());
    for end in [first, second] {
        match end.ip {
            IpAddr::V4(ip) => hash.update(&ip.octets()),
            IpAddr::V6(ip) => hash.update(&ip.octets()),
        }
    }
    hash.update(&[TCP, 0]);
    for end in [first, second] {
        hash.update(&end.port.to_be_bytes());
    }
    let mut id = [0; LEN];
    let (version, digest) = id.split_at_mut(VERSION.len());
    version.copy_from_slice(VERSION);
    // Its length is that of the room: a test holds it against known ids.
    let _ = BASE64_STANDARD.encode_slice(hash.digest().bytes(), digest);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the Community ID specification's reference implementation.
    #[test]
    fn both_directions_have_the_published_id() {
        for (one, other, id) in [
            ("128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            ("1.2.3.4:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="),
            (
                "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943",
                "[2607:f8b0:400c:c03::1a]:25",
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
        ] {
            let [one, other] = [one, other].map(|end| {
                let end: std::net::SocketAddr = end.parse().expect("an end");
                Endpoint { ip: end.ip(), port: end.port() }
            });
            assert_eq!(CommunityId::default().of(&one, &other), id);
            assert_eq!(CommunityId::default().of(&other, &one), id);
        }
    }
}
