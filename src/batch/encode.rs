//! Records into tensors: the cells of each record are appended to one buffer for each input.
//!
//! Knows cells, not where they come from. A record is taken whole or not at all.

use ndarray::{ArrayD, IxDyn};

use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use super::cell::{Cell, CellRules, Element, Reason, expectation, read};
use super::feed::{BatchAxis, Feed, How, Source};
use super::nested::read_nested;
use super::plan::{Plan, elements};

/// The tensors of consecutive records, ready for one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Records in the group; with a fixed batch the tensors may hold padding after them.
    pub records: usize,
    /// One tensor for each model input, in the signature's order.
    pub inputs: Vec<Tensor>,
}

/// Why a record could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column at fault.
    pub column: String,
    pub reason: Reason,
    /// What the column should hold: `a number (float32)`.
    pub expected: String,
    /// The cell as it was found, for people.
    pub found: String,
}

/// Collects records until they are taken as groups.
#[derive(Debug)]
pub struct Encoder<'p> {
    plan: &'p Plan,
    buffers: Vec<Buffer>,
    groups: Vec<Group>,
    records: usize,
    missing: u64,
}

/// The elements of one input, and the shape of a record where it is not fixed by the plan.
#[derive(Debug)]
struct Buffer {
    elements: Elements,
    shape: Vec<usize>,
}

/// A growing row of elements of one dtype.
#[derive(Debug)]
enum Elements {
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Float16(Vec<half::f16>),
    Bfloat16(Vec<half::bf16>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Bool(Vec<bool>),
    String(Vec<String>),
}

/// Runs `$body` with `$vec` bound to the vector inside `$elements` and `$wrap` to the constructor
/// of the tensor of the same dtype.
macro_rules! each_buffer {
    ($elements:expr, $vec:ident, $wrap:ident => $body:expr) => {
        match $elements {
            Elements::Float32($vec) => {
                let $wrap = Tensor::Float32;
                $body
            }
            Elements::Float64($vec) => {
                let $wrap = Tensor::Float64;
                $body
            }
            Elements::Float16($vec) => {
                let $wrap = Tensor::Float16;
                $body
            }
            Elements::Bfloat16($vec) => {
                let $wrap = Tensor::Bfloat16;
                $body
            }
            Elements::Int8($vec) => {
                let $wrap = Tensor::Int8;
                $body
            }
            Elements::Int16($vec) => {
                let $wrap = Tensor::Int16;
                $body
            }
            Elements::Int32($vec) => {
                let $wrap = Tensor::Int32;
                $body
            }
            Elements::Int64($vec) => {
                let $wrap = Tensor::Int64;
                $body
            }
            Elements::Uint8($vec) => {
                let $wrap = Tensor::Uint8;
                $body
            }
            Elements::Uint16($vec) => {
                let $wrap = Tensor::Uint16;
                $body
            }
            Elements::Uint32($vec) => {
                let $wrap = Tensor::Uint32;
                $body
            }
            Elements::Uint64($vec) => {
                let $wrap = Tensor::Uint64;
                $body
            }
            Elements::Bool($vec) => {
                let $wrap = Tensor::Bool;
                $body
            }
            Elements::String($vec) => {
                let $wrap = Tensor::String;
                $body
            }
        }
    };
}

impl Elements {
    fn new(dtype: Dtype) -> Elements {
        match dtype {
            Dtype::Float32 => Elements::Float32(Vec::new()),
            Dtype::Float64 => Elements::Float64(Vec::new()),
            Dtype::Float16 => Elements::Float16(Vec::new()),
            Dtype::Bfloat16 => Elements::Bfloat16(Vec::new()),
            Dtype::Int8 => Elements::Int8(Vec::new()),
            Dtype::Int16 => Elements::Int16(Vec::new()),
            Dtype::Int32 => Elements::Int32(Vec::new()),
            Dtype::Int64 => Elements::Int64(Vec::new()),
            Dtype::Uint8 => Elements::Uint8(Vec::new()),
            Dtype::Uint16 => Elements::Uint16(Vec::new()),
            Dtype::Uint32 => Elements::Uint32(Vec::new()),
            Dtype::Uint64 => Elements::Uint64(Vec::new()),
            Dtype::Bool => Elements::Bool(Vec::new()),
            Dtype::String => Elements::String(Vec::new()),
        }
    }

    fn truncate(&mut self, length: usize) {
        each_buffer!(self, vec, _wrap => vec.truncate(length));
    }

    /// Takes the elements out as a tensor of `shape`, whose product is their number.
    fn take(&mut self, shape: &[usize]) -> Option<Tensor> {
        each_buffer!(self, vec, wrap => {
            let full = std::mem::take(vec);
            // The next batch is most likely as large as this one.
            vec.reserve(full.len());
            ArrayD::from_shape_vec(IxDyn(shape), full).ok().map(wrap)
        })
    }

    /// Appends a copy of the last `width` elements.
    fn repeat_last(&mut self, width: usize) {
        each_buffer!(self, vec, _wrap => {
            let start = vec.len().saturating_sub(width);
            vec.extend_from_within(start..);
        });
    }
}

/// Which source failed, and why.
struct At(usize, Reason);

/// Why a record was not appended.
enum Stop {
    Fault(Fault),
    /// A list has another shape than those before it in the group.
    OtherShape,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl<'p> Encoder<'p> {
    /// An encoder without records.
    pub fn new(plan: &'p Plan) -> Self {
        let buffer = |feed: &Feed| Buffer { elements: Elements::new(feed.dtype), shape: Vec::new() };
        Encoder {
            plan,
            buffers: plan.feeds.iter().map(buffer).collect(),
            groups: Vec::new(),
            records: 0,
            missing: 0,
        }
    }

    /// Appends one record, whose cell of column `index` is `cell(index)`.
    ///
    /// # Errors
    /// The first cell that does not fit; the record is then left out whole.
    pub fn push<'c>(&mut self, cell: impl Fn(usize) -> Cell<'c>) -> Result<(), Fault> {
        let missing_before = self.missing;
        let mut pushed = self.push_record(&cell);
        if matches!(pushed, Err(Stop::OtherShape)) {
            // A tensor cannot be ragged: lists of another length start a new group.
            self.roll_back();
            self.close_group();
            self.missing = missing_before;
            pushed = self.push_record(&cell);
        }
        if let Err(Stop::Fault(fault)) = pushed {
            self.missing = missing_before;
            self.roll_back();
            return Err(fault);
        }
        self.records += 1;
        if self.plan.batch == BatchAxis::Fixed(self.records) {
            self.close_group();
        }
        Ok(())
    }

    fn push_record<'c>(&mut self, cell: &impl Fn(usize) -> Cell<'c>) -> Result<(), Stop> {
        let plan = self.plan;
        for (feed, buffer) in plan.feeds.iter().zip(&mut self.buffers) {
            let missing = &mut self.missing;
            match &feed.how {
                How::Once(_) => {}
                How::Cells { sources, .. } => {
                    each_buffer!(&mut buffer.elements, vec, _wrap =>
                        push_cells(vec, sources, cell, &plan.cells, missing))
                    .map_err(|At(at, reason)| {
                        fault(feed, sources.get(at), cell, reason, expectation(feed.dtype))
                    })?;
                }
                How::List { source, dims } => {
                    let shape = each_buffer!(&mut buffer.elements, vec, _wrap =>
                        push_list(vec, cell_of(source, cell), dims, &plan.cells, missing))
                    .map_err(|reason| {
                        fault(feed, Some(source), cell, reason, list_expectation(feed.dtype, dims))
                    })?;
                    if self.records > 0 && buffer.shape != shape {
                        return Err(Stop::OtherShape);
                    }
                    buffer.shape = shape;
                }
            }
        }
        Ok(())
    }

    /// Forgets what a faulty record has pushed.
    fn roll_back(&mut self) {
        for (feed, buffer) in self.plan.feeds.iter().zip(&mut self.buffers) {
            buffer.elements.truncate(self.records * width(feed, &buffer.shape));
        }
    }

    /// Makes a group of the records so far, padded to the fixed batch if there is one.
    fn close_group(&mut self) {
        if self.records == 0 {
            return;
        }
        let padded = match self.plan.batch {
            BatchAxis::Fixed(size) => size,
            BatchAxis::Free => self.records,
        };
        let mut inputs = Vec::with_capacity(self.buffers.len());
        for (feed, buffer) in self.plan.feeds.iter().zip(&mut self.buffers) {
            if let How::Once(tensor) = &feed.how {
                inputs.push(tensor.clone());
                continue;
            }
            let width = width(feed, &buffer.shape);
            for _ in self.records..padded {
                buffer.elements.repeat_last(width);
            }
            let shape: Vec<usize> = std::iter::once(padded).chain(record_shape(feed, &buffer.shape)).collect();
            inputs.extend(buffer.elements.take(&shape));
        }
        self.groups.push(Group { records: self.records, inputs });
        self.records = 0;
    }

    /// Takes the records so far as groups, in their order, with the number of missing values that
    /// they hold.
    pub fn finish(&mut self) -> (Vec<Group>, u64) {
        self.close_group();
        (std::mem::take(&mut self.groups), std::mem::take(&mut self.missing))
    }
}

/// Sizes of the axes after the batch axis.
fn record_shape(feed: &Feed, listed: &[usize]) -> Vec<usize> {
    match &feed.how {
        How::Cells { dims, .. } => dims.clone(),
        How::List { .. } => listed.to_vec(),
        How::Once(_) => Vec::new(),
    }
}

/// Elements of one record in the feed's buffer.
fn width(feed: &Feed, listed: &[usize]) -> usize {
    match &feed.how {
        How::Cells { sources, .. } => sources.len(),
        How::List { .. } => elements(listed),
        How::Once(_) => 0,
    }
}

fn cell_of<'c>(source: &Source, cell: &impl Fn(usize) -> Cell<'c>) -> Cell<'c> {
    source.column.map_or(Cell::Absent, cell)
}

/// The hot loop: one element for each source.
fn push_cells<'c, T: Element>(
    out: &mut Vec<T>,
    sources: &[Source],
    cell: &impl Fn(usize) -> Cell<'c>,
    rules: &CellRules,
    missing: &mut u64,
) -> Result<(), At> {
    out.reserve(sources.len());
    for (index, source) in sources.iter().enumerate() {
        let element = match read(single(cell_of(source, cell), sources.len()), rules) {
            Ok(Some(element)) => element,
            Ok(None) => read_missing(source, missing).map_err(|reason| At(index, reason))?,
            Err(reason) => return Err(At(index, reason)),
        };
        out.push(element);
    }
    Ok(())
}

/// `[x]` is accepted where one element is wanted, as a row of a `[N, 1]` tensor is often written.
fn single(cell: Cell<'_>, wanted: usize) -> Cell<'_> {
    match cell {
        Cell::Json(raw) if wanted == 1 && raw.starts_with('[') => match raw.get(1..raw.len().saturating_sub(1)) {
            Some(inner) if !inner.contains(['[', ',']) => Cell::Json(inner.trim()),
            _ => cell,
        },
        _ => cell,
    }
}

/// What a missing cell becomes: its `--fill`, else what the dtype has for it.
fn read_missing<T: Element>(source: &Source, missing: &mut u64) -> Result<T, Reason> {
    *missing += 1;
    match &source.fill {
        Some(fill) => read(Cell::Text(fill.as_bytes()), &CellRules::default())?.ok_or(Reason::Missing),
        None => T::missing().ok_or(Reason::Missing),
    }
}

/// The JSON text of a cell that should hold a list; `None` where it is missing.
fn list_text<'c>(cell: Cell<'c>) -> Option<&'c str> {
    match cell {
        Cell::Absent | Cell::Json("null") => None,
        Cell::Json(raw) => Some(raw),
        Cell::Text(text) => {
            let text = std::str::from_utf8(text).unwrap_or("?").trim();
            (!text.is_empty()).then_some(text)
        }
    }
}

/// Appends a list's elements; returns the list's shape.
fn push_list<T: Element>(
    out: &mut Vec<T>,
    cell: Cell<'_>,
    dims: &[Option<usize>],
    rules: &CellRules,
    missing: &mut u64,
) -> Result<Vec<usize>, Reason> {
    let raw = list_text(cell).ok_or(Reason::Missing)?;
    let nested = read_nested::<T>(raw, dims.len(), rules)?;
    let fits = nested.shape.iter().zip(dims).all(|(size, dim)| dim.is_none_or(|dim| dim == *size));
    if !fits {
        return Err(Reason::WrongShape);
    }
    *missing += nested.missing;
    out.extend(nested.elements);
    Ok(nested.shape)
}

fn list_expectation(dtype: Dtype, dims: &[Option<usize>]) -> String {
    let size = |dim: &Option<usize>| dim.map_or("?".to_owned(), |size| size.to_string());
    let dims: Vec<String> = dims.iter().map(size).collect();
    format!("JSON lists of shape [{}] ({dtype})", dims.join(", "))
}

fn fault<'c>(
    feed: &Feed,
    source: Option<&Source>,
    cell: &impl Fn(usize) -> Cell<'c>,
    reason: Reason,
    expected: String,
) -> Fault {
    let found = match source {
        Some(source) => cell_of(source, cell).to_string(),
        None => String::new(),
    };
    Fault {
        column: source.map_or(&feed.input, |source| &source.name).clone(),
        reason,
        expected,
        found,
    }
}
