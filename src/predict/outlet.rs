//! Where scored blocks end up, in input order: predictions are written, rejects told of, all of it
//! counted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Result;

use super::account::Account;
use super::insight::Insight;
use super::journal::{Checkpoint, Journal};
use super::options::Options;
use super::output::{Beginning, Written};
use super::progress::Progress;
use super::reject::Budget;
use super::route::Position;
use super::score::Scored;
use super::sink::Sink;

/// The end of the line.
pub struct Outlet {
    /// Where predictions go, until it is known what they look like.
    sink: Option<Sink>,
    predictions: Option<Written>,
    /// The folder of the output, for what cannot be written before all is known.
    folder: PathBuf,
    rejects: Option<Sink>,
    budget: Option<Budget>,
    account: Account,
    insight: Insight,
    saving: Option<Saving>,
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
        let rejects = options.rejects.as_deref();
        Ok(Outlet {
            sink: Some(Sink::open(options.output.as_deref())?),
            predictions: None,
            folder: folder(options),
            rejects: rejects.map(|path| Sink::open(Some(path))).transpose()?,
            budget: options.budget,
            account: Account::default(),
            insight: Insight::default(),
            saving: None,
        })
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
        let predictions = Sink::open_partial(output, kept(|earlier| earlier.output_bytes))?;
        let rejects = options
            .rejects
            .as_deref()
            .map(|path| Sink::open_partial(path, kept(|earlier| earlier.rejects_bytes)));
        Ok(Outlet {
            sink: Some(predictions),
            predictions: None,
            folder: folder(options),
            rejects: rejects.transpose()?,
            budget: options.budget,
            account: earlier.map_or_else(Account::default, |earlier| earlier.account.clone()),
            insight: Insight::default(),
            saving: Some(Saving {
                journal,
                every: options.checkpoint_every,
                last: Instant::now(),
            }),
        })
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
        self.insight.add(&scored.questions, scored.answers);
        let elapsed = progress.start().elapsed();
        self.insight.note_time(elapsed, self.account.records);
        if let Some(sink) = self.rejects.as_mut().filter(|_| !scored.rejects.is_empty()) {
            let mut lines = Vec::new();
            for reject in &scored.rejects {
                reject.write(&mut lines, &scored.source);
            }
            sink.write(&lines)?;
        }
        if let Some(budget) = self.budget {
            budget.check(self.account.rejects.total())?;
        }
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
        if let Some(rejects) = &mut self.rejects {
            rejects.sync()?;
        }
        let checkpoint = Checkpoint {
            position,
            output_bytes,
            rejects_bytes: self.rejects.as_ref().map_or(0, Sink::bytes),
            account: self.account.clone(),
            is_whole,
        };
        match &self.saving {
            Some(saving) => saving.journal.write(&checkpoint),
            None => Ok(()),
        }
    }

    /// Makes what was written final, the rejects also where `scored` is an error: they may be why.
    ///
    /// # Errors
    /// That of `scored`; as [`Sink::finish`]; too many rejects.
    pub fn finish(mut self, scored: Result<()>) -> Result<(Account, Insight)> {
        let is_resumable = self.saving.is_some();
        let scored = scored.and_then(|()| match self.budget {
            Some(budget) => budget.check_end(self.account.rejects.total(), self.account.records),
            None => Ok(()),
        });
        if scored.is_ok() && is_resumable {
            // Should the run end between two of the next steps, only they are left to do.
            let end = Position {
                source: usize::MAX,
                offset: 0,
                line: 0,
            };
            self.save(end, true)?;
        }
        // A run that can go on needs its rejects where they are.
        let goes_on = is_resumable && matches!(scored, Err(ref error) if error.exit_code() != 1);
        if let Some(rejects) = self.rejects.filter(|_| !goes_on) {
            rejects.finish()?;
        }
        scored?;
        match (self.predictions, self.sink) {
            (Some(predictions), _) => predictions.finish()?,
            (None, Some(sink)) => sink.finish()?,
            (None, None) => {}
        }
        if let Some(saving) = self.saving {
            saving.journal.remove()?;
        }
        Ok((self.account, self.insight))
    }
}

fn folder(options: &Options) -> PathBuf {
    let folder = options.output.as_deref().and_then(Path::parent);
    match folder.filter(|folder| folder.is_dir()) {
        Some(folder) => folder.to_owned(),
        None => std::env::temp_dir(),
    }
}
