//! `--record FILE`: what clients ask and what they are told, as JSONL that `predict` scores again.
//!
//! ```text
//! request -> in the sample? (hash of its id) -> records as they came (rows) | as tensors
//!     -> after the run: a line for each, with its prediction -> queue -> one thread (writer) -> FILE (file)
//! ```
//!
//! A line holds the record's own fields, and under [`KEY`] where it is from and what was predicted.

mod file;
mod rows;
mod writer;

#[cfg(test)]
mod tests;

pub use rows::Rows;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::batch::columns::Layout;
use crate::batch::encode::Group;
use crate::batch::names::folded;
use crate::batch::plan::Plan;
use crate::batch::run::Part;
use crate::batch::write::{NonFinite, json_field, json_joined, json_string};
use crate::error::Result;

use super::hosted::Hosted;
use super::log::stamp;
use writer::{Lost, Writer};

/// The field of a line that is not the record's own; a record's field of this name is left out.
pub const KEY: &str = "mlserve";
/// Bytes of a line at most: what is longer is no record that anybody reads.
const LONGEST_LINE: usize = 256 << 10;
/// Bytes of lines that go to the queue at once.
const PORTION: usize = 256 << 10;

/// What is recorded, and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    pub path: PathBuf,
    /// The share of requests.
    pub sample: f64,
    /// Bytes of a file at most.
    pub most_bytes: u64,
    /// Full files that are kept.
    pub keep: usize,
    /// Fields whose values are not written.
    pub redact: Vec<String>,
}

/// Records requests.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    sample: f64,
    /// As names are compared.
    redact: Vec<String>,
}

/// What is counted of recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub written: u64,
    /// Lines that were not, with the reasons.
    pub lost: [(&'static str, u64); 3],
}

impl Recorder {
    /// Opens the file and starts the thread that writes to it.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where the file cannot be written.
    pub fn open(settings: &Settings) -> Result<Recorder> {
        Ok(Recorder {
            writer: Writer::start(settings)?,
            sample: settings.sample,
            redact: settings.redact.iter().map(|name| folded(name)).collect(),
        })
    }

    /// Whether the request with this id is in the sample: always the same for the same id.
    pub fn wants(&self, id: &str) -> bool {
        // FNV-1a, its bits mixed once more, for the upper ones decide.
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = crate::profile::sample::key(hash);
        // 53 bits are what a float holds.
        ((hash >> 11) as f64) < self.sample * (1_u64 << 53) as f64
    }

    /// Whether the values of a field are not written.
    pub fn is_redacted(&self, name: &str) -> bool {
        !self.redact.is_empty() && self.redact.contains(&folded(name))
    }

    /// Records what was predicted for `rows`, or, where there are none, for the tensors of `groups`.
    pub fn take(&self, request: &Request<'_>, rows: Option<&Rows>, groups: &[Group]) {
        let made;
        let rows = match (rows, request.plan) {
            (Some(rows), _) => rows,
            (None, Some(plan)) => {
                made = Rows::of_groups(plan, groups, self);
                &made
            }
            (None, None) => {
                let records = groups.iter().map(|group| group.records).sum();
                return self.writer.lose(Lost::Size, records);
            }
        };
        let mut predictions = request.parts.iter().flat_map(Part::each);
        let about = request.about();
        let mut portion = Vec::new();
        let mut lines = 0;
        for row in rows.each() {
            let prediction = predictions.next().flatten();
            let (Some(row), Some((outputs, record))) = (row, prediction) else {
                self.writer.lose(Lost::Size, 1);
                continue;
            };
            let start = portion.len();
            portion.push(b'{');
            portion.extend_from_slice(row);
            if !row.is_empty() {
                portion.push(b',');
            }
            portion.extend_from_slice(&about);
            let fields = request.layout.fields.iter().zip(outputs);
            json_joined(&mut portion, b'{', b'}', fields, |out, (field, tensor)| {
                json_string(out, &field.name);
                out.push(b':');
                json_field(out, field, tensor, record, NonFinite::Null);
            });
            portion.extend_from_slice(b"}}\n");
            if portion.len() - start > LONGEST_LINE {
                portion.truncate(start);
                self.writer.lose(Lost::Size, 1);
                continue;
            }
            lines += 1;
            if portion.len() >= PORTION {
                self.writer.push(std::mem::take(&mut portion), lines);
                lines = 0;
            }
        }
        if lines > 0 {
            self.writer.push(portion, lines);
        }
    }

    /// Waits until all is written, but no longer than `most`.
    pub fn flush(&self, most: Duration) {
        self.writer.flush(most);
    }

    /// What has been counted so far.
    pub fn counted(&self) -> Counted {
        self.writer.counted()
    }
}

/// A request that was answered.
pub struct Request<'r> {
    pub id: &'r str,
    pub hosted: &'r Hosted,
    /// How tensors are fed by columns; `None` where they are not.
    pub plan: Option<&'r Plan>,
    pub layout: &'r Layout,
    pub parts: &'r [Part],
}

impl Request<'_> {
    /// What all its lines have before their prediction.
    fn about(&self) -> Vec<u8> {
        let mut about = Vec::with_capacity(160);
        json_string(&mut about, KEY);
        about.extend_from_slice(b":{\"id\":");
        json_string(&mut about, self.id);
        about.extend_from_slice(b",\"time\":\"");
        stamp::push(&mut about, SystemTime::now());
        about.extend_from_slice(b"\",\"model\":");
        json_string(&mut about, &self.hosted.name);
        about.extend_from_slice(b",\"version\":");
        json_string(&mut about, &self.hosted.version);
        about.extend_from_slice(b",\"prediction\":");
        about
    }
}

/// Records a request that is in the sample.
pub fn note(
    (hosted, id): (&Hosted, Option<&Arc<str>>),
    (layout, parts): (&Layout, &[Part]),
    plan: Option<&Plan>,
    (rows, groups): (Option<&Rows>, &[Group]),
) {
    let (Some(recorder), Some(id)) = (&hosted.hosting.recorder, id) else {
        return;
    };
    let request = Request {
        id,
        hosted,
        plan,
        layout,
        parts,
    };
    recorder.take(&request, rows, groups);
}

/// Counts records of a request in the sample that nothing is known to say of.
pub fn left_out((hosted, id): (&Hosted, Option<&Arc<str>>), records: usize) {
    if let (Some(recorder), Some(_)) = (&hosted.hosting.recorder, id) {
        recorder.writer.lose(Lost::Size, records);
    }
}
