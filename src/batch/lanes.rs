//! Records of plain text straight into tensors, without taking them apart first: the hot loop.
//!
//! Made for what nearly all data is: every record the same sequence of columns, most of them plain
//! numbers. A record that is anything else is declined and leaves nothing behind; its reader then
//! takes it apart into cells, which gives the same tensors or the error ([`Encoder::push`]).
//!
//! ```text
//! text -> steps ( a run of numbers -> buffer | a cell -> cells ) -> rest (cells -> buffers)
//! ```

use super::buffer::{Reading, Row};
use super::cell::Cell;
use super::encode::Encoder;
use super::feed::How;
use super::plan::Plan;
use super::spelling::Spelling;

/// The way of one kind of record into the tensors.
#[derive(Debug)]
pub struct Lanes {
    steps: Vec<Step>,
    /// Elements that no run fills: of strings, of columns that are used twice or also kept, and of
    /// absent columns.
    rest: Vec<Element>,
}

/// What is done with the next columns of a record.
#[derive(Debug)]
enum Step {
    Numbers(Run),
    /// The column is wanted as a cell, or by nobody.
    Cell(usize),
}

/// Neighbouring columns that feed one input.
#[derive(Debug)]
pub(super) struct Run {
    feed: usize,
    /// Position of the first column in the record.
    pub(super) start: usize,
    /// For each column the element of the input's row that it fills; it is also the number of its
    /// source.
    pub(super) slots: Vec<usize>,
}

/// One element of an input's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    feed: usize,
    slot: usize,
}

/// One column of a record.
struct Column {
    /// Its place in the record.
    position: usize,
    /// Its place in the plan.
    index: usize,
    is_kept: bool,
}

impl Lanes {
    /// The lanes for records whose columns come in `order` (indices of the plan's columns); `None`
    /// where an input takes lists, whose length only the record tells.
    pub fn new(plan: &Plan, order: &[usize]) -> Option<Lanes> {
        // By column, for there may be a hundred thousand of them.
        let mut readers: Vec<Option<Vec<Element>>> = vec![None; plan.columns.len()];
        for column in order {
            *readers.get_mut(*column)? = Some(Vec::new());
        }
        let mut is_kept = vec![false; plan.columns.len()];
        for column in &plan.kept {
            *is_kept.get_mut(*column)? = true;
        }
        let mut rest = Vec::new();
        for (feed, how) in plan.feeds.iter().map(|feed| &feed.how).enumerate() {
            let sources = match how {
                How::Cells { sources, .. } => sources,
                How::List { .. } => return None,
                How::Once(_) => continue,
            };
            for (slot, source) in sources.iter().enumerate() {
                let column = source.column.and_then(|column| readers.get_mut(column));
                match column {
                    Some(Some(readers)) => readers.push(Element { feed, slot }),
                    Some(None) | None => rest.push(Element { feed, slot }),
                }
            }
        }
        let mut lanes = Lanes {
            steps: Vec::new(),
            rest,
        };
        for (position, column) in order.iter().enumerate() {
            let readers = readers.get(*column).and_then(Option::as_deref);
            let is_kept = is_kept.get(*column) == Some(&true);
            let column = Column {
                position,
                index: *column,
                is_kept,
            };
            lanes.add(plan, column, readers.unwrap_or_default());
        }
        Some(lanes)
    }

    fn add(&mut self, plan: &Plan, column: Column, readers: &[Element]) {
        let is_number = |element: &Element| {
            let feed = plan.feeds.get(element.feed);
            feed.is_some_and(|feed| feed.dtype.is_float() || feed.dtype.is_int())
        };
        match readers {
            [only] if is_number(only) && !column.is_kept => match self.steps.last_mut() {
                Some(Step::Numbers(run)) if run.feed == only.feed => run.slots.push(only.slot),
                _ => self.steps.push(Step::Numbers(Run {
                    feed: only.feed,
                    start: column.position,
                    slots: vec![only.slot],
                })),
            },
            _ => {
                self.rest.extend(readers);
                self.steps.push(Step::Cell(column.index));
            }
        }
    }
}

impl<'p> Encoder<'p> {
    /// Appends the record that `text` starts with, and returns the bytes that it takes without its
    /// line end. The cells of columns that are kept, or that no run of numbers takes, are put into
    /// `cells`. `None` where the record is not plain: nothing of it is then left.
    #[inline]
    pub fn push_text<'t>(
        &mut self,
        lanes: &Lanes,
        spelling: &Spelling,
        text: &'t [u8],
        cells: &mut [Cell<'t>],
    ) -> Option<usize> {
        let before = self.missing;
        for (buffer, width) in self.buffers.iter_mut().zip(&self.widths) {
            buffer.open_row(*width);
        }
        let pushed = self.walk(lanes, spelling, text, cells);
        match pushed.filter(|_| self.place_rest(lanes, cells).is_some()) {
            Some(length) => {
                self.record_done();
                Some(length)
            }
            None => {
                self.roll_back(before);
                None
            }
        }
    }

    /// Goes through the steps of one record.
    #[inline]
    fn walk<'t>(
        &mut self,
        lanes: &Lanes,
        spelling: &Spelling,
        text: &'t [u8],
        cells: &mut [Cell<'t>],
    ) -> Option<usize> {
        let mut at = 0;
        let mut position = 0;
        for step in &lanes.steps {
            match step {
                Step::Numbers(run) => {
                    let reading = Reading {
                        rules: &self.plan.cells,
                        numbers_may_be_missing: self.numbers_may_be_missing,
                        sources: self.plan.sources(run.feed),
                        spelling,
                    };
                    let buffer = self.buffers.get_mut(run.feed)?;
                    at += buffer.scan(text.get(at..)?, run, &reading, &mut self.missing)?;
                    position += run.slots.len();
                }
                Step::Cell(column) => {
                    at += spelling.before(text.get(at..)?, position)?;
                    let (cell, length) = spelling.cell(text.get(at..)?)?;
                    *cells.get_mut(*column)? = cell;
                    at += length;
                    position += 1;
                }
            }
        }
        spelling.end(text, at)
    }

    /// Fills the elements that no run has filled.
    #[inline]
    fn place_rest(&mut self, lanes: &Lanes, cells: &[Cell<'_>]) -> Option<()> {
        let row = Row {
            cells,
            rules: &self.plan.cells,
        };
        for Element { feed, slot } in &lanes.rest {
            let source = self.plan.sources(*feed).get(*slot)?;
            let buffer = self.buffers.get_mut(*feed)?;
            buffer.place(&row, *slot, source, &mut self.missing).ok()?;
        }
        Some(())
    }
}
