//! Opens what is to be scored: files in their order, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use crate::predict::format::{Format, TableFormat};
use crate::predict::input::pipe::{Pipe, Stop};
use crate::predict::input::steady::Steady;
use crate::predict::input::tables::{Place, Tables};
use crate::predict::options::Options;
use crate::predict::text::cut::{Cutter, read_error};
use crate::predict::text::encoding::{self, Transcoder};
use crate::predict::text::packing::{Packing, without_packing};

/// A source of records, opened.
pub enum Source {
    /// Text in UTF-8, whatever it was in the file.
    Text(Cutter<Box<dyn Read + Send>>),
    Table(Tables, TableFormat),
}

/// Whether `path` means standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Bytes of all sources together, where that is known.
pub fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| match path.metadata() {
        Ok(meta) if meta.is_file() && !is_stdin(path) => Some(meta.len()),
        _ => None,
    };
    paths.iter().map(size).sum()
}

/// What errors call the source at `path`: the path as it was given, or `stdin`.
pub fn name(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Opens one source; `only` is the model's only input, if it has one.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened or read, [`Error::Data`] where it is neither text nor a
/// table.
pub fn open(path: &Path, options: &Options, only: &str, stop: &Stop) -> Result<Source> {
    let name = name(path);
    let failed = |source: io::Error| Error::io(name.as_str(), &source);
    let reader: Box<dyn Read + Send> = if is_stdin(path) {
        Box::new(Pipe::new(io::stdin(), stop.clone()).map_err(failed)?)
    } else {
        let file = File::open(path).map_err(failed)?;
        match file.metadata() {
            // What the system makes up as it is read has no length.
            Ok(meta) if meta.is_file() && meta.len() > 0 => Box::new(Steady::new(file, meta.len())),
            Ok(meta) if meta.is_file() => Box::new(file),
            _ => Box::new(Pipe::new(file, stop.clone()).map_err(failed)?),
        }
    };
    let (start, reader) = peek(reader).map_err(failed)?;
    let packing = Packing::of_bytes(&start);
    let is_plain_file = packing == Packing::None && is_file(path);
    let (start, reader) = match packing {
        Packing::None => (start, reader),
        _ => packing
            .unpack(reader)
            .and_then(peek)
            .map_err(|source| read_error(&name, &source))?,
    };
    if let Some(format) = options.input_format.table(&without_packing(path), &start) {
        let place = Place {
            path: is_plain_file.then_some(path),
            name: &name,
            only,
        };
        return Ok(Source::Table(Tables::open(&place, format, reader)?, format));
    }
    refuse_other_files(&name, &start)?;
    let encoding = encoding::of_source(&start, options.encoding);
    let reader = match encoding {
        Some(encoding) => Box::new(Transcoder::new(reader, encoding)),
        None => reader,
    };
    let by_name = Format::of_path(&without_packing(path));
    let format = |start: &[u8]| options.input_format.text(by_name, start);
    Cutter::new(reader, &name, options.limits(), format).map(Source::Text)
}

/// The lengths by which shards cut the sources at `paths`: bytes of text, and of a table a stretch
/// for each of its rows.
///
/// # Errors
/// [`Error::Usage`] for what has no size that counts: a pipe, or compressed text.
pub fn shard_lengths(paths: &[PathBuf], options: &Options) -> Result<Vec<u64>> {
    let length = |path: &PathBuf| {
        let place = path.display().to_string();
        let refused = |what: &str| {
            Error::usage(format!(
                "--shard: {place} is {what}, and cannot be cut by its size"
            ))
            .hint("one file for each shard needs no --shard; or decompress it first")
        };
        if is_stdin(path) {
            return Err(refused("a pipe"));
        }
        let failed = |source: io::Error| Error::io(place.as_str(), &source);
        let mut file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(refused("no regular file"));
        }
        let mut start = Vec::new();
        file.by_ref()
            .take(8)
            .read_to_end(&mut start)
            .map_err(failed)?;
        if Packing::of_bytes(&start) != Packing::None {
            return Err(refused("compressed"));
        }
        if encoding::of_source(&start, options.encoding).is_some() {
            return Err(refused("not UTF-8"));
        }
        match options.input_format.table(path, &start) {
            None => Ok(meta.len()),
            Some(TableFormat::ArrowStream) => Err(refused("a stream")),
            Some(format) => {
                let place = Place {
                    path: Some(path),
                    name: &place,
                    only: "",
                };
                let tables = Tables::open(&place, format, Box::new(io::empty()))?;
                let rows = tables.total_rows().ok_or_else(|| refused("a stream"))?;
                Ok(rows.saturating_mul(options.limits().stretch_bytes))
            }
        }
    };
    paths.iter().map(length).collect()
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}

/// The first bytes of a source, and the source as if they had not been read.
fn peek(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    // No further than that: the writer of a pipe may wait for an answer to its first line.
    while start.len() < PEEKED_BYTES && !start.contains(&b'\n') {
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
            "--from npz reads one with arrays of NumPy; save a spreadsheet as CSV first".to_owned(),
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
