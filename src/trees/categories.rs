//! Questions for membership in sets: a value's place among all values that its column is asked for is found
//! once, and what each question answers to a place is a bit of a table.
//!
//! Places are numbered from 0 in the order of the values; behind them come that of all other values, and then
//! that of NaN. For blocks a place is cut into two bytes, and a table into pages of 256 bits, of which only
//! those with any bit are kept.

use super::forest::Real;
use super::read::Refusal;

/// Values of one column that sets may ask for, so that a place fits 16 bits.
const MOST_VALUES: usize = 60_000;

/// The values that one column is asked for.
#[derive(Debug)]
pub(super) struct Values<T> {
    sorted: Vec<T>,
    finder: Option<Finder<T>>,
}

/// The places of values by where they lie between the lowest and the highest: equal values come to the same
/// spot, and there are few of others.
#[derive(Debug)]
struct Finder<T> {
    low: T,
    scale: T,
    /// For each spot, the place of the first of its values; any where it has none.
    first: Vec<u16>,
    /// The values, and NaN, which equals nothing, for those that a spot lacks.
    padded: Vec<T>,
}

/// Values at one spot at most.
const ALIKE: usize = 2;

/// Spots for each value, and at least: codes that count from 0 have one each, if not too many are left out.
const SPOTS: usize = 8;
const LEAST_SPOTS: usize = 1024;

impl<T: Real> Finder<T> {
    /// `None` where the values, which are sorted, lie too unevenly.
    fn of(values: &[T]) -> Option<Finder<T>> {
        let (low, high) = (*values.first()?, *values.last()?);
        let spots = values.len() * SPOTS + LEAST_SPOTS;
        let range = (high + -low).double();
        let whole = range.fract() == 0.0 && range < spots as f64;
        // Steps of one where that is enough, as codes have.
        let scale = if whole {
            1.0
        } else {
            (spots - 1) as f64 / range
        };
        let mut finder = Finder {
            low,
            scale: T::of_double(scale),
            first: vec![0; spots],
            padded: values.to_vec(),
        };
        finder.padded.extend([T::NAN; ALIKE]);
        if !(low.double().is_finite() && finder.scale.double().is_finite()) {
            return None;
        }
        let mut counts = vec![0_usize; spots];
        // From behind, so that the first of a spot is what stays.
        for (place, value) in values.iter().enumerate().rev() {
            let spot = finder.spot(*value);
            *counts.get_mut(spot)? += 1;
            *finder.first.get_mut(spot)? = u16::try_from(place).ok()?;
        }
        counts.iter().all(|count| *count <= ALIKE).then_some(finder)
    }

    #[inline(always)]
    fn spot(&self, value: T) -> usize {
        ((value + -self.low) * self.scale).clamped(self.first.len() - 1)
    }

    /// The place of a value; `None` if it is none of them.
    #[inline(always)]
    fn place(&self, value: T) -> Option<usize> {
        let first = self.first.get(self.spot(value)).copied();
        let first = usize::from(first.unwrap_or_default());
        let alike = self.padded.get(first..first + ALIKE).unwrap_or_default();
        let at = alike.iter().position(|other| *other == value);
        at.map(|at| first + at)
    }
}

impl<T: Real> Values<T> {
    /// Of these values, none of which is NaN.
    ///
    /// # Errors
    /// [`Refusal`] if they are too many.
    pub(super) fn of(mut values: Vec<T>) -> Result<Values<T>, Refusal> {
        values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        values.dedup_by(|a, b| a == b);
        if values.len() > MOST_VALUES {
            return Err(Refusal::new("it asks for sets of too many values"));
        }
        Ok(Values {
            finder: Finder::of(&values),
            sorted: values,
        })
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.sorted.len() + 2
    }

    /// The place of a value, by the sorted values themselves.
    fn search(&self, value: T) -> Option<usize> {
        let at = self.sorted.partition_point(|other| *other < value);
        (self.sorted.get(at) == Some(&value)).then_some(at)
    }

    /// The place of a value.
    #[inline(always)]
    pub(super) fn place(&self, value: T) -> usize {
        let found = match &self.finder {
            Some(finder) => finder.place(value),
            None => self.search(value),
        };
        found.unwrap_or(self.sorted.len() + usize::from(value.is_nan()))
    }

    /// The places that a question for this set answers with yes, in ascending order.
    pub(super) fn yes(&self, set: &[T], missing: bool) -> impl Iterator<Item = usize> {
        let nan = missing.then_some(self.places() - 1);
        set.iter()
            .filter_map(|member| self.search(*member))
            .chain(nan)
    }

    /// Writes the places of `values`: the low bytes, and the high ones where there are any.
    ///
    /// Not inlined: one value at a time is faster than what the compiler makes of it with vectors.
    #[inline(never)]
    pub(super) fn put(&self, values: &[T], low: &mut [u8], high: Option<&mut [u8]>) {
        let places = values.iter().map(|value| self.place(*value));
        match high {
            None => low
                .iter_mut()
                .zip(places)
                .for_each(|(low, place)| *low = place as u8),
            Some(high) => {
                for ((low, high), place) in low.iter_mut().zip(high).zip(places) {
                    (*low, *high) = (place as u8, (place >> 8) as u8);
                }
            }
        }
    }
}

/// A table of 256 places, eight a byte.
pub(super) type Table = [u8; 32];

/// What a question answers: for which places yes.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The pages that have any, by the places' high byte.
    pub(super) pages: Vec<(u8, Table)>,
    /// The only place, where there is only one.
    pub(super) only: Option<(u8, u8)>,
}

impl Answers {
    /// Of places in ascending order.
    pub(super) fn of(yes: impl Iterator<Item = usize>) -> Answers {
        let mut answers = Answers::default();
        for (number, place) in yes.enumerate() {
            let (high, low) = ((place >> 8) as u8, place as u8);
            answers.only = (number == 0).then_some((high, low));
            if answers.pages.last().is_none_or(|(last, _)| *last != high) {
                answers.pages.push((high, [0; 32]));
            }
            if let Some((_, table)) = answers.pages.last_mut()
                && let Some(byte) = table.get_mut(usize::from(low / 8))
            {
                *byte |= 1 << (low % 8);
            }
        }
        answers
    }
}
