//! What is told of a column in the end: moments, quantiles, and bins that others can be counted in.

use super::columns::Column;
use super::gathering::{Gather, Gathering, Held};
use super::moments::Moments;

/// Which quantiles are told.
const QUANTILES: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
/// Bins of numbers: as many records in each as in another, or as equal values allow.
const BINS: usize = 10;
/// Different numbers of which each is a bin of its own.
const MOST_VALUES: usize = 20;
/// How often each of them is there on average; rarer ones are measurements that happen to be few.
const OFTEN: usize = 10;
/// Texts that are told with their counts; the others are one.
const MOST_TEXTS: usize = 20;

/// What is known of records and their predictions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// The model's file, for people.
    pub model: String,
    pub records: u64,
    /// Records that quantiles and bins are made from.
    pub sampled: u64,
    pub features: Vec<Summary>,
    pub features_left_out: u64,
    pub predictions: Vec<Summary>,
    pub predictions_left_out: u64,
}

/// What is known of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub name: String,
    /// Of a feature its input.
    pub input: Option<String>,
    /// Its element of each record; `None` where all of them are one column.
    pub element: Option<usize>,
    pub missing: u64,
    pub what: What,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Numbers(Numbers),
    Texts(Texts),
}

/// Numbers, without the missing ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers {
    pub count: u64,
    pub infinite: u64,
    /// Of finite numbers, as are the next three.
    pub mean: Option<f64>,
    pub sd: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Which quantile, and the number there.
    pub quantiles: Vec<(f64, f64)>,
    pub bins: Bins,
}

/// Numbers as they are counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Bins {
    /// Between these edges, of which each belongs to the bin below it; one count more than edges.
    Edges { edges: Vec<f64>, counts: Vec<u64> },
    /// By value, and in one more bin all others, of which there were none.
    Values { values: Vec<f64>, counts: Vec<u64> },
}

/// Texts, without the empty ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    pub count: u64,
    /// The most frequent first.
    pub values: Vec<(String, u64)>,
    pub other: u64,
}

impl Profile {
    /// The profile of what was gathered.
    pub fn new(model: &str, gather: &Gather, gathering: &Gathering) -> Profile {
        let columns = &gather.columns;
        let figures = gathering.held.iter().zip(&gathering.sample.values);
        let summary = |(column, (held, values)): (&Column, (&Held, &Vec<f64>))| {
            Summary::new(column, held, values)
        };
        let features = columns.features.len();
        let mut profile = Profile {
            model: model.to_owned(),
            records: gathering.records,
            sampled: gathering.sample.keys.len() as u64,
            features: columns
                .features
                .iter()
                .zip(figures.clone())
                .map(summary)
                .collect(),
            features_left_out: columns.features_left_out as u64,
            predictions: columns
                .predictions
                .iter()
                .zip(figures.skip(features))
                .map(summary)
                .collect(),
            predictions_left_out: columns.predictions_left_out as u64,
        };
        for (summary, column) in profile.features.iter_mut().zip(&columns.features) {
            summary.input = columns.inputs.get(column.tensor).cloned();
        }
        profile
    }
}

impl Summary {
    fn new(column: &Column, held: &Held, values: &[f64]) -> Summary {
        let (missing, what) = match held {
            Held::Texts(counts) => {
                let (values, other) = counts.top(MOST_TEXTS);
                let count = other + values.iter().map(|(_, count)| count).sum::<u64>();
                let texts = Texts {
                    count,
                    values,
                    other,
                };
                (counts.missing, What::Texts(texts))
            }
            Held::Numbers(moments) => (
                moments.missing,
                What::Numbers(Numbers::new(moments, values)),
            ),
            Held::Nothing => (0, What::Numbers(Numbers::default())),
        };
        Summary {
            name: column.name.clone(),
            input: None,
            element: column.element,
            missing,
            what,
        }
    }

    /// Values that are not missing.
    pub fn count(&self) -> u64 {
        match &self.what {
            What::Numbers(numbers) => numbers.count,
            What::Texts(texts) => texts.count,
        }
    }

    /// The share of missing values.
    pub fn missing_ratio(&self) -> Option<f64> {
        let all = self.missing + self.count();
        (all > 0).then(|| self.missing as f64 / all as f64)
    }

    /// How often each bin was met.
    pub fn counts(&self) -> Vec<u64> {
        match &self.what {
            What::Numbers(Numbers {
                bins: Bins::Edges { counts, .. },
                ..
            }) => counts.clone(),
            What::Numbers(Numbers {
                bins: Bins::Values { counts, .. },
                ..
            }) => counts.iter().copied().chain([0]).collect(),
            What::Texts(texts) => {
                let counts = texts.values.iter().map(|(_, count)| *count);
                counts.chain([texts.other]).collect()
            }
        }
    }
}

impl Default for Bins {
    fn default() -> Bins {
        Bins::Edges {
            edges: Vec::new(),
            counts: vec![0],
        }
    }
}

impl Numbers {
    /// `values` are a sample of them, in any order and with the missing ones.
    fn new(moments: &Moments, values: &[f64]) -> Numbers {
        let there = values.iter().copied().filter(|value| !value.is_nan());
        let mut sorted: Vec<f64> = there.collect();
        sorted.sort_by(f64::total_cmp);
        let range = moments.range();
        let quantiles = QUANTILES
            .into_iter()
            .filter_map(|at| Some((at, quantile(&sorted, at)?)));
        Numbers {
            count: moments.count + moments.infinite,
            infinite: moments.infinite,
            mean: moments.mean(),
            sd: moments.sd(),
            min: range.map(|(min, _)| min),
            max: range.map(|(_, max)| max),
            quantiles: quantiles.collect(),
            bins: Bins::of(&sorted),
        }
    }
}

/// The number below which the share `at` of `sorted` lies, between two of them by a straight line, as
/// NumPy's default has it.
fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * sorted.len().checked_sub(1)? as f64;
    let (below, between) = (place.floor(), place.fract());
    let low = *sorted.get(below as usize)?;
    let high = *sorted.get(below as usize + 1).unwrap_or(&low);
    // Infinities have no straight line between them.
    let is_there = |number: f64| number.is_finite().then_some(number);
    match between > 0.0 {
        true => is_there(low + (high - low) * between),
        false => is_there(low),
    }
}

impl Bins {
    /// Bins for the numbers of `sorted`, and how many of them are in each.
    fn of(sorted: &[f64]) -> Bins {
        let mut values: Vec<f64> = Vec::new();
        for value in sorted.iter().copied().filter(|value| value.is_finite()) {
            if values.last() != Some(&value) && values.len() <= MOST_VALUES {
                values.push(value);
            }
        }
        let is_discrete = values.len() <= MOST_VALUES && values.len() * OFTEN <= sorted.len();
        let mut bins = if is_discrete && !values.is_empty() {
            let counts = vec![0; values.len() + 1];
            Bins::Values { values, counts }
        } else {
            let inner = (1..BINS).filter_map(|at| quantile(sorted, at as f64 / BINS as f64));
            let mut edges: Vec<f64> = inner.collect();
            edges.dedup();
            let counts = vec![0; edges.len() + 1];
            Bins::Edges { edges, counts }
        };
        for value in sorted {
            let place = bins.place(*value);
            let (Bins::Edges { counts, .. } | Bins::Values { counts, .. }) = &mut bins;
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
        }
        if let Bins::Values { values, counts } = &mut bins {
            counts.truncate(values.len());
        }
        bins
    }

    /// The bin of a number.
    #[inline]
    pub fn place(&self, value: f64) -> usize {
        match self {
            // Not a search by halves: all are compared side by side.
            Bins::Edges { edges, .. } => edges.iter().map(|edge| usize::from(value > *edge)).sum(),
            Bins::Values { values, .. } => {
                let place = values.iter().position(|known| value == *known);
                place.unwrap_or(values.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.quantile(values, q)`, and `numpy.digitize(values, deciles, right=True)` counted.
    #[test]
    fn quantiles_and_bins_are_those_of_numpy() {
        let values: Vec<f64> = (0..57_u32).map(|at| f64::from(at * at % 101)).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let found: Vec<Option<f64>> = QUANTILES.iter().map(|at| quantile(&sorted, *at)).collect();
        let expected = [0.56, 4.8, 7.8, 22.0, 54.0, 80.0, 89.6, 96.0, 98.32];
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found.unwrap_or(-1.0) - expected).abs() < 1e-12,
                "{found:?} {expected}"
            );
        }
        let Bins::Edges { edges, counts } = Bins::of(&sorted) else {
            panic!("as many values are no categories");
        };
        assert_eq!(edges.len(), 9);
        assert_eq!(counts, [6, 6, 5, 6, 6, 5, 7, 5, 5, 6]);
    }

    #[test]
    fn few_numbers_that_come_often_are_bins_of_their_own() {
        let mut sorted = vec![0.0; 30];
        sorted.extend([1.0; 3]);
        let bins = Bins::of(&sorted);
        let expected = Bins::Values {
            values: vec![0.0, 1.0],
            counts: vec![30, 3],
        };
        assert_eq!(bins, expected);
        for (value, place) in [(0.0, 0), (-0.0, 0), (1.0, 1), (0.5, 2), (f64::INFINITY, 2)] {
            assert_eq!(bins.place(value), place, "{value}");
        }
        let rare = Bins::of(&[1.0, 2.0, 3.0]);
        assert!(matches!(rare, Bins::Edges { .. }), "{rare:?}");
    }

    #[test]
    fn an_edge_belongs_to_the_bin_below_it() {
        let bins = Bins::Edges {
            edges: vec![1.0, 2.0],
            counts: vec![0; 3],
        };
        for (value, place) in [
            (0.0, 0),
            (1.0, 0),
            (1.5, 1),
            (2.0, 1),
            (9.0, 2),
            (f64::INFINITY, 2),
        ] {
            assert_eq!(bins.place(value), place, "{value}");
        }
        assert_eq!(Bins::of(&[]), Bins::default());
    }
}
