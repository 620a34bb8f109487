//! What the output looks like: decided by the first source and its first records, kept by all.

use std::sync::Arc;

use crate::batch::columns::{Layout, Renamed};
use crate::batch::encode::Group;
use crate::batch::first;
use crate::batch::names::listed;
use crate::batch::write::{CsvStyle, csv_cell};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::tensor::Tensor;
use crate::profile::columns::Columns;
use crate::profile::gathering::Gather;

use crate::predict::evaluate::Judge;
use crate::predict::explain;
use crate::predict::format::{FileFormat, Format};
use crate::predict::input::opened::{Opened, Piece};
use crate::predict::options::Options;
use crate::predict::output::progress::Progress;
use crate::predict::output::written::{self, Beginning, Kept};
use crate::predict::score::insight::Questions;
use crate::predict::score::scorer::Scorer;
use crate::predict::text::cut::Cut;
use crate::predict::text::intake::{Encoded, Intake};
use crate::predict::text::passthrough::Passthrough;

/// What the output looks like.
pub struct Look {
    to: FileFormat,
    layout: Layout,
    /// The names of the kept columns, and their types in a table.
    kept: Vec<String>,
    kept_types: Kept,
    /// One tensor for each field, of the first records.
    sample: Arc<[Tensor]>,
    questions: Questions,
    /// The plan of the first source, as `--explain` prints it.
    pub plan_text: String,
    /// What has to be said before the first record is scored.
    notes: Vec<String>,
}

impl Look {
    /// Decides by the first source and, where it has any, its first records.
    ///
    /// # Errors
    /// Records that do not fit, flags that fit no output, and formats that cannot hold it.
    pub fn new(
        model: &Model,
        options: &Options,
        opened: &Opened,
        first: Option<&mut Piece>,
    ) -> Result<Look> {
        let to = options.output_format.of(opened.format);
        let intake = intake(options, opened, to);
        let mut encoded = Encoded::default();
        let mut kept_types = opened.kept();
        match first {
            Some(Piece::Text(Cut::Block(block))) => encoded = intake.encode(block)?,
            Some(Piece::Table(block, rows)) => {
                let (first_row, rows) = (block.first_row, *rows);
                let table = block.load(&intake.read_plan)?;
                encoded = intake.encode_rows(table, first_row, rows)?;
                kept_types = written::kept_of(table, kept_types, &intake.plan, rows)?;
            }
            Some(Piece::Text(Cut::Broken(_))) | None => {}
        }
        let group = encoded.groups.into_iter().next();
        let mut layout = first::layout(model, &intake.plan, group.clone(), &options.wanted)?;
        let kept = intake.plan.kept_names();
        layout.avoid(&kept);
        let kept = kept.into_iter().map(str::to_owned).collect();
        let formats = (intake.from, intake.to);
        let mut look = Look {
            to,
            kept,
            kept_types,
            sample: Arc::new([]),
            questions: Questions {
                judge: None,
                profile: options.report.is_some() || options.manifest.is_some(),
                gather: None,
            },
            plan_text: explain::text(&intake.source, formats, &intake.plan, &layout),
            notes: Vec::new(),
            layout,
        };
        look.take_sample(model, options, &intake, group)?;
        look.note_layout(options);
        Ok(look)
    }

    /// Keeps the first outputs, where their types matter.
    fn take_sample(
        &mut self,
        model: &Model,
        options: &Options,
        intake: &Intake,
        group: Option<Group>,
    ) -> Result<()> {
        let is_table = matches!(self.to, FileFormat::Table(_));
        if !is_table && intake.label.is_none() {
            return Ok(());
        }
        match first::outputs(model, &intake.plan, group, &self.layout) {
            Some(outputs) => self.sample = outputs.into(),
            None if is_table => {
                return Err(Error::data(
                    &*intake.source,
                    format!("the model refuses the first records, so nobody knows the types of {} columns", self.to.name()),
                )
                .hint("--to csv needs no types"));
            }
            None => return Ok(()),
        }
        if let Some(label) = intake.label {
            self.judge(model, options, intake.plan.column(label));
        }
        Ok(())
    }

    /// Who holds the predictions against the label. Where it is not clear what to hold against what,
    /// the predictions are none the worse for it, and there is a note.
    fn judge(&mut self, model: &Model, options: &Options, label: &str) {
        if options.quiet && options.report.is_none() && options.manifest.is_none() {
            return; // Nobody would see them.
        }
        if options.resume {
            let note = "note: a run that can be resumed has no metrics";
            return self.notes.push(note.to_owned());
        }
        let classes = &options.wanted.classes;
        let names = classes.as_ref().or(model.signature().classes.as_ref());
        match Judge::new(&self.layout, &self.sample, label, names.map(Vec::as_slice)) {
            Ok(judge) => self.questions.judge = Some(Arc::new(judge)),
            Err(error) => {
                let error = error.to_string().replace('\n', "; ");
                self.notes.push(format!("note: no metrics: {error}"));
            }
        }
    }

    fn note_layout(&mut self, options: &Options) {
        if options.rules.label.len() > 1 {
            let note = "note: no metrics: --label names several columns, and one is held against predictions";
            self.notes.push(note.to_owned());
        }
        for (output, reason) in &self.layout.left_out {
            self.notes.push(format!(
                "note: output \"{output}\" {reason} and is no column"
            ));
        }
        for renamed in self.layout.renamed() {
            let Renamed {
                column,
                before,
                after,
            } = renamed;
            self.notes.push(format!(
                "note: the input has a column \"{column}\", so the prediction \"{before}\" is called \"{after}\""
            ));
        }
        let is_arrays = written::is_arrays(self.to);
        if is_arrays && !self.kept.is_empty() {
            self.notes.push(format!(
                "note: {} holds predictions alone, no other columns",
                self.to.name()
            ));
        }
    }

    /// Says what has to be said before the first record is scored.
    pub fn tell(&self, progress: &Progress) {
        for note in &self.notes {
            progress.note(note);
        }
    }

    /// What the output starts with.
    ///
    /// # Errors
    /// As [`written::beginning`].
    pub fn beginning(
        &self,
        scorer: &Scorer<'_>,
        options: &Options,
        has_header: bool,
    ) -> Result<Beginning> {
        match self.to {
            FileFormat::Table(format) => {
                written::beginning(format, scorer, &self.sample, &self.kept_types)
            }
            FileFormat::Text(Format::Csv { delimiter })
                if has_header && !options.input_format.no_header =>
            {
                let header = options.packing.pack(self.header(delimiter));
                let header = header.map_err(|source| Error::io("the header", &source))?;
                Ok(Beginning::Text(header))
            }
            FileFormat::Text(_) => Ok(Beginning::Text(Vec::new())),
        }
    }

    fn header(&self, delimiter: u8) -> Vec<u8> {
        let mut line = Vec::new();
        for (position, name) in self.kept.iter().chain(&self.layout.columns()).enumerate() {
            if position > 0 {
                line.push(delimiter);
            }
            csv_cell(&mut line, name.as_bytes(), delimiter);
        }
        line.push(b'\n');
        line
    }

    /// The scorer of a source.
    ///
    /// # Errors
    /// A further source whose kept columns are not those of the first.
    pub fn scorer<'m>(
        &self,
        model: &'m Model,
        options: &Options,
        opened: &Opened,
    ) -> Result<Scorer<'m>> {
        let mut intake = intake(options, opened, self.to);
        self.check_same_columns(&intake)?;
        intake.passthrough.reserve(&self.layout);
        let delimiter = match self.to {
            FileFormat::Text(Format::Csv { delimiter }) => delimiter,
            FileFormat::Text(Format::Jsonl) | FileFormat::Table(_) => b',',
        };
        let columns = || Columns::new(&intake.plan, &self.layout);
        let gather = options.profile.as_ref().map(|_| Gather::new(columns()));
        Ok(Scorer {
            model,
            questions: Questions {
                gather: gather.map(Arc::new),
                ..self.questions.clone()
            },
            intake,
            layout: self.layout.clone(),
            style: CsvStyle {
                delimiter,
                nan_as: options.nan_as.clone(),
            },
            packing: options.packing,
            sample: Arc::clone(&self.sample),
        })
    }

    /// Further files must have the columns of the first one: their records go under one header.
    fn check_same_columns(&self, intake: &Intake) -> Result<()> {
        let kept = intake.plan.kept_names();
        let mut fields = self.layout.fields.iter();
        let clash = fields.find(|field| kept.contains(&field.name.as_str()));
        let has_columns = self.to != FileFormat::Text(Format::Jsonl);
        if has_columns && kept != self.kept || clash.is_some() {
            let found = listed(&kept);
            let expected = listed(&self.kept);
            return Err(Error::data(
                intake.source.to_string(),
                format!(
                    "expected the columns to be copied of the first file, {expected}, found {found}"
                ),
            )
            .hint("--keep LIST names columns that all files have; or score the files one by one"));
        }
        Ok(())
    }
}

/// How the records of a source are taken apart for an output of format `to`.
fn intake(options: &Options, opened: &Opened, to: FileFormat) -> Intake {
    let plan = opened.plan.clone();
    let passthrough = Passthrough::new(&plan, &options.rules.keep, to);
    let mut intake = Intake::new(plan, passthrough, &opened.name, (opened.format, to));
    intake.batch_size = opened.batch_size;
    intake.on_error = options.on_error;
    intake.record_bytes = options.record_bytes;
    intake.label = options.label(&intake.plan);
    intake.read_plan = crate::predict::input::opened::with_label(&intake.plan, options);
    intake
}
