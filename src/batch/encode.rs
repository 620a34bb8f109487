//! Records into tensors: the cells of each record are appended to one buffer for each input.
//!
//! Knows cells, not where they come from. A record is taken whole or not at all.

use std::fmt;

use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

pub use super::buffer::Missing;
use super::buffer::{At, Fill, NewBuffer, Row};
use super::cell::{Cell, Reason, expectation};
use super::element::with_dtype;
use super::feed::{BatchAxis, Feed, How, Source, elements};
use super::number;
use super::plan::Plan;

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

impl fmt::Display for Fault {
    /// `column "age": expected a number (float32), found "n/a"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            column,
            reason,
            expected,
            found,
        } = self;
        write!(f, "column \"{column}\": expected {expected}, found ")?;
        match reason {
            Reason::Missing => f.write_str("nothing"),
            Reason::WrongShape => write!(f, "lists of another shape: {found}"),
            Reason::HasNul => write!(f, "{found}, which holds a NUL character"),
            Reason::OutOfRange | Reason::NotUtf8 | Reason::HalfCharacter => {
                write!(f, "{found}, which is {}", reason.words())
            }
            _ => f.write_str(found),
        }
    }
}

/// Collects records until they are taken as groups.
pub struct Encoder<'p> {
    pub(super) plan: &'p Plan,
    pub(super) buffers: Vec<Box<dyn Fill>>,
    /// For each input the elements of a record that cells fill.
    pub(super) widths: Vec<usize>,
    /// For each input the shape of a record, where lists decide it.
    shapes: Vec<Vec<usize>>,
    groups: Vec<Group>,
    /// Records since the last group.
    records: usize,
    /// Records of a group at most.
    most: usize,
    /// Whether one of the texts that mean a missing value is a plain number.
    pub(super) numbers_may_be_missing: bool,
    pub(super) missing: Missing,
}

impl<'p> Encoder<'p> {
    /// An encoder without records, whose groups have at most `most` records.
    pub fn new(plan: &'p Plan, most: usize) -> Self {
        let width = |feed: &Feed| match &feed.how {
            How::Cells { sources, .. } => sources.len(),
            How::List { .. } | How::Once(_) => 0,
        };
        Encoder {
            plan,
            widths: plan.feeds.iter().map(width).collect(),
            most: most.max(1),
            numbers_may_be_missing: plan.cells.missing.iter().any(|text| number::is_plain(text)),
            buffers: plan
                .feeds
                .iter()
                .map(|feed| with_dtype(feed.dtype, NewBuffer))
                .collect(),
            shapes: plan
                .feeds
                .iter()
                .map(|feed| fixed_shape(&feed.how))
                .collect(),
            groups: Vec::new(),
            records: 0,
            missing: Missing::default(),
        }
    }

    /// Appends one record, given one cell for each of the plan's columns.
    ///
    /// # Errors
    /// The first cell that does not fit; the record is then left out whole.
    pub fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Fault> {
        let missing_before = self.missing;
        let mut pushed = self.push_record(cells);
        if matches!(pushed, Err(Stop::OtherShape)) {
            // A tensor cannot be ragged: lists of another length start a new group.
            self.roll_back(missing_before);
            self.close_group();
            pushed = self.push_record(cells);
        }
        if let Err(Stop::Fault(fault)) = pushed {
            self.roll_back(missing_before);
            return Err(fault);
        }
        self.record_done();
        Ok(())
    }

    /// The faults of a record that [`Encoder::push`] refused, `most` of them at most.
    pub fn faults(&mut self, cells: &[Cell<'_>], most: usize) -> Vec<Fault> {
        let row = Row {
            cells,
            rules: &self.plan.cells,
        };
        let mut faults = Vec::new();
        let mut missing = Missing::default();
        for (feed, buffer) in self.plan.feeds.iter().zip(&mut self.buffers) {
            match &feed.how {
                How::Once(_) => {}
                How::Cells { sources, .. } => {
                    for source in sources.iter() {
                        let only = std::slice::from_ref(source);
                        let pushed = buffer.push_cells(&row, only, &mut missing);
                        if let Err(At(_, reason)) = pushed {
                            faults.push(cell_fault(feed, Some(source), &row, reason));
                        }
                        if faults.len() == most {
                            break;
                        }
                    }
                }
                How::List { source, dims } => {
                    if let Err(reason) = buffer.push_list(&row, source, dims, &mut missing) {
                        faults.push(list_fault(feed, source, dims, &row, reason));
                    }
                }
            }
        }
        self.roll_back(self.missing);
        faults.truncate(most);
        faults
    }

    /// Counts a record that was appended whole.
    pub(super) fn record_done(&mut self) {
        self.records += 1;
        let is_full = match self.plan.batch {
            BatchAxis::Fixed(size) => self.records == size,
            BatchAxis::Free => self.records >= self.most,
        };
        if is_full {
            self.close_group();
        }
    }

    fn push_record(&mut self, cells: &[Cell<'_>]) -> Result<(), Stop> {
        let row = Row {
            cells,
            rules: &self.plan.cells,
        };
        let buffers = self.buffers.iter_mut().zip(&mut self.shapes);
        for (feed, (buffer, shape)) in self.plan.feeds.iter().zip(buffers) {
            match &feed.how {
                How::Once(_) => {}
                How::Cells { sources, .. } => {
                    let pushed = buffer.push_cells(&row, sources, &mut self.missing);
                    pushed.map_err(|At(at, reason)| {
                        cell_fault(feed, sources.get(at), &row, reason)
                    })?;
                }
                How::List { source, dims } => {
                    let pushed = buffer.push_list(&row, source, dims, &mut self.missing);
                    let found =
                        pushed.map_err(|reason| list_fault(feed, source, dims, &row, reason))?;
                    if self.records > 0 && *shape != found {
                        return Err(Stop::OtherShape);
                    }
                    *shape = found;
                }
            }
        }
        Ok(())
    }

    /// Forgets what an unfinished record has pushed and counted.
    pub(super) fn roll_back(&mut self, missing: Missing) {
        self.missing = missing;
        for (buffer, shape) in self.buffers.iter_mut().zip(&self.shapes) {
            buffer.truncate(self.records * elements(shape));
        }
    }

    /// Makes a group of the records so far, padded to the fixed batch if there is one.
    fn close_group(&mut self) {
        if self.records == 0 {
            return;
        }
        let rows = self.plan.batch.rows(self.records);
        let mut inputs = Vec::with_capacity(self.buffers.len());
        let buffers = self.buffers.iter_mut().zip(&self.shapes);
        for (feed, (buffer, shape)) in self.plan.feeds.iter().zip(buffers) {
            if let How::Once(tensor) = &feed.how {
                inputs.push(tensor.clone());
                continue;
            }
            for _ in self.records..rows {
                buffer.repeat_last(elements(shape));
            }
            let shape: Vec<usize> = std::iter::once(rows).chain(shape.iter().copied()).collect();
            inputs.extend(buffer.take(&shape));
        }
        self.groups.push(Group {
            records: self.records,
            inputs,
        });
        self.records = 0;
    }

    /// Takes the records so far as groups, in their order, with the number of missing values that
    /// they hold.
    pub fn finish(&mut self) -> (Vec<Group>, Missing) {
        self.close_group();
        (
            std::mem::take(&mut self.groups),
            std::mem::take(&mut self.missing),
        )
    }
}

/// The shape of a record where the plan knows it.
fn fixed_shape(how: &How) -> Vec<usize> {
    match how {
        How::Cells { dims, .. } => dims.clone(),
        How::List { .. } | How::Once(_) => Vec::new(),
    }
}

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

fn cell_fault(feed: &Feed, source: Option<&Source>, row: &Row<'_>, reason: Reason) -> Fault {
    Fault {
        column: source.map_or(&feed.input, |source| &source.name).clone(),
        reason,
        expected: expectation(feed.dtype),
        found: source.map_or(String::new(), |source| row.cell(source).to_string()),
    }
}

fn list_fault(
    feed: &Feed,
    source: &Source,
    dims: &[Option<usize>],
    row: &Row<'_>,
    reason: Reason,
) -> Fault {
    Fault {
        expected: list_expectation(feed.dtype, dims),
        ..cell_fault(feed, Some(source), row, reason)
    }
}

fn list_expectation(dtype: Dtype, dims: &[Option<usize>]) -> String {
    let size = |dim: &Option<usize>| dim.map_or("?".to_owned(), |size| size.to_string());
    let dims: Vec<String> = dims.iter().map(size).collect();
    format!("JSON lists of shape [{}] ({dtype})", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::cell::CellRules;
    use ndarray::array;

    fn source(column: usize) -> Source {
        Source {
            name: format!("c{column}"),
            column: Some(column),
            fill: None,
        }
    }

    fn plan(feeds: Vec<(Dtype, How)>, batch: BatchAxis) -> Plan {
        let feed = |(dtype, how)| Feed {
            input: "x".to_owned(),
            dtype,
            how,
        };
        Plan {
            columns: vec!["c0".to_owned(), "c1".to_owned()],
            feeds: feeds.into_iter().map(feed).collect(),
            unused: Vec::new(),
            kept: Vec::new(),
            batch,
            cells: CellRules::default(),
        }
    }

    fn matrix() -> (Dtype, How) {
        (
            Dtype::Float32,
            How::Cells {
                sources: vec![source(1), source(0)],
                dims: vec![2],
            },
        )
    }

    fn list(dims: Vec<Option<usize>>) -> (Dtype, How) {
        (
            Dtype::Int64,
            How::List {
                source: source(0),
                dims,
            },
        )
    }

    #[test]
    fn cells_go_to_the_element_that_asks_for_their_column() {
        let plan = plan(vec![matrix()], BatchAxis::Free);
        let mut encoder = Encoder::new(&plan, usize::MAX);
        encoder
            .push(&[Cell::Text(b"1"), Cell::Text(b"2")])
            .expect("a record");
        encoder
            .push(&[Cell::Json("3"), Cell::Json("4")])
            .expect("a record");
        let (groups, missing) = encoder.finish();
        let inputs = vec![Tensor::Float32(array![[2.0, 1.0], [4.0, 3.0]].into_dyn())];
        assert_eq!(
            (groups, missing),
            (vec![Group { records: 2, inputs }], Missing::default())
        );
    }

    #[test]
    fn all_faults_of_a_record_are_found_and_leave_nothing_behind() {
        let plan = plan(vec![matrix(), list(vec![Some(1)])], BatchAxis::Free);
        let mut encoder = Encoder::new(&plan, usize::MAX);
        let faulty = [Cell::Json("\"a\""), Cell::Json("true")];
        let names = |faults: Vec<Fault>| -> Vec<String> {
            faults.into_iter().map(|fault| fault.column).collect()
        };
        assert_eq!(names(encoder.faults(&faulty, 10)), ["c1", "c0", "c0"]);
        assert_eq!(names(encoder.faults(&faulty, 1)), ["c1"]);
        assert_eq!(encoder.finish().0, Vec::new());
    }

    #[test]
    fn a_faulty_record_leaves_nothing_behind() {
        let plan = plan(vec![matrix(), list(vec![Some(1)])], BatchAxis::Free);
        let mut encoder = Encoder::new(&plan, usize::MAX);
        let fault = encoder
            .push(&[Cell::Text(b"[1]"), Cell::Text(b"")])
            .expect_err("a list is no number");
        assert_eq!(
            (fault.column.as_str(), fault.reason),
            ("c0", Reason::NotANumber)
        );
        let (groups, missing) = encoder.finish();
        assert_eq!((groups.len(), missing), (0, Missing::default()));
    }

    #[test]
    fn a_fixed_batch_is_padded_with_its_last_record() {
        let plan = plan(vec![matrix()], BatchAxis::Fixed(2));
        let mut encoder = Encoder::new(&plan, usize::MAX);
        for text in ["1", "2", "3"] {
            let cell = Cell::Text(text.as_bytes());
            encoder.push(&[cell, cell]).expect("a record");
        }
        let (groups, _) = encoder.finish();
        let records: Vec<usize> = groups.iter().map(|group| group.records).collect();
        assert_eq!(records, [2, 1]);
        let last = groups
            .last()
            .and_then(|group| group.inputs.first())
            .cloned();
        assert_eq!(
            last,
            Some(Tensor::Float32(array![[3.0, 3.0], [3.0, 3.0]].into_dyn()))
        );
    }

    #[test]
    fn lists_of_another_length_start_a_new_group() {
        let plan = plan(vec![list(vec![None])], BatchAxis::Free);
        let mut encoder = Encoder::new(&plan, usize::MAX);
        for raw in ["[1,2]", "[3,4]", "[5]", "[6]", "[7,8]"] {
            encoder.push(&[Cell::Json(raw)]).expect("a record");
        }
        let (groups, _) = encoder.finish();
        let shapes: Vec<Vec<usize>> = groups
            .iter()
            .flat_map(|group| &group.inputs)
            .map(|tensor| tensor.shape().to_vec())
            .collect();
        assert_eq!(shapes, [[2, 2], [2, 1], [1, 2]]);
    }

    #[test]
    fn missing_values_are_counted_and_filled() {
        let mut filled = source(0);
        filled.fill = Some("7".to_owned());
        let how = How::Cells {
            sources: vec![filled],
            dims: Vec::new(),
        };
        let plan = plan(vec![(Dtype::Int64, how)], BatchAxis::Free);
        let mut encoder = Encoder::new(&plan, usize::MAX);
        encoder.push(&[Cell::Text(b"")]).expect("a filled record");
        let (groups, missing) = encoder.finish();
        assert_eq!(missing, Missing { cells: 1, nan: 0 });
        assert_eq!(
            groups.first().map(|group| &group.inputs),
            Some(&vec![Tensor::Int64(array![7].into_dyn())])
        );
    }
}
