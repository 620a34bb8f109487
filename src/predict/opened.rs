//! A source with its plan: opened, its columns known, its first records at hand.

use std::io::Read;
use std::path::Path;

use crate::batch::feed::{BatchAxis, How};
use crate::batch::plan::{Header, Plan};
use crate::error::{Error, Result};
use crate::model::signature::Signature;

use super::cut::{Block, Cutter};
use super::format::Format;
use super::options::Options;
use super::rows;
use super::score::broken_error;
use super::source;

/// A source that is ready to be scored.
pub struct Opened {
    pub name: String,
    pub format: Format,
    pub plan: Plan,
    /// Records that had to be read to know the columns.
    first: Option<Block>,
    cutter: Cutter<Box<dyn Read + Send>>,
    /// Records of a block.
    batch_size: usize,
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
        let source::Source { name, mut cutter } = source::open(path, &options.input_format)?;
        let format = cutter.format();
        let (header, first) = match format {
            Format::Csv { delimiter } if options.input_format.no_header => {
                let block = cutter.next_block(options.batch_size)?;
                let block = block.ok_or_else(|| empty(&name, "a record"))?;
                let lists = rows::lists(&block.text, delimiter);
                let numbers = (1..=lists.len()).map(|number| number.to_string());
                (
                    Header {
                        columns: numbers.collect(),
                        lists,
                        open: false,
                    },
                    Some(block),
                )
            }
            Format::Csv { delimiter } => {
                let block = cutter.next_block(1)?;
                let block = block.ok_or_else(|| empty(&name, "a header line"))?;
                let columns = rows::header(&block, delimiter, &name)?;
                let lists = rows::lists(cutter.peek()?, delimiter);
                (
                    Header {
                        columns,
                        lists,
                        open: false,
                    },
                    None,
                )
            }
            Format::Jsonl => {
                let Some(block) = cutter.next_block(options.batch_size)? else {
                    return Ok(None);
                };
                let header = rows::keys(&block);
                let header = header.map_err(|broken| broken_error(&name, &block, &broken))?;
                (header, Some(block))
            }
        };
        let plan = Plan::new(signature, header, &options.rules, &name)?;
        let batch_size = batch_size(&plan, options.batch_size);
        Ok(Some(Opened {
            name,
            format,
            plan,
            first,
            cutter,
            batch_size,
        }))
    }

    /// The next block of at most `most` records.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn next_block(&mut self, most: u64) -> Result<Option<Block>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        match self.first.take() {
            Some(block) if block.records <= most => Ok(Some(block)),
            Some(block) => {
                Cutter::new(block.text.as_slice(), &self.name, |_| self.format)?.next_block(most)
            }
            None if most == 0 => Ok(None),
            None => self.cutter.next_block(self.batch_size.min(most)),
        }
    }
}

fn empty(name: &str, expected: &str) -> Error {
    Error::data(name, format!("empty: expected {expected}"))
}

/// Records of a block: as asked, less where their tensors would be huge, and a multiple of a fixed
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
