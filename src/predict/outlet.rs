//! Where scored blocks end up, in input order: predictions are written, rejects told of, all of it
//! counted.

use crate::error::Result;

use super::account::Account;
use super::options::Options;
use super::progress::Progress;
use super::reject::Budget;
use super::score::Scored;
use super::sink::Sink;

/// The end of the line.
pub struct Outlet {
    predictions: Sink,
    rejects: Option<Sink>,
    budget: Option<Budget>,
    pub account: Account,
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
            rejects: rejects.map(|path| Sink::open(Some(path))).transpose()?,
            budget: options.budget,
            account: Account::default(),
        })
    }

    /// Writes what stands before all predictions.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn write_header(&mut self, header: &[u8]) -> Result<()> {
        self.predictions.write(header)
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// As [`Sink::write`], and where there are too many rejects.
    pub fn take(&mut self, scored: &Scored, progress: &Progress) -> Result<()> {
        self.account.add(scored);
        progress.advance(&self.account, scored.bytes);
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
        self.predictions.write(&scored.output)
    }

    /// Makes what was written final, the rejects also where `scored` is an error: they may be why.
    ///
    /// # Errors
    /// That of `scored`; as [`Sink::finish`]; too many rejects.
    pub fn finish(self, scored: Result<()>) -> Result<Account> {
        if let Some(rejects) = self.rejects {
            rejects.finish()?;
        }
        scored?;
        if let Some(budget) = self.budget {
            budget.check_end(self.account.rejects.total(), self.account.records)?;
        }
        self.predictions.finish()?;
        Ok(self.account)
    }
}
