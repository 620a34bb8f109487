//! The sets of values that branches ask for, each kept once.

use std::collections::HashMap;

use crate::trees::forest::Real;

/// Sets by number, sorted, without doubles and without NaN, which equals nothing.
#[derive(Debug)]
pub(super) struct Sets<T> {
    sets: Vec<Vec<T>>,
    numbers: HashMap<Vec<u64>, u32>,
}

impl<T: Real> Sets<T> {
    pub(super) fn new() -> Self {
        Sets {
            sets: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The number of the set of `members`.
    pub(super) fn number(&mut self, members: impl IntoIterator<Item = T>) -> u32 {
        // Adding zero makes -0.0 the 0.0 that it equals.
        let mut set: Vec<T> = members
            .into_iter()
            .map(|member| member + T::default())
            .filter(|member| !member.is_nan())
            .collect();
        set.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        set.dedup();
        let next = self.sets.len() as u32;
        let key = set.iter().map(|member| member.bits()).collect();
        *self.numbers.entry(key).or_insert_with(|| {
            self.sets.push(set);
            next
        })
    }

    /// The members of the set of this number.
    pub(super) fn members(&self, number: u32) -> &[T] {
        let set = self.sets.get(number as usize);
        set.map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn into_sets(self) -> Vec<Vec<T>> {
        self.sets
    }
}
