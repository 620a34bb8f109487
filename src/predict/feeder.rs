//! Goes through the sources: opens one after the other, decides with the first what the output looks
//! like, and hands out their blocks.

use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::columns::{Layout, Renamed};
use crate::batch::names::listed;
use crate::batch::write::{CsvStyle, csv_cell};
use crate::error::{Error, Result};
use crate::model::Model;

use super::cut::Cut;
use super::first;
use super::format::Format;
use super::intake::Intake;
use super::opened::Opened;
use super::options::Options;
use super::outlet::Outlet;
use super::passthrough::Passthrough;
use super::progress::Progress;
use super::score::Scorer;

/// Goes through the sources and hands out blocks with the scorer of their source.
pub struct Feeder<'m> {
    model: &'m Model,
    options: &'m Options,
    paths: std::vec::IntoIter<PathBuf>,
    current: Option<(Arc<Scorer<'m>>, Opened)>,
    /// The next records, where they were read ahead.
    ahead: Option<Cut>,
    /// Records that --limit still allows.
    left: Option<u64>,
    /// Decided by the first source, kept by all.
    layout: Option<Layout>,
    kept: Vec<String>,
    to: Option<Format>,
}

impl<'m> Feeder<'m> {
    /// Nothing is opened before [`Feeder::start`].
    pub fn new(model: &'m Model, options: &'m Options, paths: Vec<PathBuf>) -> Self {
        Feeder {
            model,
            options,
            paths: paths.into_iter(),
            current: None,
            ahead: None,
            left: options.limit,
            layout: None,
            kept: Vec::new(),
            to: None,
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
        match self.to {
            Some(Format::Csv { delimiter }) if !self.options.input_format.no_header => {
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
    pub fn next_task(&mut self) -> Result<Option<(Arc<Scorer<'m>>, Cut)>> {
        loop {
            let Some((scorer, opened)) = &mut self.current else {
                return Ok(None);
            };
            let cut = match self.ahead.take() {
                Some(cut) => Some(cut),
                None => opened.next(self.left)?,
            };
            match cut {
                Some(cut) => {
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(cut.records().unwrap_or(0));
                    }
                    return Ok(Some((Arc::clone(scorer), cut)));
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
                self.ahead = opened.next(self.left)?;
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
        })
    }

    fn first_layout(&mut self, intake: &Intake) -> Result<Layout> {
        let group = match &self.ahead {
            Some(Cut::Block(block)) => intake.encode(block)?.groups.into_iter().next(),
            Some(Cut::Broken(_)) | None => None,
        };
        let mut layout = first::layout(self.model, &intake.plan, group, &self.options.wanted)?;
        let kept = intake.plan.kept_names();
        layout.avoid(&kept);
        self.kept = kept.into_iter().map(str::to_owned).collect();
        Ok(layout)
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
