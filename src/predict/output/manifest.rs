//! `--manifest FILE`: an account of the run for machines, as JSON: what was scored, by what, how, and
//! with which outcome.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::model::Model;

use crate::predict::account::Account;
use crate::predict::evaluate::Metrics;
use crate::predict::input::{digest, source};
use crate::predict::options::Options;
use crate::predict::report::Profile;

/// All that the manifest tells of a run.
pub struct Manifest<'a> {
    pub model: &'a Model,
    pub options: &'a Options,
    pub inputs: &'a [PathBuf],
    /// The plan of the first source, as `--explain` prints it.
    pub plan: &'a str,
    pub account: &'a Account,
    pub profile: &'a Profile,
    pub metrics: Option<&'a Metrics>,
    pub seconds: f64,
    /// Records that an earlier run has scored: time, and missing values by column, are known of the
    /// others only.
    pub done_before: u64,
}

impl Manifest<'_> {
    /// The manifest as JSON; the keys stay as they are.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read once more for its digest.
    pub fn json(&self) -> Result<Value> {
        let Manifest {
            account, options, ..
        } = self;
        let rejects = account.rejects.by_code();
        let rejects: Map<String, Value> = rejects
            .map(|(code, count)| (code.to_owned(), Value::from(count)))
            .collect();
        let inputs = self.inputs.iter().map(|path| file(path));
        let arguments: Vec<String> = std::env::args_os()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        Ok(json!({
            "mlserve": env!("CARGO_PKG_VERSION"),
            "runtime": self.model.runtime_version(),
            "trees": trees(self.model),
            "hardware": {
                "jobs": options.jobs,
                "intra_op": self.model.runtime().intra_op(),
                "providers": self.model.runtime().providers().names(),
                "nodes": nodes(self.model),
            },
            "arguments": arguments,
            "model": file(&options.model)?,
            "inputs": inputs.collect::<Result<Vec<_>>>()?,
            "output": options.output.as_ref().map(|path| path.display().to_string()),
            "shard": options.shard.map(|shard| format!("{}/{}", shard.index, shard.count)),
            "plan": self.plan.lines().collect::<Vec<_>>(),
            "records": {
                "read": account.records,
                "scored": account.scored(),
                "rejected": account.rejects.total(),
                "written": options.on_error.written(account),
                "by_earlier_runs": self.done_before,
            },
            "rejects": rejects,
            "missing": self.missing(),
            "metrics": self.metrics.map(Metrics::json),
            "seconds": self.seconds,
            "records_per_second": (account.records - self.done_before.min(account.records)) as f64
                / self.seconds.max(1e-9),
            "peak_memory_bytes": peak_memory_bytes(),
        }))
    }

    /// Missing values, all together and, where one run has seen them all, by column; of a wide model
    /// its first columns only. Texts are never missing.
    fn missing(&self) -> Value {
        let columns = self
            .profile
            .inputs
            .iter()
            .filter(|input| input.missing > 0 && !input.is_text);
        let columns: Map<String, Value> = columns
            .map(|input| (input.name.clone(), Value::from(input.missing)))
            .collect();
        let columns = if self.done_before > 0 {
            Value::Null
        } else {
            columns.into()
        };
        json!({"values": self.account.missing.cells, "columns": columns})
    }
}

/// What evaluated the tree ensembles; null where there are none.
fn trees(model: &Model) -> Value {
    let evaluated = model.evaluated();
    if model.facts.trees.is_none() {
        return Value::Null;
    }
    json!({
        "kernel": evaluated.word(),
        "engine": evaluated.engine(),
        "reason": evaluated.reason(),
    })
}

/// How many nodes of the graph each provider has; null where the CPU has them all.
fn nodes(model: &Model) -> Value {
    if model.assigned().is_empty() {
        return Value::Null;
    }
    let nodes = model.assigned().iter();
    let nodes = nodes.map(|assigned| (assigned.provider.clone(), assigned.nodes.into()));
    Value::Object(nodes.collect())
}

/// Path, size and digest; only the name of what cannot be read a second time.
fn file(path: &Path) -> Result<Value> {
    let place = source::name(path);
    if source::is_stdin(path) {
        return Ok(json!({"path": place, "bytes": null, "sha256": null}));
    }
    let meta = path
        .metadata()
        .map_err(|source| Error::io(place.as_str(), &source))?;
    if !meta.is_file() {
        return Ok(json!({"path": place, "bytes": null, "sha256": null}));
    }
    Ok(json!({"path": place, "bytes": meta.len(), "sha256": digest::of_file(path)?}))
}

/// The most memory that the process has had, where the system tells.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
