//! Typed columns straight into tensors: what Parquet, Arrow and NumPy files hold has its types
//! already, and goes to a model without a detour over text.
//!
//! Knows neither arrow nor files. The rules are those of `cell`: integers stay exact, nothing is
//! rounded, cut or saturated without a word, and a record is taken whole or not at all.

use std::collections::BTreeMap;
use std::ops::Range;

use super::cell::{CellRules, Reason};
use super::encode::{Fault, Group, Missing};
use super::feed::{BatchAxis, Feed, How, Source};
use super::plan::Plan;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

mod copy;
mod fill;
mod show;
mod target;

use fill::Filled;

/// A row of bits, the lowest of each byte first, as Arrow packs validity and booleans.
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    pub bytes: &'a [u8],
    /// Bits before the first row's.
    pub offset: usize,
}

impl Bits<'_> {
    /// The bit of `row`; `false` beyond the end.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        let at = self.offset + row;
        let byte = self.bytes.get(at / 8).copied().unwrap_or_default();
        byte >> (at % 8) & 1 == 1
    }
}

/// The values of one column, one for each row.
pub struct Column<'a> {
    pub values: Values<'a>,
    /// The rows that have a value, where some have none.
    pub valid: Option<Bits<'a>>,
}

/// Values of one type; what a row without a value holds is never looked at.
pub enum Values<'a> {
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Uint8(&'a [u8]),
    Uint16(&'a [u16]),
    Uint32(&'a [u32]),
    Uint64(&'a [u64]),
    Float16(&'a [half::f16]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Bool(Bits<'a>),
    /// Text, or bytes that should be text.
    Text(Box<dyn Fn(usize) -> &'a [u8] + 'a>),
    /// Numbers as their exact decimal text.
    Decimal(Box<dyn Fn(usize) -> String + 'a>),
    /// Dates, times and durations as their text: no numbers, for a model means no date by one.
    Moment(Box<dyn Fn(usize) -> String + 'a>),
    /// Lists: the items of all rows, and where those of each row start and end.
    List {
        items: Box<Column<'a>>,
        bounds: Box<dyn Fn(usize) -> Range<usize> + 'a>,
    },
    /// No row has a value.
    Nothing,
    /// A type that feeds no model; the text is what errors call one value of it.
    Other(&'static str),
}

/// The records of a block in tensors.
#[derive(Debug, Default)]
pub struct Encoded {
    pub groups: Vec<Group>,
    /// The rows that do not fit the plan, ascending; they are in no group.
    pub faults: Vec<(usize, Fault)>,
    /// Missing values of the rows that are in the groups.
    pub missing: Missing,
}

/// What filling the tensors found out on its way.
#[derive(Default)]
struct Notes {
    /// The first fault of each row that has one.
    faults: BTreeMap<usize, Fault>,
    missing: Missing,
}

/// The columns that feed the model, by their numbers; the others need not be read for it.
pub fn fed(plan: &Plan) -> impl Iterator<Item = usize> {
    let sources = plan.feeds.iter().flat_map(|feed| match &feed.how {
        How::Cells { sources, .. } => sources.as_slice(),
        How::List { source, .. } => std::slice::from_ref(source),
        How::Once(_) => &[],
    });
    sources.filter_map(|source| source.column)
}

/// Encodes `rows` of `columns`, one for each of the plan's columns.
///
/// Groups are cut as [`super::encode::Encoder`] cuts them: fixed batches are padded with their last
/// record, and lists of another shape start a new group.
pub fn encode(plan: &Plan, columns: &[Column<'_>], rows: Range<usize>) -> Encoded {
    let mut notes = Notes::default();
    let mut runs = vec![rows.clone()];
    let mut filled = fill_all(plan, columns, &runs, &mut notes);
    let faults = std::mem::take(&mut notes.faults);
    if !faults.is_empty() {
        // Done again without the faulty rows: simpler than taking their elements and what was
        // counted of them out of every buffer, and only dirty blocks pay for it.
        notes = Notes::default();
        runs = runs_between(&rows, faults.keys().copied());
        filled = fill_all(plan, columns, &runs, &mut notes);
    }
    let records = runs.iter().map(Range::len).sum();
    Encoded {
        groups: groups(plan, filled, records),
        faults: faults.into_iter().collect(),
        missing: notes.missing,
    }
}

/// `rows` of a column as one tensor of the type it has: kept columns for containers of arrays.
///
/// Dates and decimals become their text.
///
/// # Errors
/// The first row without a value where the type has none for it, and the first list whose shape is
/// not that of the lists before it.
pub fn tensor(
    name: &str,
    column: Column<'_>,
    rows: Range<usize>,
) -> Result<Tensor, (usize, Fault)> {
    let (dtype, rank) = column.values.natural();
    let source = Source {
        name: name.to_owned(),
        column: Some(0),
        fill: None,
    };
    let dims = vec![None; rank];
    let how = match rank {
        0 => How::Cells {
            sources: vec![source],
            dims: Vec::new(),
        },
        _ => How::List { source, dims },
    };
    let plan = Plan {
        columns: vec![name.to_owned()],
        feeds: vec![Feed {
            input: name.to_owned(),
            dtype,
            how,
        }],
        unused: Vec::new(),
        kept: Vec::new(),
        batch: BatchAxis::Free,
        cells: CellRules::default(),
    };
    let first = rows.start;
    let mut encoded = encode(&plan, &[column], rows);
    if let Some(fault) = encoded.faults.into_iter().next() {
        return Err(fault);
    }
    let records = encoded.groups.first().map_or(0, |group| group.records);
    let mut inputs = match encoded.groups.len() {
        0 | 1 => encoded
            .groups
            .pop()
            .map(|group| group.inputs)
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    match inputs.pop() {
        Some(tensor) => Ok(tensor),
        None if records == 0 => Ok(Tensor::zeros(dtype, &vec![0; rank + 1])),
        None => Err((
            first + records,
            Fault {
                column: name.to_owned(),
                reason: Reason::WrongShape,
                expected: "lists of one shape".to_owned(),
                found: "one that differs".to_owned(),
            },
        )),
    }
}

impl Values<'_> {
    /// The element type that holds the values as they are, and how deep their lists are.
    fn natural(&self) -> (Dtype, usize) {
        let dtype = match self {
            Values::Int8(_) => Dtype::Int8,
            Values::Int16(_) => Dtype::Int16,
            Values::Int32(_) => Dtype::Int32,
            Values::Int64(_) => Dtype::Int64,
            Values::Uint8(_) => Dtype::Uint8,
            Values::Uint16(_) => Dtype::Uint16,
            Values::Uint32(_) => Dtype::Uint32,
            Values::Uint64(_) => Dtype::Uint64,
            Values::Float16(_) => Dtype::Float16,
            Values::Float32(_) => Dtype::Float32,
            Values::Float64(_) => Dtype::Float64,
            Values::Bool(_) => Dtype::Bool,
            Values::List { items, .. } => {
                let (dtype, rank) = items.values.natural();
                return (dtype, rank + 1);
            }
            _ => Dtype::String,
        };
        (dtype, 0)
    }
}

/// One filled buffer for each feed, `None` for those that are given once.
fn fill_all(
    plan: &Plan,
    columns: &[Column<'_>],
    runs: &[Range<usize>],
    notes: &mut Notes,
) -> Vec<Option<Filled>> {
    let feeds = plan.feeds.iter();
    feeds
        .map(|feed| fill::fill(feed, columns, runs, &plan.cells, notes))
        .collect()
}

/// The stretches of `rows` between the rows `without`, which ascend.
fn runs_between(rows: &Range<usize>, without: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = rows.start;
    for row in without.chain([rows.end]) {
        if start < row {
            runs.push(start..row);
        }
        start = row + 1;
    }
    runs
}

fn groups(plan: &Plan, mut filled: Vec<Option<Filled>>, records: usize) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < records {
        let ends = filled
            .iter()
            .flatten()
            .map(|filled| filled.shape_end(start));
        let same_shape = ends.min().unwrap_or(records).min(records);
        let end = match plan.batch {
            BatchAxis::Free => same_shape,
            BatchAxis::Fixed(size) => same_shape.min(start.saturating_add(size.max(1))),
        };
        let rows = plan.batch.rows(end - start);
        let feeds = plan.feeds.iter().zip(&mut filled);
        let inputs = feeds.filter_map(|(feed, filled)| match (&feed.how, filled) {
            (How::Once(tensor), _) => Some(tensor.clone()),
            (_, Some(filled)) => filled.take(end - start, rows),
            (_, None) => None,
        });
        groups.push(Group {
            records: end - start,
            inputs: inputs.collect(),
        });
        start = end;
    }
    groups
}

#[cfg(test)]
mod tests;
