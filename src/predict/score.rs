//! One worker's job: a block of text in, the text of its predictions out, in one pass.

use std::sync::Arc;

use crate::batch::columns::Layout;
use crate::batch::encode::{Group, Missing};
use crate::batch::write::{CsvStyle, csv_empty, csv_field, json_field, json_string};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::tensor::Tensor;

use super::cut::{Block, BrokenLine, Cut};
use super::format::Format;
use super::intake::{Encoded, Flaw, Intake};
use super::packing::Packing;
use super::reject::{OnError, Place, Reject};
use super::rows::Lines;

/// Everything that scoring a block of one source needs; shared by all workers.
pub struct Scorer<'m> {
    pub model: &'m Model,
    pub intake: Intake,
    pub layout: Layout,
    pub style: CsvStyle,
    /// The compression of the output.
    pub packing: Packing,
}

/// The predictions of a block.
#[derive(Debug)]
pub struct Scored {
    /// What errors call the source.
    pub source: Arc<str>,
    pub output: Vec<u8>,
    /// Records that were read, rejects included.
    pub records: u64,
    pub rejects: Vec<Reject>,
    pub missing: Missing,
    /// Bytes of the source that were scored.
    pub bytes: u64,
}

/// Consecutive records of a group after their run.
enum Part {
    Scored {
        records: usize,
        outputs: Vec<Tensor>,
    },
    /// One record that the model refuses, in the model's words.
    Refused(String),
}

impl Scorer<'_> {
    /// Scores what was cut off a source.
    ///
    /// # Errors
    /// The first record that cannot be scored, where that ends the run; whatever is wrong with the
    /// model.
    pub fn score(&self, cut: &Cut) -> Result<Scored> {
        match cut {
            Cut::Block(block) => self.score_block(block),
            Cut::Broken(line) => self.reject_line(line),
        }
    }

    fn score_block(&self, block: &Block) -> Result<Scored> {
        let mut encoded = self.intake.encode(block)?;
        let mut parts = Vec::with_capacity(encoded.groups.len());
        for group in &encoded.groups {
            self.run_group(group, &mut parts)?;
        }
        self.note_refused(block, &mut encoded, &parts);
        if let (OnError::Fail, Some((_, first))) = (self.intake.on_error, encoded.rejects.first()) {
            return Err(first.error(&self.intake.source));
        }
        let mut text = Vec::with_capacity(encoded.kept_bytes() + encoded.entries.len() * 32);
        let mut outputs = parts.iter().flat_map(Part::each);
        for entry in &encoded.entries {
            let prediction = if entry.is_encoded {
                outputs.next().flatten()
            } else {
                None
            };
            let prediction = prediction.filter(|_| !entry.is_rejected);
            if prediction.is_some() || self.intake.on_error == OnError::Null {
                self.write(&mut text, encoded.kept(entry), prediction);
            }
        }
        Ok(Scored {
            source: Arc::clone(&self.intake.source),
            output: self.pack(text)?,
            records: encoded.entries.len() as u64,
            rejects: encoded
                .rejects
                .into_iter()
                .map(|(_, reject)| reject)
                .collect(),
            missing: encoded.missing,
            bytes: block.text.len() as u64,
        })
    }

    /// A line that starts a record without end.
    fn reject_line(&self, line: &BrokenLine) -> Result<Scored> {
        let block = &line.block;
        let reject = Reject {
            place: Place::Line(block.first_line),
            column: None,
            code: line.code,
            message: line.message.clone(),
            hint: line.hint.to_owned(),
            raw: block.text.trim_ascii_end().to_vec(),
        };
        let mut text = Vec::new();
        match self.intake.on_error {
            OnError::Fail => return Err(reject.error(&self.intake.source)),
            OnError::Skip => {}
            OnError::Null => self.write(&mut text, None, None),
        }
        Ok(Scored {
            source: Arc::clone(&self.intake.source),
            output: self.pack(text)?,
            records: 1,
            rejects: vec![reject],
            missing: Missing::default(),
            bytes: block.text.len() as u64,
        })
    }

    fn pack(&self, text: Vec<u8>) -> Result<Vec<u8>> {
        let packed = self.packing.pack(text);
        packed.map_err(|source| Error::io("the output's compression", &source))
    }

    /// Runs one group. Where the model fails on it, the halves are tried, and their halves, until
    /// the records at fault are alone.
    fn run_group(&self, group: &Group, parts: &mut Vec<Part>) -> Result<()> {
        let batch = self.intake.plan.batch;
        let records = group.records;
        let failure = match self.model.run(&group.inputs) {
            Ok(values) => {
                let outputs = self.layout.arrange(values, group.rows(batch))?;
                parts.push(Part::Scored { records, outputs });
                return Ok(());
            }
            Err(failure) => failure,
        };
        if records <= 1 {
            let message = failure.report().map_or("", |report| &report.message);
            let message = message.replace("on this batch", "on this record");
            parts.push(Part::Refused(message));
            return Ok(());
        }
        let counts = self.intake.plan.counts_records();
        for half in [0..records / 2, records / 2..records] {
            self.run_group(&group.part(half, &counts, batch), parts)?;
        }
        Ok(())
    }

    /// Marks the refused records as rejects.
    fn note_refused(&self, block: &Block, encoded: &mut Encoded, parts: &[Part]) {
        if parts.iter().all(|part| matches!(part, Part::Scored { .. })) {
            return;
        }
        let mut messages = parts.iter().flat_map(Part::messages);
        let mut lines = Lines::new(block);
        let starts: Vec<usize> = encoded.entries.iter().map(|entry| entry.start).collect();
        for (index, entry) in encoded.entries.iter_mut().enumerate() {
            let message = if entry.is_encoded {
                messages.next().flatten()
            } else {
                None
            };
            let Some(message) = message.filter(|_| !entry.is_rejected) else {
                continue;
            };
            entry.is_rejected = true;
            let end = starts.get(index + 1).copied().unwrap_or(block.text.len());
            let raw = block.text.get(entry.start..end).unwrap_or_default();
            let flaw = Flaw::Refused(message.to_owned());
            let reject = self.intake.reject(lines.line_of(entry.start), raw, flaw);
            encoded.rejects.push((index, reject));
        }
        encoded.rejects.sort_by_key(|(index, _)| *index);
    }

    /// Writes one record; its predictions are empty where there are none.
    fn write(
        &self,
        text: &mut Vec<u8>,
        kept: Option<&[u8]>,
        prediction: Option<(&[Tensor], usize)>,
    ) {
        match self.intake.to {
            Format::Csv { .. } => self.write_csv(text, kept, prediction),
            Format::Jsonl => self.write_json(text, kept.unwrap_or_default(), prediction),
        }
        text.push(b'\n');
    }

    fn write_csv(
        &self,
        text: &mut Vec<u8>,
        kept: Option<&[u8]>,
        prediction: Option<(&[Tensor], usize)>,
    ) {
        let start = text.len();
        let columns = self.intake.plan.kept.len();
        match kept {
            Some(kept) => text.extend_from_slice(kept),
            None => text.extend(std::iter::repeat_n(
                self.style.delimiter,
                columns.saturating_sub(1),
            )),
        }
        let mut first = columns == 0;
        match prediction {
            Some((outputs, record)) => {
                for (field, values) in self.layout.fields.iter().zip(outputs) {
                    csv_field(text, field, values, record, &self.style, &mut first);
                }
            }
            None => csv_empty(text, self.layout.columns().len(), &self.style, first),
        }
        if text.len() == start {
            // Readers skip blank lines, and the record with them.
            text.extend_from_slice(b"\"\"");
        }
    }

    fn write_json(&self, text: &mut Vec<u8>, kept: &[u8], prediction: Option<(&[Tensor], usize)>) {
        text.push(b'{');
        text.extend_from_slice(kept);
        for (position, field) in self.layout.fields.iter().enumerate() {
            if position > 0 {
                text.push(b',');
            }
            json_string(text, &field.name);
            text.push(b':');
            match prediction.and_then(|(outputs, record)| Some((outputs.get(position)?, record))) {
                Some((values, record)) => json_field(text, field, values, record),
                None => text.extend_from_slice(b"null"),
            }
        }
        if self.layout.fields.is_empty() && text.last() == Some(&b',') {
            text.pop();
        }
        text.push(b'}');
    }
}

impl Part {
    fn records(&self) -> usize {
        match self {
            Part::Scored { records, .. } => *records,
            Part::Refused(_) => 1,
        }
    }

    /// For each record its outputs and its row in them; nothing for a refused one.
    fn each(&self) -> impl Iterator<Item = Option<(&[Tensor], usize)>> {
        (0..self.records()).map(move |record| match self {
            Part::Scored { outputs, .. } => Some((outputs.as_slice(), record)),
            Part::Refused(_) => None,
        })
    }

    /// For each record why it was refused; nothing for the others.
    fn messages(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.records()).map(move |_| match self {
            Part::Scored { .. } => None,
            Part::Refused(message) => Some(message.as_str()),
        })
    }
}
