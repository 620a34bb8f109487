//! Where scored blocks end up, in input order: predictions are written, rejects told of, all of it
//! counted, and, where the run can be resumed, kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

use crate::predict::account::Account;
use crate::predict::input::route::Position;
use crate::predict::options::Options;
use crate::predict::output::journal::{Checkpoint, Journal, partial};
use crate::predict::output::progress::Progress;
use crate::predict::output::sink::Sink;
use crate::predict::output::written::{Beginning, Written};
use crate::predict::score::insight::Insight;
use crate::predict::score::reject::Budget;
use crate::predict::score::scorer::Scored;
use crate::predict::text::packing::Packing;

/// The end of the line.
pub struct Outlet {
    /// Where predictions go, until it is known what they look like.
    sink: Option<Sink>,
    predictions: Option<Written>,
    packing: Packing,
    is_table: bool,
    /// The folder of the output, for what cannot be written before all is known.
    folder: PathBuf,
    rejects: Option<Rejects>,
    budget: Option<Budget>,
    account: Account,
    insight: Insight,
    saving: Option<Saving>,
}

/// Where rejects are told of.
struct Rejects {
    sink: Sink,
    name: String,
    packing: Packing,
}

/// How a resumable run keeps what it has done.
struct Saving {
    journal: Journal,
    every: Duration,
    last: Instant,
}

impl Outlet {
    /// Opens the outputs.
    ///
    /// # Errors
    /// As [`Sink::open`].
    pub fn open(options: &Options) -> Result<Outlet> {
        let sink = Sink::open(options.output.as_deref())?;
        let rejects = options.rejects.as_deref().map(|path| {
            let sink = Sink::open(Some(path))?;
            Ok(Rejects::new(sink, (path, Packing::of_path(path))))
        });
        Ok(Outlet::new(options, sink, rejects.transpose()?))
    }

    /// Opens the outputs of a run that can be resumed, behind what `earlier` has left of them.
    ///
    /// # Errors
    /// As [`Sink::open_partial`].
    pub fn open_resumable(
        options: &Options,
        journal: Journal,
        earlier: Option<&Checkpoint>,
    ) -> Result<Outlet> {
        let output = options.output.as_deref().unwrap_or(Path::new("-"));
        let kept = |bytes: fn(&Checkpoint) -> u64| earlier.map_or(0, bytes);
        let sink = Sink::open_partial(output, kept(|earlier| earlier.output_bytes))?;
        let rejects = options.rejects.as_deref().map(|path| {
            let sink = Sink::open_partial(path, kept(|earlier| earlier.rejects_bytes))?;
            Ok(Rejects::new(sink, (&partial(path), Packing::of_path(path))))
        });
        let rejects = rejects.transpose()?;
        if earlier.is_none() {
            // From here on the outputs belong to this run, and not to an older one that is finished.
            journal.write(&Checkpoint::nothing())?;
        }
        Ok(Outlet {
            account: earlier.map_or_else(Account::default, |earlier| earlier.account.clone()),
            saving: Some(Saving {
                journal,
                every: options.checkpoint_every,
                last: Instant::now(),
            }),
            ..Outlet::new(options, sink, rejects)
        })
    }

    fn new(options: &Options, sink: Sink, rejects: Option<Rejects>) -> Outlet {
        Outlet {
            sink: Some(sink),
            predictions: None,
            packing: options.packing,
            is_table: options.is_table(),
            folder: folder(options),
            rejects,
            budget: options.budget,
            account: Account::default(),
            insight: Insight::default(),
            saving: None,
        }
    }

    /// Begins the output, once it is known what predictions look like.
    ///
    /// # Errors
    /// As [`Written::begin`].
    pub fn begin(&mut self, beginning: Beginning) -> Result<()> {
        if let Some(sink) = self.sink.take() {
            self.predictions = Some(Written::begin(sink, beginning, &self.folder)?);
        }
        Ok(())
    }

    /// Takes the next block, behind which the input goes on at `after`.
    ///
    /// # Errors
    /// As [`Sink::write`], and where there are too many rejects.
    pub fn take(&mut self, scored: Scored, after: Position, progress: &Progress) -> Result<()> {
        self.account.add(&scored);
        progress.advance(&self.account, scored.bytes);
        if let Some(rejects) = &mut self.rejects {
            rejects.write(&scored)?;
        }
        if let Some(budget) = self.budget {
            let checked = budget.check(self.account.rejects.total());
            checked.map_err(|error| told(error, self.rejects.as_ref()))?;
        }
        self.insight.add(&scored.questions, scored.answers);
        let elapsed = progress.start().elapsed();
        self.insight.note_time(elapsed, self.account.records);
        if let Some(predictions) = &mut self.predictions {
            predictions.take(scored.output)?;
        }
        match &mut self.saving {
            Some(saving) if saving.last.elapsed() >= saving.every => {
                saving.last = Instant::now();
                self.save(after, false)
            }
            _ => Ok(()),
        }
    }

    /// Brings all that was written to the disk, and then the word that it counts.
    fn save(&mut self, position: Position, is_whole: bool) -> Result<()> {
        let mut output_bytes = 0;
        if let Some(sink) = self.predictions.as_mut().and_then(Written::sink) {
            sink.sync()?;
            output_bytes = sink.bytes();
        }
        let mut rejects_bytes = 0;
        if let Some(rejects) = &mut self.rejects {
            rejects.sink.sync()?;
            rejects_bytes = rejects.sink.bytes();
        }
        let checkpoint = Checkpoint {
            position,
            output_bytes,
            rejects_bytes,
            account: self.account.clone(),
            is_whole,
        };
        match &self.saving {
            Some(saving) => saving.journal.write(&checkpoint),
            None => Ok(()),
        }
    }

    /// Ends the run, but leaves the predictions their temporary name. Where `scored` is an error of
    /// the data, the rejects alone are made final: they may be why. A run that can go on needs them
    /// where they are.
    ///
    /// # Errors
    /// That of `scored`; as [`Sink::write`]; too many rejects.
    pub fn end(&mut self, scored: Result<()>) -> Result<(Account, Insight)> {
        let scored = scored.and_then(|()| match self.budget {
            Some(budget) => budget
                .check_end(self.account.rejects.total(), self.account.records)
                .map_err(|error| told(error, self.rejects.as_ref())),
            None => Ok(()),
        });
        if matches!(scored, Err(Error::Data(_) | Error::ClosedPipe)) && self.saving.is_none() {
            let told = self
                .rejects
                .take()
                .filter(|rejects| rejects.sink.bytes() > 0);
            told.map_or(Ok(()), |rejects| rejects.sink.finish())?;
        }
        scored?;
        self.fill_empty()?;
        if self.predictions.is_none() && self.is_table {
            return Err(
                Error::data("", "no records: nobody knows the columns of the table")
                    .hint("JSONL without a record names no columns; --to jsonl needs none"),
            );
        }
        let insight = std::mem::take(&mut self.insight);
        Ok((self.account.clone(), insight))
    }

    /// Makes what was written final.
    ///
    /// # Errors
    /// As [`Sink::finish`].
    pub fn finish(mut self) -> Result<()> {
        if self.saving.is_some() {
            // Should the run end between two of the next steps, only they are left to do.
            let end = Position {
                source: usize::MAX,
                offset: 0,
                line: 0,
            };
            self.save(end, true)?;
        }
        if let Some(rejects) = self.rejects {
            rejects.sink.finish()?;
        }
        match (self.predictions, self.sink) {
            (Some(predictions), _) => predictions.finish()?,
            (None, Some(sink)) => sink.finish()?,
            (None, None) => {}
        }
        match self.saving {
            Some(saving) => saving.journal.remove(),
            None => Ok(()),
        }
    }

    /// A compressed file of nothing is not an empty file.
    fn fill_empty(&mut self) -> Result<()> {
        let predictions = match &mut self.predictions {
            Some(predictions) => predictions.sink(),
            None => self.sink.as_mut(),
        };
        let rejects = self
            .rejects
            .as_mut()
            .map(|rejects| (&mut rejects.sink, rejects.packing));
        let outputs = predictions
            .map(|sink| (sink, self.packing))
            .into_iter()
            .chain(rejects);
        for (sink, packing) in outputs.filter(|(sink, _)| sink.bytes() == 0) {
            sink.write(&packing.nothing().map_err(unpackable)?)?;
        }
        Ok(())
    }
}

impl Rejects {
    fn new(sink: Sink, (path, packing): (&Path, Packing)) -> Rejects {
        Rejects {
            sink,
            name: path.display().to_string(),
            packing,
        }
    }

    fn write(&mut self, scored: &Scored) -> Result<()> {
        if scored.rejects.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for reject in &scored.rejects {
            reject.write(&mut lines, &scored.source);
        }
        let packed = self.packing.pack(lines).map_err(unpackable)?;
        self.sink.write(&packed)
    }
}

/// An error about rejects, with where they are told of.
fn told(error: Error, rejects: Option<&Rejects>) -> Error {
    match rejects {
        Some(rejects) => error.hint(format!("{} tells which, and why", rejects.name)),
        None => error,
    }
}

fn unpackable(source: io::Error) -> Error {
    Error::io("the output's compression", &source)
}

fn folder(options: &Options) -> PathBuf {
    let folder = options.output.as_deref().and_then(Path::parent);
    match folder.filter(|folder| folder.is_dir()) {
        Some(folder) => folder.to_owned(),
        None => std::env::temp_dir(),
    }
}
