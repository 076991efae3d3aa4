//! What this process may do: the capabilities that live tracing needs.

use std::{fmt, fs, io};

const CAP_NET_ADMIN: u8 = 12;
const CAP_SYS_ADMIN: u8 = 21;
const CAP_PERFMON: u8 = 38;
const CAP_BPF: u8 = 39;

/// A capability that live tracing needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capability {
    /// Bit number in the kernel's sets (`linux/capability.h`).
    bit: u8,
    /// Name.
    pub(super) name: &'static str,
    /// What tracer needs it for.
    pub(super) purpose: &'static str,
}

/// All that live tracing needs, and nothing else.
pub(super) const NEEDED: [Capability; 3] = [
    Capability { bit: CAP_BPF, name: "CAP_BPF", purpose: "to load its programs and maps" },
    Capability {
        bit: CAP_NET_ADMIN,
        name: "CAP_NET_ADMIN",
        purpose: "to attach them to interfaces",
    },
    Capability {
        bit: CAP_PERFMON,
        name: "CAP_PERFMON",
        purpose: "so that the verifier allows their packet arithmetic",
    },
];

/// A set of capabilities, as the kernel keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    /// The effective set of this process.
    ///
    /// # Errors
    ///
    /// When `/proc` is not there or does not say.
    pub(super) fn effective() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        Self::parse(&status)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no CapEff line"))
    }

    fn parse(status: &str) -> Option<Self> {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Self)
    }

    /// Whether the set holds it, or `CAP_SYS_ADMIN`, which the kernel takes
    /// for `CAP_BPF` and `CAP_PERFMON` as well.
    pub(super) const fn has(self, capability: Capability) -> bool {
        let stands_in = capability.bit != CAP_NET_ADMIN && self.0 >> CAP_SYS_ADMIN & 1 == 1;
        stands_in || self.0 >> capability.bit & 1 == 1
    }

    /// What live tracing needs and the set does not hold.
    pub(super) fn missing(self) -> Missing {
        Missing(NEEDED.into_iter().filter(|&capability| !self.has(capability)).collect())
    }
}

/// Capabilities that are not there; displayed with how to get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub(super) Vec<Capability>);

impl Missing {
    /// Whether nothing is missing.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("missing ")?;
        for (index, Capability { name, purpose, .. }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{name} ({purpose})")?;
        }
        write!(formatter, ". {HOW_TO_GET_THEM}")
    }
}

/// How to run tracer with its capabilities.
pub(super) const HOW_TO_GET_THEM: &str = "\
Run it as root (sudo tracer), or give the program the three that it needs \
(sudo setcap cap_bpf,cap_net_admin,cap_perfmon=ep $(command -v tracer)), or in a systemd unit set \
AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read_from_the_status_page() {
        let status = "Name:\ttracer\nCapPrm:\t0000000000000000\nCapEff:\t000000c000001000\n";
        let set = Set::parse(status).unwrap();
        assert!(set.missing().is_empty());
        assert_eq!(Set::parse("Name:\ttracer\n"), None);
    }

    #[test]
    fn the_administrator_capability_stands_in_for_all_but_the_network() {
        let Missing(missing) = Set(1 << CAP_SYS_ADMIN).missing();
        assert_eq!(missing.iter().map(|one| one.name).collect::<Vec<_>>(), ["CAP_NET_ADMIN"]);
    }

    #[test]
    fn each_missing_capability_is_named_with_how_to_get_it() {
        let text = Set(1 << CAP_NET_ADMIN).missing().to_string();
        assert!(text.starts_with("missing CAP_BPF (to load its programs and maps), CAP_PERFMON ("));
        assert!(!text.contains("CAP_NET_ADMIN (to"));
        for way in ["sudo tracer", "setcap cap_bpf,cap_net_admin,cap_perfmon=ep", "systemd"] {
            assert!(text.contains(way), "{way}");
        }
    }
}
