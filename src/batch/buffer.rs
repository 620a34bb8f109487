//! A growing row of elements of one dtype for one input: the hot loop from cells to tensors.
//!
//! Knows one record at a time, and neither groups nor the plan.

use ndarray::{ArrayD, IxDyn};

use crate::model::tensor::Tensor;

use super::cell::{Cell, CellRules, Reason, is_listed, read};
use super::element::{Element, ForElement};
use super::feed::Source;
use super::lanes::Run;
use super::nested::read_nested;
use super::spelling::{self, Spelling};

/// Missing values among the cells that feed a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// All of them.
    pub cells: u64,
    /// Those that reach the model as NaN.
    pub nan: u64,
}

/// One record and how to read it.
pub(super) struct Row<'r> {
    pub(super) cells: &'r [Cell<'r>],
    pub(super) rules: &'r CellRules,
}

impl<'r> Row<'r> {
    /// The cell that `source` names.
    pub(super) fn cell(&self, source: &Source) -> Cell<'r> {
        let cell = source.column.and_then(|column| self.cells.get(column));
        cell.copied().unwrap_or(Cell::Absent)
    }
}

/// How the values of a plain record are read.
pub(super) struct Reading<'r> {
    pub(super) rules: &'r CellRules,
    /// Whether a text that means a missing value may look like a plain number.
    pub(super) numbers_may_be_missing: bool,
    /// The sources of the input's row.
    pub(super) sources: &'r [Source],
    pub(super) spelling: &'r Spelling,
}

/// Which source failed, and why.
pub(super) struct At(pub(super) usize, pub(super) Reason);

/// A growing row of elements of one dtype, which its caller need not know.
pub(super) trait Fill {
    /// Appends one element for each source.
    fn push_cells(
        &mut self,
        row: &Row<'_>,
        sources: &[Source],
        missing: &mut Missing,
    ) -> Result<(), At>;

    /// Appends a row of `width` elements, to be filled by the calls below.
    fn open_row(&mut self, width: usize);

    /// Fills the elements of the open row that `run` names from the numbers that `text` starts with,
    /// and returns the bytes that they take with what stands before and between them. `None` where a
    /// value is not plain or not as it should be.
    fn scan(
        &mut self,
        text: &[u8],
        run: &Run,
        reading: &Reading<'_>,
        missing: &mut Missing,
    ) -> Option<usize>;

    /// Fills element `slot` of the open row from the cell that `source` names.
    fn place(
        &mut self,
        row: &Row<'_>,
        slot: usize,
        source: &Source,
        missing: &mut Missing,
    ) -> Result<(), Reason>;

    /// Appends the elements of a JSON list; returns the list's shape.
    fn push_list(
        &mut self,
        row: &Row<'_>,
        source: &Source,
        dims: &[Option<usize>],
        missing: &mut Missing,
    ) -> Result<Vec<usize>, Reason>;

    fn truncate(&mut self, length: usize);

    /// Appends a copy of the last `width` elements.
    fn repeat_last(&mut self, width: usize);

    /// Takes the elements out as a tensor of `shape`; `None` where they are not that many.
    fn take(&mut self, shape: &[usize]) -> Option<Tensor>;
}

/// Elements, and what makes a tensor of them.
struct Buffer<T> {
    elements: Vec<T>,
    /// Where the open row starts.
    row: usize,
    wrap: fn(ArrayD<T>) -> Tensor,
}

/// Makes an empty buffer of a dtype.
pub(super) struct NewBuffer;

impl ForElement for NewBuffer {
    type Output = Box<dyn Fill>;

    fn call<T: Element>(self, wrap: fn(ArrayD<T>) -> Tensor) -> Box<dyn Fill> {
        Box::new(Buffer {
            elements: Vec::<T>::new(),
            row: 0,
            wrap,
        })
    }
}

impl<T: Element> Fill for Buffer<T> {
    /// The hot loop.
    fn push_cells(
        &mut self,
        row: &Row<'_>,
        sources: &[Source],
        missing: &mut Missing,
    ) -> Result<(), At> {
        self.elements.reserve(sources.len());
        for (at, source) in sources.iter().enumerate() {
            let cell = single(row.cell(source), sources.len());
            let element = match read(cell, row.rules) {
                Ok(Some(element)) => element,
                Ok(None) => read_missing(source, missing).map_err(|reason| At(at, reason))?,
                Err(reason) => return Err(At(at, reason)),
            };
            self.elements.push(element);
        }
        Ok(())
    }

    fn open_row(&mut self, width: usize) {
        self.row = self.elements.len();
        if self.elements.capacity() == 0 {
            self.elements
                .reserve(width.saturating_mul(FIRST_ROWS).min(FIRST_ELEMENTS));
        }
        self.elements.resize(self.row + width, T::default());
    }

    #[inline]
    fn scan(
        &mut self,
        text: &[u8],
        run: &Run,
        reading: &Reading<'_>,
        missing: &mut Missing,
    ) -> Option<usize> {
        let row = self.elements.get_mut(self.row..)?;
        match reading.spelling {
            Spelling::Fields(delimiter) => {
                let fields = Fields(*delimiter);
                scan_run(row, text, run, reading, (&fields, missing))
            }
            Spelling::Members { before, .. } => {
                let members = Members(before);
                scan_run(row, text, run, reading, (&members, missing))
            }
        }
    }

    fn place(
        &mut self,
        row: &Row<'_>,
        slot: usize,
        source: &Source,
        missing: &mut Missing,
    ) -> Result<(), Reason> {
        let width = self.elements.len() - self.row;
        let element = match read(single(row.cell(source), width), row.rules)? {
            Some(element) => element,
            None => read_missing(source, missing)?,
        };
        if let Some(place) = self.elements.get_mut(self.row + slot) {
            *place = element;
        }
        Ok(())
    }

    fn push_list(
        &mut self,
        row: &Row<'_>,
        source: &Source,
        dims: &[Option<usize>],
        missing: &mut Missing,
    ) -> Result<Vec<usize>, Reason> {
        let raw = list_text(row.cell(source)).ok_or(Reason::Missing)?;
        let nested = read_nested::<T>(raw, dims.len(), row.rules)?;
        if nested
            .shape
            .iter()
            .zip(dims)
            .any(|(size, dim)| dim.is_some_and(|dim| dim != *size))
        {
            return Err(Reason::WrongShape);
        }
        missing.cells += nested.missing;
        // Only a float can be missing in a list.
        missing.nan += nested.missing;
        self.elements.extend(nested.elements);
        Ok(nested.shape)
    }

    fn truncate(&mut self, length: usize) {
        self.elements.truncate(length);
    }

    fn repeat_last(&mut self, width: usize) {
        let start = self.elements.len().saturating_sub(width);
        self.elements.extend_from_within(start..);
    }

    fn take(&mut self, shape: &[usize]) -> Option<Tensor> {
        let elements = std::mem::take(&mut self.elements);
        // The next group is most likely as large as this one.
        self.elements.reserve(elements.len());
        ArrayD::from_shape_vec(IxDyn(shape), elements)
            .ok()
            .map(self.wrap)
    }
}

/// Rows that a buffer has room for from the start, and elements at most.
const FIRST_ROWS: usize = 1024;
const FIRST_ELEMENTS: usize = 1 << 16;

/// How the values of a run are divided: [`Spelling`], chosen once for the run and not for each value.
trait Divided {
    /// The bytes before value `position`.
    fn before(&self, text: &[u8], position: usize) -> Option<usize>;

    /// Whether a plain number counts as missing: `--missing -999`.
    fn is_missing(&self, text: &[u8], reading: &Reading<'_>) -> bool;

    /// Whether a number may end before `next`.
    fn may_end(&self, next: Option<&u8>) -> bool;

    /// The cell that `text` starts with where it is no plain number, and its bytes.
    fn other<'t>(&self, text: &'t [u8]) -> Option<(Cell<'t>, usize)>;
}

struct Fields(u8);

impl Divided for Fields {
    #[inline]
    fn before(&self, text: &[u8], position: usize) -> Option<usize> {
        spelling::before_field(text, self.0, position)
    }

    #[inline]
    fn is_missing(&self, text: &[u8], reading: &Reading<'_>) -> bool {
        reading.numbers_may_be_missing && is_listed(text, &reading.rules.missing)
    }

    #[inline]
    fn may_end(&self, next: Option<&u8>) -> bool {
        match next {
            None | Some(b'\n' | b'\r') => true,
            Some(byte) => *byte == self.0,
        }
    }

    #[inline]
    fn other<'t>(&self, text: &'t [u8]) -> Option<(Cell<'t>, usize)> {
        let length = spelling::field(text, self.0);
        Some((Cell::Text(text.get(..length)?), length))
    }
}

struct Members<'b>(&'b [Vec<u8>]);

impl Divided for Members<'_> {
    #[inline]
    fn before(&self, text: &[u8], position: usize) -> Option<usize> {
        spelling::before_member(text, self.0, position)
    }

    /// What JSON says as a number is one.
    #[inline]
    fn is_missing(&self, _: &[u8], _: &Reading<'_>) -> bool {
        false
    }

    /// The literal that must follow tells.
    #[inline]
    fn may_end(&self, _: Option<&u8>) -> bool {
        true
    }

    #[inline]
    fn other<'t>(&self, text: &'t [u8]) -> Option<(Cell<'t>, usize)> {
        text.starts_with(b"null").then_some((Cell::Json("null"), 4))
    }
}

/// The innermost loop: one value after the other of one run.
#[inline]
fn scan_run<T: Element>(
    row: &mut [T],
    text: &[u8],
    run: &Run,
    reading: &Reading<'_>,
    (divided, missing): (&impl Divided, &mut Missing),
) -> Option<usize> {
    let mut at = 0;
    for (position, slot) in (run.start..).zip(&run.slots) {
        at += divided.before(text.get(at..)?, position)?;
        let rest = text.get(at..)?;
        let (value, length) = match T::scan(rest) {
            Some((value, length))
                if divided.may_end(rest.get(length))
                    && !divided.is_missing(rest.get(..length)?, reading) =>
            {
                (value, length)
            }
            _ => {
                let (cell, length) = divided.other(rest)?;
                let source = reading.sources.get(*slot)?;
                let value = match read(cell, reading.rules).ok()? {
                    Some(value) => value,
                    None => read_missing(source, missing).ok()?,
                };
                (value, length)
            }
        };
        *row.get_mut(*slot)? = value;
        at += length;
    }
    Some(at)
}

/// `[x]` is accepted where one element is wanted, as a row of a `[N, 1]` tensor is often written.
#[inline]
fn single(cell: Cell<'_>, wanted: usize) -> Cell<'_> {
    match cell {
        Cell::Json(raw) if wanted == 1 && raw.starts_with('[') => {
            let inner = raw.get(1..raw.len().saturating_sub(1));
            inner
                .filter(|inner| !inner.contains(['[', ',']))
                .map_or(cell, |inner| Cell::Json(inner.trim()))
        }
        _ => cell,
    }
}

/// What a missing cell becomes: its `--fill`, else what the dtype has for it.
fn read_missing<T: Element>(source: &Source, missing: &mut Missing) -> Result<T, Reason> {
    missing.cells += 1;
    match &source.fill {
        Some(fill) => {
            read(Cell::Text(fill.as_bytes()), &CellRules::default())?.ok_or(Reason::Missing)
        }
        None => {
            missing.nan += u64::from(T::DTYPE.is_float());
            T::missing().ok_or(Reason::Missing)
        }
    }
}

/// The JSON text of a cell that should hold a list; `None` where it is missing.
fn list_text(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Absent | Cell::Json("null") => None,
        Cell::Json(raw) => Some(raw),
        Cell::Text(text) => {
            // Text that is not UTF-8 is no list either.
            let text = std::str::from_utf8(text).unwrap_or("?").trim();
            (!text.is_empty()).then_some(text)
        }
    }
}
