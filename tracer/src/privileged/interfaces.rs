//! Which interfaces are traced: the operator's names and globs, against what
//! is there.

use std::collections::HashMap;

use super::netlink::Link;
use crate::handover;

/// What the operator chose with `-i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// Names and globs; none for all that are up.
    patterns: Vec<String>,
}

impl Selection {
    /// Takes the operator's names and globs.
    pub(super) const fn new(patterns: Vec<String>) -> Self {
        Self { patterns }
    }

    /// Whether the interface is to be traced. One that was chosen is traced
    /// also while it is down, so that its first packet is not missed.
    pub(super) fn takes(&self, link: &Link) -> bool {
        match self.patterns.as_slice() {
            [] => link.up,
            patterns => patterns.iter().any(|pattern| glob(pattern, &link.name)),
        }
    }

    /// Whether the operator left the choice to tracer.
    pub(super) const fn is_everything(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Patterns that match no interface: plain names, then globs.
    pub(super) fn unmatched(&self, links: &[Link]) -> (Vec<&str>, Vec<&str>) {
        let nowhere = |pattern: &&str| !links.iter().any(|link| glob(pattern, &link.name));
        let (globs, names) =
            self.patterns.iter().map(String::as_str).filter(nowhere).partition(|it| is_glob(it));
        (names, globs)
    }
}

/// Whether a pattern is more than a name.
fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Whether a name matches a glob: `*` is any text, `?` one character, `[a-z]`
/// one of a set, `[!a-z]` one that is not in it.
fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut position) = (0, 0);
    // Where to go on when what follows the last `*` does not match here.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&character) = name.get(position) {
        let next = match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, position));
                at += 1;
                continue;
            }
            Some('?') => Some(at + 1),
            Some('[') => set(pattern.get(at + 1..).unwrap_or_default(), character)
                .and_then(|(inside, len)| inside.then_some(at + 1 + len)),
            Some(&expected) => (expected == character).then_some(at + 1),
            None => None,
        };
        (at, position) = match (next, retry) {
            (Some(next), _) => (next, position + 1),
            (None, Some((after_star, from))) => {
                retry = Some((after_star, from + 1));
                (after_star, from + 1)
            }
            (None, None) => return false,
        };
    }
    pattern.get(at..).unwrap_or_default().iter().all(|&left| left == '*')
}

/// Reads a set behind its `[`: whether `character` is in it, and its length
/// with the `]`. `None` for a set without an end, which matches nothing.
fn set(set: &[char], character: char) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A `]` that comes first stands for itself.
    let end = set.iter().skip(start + 1).position(|&end| end == ']')? + start + 1;
    let mut members = set.get(start..end)?;
    let mut inside = false;
    while let Some((&first, rest)) = members.split_first() {
        if let ['-', last, rest @ ..] = rest {
            inside |= (first..=*last).contains(&character);
            members = rest;
        } else {
            inside |= first == character;
            members = rest;
        }
    }
    Some((inside != negated, end + 1))
}

/// VLAN devices are stacked no deeper than frames have tags.
const DEEPEST_VLAN: usize = 2;

/// What the worker is told of an interface. `known` are all interfaces, for
/// the devices below a VLAN device.
pub(super) fn described(link: &Link, known: &HashMap<u32, Link>) -> handover::Interface {
    let mut vlans = Vec::new();
    let mut device = Some(link);
    while let Some(vlan) = device.and_then(|device| device.vlan) {
        vlans.insert(0, vlan.id);
        if vlans.len() == DEEPEST_VLAN {
            break;
        }
        device = vlan.parent.and_then(|parent| known.get(&parent));
    }
    handover::Interface {
        index: link.index,
        name: link.name.clone(),
        loopback: link.loopback,
        vlans,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privileged::netlink::VlanDevice;

    fn link(index: u32, name: &str, up: bool) -> Link {
        Link {
            index,
            name: name.to_owned(),
            up,
            loopback: name == "lo",
            hardware: libc::ARPHRD_ETHER,
            kind: String::new(),
            vlan: None,
            xdp: None,
        }
    }

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth", "eth0", false),
            ("eth*", "eth0", true),
            ("eth*", "eth", true),
            ("*", "lo", true),
            ("", "lo", false),
            ("*0", "eth10", true),
            ("*0", "eth01", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("veth?", "veth1", true),
            ("veth?", "veth12", false),
            ("veth?", "veth", false),
            ("eth[0-2]", "eth1", true),
            ("eth[0-2]", "eth3", false),
            ("eth[!0-2]", "eth3", true),
            ("eth[!0-2]", "eth0", false),
            ("eth[]]", "eth]", true),
            ("eth[0-2]x*", "eth2xy", true),
            ("eth[", "eth[", false),
            ("*[0-9]", "ens5f1", true),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_glob_of_many_stars_takes_no_time() {
        assert!(!glob(&"*a".repeat(60), &"a".repeat(59)));
    }

    #[test]
    fn without_a_choice_all_that_are_up_are_taken() {
        let selection = Selection::new(Vec::new());
        assert!(selection.takes(&link(1, "lo", true)));
        assert!(!selection.takes(&link(2, "eth0", false)));
        assert_eq!(selection.unmatched(&[]), (vec![], vec![]));
    }

    #[test]
    fn what_was_chosen_is_taken_also_while_it_is_down() {
        let selection = Selection::new(vec!["eth0".into(), "veth*".into()]);
        assert!(selection.takes(&link(2, "eth0", false)));
        assert!(!selection.takes(&link(1, "lo", true)));
        assert_eq!(selection.unmatched(&[link(2, "eth0", true)]), (vec![], vec!["veth*"]));
        assert_eq!(selection.unmatched(&[link(2, "veth1", true)]), (vec!["eth0"], vec![]));
    }

    #[test]
    fn a_vlan_device_is_described_by_the_tags_on_the_device_below() {
        let mut inner = link(4, "eth0.5.7", true);
        inner.vlan = Some(VlanDevice { id: 7, parent: Some(3) });
        let mut outer = link(3, "eth0.5", true);
        outer.vlan = Some(VlanDevice { id: 5, parent: Some(2) });
        let known = [link(2, "eth0", true), outer.clone(), inner.clone()];
        let known: HashMap<_, _> = known.into_iter().map(|link| (link.index, link)).collect();
        assert_eq!(described(&inner, &known).vlans, [5, 7]);
        assert_eq!(described(&outer, &known).vlans, [5]);
        assert_eq!(described(&known[&2], &known).vlans, [0_u16; 0]);
    }

    #[test]
    fn vlan_devices_that_point_at_each_other_come_to_an_end() {
        let mut one = link(3, "a", true);
        one.vlan = Some(VlanDevice { id: 5, parent: Some(3) });
        let known = HashMap::from([(3, one.clone())]);
        assert_eq!(described(&one, &known).vlans, [5, 5]);
    }
}
