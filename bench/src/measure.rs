//! How things are measured side by side: in rounds, every peer once a round, and the median of the rounds.

use std::time::{Duration, Instant};

/// Figures of one thing, one a round.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn extend(&mut self, other: &Samples) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that this part of all values lies below; NaN if there is none.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return f64::NAN;
        }
        sorted[((sorted.len() - 1) as f64 * part).round() as usize]
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// What each round shows more than the same round of `base`: noise that lasts longer than a round cancels out.
    pub fn over(&self, base: &Samples) -> Samples {
        Samples(self.0.iter().zip(&base.0).map(|(value, base)| value - base).collect())
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Whose turn it is: every one of `count` peers once a round. Each round starts with the next one, so that none always follows the same.
pub fn turns(rounds: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..rounds).flat_map(move |round| (0..count).map(move |turn| (round + turn) % count))
}

/// How long `work` takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed(), result)
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Random enough to pick sessions with, the same in every run, and cheap (splitmix64).
#[derive(Clone, Debug)]
pub struct Picker(u64);

impl Picker {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let samples: Samples = [4.0, 1.0, 3.0, 2.0, 100.0].into_iter().collect();
        assert_eq!(samples.median(), 3.0);
        assert_eq!(samples.quantile(1.0), 100.0);
        assert!(Samples::default().median().is_nan());
    }

    #[test]
    fn every_peer_has_its_turn_and_starts_a_round() {
        assert_eq!(turns(2, 2).collect::<Vec<_>>(), [0, 1, 1, 0]);
    }

    #[test]
    fn rounds_are_compared_one_by_one() {
        let (base, more): (Samples, Samples) = (
            [1.0, 50.0, 2.0].into_iter().collect(),
            [3.0, 52.0, 4.0].into_iter().collect(),
        );
        assert_eq!(more.over(&base).median(), 2.0);
    }
}
