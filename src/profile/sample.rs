//! A sample of records of bounded size, the same for the same records however they are divided up.
//!
//! Each record has a key, a random number that its place in the input gives; those with the lowest keys
//! are the sample. As there come to be too many, the keys are held to half the range, so who else
//! gathers may leave those out at once.

use std::sync::atomic::{AtomicU32, Ordering};

/// Values of a sample at most: 32 MB.
const MOST_VALUES: usize = 1 << 22;
/// Records of a sample at most: quantiles are then right within 0.4 % of the records.
const MOST_RECORDS: usize = 1 << 15;
const FEWEST_RECORDS: usize = 1 << 10;

/// How often the range of keys was halved; only grows.
#[derive(Debug, Default)]
pub struct Level(AtomicU32);

impl Level {
    /// The level.
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Tells others of a higher one.
    pub fn raise(&self, level: u32) {
        self.0.fetch_max(level, Ordering::Relaxed);
    }
}

/// The key of the record at `place`: SplitMix64's output function, which mixes every bit.
#[inline]
pub fn key(place: u64) -> u64 {
    let mut z = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether a record with this key is in a sample at `level`.
#[inline]
pub fn is_in(key: u64, level: u32) -> bool {
    level == 0 || key >> 64_u32.saturating_sub(level).min(63) == 0
}

/// Records of a sample, and their values column by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    pub level: u32,
    pub keys: Vec<u64>,
    /// For each column as many values as there are keys.
    pub values: Vec<Vec<f64>>,
}

impl Sample {
    /// A sample without records.
    pub fn new(columns: usize, level: u32) -> Sample {
        Sample {
            level,
            keys: Vec::new(),
            values: vec![Vec::new(); columns],
        }
    }

    /// Adds later records, and halves the range of keys until there are few enough.
    pub fn merge(&mut self, later: &Sample) {
        self.level = self.level.max(later.level);
        self.keys.extend_from_slice(&later.keys);
        for (values, later) in self.values.iter_mut().zip(&later.values) {
            values.extend_from_slice(later);
        }
        let most = MOST_VALUES / self.values.len().max(1);
        let most = most.clamp(FEWEST_RECORDS, MOST_RECORDS);
        while self.keys.len() > most && self.level < 63 {
            self.level += 1;
            self.sift();
        }
        self.sift();
    }

    /// Leaves out what the level does.
    fn sift(&mut self) {
        let level = self.level;
        if self.keys.iter().all(|key| is_in(*key, level)) {
            return;
        }
        for values in &mut self.values {
            let mut keys = self.keys.iter();
            values.retain(|_| keys.next().is_some_and(|key| is_in(*key, level)));
        }
        self.keys.retain(|key| is_in(*key, level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: std::ops::Range<u64>, level: u32) -> Sample {
        let mut sample = Sample::new(1, level);
        for place in range.filter(|place| is_in(key(*place), level)) {
            sample.keys.push(key(place));
            sample.values[0].push(place as f64);
        }
        sample
    }

    #[test]
    fn any_division_gives_the_same_sample() {
        let mut whole = Sample::new(1, 0);
        whole.merge(&part(0..200_000, 0));
        assert!((MOST_RECORDS / 2 - 500..=MOST_RECORDS).contains(&whole.keys.len()));
        let level = Level::default();
        let mut merged = Sample::new(1, 0);
        for start in (0..200_000).step_by(1000) {
            merged.merge(&part(start..start + 1000, level.now()));
            level.raise(merged.level);
        }
        assert_eq!(merged, whole);
        let mean = whole.values[0].iter().sum::<f64>() / whole.keys.len() as f64;
        assert!((mean - 100_000.0).abs() < 1000.0, "{mean}");
    }
}
