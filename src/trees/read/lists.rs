//! Lists of numbers in the precision of the ensemble.

use super::{Refusal, refuse};
use crate::trees::attributes::Numbers;
use crate::trees::forest::Real;

/// The numbers in precision `T`, which must not lose anything.
pub(super) fn in_precision<T: Real>(numbers: &Numbers) -> Result<Vec<T>, Refusal> {
    match numbers {
        Numbers::Singles(list) => Ok(list.iter().map(|value| T::of_single(*value)).collect()),
        Numbers::Doubles(list) if is_double::<T>() => {
            Ok(list.iter().map(|value| T::of_double(*value)).collect())
        }
        Numbers::Doubles(list) if list.is_empty() => Ok(Vec::new()),
        Numbers::Doubles(_) => refuse("its numbers are float64, its input is float32"),
    }
}

fn is_double<T: Real>() -> bool {
    size_of::<T>() == size_of::<f64>()
}

/// Refuses unless all lists have `length` entries.
pub(super) fn all_of(length: usize, lengths: &[usize]) -> Result<(), Refusal> {
    if lengths.iter().all(|other| *other == length) {
        Ok(())
    } else {
        refuse("its lists differ in length")
    }
}
