//! A growing row of elements of one dtype for one input: the hot loop from cells to tensors.
//!
//! Knows one record at a time, and neither groups nor the plan.

use ndarray::{ArrayD, IxDyn};

use crate::model::tensor::Tensor;

use super::cell::{Cell, CellRules, Reason, read};
use super::element::{Element, ForElement};
use super::feed::Source;
use super::nested::read_nested;

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
    wrap: fn(ArrayD<T>) -> Tensor,
}

/// Makes an empty buffer of a dtype.
pub(super) struct NewBuffer;

impl ForElement for NewBuffer {
    type Output = Box<dyn Fill>;

    fn call<T: Element>(self, wrap: fn(ArrayD<T>) -> Tensor) -> Box<dyn Fill> {
        Box::new(Buffer {
            elements: Vec::<T>::new(),
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
