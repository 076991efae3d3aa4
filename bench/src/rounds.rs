//! The order in which tools have their turns.

use anyhow::Result;

/// Calls `measure` for every contender once in each round, with the number of
/// the round.
///
/// Each round begins with another contender, so that what the machine does
/// meanwhile (it warms up, somebody else comes and goes) hits all of them
/// alike, and figures of one round can be held against each other.
pub fn interleave<T>(
    rounds: usize,
    contenders: &[T],
    mut measure: impl FnMut(&T, usize) -> Result<()>,
) -> Result<()> {
    for round in 0..rounds {
        let begin = round % contenders.len().max(1);
        let (later, first) = contenders.split_at_checked(begin).unwrap_or((contenders, &[]));
        for contender in first.iter().chain(later) {
            measure(contender, round)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_begins_with_another() {
        let mut turns = Vec::new();
        interleave(4, &['a', 'b', 'c'], |contender, round| {
            turns.push((round, *contender));
            Ok(())
        })
        .unwrap();
        let order: String = turns.iter().map(|(_, contender)| contender).collect();
        assert_eq!(order, "abcbcacababc");
        assert_eq!(turns.last(), Some(&(3, 'c')));
    }

    #[test]
    fn nobody_has_no_turn() {
        interleave(2, &[] as &[char], |_, _| panic!()).unwrap();
    }
}
