//! Opens what is to be scored: files in their order, or standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::cut::{Cutter, Limits, read_error};
use super::encoding::{self, Transcoder};
use super::format::Format;
use super::options::Options;
use super::packing::{Packing, without_packing};

/// A source of records, opened: text in UTF-8, whatever it was in the file.
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
    let failed = |source: io::Error| Error::io(name.as_str(), &source);
    let (start, reader) = peek(reader).map_err(failed)?;
    let packing = Packing::of_bytes(&start);
    let (start, reader) = match packing {
        Packing::None => (start, reader),
        _ => packing
            .unpack(reader)
            .and_then(peek)
            .map_err(|source| read_error(&name, &source))?,
    };
    refuse_other_files(&name, &start)?;
    let encoding = encoding::of_source(&start, options.encoding);
    let reader = match encoding {
        Some(encoding) => Box::new(Transcoder::new(reader, encoding)),
        None => reader,
    };
    let by_name = Format::of_path(&without_packing(path));
    let limits = Limits::new(options.batch_size, options.record_bytes);
    let format = |start: &[u8]| options.input_format.of(by_name, start);
    let cutter = Cutter::new(reader, &name, limits, format)?;
    Ok(Source { name, cutter })
}

/// The first bytes of a source, and the source as if they had not been read.
fn peek(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    // No further than that: the writer of a pipe may wait for an answer to its first line.
    while start.len() < PEEKED_BYTES {
        let mut more = [0; 64];
        let count = match reader.read(&mut more) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            break;
        }
        start.extend_from_slice(more.get(..count).unwrap_or_default());
    }
    let whole = io::Cursor::new(start.clone()).chain(reader);
    Ok((start, Box::new(whole)))
}

/// Enough for every mark by which a file tells its format.
const PEEKED_BYTES: usize = 6;

/// Files that are no text.
fn refuse_other_files(name: &str, start: &[u8]) -> Result<()> {
    let (what, remedy) = match start {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, ..] => (
            "bzip2-compressed",
            format!("bzcat {name} | mlserve predict MODEL"),
        ),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => (
            "xz-compressed",
            format!("xzcat {name} | mlserve predict MODEL"),
        ),
        [b'P', b'K', 3, 4, ..] => (
            "a zip archive or spreadsheet",
            "save it as CSV first".to_owned(),
        ),
        _ => return Ok(()),
    };
    Err(Error::data(name, format!("expected CSV or JSONL text, found {what}")).hint(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_text_are_named() {
        for (start, what) in [
            (&b"BZh91AY"[..], "bzip2"),
            (b"\xfd7zXZ\0", "xz"),
            (b"PK\x03\x04", "zip"),
        ] {
            let error = refuse_other_files("x", start).expect_err("no text");
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(refuse_other_files("x", b"a,b\n").is_ok());
    }

    #[test]
    fn a_peeked_source_is_read_from_its_start() {
        for text in [&b""[..], b"a,b\n", &b"0123456789".repeat(9)] {
            let (start, mut reader) =
                peek(Box::new(io::Cursor::new(text.to_vec()))).expect("in memory");
            assert!(text.starts_with(&start) && start.len() <= 64);
            let mut all = Vec::new();
            reader.read_to_end(&mut all).expect("in memory");
            assert_eq!(all, text);
        }
    }
}
