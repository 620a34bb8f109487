//! How far a resumable run has come, on disk beside its unfinished output.
//!
//! `OUT.partial` holds the predictions so far, `OUT.partial.json` says how many of its bytes count and
//! where in the input they end. The journal is replaced as a whole after those bytes are on the disk,
//! so that it is true after a crash at any moment.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

use crate::predict::account::Account;
use crate::predict::input::route::Position;

/// What must be the same for a run to go on where another stopped, as JSON: whatever decides the
/// bytes of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(Value);

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the next block starts.
    pub position: Position,
    /// Bytes of the outputs that count.
    pub output_bytes: u64,
    pub rejects_bytes: u64,
    pub account: Account,
    /// Whether all is written, and only the files have to get their names.
    pub is_whole: bool,
}

/// The journal of one output.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    identity: Identity,
}

impl Checkpoint {
    /// Of a run that has done nothing yet.
    pub fn nothing() -> Checkpoint {
        Checkpoint {
            position: Position {
                source: 0,
                offset: 0,
                line: 1,
            },
            output_bytes: 0,
            rejects_bytes: 0,
            account: Account::default(),
            is_whole: false,
        }
    }
}

/// `OUT.partial`, where the predictions are until they are whole.
pub fn partial(output: &Path) -> PathBuf {
    with_suffix(output, ".partial")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Identity {
    /// Of a model, by its digest, of the options, as text, and of inputs as they are now.
    ///
    /// # Errors
    /// [`Error::Usage`] for an input that cannot be read twice; [`Error::Io`] for one that is not
    /// there.
    pub fn new(model: &str, options: &str, inputs: &[PathBuf]) -> Result<Identity> {
        let inputs = inputs
            .iter()
            .map(|path| input(path))
            .collect::<Result<Vec<_>>>()?;
        Ok(Identity(json!({
            "mlserve": env!("CARGO_PKG_VERSION"),
            "model": model,
            "options": options,
            "inputs": inputs,
        })))
    }

    /// What is not the same in `earlier`, in words.
    fn difference(&self, earlier: &Value) -> Option<String> {
        let said = |key: &str| (self.0.get(key), earlier.get(key));
        if let (Some(now), Some(then)) = said("mlserve")
            && now != then
        {
            return Some(format!("it was started by mlserve {}", plain(then)));
        }
        for (key, what) in [
            ("model", "the model is another one"),
            ("options", "the command line is another one"),
        ] {
            let (now, then) = said(key);
            if now != then {
                return Some(what.to_owned());
            }
        }
        let list =
            |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let (now, then) = said("inputs");
        let (now, then) = (list(now), list(then));
        let changed = now.iter().zip(&then).find(|(now, then)| now != then);
        match changed {
            Some((now, then)) if now.get("path") == then.get("path") => {
                let path = now.get("path").map(plain).unwrap_or_default();
                Some(format!("the input {path} has changed"))
            }
            Some(_) => Some("the inputs are other ones".to_owned()),
            None if now.len() != then.len() => Some("the inputs are other ones".to_owned()),
            None => None,
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn input(path: &Path) -> Result<Value> {
    let place = path.display().to_string();
    if path.as_os_str() == "-" {
        return Err(
            Error::usage("--resume: standard input cannot be read a second time")
                .hint("save it to a file first"),
        );
    }
    let meta = fs::metadata(path).map_err(|source| Error::io(place.as_str(), &source))?;
    if !meta.is_file() {
        return Err(
            Error::usage(format!("--resume: {place} cannot be read a second time"))
                .hint("save it to a file first"),
        );
    }
    let since = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = since.map(|since| format!("{}.{:09}", since.as_secs(), since.subsec_nanos()));
    Ok(json!({"path": place, "bytes": meta.len(), "modified": modified}))
}

impl Journal {
    /// The journal of the run that writes `output`.
    pub fn new(output: &Path, identity: Identity) -> Journal {
        Journal {
            path: with_suffix(output, ".partial.json"),
            identity,
        }
    }

    /// Where an earlier run stopped; `None` where there was none.
    ///
    /// # Errors
    /// [`Error::Usage`] where it was another run, [`Error::Io`] where it cannot be read.
    pub fn read(&self) -> Result<Option<Checkpoint>> {
        let place = self.path.display().to_string();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(place, &error)),
        };
        let refused = |reason: &str| {
            Error::usage(format!("--resume: cannot go on from {place}: {reason}"))
                .hint("--force starts anew")
        };
        let value: Value =
            serde_json::from_slice(&text).map_err(|_| refused("it is no journal"))?;
        let earlier = value
            .get("identity")
            .ok_or_else(|| refused("it is no journal"))?;
        if let Some(difference) = self.identity.difference(earlier) {
            return Err(refused(&difference));
        }
        let checkpoint = value.get("checkpoint").and_then(Checkpoint::of);
        checkpoint
            .map(Some)
            .ok_or_else(|| refused("it is no journal"))
    }

    /// Writes how far the run has come, in one step.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<()> {
        let text =
            json!({"identity": self.identity.0, "checkpoint": checkpoint.value()}).to_string();
        let next = with_suffix(&self.path, ".new");
        let replace = || {
            let mut file = File::create(&next)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, &self.path)
        };
        replace().map_err(|source| Error::io(self.path.display().to_string(), &source))
    }

    /// Takes the journal away: the run is finished, or starts anew.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(self.path.display().to_string(), &error))
            }
            _ => Ok(()),
        }
    }
}

impl Checkpoint {
    fn value(&self) -> Value {
        let rejects = self.account.rejects.by_code();
        let rejects: Map<String, Value> = rejects
            .map(|(code, count)| (code.to_owned(), Value::from(count)))
            .collect();
        json!({
            "source": self.position.source,
            "offset": self.position.offset,
            "line": self.position.line,
            "output_bytes": self.output_bytes,
            "rejects_bytes": self.rejects_bytes,
            "records": self.account.records,
            "bytes": self.account.bytes,
            "missing": self.account.missing.cells,
            "nan": self.account.missing.nan,
            "rejects": rejects,
            "is_whole": self.is_whole,
        })
    }

    fn of(value: &Value) -> Option<Checkpoint> {
        let number = |key: &str| value.get(key)?.as_u64();
        let mut account = Account {
            records: number("records")?,
            bytes: number("bytes")?,
            ..Account::default()
        };
        account.missing.cells = number("missing")?;
        account.missing.nan = number("nan")?;
        for (code, count) in value.get("rejects")?.as_object()? {
            account.rejects.add_many(code, count.as_u64()?);
        }
        Some(Checkpoint {
            position: Position {
                source: usize::try_from(number("source")?).ok()?,
                offset: number("offset")?,
                line: number("line")?,
            },
            output_bytes: number("output_bytes")?,
            rejects_bytes: number("rejects_bytes")?,
            account,
            is_whole: value.get("is_whole")?.as_bool()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let mut account = Account {
            records: 7,
            bytes: 99,
            ..Account::default()
        };
        account.rejects.add("not_json");
        account.missing.cells = 2;
        Checkpoint {
            position: Position {
                source: 1,
                offset: 1 << 40,
                line: 12,
            },
            output_bytes: 1 << 41,
            rejects_bytes: 5,
            account,
            is_whole: false,
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("out.csv");
        let input = folder.path().join("in.csv");
        fs::write(&input, "a\n1\n").expect("an input");
        let inputs = [input.clone()];
        let identity = |model: &str, options: &str| {
            Identity::new(model, options, &inputs).expect("an identity")
        };
        let journal = Journal::new(&output, identity("m", "o"));
        assert_eq!(journal.read().expect("none yet"), None);
        journal.write(&checkpoint()).expect("written");
        assert_eq!(journal.read().expect("its own"), Some(checkpoint()));

        for (other, reason) in [
            (identity("n", "o"), "the model is another one"),
            (identity("m", "p"), "the command line is another one"),
        ] {
            let error = Journal::new(&output, other)
                .read()
                .expect_err("another run");
            assert!(error.to_string().contains(reason), "{error}");
        }
        fs::write(&input, "a\n1\n2\n").expect("a change");
        let error = Journal::new(&output, identity("m", "o"))
            .read()
            .expect_err("another input");
        assert!(error.to_string().contains("in.csv has changed"), "{error}");

        for text in ["", "{}", "[1]", "{\"identity\":{},\"checkpoint\":{}}"] {
            fs::write(folder.path().join("out.csv.partial.json"), text).expect("a change");
            let error = journal.read().expect_err("no journal");
            assert!(error.to_string().contains("--force starts anew"), "{error}");
        }
        journal.remove().expect("removed");
        journal.remove().expect("nothing to remove");
    }

    #[test]
    fn a_pipe_cannot_be_read_a_second_time() {
        let error = Identity::new("m", "o", &[PathBuf::from("-")]).expect_err("a pipe");
        assert!(error.to_string().contains("standard input"), "{error}");
    }
}
