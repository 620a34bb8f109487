//! What is said and written once all is scored: the closing lines, the metrics, the report, the
//! manifest.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::model::Model;

use super::account::Account;
use super::insight::Insight;
use super::manifest::{Manifest, peak_memory_bytes};
use super::options::Options;
use super::progress::Progress;
use super::report::{self, Report};
use super::sink::Sink;

/// A run that has ended well.
pub struct Closing<'a> {
    pub model: &'a Model,
    pub options: &'a Options,
    pub inputs: &'a [PathBuf],
    /// The plan of the first source, as `--explain` prints it.
    pub plan: &'a str,
    pub account: &'a Account,
}

impl Closing<'_> {
    /// Says and writes all of it.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where the report or the manifest cannot be written.
    pub fn tell(&self, mut insight: Insight, progress: &Progress) -> Result<()> {
        let seconds = progress.start().elapsed().as_secs_f64();
        let metrics = insight.metrics();
        if let Some(path) = &self.options.report {
            let report = Report {
                model: &file_name(&self.options.model),
                inputs: &self.names(),
                rows: self.account.scored(),
                rejected: self.account.rejects.total(),
                missing: self.account.missing.cells,
                seconds,
                peak_memory_bytes: peak_memory_bytes(),
                profile: Some(&insight.profile),
                metrics: metrics.as_ref(),
                rejects: self
                    .account
                    .rejects
                    .by_code()
                    .map(|(code, count)| (code.to_owned(), count))
                    .collect(),
                throughput: std::mem::take(&mut insight.throughput),
                facts: self.facts(),
            };
            write(path, report::html(&report).as_bytes())?;
        }
        if let Some(path) = &self.options.manifest {
            let manifest = Manifest {
                model: self.model,
                options: self.options,
                inputs: self.inputs,
                plan: self.plan,
                account: self.account,
                profile: &insight.profile,
                metrics: metrics.as_ref(),
                seconds,
            };
            let text = format!("{:#}\n", manifest.json()?);
            write(path, text.as_bytes())?;
        }
        self.warn_of_missing(progress);
        if let Some(metrics) = &metrics {
            progress.say(&metrics.text());
        }
        progress.close(self.account, self.options);
        Ok(())
    }

    /// Some models give an answer for a missing value that means nothing; the user must know.
    fn warn_of_missing(&self, progress: &Progress) {
        if let (Some(risk), nan @ 1..) = (self.model.facts.nan_risk, self.account.missing.nan) {
            let values = if nan == 1 { "value" } else { "values" };
            progress.note(&format!("warning: {nan} missing {values}: {risk}"));
        }
    }

    fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| match path.as_os_str().to_str() {
            Some("-") => "stdin".to_owned(),
            _ => path.display().to_string(),
        };
        self.inputs.iter().map(name).collect()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let runtime = self.model.runtime_version();
        vec![
            ("mlserve".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("ONNX Runtime".to_owned(), runtime.to_owned()),
        ]
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &[u8]) -> Result<()> {
    let mut sink = Sink::open(Some(path))?;
    sink.write(text)?;
    sink.finish()
}
