//! How a feature's values become codes of one byte: which columns of codes a program has, and which
//! code each of its branches compares with.
//!
//! The thresholds of a feature are sorted and cut into parts of at most 255; a part of `m` is one
//! column, and a value's code there is how many of the `m` are below it. So `x <= threshold[j]` is
//! `code <= j`, exactly, for every float there is. NaN is below nothing: its code is 0, and it answers
//! yes everywhere; branches that send NaN to no have a second column, where NaN is 255. A question for
//! membership is a column of its own: 0 for yes, 1 for no; it is answered from the columns of the feature's
//! places ([`categories`](super::categories)), which have their bytes as they are.
//!
//! Codes are stored as `code - 128` in an `i8`, since SSE2 and AVX2 compare signed bytes only.

use std::collections::BTreeMap;

use super::categories::{Answers, Values};
use super::forest::{Branch, Real, Test};
use super::read::Refusal;

/// Thresholds in one column at most, so that a rank and the mark of NaN fit a byte.
const PART: usize = 255;

/// Levels of a search tree at least: as many as one register holds on every processor of ours.
const LEAST_DEPTH: u32 = 4;

/// The columns of codes of a program.
pub(super) struct Coding<T> {
    pub(super) ranked: Vec<Ranked<T>>,
    pub(super) categories: Vec<Category<T>>,
    /// How many columns there are.
    pub(super) columns: usize,
}

/// One part of a feature's thresholds.
pub(super) struct Ranked<T> {
    pub(super) feature: u32,
    /// The thresholds as a search tree, its root at 1 and the children of `i` at `2i` and `2i + 1`
    /// (Eytzinger's layout), filled up with infinities: `depth` levels.
    pub(super) search: Box<[T; 256]>,
    pub(super) depth: u32,
    /// The same thresholds by value, for processors that rank one value at a time.
    pub(super) buckets: Option<Box<Buckets<T>>>,
    /// The column where NaN is lowest, the column where it is highest.
    pub(super) nan_yes: Option<u16>,
    pub(super) nan_no: Option<u16>,
}

/// A part's thresholds, found by where a value lies between the lowest and the highest.
///
/// The place of a value grows with the value, in rounded arithmetic too. So the thresholds of lower
/// buckets are below it, those of higher ones are not, and it is compared with those of its own alone.
pub(super) struct Buckets<T> {
    pub(super) low: T,
    pub(super) scale: T,
    /// How many thresholds are in lower buckets.
    pub(super) lower: [u8; BUCKETS],
    /// The thresholds, sorted, and infinities behind them.
    pub(super) sorted: [T; PART + MOST_ALIKE],
    /// The most thresholds in a bucket.
    pub(super) alike: usize,
}

pub(super) const BUCKETS: usize = 1024;

/// Thresholds in a bucket beyond which a search is faster.
const MOST_ALIKE: usize = 5;

impl<T: Real> Buckets<T> {
    /// `None` where the thresholds lie too unevenly.
    fn of(part: &[T]) -> Option<Box<Buckets<T>>> {
        let finite = part.iter().copied().filter(|t| t.double().is_finite());
        let (low, high) = finite.fold((T::INFINITY, -T::INFINITY), |(low, high), t| {
            (
                if t < low { t } else { low },
                if t > high { t } else { high },
            )
        });
        let scale = T::of_double((BUCKETS - 2) as f64) / (high + -low);
        if !(scale.double().is_finite() && scale > T::default()) {
            return None;
        }
        let mut buckets = Box::new(Buckets {
            low,
            scale,
            lower: [0; BUCKETS],
            sorted: [T::INFINITY; PART + MOST_ALIKE],
            alike: 0,
        });
        let mut counts = [0_usize; BUCKETS];
        for (to, threshold) in buckets.sorted.iter_mut().zip(part) {
            *to = *threshold;
        }
        for threshold in part {
            *counts.get_mut(buckets.bucket(*threshold))? += 1;
        }
        let mut below = 0;
        for (lower, count) in buckets.lower.iter_mut().zip(counts) {
            *lower = below as u8;
            below += count;
        }
        buckets.alike = counts.into_iter().max().unwrap_or_default();
        (buckets.alike <= MOST_ALIKE).then_some(buckets)
    }

    /// Where a value belongs; NaN to the first.
    #[inline(always)]
    pub(super) fn bucket(&self, value: T) -> usize {
        ((value + -self.low) * self.scale).clamped(BUCKETS - 1)
    }
}

/// The questions for membership that are asked of one feature.
pub(super) struct Category<T> {
    pub(super) feature: u32,
    pub(super) values: Values<T>,
    /// The columns of places: their low bytes, and their high ones where there are more than 256.
    pub(super) low: u16,
    pub(super) high: Option<u16>,
    pub(super) members: Vec<Member>,
}

/// A question for membership in a set.
pub(super) struct Member {
    /// The number of the set in the forest.
    set: u32,
    missing: bool,
    pub(super) column: u16,
    pub(super) answers: Answers,
}

/// Pages that the tables of all members may take.
const MOST_PAGES: usize = 1 << 20;

/// A column, and the code of a branch in it: values of a higher code answer no.
pub(super) type Code = (u16, i8);

/// A coding while the program is made, and what it needs to give branches their codes.
pub(super) struct Coder<T> {
    pub(super) coding: Coding<T>,
    /// The features that are compared with thresholds, sorted.
    features: Vec<u32>,
    /// Each such feature's thresholds, sorted, each once.
    thresholds: Vec<Vec<T>>,
    /// The first of each feature's `Ranked`.
    first: Vec<usize>,
}

impl<T: Real> Coder<T> {
    /// The columns for `branches` of a forest with these sets.
    ///
    /// # Errors
    /// [`Refusal`] if there would be more of them than a `u16` can name, or sets of too many values.
    pub(super) fn new<'a>(
        sets: &[Vec<T>],
        branches: impl Iterator<Item = &'a Branch<T>>,
    ) -> Result<Coder<T>, Refusal> {
        // By feature: their numbers may be anything.
        let mut asked: BTreeMap<u32, Asked<T>> = BTreeMap::new();
        let mut members: Vec<(u32, u32, bool)> = Vec::new();
        for branch in branches {
            match branch.test {
                Test::AtMost(threshold) => {
                    let asked = asked.entry(branch.feature).or_default();
                    asked.push(threshold, branch.missing);
                }
                Test::In(set) => members.push((branch.feature, set, branch.missing)),
            }
        }
        members.sort_unstable();
        members.dedup();
        let mut coder = Coder {
            coding: Coding {
                ranked: Vec::new(),
                categories: Vec::new(),
                columns: 0,
            },
            features: Vec::new(),
            thresholds: Vec::new(),
            first: Vec::new(),
        };
        for (feature, asked) in asked {
            coder.rank(feature, asked)?;
        }
        for of_feature in members.chunk_by(|a, b| a.0 == b.0) {
            coder.categorize(sets, of_feature)?;
        }
        let members = coder.coding.categories.iter().flat_map(|c| &c.members);
        match members
            .map(|member| member.answers.pages.len())
            .sum::<usize>()
            > MOST_PAGES
        {
            true => Err(Refusal::new("it asks for too many sets of too many values")),
            false => Ok(coder),
        }
    }

    /// The columns for questions `(feature, set, missing)` of one feature.
    fn categorize(
        &mut self,
        sets: &[Vec<T>],
        questions: &[(u32, u32, bool)],
    ) -> Result<(), Refusal> {
        let Some((feature, ..)) = questions.first() else {
            return Ok(());
        };
        let set = |number: u32| {
            sets.get(number as usize)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let values = questions.iter().flat_map(|q| set(q.1)).copied();
        let values = Values::of(values.collect())?;
        let low = self.column()?;
        let high = (values.places() > 256).then(|| self.column()).transpose()?;
        let mut members = Vec::with_capacity(questions.len());
        for (_, number, missing) in questions {
            members.push(Member {
                set: *number,
                missing: *missing,
                column: self.column()?,
                answers: Answers::of(values.yes(set(*number), *missing)),
            });
        }
        self.coding.categories.push(Category {
            feature: *feature,
            values,
            low,
            high,
            members,
        });
        Ok(())
    }

    fn rank(&mut self, feature: u32, asked: Asked<T>) -> Result<(), Refusal> {
        self.features.push(feature);
        self.first.push(self.coding.ranked.len());
        let (yes, no) = (asked.nan_yes, asked.nan_no);
        let thresholds = asked.sorted();
        for part in thresholds.chunks(PART) {
            let nan_yes = yes.then(|| self.column()).transpose()?;
            let nan_no = no.then(|| self.column()).transpose()?;
            let depth = (usize::BITS - part.len().leading_zeros()).max(LEAST_DEPTH);
            self.coding.ranked.push(Ranked {
                feature,
                search: search_tree(part, depth),
                depth,
                buckets: (depth > LEAST_DEPTH).then(|| Buckets::of(part)).flatten(),
                nan_yes,
                nan_no,
            });
        }
        self.thresholds.push(thresholds);
        Ok(())
    }

    fn column(&mut self) -> Result<u16, Refusal> {
        let too_many = |_| Refusal::new("its branches ask for more columns than 65,535");
        let column = u16::try_from(self.coding.columns).map_err(too_many)?;
        self.coding.columns += 1;
        Ok(column)
    }

    /// The code of one of the branches that the coder was made for.
    pub(super) fn code(&self, branch: &Branch<T>) -> Option<Code> {
        let threshold = match branch.test {
            Test::AtMost(threshold) => threshold,
            Test::In(set) => return self.member(branch, set),
        };
        let feature = self.features.binary_search(&branch.feature).ok()?;
        let thresholds = self.thresholds.get(feature)?;
        let rank = thresholds.partition_point(|other| *other < threshold);
        let ranked = self
            .coding
            .ranked
            .get(self.first.get(feature)? + rank / PART)?;
        let column = match branch.missing {
            true => ranked.nan_yes,
            false => ranked.nan_no,
        };
        Some((column?, biased((rank % PART) as u8)))
    }

    fn member(&self, branch: &Branch<T>, set: u32) -> Option<Code> {
        let categories = &self.coding.categories;
        let at = categories.binary_search_by_key(&branch.feature, |c| c.feature);
        let members = &categories.get(at.ok()?)?.members;
        let key = (set, branch.missing);
        let at = members.binary_search_by_key(&key, |m| (m.set, m.missing));
        Some((members.get(at.ok()?)?.column, biased(0)))
    }
}

/// A code as it is stored.
pub(super) const fn biased(code: u8) -> i8 {
    (code ^ 0x80).cast_signed()
}

/// What branches ask of one feature.
struct Asked<T> {
    thresholds: Vec<T>,
    nan_yes: bool,
    nan_no: bool,
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Asked {
            thresholds: Vec::new(),
            nan_yes: false,
            nan_no: false,
        }
    }
}

impl<T: Real> Asked<T> {
    fn push(&mut self, threshold: T, missing: bool) {
        self.thresholds.push(threshold);
        self.nan_yes |= missing;
        self.nan_no |= !missing;
    }

    /// Sorted, each once; 0.0 and -0.0 are one.
    fn sorted(self) -> Vec<T> {
        let mut sorted = self.thresholds;
        sort(&mut sorted);
        sorted
    }
}

/// Sorts numbers that are not NaN, and leaves each once.
fn sort<T: Real>(numbers: &mut Vec<T>) {
    numbers.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    numbers.dedup_by(|a, b| a == b);
}

/// The search tree over the sorted thresholds of a part; what is left of its `depth` levels is infinite,
/// so that no value goes past it.
fn search_tree<T: Real>(part: &[T], depth: u32) -> Box<[T; 256]> {
    let mut search = Box::new([T::INFINITY; 256]);
    for level in 0..depth {
        // The nodes of a level stand at these ranks: half of the next smaller subtree on each side.
        let (first, step) = (1_usize << level, 1_usize << (depth - level));
        for (at, node) in search.iter_mut().skip(first).take(first).enumerate() {
            if let Some(threshold) = part.get(at * step + step / 2 - 1) {
                *node = *threshold;
            }
        }
    }
    search
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(search: &[f32; 256], depth: u32, value: f32) -> usize {
        let mut at = 1;
        for _ in 0..depth {
            at = 2 * at + usize::from(search[at] < value);
        }
        at - (1 << depth)
    }

    #[test]
    fn a_rank_is_how_many_thresholds_are_below() {
        for length in 1..=PART {
            let part: Vec<f32> = (0..length).map(|i| i as f32 / 3.0 - 20.0).collect();
            let depth = (usize::BITS - length.leading_zeros()).max(LEAST_DEPTH);
            let search = search_tree(&part, depth);
            let mut values: Vec<f32> = part
                .iter()
                .flat_map(|t| [*t, t.next_up(), t.next_down()])
                .collect();
            values.extend([f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX]);
            for value in values {
                let below = part.iter().filter(|t| **t < value).count();
                assert_eq!(rank(&search, depth, value), below, "{value} among {length}");
            }
            assert_eq!(rank(&search, depth, f32::NAN), 0);
        }
    }

    #[test]
    fn buckets_find_the_same_ranks() {
        let mut state = 7_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / 1000.0 - 8000.0
        };
        for length in 2..=PART {
            let mut part: Vec<f32> = (0..length).map(|_| random()).collect();
            part.extend([f32::INFINITY, f32::NEG_INFINITY]);
            part.sort_by(f32::total_cmp);
            part.dedup();
            part.truncate(PART);
            let Some(buckets) = Buckets::of(&part) else {
                continue;
            };
            let near = part.iter().flat_map(|t| [*t, t.next_up(), t.next_down()]);
            let odd = [
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
                0.0,
                f32::NAN,
            ];
            for value in near.chain(odd) {
                let lower = usize::from(buckets.lower[buckets.bucket(value)]);
                let alike = &buckets.sorted[lower..lower + buckets.alike];
                let rank = lower + alike.iter().filter(|t| **t < value).count();
                let below = part.iter().filter(|t| **t < value).count();
                assert_eq!(rank, below, "{value} among {length}");
            }
        }
    }
}
