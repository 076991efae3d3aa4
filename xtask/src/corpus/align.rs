//! Two lists of messages laid side by side.

use super::message::Message;

/// What became of one expected or found message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// Equal in all key fields.
    Equal,
    /// The messages at these places stand for each other, but differ.
    Differ(usize, usize),
    /// Expected, not found.
    Missing(usize),
    /// Found, not expected.
    Extra(usize),
}

/// Beyond this many comparisons the lists are laid side by side as they are.
const MAX_CELLS: usize = 16 << 20;

/// Finds the longest row of equal messages that stand in the same order on
/// both sides; what is between two of them is paired in order.
pub(super) fn align(expected: &[Message], found: &[Message]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let (mut done_expected, mut done_found) = (0, 0);
    for (one, other) in common(expected, found).into_iter().chain([(expected.len(), found.len())]) {
        while done_expected < one || done_found < other {
            pairs.push(match (done_expected < one, done_found < other) {
                (true, true) => Pair::Differ(done_expected, done_found),
                (true, false) => Pair::Missing(done_expected),
                (false, _) => Pair::Extra(done_found),
            });
            done_expected = (done_expected + 1).min(one);
            done_found = (done_found + 1).min(other);
        }
        if one < expected.len() && other < found.len() {
            pairs.push(Pair::Equal);
        }
        (done_expected, done_found) = (one + 1, other + 1);
    }
    pairs
}

/// Places of the longest common subsequence, on both sides.
fn common(expected: &[Message], found: &[Message]) -> Vec<(usize, usize)> {
    let (rows, columns) = (expected.len(), found.len());
    if rows.saturating_mul(columns) > MAX_CELLS {
        let both = expected.iter().zip(found).enumerate();
        return both
            .filter(|(_, (one, other))| one.agrees(other))
            .map(|(at, _)| (at, at))
            .collect();
    }
    let width = columns + 1;
    // Length of the longest common subsequence of the two tails.
    let mut longest = vec![0u32; (rows + 1) * width];
    let at = |longest: &[u32], row: usize, column: usize| {
        longest.get(row * width + column).copied().unwrap_or_default()
    };
    for (row, one) in expected.iter().enumerate().rev() {
        for (column, other) in found.iter().enumerate().rev() {
            let mut best = at(&longest, row + 1, column).max(at(&longest, row, column + 1));
            if one.agrees(other) {
                best = best.max(at(&longest, row + 1, column + 1) + 1);
            }
            if let Some(cell) = longest.get_mut(row * width + column) {
                *cell = best;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut places = Vec::new();
    while let (Some(one), Some(other)) = (expected.get(row), found.get(column)) {
        let here = at(&longest, row, column);
        if one.agrees(other) && here == at(&longest, row + 1, column + 1) + 1 {
            places.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if at(&longest, row + 1, column) >= at(&longest, row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::message::Value;

    fn messages(names: &str) -> Vec<Message> {
        let message = |name: char| Message {
            place: String::new(),
            stream: String::new(),
            fields: vec![("line", Value::Is(name.to_string()))],
            cut: false,
        };
        names.chars().map(message).collect()
    }

    #[test]
    fn what_stands_between_equal_messages_is_paired() {
        let pairs = align(&messages("abcde"), &messages("axcefg"));
        assert_eq!(
            pairs,
            [
                Pair::Equal,
                Pair::Differ(1, 1),
                Pair::Equal,
                Pair::Missing(3),
                Pair::Equal,
                Pair::Extra(4),
                Pair::Extra(5),
            ]
        );
    }

    #[test]
    fn empty_lists() {
        assert_eq!(align(&[], &messages("a")), [Pair::Extra(0)]);
        assert_eq!(align(&messages("a"), &[]), [Pair::Missing(0)]);
        assert_eq!(align(&[], &[]), []);
    }
}
