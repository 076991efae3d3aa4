//! What several measurements of one thing amount to.

use serde::Serialize;

/// Samples that a bootstrap draws.
const RESAMPLES: usize = 2000;

/// The share of runs in which an interval is to hold the true value.
const CONFIDENCE: f64 = 0.95;

/// A figure: what was measured, and how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What it is called, which is the head of its column.
    pub name: &'static str,
    /// Unit behind each value; empty for a ratio or a count.
    pub unit: &'static str,
    /// Whether it counts something, so that a value has no fraction.
    #[serde(skip)]
    pub counts: bool,
}

impl Figure {
    /// A figure of that name in that unit.
    pub const fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, counts: false }
    }

    /// A count of that name.
    pub const fn count(name: &'static str) -> Self {
        Self { name, unit: "", counts: true }
    }
}

/// What the values of several rounds amount to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many there were.
    pub count: usize,
    /// The middle one.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Summary {
    /// Of these values; `None` of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self {
            count: sorted.len(),
            median: median_of_sorted(&sorted)?,
            least: *sorted.first()?,
            greatest: *sorted.last()?,
        })
    }

    /// How far the values lie apart, as a share of the median.
    pub fn spread(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.greatest - self.least) / self.median.abs() }
    }
}

/// Two ends between which the true value lies, with which certainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How certain it is; less than was asked for where there are too few
    /// values.
    pub confidence: f64,
}

/// The median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values))
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / count(values.len())) }
}

/// The value below which a share of them lies, by the nearest rank.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (share.clamp(0.0, 1.0) * count(sorted.len())).ceil();
    sorted.get(index(rank).saturating_sub(1)).copied()
}

/// What one tool had against another in each round: the machine's mood of that
/// round is in both. Rounds that only one of them had are left out.
pub fn ratios(values: &[f64], baseline: &[f64]) -> Vec<f64> {
    let pairs = values.iter().zip(baseline).filter(|(_, base)| **base != 0.0);
    pairs.map(|(value, base)| value / base).collect()
}

/// An interval for the median without any assumption on how values are
/// distributed: the pair of order statistics nearest to the middle that holds
/// it with 95 %; the least and the greatest where there are too few for that.
pub fn interval_of_median(values: &[f64]) -> Option<Interval> {
    let sorted = sorted(values);
    let n = sorted.len();
    let mut best = None;
    for rank in 0..n.div_ceil(2) {
        // The median lies outside when at most `rank` values lie on one side of
        // it: a binomial distribution of n throws of a fair coin.
        let confidence = 1.0 - 2.0 * (0..=rank).map(|k| coin(n, k)).sum::<f64>();
        if rank > 0 && confidence < CONFIDENCE {
            break;
        }
        best = Some(Interval {
            low: *sorted.get(rank)?,
            high: *sorted.get(n - 1 - rank)?,
            confidence: confidence.max(0.0),
        });
    }
    best
}

/// An interval of 95 % for the mean, by drawing from the values again and
/// again. The draws are the same in each run.
pub fn interval_of_mean(values: &[f64]) -> Option<Interval> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut means = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let draw = |_| values.get(random.below(values.len())).copied();
        means.push(mean(&(0..values.len()).filter_map(draw).collect::<Vec<_>>())?);
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some(Interval {
        low: quantile(&means, tail)?,
        high: quantile(&means, 1.0 - tail)?,
        confidence: CONFIDENCE,
    })
}

/// A count as a number to reckon with; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub const fn number(count: u64) -> f64 {
    count as f64
}

/// The same of a length.
pub const fn count(count: usize) -> f64 {
    number(count as u64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank lies between 0 and the number of values"
)]
const fn index(rank: f64) -> usize {
    rank as usize
}

/// The chance that `k` of `n` throws of a coin are heads.
fn coin(n: usize, k: usize) -> f64 {
    let ways = (0..k).fold(1.0, |ways, i| ways * count(n - i) / count(i + 1));
    (0..n).fold(ways, |chance, _| chance / 2.0)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Numbers that look random and are the same in each run (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of these; `None` of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// One below `end`; 0 if that is 0.
    pub const fn below(&mut self, end: usize) -> usize {
        let product = self.next() as u128 * end as u128;
        #[expect(clippy::cast_possible_truncation, reason = "below a usize")]
        let at = (product >> 64) as usize;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        is(median(&[3.0, 1.0, 2.0]).unwrap(), 2.0);
        is(median(&[4.0, 1.0, 2.0, 3.0]).unwrap(), 2.5);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_spread_is_a_share_of_the_median() {
        let summary = Summary::of(&[9.0, 10.0, 12.0]).unwrap();
        is(summary.spread(), 0.3);
        assert_eq!((summary.count, summary.least, summary.greatest), (3, 9.0, 12.0));
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        assert_eq!(ratios(&[2.0, 9.0, 5.0], &[1.0, 3.0]), [2.0, 3.0]);
        assert!(ratios(&[1.0], &[0.0]).is_empty());
    }

    #[test]
    fn quantiles_are_by_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        is(quantile(&values, 0.5).unwrap(), 50.0);
        is(quantile(&values, 0.99).unwrap(), 99.0);
        is(quantile(&values, 0.0).unwrap(), 1.0);
        assert_eq!(quantile(&[], 0.5), None);
    }

    /// From the tables of the binomial distribution.
    #[test]
    fn order_statistics_hold_the_median() {
        let of = |n: u32| interval_of_median(&(1..=n).map(f64::from).collect::<Vec<_>>()).unwrap();
        let five = of(5);
        assert_eq!((five.low, five.high), (1.0, 5.0));
        is(five.confidence, 0.9375);
        let fifteen = of(15);
        assert_eq!((fifteen.low, fifteen.high), (4.0, 12.0));
        assert!((fifteen.confidence - 0.9648).abs() < 1e-4, "{fifteen:?}");
        is(of(1).confidence, 0.0);
        assert_eq!(interval_of_median(&[]), None);
    }

    #[test]
    fn the_mean_lies_in_its_interval() {
        let values = [10.0, 11.0, 9.0, 10.5, 9.5, 10.0, 10.2, 9.8];
        let interval = interval_of_mean(&values).unwrap();
        let mean = mean(&values).unwrap();
        assert!(interval.low < mean && mean < interval.high, "{interval:?}");
        assert!(interval.high - interval.low < 1.0, "{interval:?}");
        assert_eq!(interval_of_mean(&values), Some(interval));
        assert_eq!(interval_of_mean(&[]), None);
    }
}
