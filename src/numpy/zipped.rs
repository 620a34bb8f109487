//! The arrays of an NPZ file, each read by itself: several are read side by side.

use std::io::{self, Read};
use std::path::Path;

use flate2::{Crc, read::DeflateDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::Container;
use crate::disk::Disk;
use crate::error::{Error, Result};

/// One array of the file, packed or not.
pub(super) struct Packed {
    pub(super) name: String,
    /// Where the bytes of a stored array start, so that rows can be sought.
    pub(super) stored_at: Option<u64>,
    pub(super) source: Box<dyn Read + Send>,
}

/// Most arrays of a file; each has a reader.
const MOST: usize = 4096;

/// Opens all arrays of the file.
pub(super) fn open(path: &Path, name: &str) -> Result<(Disk, Vec<Packed>)> {
    let disk = Disk::open(path).map_err(|error| Error::io(name, &error))?;
    let wrong = |text: String| {
        Error::data(
            name,
            format!("damaged, or not {}: {text}", Container::Npz.words()),
        )
    };
    let archive = ZipArchive::new(disk.reader(0));
    let mut archive = archive.map_err(|error| wrong(error.to_string()))?;
    if archive.len() > MOST {
        return Err(wrong(format!("{} files in it", archive.len())));
    }
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index);
        let file = file.map_err(|error| wrong(error.to_string()))?;
        let member = file.name().map_err(|error| wrong(error.to_string()))?;
        let Some(array) = member.strip_suffix(".npy").map(str::to_owned) else {
            continue;
        };
        if file.encrypted() {
            return Err(wrong(format!("\"{array}\" is encrypted")));
        }
        let start = file.data_start();
        let start = start.ok_or_else(|| wrong(format!("\"{array}\" is nowhere")))?;
        let bytes = disk.reader(start).take(file.compressed_size());
        let (stored_at, inner): (_, Box<dyn Read + Send>) = match file.compression() {
            CompressionMethod::Stored => (Some(start), Box::new(bytes)),
            CompressionMethod::Deflated => (None, Box::new(DeflateDecoder::new(bytes))),
            other => return Err(wrong(format!("\"{array}\" is compressed by {other}"))),
        };
        arrays.push(Packed {
            name: array,
            stored_at,
            source: Box::new(Checked {
                inner: inner.take(file.size()),
                crc: Crc::new(),
                sum: file.crc32(),
            }),
        });
    }
    Ok((disk, arrays))
}

/// Reads on and, at the end, holds the bytes to their checksum.
struct Checked {
    inner: io::Take<Box<dyn Read + Send>>,
    crc: Crc,
    sum: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.crc.update(buffer.get(..count).unwrap_or_default());
        if self.inner.limit() == 0 && self.crc.sum() != self.sum {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its bytes are not those of its checksum",
            ));
        }
        Ok(count)
    }
}
