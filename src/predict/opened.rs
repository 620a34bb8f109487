//! A source with its plan: opened, its columns known, its first records at hand.

use std::io::Read;
use std::path::Path;

use crate::batch::feed::{BatchAxis, How};
use crate::batch::plan::{Header, Plan};
use crate::error::{Error, Result};
use crate::model::signature::Signature;

use super::cut::{BrokenLine, Cut, Cutter, Limits};
use super::format::Format;
use super::options::Options;
use super::rows;
use super::source;

/// A source that is ready to be scored.
pub struct Opened {
    pub name: String,
    pub format: Format,
    pub plan: Plan,
    /// Records of a run of the model at most.
    pub batch_size: usize,
    /// Records that had to be read to know the columns.
    first: Option<Cut>,
    cutter: Cutter<Box<dyn Read + Send>>,
    is_stream: bool,
}

/// Tensors of one batch together stay below this, whatever --batch-size says.
const MOST_BATCH_BYTES: usize = 64 * 1024 * 1024;

impl Opened {
    /// Opens the source at `path` and plans how its columns feed the model. `None` for JSONL
    /// without any record, of which no column is known and none is needed.
    ///
    /// # Errors
    /// Those of [`source::open`] and [`Plan::new`], and [`Error::Data`] for CSV without a header.
    pub fn new(path: &Path, signature: &Signature, options: &Options) -> Result<Option<Opened>> {
        let source::Source { name, mut cutter } = source::open(path, options)?;
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
                    return Err(empty(&name, "a record"));
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
        let batch_size = batch_size(&plan, options.batch_size);
        Ok(Some(Opened {
            name,
            format,
            plan,
            batch_size,
            first,
            cutter,
            is_stream: options.stream,
        }))
    }

    /// The next records, of which there are at most `most` where that is given; `None` at the end
    /// of the source.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn next(&mut self, most: Option<u64>) -> Result<Option<Cut>> {
        match (self.first.take(), most) {
            (_, Some(0)) => Ok(None),
            (Some(cut), None) => Ok(Some(cut)),
            (Some(Cut::Block(block)), Some(_)) => {
                let limits = Limits::new(self.batch_size, usize::MAX);
                let text = block.text.as_slice();
                let mut cutter = Cutter::new(text, &self.name, limits, |_| self.format)?;
                cutter.starts_at(block.offset, block.first_line);
                cutter.next_block(most)
            }
            (Some(broken @ Cut::Broken(_)), Some(_)) => Ok(Some(broken)),
            (None, most) if self.is_stream => self.cutter.next_arrived(most),
            (None, most) => self.cutter.next_block(most),
        }
    }
}

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
