//! A block's records as tensors, with the columns to pass through already written.
//!
//! Plain records go straight into the tensors (`batch::lanes`); all others, and those that turn out
//! to be faulty, are taken apart into cells first (`rows`). Both ways give the same. The rows of tables
//! have their types already (`batch::typed`).

use std::ops::Range;
use std::sync::Arc;

use crate::batch::cell::Cell;
use crate::batch::encode::{Encoder, Fault, Group, Missing};
use crate::batch::lanes::Lanes;
use crate::batch::plan::Plan;
use crate::batch::spelling::Spelling;
use crate::batch::typed;
use crate::error::Result;

use crate::predict::format::{FileFormat, Format};
use crate::predict::input::tables::{Table, TableBlock};
use crate::predict::score::hint;
use crate::predict::score::reject::{OnError, Place, Reject};
use crate::predict::text::cut::{Block, MOST_OF_BROKEN, TooLong};
use crate::predict::text::object::{Lookup, Object};
use crate::predict::text::passthrough::Passthrough;
use crate::predict::text::rows::{self, Broken, Lines, Row};
use crate::predict::text::scan::without_line_ends;

/// How the records of one source are taken apart; shared by all workers.
pub struct Intake {
    pub plan: Plan,
    pub passthrough: Passthrough,
    /// What errors call the source.
    pub source: Arc<str>,
    pub from: FileFormat,
    pub to: FileFormat,
    /// Records of a run of the model at most.
    pub batch_size: usize,
    pub on_error: OnError,
    /// Bytes of a record at most.
    pub record_bytes: usize,
    /// Column with the true label, where predictions are to be compared with it.
    pub label: Option<usize>,
    /// What is read of a table: the plan, and the label.
    pub read_plan: Plan,
    /// The way of plain delimited records. Where there is none, there is none for objects either.
    lanes: Option<Lanes>,
}

/// A block in tensors.
#[derive(Default)]
pub struct Encoded {
    pub groups: Vec<Group>,
    pub missing: Missing,
    /// One for each record of the block, in their order.
    pub entries: Vec<Entry>,
    /// What is wrong with those of `entries` that are rejected.
    pub rejects: Vec<(usize, Reject)>,
    /// The table that the records came from, where their kept columns stay as they are.
    pub table: Option<Table>,
    /// The kept cells of all records.
    kept: Vec<u8>,
    /// For a table that is made of text: where each kept cell is, `None` for one that is missing.
    cells: Vec<Option<Range<usize>>>,
    /// The true labels of all records.
    truths: Vec<u8>,
}

/// One record of a block.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Byte of the block that it starts at.
    pub start: usize,
    /// Where its kept cells are, among the bytes or, for a table, among the cells; nowhere, if they
    /// could not be taken.
    kept: Option<Range<usize>>,
    /// Where its true label is, if it has one.
    truth: Option<Range<usize>>,
    /// Whether it is in the groups.
    pub is_encoded: bool,
    /// Whether it is one of the rejects. It may be in the groups all the same.
    pub is_rejected: bool,
}

impl Entry {
    /// An entry of which nothing could be taken.
    fn rejected(start: usize) -> Entry {
        Entry {
            start,
            kept: None,
            truth: None,
            is_encoded: false,
            is_rejected: true,
        }
    }
}

impl Encoded {
    /// A block of one record that cannot be taken apart.
    pub fn of_reject(reject: Reject) -> Encoded {
        Encoded {
            rejects: vec![(0, reject)],
            entries: vec![Entry::rejected(0)],
            ..Encoded::default()
        }
    }

    /// The kept cells of a record; `None` where they could not be taken.
    pub fn kept(&self, entry: &Entry) -> Option<&[u8]> {
        self.kept.get(entry.kept.clone()?)
    }

    /// Kept cell `position` of the record of entry `index`, for a table that is made of text.
    pub fn kept_cell(&self, index: usize, position: usize) -> Option<&[u8]> {
        let cells = self.entries.get(index)?.kept.clone()?;
        let cell = self.cells.get(cells)?.get(position)?.clone()?;
        self.kept.get(cell)
    }

    /// The true label of a record.
    pub fn truth(&self, entry: &Entry) -> Option<&[u8]> {
        self.truths.get(entry.truth.clone()?)
    }

    /// Bytes of all kept cells.
    pub fn kept_bytes(&self) -> usize {
        self.kept.len()
    }
}

/// The same sequence of keys, record after record.
struct Template {
    lanes: Lanes,
    spelling: Spelling,
    order: Vec<usize>,
}

/// How often a block's template is learnt anew before its records are taken for too different.
const MOST_TEMPLATES: usize = 8;

impl Intake {
    /// The intake of `source` by `plan`.
    pub fn new(
        plan: Plan,
        passthrough: Passthrough,
        source: &str,
        formats: (FileFormat, FileFormat),
    ) -> Intake {
        let order: Vec<usize> = (0..plan.columns.len()).collect();
        Intake {
            lanes: Lanes::new(&plan, &order),
            read_plan: plan.clone(),
            plan,
            passthrough,
            source: source.into(),
            from: formats.0,
            to: formats.1,
            batch_size: usize::MAX,
            on_error: OnError::Fail,
            record_bytes: usize::MAX,
            label: None,
        }
    }

    /// The same intake with one way only, the slow one: the reference that tests and fuzz targets hold
    /// the fast one to.
    pub fn without_lanes(mut self) -> Intake {
        self.lanes = None;
        self
    }

    /// A block's records as tensors.
    ///
    /// # Errors
    /// The first record that does not fit the plan, where that ends the run.
    pub fn encode(&self, block: &Block) -> Result<Encoded> {
        let mut taking = Taking {
            intake: self,
            block,
            lines: Lines::new(block),
            encoder: Encoder::new(&self.plan, self.batch_size),
            encoded: Encoded::default(),
        };
        match self.from {
            FileFormat::Text(Format::Csv { delimiter }) if is_plain(&block.text) => {
                taking.plain_fields(delimiter)?;
            }
            FileFormat::Text(Format::Csv { delimiter }) => taking.quoted_fields(delimiter)?,
            FileFormat::Text(Format::Jsonl) => taking.objects()?,
            // Tables have no text; they come by `encode_table`.
            FileFormat::Table(_) => {}
        }
        let mut encoded = taking.encoded;
        (encoded.groups, encoded.missing) = taking.encoder.finish();
        Ok(encoded)
    }

    /// The first `rows` rows of a table's block as tensors.
    ///
    /// # Errors
    /// Where the source is damaged; the first row that does not fit the plan, where that ends the run.
    pub fn encode_table(&self, mut block: TableBlock, rows: usize) -> Result<Encoded> {
        let first_row = block.first_row;
        let mut encoded = self.encode_rows(block.load(&self.read_plan)?, first_row, rows)?;
        encoded.table = block.into_table();
        Ok(encoded)
    }

    /// The first `rows` rows of a table whose first row is `first_row` as tensors.
    ///
    /// # Errors
    /// The first row that does not fit the plan, where that ends the run.
    pub fn encode_rows(&self, table: &Table, first_row: u64, rows: usize) -> Result<Encoded> {
        let mut encoded = Encoded::default();
        let columns = table.columns();
        for start in (0..rows).step_by(self.batch_size.max(1)) {
            let end = rows.min(start + self.batch_size);
            let part = typed::encode(&self.plan, &columns, start..end);
            encoded.groups.extend(part.groups);
            encoded.missing.cells += part.missing.cells;
            encoded.missing.nan += part.missing.nan;
            for (row, fault) in part.faults {
                let reject = self.reject_row((table, first_row), row, fault.into());
                if self.on_error == OnError::Fail {
                    return Err(reject.error(&self.source));
                }
                encoded.rejects.push((row, reject));
            }
        }
        let mut faulty = encoded.rejects.iter().map(|(row, _)| *row).peekable();
        for row in 0..rows {
            let is_rejected = faulty.next_if_eq(&row).is_some();
            encoded.entries.push(Entry {
                start: row,
                kept: None,
                truth: None,
                is_encoded: !is_rejected,
                is_rejected,
            });
        }
        self.keep_table(table, &mut encoded);
        Ok(encoded)
    }

    /// Writes the kept cells of all rows, where the output is text, and their labels.
    fn keep_table(&self, table: &Table, encoded: &mut Encoded) {
        let Encoded {
            entries,
            kept,
            truths,
            ..
        } = encoded;
        if let FileFormat::Text(format) = self.to {
            table.for_each_kept(&self.plan, entries.len(), |row, cells| {
                let start = kept.len();
                match format {
                    Format::Csv { delimiter } => cells.csv(kept, row, delimiter),
                    Format::Jsonl => cells.json(kept, row),
                }
                if let Some(entry) = entries.get_mut(row) {
                    entry.kept = Some(start..kept.len());
                }
            });
        }
        if let Some(label) = self.label {
            table.for_each_text(label, entries.len(), |row, text| {
                let start = truths.len();
                truths.extend_from_slice(text);
                if let Some(entry) = entries.get_mut(row) {
                    entry.truth = (!text.is_empty()).then_some(start..truths.len());
                }
            });
        }
    }

    /// The reject of row `row` of a table whose first row is `first_row`.
    pub fn reject_row(&self, (table, first_row): (&Table, u64), row: usize, flaw: Flaw) -> Reject {
        Reject {
            place: Place::Row(first_row + row as u64),
            raw: table.record(&self.plan, row),
            ..self.described(flaw)
        }
    }

    /// The reject of the record `raw` on this line.
    pub fn reject(&self, line: u64, raw: &[u8], flaw: Flaw) -> Reject {
        let mut raw = without_line_ends(raw);
        if raw.len() > self.record_bytes {
            raw = raw.get(..MOST_OF_BROKEN).unwrap_or(raw);
        }
        Reject {
            place: Place::Line(line),
            raw: raw.to_vec(),
            ..self.described(flaw)
        }
    }

    /// What a reject says, but for its place.
    pub fn described(&self, flaw: Flaw) -> Reject {
        let (column, code, message, hint) = match flaw {
            Flaw::Broken(broken) => (None, broken.code, broken.message, broken.hint.to_owned()),
            Flaw::Fault(fault) => {
                let hint = hint::for_fault(&fault, self.plan.dtype_of(&fault.column));
                let message = fault.to_string();
                (Some(fault.column), fault.reason.code(), message, hint)
            }
            Flaw::Refused(message) => (None, "refused", message, hint::REFUSED.to_owned()),
        };
        Reject {
            place: Place::Line(0),
            column,
            code,
            message,
            hint,
            raw: Vec::new(),
        }
    }
}

/// Whether all of `text` is fields with delimiters and line ends between them.
fn is_plain(text: &[u8]) -> bool {
    match memchr::memchr2(b'"', b'\r', text) {
        None => true,
        Some(first) => {
            let rest = text.get(first..).unwrap_or_default();
            memchr::memchr(b'"', rest).is_none()
                && memchr::memchr_iter(b'\r', rest).all(|at| rest.get(at + 1) == Some(&b'\n'))
        }
    }
}

/// Why a record is not scored.
pub enum Flaw {
    /// It cannot be taken apart.
    Broken(Broken),
    /// A cell does not fit.
    Fault(Fault),
    /// The model refuses it; its words.
    Refused(String),
}

impl From<Broken> for Flaw {
    fn from(broken: Broken) -> Self {
        Flaw::Broken(broken)
    }
}

impl From<Fault> for Flaw {
    fn from(fault: Fault) -> Self {
        Flaw::Fault(fault)
    }
}

/// A block on its way into tensors.
struct Taking<'i, 't> {
    intake: &'i Intake,
    block: &'t Block,
    lines: Lines<'t>,
    encoder: Encoder<'i>,
    encoded: Encoded,
}

impl<'t> Taking<'_, 't> {
    /// Delimited text without quotes.
    fn plain_fields(&mut self, delimiter: u8) -> Result<()> {
        let text = self.block.text.as_slice();
        let spelling = Spelling::Fields(delimiter);
        let mut cells = vec![Cell::Absent; self.intake.plan.columns.len()];
        let mut taken_apart = Vec::with_capacity(cells.len());
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(blank) = blank_line(rest) {
                at += blank;
                continue;
            }
            let fast = self
                .intake
                .lanes
                .as_ref()
                .and_then(|lanes| self.encoder.push_text(lanes, &spelling, rest, &mut cells));
            let length = match fast {
                Some(length) => {
                    let raw = rest.get(..length).unwrap_or_default();
                    self.keep(at, raw, &Row::of_fields(&cells))?;
                    length
                }
                None => {
                    let length = rows::split(rest, delimiter, &mut taken_apart);
                    let raw = rest.get(..length).unwrap_or_default();
                    self.take(at, raw, &Row::of_fields(&taken_apart))?;
                    length
                }
            };
            at += length;
            at += blank_line(text.get(at..).unwrap_or_default()).unwrap_or(0);
        }
        Ok(())
    }

    /// Any CSV.
    fn quoted_fields(&mut self, delimiter: u8) -> Result<()> {
        let text = self.block.text.as_slice();
        rows::for_each_quoted(text, delimiter, |at, raw, cells| match cells {
            Ok(cells) => self.take(at, raw, &Row::of_fields(cells)),
            Err(broken) => self.reject(at, raw, broken.into()),
        })
    }

    /// One JSON object a line.
    fn objects(&mut self) -> Result<()> {
        let text = self.block.text.as_slice();
        let plan = &self.intake.plan;
        let lookup = Lookup::new(&plan.columns);
        let mut cells = vec![Cell::Absent; plan.columns.len()];
        let mut template: Option<Template> = None;
        let mut learnt = 0;
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let fast = template.as_ref().and_then(|template| {
                let Template {
                    lanes,
                    spelling,
                    order,
                } = template;
                let length = self.encoder.push_text(lanes, spelling, rest, &mut cells)?;
                Some((length, order))
            });
            if let Some((length, order)) = fast {
                let raw = rest.get(..length).unwrap_or_default();
                let row = Row {
                    cells: &cells,
                    order: Some(order),
                    others: &[],
                };
                self.keep(at, raw, &row)?;
                at += length + blank_line(rest.get(length..).unwrap_or_default()).unwrap_or(0);
                continue;
            }
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let line = rest.get(..length).unwrap_or_default();
            if !line.trim_ascii().is_empty() {
                let parsed = self
                    .check_length(line)
                    .and_then(|()| Object::parse(line, &lookup));
                match parsed {
                    Ok(object) => {
                        self.take(at, line, &Row::of_object(&object))?;
                        if learnt < MOST_TEMPLATES && self.intake.lanes.is_some() {
                            learnt += 1;
                            template = Template::of(plan, &object, line);
                            // What an earlier template has put there is none of this one's.
                            cells.fill(Cell::Absent);
                        }
                    }
                    Err(broken) => self.reject(at, line, broken.into())?,
                }
            }
            at += length;
        }
        Ok(())
    }

    /// Takes a record from its cells.
    fn take(&mut self, at: usize, raw: &[u8], row: &Row<'_>) -> Result<()> {
        let width = self.intake.plan.columns.len();
        let checked = self.check_length(raw);
        if let Err(broken) = checked.and_then(|()| rows::check_width(row.cells.len(), width)) {
            return self.reject(at, raw, broken.into());
        }
        match self.encoder.push(row.cells) {
            Ok(()) => self.keep(at, raw, row),
            Err(fault) => {
                self.reject(at, raw, fault.into())?;
                // Its kept cells show which record it was. Should they be at fault too, that much is
                // already said.
                let kept = self.write_kept(row).ok();
                if let (Some((kept, truth)), Some(entry)) = (kept, self.encoded.entries.last_mut())
                {
                    entry.kept = Some(kept);
                    entry.truth = truth;
                }
                Ok(())
            }
        }
    }

    /// Writes the kept cells of a record that the encoder has taken.
    fn keep(&mut self, at: usize, raw: &[u8], row: &Row<'_>) -> Result<()> {
        let checked = self.check_length(raw);
        match checked.and_then(|()| self.write_kept(row)) {
            Ok((kept, truth)) => {
                self.encoded.entries.push(Entry {
                    start: at,
                    kept: Some(kept),
                    truth,
                    is_encoded: true,
                    is_rejected: false,
                });
                Ok(())
            }
            Err(broken) => {
                self.reject(at, raw, broken.into())?;
                if let Some(entry) = self.encoded.entries.last_mut() {
                    entry.is_encoded = true;
                }
                Ok(())
            }
        }
    }

    /// # Errors
    /// A record that is longer than allowed. The cutter has found those that it had to look for.
    fn check_length(&self, raw: &[u8]) -> std::result::Result<(), Broken> {
        let most = self.intake.record_bytes;
        // The line end is seldom what makes it too long.
        if raw.len() <= most || without_line_ends(raw).len() <= most {
            return Ok(());
        }
        let TooLong {
            code,
            message,
            hint,
        } = TooLong::new(most);
        Err(Broken {
            code,
            message,
            hint,
        })
    }

    /// Appends the kept cells and the true label; returns where they are.
    fn write_kept(
        &mut self,
        row: &Row<'_>,
    ) -> std::result::Result<(Range<usize>, Option<Range<usize>>), Broken> {
        let passthrough = &self.intake.passthrough;
        let Encoded { kept, cells, .. } = &mut self.encoded;
        let (start, first_cell) = (kept.len(), cells.len());
        let written = passthrough
            .check_late_keys(row)
            .and_then(|()| match self.intake.to {
                FileFormat::Text(Format::Csv { delimiter }) => {
                    passthrough.csv(kept, row, delimiter)
                }
                FileFormat::Text(Format::Jsonl) => passthrough.json(kept, row),
                FileFormat::Table(_) => passthrough.cells(kept, cells, row),
            });
        if let Err(broken) = written {
            kept.truncate(start);
            cells.truncate(first_cell);
            return Err(broken);
        }
        let range = match self.intake.to {
            FileFormat::Text(_) => start..kept.len(),
            FileFormat::Table(_) => first_cell..cells.len(),
        };
        let label = self.intake.label.and_then(|label| row.cells.get(label));
        let truths = &mut self.encoded.truths;
        let truth_start = truths.len();
        let is_there = label.is_some_and(|label| label.append_text(truths));
        let truth = is_there.then_some(truth_start..truths.len());
        Ok((range, truth))
    }

    /// Sets a record aside, or ends the run with it.
    fn reject(&mut self, at: usize, raw: &[u8], flaw: Flaw) -> Result<()> {
        let reject = self.intake.reject(self.lines.line_of(at), raw, flaw);
        if self.intake.on_error == OnError::Fail {
            return Err(reject.error(&self.intake.source));
        }
        self.encoded
            .rejects
            .push((self.encoded.entries.len(), reject));
        self.encoded.entries.push(Entry::rejected(at));
        Ok(())
    }
}

/// The bytes of the blank line, or of the rest of a line end, that `text` starts with.
fn blank_line(text: &[u8]) -> Option<usize> {
    match text {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

impl Template {
    /// The template of records like `object`, which `line` holds; `None` where no two are likely to
    /// be alike.
    fn of(plan: &Plan, object: &Object<'_>, line: &[u8]) -> Option<Template> {
        Some(Template {
            spelling: object.spelling(line)?,
            lanes: Lanes::new(plan, &object.order)?,
            order: object.order.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
