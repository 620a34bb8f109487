//! The hot loop: a stretch of one column into every `width`-th element of a buffer.

use std::ops::Range;

use super::target::Target;
use super::{Bits, Column, Values};
use crate::batch::cell::{Cell, CellRules, Reason, read};
use crate::model::dtype::Dtype;

/// How values of type `T` are made.
pub(super) struct Making<'r, T> {
    /// What a missing value becomes, or why it may not be missing.
    pub(super) missing: Result<T, Reason>,
    pub(super) rules: &'r CellRules,
}

/// Every `width`-th element of `elements`, the first at `at`.
pub(super) struct Lane<'e, T> {
    pub(super) elements: &'e mut [T],
    pub(super) width: usize,
    pub(super) at: usize,
}

/// What a stretch of a column was found to hold.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) missing: u64,
    /// Rows that have no value of the type, ascending.
    pub(super) faults: Vec<(usize, Reason)>,
}

impl<T> Lane<'_, T> {
    #[inline]
    fn slots(&mut self) -> impl Iterator<Item = &mut T> {
        let at = self.at;
        let records = self.elements.chunks_exact_mut(self.width.max(1));
        records.filter_map(move |record| record.get_mut(at))
    }
}

/// Copies `rows` of `column` to the slots of `lane`, one after the other.
pub(super) fn copy<T: Target>(
    column: &Column<'_>,
    rows: Range<usize>,
    making: &Making<'_, T>,
    lane: Lane<'_, T>,
    outcome: &mut Outcome,
) {
    let mut job = Job {
        valid: column.valid,
        rows,
        making,
        lane,
        outcome,
    };
    let rules = making.rules;
    match &column.values {
        Values::Int8(values) => job.numbers(values, |value| T::from_i64(value.into())),
        Values::Int16(values) => job.numbers(values, |value| T::from_i64(value.into())),
        Values::Int32(values) => job.numbers(values, |value| T::from_i64(value.into())),
        Values::Int64(values) => job.numbers(values, T::from_i64),
        Values::Uint8(values) => job.numbers(values, |value| T::from_u64(value.into())),
        Values::Uint16(values) => job.numbers(values, |value| T::from_u64(value.into())),
        Values::Uint32(values) => job.numbers(values, |value| T::from_u64(value.into())),
        Values::Uint64(values) => job.numbers(values, T::from_u64),
        Values::Float16(values) => job.numbers(values, |value| T::from_f32(value.to_f32())),
        Values::Float32(values) => job.numbers(values, T::from_f32),
        Values::Float64(values) => job.numbers(values, T::from_f64),
        Values::Bool(bits) => job.each(|row| T::from_bool(bits.get(row)).map(Some)),
        Values::Text(text) => job.each(|row| read(Cell::Text(text(row)), rules)),
        Values::Decimal(text) => job.each(|row| T::from_text(text(row).as_bytes()).map(Some)),
        Values::Moment(text) => job.each(|row| moment(&text(row))),
        Values::List { items, bounds } => job.each(|row| only_item(items, bounds(row), making)),
        Values::Nothing => job.each(|_| Ok(None)),
        Values::Other(_) => job.each(|_| Err(no_value::<T>())),
    }
}

/// Fills the slots of `lane` where the source has no such column.
pub(super) fn absent<T: Target>(
    rows: Range<usize>,
    making: &Making<'_, T>,
    lane: Lane<'_, T>,
    outcome: &mut Outcome,
) {
    let nothing = Column {
        values: Values::Nothing,
        valid: None,
    };
    copy(&nothing, rows, making, lane, outcome);
}

/// A date as text is fine; as a number it would mean whatever unit the file happens to use.
fn moment<T: Target>(text: &str) -> Result<Option<T>, Reason> {
    match T::DTYPE {
        Dtype::String => T::from_text(text.as_bytes()).map(Some),
        _ => Err(no_value::<T>()),
    }
}

/// `[x]` is accepted where one element is wanted, as a row of a `[N, 1]` tensor is often stored.
fn only_item<T: Target>(
    items: &Column<'_>,
    range: Range<usize>,
    making: &Making<'_, T>,
) -> Result<Option<T>, Reason> {
    if range.len() != 1 || matches!(items.values, Values::List { .. }) {
        return Err(no_value::<T>());
    }
    let mut slot = [T::default()];
    let mut outcome = Outcome::default();
    let lane = Lane {
        elements: &mut slot,
        width: 1,
        at: 0,
    };
    copy(items, range, making, lane, &mut outcome);
    let [element] = slot;
    match outcome.faults.first() {
        Some((_, reason)) => Err(*reason),
        None if outcome.missing > 0 => Ok(None),
        None => Ok(Some(element)),
    }
}

/// What is wrong with a value that cannot be an element at all.
fn no_value<T: Target>() -> Reason {
    match T::DTYPE {
        Dtype::String => Reason::NotText,
        Dtype::Bool => Reason::NotABool,
        _ => Reason::NotANumber,
    }
}

struct Job<'j, 'e, T> {
    valid: Option<Bits<'j>>,
    rows: Range<usize>,
    making: &'j Making<'j, T>,
    lane: Lane<'e, T>,
    outcome: &'j mut Outcome,
}

impl<T: Target> Job<'_, '_, T> {
    /// Numbers without gaps are copied without asking anything of each row.
    #[inline]
    fn numbers<S: Copy>(&mut self, values: &[S], convert: impl Fn(S) -> Result<T, Reason>) {
        if self.valid.is_some() {
            return self.each(|row| {
                let value = values.get(row).copied().ok_or(Reason::Missing)?;
                convert(value).map(Some)
            });
        }
        let rows = self.rows.clone();
        let values = values.get(rows.clone()).unwrap_or_default();
        let faults = &mut self.outcome.faults;
        for ((slot, value), row) in self.lane.slots().zip(values).zip(rows) {
            match convert(*value) {
                Ok(element) => *slot = element,
                Err(reason) => faults.push((row, reason)),
            }
        }
    }

    #[inline]
    fn each(&mut self, value: impl Fn(usize) -> Result<Option<T>, Reason>) {
        let Outcome { missing, faults } = &mut *self.outcome;
        let valid = self.valid;
        let is_there = |row| valid.is_none_or(|valid| valid.get(row));
        for (slot, row) in self.lane.slots().zip(self.rows.clone()) {
            let element = match is_there(row).then(|| value(row)) {
                Some(Ok(Some(element))) => Ok(element),
                Some(Err(reason)) => Err(reason),
                None | Some(Ok(None)) => {
                    *missing += 1;
                    self.making.missing.clone()
                }
            };
            match element {
                Ok(element) => *slot = element,
                Err(reason) => faults.push((row, reason)),
            }
        }
    }
}
