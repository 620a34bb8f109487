//! Opens what is to be scored: files in their order, or standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::cut::{Cutter, Limits};
use super::format::Format;
use super::options::Options;

/// A source of records, opened.
pub struct Source {
    /// What errors call it: the path as it was given, or `stdin`.
    pub name: String,
    pub cutter: Cutter<Box<dyn Read + Send>>,
}

/// Whether `path` means standard input.
fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The sources that the command line names; standard input where it names none.
///
/// # Errors
/// [`Error::Usage`] where standard input is a terminal that nobody meant, or named twice;
/// [`Error::Io`] for a file that is not there, so that nothing is scored before.
pub fn resolve(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Error::usage("standard input can be read only once").hint("name \"-\" once"));
    }
    if paths.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Error::usage(
                "no input: expected files after the model, or data on standard input",
            )
            .hint("mlserve predict MODEL FILE.csv, or ... | mlserve predict MODEL"));
        }
        return Ok(vec![PathBuf::from("-")]);
    }
    for path in paths.iter().filter(|path| !is_stdin(path)) {
        let place = path.display().to_string();
        let meta = path
            .metadata()
            .map_err(|source| Error::io(place.as_str(), &source))?;
        if meta.is_dir() {
            return Err(Error::Io(crate::error::Report {
                place,
                message: "expected a file, found a folder".to_owned(),
                hint: "name the files: FOLDER/*.csv".to_owned(),
            }));
        }
    }
    Ok(paths.to_vec())
}

/// Bytes of all sources together, where that is known.
pub fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| match path.metadata() {
        Ok(meta) if meta.is_file() && !is_stdin(path) => Some(meta.len()),
        _ => None,
    };
    paths.iter().map(size).sum()
}

/// Opens one source.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened or read, [`Error::Data`] where it is no text.
pub fn open(path: &Path, options: &Options) -> Result<Source> {
    let (name, reader): (String, Box<dyn Read + Send>) = if is_stdin(path) {
        ("stdin".to_owned(), Box::new(io::stdin()))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| Error::io(name.as_str(), &source))?;
        (name, Box::new(file))
    };
    let by_name = Format::of_path(path);
    let limits = Limits::new(options.batch_size, options.record_bytes);
    let format = |start: &[u8]| options.input_format.of(by_name, start);
    let cutter = Cutter::new(reader, &name, limits, format)?;
    Ok(Source { name, cutter })
}
