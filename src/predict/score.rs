//! One worker's job: a block of text in, the text of its predictions out, in one pass.

use crate::batch::columns::Layout;
use crate::batch::encode::{Encoder, Fault, Group, Missing};
use crate::batch::plan::Plan;
use crate::batch::write::{CsvStyle, csv_field, json_field, json_string};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use super::cut::Block;
use super::format::Format;
use super::hint;
use super::passthrough::Passthrough;
use super::rows::{self, Broken, line_of};

/// How the records of one source are taken apart; shared by all workers.
pub struct Intake {
    pub plan: Plan,
    pub passthrough: Passthrough,
    /// What errors call the source.
    pub source: String,
    pub from: Format,
    pub to: Format,
}

/// Everything that scoring a block of one source needs; shared by all workers.
pub struct Scorer<'m> {
    pub model: &'m Model,
    pub intake: Intake,
    pub layout: Layout,
    pub style: CsvStyle,
}

/// The predictions of a block.
#[derive(Debug, Default)]
pub struct Scored {
    pub text: Vec<u8>,
    pub records: u64,
    pub missing: Missing,
    /// Bytes of the source that were scored.
    pub bytes: u64,
}

/// A block in tensors, with the columns to pass through already written.
pub struct Encoded {
    pub groups: Vec<Group>,
    missing: Missing,
    /// Byte of the block that each record starts at.
    starts: Vec<usize>,
    /// The kept cells of all records, and where those of each record end.
    kept: Vec<u8>,
    kept_ends: Vec<usize>,
}

impl Scorer<'_> {
    /// Scores a block.
    ///
    /// # Errors
    /// The first record that does not fit the plan, or that the model refuses.
    pub fn score(&self, block: &Block) -> Result<Scored> {
        let encoded = self.intake.encode(block)?;
        let mut text = Vec::with_capacity(encoded.kept.len() + encoded.starts.len() * 32);
        let mut base = 0;
        for group in &encoded.groups {
            let outputs = self.run(block, &encoded, base, group)?;
            for record in 0..group.records {
                self.write(&mut text, encoded.kept_of(base + record), &outputs, record);
            }
            base += group.records;
        }
        Ok(Scored {
            text,
            records: encoded.starts.len() as u64,
            missing: encoded.missing,
            bytes: block.text.len() as u64,
        })
    }

    /// Runs one group; a failure is traced to the first record that fails alone.
    fn run(
        &self,
        block: &Block,
        encoded: &Encoded,
        base: usize,
        group: &Group,
    ) -> Result<Vec<Tensor>> {
        let rows = group.rows(self.intake.plan.batch);
        match self.model.run(&group.inputs) {
            Ok(values) => self.layout.arrange(values, rows),
            Err(failure) => Err(self.guilty(block, encoded, base, group).unwrap_or(failure)),
        }
    }

    /// The error of the first record that the model refuses when it is alone.
    fn guilty(
        &self,
        block: &Block,
        encoded: &Encoded,
        base: usize,
        group: &Group,
    ) -> Option<Error> {
        let counts = self.intake.plan.counts_records();
        (0..group.records).find_map(|record| {
            let alone = group.only(record, &counts, self.intake.plan.batch);
            let failure = self.model.run(&alone.inputs).err()?;
            let start = encoded.starts.get(base + record).copied();
            let line = line_of(block, start.unwrap_or_default());
            let message = failure.report().map_or("", |report| &report.message);
            let message = message.replace("on this batch", "on this record");
            Some(Error::data(self.intake.place(line), message).hint(hint::REFUSED))
        })
    }

    fn write(&self, text: &mut Vec<u8>, kept: &[u8], outputs: &[Tensor], record: usize) {
        let start = text.len();
        match self.intake.to {
            Format::Csv { .. } => {
                text.extend_from_slice(kept);
                let mut first = self.intake.plan.kept.is_empty();
                for (field, values) in self.layout.fields.iter().zip(outputs) {
                    csv_field(text, field, values, record, &self.style, &mut first);
                }
                if text.len() == start {
                    // Readers skip blank lines, and the record with them.
                    text.extend_from_slice(b"\"\"");
                }
            }
            Format::Jsonl => {
                text.push(b'{');
                text.extend_from_slice(kept);
                for (position, (field, values)) in
                    self.layout.fields.iter().zip(outputs).enumerate()
                {
                    if position > 0 {
                        text.push(b',');
                    }
                    json_string(text, &field.name);
                    text.push(b':');
                    json_field(text, field, values, record);
                }
                if self.layout.fields.is_empty() && text.last() == Some(&b',') {
                    text.pop();
                }
                text.push(b'}');
            }
        }
        text.push(b'\n');
    }
}

impl Intake {
    /// A block's records as tensors.
    ///
    /// # Errors
    /// The first record that does not fit the plan.
    pub fn encode(&self, block: &Block) -> Result<Encoded> {
        let mut encoder = Encoder::new(&self.plan);
        let mut starts = Vec::with_capacity(block.records);
        let mut kept = Vec::new();
        let mut kept_ends = Vec::with_capacity(block.records);
        let each = |at: usize, row: &rows::Row<'_>| -> std::result::Result<(), Flaw> {
            starts.push(at);
            encoder
                .push(row.cells)
                .map_err(|fault| Flaw::Fault(at, fault))?;
            self.passthrough
                .check_late_keys(row)
                .map_err(|broken| Broken { at, ..broken })?;
            match self.to {
                Format::Csv { delimiter } => self.passthrough.csv(&mut kept, row, delimiter),
                Format::Jsonl => self.passthrough.json(&mut kept, row),
            }
            .map_err(|broken| Broken { at, ..broken })?;
            kept_ends.push(kept.len());
            Ok(())
        };
        rows::for_each(block, self.from, &self.plan.columns, each)
            .map_err(|flaw| self.error(block, flaw))?;
        let (groups, missing) = encoder.finish();
        Ok(Encoded {
            groups,
            missing,
            starts,
            kept,
            kept_ends,
        })
    }

    fn place(&self, line: u64) -> String {
        format!("{}:{line}", self.source)
    }

    fn error(&self, block: &Block, flaw: Flaw) -> Error {
        match flaw {
            Flaw::Broken(broken) => broken_error(&self.source, block, &broken),
            Flaw::Fault(at, fault) => {
                let place = self.place(line_of(block, at));
                Error::data(place, fault.to_string())
                    .hint(hint::for_fault(&fault, self.dtype_of(&fault.column)))
            }
        }
    }

    fn dtype_of(&self, column: &str) -> Option<Dtype> {
        use crate::batch::feed::How;
        let reads = |how: &How| match how {
            How::Cells { sources, .. } => sources.iter().any(|source| source.name == column),
            How::List { source, .. } => source.name == column,
            How::Once(_) => false,
        };
        self.plan
            .feeds
            .iter()
            .find(|feed| reads(&feed.how))
            .map(|feed| feed.dtype)
    }
}

impl Encoded {
    fn kept_of(&self, record: usize) -> &[u8] {
        let end = |record: usize| self.kept_ends.get(record).copied().unwrap_or_default();
        let start = record.checked_sub(1).map_or(0, end);
        self.kept.get(start..end(record)).unwrap_or_default()
    }
}

/// The error of a record that cannot be taken apart.
pub fn broken_error(source: &str, block: &Block, broken: &Broken) -> Error {
    let place = format!("{source}:{}", line_of(block, broken.at));
    Error::data(place, broken.message.as_str()).hint(broken.hint)
}

/// Why a record was not encoded.
enum Flaw {
    Broken(Broken),
    Fault(usize, Fault),
}

impl From<Broken> for Flaw {
    fn from(broken: Broken) -> Self {
        Flaw::Broken(broken)
    }
}
