//! One row group or record batch that several threads take blocks from.
//!
//! Pages and dictionaries are shared by many blocks, so a block is not decoded by itself: whoever
//! wants one decodes up to it, in order, and leaves what comes before it for those that will ask.
//! Nobody waits for a thread that may not have started, and nothing is decoded twice. Columns that
//! do not depend on each other are strands of their own: while one thread decodes the second, the
//! next thread decodes the first, and what a column holds is gone as soon as its last rows are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, FieldRef, Schema};

use crate::error::{Error, Report, Result};

/// The batches of a strand, all of one length but for the last.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Opens a strand, when its first batch is asked for.
pub(super) type Opening = Box<dyn FnOnce() -> Result<Batches> + Send>;

pub(super) struct Segment {
    strands: Vec<Strand>,
}

/// Columns that are decoded together.
struct Strand {
    state: Mutex<State>,
}

enum State {
    Closed(Opening),
    Open(Cursor),
    /// What went wrong; those that ask later get the same answer.
    Failed(Report),
}

struct Cursor {
    batches: Batches,
    /// The number of the batch that comes next.
    next: u64,
    /// Batches that were decoded before they were asked for.
    ready: BTreeMap<u64, RecordBatch>,
}

impl Segment {
    /// The columns of each opening, in this order; all give batches of the same lengths.
    pub(super) fn new(openings: Vec<Opening>) -> Self {
        let strand = |opening| Strand {
            state: Mutex::new(State::Closed(opening)),
        };
        Segment {
            strands: openings.into_iter().map(strand).collect(),
        }
    }

    /// Batch `number` of the segment, which can be taken once; `None` where there are not so many.
    ///
    /// # Errors
    /// Those of the decoder, again and again once there was one.
    pub(super) fn take(&self, number: u64) -> Result<Option<RecordBatch>> {
        let mut parts = Vec::with_capacity(self.strands.len());
        for strand in &self.strands {
            match strand.take(number)? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        if parts.len() == 1 {
            return Ok(parts.pop());
        }
        // Of different lengths they are one batch no more than of none at all.
        Ok(beside(&parts).ok())
    }
}

/// The columns of all `parts` as one batch.
fn beside(parts: &[RecordBatch]) -> std::result::Result<RecordBatch, ArrowError> {
    let fields: Vec<FieldRef> = parts
        .iter()
        .flat_map(|part| part.schema_ref().fields().iter().map(Arc::clone))
        .collect();
    let columns = parts.iter().flat_map(|part| part.columns().iter().cloned());
    let rows = parts.first().map(RecordBatch::num_rows);
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns.collect(),
        &RecordBatchOptions::new().with_row_count(rows),
    )
}

impl Strand {
    fn take(&self, number: u64) -> Result<Option<RecordBatch>> {
        // A panic is caught above, and what it left here is a state that failed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = State::Failed(Report {
            place: String::new(),
            message: "its decoder failed before".to_owned(),
            hint: String::new(),
        });
        let cursor = match std::mem::replace(&mut *state, failed) {
            State::Closed(opening) => opening().map(|batches| Cursor {
                batches,
                next: 0,
                ready: BTreeMap::new(),
            }),
            State::Open(cursor) => Ok(cursor),
            State::Failed(report) => Err(Error::Data(report)),
        };
        let taken = cursor.and_then(|mut cursor| {
            let batch = cursor.take(number)?;
            Ok((cursor, batch))
        });
        match taken {
            Ok((cursor, batch)) => {
                *state = State::Open(cursor);
                Ok(batch)
            }
            Err(error) => {
                if let Some(report) = error.report() {
                    *state = State::Failed(report.clone());
                }
                Err(error)
            }
        }
    }
}

impl Cursor {
    fn take(&mut self, number: u64) -> Result<Option<RecordBatch>> {
        while self.next <= number {
            let Some(batch) = self.batches.next() else {
                return Ok(None);
            };
            self.ready.insert(self.next, batch?);
            self.next += 1;
        }
        Ok(self.ready.remove(&number))
    }
}
