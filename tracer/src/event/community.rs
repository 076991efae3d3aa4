//! The Community ID of a connection: a hash by which tools find each other's
//! records of the same flow.

use std::{net::IpAddr, sync::OnceLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1_smol::Sha1;

use super::Endpoint;

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// The Community ID (version 1, seed 0) of one connection, hashed when it is
/// first asked for: text rows never need it.
///
/// It says nothing that the ends do not say, so it never tells two connections
/// apart when they are compared.
#[derive(Clone, Debug, Default)]
pub struct CommunityId(OnceLock<String>);

impl CommunityId {
    /// The id of the connection between `client` and `server`, as
    /// `1:` and the hash in Base64.
    pub(super) fn of(&self, client: &Endpoint, server: &Endpoint) -> &str {
        self.0.get_or_init(|| hash(client, server))
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
fn hash(one: &Endpoint, other: &Endpoint) -> String {
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
    let mut id = String::from("1:");
    BASE64_STANDARD.encode_string(hash.digest().bytes(), &mut id);
    id
}
