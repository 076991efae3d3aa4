//! Which hosts and which directions the operator wants, out of the words for
//! them.

use std::{fmt, net::IpAddr, str::FromStr};

use clap::ValueEnum;
use tracer_common::{Bits, Hosts, MAX_NETWORKS, Network, Version};

use crate::capture::Direction;

/// Which way packets go that are wanted, as this host's interfaces see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Directions {
    /// What comes in, and all of the loopback
    In,
    /// What goes out, and all of the loopback
    Out,
    /// Both
    #[default]
    Both,
}

impl Directions {
    /// Whether packets of a direction are wanted; `None` where that is not
    /// known and would matter.
    pub const fn has(self, direction: Direction) -> Option<bool> {
        match (self, direction) {
            (Self::Both, _) | (Self::In, Direction::Ingress) | (Self::Out, Direction::Egress) => {
                Some(true)
            }
            (_, Direction::Unknown) => None,
            _ => Some(false),
        }
    }
}

/// A network that is to be traced, or that is not, as given by `--host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRule {
    /// It is not to be traced.
    excluded: bool,
    version: Version,
    network: Network,
    /// As it was given.
    address: IpAddr,
    len: u32,
}

impl fmt::Display for HostRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { excluded, address, len, .. } = self;
        write!(formatter, "{}{address}/{len}", if *excluded { "!" } else { "" })
    }
}

impl FromStr for HostRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (excluded, network) = match text.strip_prefix('!') {
            Some(network) => (true, network),
            None => (false, text),
        };
        let (address, len) = match network.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (network, None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            format!(
                "'{address}' is not an IP address (names are not looked up); write \
                 192.0.2.7, 10.0.0.0/8 or fd00::/8, with ! in front to leave it out"
            )
        })?;
        let (version, name, bits) = match address {
            IpAddr::V4(_) => (Version::V4, "IPv4", 32),
            IpAddr::V6(_) => (Version::V6, "IPv6", 128),
        };
        let len = match len {
            None => bits,
            Some(len) => len.parse().ok().filter(|len| *len <= bits).ok_or_else(|| {
                format!("'/{len}' is no prefix of {name}, which has 0 to {bits} bits")
            })?,
        };
        Ok(Self { excluded, version, network: network_of(address, len), address, len })
    }
}

/// The address and as many after it as the prefix leaves open.
fn network_of(address: IpAddr, len: u32) -> Network {
    let mask = match address {
        IpAddr::V4(_) => IpAddr::V4(u32::MAX.checked_shl(32 - len).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(u128::MAX.checked_shl(128 - len).unwrap_or(0).into()),
    };
    let (_, Bits([high, low])) = bits(address);
    let (_, Bits(mask)) = bits(mask);
    Network { bits: Bits([high & mask[0], low & mask[1]]), mask: Bits(mask) }
}

fn bits(address: IpAddr) -> (Version, Bits) {
    match address {
        IpAddr::V4(address) => (Version::V4, Bits::v4(address.octets())),
        IpAddr::V6(address) => {
            let [h0, h1, h2, h3, h4, h5, h6, h7, l0, l1, l2, l3, l4, l5, l6, l7] = address.octets();
            let high = [h0, h1, h2, h3, h4, h5, h6, h7];
            (Version::V6, Bits::v6(high, [l0, l1, l2, l3, l4, l5, l6, l7]))
        }
    }
}

/// The list of all that was given; `None` when it is longer than a list can be.
pub(crate) fn hosts(rules: &[HostRule]) -> Option<Hosts> {
    let mut hosts = Hosts::ALL;
    let mut networks = hosts.networks.iter_mut();
    let mut count = 0;
    for (end, (version, excluded)) in hosts.ends.iter_mut().zip([
        (Version::V4, false),
        (Version::V4, true),
        (Version::V6, false),
        (Version::V6, true),
    ]) {
        let wanted = |rule: &&HostRule| (rule.version, rule.excluded) == (version, excluded);
        for rule in rules.iter().filter(wanted) {
            *networks.next()? = rule.network;
            count += 1;
        }
        *end = count;
    }
    Some(hosts)
}

/// Whether a packet between two hosts is wanted.
pub(crate) fn select(hosts: &Hosts, source: IpAddr, destination: IpAddr) -> bool {
    let (version, source) = bits(source);
    hosts.select(version, source, bits(destination).1)
}

/// How many networks can be named.
pub(crate) const MAX_HOSTS: usize = MAX_NETWORKS;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<HostRule> {
        text.split_whitespace().map(|rule| rule.parse().unwrap()).collect()
    }

    /// Whether packets between two hosts are wanted, in either direction.
    fn wanted(text: &str, one: &str, other: &str) -> bool {
        let hosts = hosts(&rules(text)).unwrap();
        let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
        let there = select(&hosts, one, other);
        assert_eq!(select(&hosts, other, one), there, "{text}: {one} and {other}");
        there
    }

    #[test]
    fn either_end_is_included_and_neither_excluded() {
        for (text, one, other, expected) in [
            ("", "10.0.0.1", "10.0.0.2", true),
            ("", "fd00::1", "fd00::2", true),
            ("10.0.0.1", "10.0.0.1", "192.0.2.1", true),
            ("10.0.0.1", "10.0.0.2", "10.0.0.3", false),
            ("10.0.0.0/8", "192.0.2.1", "10.255.255.255", true),
            ("10.0.0.0/8", "192.0.2.1", "11.0.0.0", false),
            // The bits behind the prefix do not count.
            ("10.1.2.3/8", "10.9.9.9", "192.0.2.1", true),
            ("10.0.0.0/8 !10.1.0.0/16", "10.0.0.1", "10.2.0.1", true),
            ("10.0.0.0/8 !10.1.0.0/16", "10.0.0.1", "10.1.0.1", false),
            ("!10.1.0.0/16 10.0.0.0/8", "10.0.0.1", "10.1.0.1", false),
            // Excluded alone: everything else is in, of both versions.
            ("!10.0.0.1", "10.0.0.1", "10.0.0.2", false),
            ("!10.0.0.1", "10.0.0.3", "10.0.0.2", true),
            ("!10.0.0.1", "fd00::1", "fd00::2", true),
            // Included of one version alone: nothing of the other is in.
            ("10.0.0.1", "fd00::1", "fd00::2", false),
            ("fd00::/8", "10.0.0.1", "10.0.0.2", false),
            ("fd00::/8 10.0.0.0/24", "10.0.0.1", "10.0.0.2", true),
            ("fd00::/8", "fdff::1", "2001:db8::1", true),
            ("fd00::1", "fd00::2", "2001:db8::1", false),
            ("fd00::/65", "fd00::7fff:ffff:0:1", "::1", true),
            ("fd00::/65", "fd00::8000:0:0:1", "::1", false),
            ("::/0 !fd00::1", "fd00::1", "::1", false),
            ("::/0 !fd00::1", "10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "10.0.0.1", "10.0.0.2", true),
            ("0.0.0.0/0", "fd00::1", "fd00::2", false),
            ("0.0.0.0/0", "::", "::1", false),
        ] {
            assert_eq!(wanted(text, one, other), expected, "{text}: {one} and {other}");
        }
    }

    #[test]
    fn a_list_holds_so_many_and_no_more() {
        let rule = "10.0.0.0/8".parse().unwrap();
        let all = hosts(&[rule; MAX_HOSTS]).unwrap();
        assert!(!select(&all, "11.0.0.1".parse().unwrap(), "12.0.0.1".parse().unwrap()));
        assert!(select(&all, "11.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()));
        assert_eq!(hosts(&[rule; MAX_HOSTS + 1]), None);
    }

    #[test]
    fn directions_of_packets_that_do_not_say_theirs() {
        for (wanted, expected) in [
            (Directions::In, [Some(true), Some(false), None]),
            (Directions::Out, [Some(false), Some(true), None]),
            (Directions::Both, [Some(true); 3]),
        ] {
            let of = [Direction::Ingress, Direction::Egress, Direction::Unknown];
            assert_eq!(of.map(|direction| wanted.has(direction)), expected);
        }
    }
}
