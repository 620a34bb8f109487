//! A file read at given positions, so that threads share it without a common cursor.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// An open file and its length when it was opened.
#[derive(Debug, Clone)]
pub struct Disk {
    file: Arc<File>,
    length: u64,
}

impl Disk {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> io::Result<Disk> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Disk {
            file: Arc::new(file),
            length,
        })
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The `length` bytes from `start` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the file does not have them; nothing is allocated then.
    pub fn bytes(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
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

    /// Reads on from `position`.
    pub fn reader(&self, position: u64) -> At {
        At {
            disk: self.clone(),
            position,
        }
    }
}

/// Reads on from a position of its own.
#[derive(Debug, Clone)]
pub struct At {
    disk: Disk,
    position: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let count = std::os::unix::fs::FileExt::read_at(&*self.disk.file, buffer, self.position)?;
        #[cfg(windows)]
        let count =
            std::os::windows::fs::FileExt::seek_read(&*self.disk.file, buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for At {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(back) => self.disk.length.checked_add_signed(back),
            SeekFrom::Current(step) => self.position.checked_add_signed(step),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a place before its start");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}
