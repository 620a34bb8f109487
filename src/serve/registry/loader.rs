//! Loads one version: the file as it is now, its hash, what breaks for callers, a warm-up.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::compatible::compatible;
use crate::serve::call::Call;
use crate::serve::hosted::{Hosted, Hosting};
use crate::serve::problem::Problem;
use crate::serve::records::{self, Ask, Place, Shape};

use super::source::Stamp;

/// One version that is to be loaded.
#[derive(Debug, Clone)]
pub struct Job {
    pub name: String,
    pub version: String,
    pub file: std::result::Result<PathBuf, String>,
    pub stamp: Stamp,
}

/// A version that was loaded and has answered.
pub struct Loaded {
    pub hosted: Arc<Hosted>,
    /// Of the model's file, in hexadecimal digits.
    pub sha256: String,
    /// What callers of `before` have to know.
    pub breaks: Vec<String>,
}

/// Bytes of samples that are read.
const MOST_SAMPLES: u64 = 16 << 20;
/// Bytes that are hashed at once.
const PIECE: usize = 256 << 10;

/// Loads the version of `job`. `before` is the version that callers are used to; with `refuse_breaks`
/// what would not work for them any more is an error.
///
/// # Errors
/// As [`Hosted::load`]; [`Error::Model`] for a version without a file, for one whose warm-up fails, and
/// for a fault of ours, so that no model can end the server; [`Error::Io`].
pub fn load(
    job: &Job,
    hosting: &Hosting,
    before: Option<&Hosted>,
    refuse_breaks: bool,
) -> Result<Loaded> {
    let what = || format!("{} version {}", job.name, job.version);
    let path = match &job.file {
        Ok(path) => path,
        Err(why) => return Err(Error::model(what(), why.clone())),
    };
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        thread::scope(|scope| {
            let hash = scope.spawn(|| hash(path));
            let hosted = Hosted::load(path, &job.name, &job.version, hosting)?;
            let hash = hash.join().map_err(|_| panicked(path))?;
            let sha256 = hash.map_err(|source| Error::io(path.display().to_string(), &source))?;
            warm_up(&hosted, path)?;
            Ok((hosted, sha256))
        })
    }));
    let (hosted, sha256) = loaded.unwrap_or_else(|_| Err(panicked(path)))?;
    let breaks = before.map_or_else(Vec::new, |before| breaks(before, &hosted));
    if let Some(first) = breaks.first().filter(|_| refuse_breaks) {
        return Err(Error::model(
            what(),
            format!(
                "callers of version {} would break: {first}",
                version(before)
            ),
        )
        .hint("without --refuse-breaks it is served all the same"));
    }
    Ok(Loaded {
        hosted: Arc::new(hosted),
        sha256,
        breaks,
    })
}

fn version(before: Option<&Hosted>) -> &str {
    before.map_or("", |before| &before.version)
}

fn panicked(path: &Path) -> Error {
    Error::model(
        path.display().to_string(),
        "loading it failed inside mlserve",
    )
}

/// The SHA-256 of a file.
fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hash.update(piece.get(..count).unwrap_or_default());
    }
    let digits = hash.finalize();
    Ok(digits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What would not work any more for who is used to `before`.
fn breaks(before: &Hosted, after: &Hosted) -> Vec<String> {
    let [before, after] = [before, after].map(|hosted| hosted.model.signature());
    let breaks = compatible(before, after);
    breaks.iter().map(ToString::to_string).collect()
}

/// Scores the samples beside the model, if there are any. The zeros that it was laid out with have
/// already gone through it.
fn warm_up(hosted: &Hosted, path: &Path) -> Result<()> {
    let Some(samples) = samples(path) else {
        return Ok(());
    };
    let cannot_read = |source: io::Error| Error::io(samples.display().to_string(), &source);
    let mut text = String::new();
    let file = File::open(&samples).map_err(cannot_read)?;
    let mut file = file.take(MOST_SAMPLES);
    file.read_to_string(&mut text).map_err(cannot_read)?;
    let ask = Ask::of(hosted);
    let place = Place {
        shape: Shape::Lines,
        first: 1,
        ..Place::below(&[])
    };
    let mut call = Call::new(None);
    let scored = records::json::encode(hosted, &text, &ask, &place)
        .and_then(|encoded| records::score(hosted, &mut call, encoded, &ask, &place));
    let wrong = |problem: Problem| {
        let message = match &problem {
            Problem::Failed(error) => error.to_string(),
            problem => problem.message(),
        };
        Error::model(
            samples.display().to_string(),
            format!("the warm-up fails: {message}"),
        )
        .hint("the file holds one record a line that the model must be able to score")
    };
    scored.map(|_| ()).map_err(wrong)
}

/// `iris.warmup.jsonl` beside `iris.onnx`, or `warmup.jsonl` in a folder that is of one version.
fn samples(path: &Path) -> Option<PathBuf> {
    let own = path.with_extension("warmup.jsonl");
    let of_folder = path.with_file_name("warmup.jsonl");
    let folder = path.parent().and_then(Path::file_name);
    let folder = folder.and_then(|name| name.to_str()).unwrap_or_default();
    let is_alone = path.file_stem().is_some_and(|stem| stem == "model")
        || super::version::number(folder).is_some();
    match own.is_file() {
        true => Some(own),
        false => (is_alone && of_folder.is_file()).then_some(of_folder),
    }
}
