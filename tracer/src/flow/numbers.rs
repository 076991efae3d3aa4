//! Numbers of traced ports, as the kernel side has them.

use std::collections::{HashMap, HashSet};

/// What ports share for which there is no number.
const SHARED: u8 = u8::MAX;

/// Numbers for the ports that are traced from now on: those that had one keep
/// it, and the others take such as nobody has had just before.
pub(crate) fn renumbered(
    before: &[(u16, u8)],
    traced: impl Iterator<Item = u16>,
) -> Vec<(u16, u8)> {
    let known: HashMap<u16, u8> = before.iter().copied().collect();
    let taken: HashSet<u8> = before.iter().map(|(_, number)| *number).collect();
    let mut free = (1..SHARED).filter(|number| !taken.contains(number));
    let number = |port| (port, known.get(&port).copied().or_else(|| free.next()).unwrap_or(SHARED));
    traced.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_keeps_its_number_and_a_new_one_takes_nobodys() {
        let before = [(80, 1), (25, 2), (143, 3)];
        let after = renumbered(&before, [8080, 143, 80, 110].into_iter());
        assert_eq!(after, [(8080, 4), (143, 3), (80, 1), (110, 5)]);
        // That of port 25 is free again.
        assert_eq!(renumbered(&after, [80, 25].into_iter()), [(80, 1), (25, 2)]);
    }

    #[test]
    fn ports_beyond_all_numbers_share_one() {
        let all = renumbered(&[], 1..=300);
        assert_eq!(all[253..256], [(254, 254), (255, 255), (256, 255)]);
        assert_eq!(renumbered(&all, [7, 300, 301].into_iter()), [(7, 7), (300, 255), (301, 255)]);
    }
}
