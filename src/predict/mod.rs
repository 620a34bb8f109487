//! `mlserve predict`: files or a pipe in, predictions out, in input order, on all cores.
//!
//! ```text
//! source -> cut (blocks) -> order ( score: rows -> encode -> Model::run -> layout -> text ) -> sink
//! ```

#![expect(clippy::print_stdout, reason = "--explain is a result")]

pub mod cut;
pub mod explain;
pub mod format;
pub mod interrupt;
pub mod opened;
pub mod options;
pub mod order;
pub mod progress;
pub mod rows;
pub mod score;
pub mod sink;
pub mod source;

use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::columns::{Layout, Renamed};
use crate::batch::encode::Group;
use crate::batch::feed::{BatchAxis, How};
use crate::batch::plan::Plan;
use crate::batch::write::{CsvStyle, csv_cell};
use crate::cli::PredictArgs;
use crate::error::{Error, Result};
use crate::model::{Model, onnx};

use cut::Block;
use format::Format;
use opened::Opened;
use options::Options;
use progress::Progress;
use rows::Passthrough;
use score::{Intake, Scored, Scorer};
use sink::Sink;

/// Runs `mlserve predict`.
///
/// # Errors
/// Whatever stops the run; nothing half-written is then left behind.
pub fn run(args: &PredictArgs) -> Result<()> {
    let options = Options::new(args)?;
    score(&options).map_err(|error| match error {
        // What is wrong with a model's inputs or outputs is found where its path is not known.
        Error::Model(_) => error.at(options.model.display()),
        other => other,
    })
}

/// The straight line of the command.
fn score(options: &Options) -> Result<()> {
    let facts = onnx::read(&options.model)?;
    let paths = source::resolve(&options.inputs)?;
    if options.explain {
        return explain(&paths, &facts, options);
    }
    interrupt::watch();
    let model = Model::from_facts(facts, &options.runtime)?;
    let mut sink = Sink::open(options.output.as_deref())?;
    let mut progress = Progress::new(source::total_bytes(&paths), options.quiet);
    let mut feeder = Feeder::new(&model, options, paths);
    let scored = feeder.start(&mut sink, &progress).and_then(|()| {
        order::in_order(
            options.jobs,
            || feeder.next(),
            |(scorer, block)| scorer.score(&block),
            |scored: Scored| {
                progress.advance(scored.records, scored.missing, scored.bytes);
                sink.write(&scored.text)
            },
        )
    });
    progress.clear();
    scored?;
    sink.finish()?;
    warn_of_missing(&model, &progress);
    progress.close(
        options
            .output
            .as_ref()
            .map(|path| path.display().to_string())
            .as_deref(),
    );
    Ok(())
}

fn explain(paths: &[PathBuf], facts: &onnx::Facts, options: &Options) -> Result<()> {
    for path in paths {
        let Some(opened) = Opened::new(path, &facts.signature, options)? else {
            continue;
        };
        let to = options.output_format.of(opened.format);
        let mut layout = Layout::declared(&facts.signature, opened.plan.batch, &options.wanted)?;
        layout.avoid(&kept_names(&opened.plan));
        print!(
            "{}",
            explain::text(&opened.name, opened.format, to, &opened.plan, &layout)
        );
    }
    Ok(())
}

/// Some models give an answer for a missing value that means nothing; the user must know.
fn warn_of_missing(model: &Model, progress: &Progress) {
    if let (Some(risk), nan @ 1..) = (model.facts.nan_risk, progress.missing.nan) {
        let values = if nan == 1 { "value" } else { "values" };
        progress.note(&format!("warning: {nan} missing {values}: {risk}"));
    }
}

fn kept_names(plan: &Plan) -> Vec<&str> {
    plan.kept.iter().map(|index| plan.column(*index)).collect()
}

/// Goes through the sources and hands out blocks with the scorer of their source.
struct Feeder<'m> {
    model: &'m Model,
    options: &'m Options,
    paths: std::vec::IntoIter<PathBuf>,
    current: Option<(Arc<Scorer<'m>>, Opened)>,
    /// The next block, where it was read ahead.
    ahead: Option<Block>,
    /// Records that --limit still allows.
    left: u64,
    /// Decided by the first source, kept by all.
    layout: Option<Layout>,
    kept: Vec<String>,
    to: Option<Format>,
}

impl<'m> Feeder<'m> {
    fn new(model: &'m Model, options: &'m Options, paths: Vec<PathBuf>) -> Self {
        Feeder {
            model,
            options,
            paths: paths.into_iter(),
            current: None,
            ahead: None,
            left: options.limit.unwrap_or(u64::MAX),
            layout: None,
            kept: Vec::new(),
            to: None,
        }
    }

    /// Opens the first source, lays out the predictions and writes the header.
    fn start(&mut self, sink: &mut Sink, progress: &Progress) -> Result<()> {
        self.open_next()?;
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        for (output, reason) in &layout.left_out {
            progress.note(&format!(
                "note: output \"{output}\" {reason} and is no column"
            ));
        }
        for renamed in layout.renamed() {
            let Renamed {
                column,
                before,
                after,
            } = renamed;
            progress.note(&format!(
                "note: the input has a column \"{column}\", so the prediction \"{before}\" is called \"{after}\""
            ));
        }
        match self.to {
            Some(Format::Csv { delimiter }) if !self.options.input_format.no_header => {
                sink.write(&self.header(layout, delimiter))
            }
            _ => Ok(()),
        }
    }

    fn header(&self, layout: &Layout, delimiter: u8) -> Vec<u8> {
        let mut line = Vec::new();
        for (position, name) in self.kept.iter().chain(&layout.columns()).enumerate() {
            if position > 0 {
                line.push(delimiter);
            }
            csv_cell(&mut line, name.as_bytes(), delimiter);
        }
        line.push(b'\n');
        line
    }

    /// The next block; `None` when all sources are at their end.
    fn next(&mut self) -> Result<Option<(Arc<Scorer<'m>>, Block)>> {
        loop {
            let Some((scorer, opened)) = &mut self.current else {
                return Ok(None);
            };
            let block = match self.ahead.take() {
                Some(block) => Some(block),
                None => opened.next_block(self.left)?,
            };
            match block {
                Some(block) => {
                    self.left -= block.records as u64;
                    return Ok(Some((Arc::clone(scorer), block)));
                }
                None => self.open_next()?,
            }
        }
    }

    /// Makes the next source with records or a header the current one.
    fn open_next(&mut self) -> Result<()> {
        self.current = None;
        while let Some(path) = self.paths.next() {
            if let Some(mut opened) = Opened::new(&path, self.model.signature(), self.options)? {
                self.ahead = opened.next_block(self.left)?;
                let scorer = self.scorer(&opened)?;
                self.current = Some((Arc::new(scorer), opened));
                return Ok(());
            }
        }
        Ok(())
    }

    fn scorer(&mut self, opened: &Opened) -> Result<Scorer<'m>> {
        let to = *self
            .to
            .get_or_insert_with(|| self.options.output_format.of(opened.format));
        let plan = opened.plan.clone();
        let intake = Intake {
            passthrough: Passthrough::new(&plan, &self.options.rules.keep, to),
            source: opened.name.clone(),
            from: opened.format,
            to,
            plan,
        };
        let layout = match self.layout.take() {
            Some(layout) => {
                self.check_same_columns(&intake, &layout)?;
                layout
            }
            None => self.first_layout(&intake)?,
        };
        self.layout = Some(layout.clone());
        let delimiter = match to {
            Format::Csv { delimiter } => delimiter,
            Format::Jsonl => b',',
        };
        let style = CsvStyle {
            delimiter,
            nan_as: self.options.nan_as.clone(),
        };
        Ok(Scorer {
            model: self.model,
            intake,
            layout,
            style,
        })
    }

    /// Lays out the predictions by what the model returns for the first records; for made-up ones
    /// where there are none.
    fn first_layout(&mut self, intake: &Intake) -> Result<Layout> {
        let plan = &intake.plan;
        let group = match &self.ahead {
            Some(block) => intake.encode(block)?.groups.into_iter().next(),
            None => None,
        };
        let is_real = group.is_some();
        let group = group.unwrap_or_else(|| made_up(self.model, plan));
        let wanted = &self.options.wanted;
        let doubled = || {
            self.model
                .run(&group.doubled(&plan.counts_records()).inputs)
        };
        let layout = match self.model.run(&group.inputs) {
            Ok(values) => Layout::new(
                self.model.signature(),
                &values,
                group.rows(plan.batch),
                plan.batch,
                wanted,
                doubled,
            ),
            // Which record is at fault comes out when the block is scored.
            Err(_) if is_real => self.layout_of_any_record(plan, &group),
            Err(_) => Layout::declared(self.model.signature(), plan.batch, wanted),
        };
        let mut layout = layout?;
        self.kept = kept_names(plan).into_iter().map(str::to_owned).collect();
        layout.avoid(&kept_names(plan));
        Ok(layout)
    }

    fn layout_of_any_record(&self, plan: &Plan, group: &Group) -> Result<Layout> {
        let alone = |record| group.only(record, &plan.counts_records(), plan.batch);
        let run = |record| {
            self.model
                .run(&alone(record).inputs)
                .ok()
                .map(|values| (record, values))
        };
        match (0..group.records).find_map(run) {
            Some((record, values)) => {
                let rows = alone(record).rows(plan.batch);
                let doubled = || {
                    self.model
                        .run(&alone(record).doubled(&plan.counts_records()).inputs)
                };
                Layout::new(
                    self.model.signature(),
                    &values,
                    rows,
                    plan.batch,
                    &self.options.wanted,
                    doubled,
                )
            }
            None => Layout::declared(self.model.signature(), plan.batch, &self.options.wanted),
        }
    }

    /// Further files must have the columns of the first one: their records go under one header.
    fn check_same_columns(&self, intake: &Intake, layout: &Layout) -> Result<()> {
        let kept = kept_names(&intake.plan);
        let clash = layout
            .fields
            .iter()
            .find(|field| kept.contains(&field.name.as_str()));
        if matches!(intake.to, Format::Csv { .. }) && kept != self.kept || clash.is_some() {
            let found = crate::batch::names::listed(&kept);
            let expected = crate::batch::names::listed(&self.kept);
            return Err(Error::data(
                intake.source.as_str(),
                format!(
                    "expected the columns to be copied of the first file, {expected}, found {found}"
                ),
            )
            .hint("--keep LIST names columns that all files have; or score the files one by one"));
        }
        Ok(())
    }
}

/// More than one made-up record, so that outputs of a single row are told from rows of records.
const MADE_UP_RECORDS: usize = 7;

fn made_up(model: &Model, plan: &Plan) -> Group {
    let given = |index: usize| match plan.feeds.get(index).map(|feed| &feed.how) {
        Some(How::Once(tensor)) => Some(tensor.clone()),
        _ => None,
    };
    let batch: BatchAxis = plan.batch;
    Group::made_up(model.signature(), batch, MADE_UP_RECORDS, given)
}
