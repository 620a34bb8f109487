//! A source with its plan: opened, its columns known, its first records at hand.

use std::io::Read;
use std::path::Path;

use crate::batch::feed::{BatchAxis, How};
use crate::batch::plan::{Header, Plan};
use crate::error::{Error, Result};
use crate::model::signature::Signature;

use crate::predict::format::{FileFormat, Format, TableFormat};
use crate::predict::input::pipe::Stop;
use crate::predict::input::route::{Span, Start};
use crate::predict::input::source::{self, Source};
use crate::predict::input::tables::{TableBlock, Tables};
use crate::predict::options::Options;
use crate::predict::output::written::Kept;
use crate::predict::text::cut::{BrokenLine, Cut, Cutter, Limits};
use crate::predict::text::rows;

/// A source that is ready to be scored.
pub struct Opened {
    pub name: String,
    pub format: FileFormat,
    pub plan: Plan,
    /// Records of a run of the model at most.
    pub batch_size: usize,
    records: Records,
}

/// Where the records come from.
enum Records {
    Text {
        cutter: Cutter<Box<dyn Read + Send>>,
        /// Records that had to be read to know the columns.
        first: Option<Cut>,
        is_stream: bool,
    },
    Table {
        tables: Tables,
        /// The row that the next block starts at.
        row: u64,
        /// Blocks that start at this row or behind it are somebody else's.
        until: Option<u64>,
        stretch_bytes: u64,
    },
}

/// Consecutive records of one source.
pub enum Piece {
    Text(Cut),
    /// The first rows of a block, this many.
    Table(TableBlock, usize),
}

impl Piece {
    /// How many records it holds, where that is known.
    pub fn records(&self) -> Option<u64> {
        match self {
            Piece::Text(cut) => cut.records(),
            Piece::Table(_, rows) => Some(*rows as u64),
        }
    }
}

/// Tensors of one batch together stay below this, whatever --batch-size says.
const MOST_BATCH_BYTES: usize = 64 * 1024 * 1024;

impl Opened {
    /// Opens the source at `path` and plans how its columns feed the model. `None` for text without
    /// any record of which no column is known and none is needed.
    ///
    /// # Errors
    /// Those of [`source::open`] and [`Plan::new`], and [`Error::Data`] for CSV without a header.
    pub fn new(
        path: &Path,
        signature: &Signature,
        options: &Options,
        stop: &Stop,
    ) -> Result<Option<Opened>> {
        let name = source::name(path);
        let only = match signature.inputs.as_slice() {
            [only] => only.name.as_str(),
            _ => "",
        };
        match source::open(path, options, only, stop)? {
            Source::Text(cutter) => Opened::text(name, cutter, signature, options),
            Source::Table(tables, format) => {
                Opened::table(name, (tables, format), signature, options).map(Some)
            }
        }
    }

    fn text(
        name: String,
        mut cutter: Cutter<Box<dyn Read + Send>>,
        signature: &Signature,
        options: &Options,
    ) -> Result<Option<Opened>> {
        let format = cutter.format();
        let mut first = None;
        let header = match format {
            Format::Csv { delimiter } if options.input_format.no_header => {
                let lists = match cutter.peek()? {
                    Some(record) => rows::lists(record, delimiter),
                    // It does not tell how many columns there are: an error, whatever --on-error says.
                    None => cutter.next_record().map(|_| Vec::new())?,
                };
                if lists.is_empty() {
                    return Ok(None);
                }
                let numbers = (1..=lists.len()).map(|number| number.to_string());
                Header {
                    columns: numbers.collect(),
                    lists,
                    open: false,
                }
            }
            Format::Csv { delimiter } => {
                let block = cutter.next_record()?;
                let block = block.ok_or_else(|| empty(&name, "a header line"))?;
                Header {
                    columns: rows::header(&block, delimiter, &name)?,
                    lists: rows::lists(cutter.peek()?.unwrap_or_default(), delimiter),
                    open: false,
                }
            }
            Format::Jsonl => {
                first = match options.stream {
                    true => cutter.next_arrived(None)?,
                    false => cutter.next_block(None)?,
                };
                match &first {
                    None => return Ok(None),
                    Some(Cut::Block(block) | Cut::Broken(BrokenLine { block, .. })) => {
                        rows::keys(block).map_err(|broken| {
                            let place = format!("{name}:{}", block.first_line);
                            Error::data(place, broken.message).hint(broken.hint)
                        })?
                    }
                }
            }
        };
        let plan = Plan::new(signature, header, &options.rules, &name)?;
        Ok(Some(Opened {
            name,
            format: FileFormat::Text(format),
            batch_size: batch_size(&plan, options.batch_size),
            plan,
            records: Records::Text {
                cutter,
                first,
                is_stream: options.stream,
            },
        }))
    }

    fn table(
        name: String,
        (mut tables, format): (Tables, TableFormat),
        signature: &Signature,
        options: &Options,
    ) -> Result<Opened> {
        let plan = Plan::new(signature, tables.header(), &options.rules, &name)?;
        let batch_size = batch_size(&plan, options.batch_size);
        tables.start(&with_label(&plan, options), block_rows(batch_size), 0)?;
        Ok(Opened {
            name,
            format: FileFormat::Table(format),
            plan,
            batch_size,
            records: Records::Table {
                tables,
                row: 0,
                until: None,
                stretch_bytes: options.limits().stretch_bytes.max(1),
            },
        })
    }

    /// Goes to where `span` starts, and no further than where it ends.
    ///
    /// # Errors
    /// As [`Cutter::next_block`] and [`Cutter::resume_at`].
    pub fn enter(&mut self, span: Span, options: &Options) -> Result<()> {
        let batch_size = self.batch_size;
        match &mut self.records {
            Records::Text { cutter, first, .. } => {
                // The keys of JSONL are those of its first records, which are read by now.
                let first_offset = first.as_ref().map(Cut::offset);
                let is_past = |offset: u64| first_offset.is_some_and(|first| first >= offset);
                match span.start {
                    Start::Beginning => {}
                    Start::Stretch(offset) | Start::Record { offset, .. } if is_past(offset) => {}
                    Start::Stretch(offset) => {
                        *first = None;
                        cutter.skip_to(offset)?;
                    }
                    Start::Record { offset, line } => {
                        *first = None;
                        cutter.resume_at(offset, line)?;
                    }
                }
                if span.until.is_some_and(is_past) {
                    *first = None;
                }
                cutter.stop_at(span.until);
                Ok(())
            }
            Records::Table {
                tables,
                row,
                until,
                stretch_bytes,
            } => {
                // A shard counts rows of a table, each as a stretch, and has the blocks that start
                // at its own.
                let number = |offset: u64| offset / *stretch_bytes;
                *until = span.until.map(number);
                let start = match span.start {
                    Start::Beginning => return Ok(()),
                    Start::Stretch(offset) => tables.block_start(number(offset)),
                    Start::Record { offset, .. } => offset,
                };
                let plan = with_label(&self.plan, options);
                tables.start(&plan, block_rows(batch_size), start)?;
                *row = start;
                Ok(())
            }
        }
    }

    /// The types of the columns that are kept.
    pub fn kept(&self) -> Kept {
        match &self.records {
            Records::Text { .. } => Kept::Text,
            Records::Table { tables, .. } => tables.kept(&self.plan),
        }
    }

    /// Byte and line, or row, of the source that the records after those handed out start at.
    pub fn position(&self) -> (u64, u64) {
        match &self.records {
            Records::Text { cutter, .. } => cutter.position(),
            Records::Table { row, .. } => (*row, 0),
        }
    }

    /// The next records, of which there are at most `most` where that is given; `None` at the end
    /// of the source.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn next(&mut self, most: Option<u64>) -> Result<Option<Piece>> {
        if most == Some(0) {
            return Ok(None);
        }
        match &mut self.records {
            Records::Text {
                cutter,
                first,
                is_stream,
            } => {
                let format = cutter.format();
                let cut = match (first.take(), most) {
                    (Some(cut), None) => Some(cut),
                    (Some(Cut::Block(block)), Some(_)) => {
                        // All of it is one block already.
                        let limits = Limits {
                            stretch_bytes: u64::MAX,
                            record_bytes: usize::MAX,
                        };
                        let text = block.text.as_slice();
                        let mut cutter = Cutter::new(text, &self.name, limits, |_| format)?;
                        cutter.starts_at(block.offset, block.first_line);
                        cutter.next_block(most)?
                    }
                    (Some(broken @ Cut::Broken(_)), Some(_)) => Some(broken),
                    (None, most) if *is_stream => cutter.next_arrived(most)?,
                    (None, most) => cutter.next_block(most)?,
                };
                Ok(cut.map(Piece::Text))
            }
            Records::Table {
                tables, row, until, ..
            } => {
                if until.is_some_and(|until| *row >= until) {
                    return Ok(None);
                }
                let Some(block) = tables.next_block()? else {
                    return Ok(None);
                };
                *row = block.first_row + block.rows as u64;
                let most = usize::try_from(most.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
                let rows = block.rows.min(most);
                Ok(Some(Piece::Table(block, rows)))
            }
        }
    }
}

/// What has to be read of a table: the label too, where it is not kept.
pub fn with_label(plan: &Plan, options: &Options) -> Plan {
    let mut read = plan.clone();
    if let Some(label) = options.label(plan)
        && !read.kept.contains(&label)
    {
        read.kept.push(label);
    }
    read
}

/// Rows of a table's block: whole batches, of what a worker does in a few milliseconds.
fn block_rows(batch_size: usize) -> usize {
    (BLOCK_ROWS / batch_size).max(1).saturating_mul(batch_size)
}

const BLOCK_ROWS: usize = 8 * 1024;

fn empty(name: &str, expected: &str) -> Error {
    Error::data(name, format!("empty: expected {expected}"))
}

/// Records of a run: as asked, less where their tensors would be huge, and a multiple of a fixed
/// batch, so that only the last run is padded.
fn batch_size(plan: &Plan, asked: usize) -> usize {
    let bytes = |how: &How, element: usize| match how {
        How::Cells { sources, .. } => sources.len().saturating_mul(element),
        How::List { dims, .. } => dims
            .iter()
            .fold(element, |all, dim| all.saturating_mul(dim.unwrap_or(1))),
        How::Once(_) => 0,
    };
    let record: usize = plan
        .feeds
        .iter()
        .map(|feed| bytes(&feed.how, feed.dtype.bytes()))
        .fold(0, usize::saturating_add);
    let size = asked.min(MOST_BATCH_BYTES / record.max(1)).max(1);
    match plan.batch {
        BatchAxis::Fixed(batch) => (size / batch).max(1).saturating_mul(batch),
        BatchAxis::Free => size,
    }
}
