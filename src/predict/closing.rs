//! What is said and written once all is scored: the closing lines, the metrics, the report, the
//! profile, the manifest.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::model::Model;

use crate::predict::account::Account;
use crate::predict::evaluate::Metrics;
use crate::predict::input::source;
use crate::predict::options::Options;
use crate::predict::output::manifest::{Manifest, peak_memory_bytes};
use crate::predict::output::progress::Progress;
use crate::predict::output::sink::Sink;
use crate::predict::report::{self, Report};
use crate::predict::score::insight::Insight;
use crate::profile::json;
use crate::profile::summary::Profile;

/// A run that has ended well.
pub struct Closing<'a> {
    pub model: &'a Model,
    pub options: &'a Options,
    pub inputs: &'a [PathBuf],
    /// The plan of the first source, as `--explain` prints it.
    pub plan: &'a str,
    pub account: &'a Account,
    /// Records that an earlier run has scored.
    pub done_before: u64,
}

/// Where report, profile and manifest go. Opened before the first record is scored, so that a place that
/// cannot be written is found then.
pub struct Papers {
    report: Option<Sink>,
    profile: Option<Sink>,
    manifest: Option<Sink>,
}

impl Papers {
    /// Opens them, where they are asked for.
    ///
    /// # Errors
    /// As [`Sink::open`].
    pub fn open(options: &Options) -> Result<Papers> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(|path| Sink::open(Some(path)));
        Ok(Papers {
            report: open(&options.report).transpose()?,
            profile: open(&options.profile).transpose()?,
            manifest: open(&options.manifest).transpose()?,
        })
    }
}

impl Closing<'_> {
    /// Writes report, profile and manifest; returns the metrics, where there are some.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where one cannot be written.
    pub fn write(
        &self,
        papers: Papers,
        mut insight: Insight,
        progress: &Progress,
    ) -> Result<Option<Metrics>> {
        let seconds = progress.start().elapsed().as_secs_f64();
        let metrics = insight.metrics();
        if let Some(mut sink) = papers.report {
            sink.write(
                self.report(&mut insight, metrics.as_ref(), seconds)
                    .as_bytes(),
            )?;
            sink.finish()?;
        }
        if let Some(mut sink) = papers.profile {
            let profile = json::write(&self.profile(&insight, progress));
            sink.write(format!("{profile:#}\n").as_bytes())?;
            sink.finish()?;
        }
        if let Some(mut sink) = papers.manifest {
            let manifest = Manifest {
                model: self.model,
                options: self.options,
                inputs: self.inputs,
                plan: self.plan,
                account: self.account,
                profile: &insight.profile,
                metrics: metrics.as_ref(),
                seconds,
                done_before: self.done_before,
            };
            sink.write(format!("{:#}\n", manifest.json()?).as_bytes())?;
            sink.finish()?;
        }
        Ok(metrics)
    }

    fn report(&self, insight: &mut Insight, metrics: Option<&Metrics>, seconds: f64) -> String {
        let rejects = self.account.rejects.by_code();
        let names: Vec<String> = self.inputs.iter().map(|path| source::name(path)).collect();
        report::html(&Report {
            model: &file_name(&self.options.model),
            inputs: &names,
            rows: self.account.scored(),
            rejected: self.account.rejects.total(),
            missing: self.account.missing.cells,
            seconds,
            peak_memory_bytes: peak_memory_bytes(),
            profile: Some(&insight.profile),
            metrics,
            rejects: rejects
                .map(|(code, count)| (code.to_owned(), count))
                .collect(),
            throughput: std::mem::take(&mut insight.throughput),
            facts: self.facts(),
        })
    }

    /// The profile of what was gathered.
    fn profile(&self, insight: &Insight, progress: &Progress) -> Profile {
        let model = file_name(&self.options.model);
        let Some((gather, gathering)) = &insight.gathered else {
            return Profile {
                model,
                ..Profile::default()
            };
        };
        if gathering.unlike > 0 {
            progress.note(&format!(
                "note: --profile leaves out {} records, whose columns are not those of the first source",
                gathering.unlike
            ));
        }
        Profile::new(&model, gather, gathering)
    }

    /// Says how it went.
    pub fn say(&self, metrics: Option<&Metrics>, progress: &Progress) {
        self.warn_of_missing(progress);
        if let Some(metrics) = metrics {
            progress.say(&metrics.text());
        }
        progress.close(self.account, self.options);
    }

    /// Some models give an answer for a missing value that means nothing; the user must know.
    fn warn_of_missing(&self, progress: &Progress) {
        if let (Some(risk), nan @ 1..) = (self.model.facts.nan_risk, self.account.missing.nan) {
            let values = if nan == 1 { "value" } else { "values" };
            progress.note(&format!("warning: {nan} missing {values}: {risk}"));
        }
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
