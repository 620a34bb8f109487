//! One input of a model filled from typed columns: from one column for each element, or from lists.

use std::ops::Range;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

use super::copy::{Lane, Making, Outcome, absent, copy};
use super::target::Target;
use super::{Column, Notes, Values};
use crate::batch::cell::{Cell, CellRules, Reason, expectation, read};
use crate::batch::encode::Fault;
use crate::batch::feed::{Feed, How, Source, elements};
use crate::batch::nested::read_nested;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

/// The elements of one input for all records.
pub(super) struct Filled {
    elements: Box<dyn Elements>,
    /// The shape of a record, and the record up to which it is that.
    shapes: Vec<(Vec<usize>, usize)>,
    /// Records and elements that were taken.
    records: usize,
    taken: usize,
}

impl Filled {
    /// The record up to which the records from `start` on have one shape.
    pub(super) fn shape_end(&self, start: usize) -> usize {
        let mut ends = self.shapes.iter().map(|(_, end)| *end);
        ends.find(|end| *end > start).unwrap_or(usize::MAX)
    }

    /// Takes the next `records` records, which have one shape, padded to `rows` with the last.
    pub(super) fn take(&mut self, records: usize, rows: usize) -> Option<Tensor> {
        let mut shapes = self.shapes.iter();
        let (shape, _) = shapes.find(|(_, end)| *end > self.records)?;
        let width = elements(shape);
        let range = self.taken..self.taken + records * width;
        let pad = rows.saturating_sub(records);
        self.records += records;
        self.taken = range.end;
        let shape: Vec<usize> = std::iter::once(rows).chain(shape.iter().copied()).collect();
        self.elements.take(range, pad * width, &shape)
    }
}

/// Elements of a type that the caller need not know.
trait Elements {
    /// A tensor of `shape` of the elements in `range` and `pad` more, copies of the last ones.
    fn take(&mut self, range: Range<usize>, pad: usize, shape: &[usize]) -> Option<Tensor>;
}

struct Typed<T> {
    all: Vec<T>,
    wrap: fn(ArrayD<T>) -> Tensor,
}

impl<T: Target> Elements for Typed<T> {
    fn take(&mut self, range: Range<usize>, pad: usize, shape: &[usize]) -> Option<Tensor> {
        let mut part = if range == (0..self.all.len()) {
            std::mem::take(&mut self.all)
        } else {
            self.all.get(range)?.to_vec()
        };
        let rows = shape.first().copied().unwrap_or_default();
        let width = elements(shape.get(1..).unwrap_or_default());
        if pad > 0 && rows > 0 {
            let last = part.len().saturating_sub(width);
            part.reserve(pad);
            for _ in 0..pad / width.max(1) {
                part.extend_from_within(last..last + width);
            }
        }
        ArrayD::from_shape_vec(IxDyn(shape), part)
            .ok()
            .map(self.wrap)
    }
}

/// Fills the input that `feed` feeds with the rows of `runs`; `None` where it is given once.
pub(super) fn fill(
    feed: &Feed,
    columns: &[Column<'_>],
    runs: &[Range<usize>],
    rules: &CellRules,
    notes: &mut Notes,
) -> Option<Filled> {
    let mut filler = Filler {
        feed,
        columns,
        runs,
        rules,
        notes,
    };
    match feed.dtype {
        Dtype::Float32 => filler.fill::<f32>(Tensor::Float32),
        Dtype::Float64 => filler.fill::<f64>(Tensor::Float64),
        Dtype::Float16 => filler.fill::<f16>(Tensor::Float16),
        Dtype::Bfloat16 => filler.fill::<bf16>(Tensor::Bfloat16),
        Dtype::Int8 => filler.fill::<i8>(Tensor::Int8),
        Dtype::Int16 => filler.fill::<i16>(Tensor::Int16),
        Dtype::Int32 => filler.fill::<i32>(Tensor::Int32),
        Dtype::Int64 => filler.fill::<i64>(Tensor::Int64),
        Dtype::Uint8 => filler.fill::<u8>(Tensor::Uint8),
        Dtype::Uint16 => filler.fill::<u16>(Tensor::Uint16),
        Dtype::Uint32 => filler.fill::<u32>(Tensor::Uint32),
        Dtype::Uint64 => filler.fill::<u64>(Tensor::Uint64),
        Dtype::Bool => filler.fill::<bool>(Tensor::Bool),
        Dtype::String => filler.fill::<String>(Tensor::String),
    }
}

struct Filler<'f, 'c, 'n> {
    feed: &'f Feed,
    columns: &'f [Column<'c>],
    runs: &'f [Range<usize>],
    rules: &'f CellRules,
    notes: &'n mut Notes,
}

/// Bytes of a matrix that are filled from all columns before the next ones: rows of it stay in the
/// second cache, so that a record's line is not fetched once for each of its columns.
const TILE_BYTES: usize = 128 * 1024;

/// Fewest rows of such a tile: a column is read by whole cache lines.
const TILE_ROWS: usize = 16;

impl<'f, 'c: 'f> Filler<'f, 'c, '_> {
    fn fill<T: Target>(&mut self, wrap: fn(ArrayD<T>) -> Tensor) -> Option<Filled> {
        let (all, shapes) = match &self.feed.how {
            How::Once(_) => return None,
            How::Cells { sources, dims } => {
                let records = self.runs.iter().map(Range::len).sum();
                (
                    self.matrix::<T>(sources, records),
                    vec![(dims.clone(), records)],
                )
            }
            How::List { source, dims } => self.lists::<T>(source, dims),
        };
        Some(Filled {
            elements: Box::new(Typed { all, wrap }),
            shapes,
            records: 0,
            taken: 0,
        })
    }

    fn column(&self, source: &Source) -> Option<&'f Column<'c>> {
        source.column.and_then(|column| self.columns.get(column))
    }

    /// One column for each element of a record: row-major, by tiles.
    fn matrix<T: Target>(&mut self, sources: &[Source], records: usize) -> Vec<T> {
        let width = sources.len();
        let mut all = vec![T::default(); records.saturating_mul(width)];
        let makings: Vec<Making<'f, T>> =
            sources.iter().map(|source| self.making(source)).collect();
        let tile = (TILE_BYTES / (width * size_of::<T>()).max(1)).max(TILE_ROWS);
        let mut rest = all.as_mut_slice();
        for run in self.runs {
            for start in run.clone().step_by(tile) {
                let rows = start..run.end.min(start + tile);
                let (part, after) = rest.split_at_mut(rows.len() * width);
                rest = after;
                for (at, (source, making)) in sources.iter().zip(&makings).enumerate() {
                    let mut outcome = Outcome::default();
                    let lane = Lane {
                        elements: &mut *part,
                        width,
                        at,
                    };
                    match self.column(source) {
                        Some(column) => copy(column, rows.clone(), making, lane, &mut outcome),
                        None => absent(rows.clone(), making, lane, &mut outcome),
                    }
                    self.note::<T>(source, outcome, source.fill.is_none());
                }
            }
        }
        all
    }

    /// What a missing value becomes: its `--fill`, else what the dtype has for it.
    fn making<T: Target>(&self, source: &Source) -> Making<'f, T> {
        let missing = match &source.fill {
            Some(fill) => read(Cell::Text(fill.as_bytes()), &CellRules::default())
                .and_then(|value| value.ok_or(Reason::Missing)),
            None => T::missing().ok_or(Reason::Missing),
        };
        Making {
            missing,
            rules: self.rules,
        }
    }

    fn note<T: Target>(&mut self, source: &Source, outcome: Outcome, as_nan: bool) {
        self.notes.missing.cells += outcome.missing;
        if as_nan && T::DTYPE.is_float() {
            self.notes.missing.nan += outcome.missing;
        }
        for (row, reason) in outcome.faults {
            self.fault(row, source, reason, expectation(self.feed.dtype));
        }
    }

    fn fault(&mut self, row: usize, source: &Source, reason: Reason, expected: String) {
        if self.notes.faults.contains_key(&row) {
            return;
        }
        let fault = Fault {
            column: source.name.clone(),
            reason,
            expected,
            found: match self.column(source) {
                Some(column) => column.show(row),
                None => Cell::Absent.to_string(),
            },
        };
        self.notes.faults.insert(row, fault);
    }

    /// A list for each record; lists of another shape start a new stretch.
    fn lists<T: Target>(
        &mut self,
        source: &Source,
        dims: &[Option<usize>],
    ) -> (Vec<T>, Vec<(Vec<usize>, usize)>) {
        let mut all = Vec::new();
        let mut shapes: Vec<(Vec<usize>, usize)> = Vec::new();
        let mut records = 0;
        // Only a float can be missing in a list, and `--fill` is for the list as a whole.
        let making = Making {
            missing: T::missing()
                .filter(|_| T::DTYPE.is_float())
                .ok_or(Reason::Missing),
            rules: self.rules,
        };
        if let [run] = self.runs
            && let Some(column) = self.column(source)
            && let Some(dense) = Dense::of(column, run.clone(), dims)
            && let Some((all, missing)) = dense.copy(&making)
        {
            self.notes.missing.cells += missing;
            self.notes.missing.nan += missing;
            return (all, vec![(dense.shape, run.len())]);
        }
        for row in self.runs.iter().cloned().flatten() {
            records += 1;
            let start = all.len();
            let found = match self.column(source) {
                Some(column) => list(column, row, dims, &making, &mut all),
                None => Err(Reason::Missing),
            };
            match found {
                Ok((shape, missing)) => {
                    self.notes.missing.cells += missing;
                    self.notes.missing.nan += missing;
                    match shapes.last_mut() {
                        Some((last, end)) if *last == shape => *end = records,
                        _ => shapes.push((shape, records)),
                    }
                }
                Err(reason) => {
                    all.truncate(start);
                    let expected = list_expectation(self.feed.dtype, dims);
                    self.fault(row, source, reason, expected);
                }
            }
        }
        (all, shapes)
    }
}

/// Lists of one shape that lie one after the other, as those of a matrix do: copied as one.
struct Dense<'d, 'c> {
    items: &'d Column<'c>,
    range: Range<usize>,
    shape: Vec<usize>,
}

impl<'d, 'c> Dense<'d, 'c> {
    /// The items of `rows`, where their lists are such; a record's own fault needs the other way.
    fn of(
        column: &'d Column<'c>,
        rows: Range<usize>,
        dims: &[Option<usize>],
    ) -> Option<Dense<'d, 'c>> {
        let Values::List { items, bounds } = &column.values else {
            return None;
        };
        let (dim, dims) = dims.split_first()?;
        let first = bounds(rows.clone().next()?);
        let size = first.len();
        if column.valid.is_some() || size == 0 || dim.is_some_and(|dim| dim != size) {
            return None;
        }
        let mut range = first;
        for row in rows.skip(1) {
            let next = bounds(row);
            if next.start != range.end || next.len() != size {
                return None;
            }
            range.end = next.end;
        }
        if dims.is_empty() {
            let is_deeper = matches!(items.values, Values::List { .. });
            return (!is_deeper).then(|| Dense {
                items,
                range,
                shape: vec![size],
            });
        }
        let mut below = Dense::of(items, range, dims)?;
        below.shape.insert(0, size);
        Some(below)
    }

    /// All elements, and how many are missing; `None` where one is at fault.
    fn copy<T: Target>(&self, making: &Making<'_, T>) -> Option<(Vec<T>, u64)> {
        let mut all = vec![T::default(); self.range.len()];
        let mut outcome = Outcome::default();
        let lane = Lane {
            elements: all.as_mut_slice(),
            width: 1,
            at: 0,
        };
        copy(self.items, self.range.clone(), making, lane, &mut outcome);
        outcome.faults.is_empty().then_some((all, outcome.missing))
    }
}

/// As the records' encoder says it, but that typed lists are not JSON.
fn list_expectation(dtype: Dtype, dims: &[Option<usize>]) -> String {
    let size = |dim: &Option<usize>| dim.map_or("?".to_owned(), |size| size.to_string());
    let dims: Vec<String> = dims.iter().map(size).collect();
    format!("lists of shape [{}] ({dtype})", dims.join(", "))
}

/// Appends the elements of the list in `row`; returns the list's shape and how many were missing.
fn list<T: Target>(
    column: &Column<'_>,
    row: usize,
    dims: &[Option<usize>],
    making: &Making<'_, T>,
    all: &mut Vec<T>,
) -> Result<(Vec<usize>, u64), Reason> {
    let is_there = column.valid.is_none_or(|valid| valid.get(row));
    let (shape, missing) = match &column.values {
        _ if !is_there => return Err(Reason::Missing),
        Values::Nothing => return Err(Reason::Missing),
        Values::List { items, bounds } => {
            let mut shape = Vec::with_capacity(dims.len());
            let missing = items_of(items, bounds(row), dims.len(), making, (all, &mut shape))?;
            // A level below an empty list was never seen.
            shape.resize(dims.len(), 0);
            (shape, missing)
        }
        Values::Text(text) => {
            let text = std::str::from_utf8(text(row)).unwrap_or("?").trim();
            if text.is_empty() {
                return Err(Reason::Missing);
            }
            let nested = read_nested::<T>(text, dims.len(), making.rules)?;
            all.extend(nested.elements);
            (nested.shape, nested.missing)
        }
        _ => return Err(Reason::NotAList),
    };
    let fits = shape.iter().zip(dims);
    if fits
        .into_iter()
        .any(|(size, dim)| dim.is_some_and(|dim| dim != *size))
    {
        return Err(Reason::WrongShape);
    }
    Ok((shape, missing))
}

/// Appends the items of one list, `rank` levels deep, to the elements, and its sizes to the shape.
fn items_of<T: Target>(
    items: &Column<'_>,
    range: Range<usize>,
    rank: usize,
    making: &Making<'_, T>,
    (all, shape): (&mut Vec<T>, &mut Vec<usize>),
) -> Result<u64, Reason> {
    shape.push(range.len());
    match (&items.values, rank) {
        (Values::List { .. }, 0 | 1) => Err(Reason::WrongShape),
        (
            Values::List {
                items: below,
                bounds,
            },
            _,
        ) => {
            let mut missing = 0;
            let mut first: Option<Vec<usize>> = None;
            for row in range {
                if items.valid.is_some_and(|valid| !valid.get(row)) {
                    return Err(Reason::Missing);
                }
                let mut sizes = Vec::new();
                missing += items_of(below, bounds(row), rank - 1, making, (all, &mut sizes))?;
                match &first {
                    Some(first) if *first != sizes => return Err(Reason::WrongShape),
                    Some(_) => {}
                    None => first = Some(sizes),
                }
            }
            shape.extend(first.unwrap_or_default());
            Ok(missing)
        }
        (_, 1) => {
            let start = all.len();
            all.resize(start + range.len(), T::default());
            let mut outcome = Outcome::default();
            let lane = Lane {
                elements: all.get_mut(start..).unwrap_or_default(),
                width: 1,
                at: 0,
            };
            copy(items, range, making, lane, &mut outcome);
            match outcome.faults.first() {
                Some((_, reason)) => Err(*reason),
                None => Ok(outcome.missing),
            }
        }
        _ => Err(Reason::NotAList),
    }
}
