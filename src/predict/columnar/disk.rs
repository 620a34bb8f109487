//! A file read at given positions, so that threads share it without a common cursor.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// An open file and its length when it was opened.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    file: Arc<File>,
    length: u64,
}

impl Disk {
    pub(super) fn open(path: &Path) -> io::Result<Disk> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Disk {
            file: Arc::new(file),
            length,
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The `length` bytes from `start` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the file does not have them; nothing is allocated then.
    pub(super) fn bytes(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{length} bytes at {start} lie beyond its end"),
            ));
        }
        let mut bytes = vec![0; length];
        let mut reader = self.reader(start);
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn reader(&self, position: u64) -> At {
        At {
            file: Arc::clone(&self.file),
            position,
        }
    }
}

/// Reads on from a position of its own.
pub(super) struct At {
    file: Arc<File>,
    position: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let count = std::os::unix::fs::FileExt::read_at(&*self.file, buffer, self.position)?;
        #[cfg(windows)]
        let count = std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Length for Disk {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Disk {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Only page headers are read this way, and they are short.
        Ok(BufReader::with_capacity(1024, self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.bytes(start, length)?.into())
    }
}
