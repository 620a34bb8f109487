//! Where scored blocks end up, in input order: predictions are written, rejects told of, all of it
//! counted.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};

use super::account::Account;
use super::options::Options;
use super::packing::Packing;
use super::progress::Progress;
use super::reject::Budget;
use super::score::Scored;
use super::sink::Sink;

/// The end of the line.
pub struct Outlet {
    predictions: Sink,
    packing: Packing,
    /// Whether nothing has been written to `predictions` so far.
    is_empty: bool,
    rejects: Option<Rejects>,
    budget: Option<Budget>,
    pub account: Account,
}

/// Where rejects are told of.
struct Rejects {
    sink: Sink,
    name: String,
    packing: Packing,
    is_empty: bool,
}

impl Outlet {
    /// Opens the outputs.
    ///
    /// # Errors
    /// As [`Sink::open`].
    pub fn open(options: &Options) -> Result<Outlet> {
        let rejects = options.rejects.as_deref();
        Ok(Outlet {
            predictions: Sink::open(options.output.as_deref())?,
            packing: options.packing,
            is_empty: true,
            rejects: rejects.map(Rejects::open).transpose()?,
            budget: options.budget,
            account: Account::default(),
        })
    }

    /// Writes what stands before all predictions.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn write_header(&mut self, header: &[u8]) -> Result<()> {
        self.write(header)
    }

    fn write(&mut self, packed: &[u8]) -> Result<()> {
        self.is_empty &= packed.is_empty();
        self.predictions.write(packed)
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// As [`Sink::write`], and where there are too many rejects.
    pub fn take(&mut self, scored: &Scored, progress: &Progress) -> Result<()> {
        self.account.add(scored);
        progress.advance(&self.account, scored.bytes);
        if let Some(rejects) = &mut self.rejects {
            rejects.write(scored)?;
        }
        if let Some(budget) = self.budget {
            let checked = budget.check(self.account.rejects.total());
            checked.map_err(|error| told(error, self.rejects.as_ref()))?;
        }
        self.write(&scored.output)
    }

    /// Makes what was written final; where `scored` is an error of the data, the rejects alone: they
    /// may be why.
    ///
    /// # Errors
    /// That of `scored`; as [`Sink::finish`]; too many rejects.
    pub fn finish(mut self, scored: Result<()>) -> Result<Account> {
        let scored = scored.and_then(|()| match self.budget {
            Some(budget) => budget
                .check_end(self.account.rejects.total(), self.account.records)
                .map_err(|error| told(error, self.rejects.as_ref())),
            None => Ok(()),
        });
        if let Some(rejects) = self.rejects {
            match scored {
                Ok(()) => rejects.finish()?,
                Err(Error::Data(_) | Error::ClosedPipe) if !rejects.is_empty => rejects.finish()?,
                Err(_) => {}
            }
        }
        scored?;
        if self.is_empty {
            self.predictions.write(&nothing(self.packing)?)?;
        }
        self.predictions.finish()?;
        Ok(self.account)
    }
}

impl Rejects {
    fn open(path: &Path) -> Result<Rejects> {
        Ok(Rejects {
            sink: Sink::open(Some(path))?,
            name: path.display().to_string(),
            packing: Packing::of_path(path),
            is_empty: true,
        })
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
        self.is_empty = false;
        self.sink.write(&packed)
    }

    fn finish(mut self) -> Result<()> {
        if self.is_empty {
            self.sink.write(&nothing(self.packing)?)?;
        }
        self.sink.finish()
    }
}

/// An error about rejects, with where they are told of.
fn told(error: Error, rejects: Option<&Rejects>) -> Error {
    match rejects {
        Some(rejects) => error.hint(format!("{} tells which, and why", rejects.name)),
        None => error,
    }
}

/// What a file without lines holds.
fn nothing(packing: Packing) -> Result<Vec<u8>> {
    packing.nothing().map_err(unpackable)
}

fn unpackable(source: io::Error) -> Error {
    Error::io("the output's compression", &source)
}
