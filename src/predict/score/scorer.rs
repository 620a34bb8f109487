//! One worker's job: a block of records in, their predictions out, in one pass.

use std::sync::Arc;

use crate::batch::columns::Layout;
use crate::batch::encode::{Group, Missing};
use crate::batch::run::{Part, Prediction, Way};
use crate::batch::write::CsvStyle;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::tensor::Tensor;

use crate::predict::format::FileFormat;
use crate::predict::input::opened::Piece;
use crate::predict::output::written::{self, Output, Portion};
use crate::predict::score::insight::{Answers, Questions};
use crate::predict::score::reject::{OnError, Place, Reject};
use crate::predict::text::cut::{Block, BrokenLine, Cut};
use crate::predict::text::intake::{Encoded, Entry, Flaw, Intake};
use crate::predict::text::packing::Packing;
use crate::predict::text::rows::Lines;

/// Everything that scoring a block of one source needs; shared by all workers.
pub struct Scorer<'m> {
    pub model: &'m Model,
    pub intake: Intake,
    pub layout: Layout,
    pub style: CsvStyle,
    /// The compression of the output.
    pub packing: Packing,
    pub questions: Questions,
    /// One tensor for each field, of the first records: the types of a table.
    pub sample: Arc<[Tensor]>,
}

/// The predictions of a block.
pub struct Scored {
    /// What errors call the source.
    pub source: Arc<str>,
    pub output: Output,
    /// Records that were read, rejects included.
    pub records: u64,
    pub rejects: Vec<Reject>,
    pub missing: Missing,
    /// Bytes of the source that were scored.
    pub bytes: u64,
    pub questions: Questions,
    pub answers: Answers,
}

/// Where a block's records come from.
#[derive(Clone, Copy)]
enum Origin<'b> {
    Text(&'b Block),
    /// A table, from this row on.
    Table(u64),
}

impl Scorer<'_> {
    /// Scores consecutive records of a source.
    ///
    /// # Errors
    /// The first record that cannot be scored, where that ends the run; whatever is wrong with the
    /// model.
    pub fn score(&self, piece: Piece) -> Result<Scored> {
        match piece {
            Piece::Text(Cut::Block(block)) => {
                let encoded = self.intake.encode(&block)?;
                let bytes = block.text.len() as u64;
                self.score_records(encoded, Origin::Text(&block), bytes)
            }
            Piece::Text(Cut::Broken(line)) => self.reject_line(&line),
            Piece::Table(block, rows) => {
                let (origin, bytes) = (Origin::Table(block.first_row), block.bytes);
                let encoded = self.intake.encode_table(block, rows)?;
                self.score_records(encoded, origin, bytes)
            }
        }
    }

    fn score_records(
        &self,
        mut encoded: Encoded,
        origin: Origin<'_>,
        bytes: u64,
    ) -> Result<Scored> {
        // What is a byte or a row of the source is a place that no other block's records have.
        let place = match origin {
            Origin::Text(block) => block.offset,
            Origin::Table(first_row) => first_row,
        };
        let (parts, answers) = self.run(&encoded, place)?;
        self.note_refused(origin, &mut encoded, &parts);
        if let (OnError::Fail, Some((_, first))) = (self.intake.on_error, encoded.rejects.first()) {
            return Err(first.error(&self.intake.source));
        }
        let output = self.output(&encoded, &parts)?;
        let rejects = encoded.rejects.into_iter().map(|(_, reject)| reject);
        Ok(Scored {
            source: Arc::clone(&self.intake.source),
            output,
            records: encoded.entries.len() as u64,
            rejects: rejects.collect(),
            missing: encoded.missing,
            bytes,
            questions: self.questions.clone(),
            answers,
        })
    }

    /// Runs all groups, and looks at what comes out where somebody wants to know.
    fn run(&self, encoded: &Encoded, place: u64) -> Result<(Vec<Part>, Answers)> {
        let mut answers = Answers::default();
        let mut parts = Vec::with_capacity(encoded.groups.len());
        let truths = self.truths(encoded);
        let mut look = |first: usize, group: &Group, outputs: &[Tensor]| {
            if !self.questions.is_empty() {
                let truths = truths.get(first..first + group.records);
                let way = (&self.intake.plan, &self.layout);
                let run = (group, outputs);
                let asked = (truths.unwrap_or_default(), place + first as u64);
                answers.look(&self.questions, way, run, asked);
            }
        };
        let way = Way {
            model: self.model,
            layout: &self.layout,
            batch: self.intake.plan.batch,
            counts: &self.intake.plan.counts_records(),
        };
        let mut first = 0;
        for group in &encoded.groups {
            way.run(first, group, &mut parts, &mut look)?;
            first += group.records;
        }
        Ok((parts, answers))
    }

    /// The true labels of the records in the groups; nothing where nobody asks for them.
    fn truths<'e>(&self, encoded: &'e Encoded) -> Vec<Option<&'e [u8]>> {
        if self.questions.judge.is_none() {
            return Vec::new();
        }
        let entries = encoded.entries.iter().filter(|entry| entry.is_encoded);
        entries.map(|entry| encoded.truth(entry)).collect()
    }

    /// Marks the refused records as rejects.
    fn note_refused(&self, origin: Origin<'_>, encoded: &mut Encoded, parts: &[Part]) {
        if parts.iter().all(|part| matches!(part, Part::Scored { .. })) {
            return;
        }
        let mut messages = parts.iter().flat_map(Part::messages);
        let mut lines = match origin {
            Origin::Text(block) => Some(Lines::new(block)),
            Origin::Table(_) => None,
        };
        for index in 0..encoded.entries.len() {
            let Some(entry) = encoded.entries.get(index).filter(|entry| entry.is_encoded) else {
                continue;
            };
            let message = messages.next().flatten().filter(|_| !entry.is_rejected);
            let Some(message) = message else {
                continue;
            };
            let line = lines.as_mut().map(|lines| lines.line_of(entry.start));
            let flaw = Flaw::Refused(message.to_owned());
            let reject = self.refusal((origin, line), encoded, index, flaw);
            encoded.rejects.push((index, reject));
            if let Some(entry) = encoded.entries.get_mut(index) {
                entry.is_rejected = true;
            }
        }
        encoded.rejects.sort_by_key(|(index, _)| *index);
    }

    /// The reject of record `index`, which the model refuses.
    fn refusal(
        &self,
        (origin, line): (Origin<'_>, Option<u64>),
        encoded: &Encoded,
        index: usize,
        flaw: Flaw,
    ) -> Reject {
        let start = |index: usize| encoded.entries.get(index).map(|entry| entry.start);
        match (origin, &encoded.table) {
            (Origin::Table(first_row), Some(table)) => {
                self.intake.reject_row((table, first_row), index, flaw)
            }
            (Origin::Text(block), _) => {
                let at = start(index).unwrap_or_default();
                let end = start(index + 1).unwrap_or(block.text.len());
                let raw = block.text.get(at..end).unwrap_or_default();
                self.intake.reject(line.unwrap_or_default(), raw, flaw)
            }
            (Origin::Table(_), None) => self.intake.described(flaw),
        }
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
        if self.intake.on_error == OnError::Fail {
            return Err(reject.error(&self.intake.source));
        }
        let encoded = Encoded::of_reject(reject.clone());
        Ok(Scored {
            source: Arc::clone(&self.intake.source),
            output: self.output(&encoded, &[])?,
            records: 1,
            rejects: vec![reject],
            missing: Missing::default(),
            bytes: block.text.len() as u64,
            questions: self.questions.clone(),
            answers: Answers::default(),
        })
    }

    /// The predictions in the format of the output.
    fn output(&self, encoded: &Encoded, parts: &[Part]) -> Result<Output> {
        match self.intake.to {
            FileFormat::Text(_) => self.text(encoded, parts).map(Output::Text),
            FileFormat::Table(_) => self.table(encoded, parts).map(Output::Table),
        }
    }

    /// The records of the output with their places and predictions: without those that are left out,
    /// with none for those that are left empty.
    fn written<'e>(
        &self,
        encoded: &'e Encoded,
        parts: &'e [Part],
    ) -> impl Iterator<Item = (usize, &'e Entry, Option<Prediction<'e>>)> {
        let keeps_rejects = self.intake.on_error == OnError::Null;
        let mut predictions = parts.iter().flat_map(Part::each);
        let entries = encoded.entries.iter().enumerate();
        let with_prediction = entries.map(move |(index, entry)| {
            let prediction = entry.is_encoded.then(|| predictions.next().flatten());
            let prediction = prediction.flatten().filter(|_| !entry.is_rejected);
            (index, entry, prediction)
        });
        with_prediction.filter(move |(_, _, prediction)| prediction.is_some() || keeps_rejects)
    }

    fn text(&self, encoded: &Encoded, parts: &[Part]) -> Result<Vec<u8>> {
        let mut text = Vec::with_capacity(encoded.kept_bytes() + encoded.entries.len() * 32);
        for (_, entry, prediction) in self.written(encoded, parts) {
            self.write_record(&mut text, encoded.kept(entry), prediction);
        }
        let packed = self.packing.pack(text);
        packed.map_err(|source| Error::io("the output's compression", &source))
    }

    /// One portion of rows for each run, for each has tensors of its own. Records without
    /// predictions go with those before them.
    fn table(&self, encoded: &Encoded, parts: &[Part]) -> Result<Vec<written::Rows>> {
        let mut portions = vec![Portion {
            tensors: &self.sample,
            records: Vec::new(),
        }];
        for (index, _, prediction) in self.written(encoded, parts) {
            if let Some((tensors, _)) = prediction
                && portions
                    .last()
                    .is_none_or(|last| !std::ptr::eq(last.tensors, tensors))
            {
                portions.push(Portion {
                    tensors,
                    records: Vec::new(),
                });
            }
            if let Some(last) = portions.last_mut() {
                last.records.push((index, prediction.map(|(_, row)| row)));
            }
        }
        let portions = portions
            .iter()
            .filter(|portion| !portion.records.is_empty());
        portions
            .map(|portion| written::rows(self, encoded, portion))
            .collect()
    }
}
