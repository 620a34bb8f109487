//! Goes through the sources: opens one after the other, decides with the first what the output looks
//! like, and hands out their blocks.

use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::columns::{Layout, Renamed};
use crate::batch::encode::Group;
use crate::batch::names::{Names, listed};
use crate::batch::plan::Plan;
use crate::batch::write::{CsvStyle, csv_cell};
use crate::error::{Error, Result};
use crate::model::Model;

use super::cut::Cut;
use super::evaluate::Judge;
use super::explain;
use super::first;
use super::format::Format;
use super::insight::Questions;
use super::intake::Intake;
use super::opened::Opened;
use super::options::Options;
use super::outlet::Outlet;
use super::passthrough::Passthrough;
use super::progress::Progress;
use super::route::{Position, Route, Start};
use super::score::Scorer;

/// Goes through the sources and hands out blocks with the scorer of their source.
pub struct Feeder<'m> {
    model: &'m Model,
    options: &'m Options,
    paths: std::iter::Enumerate<std::vec::IntoIter<PathBuf>>,
    route: Route,
    current: Option<Current<'m>>,
    /// The next records, where they were read ahead.
    ahead: Option<Cut>,
    /// Records that --limit still allows.
    left: Option<u64>,
    /// Decided by the first source, kept by all.
    layout: Option<Layout>,
    kept: Vec<String>,
    to: Option<Format>,
    questions: Questions,
    /// The plan of the first source in words.
    pub plan_text: String,
    /// What has to be said before the first record is scored.
    notes: Vec<String>,
}

/// The source that is being read.
struct Current<'m> {
    index: usize,
    scorer: Arc<Scorer<'m>>,
    opened: Opened,
}

/// Records to be scored.
pub struct Task<'m> {
    pub scorer: Arc<Scorer<'m>>,
    pub cut: Cut,
    /// Where the input goes on after them.
    pub after: Position,
}

impl<'m> Feeder<'m> {
    /// Nothing is opened before [`Feeder::start`]. `done` records were scored by an earlier run.
    pub fn new(
        model: &'m Model,
        options: &'m Options,
        (paths, route): (Vec<PathBuf>, Route),
        done: u64,
    ) -> Self {
        Feeder {
            model,
            options,
            paths: paths.into_iter().enumerate(),
            route,
            current: None,
            ahead: None,
            left: options.limit.map(|limit| limit.saturating_sub(done)),
            layout: None,
            kept: Vec::new(),
            to: None,
            questions: Questions {
                judge: None,
                profile: options.report.is_some() || options.manifest.is_some(),
            },
            plan_text: String::new(),
            notes: Vec::new(),
        }
    }

    /// Opens the first source, lays out the predictions and writes the header.
    ///
    /// # Errors
    /// Whatever is wrong with the source, its columns or its first records.
    pub fn start(&mut self, outlet: &mut Outlet, progress: &Progress) -> Result<()> {
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
        for note in &self.notes {
            progress.note(note);
        }
        match self.to {
            Some(Format::Csv { delimiter })
                if !self.options.input_format.no_header && self.route.has_header =>
            {
                let header = self.options.packing.pack(self.header(layout, delimiter));
                let header = header.map_err(|source| Error::io("the header", &source))?;
                outlet.write_header(&header)
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

    /// The next records; `None` when all sources are at their end.
    ///
    /// # Errors
    /// As [`Opened::new`] and [`Opened::next`].
    pub fn next_task(&mut self) -> Result<Option<Task<'m>>> {
        loop {
            let Some(current) = &mut self.current else {
                return Ok(None);
            };
            let cut = match self.ahead.take() {
                Some(cut) => Some(cut),
                None => current.opened.next(self.left)?,
            };
            match cut {
                Some(cut) => {
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(cut.records().unwrap_or(0));
                    }
                    let (offset, line) = current.opened.position();
                    return Ok(Some(Task {
                        scorer: Arc::clone(&current.scorer),
                        cut,
                        after: Position {
                            source: current.index,
                            offset,
                            line,
                        },
                    }));
                }
                None => self.open_next()?,
            }
        }
    }

    /// Makes the next source with records or a header the current one. The first source decides what
    /// the output looks like, also where its records are not on the route.
    fn open_next(&mut self) -> Result<()> {
        self.current = None;
        while let Some((index, path)) = self.paths.next() {
            let span = self.route.span(index);
            if span.is_none() && self.layout.is_some() {
                continue;
            }
            let Some(mut opened) = Opened::new(&path, self.model.signature(), self.options)? else {
                continue;
            };
            self.ahead = opened.next(self.left)?;
            let scorer = Arc::new(self.scorer(&opened)?);
            let Some(span) = span else {
                self.ahead = None;
                continue;
            };
            let is_before = |cut: &Cut| match span.start {
                Start::Beginning => false,
                Start::Stretch(offset) | Start::Record { offset, .. } => cut.offset() < offset,
            };
            self.ahead = self.ahead.take().filter(|cut| !is_before(cut));
            opened.enter(span)?;
            self.current = Some(Current {
                index,
                scorer,
                opened,
            });
            return Ok(());
        }
        Ok(())
    }

    fn scorer(&mut self, opened: &Opened) -> Result<Scorer<'m>> {
        let to = *self
            .to
            .get_or_insert_with(|| self.options.output_format.of(opened.format));
        let plan = opened.plan.clone();
        let passthrough = Passthrough::new(&plan, &self.options.rules.keep, to);
        let formats = (opened.format, to);
        let mut intake = Intake::new(plan, passthrough, &opened.name, formats);
        intake.batch_size = opened.batch_size;
        intake.on_error = self.options.on_error;
        intake.record_bytes = self.options.record_bytes;
        let layout = match self.layout.take() {
            Some(layout) => {
                self.check_same_columns(&intake, &layout)?;
                layout
            }
            None => self.first_layout(&intake)?,
        };
        intake.passthrough.reserve(&layout);
        intake.label = self.label(&intake.plan);
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
            packing: self.options.packing,
            questions: self.questions.clone(),
        })
    }

    fn first_layout(&mut self, intake: &Intake) -> Result<Layout> {
        let group = match &self.ahead {
            Some(Cut::Block(block)) => intake.encode(block)?.groups.into_iter().next(),
            Some(Cut::Broken(_)) | None => None,
        };
        let wanted = &self.options.wanted;
        let mut layout = first::layout(self.model, &intake.plan, group.clone(), wanted)?;
        let kept = intake.plan.kept_names();
        layout.avoid(&kept);
        self.kept = kept.into_iter().map(str::to_owned).collect();
        self.questions.judge = self.judge(intake, group, &layout).map(Arc::new);
        let formats = (intake.from, intake.to);
        self.plan_text = explain::text(&intake.source, formats, &intake.plan, &layout);
        Ok(layout)
    }

    /// The column of the one true label, if there is one.
    fn label(&self, plan: &Plan) -> Option<usize> {
        match self.options.rules.label.as_slice() {
            [label] => Names::new(&plan.columns).find(label).ok().flatten(),
            _ => None,
        }
    }

    /// Who holds the predictions against the label. Where it is not clear what to hold against what,
    /// the predictions are none the worse for it, and there is a note.
    fn judge(&mut self, intake: &Intake, group: Option<Group>, layout: &Layout) -> Option<Judge> {
        let label = intake.plan.column(self.label(&intake.plan)?);
        if self.options.resume {
            let note = "note: a run that can be resumed has no metrics";
            self.notes.push(note.to_owned());
            return None;
        }
        let outputs = first::outputs(self.model, &intake.plan, group, layout)?;
        let classes = &self.options.wanted.classes;
        let names = classes.as_ref().or(self.model.signature().classes.as_ref());
        match Judge::new(layout, &outputs, label, names.map(Vec::as_slice)) {
            Ok(judge) => Some(judge),
            Err(error) => {
                self.notes.push(format!(
                    "note: no metrics: {}",
                    error.to_string().replace('\n', "; ")
                ));
                None
            }
        }
    }

    /// Further files must have the columns of the first one: their records go under one header.
    fn check_same_columns(&self, intake: &Intake, layout: &Layout) -> Result<()> {
        let kept = intake.plan.kept_names();
        let clash = layout
            .fields
            .iter()
            .find(|field| kept.contains(&field.name.as_str()));
        if matches!(intake.to, Format::Csv { .. }) && kept != self.kept || clash.is_some() {
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
